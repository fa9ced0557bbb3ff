"""The module for ``--backend numpy``: the kernels as NumPy that reads as in a textbook, for machines without a C compiler.

Each equation becomes one statement: ``h = np.tanh(x @ W1 + b1)``, ``np.add.at(d_s, (np.arange(N), y), ...)``. The axes of an
equation get an order; every read is written so that it broadcasts along that order, and what cannot be a slice is gathered
with index arrays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final, Literal, cast

from ..graph import expr as E
from ..graph.bounds import inside, never_negative
from ..graph.expr import Expr
from ..graph.ir import Access, Const, Eqn, Gather, Graph, Ix, Kind, Model, Quot, Scan, Update, Value, outs
from ..graph.patterns import Running, ranking, running
from ..graph.shapes import Dim, Quotient, Shape, size
from ..language.source import Source
from ..passes.descent import idle
from ..passes.kernels import Kernel, Plan
from ..passes.names import is_temporary
from .names import Speller
from .spec import literal, spec, without_step
from .updates import Said, said

# py: a Python number, which must not be divided by zero; the others are arrays or NumPy's scalars
Tag = Literal["real", "int", "bool", "py"]

_ATOM: Final = 11
_LONG: Final = 88  # longer parts of a formula get a line of their own
_SHORT: Final = 44  # a step that the user did not name, as short as this, is written where it is used
_OPERATORS: Final = {"add": ("+", 6), "sub": ("-", 6), "mul": ("*", 7), "div": ("/", 7)}
_COMPARES: Final = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}
_CALLS: Final = {"max": "np.maximum", "min": "np.minimum", "asin": "np.arcsin", "acos": "np.arccos", "atan": "np.arctan",
                 "atan2": "np.arctan2", "sigmoid": "_sigmoid", "erf": "_erf", "softplus": "_softplus",
                 "lgamma": "_lgamma", "digamma": "_digamma", "polygamma": "_polygamma"}  # fmt: skip
_REDUCTIONS: Final = {"+": "np.sum", "*": "np.prod", "max": "np.max", "min": "np.min", "argmax": "np.argmax",
                      "argmin": "np.argmin", "lse": "_logsumexp"}  # fmt: skip
_NAMES: Final = (*E.DRAWS, "np", "math", "real", "install", "t", "w", "g", "states", "hypers")
_VECTORS: Final = ("theta", "frozen", "hyper", "kept", "state", "next", "random", "grad")

_HELPERS: Final = {
    "_sigmoid": '''\
def _sigmoid(x):
    """1 / (1 + exp(-x)), without overflow."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)
''',
    "_softplus": '''\
def _softplus(x):
    """log(1 + exp(x)), without overflow."""
    return np.logaddexp(real(0), x)
''',
    "_erf": '''\
def _erf(x):
    return np.array([math.erf(v) for v in np.ravel(x)], real).reshape(np.shape(x))
''',
    "_lgamma": '''\
def _lgamma(x):
    return special.over(special.lgamma, np.asarray(x, real))
''',
    "_digamma": '''\
def _digamma(x):
    return special.over(special.digamma, np.asarray(x, real))
''',
    "_polygamma": '''\
def _polygamma(n, x):
    return special.over(special.polygamma, n, np.asarray(x, real))
''',
    "_logsumexp": '''\
def _logsumexp(x, axis=None, keepdims=False):
    """log(sum(exp(x))), without overflow; of nothing, -inf."""
    top = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0)
    total = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    return total if keepdims else np.squeeze(total, axis)
''',
    "_rank": '''\
def _rank(x, axis, descending=False):
    """How many elements come before each along an axis; NaN is the largest, and equal ones keep their order."""
    back = np.flip(x, axis) if descending else x
    order = np.argsort(back, axis, kind="stable")
    if descending:
        order = np.flip(x.shape[axis] - 1 - order, axis)
    places = np.expand_dims(np.arange(x.shape[axis]), tuple(k for k in range(x.ndim) if k != axis))
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.broadcast_to(places, x.shape), axis)
    return rank
''',
    "_read": '''\
def _read(array, fill, *index):
    """array[index], and ``fill`` where that is outside."""
    good = np.True_
    for i, n in zip(index, array.shape):
        good = good & (i >= 0) & (i < n)
    if array.size == 0:
        return np.full(np.shape(good), fill, array.dtype)
    near = tuple(np.clip(i, 0, n - 1) for i, n in zip(index, array.shape))
    return np.where(good, array[near], array.dtype.type(fill))
''',
    "_add_inside": '''\
def _add_inside(array, index, values):
    """array[index] += values, where that is inside."""
    good = np.True_
    for i, n in zip(index, array.shape):
        good = good & (i >= 0) & (i < n)
    shape = np.broadcast_shapes(np.shape(good), np.shape(values))
    good, values = np.broadcast_to(good, shape), np.broadcast_to(values, shape)
    np.add.at(array, tuple(np.broadcast_to(i, shape)[good] for i in index), values[good])
''',
}


def emit_numpy(plan: Plan, sources: Mapping[str, Source], *, version: str, digest: str, command: str) -> dict[str, str]:
    """The text of the module by file name: ``NAME.py``."""
    plan, model = without_step(plan), plan.model
    used: set[str] = set()
    kernels = ["\n".join(_KernelWriter(k, model, sources, used).write()) for k in plan.kernels]
    updates = [_update_text(u, used, sources) for u in model.updates]
    table = spec(model, plan.kernels, [Dim.of(0)] * len(plan.kernels), version=version, digest=digest, backend="numpy")
    title = [_safe(line) for line in model.doc.strip().splitlines()] or ["a model"]
    head = [f'"""{_safe(model.name)}: {title[0]}', *title[1:], ""]
    head += [f"Made by gradwright {version} from {_safe(model.source)} (sha256 {digest[:16]}); edit the model and make it again:",
             f"    {_safe(command)}", '"""']  # fmt: skip
    helpers = [text for name, text in _HELPERS.items() if name in used]
    imports = ["import math", ""] if "_erf" in used or any("math.isqrt(" in k for k in kernels) else []
    head += [*imports, "import numpy as np", "", *_draws(used), *_special(used),
             "from gradwright.runtime.model import install", "", f"real = np.{model.dtype}"]
    literals = _literals(plan, used)
    parts = ["\n".join([*head, *literals]) + "\n", *helpers, *(k + "\n" for k in kernels), *(u + "\n" for u in updates)]
    tail = [f"_KERNELS = {_tuple([f'_{k.name}_kernel' for k in plan.kernels])}",
            f"_UPDATES = {_tuple([_update_name(u.name) for u in model.updates])}", f"_SPEC = {literal(dict(table))}", "", "",
            "def _run(kernel, arrays, sizes):", '    with np.errstate(all="ignore"):',
            "        _KERNELS[kernel](*arrays, *sizes)", "", "", "install(globals())"]  # fmt: skip
    return {f"{model.name}.py": "\n\n".join([*parts, "\n".join(tail) + "\n"])}


def _special(used: set[str]) -> list[str]:
    return ["from gradwright.runtime import special"] if used & {"_lgamma", "_digamma", "_polygamma"} else []


def _draws(used: set[str]) -> list[str]:
    names = [name for name in E.DRAWS if name in used]
    return [f"from gradwright.runtime.draws import {', '.join(names)}"] if names else []


def _safe(text: str) -> str:
    """Text for a docstring."""
    return text.replace("\\", "\\\\").replace('"""', "'''").rstrip('"')


