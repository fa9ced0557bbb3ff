"""Sums of products: as matrix products, or as einsum."""

from __future__ import annotations

from collections.abc import Sequence

from ...graph import expr as E
from ...graph.expr import Expr
from .bodies import Bodies
from .code import ATOM, Code

Factor = tuple[Expr, frozenset[str]]  # with the axes it depends on


def contraction(bodies: Bodies, wanted: Sequence[str], reduced: Sequence[str]) -> tuple[Code, list[str]] | None:
    """A sum of products of parts with different axes, as a matrix product or einsum."""
    groups = _groups(bodies)
    if groups is None:
        return None
    used = frozenset().union(*(axes for _, axes in groups))
    if any(a not in used for a in reduced):
        return None
    kept: list[str] = [a for a in wanted if a in used]
    codes = _matrix_product(bodies, groups, kept, reduced)
    if codes is None:
        codes = _einsum(bodies, groups, kept, reduced)
    return Code(codes[0], codes[1], "real", frozenset(kept)), kept


def _groups(bodies: Bodies) -> list[Factor] | None:
    """The factors of the body, those that depend on no more axes than another one multiplied into it; None where
    that leaves one."""
    factors: list[tuple[Expr, bool]] = []  # with whether it divides
    negative = False
    stack = [(bodies.eqn.body, False)]
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
    axes = [bodies.axes(f) for f, _ in factors]
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


def _matrix_product(
    bodies: Bodies, groups: Sequence[Factor], wanted: Sequence[str], reduced: Sequence[str]
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
        a = _oriented(bodies, left, [*rows, r])
        b = _oriented(bodies, right, [r, *columns])
        return f"{a.tight(7)} @ {b.tight(8)}", 7
    return None


def _oriented(bodies: Bodies, body: Expr, layout: Sequence[str]) -> Code:
    """A matrix: computed as it lies and transposed then, where that reads better."""
    flipped = list(reversed(layout))
    if body.args and len(layout) == 2:
        orders = bodies.orders(body)
        if flipped in orders and list(layout) not in orders:
            code = bodies.code(body, flipped).real()
            return Code(f"{code.tight(ATOM)}.T", ATOM, "real", code.axes)
    return bodies.code(body, layout).real()


def _einsum(
    bodies: Bodies, groups: Sequence[Factor], wanted: Sequence[str], reduced: Sequence[str]
) -> tuple[str, int]:
    letters = dict(zip(wanted, "ijklmnopqxyz", strict=False)) | dict(zip(reduced, "rstuvwabcdefgh", strict=False))
    subscripts: list[str] = []
    texts: list[str] = []
    for body, axes in groups:
        layout = bodies.natural(body, [a for a in wanted if a in axes], [a for a in reduced if a in axes])
        subscripts.append("".join(letters[a] for a in layout))
        texts.append(bodies.code(body, layout).real().text)
    result = "".join(letters[a] for a in wanted)
    return f'np.einsum("{",".join(subscripts)}->{result}", {", ".join(texts)}, optimize=True)', ATOM
