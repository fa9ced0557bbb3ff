"""What the statements of one model share: what names mean, the evaluator of expressions, and how errors are reported."""

from __future__ import annotations

from dataclasses import replace

from ..graph.shapes import Dim, Shape
from ..language import syntax
from ..language.diagnostics import Bag
from ..language.source import Span
from .files import Files, Reader
from .loops import LoopCaller
from .names import Names, declared_later, declared_words
from .scope import Entry, Env, Frame, LayerRule, Missing, article
from .values import Layer, Value


class Context:
    """``ev`` evaluates expressions and keeps what names mean; ``env`` is where statements of the model stand."""

    def __init__(self, module: syntax.Module, read: Reader | None) -> None:
        self.module = module
        self.bag = Bag()
        self.frame = Frame(module.source, library=False, main=True)
        self.missing = Missing(module.broken)
        self.files = Files(self.frame, self.bag, self.missing, read)
        self.ev = LoopCaller(self.files)
        self.ev.later.update(declared_later(module))
        self.ev.words = declared_words(module)
        root = syntax.LayerDef(syntax.Name("model", span=self.start()), (), (), span=self.start())
        self.ev.root = Layer(LayerRule(root, self.frame), {}, self.start())
        self.env = Env(self.frame)
        self.names = Names(self.ev, self.ev.words)
        self.bound: dict[str, list[Entry]] = {}  # the bindings of each name, in their order

    # ------------------------------------------------------------ errors

    def nowhere(self) -> Span:
        """For what no line of the model is to blame for, but an argument of the call."""
        return Span(self.module.source.name, 0, 0, 0, 0)

    def start(self) -> Span:
        """Where the model begins."""
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
        """An error in a statement of the model itself."""
        self.bag.report(code, message, span, labels=[(span, ""), *labels] if labels else [], notes=notes, help=help)

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
        self.ev.report(env, code, message, span, labels=[(span, ""), *labels] if labels else [], notes=notes, help=help)

    # ------------------------------------------------------------ what names mean

    def declare(self, name: syntax.Name, value: Value, what: str, shape: tuple[syntax.Expression, ...] = ()) -> None:
        """Give a name its one meaning."""
        old = self.ev.entries.get(name.id)
        if old is not None:
            self.report(
                "E221", f"{name.id} is declared twice", name.span, labels=((old.span, f"first here, as {article(old.what)}"),)
            )
            return
        self.missing.discard(name.id)
        self.ev.entries[name.id] = Entry(value, what, name.span, shape)

    def bind(self, name: syntax.Name, value: Value) -> None:
        """Give a name its meaning from here on."""
        old = self.ev.entries.get(name.id)
        if old is not None and old.what in ("size", "hyper", "loop variable", "state", "random value"):
            self.report(
                "E221",
                f"{name.id} is {article(old.what)} and cannot be bound again",
                name.span,
                labels=((old.span, "declared here"),),
            )
            return
        self.missing.discard(name.id)
        entry = Entry(value, "binding", name.span)
        self.ev.entries[name.id] = entry
        self.bound.setdefault(name.id, []).append(entry)

    def entry_at(self, name: syntax.Name) -> Entry | None:
        """What a name means here, which uses it."""
        entry = self.ev.entries.get(name.id)
        if entry is not None:
            entry.used = True
        return entry

    # ------------------------------------------------------------ what is known when the module is compiled

    def constant(self, node: syntax.Expression, env: Env | None = None) -> Value:
        """The value of an expression that must be known when the module is compiled."""
        return self.ev.run(node, replace(env, constant=True) if env is not None else Env(self.frame, constant=True))

    def dim(self, node: syntax.Expression, code: str = "E213", env: Env | None = None) -> Dim | None:
        """A size from 0 on; None after an error."""
        env = env or self.env
        dim = self.ev.as_dim(self.constant(node, env), node, env)
        if dim is not None and dim.value is not None and dim.value < 0:
            self.tell(env, code, f"a size cannot be negative: this is {dim}", node.span)
            return None
        return dim

    def shape(self, nodes: tuple[syntax.Expression, ...], env: Env | None = None) -> Shape | None:
        """The sizes of a declaration; None after an error."""
        dims = [self.dim(n, "E213", env) for n in nodes]
        return None if any(d is None for d in dims) else tuple(d for d in dims if d is not None)

    def fixed_shape(self, node: syntax.ParamDecl | syntax.State, env: Env) -> Shape | None:
        """The shape of what lasts: without free sizes. None after an error."""
        shape = self.shape(node.shape, env)
        if shape is not None:
            for extent, part in zip(shape, node.shape, strict=True):
                if extent.value is None:
                    word = "state" if isinstance(node, syntax.State) else "param"
                    message = f"the shape of a {word} must be fixed, and {extent} is free"
                    self.tell(env, "E211", message, part.span, help=_fix_size(extent))
                    return None
        return shape


def _fix_size(extent: Dim) -> str | None:
    return f"give it a value: size {extent.name} = 8" if extent.name else None