def _comment(text: str) -> str:
    return " ".join(text.split())


def _literals(plan: Plan, used: set[str]) -> list[str]:
    names = {n for k in plan.kernels for e in k.graph.eqns for n in e.reads()}
    consts = [c for c in plan.whole.consts if c.value.name in names]
    return ["", *(f"{_literal_name(c.value.name)} = {_literal_array(c)}" for c in consts)] if consts else []


def _literal_name(name: str) -> str:
    return "_literal_" + re.sub(r"\W", "_", name)


def _literal_array(const: Const) -> str:
    shape = tuple(d.value or 0 for d in const.value.shape)
    numbers = [_number(x) for x in const.data]

    def nested(dims: Sequence[int], items: Sequence[str]) -> str:
        if not dims:
            return items[0]
        step = len(items) // dims[0] if dims[0] else 0
        return "[" + ", ".join(nested(dims[1:], items[k * step : (k + 1) * step]) for k in range(dims[0])) + "]"

    text = f"np.array({nested(shape, numbers)}, {_DTYPES[const.value.kind]})"
    return text if 0 not in shape else f"np.zeros({shape}, {_DTYPES[const.value.kind]})"


_DTYPES: Final[dict[Kind, str]] = {"real": "real", "int": "np.int64", "bool": "np.bool_"}


def _number(value: Fraction) -> str:
    if value.denominator == 1 and abs(value) < 10**9:
        return str(value.numerator)
    try:
        return repr(float(value))
    except OverflowError:
        return "np.inf" if value > 0 else "-np.inf"


# ---------------------------------------------------------------- scalar expressions


@dataclass(frozen=True, slots=True)
class _Code:
    """A piece of text, how tightly it binds, what it is, and the axes it depends on."""

    text: str
    level: int
    tag: Tag
    axes: frozenset[str] = frozenset()

    def tight(self, level: int) -> str:
        return self.text if self.level >= level else f"({self.text})"


class _Formulas:
    """Prints expressions; what is used twice or is long gets a name first."""

    def __init__(
        self, leaf: Callable[[Expr], _Code], name: Callable[[Expr], str], emit: Callable[[str], None], used: set[str]
    ) -> None:
        self.leaf, self.name, self.emit, self.used = leaf, name, emit, used

    def codes(self, roots: Sequence[Expr]) -> list[_Code]:
        done: dict[Expr, _Code] = {}
        counts: dict[Expr, int] = {}
        for node in E.walk(*roots):
            for child in node.args:
                counts[child] = counts.get(child, 0) + 1
        for root in roots:
            counts[root] = counts.get(root, 0) + 1
        for node in E.walk(*roots):
            code = self.code(node, [done[a] for a in node.args])
            long = len(code.text) > _LONG and node not in roots
            if node.args and code.tag != "py" and (long or (counts[node] > 1 and len(code.text) > 6)):
                name = self.name(node)
                self.emit(f"{name} = {code.text}")
                code = _Code(name, _ATOM, code.tag, code.axes)
            done[node] = code
        return [done[root] for root in roots]

    def real(self, code: _Code) -> _Code:
        if code.tag in ("real", "py"):
            return code
        return _Code(f"real({code.text})", _ATOM, "real", code.axes)

    def code(self, node: Expr, args: list[_Code]) -> _Code:
        op = node.op
        axes = frozenset[str]().union(*(a.axes for a in args))
        if op == "const":
            value = cast(Fraction, node.value)
            return _Code(_number(value), _ATOM if value >= 0 else 8, "py")
        if op == "named":
            return _Code(f"np.{node.value}", _ATOM, "py")
        if op in E.LEAVES:
            return self.leaf(node)
        if op in _COMPARES:
            return _Code(f"{args[0].tight(5)} {_COMPARES[op]} {args[1].tight(5)}", 4, "bool", axes)
        if op in E.LOGIC:
            return _Code(f"np.logical_{op}({', '.join(a.text for a in args)})", _ATOM, "bool", axes)
        if op == "where":
            first = self.branch(args[1]) if args[1].tag == args[2].tag == "py" else args[1].text
            tag: Tag = args[1].tag if args[1].tag == args[2].tag != "py" else "real"
            return _Code(f"np.where({args[0].text}, {first}, {args[2].text})", _ATOM, tag, axes)
        if op in ("max", "min") and args[0].tag == args[1].tag != "py":
            return _Code(f"{_CALLS[op]}({args[0].text}, {args[1].text})", _ATOM, args[0].tag, axes)
        if op == "place":
            return _Code(f"{args[0].tight(7)}*{args[1].tight(8)} + {args[2].tight(6)}", 6, "int", axes)
        if op in E.DRAWS:
            self.used.add(op)
            numbers = [repr(float(a.number)) if a.number is not None else c.text
                       for a, c in zip(node.args[4:], args[4:], strict=True)]  # fmt: skip
            return _Code(f"{op}({', '.join([*(a.text for a in args[:4]), *numbers])}, real)", _ATOM, "real", axes)
        args = [self.real(a) for a in args]
        python = all(a.tag == "py" for a in args)
        if op in _OPERATORS:
            sign, level = _OPERATORS[op]
            right = self.branch(args[1]) if op == "div" and python else args[1].tight(level + 1)
            return _Code(f"{args[0].tight(level)} {sign} {right}", level, "py" if python and op != "div" else "real", axes)
        if op == "neg":
            return _Code(f"-{args[0].tight(8)}", 8, args[0].tag, axes)
        if op == "square":
            return _Code(f"{args[0].tight(10)}**2", 9, args[0].tag, axes)
        if op == "pow":
            left = self.branch(args[0]) if args[0].tag == "py" else args[0].tight(10)
            return _Code(f"{left}**{args[1].tight(9)}", 9, "real", axes)
        name = _CALLS.get(op, f"np.{op}")
        self.used.add(name)
        return _Code(f"{name}({', '.join(a.text for a in args)})", _ATOM, "real", axes)

    def branch(self, code: _Code) -> str:
        """A Python number as NumPy's, which divides by zero without complaint and does not count as an integer."""
        return f"real({code.text})"


