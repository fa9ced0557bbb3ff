"""Statements: from a module to a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Literal as OneOf
from typing import cast

from ..graph.ir import Const, Graph, Hyper, Init, Input, Kind, Model, Output, Param, Target, Update
from ..graph.shapes import Dim, Shape
from ..graph.shapes import show as show_shape
from ..language import syntax
from ..language.diagnostics import Bag, Diagnostic, Label, suggest
from ..language.source import Source, Span
from ..ops.declare import Clash, Read, Step, broadcast_shapes, out_axes, plain
from .calls import bound_names
from .constants import broadcast_data, exact_number
from .expressions import describe
from .layers import library_layers
from .lints import lint
from .loops import LoopCaller
from .scope import Entry, Env, Frame, Function, LayerRule, Rule, article
from .states import Keeper
from .targets import find_targets
from .updates import all_updates, take_optimizer
from .values import POISON, ConstDraft, Draft, Layer, Literal, Poison, Scalar, ScanDraft, Several, Text, Val, Value, made

Reader = Callable[[str], "Source | None"]

Distribution = tuple[tuple[str, Fraction | None], ...]
DISTRIBUTIONS: dict[str, Distribution] = {
    "normal": (("mean", Fraction(0)), ("std", Fraction(1))),
    "uniform": (("low", None), ("high", None)),
    "glorot_uniform": (),
    "glorot_normal": (),
    "he_uniform": (),
    "he_normal": (),
    "orthogonal": (),
}


class Elaborator:
    def __init__(self, module: syntax.Module, sizes: Mapping[str, int], dtype: str | None, read: Reader | None) -> None:
        self.module = module
        self.overrides = dict(sizes)
        self.dtype = dtype
        self.read = read
        self.bag = Bag()
        self.sources: dict[str, Source] = {module.source.name: module.source}
        self.frame = Frame(module.source, library=False, main=True)
        self.library_frames: dict[str, Frame] = {}
        self.library_functions: dict[str, Function] = {}
        self.ev = LoopCaller(self.bag, self.sources, self.library)
        self.ev.declare = self.layer_param
        self.keeper = self.ev.keeper = Keeper(self)
        root = syntax.LayerDef(syntax.Name("model", span=self.start()), (), (), span=self.start())
        self.ev.root = Layer(LayerRule(root, self.frame), {}, self.start())
        self.ev.missing.update(module.broken)
        self.env = Env(self.frame)
        self.taken: set[str] = set()
        self.numbered: dict[str, int] = {}  # the last number given to a name
        self.free: list[str] = []
        self.fixed: dict[str, int] = {}
        self.real: str | None = None
        self.inputs: list[tuple[Val, Input]] = []
        self.params: list[tuple[Val, Param]] = []
        self.hypers: list[tuple[Val, Hyper]] = []
        self.outputs: dict[str, tuple[Val, str, Span]] = {}
        self.bound: dict[str, list[Entry]] = {}
        self.loss: Val | None = None
        self.loss_span: Span | None = None
        self.loss_value: Value | None = None  # what is minimized, before penalties
        self.penalties: list[tuple[syntax.ParamDecl, Val, Env]] = []
        self.penalised = False  # some param of the files has a penalty
        self.optimizer: tuple[str, tuple[tuple[str, Fraction], ...]] | None = None
        self.gradients: list[tuple[syntax.GradientDecl, Entry | None]] = []
        self.words = _words(module)
        self.ev.words = self.words
        self.of_layers: dict[str, Span] = {}  # params that layers own, by name: where the layer is made
        self.shown = {n.id for s in module.statements if isinstance(s, syntax.OutputDecl) for n in s.names if n.id != "loss"}
        self.user_updates: list[Update] = []

    # ------------------------------------------------------------ functions from elsewhere

    def library(self, name: str) -> Function | None:
        """A function of the compiler's own library."""
        from ..library import functions, read

        found = self.library_functions.get(name)
        if found is None and name in functions():
            tree, file = functions()[name]
            frame = self.library_frames.get(file)
            if frame is None:
                frame = self.library_frames[file] = Frame(read(file), library=True)
                self.sources.setdefault(frame.source.name, frame.source)
            found = self.library_functions[name] = Function(tree, frame)
        return found

    def library_frame(self, name: str) -> Frame:
        from ..library import read, tree

        frame = self.library_frames.get(name)
        if frame is None:
            frame = self.library_frames[name] = Frame(read(name), library=True)
            self.sources.setdefault(frame.source.name, frame.source)
            self.collect(tree(name), frame)
        return frame

    def use(self, node: syntax.Use) -> None:
        from ..library import NAMES

        if not node.is_path:
            if node.target == "layers":
                self.merge(self.library_frame("layers"), self.frame, node.span)
            elif node.target not in NAMES:
                self.no_library(node)
            return
        chain = (PurePosixPath(self.module.source.name).name,)
        if self.circular(node, chain):
            return
        source = self.read(node.target) if self.read is not None else None
        if source is None:
            self.report("E227", f'there is no file "{node.target}"', node.span, notes=("it is looked for beside the model",))
            return
        self.merge(self.use_file(source, chain), self.frame, node.span)

    def no_library(self, node: syntax.Use) -> None:
        from ..library import NAMES

        meant = suggest(node.target, NAMES)
        self.report(
            "E226", f"there is no library {node.target}", node.span, notes=(f"there are {', '.join(NAMES)}",),
            help=f"did you mean {meant}?" if meant else f'a file of your own is named in quotes: use "{node.target}.gw"',
        )  # fmt: skip

    def circular(self, node: syntax.Use, chain: tuple[str, ...]) -> bool:
        """Whether a file uses one that uses it."""
        if node.target not in chain:
            return False
        around = [*chain[chain.index(node.target) :], node.target]
        self.report(
            "E228", f"{node.target} uses itself" if len(around) == 2 else "these files use each other", node.span,
            notes=() if len(around) == 2 else (f"{', '.join(around[:-1])} and again {node.target}, each uses the next",),
            help="put what both need into a file of its own" if len(around) > 2 else None,
        )  # fmt: skip
        return True

    def use_file(self, source: Source, chain: tuple[str, ...]) -> Frame:
        """The functions and update rules of a file, with those that it uses itself. ``chain``: the files that led here."""
        from ..language.parser import parse
        from ..library import NAMES

        self.sources[source.name] = source
        frame = Frame(source, library=False)
        tree, found = parse(source)
        self.bag.extend(found)
        if tree is None:
            self.ev.missing.add("*")
            return frame
        self.ev.missing.update(tree.broken)
        self.collect(tree, frame)
        self.collect_derivatives(tree, frame)
        chain = (*chain, source.name)
        for statement in tree.statements:
            if isinstance(statement, syntax.Use) and not statement.is_path:
                if statement.target == "layers":
                    self.merge(self.library_frame("layers"), frame, statement.span)
                elif statement.target not in NAMES:
                    self.no_library(statement)
            if isinstance(statement, syntax.Use) and statement.is_path and not self.circular(statement, chain):
                inner = self.read(statement.target) if self.read is not None else None
                if inner is None:
                    self.report("E227", f'there is no file "{statement.target}"', statement.span)
                else:
                    self.merge(self.use_file(inner, chain), frame, statement.span)
        return frame

    def merge(self, inner: Frame, outer: Frame, span: Span) -> None:
        """What a used file gives becomes visible; a file's own definitions come first, and two used files may not differ."""
        for name, function in inner.functions.items():
            old = outer.functions.setdefault(name, function)
            if old.frame is not outer and old.tree is not function.tree and old.frame.source != function.frame.source:
                where = f"{old.frame.source.name} and {function.frame.source.name}"
                self.report("E221", f"the function {name} comes from two files", span, notes=(f"{where} both define it",))
        for name, rule in inner.updates.items():
            outer.updates.setdefault(name, rule)
        for name, layer in inner.layers.items():
            known = outer.layers.setdefault(name, layer)
            library = known.frame.library or layer.frame.library  # one's own comes before the library's
            if known.frame is not outer and known.tree is not layer.tree and not library:
                where = f"{known.frame.source.name} and {layer.frame.source.name}"
                self.report("E221", f"the layer {name} comes from two files", span, notes=(f"{where} both define it",))
            elif known.frame.library and not layer.frame.library:
                outer.layers[name] = layer

    def collect(self, tree: syntax.Module, frame: Frame) -> None:
        """A file's functions and update rules: they may stand anywhere in it."""
        seen: dict[tuple[str, str], Span] = {}
        for statement in tree.statements:
            if not isinstance(statement, syntax.Def | syntax.UpdateDef | syntax.LayerDef):
                continue
            what = "update rule" if isinstance(statement, syntax.UpdateDef) else "function"
            name = statement.name.id
            first = seen.setdefault((what, name), statement.name.span)
            if first is not statement.name.span:
                self.report("E221", f"the {what} {name} is defined twice", statement.name.span, labels=((first, "first here"),))
                continue
            names: set[str] = set()
            formal = [p.name for p in statement.params]
            if isinstance(statement, syntax.UpdateDef):
                formal += [statement.weight, statement.gradient] + [
                    s.name for s in statement.body if isinstance(s, syntax.StateDecl)
                ]
                names.add("t")
            for p in formal:
                if p.id in names:
                    self.report("E221", f"{p.id} is named twice here" if p.id != "t" else "t is the number of the step", p.span)
                names.add(p.id)
            if isinstance(statement, syntax.Def):
                frame.functions[name] = Function(statement, frame)
            elif isinstance(statement, syntax.LayerDef):
                frame.layers[name] = LayerRule(statement, frame)
            else:
                frame.updates[name] = Rule(statement, frame)

    def collect_derivatives(self, tree: syntax.Module, frame: Frame) -> None:
        """``derivative f(a, b) wrt a = ...``: of functions of the same file."""
        for node in tree.statements:
            if not isinstance(node, syntax.DerivativeDecl):
                continue
            name = node.function.id
            function = frame.functions.get(name)
            if function is None or function.frame is not frame:
                if not self.ev.silent(name):
                    meant = suggest(name, frame.functions)
                    help = f"did you mean {meant}?" if meant else f"define it in this file: def {name}(x) = ..."
                    self.report("E271", f"there is no function {name} in this file", node.function.span, help=help)
                continue
            formals = function.tree.params
            if len(node.params) != len(formals):
                wanted = ", ".join(p.name.id for p in formals)
                self.report(
                    "E271", f"{name} has {len(formals)} argument{'' if len(formals) == 1 else 's'}, and not {len(node.params)}",
                    node.span, labels=((function.tree.name.span, f"{name}({wanted})"),),
                )  # fmt: skip
                continue
            place = next((k for k, p in enumerate(node.params) if p.id == node.wrt.id), None)
            if place is None:
                self.report("E271", f"{node.wrt.id} is none of the arguments", node.wrt.span)
                continue
            wrt = formals[place].name.id
            old = frame.derivatives.setdefault(name, {}).setdefault(wrt, node)
            if old is not node:
                self.report("E221", f"the derivative of {name} is given twice", node.span, labels=((old.span, "here"),))

    # ------------------------------------------------------------ the whole

    def run(self) -> tuple[Model | None, tuple[Diagnostic, ...]]:
        self.collect(self.module, self.frame)
        self.collect_derivatives(self.module, self.frame)
        for statement in self.module.statements:
            if isinstance(statement, syntax.Use):
                self.use(statement)
        sizes = {i.name.id: i.name.span for s in self.module.statements if isinstance(s, syntax.SizeDecl) for i in s.items}
        for name in self.overrides:
            if name not in sizes and not self.ev.silent(name):
                meant = suggest(name, sizes)
                there = f"the model's sizes are {', '.join(sizes)}" if sizes else "the model has no sizes"
                help = f"did you mean {meant}?" if meant else there
                self.report("E266", f"sizes: there is no size {name} to set", self.nowhere(), help=help)
        if self.dtype is not None and self.dtype not in ("float64", "float32"):
            self.report("E243", f"dtype: there is no real type {self.dtype}", self.nowhere(), help="float64 or float32")
        self.penalised = any(
            isinstance(s, syntax.ParamDecl) and s.penalty is not None
            for body in (self.module.statements, *(r.tree.body for r in self.frame.layers.values()))
            for s in body
        )
        for statement in self.module.statements:
            self.statement(statement)
        read = {id(v) for d in self.ev.drafts for v in d.operands} | {id(v) for v, _, _ in self.outputs.values()}
        self.params = [(v, p) for v, p in self.params if v.name not in self.of_layers or id(v) in read]
        self.add_penalties(read)
        self.keeper.complete()
        updates = all_updates(self)
        targets = find_targets(self)
        if self.loss is not None and "loss" in self.outputs and self.outputs["loss"][0] is not self.loss:
            assert self.loss_span is not None
            self.report(
                "E265",
                "what is minimized is the output named loss",
                self.outputs["loss"][2],
                labels=((self.loss_span, "this is the loss"),),
                help="give this output another name",
            )
        if not self.outputs and self.loss_span is None and not self.bag.has_errors and not self.module.broken:
            self.report("E264", "this model computes nothing", self.start(), help="give it an output, or something to minimize")
        if self.bag.has_errors or self.module.broken:
            return None, self.bag.diagnostics
        model = self.model(targets, updates)
        lint(self)
        return model, self.bag.diagnostics

    def nowhere(self) -> Span:
        """For what no line of the model is to blame for, but an argument of the call."""
        return Span(self.module.source.name, 0, 0, 0, 0)

    def start(self) -> Span:
        name = self.module.source.name
        return self.module.statements[0].span if self.module.statements else Span(name, 1, 1, 1, 1)

    def report(
        self,
        code: str,
        message: str,
        span: Span,
        *,
        labels: tuple[tuple[Span, str], ...] = (),
        notes: tuple[str, ...] = (),
        help: str | None = None,
    ) -> None:
        self.bag.report(
            code,
            message,
            span,
            labels=[Label(*x) for x in ([(span, "")] if labels else []) + list(labels)],
            notes=notes,
            help=help,
        )

    def model(self, targets: tuple[Target, ...], updates: tuple[Update, ...]) -> Model:
        drafts = self.live()
        outputs = [
            Output(name, val.name, doc, span)
            for name, (val, doc, span) in self.outputs.items()
            if val is not self.loss or name != "loss"
        ]
        if self.loss is not None:
            assert self.loss_span is not None
            outputs.append(Output("loss", self.loss.name, "the loss", self.loss_span))
        path = PurePosixPath(self.module.source.name.replace("\\", "/"))
        consts = tuple(c for d in drafts if isinstance(d, ConstDraft) and isinstance(c := d.finish(), Const))
        eqns = tuple(d.finish() for d in drafts if not isinstance(d, ConstDraft))
        keeper, states = self.keeper, self.keeper.results()
        inputs = [v.graph_value for v in (*(v for v, _ in (*self.inputs, *self.params, *self.hypers)), *keeper.inputs())]
        results = dict.fromkeys([*(o.value for o in outputs), *(s.next for s in states)])
        graph = Graph(path.stem, tuple(inputs), consts, eqns, tuple(results))
        real = cast(OneOf["float64", "float32"], self.dtype or self.real or "float64")
        return Model(
            path.stem,
            self.module.doc,
            self.module.source.name,
            real,
            tuple(self.free),
            tuple(self.fixed.items()),
            tuple(i for _, i in self.inputs),
            tuple(p for _, p in self.params),
            tuple(h for _, h in self.hypers),
            tuple(outputs),
            self.loss.name if self.loss is not None else None,
            targets,
            updates,
            self.optimizer,
            graph,
            states,
            keeper.training.name if keeper.training is not None else None,
            keeper.generator.name if keeper.generator is not None else None,
            tuple(library_layers(self.ev.root)),
        )

    def live(self) -> list[Draft | ScanDraft | ConstDraft]:
        """All equations, without literal arrays that turned out to be only numbers for the compiler."""
        used = {id(v) for d in self.ev.drafts for v in d.operands} | {id(v) for v, _, _ in self.outputs.values()}
        return [d for d in self.ev.drafts if not isinstance(d, ConstDraft) or id(d.out) in used]

    # ------------------------------------------------------------ names

    def unique(self, name: str) -> str:
        """A name for a value that no user name and no other value has; the user's own name for its first meaning."""
        if name not in self.taken:
            self.taken.add(name)
            return name
        k = self.numbered.get(name, 1) + 1
        while f"{name}_{k}" in self.taken or f"{name}_{k}" in self.words:
            k += 1
        self.numbered[name] = k
        self.taken.add(f"{name}_{k}")
        return f"{name}_{k}"

    def settle(self, name: str, results: list[tuple[str, Val]], start: int) -> None:
        """Name what the statement made: its results as the user does, the rest ``name_t1``, ``name_t2``..."""
        base = ""
        for wanted, val in results:
            if not val.name:
                val.name = self.unique(wanted)
                base = base or val.name
        base = base or name
        k = 1
        for val in (v for draft in self.ev.drafts[start:] for v in made(draft)):
            if val.name:
                continue
            while f"{base}_t{k}" in self.taken or f"{base}_t{k}" in self.words:
                k += 1
            val.name = f"{base}_t{k}"
            self.taken.add(val.name)

    def declare(self, name: syntax.Name, value: Value, what: str, shape: tuple[syntax.Expression, ...] = ()) -> None:
        old = self.ev.entries.get(name.id)
        if old is not None:
            self.report(
                "E221", f"{name.id} is declared twice", name.span, labels=((old.span, f"first here, as {article(old.what)}"),)
            )
            return
        self.ev.missing.discard(name.id)
        self.ev.entries[name.id] = Entry(value, what, name.span, shape)

    def bind(self, name: syntax.Name, value: Value) -> None:
        old = self.ev.entries.get(name.id)
        if old is not None and old.what in ("size", "hyper", "loop variable", "state", "random value"):
            self.report(
                "E221",
                f"{name.id} is {article(old.what)} and cannot be bound again",
                name.span,
                labels=((old.span, "declared here"),),
            )
            return
        self.ev.missing.discard(name.id)
        entry = Entry(value, "binding", name.span)
        self.ev.entries[name.id] = entry
        self.bound.setdefault(name.id, []).append(entry)

    # ------------------------------------------------------------ statements

    def statement(self, node: syntax.Statement) -> None:
        match node:
            case syntax.SizeDecl():
                for item in node.items:
                    self.size(item)
            case syntax.DtypeDecl():
                if node.name.id not in ("float64", "float32"):
                    self.report("E243", f"there is no real type {node.name.id}", node.name.span, help="float64 or float32")
                elif self.real is not None:
                    self.report("E221", "the real type is declared twice", node.span)
                else:
                    self.real = node.name.id
            case syntax.InputDecl():
                for declared in node.items:
                    self.input(declared, "real")
            case syntax.IndexDecl():
                for declared in node.items:
                    self.input(declared, "int")
            case syntax.ParamDecl():
                self.param(node)
            case syntax.HyperDecl():
                for hyper in node.items:
                    self.hyper(hyper)
            case syntax.Binding():
                self.binding(node.targets, node.value)
            case syntax.OutputDecl():
                self.output(node)
            case syntax.Minimize():
                self.minimize(node)
            case syntax.GradientDecl():
                self.gradients.append((node, self.entry_at(node.of)))
            case syntax.For():
                self.unrolled(node)
            case syntax.State():
                self.declare(node.name, self.keeper.state(node, self.env, node.name.id), "state", node.shape)
            case syntax.Next():
                entry = self.ev.entries.get(node.name.id)
                found = entry is not None and entry.what == "state"
                self.keeper.next(node, self.env, node.name.id if found else "")
            case syntax.RandomDecl():
                start = len(self.ev.drafts)
                drawn = self.keeper.random(node, self.env)
                self.settle(node.name.id, [(node.name.id, drawn)] if isinstance(drawn, Val) else [], start)
                self.declare(node.name, drawn, "random value", node.shape)
            case syntax.ScanDecl():
                self.scan(node)
            case syntax.Indexed():
                start = len(self.ev.drafts)
                value = self.ev.gather(self.ev.indexed(node, self.env))
                self.settle(node.name.id, [(node.name.id, value)] if isinstance(value, Val) else [], start)
                self.bind(node.name, value)
            case syntax.Def() | syntax.UpdateDef() | syntax.LayerDef() | syntax.Use() | syntax.DerivativeDecl():
                pass
            case _:
                self.later(node)

    def unrolled(self, node: syntax.For) -> None:
        """``for`` at the top level: its statements once for each value."""
        start = len(self.ev.drafts)
        arguments = self.ev.gather(self.ev.iterated(node, self.env))
        items = self.ev.items(node, arguments, self.env)
        del self.ev.drafts[start:]
        variable = node.variable
        if variable.id in self.ev.entries:
            old = self.ev.entries[variable.id]
            self.report("E221", f"{variable.id} is {article(old.what)} already", variable.span, labels=((old.span, "here"),))
            return
        for item in items:
            entry = self.ev.entries[variable.id] = Entry(item, "loop variable", variable.span)
            before = len(self.bag)
            for line in node.body:
                self.statement(cast(syntax.Statement, line))
            if len(self.bag) > before:  # the next round would say the same
                break
            if self.ev.entries.get(variable.id) is not entry:
                break
        self.ev.entries.pop(variable.id, None)
        if not items:
            for name in bound_names(node.body):
                self.ev.entries.setdefault(name, Entry(POISON, "binding", node.span))

    def scan(self, node: syntax.ScanDecl) -> None:
        """``scan`` at the top level: its last carries and its emits are bound."""
        start = len(self.ev.drafts)
        found = self.ev.gather(self.ev.scan(node, self.env))
        inside = {id(v) for d in self.ev.drafts[start:] for v in made(d)}
        results = [(n, v) for n, v in (*found.items(), *self.ev.wishes) if isinstance(v, Val) and id(v) in inside]
        self.ev.wishes.clear()
        self.settle("step", results, start)
        for line in node.body:
            if isinstance(line, syntax.Carry | syntax.Emit):
                self.bind(line.name, found[line.name.id])
                if isinstance(line, syntax.Carry):
                    self.entry_at(line.name)

    def later(self, node: syntax.Statement) -> None:
        word = self.ev.text(node.span).split()[0] if not isinstance(node, syntax.Indexed) else "index notation"
        span = node.span
        if not isinstance(node, syntax.Indexed):
            span = Span(span.file, span.line, span.column, span.line, span.column + len(word))
            word = f"`{word}`"
        self.report("E110", f"{word} is not part of the language yet", span)
        self.ev.missing.add("*")

    def entry_at(self, name: syntax.Name) -> Entry | None:
        entry = self.ev.entries.get(name.id)
        if entry is not None:
            entry.used = True
        return entry

    def constant(self, node: syntax.Expression, env: Env | None = None) -> Value:
        """The value of an expression that must be known when the module is compiled."""
        return self.ev.run(node, replace(env, constant=True) if env is not None else Env(self.frame, constant=True))

    def dim(self, node: syntax.Expression, code: str = "E213", env: Env | None = None) -> Dim | None:
        env = env or self.env
        dim = self.ev.as_dim(self.constant(node, env), node, env)
        if dim is not None and dim.value is not None and dim.value < 0:
            self.tell(env, code, f"a size cannot be negative: this is {dim}", node.span)
            return None
        return dim

    def shape(self, nodes: tuple[syntax.Expression, ...], env: Env | None = None) -> Shape | None:
        dims = [self.dim(n, "E213", env) for n in nodes]
        return None if any(d is None for d in dims) else tuple(d for d in dims if d is not None)

    def tell(
        self,
        env: Env,
        code: str,
        message: str,
        span: Span,
        *,
        labels: tuple[tuple[Span, str], ...] = (),
        notes: tuple[str, ...] = (),
        help: str | None = None,
    ) -> None:
        """An error in a statement that may stand in the body of a layer: then shown at the user's call."""
        self.ev.report(
            env, code, message, span, labels=([(span, "")] if labels else []) + list(labels), notes=notes, help=help
        )

    def size(self, item: syntax.SizeItem) -> None:
        name = item.name.id
        value: Value
        if name in self.overrides:
            number = self.overrides[name]
            if number < 0:
                self.report("E266", f"a size cannot be negative: {name} is set to {number}", item.span)
            value = Scalar.of_dim(Dim.of(max(number, 0)))
        elif item.value is None:
            value = Scalar.of_dim(Dim.of(name))
        else:
            dim = self.dim(item.value, "E266")
            value = POISON if dim is None else Scalar.of_dim(dim)
        fresh = name not in self.ev.entries
        self.declare(item.name, value, "size")
        if fresh and isinstance(value, Scalar) and value.dim is not None:
            if value.dim.value is not None:
                self.fixed[name] = value.dim.value
            elif item.value is None:
                self.free.append(name)

    def input(self, node: syntax.Declared, kind: Kind) -> None:
        shape = self.shape(node.shape)
        below: Dim | None = None
        word = "index" if kind == "int" else "input"
        good = shape is not None
        if kind == "int":
            if node.below is None:
                self.report(
                    "E270",
                    f"the index {node.name.id} has no bound",
                    node.span,
                    help=f"{self.ev.text(node.span)} < C, for values 0 to C-1",
                )
                good = False
            else:
                below = self.dim(node.below)
                good = good and below is not None
        val = Val(shape or (), kind, below, node.name.id, declared=word)
        fresh = node.name.id not in self.ev.entries
        self.declare(node.name, val if good else POISON, word, node.shape)
        if fresh and good:
            self.taken.add(node.name.id)
            self.inputs.append((val, Input(val.graph_value, below, node.doc, node.span)))

    def hyper(self, node: syntax.HyperItem) -> None:
        value = self.constant(node.value)
        default = exact_number(value) if isinstance(value, Scalar) else None
        val = Val((), "real", None, node.name.id, declared="hyper")
        fresh = node.name.id not in self.ev.entries
        if default is None and not isinstance(value, Poison):
            self.report("E244", "the default of a hyper is a number", node.value.span)
        self.declare(node.name, val if default is not None else POISON, "hyper")
        if fresh and default is not None:
            self.taken.add(node.name.id)
            self.hypers.append((val, Hyper(val.graph_value, default, node.doc, node.span)))

    def param(self, node: syntax.ParamDecl) -> None:
        shape = self.fixed_shape(node, self.env)
        init = self.init(node, shape, self.env)
        fresh = node.name.id not in self.ev.entries
        if shape is None:
            self.declare(node.name, POISON, "param", node.shape)
            return
        val = Val(shape, "real", None, node.name.id, declared="frozen" if node.frozen else "param")
        self.declare(node.name, val, "param", node.shape)
        if fresh and init is not None:
            self.taken.add(node.name.id)
            self.params.append((val, Param(val.graph_value, init, node.frozen, node.doc, node.span)))
            self.penalty(node, val, self.env)

    def layer_param(self, node: syntax.ParamDecl, env: Env, path: str) -> Value:
        """A param that a layer owns."""
        shape = self.fixed_shape(node, env)
        init = self.init(node, shape, env)
        if shape is None or init is None:
            return POISON
        val = Val(shape, "real", None, path, declared="frozen" if node.frozen else "param")
        self.taken.add(path)
        site = env.site
        while site is not None and site.outer is not None:
            site = site.outer
        span = site.span if site is not None else node.span
        self.of_layers[path] = span
        self.params.append((val, Param(val.graph_value, init, node.frozen, node.doc, span)))
        self.penalty(node, val, env)
        return val

    def fixed_shape(self, node: syntax.ParamDecl | syntax.State, env: Env) -> Shape | None:
        shape = self.shape(node.shape, env)
        if shape is not None:
            for extent, part in zip(shape, node.shape, strict=True):
                if extent.value is None:
                    word = "state" if isinstance(node, syntax.State) else "param"
                    message = f"the shape of a {word} must be fixed, and {extent} is free"
                    self.tell(env, "E211", message, part.span, help=_fix_size(extent))
                    return None
        return shape

    def init(self, node: syntax.ParamDecl | syntax.State, shape: Shape | None, env: Env) -> Init | None:
        """How a param starts; None after an error."""
        word, part = ("state", node.value) if isinstance(node, syntax.State) else ("param", node.init)
        if part is None:
            return Init("values", (Fraction(0),))
        if isinstance(node, syntax.ParamDecl) and node.random:
            return self.distribution(part, shape, env)
        value = self.constant(part, env)
        span = part.span
        if isinstance(value, Poison) or shape is None:
            return None
        fixed = tuple(int(d.value or 0) for d in shape)
        if isinstance(value, Scalar):
            number = exact_number(value)
            if number is None:
                self.tell(
                    env,
                    "E244", f"the initial value of a {word} is made of numbers that are known when the module is compiled", span
                )
                return None
            return Init("values", (number,))
        if isinstance(value, Literal):
            try:
                same = broadcast_shapes((shape, tuple(Dim.of(d) for d in value.shape))) == shape
            except Clash:
                same = False
            if not same:
                self.tell(
                    env,
                    "E263",
                    f"the initial value does not have the shape of the {word}",
                    span,
                    labels=((node.name.span, f"{node.name.id} is {show_shape(shape)}"), (span, f"this is {describe(value)}")),
                )
                return None
            data = broadcast_data(value.shape, value.data, fixed)
            return Init("values", data[:1] if len(set(data)) == 1 else data)
        message = f"the initial value of a {word} is made of numbers that are known when the module is compiled"
        self.tell(env, "E244", message, span)
        return None

    def distribution(
        self, node: syntax.Expression, shape: Shape | None, env: Env, known: Mapping[str, Distribution] = DISTRIBUTIONS
    ) -> Init | None:  # fmt: skip
        """A call of one of the ``known`` distributions; None after an error."""
        if isinstance(node, syntax.Ref):
            node = syntax.Call(syntax.Name(node.id, span=node.span), (), (), span=node.span)
        if not isinstance(node, syntax.Call):
            self.tell(
                env,
                "E261",
                "a distribution is wanted here",
                node.span,
                notes=(f"there are {', '.join(known)}",),
                help="a fixed initial value is written with =" if known is DISTRIBUTIONS else None,
            )
            return None
        name = node.func.id
        params = known.get(name)
        if params is None:
            meant = suggest(name, known)
            self.tell(
                env,
                "E261",
                f"there is no distribution {name}",
                node.func.span,
                notes=() if meant else (f"there are {', '.join(known)}",),
                help=f"did you mean {meant}?" if meant else None,
            )
            return None
        bound = self.ev.bind(node, [(p, default is None) for p, default in params], env)
        if bound is None:
            return None
        data: list[Fraction] = []
        for p, default in params:
            part = bound[p]
            if part is None:
                assert default is not None
                data.append(default)
                continue
            value = self.constant(part, env)
            number = exact_number(value) if isinstance(value, Scalar) else None
            if number is None:
                if not isinstance(value, Poison):
                    self.tell(env, "E262", f"{p} is a number that is known when the module is compiled", part.span)
                return None
            data.append(number)
        if name == "normal" and data[1] < 0:
            self.tell(env, "E262", "the standard deviation cannot be negative", node.span)
            return None
        if name == "uniform" and data[0] > data[1]:
            self.tell(env, "E262", "low is above high", node.span)
            return None
        if name == "bernoulli" and not 0 <= data[0] <= 1:
            self.tell(env, "E262", f"p is a probability, from 0 to 1, and this is {float(data[0]):g}", node.span)
            return None
        if not params and shape is not None and len(shape) < 2:
            self.tell(
                env,
                "E262",
                f"{name} wants at least two axes",
                node.span,
                notes=(f"the param is {show_shape(shape) if shape else 'a scalar'}",),
                help="normal(0, 0.01) or = 0 serve for a vector",
            )
            return None
        return Init(name, tuple(data))

    def binding(self, targets: tuple[syntax.Name, ...], value_node: syntax.Expression) -> None:
        start = len(self.ev.drafts)
        value = self.ev.run(value_node, self.env)
        names: dict[str, Value] = {}
        if isinstance(value, Layer) and len(targets) == 1 and not value.path and value.owner is self.ev.root:
            self.ev.name_layer(value, targets[0].id, targets[0].span, self.env)
        if len(targets) > 1 or not isinstance(value, Several | Text | Layer):
            self.ev.unpack(targets, value, names, value_node, self.env)
        else:
            names[targets[0].id] = value
        for found in names.values():
            if isinstance(found, Literal):
                self.ev.materialise(found, value_node.span, self.env)
        results: list[tuple[str, Val]] = []
        for name, found in names.items():
            val = found.val if isinstance(found, Literal) else found
            if isinstance(val, Val):
                results.append((name, val))
        self.settle(targets[0].id, results, start)
        for target in targets:
            self.bind(target, names[target.id])

    def own(self, value: Value, wanted: str, span: Span) -> Val:
        """A value that may leave the model under its own name: made by an equation, and not yet given out."""
        start = len(self.ev.drafts)
        val = self.ev.materialise(value, span, self.env)
        given = {id(v) for v, _, _ in self.outputs.values()} | ({id(self.loss)} if self.loss is not None else set())
        if wanted == "loss" and val.name in self.shown:  # an output on a later line
            given.add(id(val))
        if not isinstance(val.maker, Draft | ScanDraft) or id(val) in given:
            axes = out_axes(val.shape)
            from ..graph.expr import arg

            step = Step("copy", val.shape, axes, plain(axes), (Read(0, plain(axes)),), arg(0), kind=val.kind, below=val.below)
            val = self.ev.emit(step, (val,), span, self.env)
        self.settle(wanted, [(wanted, val)], start)
        return val

    def output(self, node: syntax.OutputDecl) -> None:
        if node.value is not None:
            self.binding(node.names, node.value)
        for name in node.names:
            value = self.ev.lookup(syntax.Ref(name.id, span=name.span), self.env)
            if name.id in self.outputs:
                self.report("E265", f"{name.id} is an output already", name.span, labels=((self.outputs[name.id][2], "here"),))
                continue
            if isinstance(value, Poison):
                continue
            if isinstance(value, Several | Text | Layer):
                self.ev.not_an_array(node.value or syntax.Ref(name.id, span=name.span), value, self.env)
                continue
            self.outputs[name.id] = (self.own(value, name.id, node.span), node.doc, name.span)

    def minimize(self, node: syntax.Minimize) -> None:
        if self.loss_span is not None:
            self.report(
                "E260",
                "a model minimizes one thing",
                node.span,
                labels=((self.loss_span, "this is the loss already"),),
                help="add them up: minimize a + b",
            )
            self.ev.run(node.value, self.env)
            return
        start = len(self.ev.drafts)
        self.loss_span = node.value.span
        value = self.ev.run(node.value, self.env)
        take_optimizer(self, node)
        self.loss_entry(value, node.value, start)

    def penalty(self, node: syntax.ParamDecl, val: Val, env: Env) -> None:
        """``with l2(1e-4)`` behind a param: taken up when the loss is complete."""
        if node.penalty is not None:
            names = {**(env.names or {}), node.name.id: val}
            self.penalties.append((node, val, replace(env, names=names)))

    def add_penalties(self, read: set[int]) -> None:
        """The loss is what is minimized and the penalties of all params that are used."""
        total = self.loss_value
        start = len(self.ev.drafts)
        for node, val, env in self.penalties:
            call = node.penalty
            assert call is not None
            if val.name in self.of_layers and id(val) not in read:
                continue
            if self.loss_span is None:
                self.tell(env, "E278", f"{node.name.id} has a penalty, and nothing is minimized", call.span)
                return
            own = syntax.Ref(node.name.id, span=node.name.span)
            inner = syntax.Call(call.func, (own, *call.args), call.keywords, True, span=call.span)
            found = self.ev.run(inner, env)
            if isinstance(found, Poison) or total is None:
                continue
            if not isinstance(found, Val) or found.shape or found.kind != "real":
                self.tell(
                    env, "E278", f"a penalty is a number: {call.func.id} gives {describe(found)}", call.span,
                    help="a function of the param that returns a scalar, such as l2(1e-4)",
                )  # fmt: skip
                continue
            total = self.ev.operator("add", [inner, inner], [total, found], inner, self.env)
        if total is None or self.loss_span is None:
            return
        val = self.ev.materialise(total, self.loss_span, self.env)
        if not val.name:
            self.settle("loss", [("loss", val)], start)
            self.loss = val
        else:
            named = self.outputs.get("loss")
            self.loss = val if named is not None and named[0] is val else self.own(val, "loss", self.loss_span)

    def loss_entry(self, value: Value, node: syntax.Expression, start: int) -> None:
        span = node.span
        if isinstance(value, Poison):
            return
        if isinstance(value, Several | Text | Layer):
            self.ev.not_an_array(node, value, self.env)
            return
        boolean = value.boolean if isinstance(value, Scalar) else isinstance(value, Val) and value.kind == "bool"
        if boolean:
            self.report(
                "E240",
                "the loss is a truth value, and a truth value has no slope",
                span,
                help="minimize a number, such as a mean of losses",
            )
            return
        if isinstance(value, Val) and value.kind == "int":
            self.report(
                "E240",
                "the loss is an integer, and an integer has no slope",
                span,
                help="minimize a number, such as a mean of losses",
            )
            return
        shape = value.shape if isinstance(value, Val | Literal) else ()
        if shape:
            text = self.ev.text(span) if span.line == span.end_line else "..."
            self.report(
                "E212",
                "the loss must be a scalar",
                span,
                labels=((span, f"this is {describe(value)}"),),
                help=f"minimize mean({text}) or sum(...)",
            )
            return
        if self.penalised:
            self.settle("loss", [], start)
            self.loss_value = value
        elif not (isinstance(value, Val) and value.name):
            val = self.ev.materialise(value, span, self.env)
            self.settle("loss", [("loss", val)], start)
            self.loss = val
        else:
            named = self.outputs.get("loss")
            self.loss = value if named is not None and named[0] is value else self.own(value, "loss", span)


