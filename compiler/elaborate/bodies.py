"""Statements in the bodies of functions and layers, and what a ``for`` runs over."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace
from typing import Final

from ..graph import expr as E
from ..graph.shapes import Dim
from ..language import syntax
from .evaluator import NotElementwise, Task, Wanted
from .scope import Env
from .special import SpecialCaller
from .values import POISON, Elem, Literal, Poison, Scalar, Several, Value, describe

MOST_ROUNDS: Final = 10_000
Inner = syntax.BodyStatement | syntax.ParamDecl | syntax.State | syntax.RandomDecl
Steps = Generator[Wanted, Value, None]


def bound_names(lines: Iterable[syntax.Node]) -> Iterator[str]:
    """Every name that statements bind, also those in loops."""
    for line in lines:
        if isinstance(line, syntax.Binding):
            yield from (t.id for t in line.targets)
        elif isinstance(line, syntax.Indexed | syntax.Carry | syntax.Emit | syntax.RandomDecl):
            yield line.name.id
        elif isinstance(line, syntax.For | syntax.ScanDecl):
            yield from bound_names(line.body)


class BodyReader(SpecialCaller):
    """The evaluator with the bodies of what is called."""

    def body(self, tree: syntax.Def | syntax.LayerDef, names: dict[str, Value], env: Env) -> Task:
        env = replace(env, names=names)
        for line in tree.body:
            if isinstance(line, syntax.Return):
                return (yield line.value, env)
            yield from self.inner_statement(line, names, env)
        return POISON

    def inner_statement(self, line: Inner, names: dict[str, Value], env: Env) -> Steps:
        """A statement in the body of a function or a layer: it binds in ``names``."""
        match line:
            case syntax.Binding():
                value = yield line.value, env
                self.unpack(line.targets, value, names, line.value, env)
            case syntax.For():
                yield from self.unrolled(line, names, env)
            case syntax.Indexed():
                names[line.name.id] = yield from self.indexed(line, env)
            case _:
                self.report(env, "E110", "this is not part of the language yet", line.span)
                names.update((name, POISON) for name in bound_names((line,)))

    def unrolled(self, node: syntax.For, names: dict[str, Value], env: Env) -> Steps:
        """``for`` in a body: its statements once for each value."""
        items = self.items(node, (yield from self.iterated(node, env)), env)
        variable = node.variable.id
        if variable in names:
            self.report(env, "E221", f"{variable} is something else already", node.variable.span)
            return
        for item in items:
            names[variable] = item
            before = len(self.bag)
            for line in node.body:
                yield from self.inner_statement(line, names, env)
            if len(self.bag) > before:  # the next would say the same
                break
        names.pop(variable, None)
        if not items:
            for name in bound_names(node.body):
                names.setdefault(name, POISON)

    def iterated(self, node: syntax.For, env: Env) -> Generator[Wanted, Value, list[Value]]:
        """What a ``for`` runs over: the arguments of its ``range``, or the array itself."""
        values = node.values
        while isinstance(values, syntax.Call) and values.func.id == "reversed" and len(values.args) == 1:
            values = values.args[0]
        parts = values.args if isinstance(values, syntax.Call) and values.func.id == "range" else (values,)
        found: list[Value] = []
        for part in parts:
            found.append((yield part, replace(env, constant=True, elem=None)))
        return found

    def items(self, node: syntax.For, found: list[Value], env: Env) -> list[Scalar]:
        """The values of the loop's variable; an empty list after an error."""
        values, backwards = node.values, False
        while isinstance(values, syntax.Call) and values.func.id == "reversed" and len(values.args) == 1:
            values, backwards = values.args[0], not backwards
        items: list[Scalar] = []
        if any(isinstance(v, Poison) for v in found):
            return []
        if not (isinstance(values, syntax.Call) and values.func.id == "range"):
            value = found[0]
            if not isinstance(value, Literal) or len(value.shape) != 1:
                self.report(
                    env, "E277", "a `for` runs over `range(...)` or a literal array of numbers", node.values.span,
                    help=f"for {node.variable.id} in range(4):",
                )  # fmt: skip
                return []
            items = [Scalar.of_dim(Dim.of(int(x))) if x.denominator == 1 else Scalar(E.const(x)) for x in value.data]
        else:
            if not 1 <= len(found) <= 3 or values.keywords:
                self.report(env, "E281", "range takes one to three numbers", values.span)
                return []
            whole: list[int] = []
            for part, value in zip(values.args, found, strict=True):
                dim = self.as_dim(value, part, env)
                if dim is not None and dim.value is None:
                    self.report(
                        env, "E277", f"a `for` is unrolled when the module is compiled, and {dim} is a free size", part.span,
                        help="a loop over a free size is a `scan`",
                    )  # fmt: skip
                if dim is None or dim.value is None:
                    return []
                whole.append(dim.value)
            if len(whole) == 3 and whole[2] == 0:
                self.report(env, "E277", "the step of a range is not 0", values.args[2].span)
                return []
            if len(whole) == 1 and whole[0] < 0:
                self.report(env, "E277", f"a `for` cannot run {whole[0]} times", values.args[0].span)
                return []
            numbers = range(*whole)
            if len(numbers) > MOST_ROUNDS:
                self.report(
                    env, "E277", f"this `for` would be unrolled {len(numbers)} times, and {MOST_ROUNDS} is the most", values.span,
                    help="a `scan` is a loop that stays a loop",
                )  # fmt: skip
                return []
            items = [Scalar.of_dim(Dim.of(k)) for k in numbers]
        return items[::-1] if backwards else items

    def unpack(
        self, targets: tuple[syntax.Name, ...], value: Value, names: dict[str, Value], part: syntax.Expression, env: Env
    ) -> None:
        """Bind ``a, b = value`` in ``names``."""
        if len(targets) == 1:
            names[targets[0].id] = value
            return
        if isinstance(value, Elem):
            raise NotElementwise
        items: tuple[Value, ...] = (POISON,) * len(targets)
        if isinstance(value, Several) and len(value.items) == len(targets):
            items = value.items
        elif isinstance(value, Several):
            self.report(
                env,
                "E284",
                f"{len(targets)} names for {len(value.items)} arrays",
                targets[0].span.to(targets[-1].span),
                labels=((part.span, f"{len(value.items)} arrays"),),
            )
        elif not isinstance(value, Poison):
            self.report(
                env,
                "E284",
                f"{len(targets)} names for one array",
                targets[0].span.to(targets[-1].span),
                labels=((part.span, f"this is {describe(value)}"),),
                help="split(...) gives several arrays",
            )
        names.update((t.id, v) for t, v in zip(targets, items, strict=True))