# ---------------------------------------------------------------- one kernel


class _KernelWriter:
    def __init__(self, kernel: Kernel, model: Model, sources: Mapping[str, Source], used: set[str]) -> None:
        self.kernel, self.model, self.sources, self.used = kernel, model, sources, used
        self.speller = Speller(_NAMES)
        self.lines: list[str] = []
        self.indent = "    "
        self.values: dict[str, Value] = {}
        self.text: dict[str, str] = {}  # how a value is spelled
        self.stored: dict[str, str] = {}  # values with memory of their own in a slot, which are written in place
        self.tags: dict[str, Tag] = {}
        self.levels: dict[str, int] = {}  # of the values that are written where they are used
        self.counts: dict[str, int] = {}
        self.last: tuple[str, int] | None = None
        self.header = self.reason = ""  # comments that wait for a statement

    # ---- names and sizes

    def spell(self, name: str) -> str:
        return self.speller.fresh(re.sub(r"\W", "_", name) or "v")

    def dim(self, dim: Dim) -> str:
        """A size as Python arithmetic."""
        parts: list[str] = []
        for monomial, coefficient in dim.terms:
            factors: list[str] = []
            for atom, power in monomial:
                if isinstance(atom, Quotient) and atom.op == "root":
                    factors += [f"(math.isqrt(max({self.dim(atom.a)} - 1, 0)) + 1)"] * power
                elif isinstance(atom, Quotient):
                    factors += [f"(({self.dim(atom.a)}) {atom.op} ({self.dim(atom.b)}))"] * power
                else:
                    factors += [self.sizes[atom]] * power
            if abs(coefficient) != 1 or not factors:
                factors.insert(0, str(abs(coefficient)))
            parts.append((" - " if coefficient < 0 else " + ") + "*".join(factors))
        text = "".join(parts) or " + 0"
        return "-" + text[3:] if text.startswith(" - ") else text[3:]

    def shape(self, shape: Shape) -> str:
        return "(" + ", ".join(map(self.dim, shape)) + ("," if len(shape) == 1 else "") + ")"

    def emit(self, line: str) -> None:
        if self.header:
            self.lines += ["", self.indent + self.header]
            self.header = ""
        if self.reason:
            self.lines.append(self.indent + self.reason)
            self.reason = ""
        self.lines.append(self.indent + line)

    # ---- the function

    def write(self) -> list[str]:
        kernel = self.kernel
        slots: dict[str, str] = {}
        alone = {p.slot: p.value for p in kernel.places if p.slot.partition(":")[0] in ("in", "out", "up", "din", "dval")}
        for slot in kernel.slots:
            if slot in _VECTORS:  # reserved: no value can be spelled like that
                slots[slot] = slot
            elif slot.startswith("grad:") and sum(s.startswith("grad:") for s in kernel.slots) == 1:
                slots[slot] = "grad"
            else:
                slots[slot] = self.spell(alone.get(slot, slot.replace(":", "_")))
        self.sizes = {name: self.spell(name) for name in self.model.free}
        self.lines.append(f"def _{kernel.name}_kernel({', '.join([*slots.values(), *self.sizes.values()])}):")
        self.emit(f'"""{_safe(kernel.doc[:1].upper() + kernel.doc[1:])}."""')
        graph = kernel.graph
        self.values = graph.values()
        self.counts = _uses(graph)
        for const in graph.consts:
            self.text[const.value.name] = _literal_name(const.value.name)
            self.tags[const.value.name] = const.value.kind
        places = {p.value: p for p in kernel.places}
        inputs = {v.name for v in graph.inputs}
        read = {n for e in graph.eqns for n in e.reads()}
        for slot in kernel.slots:
            if slot.startswith("grad:"):
                self.emit(f"{slots[slot]}[...] = 0")
        for value in (*graph.inputs, *(self.values[o] for o in graph.outputs)):
            place = places.get(value.name)
            if place is None or (value.name in inputs and value.name not in read):
                continue
            whole = alone.get(place.slot) == value.name
            name = slots[place.slot] if whole else self.spell(value.name)
            if not whole:
                self.emit(f"{name} = {self.view(slots[place.slot], place.offset, value)}")
            self.text[value.name] = name
            # integers and booleans in memory of reals are numbers when they are read back
            keeps = value.kind == "real" or (value.kind == "int" and place.slot.startswith(("in:", "out:", "random")))
            self.tags[value.name] = value.kind if keeps else "real"
            if value.name not in inputs:
                self.stored[value.name] = name
            elif not keeps:
                self.emit(f"{name} = {name}.astype(np.int64)" if value.kind == "int" else f"{name} = {name} != 0")
                self.tags[value.name] = value.kind
        for eqn in graph.eqns:
            self.equation(eqn)
        if len(self.lines) == 2:
            self.emit("pass")
        return self.lines

    def view(self, vector: str, offset: Dim, value: Value) -> str:
        count = size(value.shape)
        start = self.dim(offset) if offset.terms else ""
        text = f"{vector}[{start}:{self.dim(offset + count)}]"
        if not value.shape:
            return f"{vector}[{self.dim(offset)}:{self.dim(offset + 1)}].reshape(())"
        return text if len(value.shape) == 1 else f"{text}.reshape({', '.join(map(self.dim, value.shape))})"

    def comment(self, eqn: Eqn | Scan) -> None:
        """The model's line above the statements that answer to it, and why this one is there; written with what comes next,
        if anything does."""
        origin = eqn.origin
        if origin.spans and (origin.spans[0].file, origin.spans[0].line) != self.last:
            span = origin.spans[0]
            self.last = (span.file, span.line)
            source = self.sources.get(span.file)
            text = source.line(span.line).strip() if source else ""
            self.header = f"# {_comment(span.file)}:{span.line}   {text}".rstrip()
        self.reason = ""
        if origin.rule not in ("source", "copy") or (origin.note and origin.rule != "copy"):
            rule = "" if origin.rule == "source" else origin.rule
            why = " ".join(filter(None, [rule, origin.note and f"({origin.note})"]))
            self.reason = f"# {_comment(', '.join(o.name for o in outs(eqn)))}: {_comment(why)}"

    def equation(self, eqn: Eqn | Scan) -> None:
        self.comment(eqn)
        if isinstance(eqn, Scan):
            self.scan(eqn)
            return
        value = eqn.out
        self.values[value.name] = value
        if eqn.plain_out is None:
            self.scatter(eqn)
            return
        wanted = list(eqn.plain_out)
        code, layout = _Statement(self, eqn).value(wanted)
        if value.name in self.stored:
            text = _expand_axes(code.text, code.level, layout, wanted)
            target = self.stored[value.name]
            self.emit(f"{target}[...] = {text}")
            return
        self.tags[value.name] = value.kind
        text = self.fitted(code, layout, eqn, wanted)
        if value.kind == "real" and code.tag in ("int", "bool"):
            text = f"real({text})"
        elif value.kind == "int" and code.tag != "int":
            text = f"np.asarray({text}).astype(np.int64)"
        elif value.kind == "bool" and code.tag != "bool":
            text = f"np.asarray({text}) != 0"
        exact = text == code.text and len(text) <= _SHORT
        if exact and is_temporary(value.name) and self.counts.get(value.name) == 1:
            self.text[value.name], self.levels[value.name] = text, code.level
            return
        name = self.text[value.name] = self.spell(value.name)
        self.emit(f"{name} = {text}")

    def fitted(self, code: _Code, layout: Sequence[str], eqn: Eqn, wanted: Sequence[str]) -> str:
        """The text of exactly the output's shape."""
        if not wanted:
            return code.text if code.tag != "py" else f"real({code.text})"
        if not code.axes:
            return f"np.full({self.shape(eqn.out.shape)}, {code.text}, real)"
        text = code.text
        if list(layout) != list(wanted):
            text = _expand_axes(text, code.level, layout, wanted, full=True)
        if all(a in code.axes or (a not in layout and eqn.extents[a].is_one()) for a in wanted):
            return text
        return f"np.broadcast_to({text}, {self.shape(eqn.out.shape)})"

    def scatter(self, eqn: Eqn) -> None:
        value = eqn.out
        if value.name in self.stored:
            name = self.stored[value.name]
            self.emit(f"{name}[...] = 0")
        else:
            name = self.text[value.name] = self.spell(value.name)
            self.tags[value.name] = value.kind
            self.emit(f"{name} = np.zeros({self.shape(value.shape)}, {'np.int64' if value.kind == 'int' else 'real'})")
        reduced = {a.name for a in eqn.reduced}
        statement = _Statement(self, eqn)
        slices = statement.slices(eqn.out_index, value.shape) if not eqn.drop else None
        if slices is not None:
            items, axes = slices
            code, layout = statement.value(axes)
            text = _expand_axes(code.text, code.level, layout, axes)
            self.emit(f"{name}{_subscript(items) or '[...]'} += {text}")
            return
        axes = [a.name for a in eqn.axes if a.name not in reduced]
        code, layout = statement.value(axes)
        text = _expand_axes(code.text, code.level, layout, axes)
        index = [statement.index(ix, axes).text for ix in eqn.out_index]
        if eqn.drop:
            self.used.add("_add_inside")
            self.emit(f"_add_inside({name}, ({', '.join(index)},), {text})")
        else:
            self.emit(f"np.add.at({name}, ({', '.join(index)}{',' if len(index) == 1 else ''}), {text})")

    # ---- loops

    def scan(self, scan: Scan) -> None:
        count = len(scan.initial)
        body = scan.body
        t = self.spell(scan.axis.name)
        steps = self.dim(scan.axis.extent)
        inner = [v.name for v in body.inputs]
        outer = dict(self.text), dict(self.tags), dict(self.values), dict(self.stored)
        carried: list[str] = []
        for value, given in zip(body.inputs, scan.initial, strict=False):
            name = self.spell(value.name)
            carried.append(name)
            self.emit(f"{name} = {self.text[given]}")
        stacks: list[str] = []
        for value in (scan.outs[k] for k in scan.emits):
            if value.name in self.stored:
                stacks.append(self.stored[value.name])
                if scan.until or scan.limit:  # the steps not taken
                    self.emit(f"{stacks[-1]}[...] = 0")
            else:
                stacks.append(self.spell(value.name))
                self.emit(f"{stacks[-1]} = np.zeros({self.shape(value.shape)}, {_DTYPES[value.kind]})")
        if scan.limit:
            limit = f"int({self.text[scan.limit]})"
            steps = f"{steps} - {limit}, {steps}" if scan.high else limit
        taken = self.spell(scan.outs[-1].name) if scan.until else ""
        if taken:
            self.emit(f"{taken} = 0")
        self.emit(f"for {t} in {'reversed(' if scan.reverse else ''}range({steps}){')' if scan.reverse else ''}:")
        self.indent += "    "
        counts, self.counts = self.counts, _uses(body)
        texts = [*carried, *(f"{self.text[n]}[{t}]" for n in scan.slices), *(self.text[n] for n in scan.captured)]
        sources = (*scan.initial, *scan.slices, *scan.captured)
        tags = [self.tags[n] for n in sources]
        self.stored = {}
        for k, (name, text, tag) in enumerate(zip(inner, texts, tags, strict=True)):
            if count <= k < count + len(scan.slices):
                spelled = self.spell(name)
                self.emit(f"{spelled} = {text}")
                text = spelled
            self.text[name], self.tags[name] = text, tag
        self.values.update({v.name: v for v in body.inputs})
        for const in body.consts:
            self.text[const.value.name], self.tags[const.value.name] = self.spell(const.value.name), const.value.kind
            self.values[const.value.name] = const.value
            self.emit(f"{self.text[const.value.name]} = {_literal_array(const)}")
        for eqn in body.eqns:
            self.equation(eqn)
        results = [self.text[name] for name in body.outputs]
        for stack, result in zip(stacks, results[count:], strict=False):
            self.emit(f"{stack}[{t}] = {result}")
        if carried:
            self.emit(f"{', '.join(carried)} = {', '.join(results[:count])}")
        if taken:
            self.emit(f"{taken} += 1")
            self.emit(f"if {results[-1]}:")
            self.emit("    break")
        self.indent = self.indent[:-4]
        self.counts = counts
        self.text, self.tags, self.values, self.stored = outer
        for value, name in zip(scan.outs, [*carried, *stacks, *([taken] if taken else [])], strict=True):
            self.values[value.name] = value
            if value.name in self.stored and name != self.stored[value.name]:
                self.emit(f"{self.stored[value.name]}[...] = {name}")
            if value.name not in self.stored:
                self.text[value.name], self.tags[value.name] = name, value.kind


