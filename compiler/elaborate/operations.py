"""Calls of operations: which argument is which, and what options are."""

from __future__ import annotations

from typing import Any

from ..graph import expr as E
from ..graph.shapes import Dim
from ..language import syntax
from ..language.diagnostics import suggest
from ..ops.declare import Op, Option
from ..records import dataclass
from .evaluator import Task
from .notation import Notation
from .scope import Env
from .values import POISON, Literal, Poison, Scalar, Text, Value


@dataclass(frozen=True, slots=True)
class Given:
    """The arguments of a call, by what they are for. ``sizes`` are those of an operation that takes them one by one."""

    arrays: list[syntax.Expression]
    options: dict[str, syntax.Expression]
    sizes: list[syntax.Expression]


class OperationCaller(Notation):
    """The evaluator with its calls of operations."""

    def bind(self, node: syntax.Call, params: list[tuple[str, bool]], env: Env) -> dict[str, syntax.Expression | None] | None:
        """Arguments by the parameters' names; None after an error."""
        name = node.func.id
        found: dict[str, syntax.Expression | None] = {p: None for p, _ in params}
        if len(node.args) > len(params):
            wants = "no arguments" if not params else "one argument" if len(params) == 1 else f"{len(params)} arguments"
            self.report(
                env,
                "E281",
                f"{name} takes {wants}, not {len(node.args)}",
                node.args[len(params)].span,
                notes=(f"they are {', '.join(p for p, _ in params)}",) if params else (),
            )
            return None
        for (p, _), value in zip(params, node.args, strict=False):
            found[p] = value
        good = True
        for keyword in node.keywords:
            if keyword.name.id not in found:
                meant = suggest(keyword.name.id, found)
                self.report(
                    env,
                    "E282",
                    f"{name} has no argument {keyword.name.id}",
                    keyword.name.span,
                    notes=() if meant else (f"it has {', '.join(found)}",) if found else (),
                    help=f"did you mean {meant}?" if meant else None,
                )
                good = False
            elif found[keyword.name.id] is not None:
                self.report(env, "E282", f"the argument {keyword.name.id} is given twice", keyword.span)
                good = False
            else:
                found[keyword.name.id] = keyword.value
        lacking = [p for p, required in params if required and found[p] is None]
        if good and lacking:
            self.report(env, "E281", f"{name} needs {_list(lacking)}", node.span)
            good = False
        return found if good else None

    def call_op(self, op: Op, node: syntax.Call, env: Env) -> Task:
        if op.plan is None:
            bound = self.bind(node, [(a, True) for a in op.arrays], env)
            if bound is None:
                return POISON
            parts = [p for p in bound.values() if p is not None]
            numbers: list[Value] = []
            for part in parts:
                numbers.append((yield part, env))
            return self.operator(op.name, parts, numbers, node, env)
        given = self.given(op, node, env)
        if given is None:
            return POISON
        values: list[Value] = []
        for part in given.arrays:
            values.append((yield part, env))
        failed = any(isinstance(v, Poison) for v in values)
        options = {o.name: o for o in op.options}
        chosen: dict[str, Any] = {o.name: o.default for o in op.options}
        many = _one_by_one(op)
        if many is not None:
            dims: list[Dim] = []
            for part in given.sizes:
                if isinstance(part, syntax.Array) and len(given.sizes) == 1:
                    inner = self.text(part.span).strip("[]()")
                    help = f"without the brackets: {inner}"
                    self.report(env, "E213", f"{op.name} takes {many.name} one by one", part.span, help=help)
                    failed = True
                    continue
                dim = self.as_dim((yield part, env), part, env)
                failed |= dim is None
                if dim is not None:
                    dims.append(dim)
            chosen[many.name] = tuple(dims)
        for key, part in given.options.items():
            chosen[key] = self.option(options[key], (yield part, env), part, env)
            failed |= chosen[key] is None
        if failed:
            return POISON
        places = {key: part.span for key, part in given.options.items()}
        return self.planned(op, given.arrays, values, chosen, node, env, places)

    # ------------------------------------------------------------ which argument is which

    def given(self, op: Op, node: syntax.Call, env: Env) -> Given | None:
        """The arguments of a call; None after an error."""
        variadic = _variadic(op)
        fixed = 0 if variadic else len(op.arrays)
        given = self.positional(op, node, env)
        if given is None or not all(self.keyword(op, keyword, given, env) for keyword in node.keywords):
            return None
        if len(given.arrays) < max(fixed, int(variadic)):
            self.report(env, "E281", f"{op.name} needs {_count(max(fixed, 1), 'array')}", node.span)
            return None
        there = {*given.options, *((many.name,) if (many := _one_by_one(op)) is not None and given.sizes else ())}
        lacking = [o.name for o in op.options if o.required and o.name not in there]
        if lacking:
            self.report(env, "E281", f"{op.name} needs {_list(lacking)}", node.span)
            return None
        return given

    def positional(self, op: Op, node: syntax.Call, env: Env) -> Given | None:
        """The arguments without a name: texts first, then the arrays, then options that may stand so; None after an error."""
        args = list(node.args)
        named = {k.name.id for k in node.keywords}
        leading = {o.name: args.pop(0) for o in op.options if o.kind == "text" and node.args and o.name not in named}
        if _variadic(op):
            return Given(args, leading, [])
        fixed = len(op.arrays)
        arrays, rest = args[:fixed], args[fixed:]
        if _one_by_one(op) is not None:
            return Given(arrays, leading, rest)
        taking = [o for o in op.options if o.positional and o.kind != "text"]
        if len(rest) <= len(taking):
            return Given(arrays, {o.name: part for o, part in zip(taking, rest, strict=False)} | leading, [])
        if not taking and op.family == "reduction":
            array, axis = self.text(node.args[0].span), self.text(rest[0].span)
            self.report(
                env, "E280", f"{op.name} takes its axis by name", rest[0].span, help=f"{op.name}({array}, axis={axis})",
                notes=("max and min of two arrays work point by point, and so an axis is always named",),
            )  # fmt: skip
            return None
        takes = _count(fixed + len(taking), "argument" if taking else "array")
        self.report(env, "E281", f"{op.name} takes {takes}, not {len(node.args)}", rest[len(taking)].span)
        return None

    def keyword(self, op: Op, keyword: syntax.Keyword, given: Given, env: Env) -> bool:
        """Put one argument with a name where it belongs; False after an error."""
        key = keyword.name.id
        known = [o.name for o in op.options if o.kind != "sizes"]
        if not _variadic(op) and key in op.arrays and op.arrays.index(key) == len(given.arrays):
            given.arrays.append(keyword.value)
        elif key in given.options:
            self.report(env, "E282", f"the argument {key} is given twice", keyword.span)
            return False
        elif key in known:
            given.options[key] = keyword.value
        else:
            self.unknown_argument(op, keyword, known, env)
            return False
        return True

    def unknown_argument(self, op: Op, keyword: syntax.Keyword, known: list[str], env: Env) -> None:
        key, many = keyword.name.id, _one_by_one(op)
        if many is not None and key in (many.name, "shape", "axes", "newshape"):
            self.report(
                env, "E282", f"{op.name} takes {many.name} one by one", keyword.span,
                help=f"{op.name}({'x, ' if op.arrays else ''}2, 3)",
            )  # fmt: skip
            return
        meant = suggest(key, known)
        self.report(
            env, "E282", f"{op.name} has no argument {key}", keyword.name.span,
            notes=(f"it has {', '.join(known)}",) if known and not meant else (),
            help=f"did you mean {meant}?" if meant else None,
        )  # fmt: skip

    def option(self, option: Option, value: Value, part: syntax.Expression, env: Env) -> Any:
        """The value of an option as its plan wants it; None after an error."""
        if isinstance(value, Poison):
            return None
        number = value.number if isinstance(value, Scalar) and not value.boolean else None
        whole = int(number) if number is not None and number.denominator == 1 else None
        if option.kind == "axis" and whole is not None:
            return whole
        if option.kind == "axes":
            if whole is not None:
                return (whole,)
            if isinstance(value, Literal) and len(value.shape) == 1 and all(d.denominator == 1 for d in value.data):
                return tuple(int(d) for d in value.data)
        if option.kind == "flag" and isinstance(value, Scalar) and value.boolean and value.truth is not None:
            return value.truth
        if option.kind == "size":
            return self.as_dim(value, part, env)
        if option.kind == "text" and isinstance(value, Text):
            return value.text
        if option.kind == "number" and isinstance(value, Scalar) and not value.boolean:
            if number is not None:
                return number
            if value.expr in (E.INF, E.neg(E.INF)):
                return "inf" if value.expr is E.INF else "-inf"
        if option.kind == "numbers" and number is not None:
            return (), (number,)
        if option.kind == "numbers" and isinstance(value, Literal):
            return value.shape, value.data
        wanted = {
            "axis": "a whole number",
            "axes": "a whole number, or several as in axis=[0, 1]",
            "flag": "True or False",
            "number": "a number",
            "numbers": "a number or a literal array",
            "text": "a text",
        }[option.kind]
        self.report(env, "E285", f"{option.name} is {wanted}, known when the module is compiled", part.span)
        return None


def _variadic(op: Op) -> bool:
    """Whether an operation takes any number of arrays."""
    return len(op.arrays) == 1 and op.arrays[0].startswith("*")


def _one_by_one(op: Op) -> Option | None:
    """The option of an operation that takes sizes one by one, if it does: ``reshape(x, 2, 3)``."""
    return next((o for o in op.options if o.positional and o.kind == "sizes"), None)


def _count(n: int, word: str) -> str:
    return f"{'one' if n == 1 else n} {word}{'' if n == 1 else 's'}"


def _list(words: list[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]