def _words(module: syntax.Module) -> set[str]:
    """Every name that the user declares or binds."""
    words: set[str] = set()
    for s in module.statements:
        match s:
            case syntax.SizeDecl() | syntax.HyperDecl() | syntax.InputDecl() | syntax.IndexDecl():
                words.update(i.name.id for i in s.items)
            case syntax.ParamDecl() | syntax.State() | syntax.RandomDecl():
                words.add(s.name.id)
            case syntax.Binding() | syntax.For() | syntax.ScanDecl() | syntax.Indexed():
                words.update(bound_names((s,)))
            case syntax.OutputDecl():
                words.update(t.id for t in s.names)
    return words


def declared_later(module: syntax.Module) -> dict[str, Span]:
    """Where each name first gets a meaning."""
    found: dict[str, Span] = {}
    for s in module.statements:
        match s:
            case syntax.SizeDecl() | syntax.HyperDecl() | syntax.InputDecl() | syntax.IndexDecl():
                names = [i.name for i in s.items]
            case syntax.ParamDecl() | syntax.State() | syntax.RandomDecl():
                names = [s.name]
            case syntax.Binding():
                names = list(s.targets)
            case syntax.OutputDecl():
                names = list(s.names) if s.value is not None else []
            case _:
                names = []
        for name in names:
            found.setdefault(name.id, name.span)
    return found


def _fix_size(extent: Dim) -> str | None:
    return f"give it a value: size {extent.name} = 8" if extent.name else None