# ---------------------------------------------------------------- one equation


def _uses(graph: Graph) -> dict[str, int]:
    """How often the text of a value will be needed; what is an index, an output or read by a loop wants a name."""
    counts: dict[str, int] = dict.fromkeys(graph.outputs, 2)
    for eqn in graph.eqns:
        names = [a.value for a in eqn.args] if isinstance(eqn, Eqn) else [*eqn.reads(), *eqn.reads()]
        if isinstance(eqn, Eqn):
            indices = (*(i for a in eqn.args for i in a.index), *eqn.out_index)
            names += [g.value for ix in indices for g in ix.gathers() for _ in range(2)]
        for name in names:
            counts[name] = counts.get(name, 0) + 1
    return counts


def _subscript(items: Sequence[str]) -> str:
    """``[:, 1:3]``; nothing where everything is taken."""
    kept = list(items)
    while kept and kept[-1] == ":":
        kept.pop()
    return f"[{', '.join(kept)}]" if kept else ""


def _expand_axes(text: str, level: int, layout: Sequence[str], wanted: Sequence[str], full: bool = False) -> str:
    """``text`` over ``layout``, an ordered part of ``wanted``, with a dimension of 1 for what is missing. Leading
    dimensions are left away, unless ``full``."""
    have = list(layout)
    items: list[str] = []
    for axis in wanted:
        if have and have[0] == axis:
            items.append(":")
            have.pop(0)
        elif items or full:
            items.append("None")
    assert not have, (layout, wanted)
    if "None" not in items:
        return text
    return f"{text if level >= _ATOM else f'({text})'}[{', '.join(items)}]"


