"""From a module to a model: its statements in their order, and what they come to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Final

from ..graph.ir import Const, Derived, Graph, Model, Output, Real, Target, Update
from ..language import syntax
from ..language.diagnostics import Diagnostic, suggest
from ..language.source import Span
from .bindings import bind_indexed, bind_scan, bind_values
from .bodies import bound_names
from .context import Context
from .declarations import Declarations
from .files import Reader
from .jacobians import Declared, find_derived
from .layers import library_layers
from .lints import lint
from .results import Results
from .scope import Entry, article
from .states import Keeper
from .targets import Gradient, find_targets
from .updates import all_updates
from .values import POISON, ConstDraft, Draft, ScanDraft

REALS: Final[dict[str, Real]] = {"float64": "float64", "float32": "float32"}


class Elaborator:
    """``sizes`` and ``dtype`` are given from outside and win over the text's; ``read`` finds the files that it uses."""

    def __init__(self, module: syntax.Module, sizes: Mapping[str, int], dtype: str | None, read: Reader | None) -> None:
        self.module = module
        self.dtype = dtype
        self.context = Context(module, read)
        self.declared = Declarations(self.context, sizes)
        self.results = Results(self.context)
        self.keeper = self.context.ev.keeper = Keeper(self.context)
        self.context.ev.declare = self.declared.layer_param
        self.real: Real | None = None
        self.gradients: list[Gradient] = []
        self.jacobians: list[Declared] = []

    # ------------------------------------------------------------ the whole

    def run(self) -> tuple[Model | None, tuple[Diagnostic, ...]]:
        context, results = self.context, self.results
        context.files.open(self.module)
        self.check_arguments()
        results.penalised = self.has_penalties()
        for statement in self.module.statements:
            self.statement(statement)
        read = self.read_arrays()
        self.declared.leave_out_unread(read)
        results.add_penalties(self.declared.penalties)
        self.keeper.complete()
        updates = all_updates(context)
        targets = find_targets(context, self.declared, results, self.gradients)
        derived = find_derived(context, self.declared, results, self.jacobians)
        results.check()
        failed = context.bag.has_errors or bool(self.module.broken)
        if not results.outputs and results.loss_span is None and not failed:
            help = "give it an output, or something to minimize"
            context.report("E264", "this model computes nothing", context.start(), help=help)
            failed = True
        if failed:
            return None, context.bag.diagnostics
        model = self.model(targets, derived, updates)
        lint(context, self.declared, results)
        return model, context.bag.diagnostics

    def check_arguments(self) -> None:
        """What was given from outside."""
        context = self.context
        sizes = {i.name.id: i.name.span for s in self.module.statements if isinstance(s, syntax.SizeDecl) for i in s.items}
        for name in self.declared.sizes:
            if name not in sizes and not context.missing.covers(name):
                meant = suggest(name, sizes)
                there = f"the model's sizes are {', '.join(sizes)}" if sizes else "the model has no sizes"
                help = f"did you mean {meant}?" if meant else there
                context.report("E266", f"sizes: there is no size {name} to set", context.nowhere(), help=help)
        if self.dtype is not None and self.dtype not in REALS:
            message = f"dtype: there is no real type {self.dtype}"
            context.report("E243", message, context.nowhere(), help="float64 or float32")

    def has_penalties(self) -> bool:
        """Whether some param of the files has a penalty."""
        bodies = (self.module.statements, *(r.tree.body for r in self.context.frame.layers.values()))
        return any(isinstance(s, syntax.ParamDecl) and s.penalty is not None for body in bodies for s in body)

    def read_arrays(self) -> set[int]:
        """The ids of the arrays that an equation reads or that are outputs."""
        outputs = {id(o.val) for o in self.results.outputs.values()}
        return {id(v) for d in self.context.ev.drafts for v in d.operands} | outputs

    # ------------------------------------------------------------ statements

    def statement(self, node: syntax.Statement | syntax.BodyStatement) -> None:
        match node:
            case syntax.SizeDecl():
                for item in node.items:
                    self.declared.size(item)
            case syntax.DtypeDecl():
                self.declare_real(node)
            case syntax.InputDecl():
                for declared in node.items:
                    self.declared.input(declared, "real")
            case syntax.IndexDecl():
                for declared in node.items:
                    self.declared.input(declared, "int")
            case syntax.ParamDecl():
                self.declared.param(node)
            case syntax.HyperDecl():
                for hyper in node.items:
                    self.declared.hyper(hyper)
            case syntax.Binding():
                bind_values(self.context, node.targets, node.value)
            case syntax.OutputDecl():
                self.results.output(node)
            case syntax.Minimize():
                self.results.minimize(node)
            case syntax.GradientDecl():
                self.gradients.append((node, self.context.entry_at(node.of)))
            case syntax.JacobianDecl():
                self.jacobians.append((node, self.context.entry_at(node.of)))
            case syntax.For():
                self.unrolled(node)
            case syntax.State():
                self.context.declare(node.name, self.keeper.state(node, self.context.env, node.name.id), "state", node.shape)
            case syntax.Next():
                entry = self.context.ev.entries.get(node.name.id)
                found = entry is not None and entry.what == "state"
                self.keeper.next(node, self.context.env, node.name.id if found else "")
            case syntax.RandomDecl():
                self.keeper.declare_random(node)
            case syntax.ScanDecl():
                bind_scan(self.context, node)
            case syntax.Indexed():
                bind_indexed(self.context, node)
            case syntax.Def() | syntax.UpdateDef() | syntax.LayerDef() | syntax.Use() | syntax.DerivativeDecl():
                pass
            case _:
                self.later(node)

    def declare_real(self, node: syntax.DtypeDecl) -> None:
        real = REALS.get(node.name.id)
        if real is None:
            self.context.report("E243", f"there is no real type {node.name.id}", node.name.span, help="float64 or float32")
        elif self.real is not None:
            self.context.report("E221", "the real type is declared twice", node.span)
        else:
            self.real = real

    def unrolled(self, node: syntax.For) -> None:
        """``for`` at the top level: its statements once for each value."""
        ev = self.context.ev
        start = len(ev.drafts)
        arguments = ev.gather(ev.iterated(node, self.context.env))
        items = ev.items(node, arguments, self.context.env)
        del ev.drafts[start:]
        variable = node.variable
        if variable.id in ev.entries:
            old = ev.entries[variable.id]
            message = f"{variable.id} is {article(old.what)} already"
            self.context.report("E221", message, variable.span, labels=((old.span, "here"),))
            return
        for item in items:
            entry = ev.entries[variable.id] = Entry(item, "loop variable", variable.span)
            before = len(self.context.bag)
            for line in node.body:
                self.statement(line)
            if len(self.context.bag) > before:  # the next round would say the same
                break
            if ev.entries.get(variable.id) is not entry:
                break
        ev.entries.pop(variable.id, None)
        if not items:
            for name in bound_names(node.body):
                ev.entries.setdefault(name, Entry(POISON, "binding", node.span))

    def later(self, node: syntax.Statement | syntax.BodyStatement) -> None:
        word = self.context.ev.text(node.span).split()[0]
        span = Span(node.span.file, node.span.line, node.span.column, node.span.line, node.span.column + len(word))
        self.context.report("E110", f"`{word}` is not part of the language yet", span)
        self.context.missing.add("*")

    # ------------------------------------------------------------ the model

    def model(self, targets: tuple[Target, ...], derived: tuple[Derived, ...], updates: tuple[Update, ...]) -> Model:
        declared, results, keeper = self.declared, self.results, self.keeper
        source = self.module.source.name
        name = PurePosixPath(source.replace("\\", "/")).stem
        shown = {n: o for n, o in results.outputs.items() if o.val is not results.loss or n != "loss"}
        outputs = [Output(n, o.val.name, o.doc, o.span) for n, o in shown.items()]
        if results.loss is not None:
            assert results.loss_span is not None
            outputs.append(Output("loss", results.loss.name, "the loss", results.loss_span))
        return Model(
            name,
            self.module.doc,
            source,
            REALS[self.dtype] if self.dtype is not None else self.real or "float64",
            tuple(declared.free),
            tuple(declared.fixed.items()),
            tuple(i for _, i in declared.inputs),
            tuple(p for _, p in declared.params),
            tuple(h for _, h in declared.hypers),
            tuple(outputs),
            results.loss.name if results.loss is not None else None,
            targets,
            updates,
            results.optimizer,
            self.graph(name, outputs),
            keeper.results(),
            keeper.training.name if keeper.training is not None else None,
            keeper.generator.name if keeper.generator is not None else None,
            tuple(library_layers(self.context.ev.root)),
            derived,
        )

    def graph(self, name: str, outputs: list[Output]) -> Graph:
        declared, drafts = self.declared, self.live()
        given = (v for v, _ in (*declared.inputs, *declared.params, *declared.hypers))
        inputs = tuple(v.graph_value for v in (*given, *self.keeper.inputs()))
        consts = tuple(c for d in drafts if isinstance(d, ConstDraft) and isinstance(c := d.finish(), Const))
        eqns = tuple(d.finish() for d in drafts if not isinstance(d, ConstDraft))
        results = dict.fromkeys([*(o.value for o in outputs), *(s.next for s in self.keeper.results())])
        return Graph(name, inputs, consts, eqns, tuple(results))

    def live(self) -> list[Draft | ScanDraft | ConstDraft]:
        """All equations, without literal arrays that turned out to be only numbers for the compiler."""
        used = self.read_arrays()
        return [d for d in self.context.ev.drafts if not isinstance(d, ConstDraft) or id(d.out) in used]
