"""Random models around a loop: products, concatenations and gates of what steps hand on, of what they are given, and of both."""

from __future__ import annotations

from random import Random

_WIDTHS = (8, 9, 12)


class _Body:
    def __init__(self, rng: Random, params: dict[str, str], prefix: str = "", pad: str = "    ") -> None:
        self.rng, self.params, self.prefix, self.pad = rng, params, prefix, pad
        self.lines: list[str] = []
        self.pool: list[tuple[str, int]] = []

    def pick(self, width: int | None = None) -> tuple[str, int]:
        fits = [v for v in self.pool if width in (None, v[1])]
        if fits:
            return self.rng.choice(fits)
        assert width is not None
        return self.bind(self.product(*self.rng.choice(self.pool), width), width)

    def weight(self, rows: int, columns: int) -> str:
        name = f"W{rows}_{columns}" + self.rng.choice(("", "b"))
        self.params[name] = f"{name}[{rows}, {columns}] ~ normal(0, 0.3)"
        return name

    def product(self, value: str, width: int, wanted: int) -> str:
        if self.rng.random() < 0.2:
            return f"{value} @ {self.weight(wanted, width)}.T"
        return f"{value} @ {self.weight(width, wanted)}"

    def bind(self, text: str, width: int) -> tuple[str, int]:
        name = f"{self.prefix}v{len(self.lines)}"
        self.lines.append(f"{self.pad}{name} = {text}")
        self.pool.append((name, width))
        return self.pool[-1]

    def statement(self) -> None:
        kind = self.rng.randrange(7)
        wanted = self.rng.choice(_WIDTHS)
        value, width = self.pick()
        if kind <= 1:
            self.bind(self.product(value, width, wanted), wanted)
        elif kind <= 3:
            parts = [(value, width), *(self.pick() for _ in range(self.rng.randint(1, 2)))]
            total = sum(w for _, w in parts)
            self.bind(self.product(f"concat({', '.join(v for v, _ in parts)}, axis=1)", total, wanted), wanted)
        elif kind == 4:
            self.bind(f"{self.rng.choice(('tanh', 'sigmoid', 'sin'))}({value})", width)
        else:
            other, _ = self.pick(width)
            self.bind(f"{value} {'+' if kind == 5 else '*'} {other}", width)


def random_loop(seed: int) -> tuple[str, bool]:
    """The text of a model, and whether its loop may end early."""
    rng = Random(seed)
    params: dict[str, str] = {}
    body = _Body(rng, params)
    early = rng.random() < 0.15
    carries = [(f"h{k}", rng.choice(_WIDTHS)) for k in range(rng.randint(1, 2))]
    body.pool += [*carries, ("x[t]", 8), ("z[:, t]", 9), ("c", 12)]
    for _ in range(rng.randint(3, 7)):
        body.statement()
    if rng.random() < 0.3:
        inner = _Body(rng, params, "i", "        ")
        inner.pool += [("q", 8), rng.choice(body.pool), rng.choice(body.pool)]
        for _ in range(rng.randint(1, 3)):
            inner.statement()
        last = inner.bind(f"tanh({inner.product(*inner.rng.choice(inner.pool), 8)} + q)", 8)[0]
        body.lines += [f"    scan k in range({rng.randint(0, 3)}):", f"        carry q = {body.pick(8)[0]}", *inner.lines,
                       f"        q = {last}", "        emit qs = q", ]  # fmt: skip
        body.pool.append(("q", 8))
        body.bind("sum(qs, axis=0)", 8)
    emits: list[str] = []
    for k in range(rng.randint(0, 2)):
        body.lines.append(f"    emit e{k} = {body.pick()[0]}")
        emits.append(f"e{k}")
    starts = [f"    carry {h} = {'c0' if w == 12 else f'zeros(N, {w})'}" for h, w in carries]
    added: list[str] = []
    if rng.random() < 0.5:
        starts.append("    carry total = 0")
        body.lines.append(f"    total = total + sum({body.pick()[0]}**2)" + rng.choice(("", " / (t + 1)")))
        added.append("total")
    if rng.random() < 0.5:
        (a, w), (b, v) = body.pick(), body.pick()
        starts.append(f"    carry outer = zeros({w}, {v})")
        body.lines.append(f"    outer = outer + {a}.T @ {b}")
        added.append("outer")
    news = [(h, body.bind(f"tanh({body.product(*body.pick(), w)} + {body.pick(w)[0]})", w)[0]) for h, w in carries]
    body.lines += [f"    {h} = {new}" for h, new in news]
    if early:
        starts.append("    carry steps = 0")
        body.lines.append("    steps = steps + 1")
    steps = rng.choice(("range(T)", "reversed(range(T))")) + (" until steps >= 2" if early else "")
    declared = "".join(f"param {text}\n" for text in params.values())
    loss = " + ".join(f"sum({v}**2)" if v != "total" else v for v in (*(h for h, _ in carries), *emits, *added))
    return (f"size N, T\ninput x[T, N, 8], z[N, T, 9], c[N, 12], c0[N, 12]\n{declared}scan t in {steps}:\n"
            + "\n".join((*starts, *body.lines)) + f"\noutput h0\nminimize {loss}\ngradient loss wrt x, z, c, c0, "
            + ", ".join(params) + "\n", early)  # fmt: skip