class _Statement:
    """The right-hand side of one equation."""

    def __init__(self, writer: _KernelWriter, eqn: Eqn) -> None:
        self.writer, self.eqn = writer, eqn
        self.extents = eqn.extents

    # ---- reads

    def slices(self, index: Sequence[Ix], shape: Shape) -> tuple[list[str], list[str]] | None:
        """Subscripts that are slices and numbers, and the axes they leave, where the index is no more than that."""
        items: list[str] = []
        axes: list[str] = []
        for ix, extent in zip(index, shape, strict=True):
            if not ix.terms:
                items.append(self.writer.dim(ix.const))
                continue
            item = self.slice(ix, extent)
            if item is None:
                return None
            items.append(item[0])
            axes.append(item[1])
        return (items, axes) if len(set(axes)) == len(axes) else None

    def slice(self, ix: Ix, extent: Dim) -> tuple[str, str] | None:
        """``start:stop:step`` and the axis, for an index that is one axis times a number, plus something."""
        if _single(ix) is None:
            return None
        axis, factor = _single(ix) or "", ix.terms[0][1]
        step = factor.value
        if step is None or step < 1 or not never_negative(ix.const):
            return None
        count = self.extents[axis]
        dim = self.writer.dim
        start = dim(ix.const) if ix.const.terms else ""
        if count == (extent - ix.const + (step - 1)) // step:
            text = f"{start}:"
        else:
            text = f"{start}:{dim(ix.const + count * step)}"
        return text + (f":{step}" if step > 1 else ""), axis

    def read(self, access: Access, layout: Sequence[str]) -> _Code:
        """The access so that it broadcasts over ``layout``."""
        writer = self.writer
        value = writer.values[access.value]
        name = writer.text[access.value]
        tag = writer.tags[access.value]
        fill = access.fill
        if fill is not None and all(inside(i, d, self.extents) for i, d in zip(access.index, value.shape, strict=True)):
            fill = None
        axes = frozenset(a for ix in access.index for a in ix.axes())
        level = writer.levels.get(access.value, _ATOM)
        bare, name = name, name if level == _ATOM else f"({name})"
        found = self.direct(name, access.index, value.shape, layout) if fill is None else None
        if found == name:
            return _Code(bare, level, tag, axes)
        if found is not None:
            return _Code(found, _ATOM, tag, axes)
        index = ", ".join(self.index(ix, layout).text for ix in access.index)
        if fill is None:
            return _Code(f"{name}[{index}]", _ATOM, tag, axes)
        writer.used.add("_read")
        outside = f"np.{fill}".replace("np.-", "-np.") if isinstance(fill, str) else _number(fill)
        return _Code(f"_read({name}, {outside}, {index})", _ATOM, tag, axes)

    def direct(self, name: str, index: Sequence[Ix], shape: Shape, layout: Sequence[str]) -> str | None:
        """The read as slices, at most one gathered dimension, and a transposition."""
        items: list[str] = []
        entries: list[str | None] = []  # the axis of each dimension that stays; None where its extent is 1 and it may stay
        gathers = 0
        for ix, extent in zip(index, shape, strict=True):
            if not ix.terms:
                unit = extent.is_one() and not ix.const.terms
                items.append(":" if unit else self.writer.dim(ix.const))
                if unit:
                    entries.append(None)
                continue
            item = self.slice(ix, extent)
            if item is not None:
                items.append(item[0])
                entries.append(item[1])
                continue
            gather = ix.terms[0][0]
            if len(ix.terms) > 1 or not isinstance(gather, Gather) or ix.const.terms or not ix.terms[0][1].is_one():
                return None
            inner = self.whole(gather)
            if inner is None:
                return None
            items.append(self.integers(gather.value))
            entries += inner
            gathers += 1
        axes = [a for a in entries if a is not None]
        if len(set(axes)) != len(axes) or gathers > 1:
            return None
        if gathers and any(":" not in i and k != self.gathered(index) for k, i in enumerate(items)):
            return None  # NumPy would move the gathered dimension to the front
        # as it stands, where that broadcasts
        tail = layout[len(layout) - len(entries) :] if len(entries) <= len(layout) else []
        if len(entries) <= len(layout) and all(
            a == b or (a is None and b not in axes) for a, b in zip(entries, tail, strict=True)
        ):
            return name + _subscript(items)
        if gathers and None in entries:
            return None
        numbers = items
        if None in entries:
            if len(entries) != len(items):
                return None
            numbers = ["0" if e is None else i for e, i in zip(entries, items, strict=True)]
        order = [a for a in layout if a in axes]
        text = name + _subscript(numbers)
        if order != axes:
            places = [axes.index(a) for a in order]
            text += ".T" if places == list(reversed(range(len(places)))) else f".transpose({', '.join(map(str, places))})"
            return _expand_axes(text, _ATOM, order, layout)
        if gathers or None in entries:
            return _expand_axes(text, _ATOM, order, layout)
        return name + _subscript(_with_new_axes(items, entries, layout))

    def gathered(self, index: Sequence[Ix]) -> int:
        return next(k for k, ix in enumerate(index) if ix.terms and isinstance(ix.terms[0][0], Gather))

    def whole(self, gather: Gather) -> list[str] | None:
        """The axes of a gather that reads its whole value, in order."""
        shape = self.writer.values[gather.value].shape
        names = [ix.plain for ix in gather.index]
        if len(set(names)) != len(names) or any(n is None or self.extents[n] != d for n, d in zip(names, shape, strict=True)):
            return None
        return [n for n in names if n is not None]

    def integers(self, name: str) -> str:
        text = self.writer.text[name]
        return text if self.writer.tags[name] == "int" else f"{text}.astype(np.int64)"

    def index(self, ix: Ix, layout: Sequence[str]) -> _Code:
        """An index as an array of integers that broadcasts over ``layout``."""
        parts: list[_Code] = []
        for atom, factor in ix.terms:
            if isinstance(atom, str):
                part = self.axis(atom, layout)
            elif isinstance(atom, Gather):
                part = self.read(Access(atom.value, atom.index), layout)
                if self.writer.tags[atom.value] != "int":
                    part = replace(part, text=f"{part.text}.astype(np.int64)")
            else:
                inner = self.index(atom.a, layout)
                sign = "//" if isinstance(atom, Quot) else "%"
                divisor = self.writer.dim(atom.b)
                part = _Code(f"{inner.tight(7)} {sign} {divisor if divisor.isalnum() else f'({divisor})'}", 7, "int")
            if not factor.is_one():
                times = self.writer.dim(factor)
                part = _Code(f"{times if len(factor.terms) == 1 else f'({times})'}*{part.tight(8)}", 7, "int")
            parts.append(part)
        if not parts:
            return _Code(self.writer.dim(ix.const), 6, "int")
        text = parts[0].text if len(parts) == 1 else " + ".join(p.tight(6) for p in parts)
        if ix.const.terms:
            text = f"{text} + {self.writer.dim(ix.const)}".replace("+ -", "- ")
            return _Code(text, 6, "int")
        return _Code(text, parts[0].level if len(parts) == 1 else 6, "int")

    def axis(self, name: str, layout: Sequence[str]) -> _Code:
        """The axis as a number."""
        text = f"np.arange({self.writer.dim(self.extents[name])})"
        return _Code(_expand_axes(text, _ATOM, [name], layout), _ATOM, "int", frozenset((name,)))

    # ---- bodies

    def body(self, body: Expr, layout: Sequence[str]) -> _Code:
        writer = self.writer

        def leaf(node: Expr) -> _Code:
            if node.op == "arg":
                return self.read(self.eqn.args[cast(int, node.value)], layout)
            if node.op == "idx":
                return self.axis(str(node.value), layout)
            text = writer.dim(cast(Dim, node.value))
            return _Code(text, _ATOM if text.isalnum() else 6, "py")

        return _Formulas(leaf, lambda _: writer.speller.fresh("part"), writer.emit, writer.used).codes([body])[0]

    def axes_of(self, body: Expr) -> frozenset[str]:
        """The axes that a part of the body depends on."""
        found: set[str] = set()
        for node in E.walk(body):
            if node.op == "arg":
                found.update(a for ix in self.eqn.args[cast(int, node.value)].index for a in ix.axes())
            elif node.op == "idx":
                found.add(str(node.value))
        return frozenset(found)

    def value(self, wanted: Sequence[str]) -> tuple[_Code, list[str]]:
        """The reduced body, and the order of axes it has: all or some of ``wanted``, in that order."""
        eqn = self.eqn
        reduced = [a.name for a in eqn.axes if a.name not in wanted]
        if not reduced:
            return self.body(eqn.body, wanted), list(wanted)
        runs, ranks = running(eqn), ranking(eqn)
        if runs is not None:
            return self.running(runs, wanted), list(wanted)
        if ranks is not None:
            self.writer.used.add("_rank")
            code = self.read(ranks.source, wanted)
            text = self.over(code, wanted)
            descending = ", True" if ranks.descending else ""
            place = list(wanted).index(ranks.axis.name)
            return _Code(f"_rank({text}, {place}{descending})", _ATOM, "int", frozenset(wanted)), list(wanted)
        if eqn.reduce == "+":
            product = self.contraction(wanted, reduced)
            if product is not None:
                return product
        return self.reduction(eqn.body, wanted, reduced)

    def over(self, code: _Code, layout: Sequence[str]) -> str:
        """The text with all axes of the layout, none of them left to broadcasting."""
        if code.axes == frozenset(layout):
            return code.text
        return f"np.broadcast_to({code.text}, {self.writer.shape(tuple(self.extents[a] for a in layout))})"

    def running(self, runs: Running, wanted: Sequence[str]) -> _Code:
        layout = [runs.over.name if a == runs.axis.name else a for a in wanted]
        code = self.body(runs.inner, layout)
        text = self.over(code if code.tag == "real" else _as_real(code), layout)
        place = layout.index(runs.over.name)
        name = "np.cumsum" if self.eqn.reduce == "+" else "np.cumprod"
        text = f"np.flip({text}, {place})" if runs.reverse else text
        text = f"{name}({text}, {place})"
        return _Code(f"np.flip({text}, {place})" if runs.reverse else text, _ATOM, "real", frozenset(wanted))

    def reduction(self, body: Expr, wanted: Sequence[str], reduced: Sequence[str]) -> tuple[_Code, list[str]]:
        eqn, writer = self.eqn, self.writer
        axes = self.axes_of(body)
        outer = [a for a in wanted if a in axes]
        inner = [a for a in reduced if a in axes]
        idle = [a for a in reduced if a not in axes]
        layout = self.natural(body, outer, inner)
        # in place of an output axis of extent 1 stands the reduced one: NumPy's keepdims
        units = [a for a in wanted if a not in axes and self.extents[a].is_one()]
        keep = bool(units) and len(units) == len(inner)
        if keep:
            stand_in = dict(zip(units, inner, strict=True))
            layout = [stand_in.get(a, a) for a in wanted if a in axes or a in stand_in]
        code = self.body(body, layout)
        if idle and eqn.reduce != "+":  # a reduction over an axis that nothing depends on: written out over the whole grid
            layout = [*outer, *reduced]
            shape = tuple(self.extents[a] for a in layout)
            text = _expand_axes(code.text, code.level, [a for a in layout if a in code.axes], layout) if code.axes else code.text
            if layout != [*outer, *inner]:
                code = self.body(body, layout)
                text = code.text
            text = text if code.tag == "real" else f"real({text})"  # the least of integers is no infinity
            code = _Code(f"np.broadcast_to({text}, {writer.shape(shape)})", _ATOM, "real")
            inner, idle, keep = list(reduced), [], False
        text, tag = code.text, code.tag
        if inner:
            name = _REDUCTIONS[eqn.reduce]
            writer.used.add(name)
            if tag in ("int", "bool") and eqn.reduce in ("+", "*", "lse"):
                text, tag = f"real({text})", "real"
            places = [layout.index(a) for a in inner]
            if keep or len(inner) < len(layout):
                text += f", axis={places[0]}" if len(places) == 1 else f", axis=({', '.join(map(str, places))})"
            if keep:
                text += ", keepdims=True"
            if eqn.reduce in ("max", "min") and tag == "real" and any(not never_negative(self.extents[a] - 1) for a in inner):
                text += f", initial={'-' if eqn.reduce == 'max' else ''}np.inf"
            result: Tag = "int" if eqn.reduce.startswith("arg") else tag
            code = _Code(f"{name}({text})", _ATOM, result, frozenset(outer) | (frozenset(units) if keep else frozenset()))
        else:
            code = _as_real(code)
        for a in idle:
            extent = self.extents[a]
            code = _Code(f"{code.tight(7)} * {self.times(extent)}", 7, "real", code.axes)
            if extent.value is None and all(self.extents[w] != extent for w in wanted):  # of nothing 0, were it NaN
                code = _Code(f"np.where({writer.dim(extent)} == 0, 0, {code.text})", _ATOM, "real", code.axes)
        kept: list[str] = [a for a in wanted if a in outer or (keep and a in units)]
        return code, kept

    def times(self, extent: Dim) -> str:
        text = self.writer.dim(extent)
        return text if text.isalnum() else f"({text})"

    def natural(self, body: Expr, outer: Sequence[str], inner: Sequence[str]) -> list[str]:
        """An order of axes in which some operand lies in memory, so that it need not be transposed."""
        together = set(outer) | set(inner)
        for k in E.arguments(body):
            order = [a for ix in self.eqn.args[k].index if (a := _single(ix)) is not None]
            if set(order) == together and len(order) == len(together) and [a for a in order if a in outer] == list(outer):
                return order
        return [*outer, *inner]

    # ---- products

    def contraction(self, wanted: Sequence[str], reduced: Sequence[str]) -> tuple[_Code, list[str]] | None:
        """A sum of products of parts with different axes, as a matrix product or einsum."""
        groups = self.groups()
        if groups is None:
            return None
        used = frozenset().union(*(axes for _, axes in groups))
        if any(a not in used for a in reduced):
            return None
        kept: list[str] = [a for a in wanted if a in used]
        codes = self.matrix_product(groups, kept, reduced)
        if codes is None:
            codes = self.einsum(groups, kept, reduced)
        return _Code(codes[0], codes[1], "real", frozenset(kept)), kept

    def groups(self) -> list[tuple[Expr, frozenset[str]]] | None:
        """The factors of the body, those that depend on no more axes than another one multiplied into it; None where
        that leaves one."""
        factors: list[tuple[Expr, bool]] = []  # with whether it divides
        negative = False
        stack = [(self.eqn.body, False)]
        while stack:
            node, divides = stack.pop()
            if node.op == "mul":
                stack += [(node.args[1], divides), (node.args[0], divides)]
            elif node.op == "div":
                stack += [(node.args[1], not divides), (node.args[0], divides)]
            elif node.op == "neg":
                negative = not negative
                stack.append((node.args[0], divides))
            else:
                factors.append((node, divides))
        axes = [self.axes_of(f) for f, _ in factors]
        leaders: list[int] = []
        for k, own in enumerate(axes):
            larger = [j for j, other in enumerate(axes) if own < other or (own == other and j < k)]
            if not larger and not factors[k][1]:
                leaders.append(k)
        if len(leaders) < 2:
            return None
        parts = {k: factors[k][0] for k in leaders}
        for k, (factor, divides) in enumerate(factors):
            if k in leaders:
                continue
            into = next((j for j in reversed(leaders) if axes[k] <= axes[j]), None)
            if into is None:
                return None
            parts[into] = E.make("div" if divides else "mul", parts[into], factor)
        if negative:
            parts[leaders[-1]] = E.make("neg", parts[leaders[-1]])
        return [(parts[k], axes[k]) for k in leaders]

    def part(self, body: Expr, layout: Sequence[str]) -> _Code:
        return _as_real(self.body(body, layout))

    def matrix_product(
        self, groups: Sequence[tuple[Expr, frozenset[str]]], wanted: Sequence[str], reduced: Sequence[str]
    ) -> tuple[str, int] | None:
        if len(groups) != 2 or len(reduced) != 1:
            return None
        (r,) = reduced
        for (left, left_axes), (right, right_axes) in (groups, groups[::-1]):
            if left_axes & right_axes != {r}:
                return None
            rows = [a for a in wanted if a in left_axes]
            columns = [a for a in wanted if a in right_axes]
            if [*rows, *columns] != list(wanted) or len(columns) > 1:
                continue
            a = self.oriented(left, [*rows, r])
            b = self.oriented(right, [r, *columns])
            return f"{a.tight(7)} @ {b.tight(8)}", 7
        return None

    def oriented(self, body: Expr, layout: Sequence[str]) -> _Code:
        """A matrix: computed as it lies and transposed then, where that reads better."""
        flipped = list(reversed(layout))
        if body.args and len(layout) == 2:
            orders = [[a for ix in self.eqn.args[k].index if (a := _single(ix)) is not None] for k in E.arguments(body)]
            if flipped in orders and list(layout) not in orders:
                code = self.part(body, flipped)
                return _Code(f"{code.tight(_ATOM)}.T", _ATOM, "real", code.axes)
        return self.part(body, layout)

    def einsum(
        self, groups: Sequence[tuple[Expr, frozenset[str]]], wanted: Sequence[str], reduced: Sequence[str]
    ) -> tuple[str, int]:
        letters = dict(zip(wanted, "ijklmnopqxyz", strict=False)) | dict(zip(reduced, "rstuvwabcdefgh", strict=False))
        subscripts: list[str] = []
        texts: list[str] = []
        for body, axes in groups:
            layout = self.natural(body, [a for a in wanted if a in axes], [a for a in reduced if a in axes])
            subscripts.append("".join(letters[a] for a in layout))
            texts.append(self.part(body, layout).text)
        result = "".join(letters[a] for a in wanted)
        return f'np.einsum("{",".join(subscripts)}->{result}", {", ".join(texts)}, optimize=True)', _ATOM


