"""What a model is made of, line by line: `print(model.summary())`."""
from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from .arguments import _dim, _meant
from .errors import ArgumentError

Count: TypeAlias = "int | str"      # a number, or its formula where a size is not told


@dataclass(frozen=True)
class Line:
    """One line of a model: what it declares or computes."""

    line: int
    name: str
    shape: tuple[Count, ...]
    parameters: int
    operations: Count       # of the forward pass as written
    bytes: Count            # of the value

    @property
    def declared(self) -> str:
        return self.name + (f"[{', '.join(map(str, self.shape))}]" if self.shape else "")


@dataclass(frozen=True)
class Summary:
    """The lines of a model, and what it has altogether. Its text is a table."""

    model: str
    dtype: str
    lines: tuple[Line, ...]
    parameters: int         # trained ones
    frozen: int
    operations: Count
    kept: Count             # bytes that a forward pass keeps for the backward pass

    def __str__(self) -> str:
        rows = [("line", "value", "parameters", "operations", "bytes")]
        rows += [(str(r.line), r.declared, str(r.parameters or ""), str(r.operations or ""), str(r.bytes)) for r in self.lines]
        widths = [max(len(row[k]) for row in rows) for k in range(5)]
        texts = ["  ".join([row[0].rjust(widths[0]), row[1].ljust(widths[1]), *(row[k].rjust(widths[k]) for k in (2, 3, 4))])
                 for row in rows]
        frozen = f" and {self.frozen} frozen" if self.frozen else ""
        total = (f"{self.model}: {self.parameters} {self.dtype} parameters{frozen}; {self.operations} operations forward, as "
                 f"written; {self.kept} bytes kept for the backward pass")
        return "\n".join([*(text.rstrip() for text in texts), total])

    __repr__ = __str__


def summary(model: Any, sizes: Mapping[str, int] | None = None) -> Summary:
    """Shapes, parameters, operations and bytes of each line of the model. `sizes` gives free sizes; without them the counts
    that depend on them are formulas."""
    engine, spec = model.engine, model.engine.spec
    env: dict[str, int] = {}
    for name, value in (sizes or {}).items():
        if name not in engine.sizes:
            raise ArgumentError(f"{engine.name} has no free size {name!r}{_meant(name, engine.sizes)}")
        env[name] = int(value)
    width = engine.real.itemsize
    rows: list[Line] = []
    for i in spec["inputs"]:
        each = 8 if i["kind"] == "index" else width
        rows.append(Line(i["line"], i["name"], _shape(i["shape"], env), 0, 0, _count(_product(i["shape"], each), env)))
    for p in spec["params"]:
        count = math.prod(p["shape"])
        rows.append(Line(p["line"], p["name"], tuple(p["shape"]), count, 0, count * width))
    for s in spec.get("states", ()):
        rows.append(Line(s["line"], s["name"], tuple(s["shape"]), 0, 0, math.prod(s["shape"]) * width))
    total: Any = 0
    for line, name, shape, operations, each in spec.get("lines", ()):
        rows.append(Line(line, name, _shape(shape, env), 0, _count(operations, env), _count(_product(shape, each), env)))
        total = operations if total == 0 else ("+", total, operations)
    rows.sort(key=lambda row: row.line)
    kept = engine.forward.kept
    return Summary(engine.name, str(engine.real), tuple(rows), engine.count, sum(math.prod(p["shape"]) for p in engine.frozen),
                   _count(total, env), _count(("*", width, kept), env))


def _shape(shape: Any, env: Mapping[str, int]) -> tuple[Count, ...]:
    return tuple([_count(dim, env) for dim in shape])


def _product(shape: Any, each: int) -> Any:
    total: Any = each
    for dim in shape:
        total = ("*", total, dim)
    return total


def _count(dim: Any, env: Mapping[str, int]) -> Count:
    """The number, or as a polynomial where the sizes are not all told."""
    try:
        return _dim(dim, dict(env))
    except KeyError:
        terms = _terms(dim, env)
        words = []
        for names in sorted(terms, key=lambda names: (-len(names), names)):
            if (factor := terms[names]) != 0:
                text = "·".join(([str(factor)] if abs(factor) != 1 or not names else ["-"] * (factor < 0)) + list(names))
                words.append(text.replace("-·", "-"))
        return " + ".join(words).replace("+ -", "- ") or 0


def _terms(dim: Any, env: Mapping[str, int]) -> dict[tuple[str, ...], int]:
    """A dimension of the spec as a polynomial: factor by product of names."""
    if isinstance(dim, int):
        return {(): dim}
    if isinstance(dim, str):
        return {(): env[dim]} if dim in env else {(dim,): 1}
    op, a, b = dim
    if op == "root":
        return {(f"√({_count(a, env)})",): 1}
    if op == "max":
        return {(f"max({_count(a, env)}, {_count(b, env)})",): 1}
    if op in ("//", "%"):
        return {(f"({_count(a, env)} {op} {_count(b, env)})",): 1}
    left, right = _terms(a, env), _terms(b, env)
    found: dict[tuple[str, ...], int] = {}
    if op == "*":
        for x, m in left.items():
            for y, n in right.items():
                key = tuple(sorted(x + y))
                found[key] = found.get(key, 0) + m * n
        return found
    for terms, sign in ((left, 1), (right, -1 if op == "-" else 1)):
        for key, value in terms.items():
            found[key] = found.get(key, 0) + sign * value
    return found
