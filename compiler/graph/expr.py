"""Our scalar expression tree: small, ordered, interned, and free of SymPy.

Two expressions are equal exactly when they are the same object, so ``==`` and ``hash`` are identity and sharing is free.
The tree keeps the order that the user wrote; canonical forms for matching are made on the side, by who needs them.

Operators on expressions (``a + b``) fold exact constants and drop neutral elements, and 0*x is 0: they are for building
derivatives and rewritten formulas. The user's own arithmetic is built with :func:`make`, which changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

from .shapes import Dim

LEAVES: Final = ("const", "named", "arg", "idx", "size", "sym", "out")
ARITHMETIC: Final = ("add", "sub", "mul", "div", "neg", "pow")
COMPARISONS: Final = ("lt", "le", "gt", "ge", "eq", "ne", "above", "below")
LOGIC: Final = ("and", "or", "not")
CHOICES: Final = ("where", "max", "min")
DRAWS: Final = ("draw_uniform", "draw_normal", "draw_bernoulli")  # random numbers: seed, counter, stream, position, numbers

Value = Fraction | str | int | Dim | None


class Expr:
    """One node. ``op`` is a leaf kind, an operator, or the name of an elementary function (``exp``, ``sigmoid``...).

    ===========  =======================================================================================
    const        value: Fraction
    named        value: "pi", "inf" or "nan"
    arg          value: int, which operand of the equation
    idx          value: str, an index variable (axis) as a number
    size         value: Dim, a size as a number
    sym          value: str, a formal parameter (hyper-parameters of an optimiser, SymPy's x)
    out          the value of the whole expression (only in derivatives written with the output)
    add ... pow  two operands (neg: one)
    lt ... ne    comparisons, and, or, not: booleans, which count as 0 and 1 in arithmetic
    above        whether the first operand takes the place of the second as the largest so far (below: the smallest): the first
                 of equals stays, and the first NaN
    where        condition, then, else;  max, min: two operands
    place        a * b + c of whole numbers, which stays a whole number: the position of an element
    draw_...     a random number: seed, counter, stream, position, then what its distribution wants (runtime/draws.py)
    ===========  =======================================================================================
    """

    __slots__ = ("__weakref__", "args", "depth", "op", "serial", "value")
    op: str
    args: tuple[Expr, ...]
    value: Value
    depth: int
    serial: int  # order of creation: a deterministic tie-breaker, never printed

    def __add__(self, other: Expr | int) -> Expr:
        return add(self, lift(other))

    def __radd__(self, other: int) -> Expr:
        return add(lift(other), self)

    def __sub__(self, other: Expr | int) -> Expr:
        return sub(self, lift(other))

    def __rsub__(self, other: int) -> Expr:
        return sub(lift(other), self)

    def __mul__(self, other: Expr | int) -> Expr:
        return mul(self, lift(other))

    def __rmul__(self, other: int) -> Expr:
        return mul(lift(other), self)

    def __truediv__(self, other: Expr | int) -> Expr:
        return div(self, lift(other))

    def __rtruediv__(self, other: int) -> Expr:
        return div(lift(other), self)

    def __pow__(self, other: Expr | int) -> Expr:
        return power(self, lift(other))

    def __neg__(self) -> Expr:
        return neg(self)

    @property
    def number(self) -> Fraction | None:
        """The exact value of a constant, else None."""
        return self.value if self.op == "const" and isinstance(self.value, Fraction) else None

    @property
    def constant(self) -> Fraction:
        """The value: of a ``const``."""
        assert isinstance(self.value, Fraction)
        return self.value

    @property
    def place(self) -> int:
        """Which argument: of an ``arg``."""
        assert isinstance(self.value, int)
        return self.value

    @property
    def extent(self) -> Dim:
        """The size that is taken as a number: of a ``size``."""
        assert isinstance(self.value, Dim)
        return self.value

    def __repr__(self) -> str:
        return show(self)

    def __reduce__(self) -> Any:
        return _rebuild, (self.op, self.args, self.value)


_table: dict[tuple[str, tuple[Expr, ...], Value], Expr] = {}


def make(op: str, *args: Expr, value: Value = None) -> Expr:
    """The one expression with this operator, operands and value; nothing is folded."""
    key = (op, args, value)
    found = _table.get(key)
    if found is None:
        found = object.__new__(Expr)
        found.op, found.args, found.value = op, args, value
        found.depth = 1 + max((a.depth for a in args), default=0)
        found.serial = len(_table)
        _table[key] = found
    return found


def _rebuild(op: str, args: tuple[Expr, ...], value: Value) -> Expr:
    return make(op, *args, value=value)


def const(value: int | str | Fraction) -> Expr:
    """An exact constant; text such as "1e-3" or "0.1" is taken literally."""
    return make("const", value=Fraction(value))


def lift(value: Expr | int) -> Expr:
    """A number as an expression."""
    return value if isinstance(value, Expr) else const(value)


def arg(k: int) -> Expr:
    """What the k-th access reads."""
    return make("arg", value=k)


def idx(axis: str) -> Expr:
    """The place along an axis, as a number."""
    return make("idx", value=axis)


def sym(name: str) -> Expr:
    """A number that is known by its name alone, as in an update rule."""
    return make("sym", value=name)


def dim(size: Dim) -> Expr:
    """A size as a number: exact where it is fixed."""
    return const(size.value) if size.value is not None else make("size", value=size)


ZERO: Final = const(0)
ONE: Final = const(1)
TWO: Final = const(2)
HALF: Final = const(Fraction(1, 2))
OUT: Final = make("out")
PI: Final = make("named", value="pi")
INF: Final = make("named", value="inf")
NAN: Final = make("named", value="nan")


def add(a: Expr, b: Expr) -> Expr:
    """a + b, folded where a number decides it."""
    if a.number is not None and b.number is not None:
        return const(a.number + b.number)
    if a is ZERO:
        return b
    if b is ZERO:
        return a
    if b.op == "neg":
        return sub(a, b.args[0])
    if a.op == "neg":
        return sub(b, a.args[0])
    return make("add", a, b)


def sub(a: Expr, b: Expr) -> Expr:
    """a - b, folded where a number decides it."""
    if a.number is not None and b.number is not None:
        return const(a.number - b.number)
    if b is ZERO:
        return a
    if a is ZERO:
        return neg(b)
    if b.op == "neg":
        return add(a, b.args[0])
    return make("sub", a, b)


def mul(a: Expr, b: Expr) -> Expr:
    """a * b, folded where a number decides it: nothing times 0 is looked at."""
    if a.number is not None and b.number is not None:
        return const(a.number * b.number)
    if a is ZERO or b is ZERO:
        return ZERO
    if a is ONE:
        return b
    if b is ONE:
        return a
    if a.number == -1:
        return neg(b)
    if b.number == -1:
        return neg(a)
    if a.op == "neg":
        return neg(mul(a.args[0], b))
    if b.op == "neg":
        return neg(mul(a, b.args[0]))
    return make("mul", a, b)


def div(a: Expr, b: Expr) -> Expr:
    """a / b, folded where a number decides it; never a division by 0."""
    if a.number is not None and b.number:
        return const(a.number / b.number)
    if a is ZERO or b is ONE:
        return a
    if a.op == "neg":
        return neg(div(a.args[0], b))
    return make("div", a, b)


def neg(a: Expr) -> Expr:
    """-a, folded where that is shorter."""
    if a.number is not None:
        return const(-a.number)
    if a.op == "neg":
        return a.args[0]
    if a.op == "sub":
        return sub(a.args[1], a.args[0])
    return make("neg", a)


def power(a: Expr, b: Expr) -> Expr:
    """a**b, folded where numbers decide it exactly."""
    if b is ONE:
        return a
    if b is ZERO:
        return ONE
    if a.number is not None and b.number is not None and b.number.denominator == 1 and (a.number or b.number > 0):
        if abs(b.number) <= 64:
            return const(a.number ** int(b.number))
    return make("pow", a, b)


def where(condition: Expr, a: Expr, b: Expr) -> Expr:
    """a where the condition holds, else b."""
    return a if a is b else make("where", condition, a, b)


def call(name: str, *args: Expr) -> Expr:
    """An elementary function of ``args``."""
    return make(name, *args)


def is_drawn(body: Expr) -> bool:
    """Whether this is the body of a random value. It stays an equation of its own: nothing looks through it."""
    return body.op in DRAWS or (body.op == "ne" and body.args[0].op in DRAWS)


_SHALLOW: Final = 16  # levels of an expression whose nodes are kept: nearly all have fewer, and are walked many times


def walk(*roots: Expr) -> Iterator[Expr]:
    """Every node once, operands before what uses them, without recursion."""
    if len(roots) == 1 and roots[0].depth <= _SHALLOW:
        return iter(_nodes(roots[0]))
    return _walk(roots)


@lru_cache(maxsize=1 << 14)
def _nodes(root: Expr) -> tuple[Expr, ...]:
    return tuple(_walk((root,)))


def _walk(roots: tuple[Expr, ...]) -> Iterator[Expr]:
    seen: set[int] = set()
    stack = [(root, False) for root in reversed(roots)]
    while stack:
        node, done = stack.pop()
        if done:
            yield node
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((a, False) for a in reversed(node.args))


def rebuild(node: Expr, args: tuple[Expr, ...]) -> Expr:
    """The same node over other operands."""
    return node if args == node.args else make(node.op, *args, value=node.value)


_FOLDING: Final[dict[str, Callable[..., Expr]]] = {
    "add": add, "sub": sub, "mul": mul, "div": div, "neg": neg, "pow": power, "where": where,
}  # fmt: skip


def fold_node(node: Expr, args: tuple[Expr, ...]) -> Expr:
    """As :func:`rebuild`, with the folding constructors."""
    return _FOLDING[node.op](*args) if node.op in _FOLDING else rebuild(node, args)


def substitute(root: Expr, mapping: Mapping[Expr, Expr], fold: bool = False) -> Expr:
    """``root`` with every node that is a key of ``mapping`` replaced (the replacement is not searched again)."""
    build = fold_node if fold else rebuild
    done: dict[Expr, Expr] = {}
    stack = [(root, False)]
    while stack:
        node, ready = stack.pop()
        if node in done:
            continue
        if node in mapping:
            done[node] = mapping[node]
        elif ready or not node.args:
            done[node] = build(node, tuple(done[a] for a in node.args)) if node.args else node
        else:
            stack.append((node, True))
            stack.extend((a, False) for a in node.args)
    return done[root]


@lru_cache(maxsize=1 << 14)
def leaves(root: Expr, op: str) -> tuple[Expr, ...]:
    """The leaves of one kind, in order of first appearance."""
    return tuple(node for node in walk(root) if node.op == op)


@lru_cache(maxsize=1 << 14)
def arguments(root: Expr) -> tuple[int, ...]:
    """The numbers of the operands that ``root`` reads, ascending."""
    return tuple(sorted(node.value for node in leaves(root, "arg") if isinstance(node.value, int)))


def evaluate(root: Expr, leaf: Callable[[Expr], Any], functions: Mapping[str, Callable[..., Any]]) -> Any:
    """Fold the tree: ``leaf`` gives the value of a leaf, ``functions[op]`` that of any other node."""
    done: dict[Expr, Any] = {}
    for node in walk(root):
        done[node] = leaf(node) if node.op in LEAVES else functions[node.op](*(done[a] for a in node.args))
    return done[root]


# ---------------------------------------------------------------- text

_INFIX: Final = {"add": ("+", 6), "sub": ("-", 6), "mul": ("*", 7), "div": ("/", 7), "pow": ("**", 9),
                 "lt": ("<", 4), "le": ("<=", 4), "gt": (">", 4), "ge": (">=", 4), "eq": ("==", 4), "ne": ("!=", 4),
                 "and": ("and", 2), "or": ("or", 1)}  # fmt: skip


def number_text(value: Fraction) -> str:
    """The shortest exact decimal, or a quotient where there is none."""
    if value.denominator == 1:
        digits = str(value.numerator)
        stripped = digits.rstrip("0")
        zeros = len(digits) - len(stripped)
        return f"{stripped}e{zeros}" if zeros > 6 and value else digits
    rest, twos, fives = value.denominator, 0, 0
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    if rest != 1:
        return f"{value.numerator}/{value.denominator}"
    places = max(twos, fives)
    digits = str(abs(value.numerator) * (10**places // value.denominator))
    sign = "-" if value < 0 else ""
    if places > len(digits) + 3:
        mantissa = digits.rstrip("0")
        exponent = len(digits) - 1 - places
        return sign + mantissa[0] + ("." + mantissa[1:] if len(mantissa) > 1 else "") + f"e{exponent}"
    digits = digits.rjust(places + 1, "0")
    return f"{sign}{digits[:-places]}.{digits[-places:]}"


def show(root: Expr, leaf: Callable[[Expr], str] | None = None) -> str:
    """Infix text with as few parentheses as Python's precedences need. ``leaf`` names the leaves."""

    def default(node: Expr) -> str:
        if node.op == "const":
            assert isinstance(node.value, Fraction)
            return number_text(node.value)
        if node.op == "arg":
            return f"${node.value}"
        if node.op == "size":
            return f"size({node.value})"
        return "out" if node.op == "out" else str(node.value)

    name = leaf or default
    done: dict[Expr, tuple[str, int]] = {}
    for node in walk(root):
        if node.op in LEAVES:
            text = name(node)
            number = node.number
            tight = 11
            if number is not None and (number < 0 or "/" in text):
                tight = 7 if "/" in text else 8
            done[node] = (text, tight)
            continue
        parts = [done[a] for a in node.args]
        if node.op in _INFIX:
            sign, level = _INFIX[node.op]
            left = f"({parts[0][0]})" if parts[0][1] < level or (node.op == "pow" and parts[0][1] <= 9) or (
                level == 4 and parts[0][1] == 4) else parts[0][0]
            tie = node.op != "pow"
            right = f"({parts[1][0]})" if parts[1][1] < level or (parts[1][1] == level and tie) else parts[1][0]
            space = "" if node.op == "pow" else " "
            done[node] = (f"{left}{space}{sign}{space}{right}", level)
        elif node.op == "neg":
            text, level = parts[0]
            done[node] = (f"-{text}" if level >= 8 else f"-({text})", 8)
        elif node.op == "not":
            text, level = parts[0]
            done[node] = (f"not {text}" if level >= 3 else f"not ({text})", 3)
        else:
            done[node] = (f"{node.op}({', '.join(text for text, _ in parts)})", 11)
    return done[root][0]