def _as_real(code: _Code) -> _Code:
    """The code as reals, where it is integers or truth values."""
    return code if code.tag in ("real", "py") else _Code(f"real({code.text})", _ATOM, "real", code.axes)


def _single(ix: Ix) -> str | None:
    """The axis of an index that depends on one axis alone."""
    return ix.terms[0][0] if len(ix.terms) == 1 and isinstance(ix.terms[0][0], str) else None


def _with_new_axes(items: Sequence[str], entries: Sequence[str | None], layout: Sequence[str]) -> list[str]:
    """Subscripts with None for the axes of ``layout`` that are missing between and after those of ``entries``."""
    result: list[str] = []
    queue = list(items)
    pending = list(entries)
    for axis in layout:
        if pending and pending[0] == axis:
            # numbers take their dimension away, and may stand anywhere before
            while ":" not in queue[0]:
                result.append(queue.pop(0))
            result.append(queue.pop(0))
            pending.pop(0)
        elif len(pending) < len(entries):
            result.append("None")
    return result + queue


# ---------------------------------------------------------------- optimisers


def _update_name(name: str) -> str:
    return "_update_" + re.sub(r"\W", "_", name)


def _tuple(names: Sequence[str]) -> str:
    return "(" + ", ".join(names) + ("," if len(names) == 1 else "") + ")"


_written: Final[dict[Said, tuple[str, frozenset[str]]]] = {}


def _update_text(update: Update, used: set[str], sources: Mapping[str, Source]) -> str:
    """The rule as a function. The library's are written once, for every model has them."""
    key = said(update, sources)
    if key not in _written:
        own: set[str] = set()
        _written[key] = "\n".join(_write_update(update, own, sources)), frozenset(own)
    text, asked = _written[key]
    used |= asked
    return text


def _write_update(update: Update, used: set[str], sources: Mapping[str, Source]) -> Iterator[str]:
    """``def _update_adam(w, g, states, hypers, t)``: one step for a whole vector of parameters."""
    spell = Speller(_NAMES)
    names = {update.weight: "w", update.gradient: "g"}
    states = [spell.fresh(re.sub(r"\W", "_", n)) for n, _ in update.states]
    hypers = [spell.fresh(re.sub(r"\W", "_", n)) for n, _ in update.hypers]
    names.update(zip((n for n, _ in update.states), states, strict=True))
    names.update(zip((n for n, _ in update.hypers), hypers, strict=True))
    yield f"def {_update_name(update.name)}(w, g, states, hypers, t):"
    if update.doc.strip():
        yield f'    """{_safe(update.doc.strip())}"""'
    if states:
        yield f"    {', '.join(states)}{',' if len(states) == 1 else ''} = states"
    if hypers:
        yield f"    {', '.join(hypers)}{',' if len(hypers) == 1 else ''} = np.asarray(hypers, np.float64)"
    lines_of: dict[str, list[int]] = {}
    for span in (s for o in update.origins for s in o.spans):
        if span.line not in lines_of.setdefault(span.file, []):
            lines_of[span.file].append(span.line)
    for file, numbers in lines_of.items():
        if file in sources:
            for number in sorted(numbers):
                yield f"    # {_comment(file)}:{number}   {sources[file].line(number).strip()}".rstrip()
        else:
            yield f"    # {_comment(file)}:{', '.join(map(str, sorted(numbers)))}"
    less = idle(update)
    if less is not None:  # states of no use stay as they are
        zero, reduced = less
        yield f"    if {' == '.join([*(names[n] for n in zero), '0'])}:"
        yield from (f"    {line}" for line in _update_lines(reduced, names, spell, used))
        yield "        return"
    yield from _update_lines(update, names, spell, used)


def _update_lines(update: Update, names: Mapping[str, str], spell: Speller, used: set[str]) -> Iterator[str]:
    states = [names[name] for name, _ in update.states]
    lines: list[str] = []
    new = {result: f"{name}_new" for result, name in zip(update.results, ("w", *states), strict=True)}

    def leaf(node: Expr) -> _Code:
        return _Code(names.get(str(node.value), str(node.value)), _ATOM, "real")

    def name(node: Expr) -> str:
        return spell.fresh(new.get(node, "part"))

    formulas = _Formulas(leaf, name, lines.append, used)
    weight, *rest = formulas.codes(update.results)
    # each is computed from the old values; then all are written
    for k, (state, code) in enumerate(zip(states, rest, strict=True)):
        if not code.text.isidentifier() and any(n.op == "sym" for n in E.walk(update.results[k + 1])):
            lines.append(f"{spell.fresh(f'{state}_new')} = {code.text}")
            rest[k] = replace(code, text=lines[-1].partition(" = ")[0])
    yield '    with np.errstate(all="ignore"):'
    for line in lines:
        yield f"        {line}"
    yield f"        w[...] = {weight.text}"
    for state, code in zip(states, rest, strict=True):
        yield f"        {state}[...] = {code.text}"
