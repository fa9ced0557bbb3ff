"""Random legal models as text, over all statements and operations of the language, for comparing what the compiler makes of
them with what they mean.

    @given(programs())                      # shrinks
    def test_it(program): model = build(program.text) ...

    program = random_program(Random(7))     # the same without hypothesis, for long runs

Values stay tame (a few dozen), so that rounding differences stay small; formulas that are naive on purpose are among them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from gradwright.compiler.graph.shapes import Dim, Shape, size
from hypothesis import strategies as st

SIZES = (0, 1, 2, 7, 64)  # what free sizes are tried with
WIDE = (16, 17, 24, 33, 40, 64, 70)
TAME = 30.0  # larger values go through a bounded function first


@dataclass(frozen=True)
class Program:
    text: str
    files: tuple[tuple[str, str], ...] = ()  # what ``use "..."`` names

    def __repr__(self) -> str:
        parts = [f"--- {name}\n{text}" for name, text in self.files]
        return "\n".join(["", self.text, *parts])

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))


@dataclass(frozen=True, eq=False)
class V:
    """A piece of an expression, safe to put anywhere: a name, a call, or in parentheses."""

    text: str
    shape: Shape
    bound: float
    kind: str = "real"  # "real", "bool", "int"
    below: Dim | None = None


def programs(**options: Any) -> st.SearchStrategy[Program]:
    @st.composite
    def strategy(draw: Callable[[Any], Any]) -> Program:
        return _Writer(lambda n: int(draw(st.integers(0, n - 1))) if n > 1 else 0, **options).program()

    found: st.SearchStrategy[Program] = strategy()
    return found


def random_program(rng: Random, **options: Any) -> Program:
    return _Writer(rng.randrange, **options).program()


# text with {x}, the bound of the result from that of x, the largest bound of x that it takes
UNARY: tuple[tuple[str, Callable[[float], float], float], ...] = (
    ("exp({x})", lambda b: 2.8**b, 3),
    ("exp(-square({x}))", lambda b: 1, TAME),
    ("log({x}**2 + 0.5)", lambda b: b + 1, TAME),
    ("log1p(square({x}))", lambda b: b, TAME),
    ("expm1(0.5 * {x})", lambda b: 1.7**b, 4),
    ("sqrt({x} * {x} + 1)", lambda b: b + 1, TAME),
    ("square({x})", lambda b: b * b, 6),
    ("abs({x})", lambda b: b, TAME),
    ("sign({x})", lambda b: 1, TAME),
    ("sin({x})", lambda b: 1, TAME),
    ("cos({x})", lambda b: 1, TAME),
    ("tan(0.9 * sin({x}))", lambda b: 1.3, TAME),
    ("tanh({x})", lambda b: 1, TAME),
    ("sinh({x})", lambda b: 2.8**b, 3),
    ("cosh({x})", lambda b: 2.8**b, 3),
    ("asin(0.9 * sin({x}))", lambda b: 1.2, TAME),
    ("acos(0.8 * tanh({x}))", lambda b: 2.5, TAME),
    ("atan({x})", lambda b: 1.6, TAME),
    ("erf({x})", lambda b: 1, TAME),
    ("sigmoid({x})", lambda b: 1, TAME),
    ("softplus({x})", lambda b: b + 1, TAME),
    ("floor({x})", lambda b: b + 1, TAME),
    ("ceil({x})", lambda b: b + 1, TAME),
    ("(0.5 * round(2 * {x}))", lambda b: b + 1, TAME),
    ("({x} - trunc({x}))", lambda b: 1, TAME),
    ("lgamma(1.5 + sin({x}))", lambda b: 1, TAME),
    ("digamma(0.5 + square({x}))", lambda b: b + 2, TAME),
    ("polygamma(1, 1 + abs({x}))", lambda b: 2, TAME),
    ("relu({x})", lambda b: b, TAME),
    ("leaky_relu({x})", lambda b: b, TAME),
    ("leaky_relu({x}, slope=0.2)", lambda b: b, TAME),
    ("elu({x})", lambda b: b, TAME),
    ("elu({x}, 0.5)", lambda b: b, TAME),
    ("gelu({x})", lambda b: b, TAME),
    ('gelu({x}, approximate="tanh")', lambda b: b, TAME),
    ("silu({x})", lambda b: b, TAME),
    ("relu6({x})", lambda b: 6, TAME),
    ("prelu({x}, 0.3)", lambda b: b, TAME),
    ("celu({x}, 0.5)", lambda b: b, TAME),
    ("selu({x})", lambda b: 2 * b + 2, TAME),
    ("mish({x})", lambda b: b, TAME),
    ("logsigmoid({x})", lambda b: b + 1, TAME),
    ("softsign({x})", lambda b: 1, TAME),
    ("tanhshrink({x})", lambda b: b, TAME),
    ("softshrink({x}, 0.3)", lambda b: b, TAME),
    ("hardshrink({x})", lambda b: b, TAME),
    ("hardtanh({x}, -0.75, high=1.25)", lambda b: 1.25, TAME),
    ("hardsigmoid({x})", lambda b: 1, TAME),
    ("hardswish({x})", lambda b: b, TAME),
    ("threshold({x}, 0.2, -0.5)", lambda b: b + 1, TAME),
    ("poisson_nll({x}, 2)", lambda b: 2.8**b + 2 * b, 3),
    ("clip({x}, -1, 0.75)", lambda b: 1, TAME),
    ("maximum({x}, 0.25)", lambda b: b + 1, TAME),
    ("minimum({x}, -0.25)", lambda b: b + 1, TAME),
    ("max(0, 1 - {x})", lambda b: b + 1, TAME),
    ("(-{x})", lambda b: b, TAME),
    ("(+{x})", lambda b: b, TAME),
    ("({x}**2)", lambda b: b * b, 6),
    ("({x}**3)", lambda b: b**3, 3),
    ("power({x}, 2)", lambda b: b * b, 6),
    ("((1.5 + sin({x}))**-1.5)", lambda b: 3, TAME),
    ("((2 + {x}**2)**0.5)", lambda b: b + 2, TAME),
    ("(2**(0.5 * {x}))", lambda b: 1.5**b, 5),
    ("({x} / 2)", lambda b: b / 2, TAME),
    ("(2 * {x} - 1/3)", lambda b: 2 * b + 1, TAME),
    ("(1 / (1 + {x}**2))", lambda b: 1, TAME),
    ("(pi * {x})", lambda b: 3.2 * b, 10),
    ("({x} |> tanh)", lambda b: 1, TAME),
    ("({x} |> leaky_relu(0.1) |> square)", lambda b: b * b, 5),
    ("where({x} > 0.125, {x}, -0.5 * {x})", lambda b: b, TAME),
    ("where(-1 < {x} < 1, {x}**2, abs({x}))", lambda b: b + 1, TAME),
    ("where({x} < 0 or {x} >= 2, 0.5, {x})", lambda b: b, TAME),
    ("where(not ({x} <= 0.5 and {x} > -2), sin({x}), {x})", lambda b: b + 1, TAME),
    ("where({x} > 0, sqrt(abs({x}) + 0.25), exp(min({x}, 0)))", lambda b: b + 1, TAME),
    ("where({x} > 0.1, log({x}), {x})", lambda b: b + 3, TAME),
    ("where(True, {x}, log({x}))", lambda b: b, TAME),
    ("({x} * ({x} > 0))", lambda b: b, TAME),
    ("stack({x}, {x})[1]", lambda b: b, TAME),
    ("where(training, {x}, 0.5 * {x})", lambda b: b, TAME),
    ("({x} * (1.5 - training))", lambda b: 1.5 * b, TAME),
    ("(0.5 * {x} + sin(stop_gradient({x})))", lambda b: b, TAME),
    ("(stop_gradient({x}) * cos({x}))", lambda b: b, TAME),
    ("asinh({x})", lambda b: b, TAME),
    ("acosh(1.25 + square({x}))", lambda b: b + 2, 6),
    ("atanh(0.8 * sin({x}))", lambda b: 1.2, TAME),
    ("log2({x}**2 + 0.5)", lambda b: 2 * b + 1, TAME),
    ("log10(0.5 + exp({x}))", lambda b: b + 1, 6),
    ("exp2({x})", lambda b: 2**b, 4),
    ("cbrt(0.5 + {x}**2)", lambda b: b + 1, TAME),
    ("logit(0.1 + 0.8 * sigmoid({x}))", lambda b: 2.2, TAME),
    ("hypot({x}, 0.5)", lambda b: b + 1, TAME),
    ("xlogy(square({x}), 1 + square({x}))", lambda b: 3 * b * b, 3),
    ("logaddexp({x}, 0.5 * {x})", lambda b: b + 1, TAME),
    ("((1.5 + cos({x}))**-3)", lambda b: 8, TAME),
    ("(1e-3 * {x}**5)", lambda b: 1e-3 * b**5, 6),
)

# functions of the library whose derivatives are given there
GIVEN = ("asinh", "acosh", "atanh", "log2", "log10", "cbrt", "hypot", "logaddexp", "xlogy")

GATES: tuple[tuple[str, Callable[[float], float], float], ...] = (
    ("(1 / (1 + exp(-{x})))", lambda b: 1, TAME),
    ("(exp({x}) / (1 + exp({x})))", lambda b: 1, TAME),
    ("(0.5 * (1 + tanh({x} / 2)))", lambda b: 1, TAME),
    ("(1 - 1 / (1 + exp({x})))", lambda b: 1, TAME),
    ("log(1 + exp({x}))", lambda b: b + 1, TAME),
    ("log(sigmoid({x}))", lambda b: b + 1, TAME),
    ("log(1 - sigmoid({x}))", lambda b: b + 1, TAME),
    ("(exp({x}) - 1)", lambda b: 2.8**b, 3),
    ("({x} * (1 / (1 + exp(-{x}))))", lambda b: b, TAME),
    ("((exp({x}) - exp(-{x})) / (exp({x}) + exp(-{x})))", lambda b: 1, TAME),
    ("(2 / (1 + exp(-2 * {x})) - 1)", lambda b: 1, TAME),
    ("(max({x}, 0) - 0.3 * {x} + log(1 + exp(-abs({x}))))", lambda b: b + 2, TAME),
    ("log(1 + {x}**2)", lambda b: b, TAME),
    ("(-log(1 / (1 + exp(-{x}))))", lambda b: b + 1, TAME),
    ("sqrt({x}**2)", lambda b: b, TAME),
    ("(-log(exp({x}) / (1 + exp({x}))))", lambda b: b + 1, TAME),
    ("(-(0.3 * log(sigmoid({x})) + 0.7 * log(1 - sigmoid({x}))))", lambda b: b + 1, TAME),
    ("((1 - cos({x})) / 2)", lambda b: 1, TAME),
    ("(1 - tanh({x})**2)", lambda b: 1, TAME),
    ("(sigmoid({x}) * (1 - sigmoid({x})))", lambda b: 1, TAME),
)

# formulas of u with their derivatives
SLOPES: tuple[tuple[str, str], ...] = (
    ("u**2 / 2", "u"),
    ("sin(2 * u)", "2 * cos(2 * u)"),
    ("exp(-square(u))", "-2 * u * exp(-u**2)"),
    ("u * sigmoid(u)", "sigmoid(u) + u * sigmoid(u) * (1 - sigmoid(u))"),
    ("where(u > 0, u, 0.5 * expm1(u))", "where(u > 0, 1, 0.5 * exp(u))"),
)

# the library's layers, of rows, of sequences [N, T, D], of channels [N, C, T], of images [N, C, H, W] made from sequences;
# {x}, and {d} a width; what becomes of the shape ("units": the last axis has {d} elements)
LAYERS: tuple[tuple[str, int, str], ...] = (
    ("dense({x}, {d})", 1, "units"),
    ("dense({x}, {d}, bias=False)", 1, "units"),
    ("({x} |> dense({d}) |> tanh |> dense({d}))", 1, "units"),
    ("layer_norm({x}, eps=0.1)", 1, "same"),
    ("rms_norm({x}, eps=0.1)", 1, "same"),
    ("dropout({x}, 0.25)", 1, "same"),
    ("batch_norm({x}, eps=0.1)", 2, "channels"),
    ("rnn({x}, {d})", 3, "units"),
    ("rnn({x}, {d}, last=True)", 3, "last"),
    ("gru({x}, {d})", 3, "units"),
    ("lstm({x}, {d})", 3, "units"),
    ("lstm({x}, {d}, last=True)", 3, "last"),
    ("attention({x}, 1)", 3, "same"),
    ("attention({x}, 1, causal=True)", 3, "same"),
    ("transformer_block({x}, 1, mult=2, causal=True)", 3, "same"),
    ("transpose(conv1d(transpose({x}, 0, 2, 1), {d}, 3, pad=1), 0, 2, 1)", 3, "units"),
    ("transpose(conv1d(transpose({x}, 0, 2, 1), {d}, 3, pad=2, dilation=2), 0, 2, 1)", 3, "units"),
    ("conv2d({image}, {d}, 3, pad=1)[:, 0]", 3, "same"),
    ("conv2d({image}, 2, 2, stride=2, pad=1, groups=1)[:, 1]", 3, "halves"),
    ("max_pool2d({image}, 3, stride=2, pad=1)[:, 0]", 3, "odd halves"),
    ("avg_pool2d({image}, 2, stride=2, pad=1)[:, 0]", 3, "halves"),
    ("group_norm(stack({x}, sin({x}), axis=1), 2, eps=0.1)[:, 1]", 3, "same"),
    ("transpose(conv_transpose1d(transpose({x}, 0, 2, 1), {d}, 2, stride=2), 0, 2, 1)", 3, "double"),
    ("transpose(max_pool1d(transpose({x}, 0, 2, 1), 3, stride=1, pad=1), 0, 2, 1)", 3, "same"),
    ("transpose(avg_pool1d(transpose({x}, 0, 2, 1), 3, stride=1, pad=1), 0, 2, 1)", 3, "same"),
    ("global_avg_pool(stack({x}, 0.5 * {x}, axis=1))", 3, "two"),
    ("({x} |> residual(dense({last})))", 1, "same"),
)

# those that take many channels, for models of large sizes
WIDE_LAYERS: tuple[tuple[str, int, str], ...] = (
    ("mean({image} |> conv2d(16, 3, pad=1) |> tanh |> conv2d({d}, 3, pad=1), axis=1)", 3, "same"),
    ("mean({image} |> conv2d(17, 3, pad=1) |> relu |> conv2d({d}, 5, pad=2), axis=1)", 3, "same"),
    ("max({image} |> conv2d({d}, 3, pad=1) |> conv2d(16, 3, pad=1) |> batch_norm(eps=0.1), axis=1)", 3, "same"),
    ("mean({image} |> conv2d(32, 1) |> sin |> conv2d(32, 3, pad=1, groups=2), axis=1)", 3, "same"),
    ("mean({image} |> conv2d(24, 1) |> conv2d(24, 3, pad=1, groups=24) |> conv2d({d}, 1), axis=1)", 3, "same"),
    ("mean({image} |> conv2d(16, 3, pad=1) |> max_pool2d(3, stride=1, pad=1) |> conv2d({d}, 3, pad=1), axis=1)", 3, "same"),
    ("mean({image} |> conv_transpose2d({d}, 2, stride=2) |> conv2d(16, 2, stride=2), axis=1)", 3, "same"),
    ("transpose(conv1d(transpose({x}, 0, 2, 1), {d}, 5, pad=2), 0, 2, 1)", 3, "units"),
    ("attention({x} |> dense(24), 3, causal=True)", 3, "24 units"),
)

# of two that broadcast, with their bounds
BINARY: tuple[tuple[str, Callable[[float, float], float]], ...] = (
    ("({x} + {y})", lambda a, b: a + b),
    ("({x} - {y})", lambda a, b: a + b),
    ("({x} * {y})", lambda a, b: a * b),
    ("({x} * {y})", lambda a, b: a * b),
    ("({x} / (1 + {y}**2))", lambda a, b: a),
    ("({x} / (1.5 + sin({y})))", lambda a, b: 2 * a),
    ("max({x}, {y})", lambda a, b: max(a, b)),
    ("min({x}, {y})", lambda a, b: max(a, b)),
    ("max({x}, {y}, 0.5)", lambda a, b: max(a, b, 1)),
    ("maximum({x}, {y})", lambda a, b: max(a, b)),
    ("minimum({y}, {x})", lambda a, b: max(a, b)),
    ("atan2({x}, 1.5 + {y}**2)", lambda a, b: 2),
    ("where({x} < {y}, {x} * 2, {y} - 1)", lambda a, b: 2 * a + b + 1),
    ("({x} * ({y} > 0))", lambda a, b: a),
    ("({x} * sigmoid({y}))", lambda a, b: a),
    ("(tanh({x}) * {y} - {x})", lambda a, b: a + b),
    ("((1.5 + sin({x}))**tanh({y}))", lambda a, b: 3),
    ("power(1 + sigmoid({x}), sin({y}))", lambda a, b: 2),
    ("huber({x}, {y})", lambda a, b: (a + b) * 1),
    ("huber({x}, {y}, delta=0.5)", lambda a, b: a + b),
    ("binary_hinge({x}, {y})", lambda a, b: a * b + 1),
    ("binary_squared_hinge({x}, tanh({y}), delta=0.5)", lambda a, b: (a + 1) ** 2),
    ("poisson_nll(0.5 + sigmoid({x}), 1.5 + sin({y}), log_input=False, full=True)", lambda a, b: 5),
    ("binary_cross_entropy({x}, sigmoid({y}), with_logits=True)", lambda a, b: a + 1),
    ("binary_cross_entropy(sigmoid({x}), 0.5 + 0.4 * sin({y}))", lambda a, b: a + 1),
    ("atan2(2 + sin({x}), {y})", lambda a, b: 3.2),
    ("({x} - {y})**2", lambda a, b: (a + b) ** 2),
    ("hypot({x}, 1 + {y}**2)", lambda a, b: a + b * b + 1),
    ("logaddexp({x}, {y})", lambda a, b: a + b + 1),
    ("xlogy(1 + {x}**2, 2 + sin({y}))", lambda a, b: 1 + a * a),
    ("where({x} >= {y} and {y} != 0, {y}, {x})", lambda a, b: a + b),
    ("((exp({x}) - exp({y})) / (exp({x}) + exp({y})))", lambda a, b: 1),
)

# of rows (the last axis is reduced; {k} is ", keepdims=True" or nothing), whether the shape stays
ROWS: tuple[tuple[str, Callable[[float], float], str], ...] = (
    ("log(sum(exp({x}), axis=-1{k}))", lambda b: b + 5, "reduced"),
    ("log(softmax({x}))", lambda b: 2 * b + 5, "same"),
    ("(exp({x}) / sum(exp({x}), axis=-1, keepdims=True))", lambda b: 1, "same"),
    ("softmax({x})", lambda b: 1, "same"),
    ("softmax({x}, axis=0)", lambda b: 1, "same"),
    ("softmin({x})", lambda b: 1, "same"),
    ("glu(concat({x}, sin({x}), axis=-1))", lambda b: b, "same"),
    ("maxout(concat({x}, 0.5 - {x}, axis=-1), 2)", lambda b: b + 1, "same"),
    ("log_softmax({x})", lambda b: 2 * b + 5, "same"),
    ("log_softmax({x}, axis=0)", lambda b: 2 * b + 5, "same"),
    ("(mean({x}**2, axis=-1{k}) - mean({x}, axis=-1{k})**2)", lambda b: b * b, "reduced"),
    ("mean(({x} - mean({x}, axis=-1, keepdims=True))**2, axis=-1{k})", lambda b: b * b, "reduced"),
    ("sqrt(sum({x}**2, axis=-1{k}) + 0.01)", lambda b: 8 * b, "reduced"),
    ("({x} - mean({x}, axis=-1, keepdims=True))", lambda b: 2 * b, "same"),
    (
        "(({x} - mean({x}, axis=-1, keepdims=True)) / sqrt(mean(({x} - mean({x}, axis=-1, keepdims=True))**2, axis=-1, keepdims=True) + 0.1))",  # noqa: E501
        lambda b: 7 * b,
        "same",
    ),
    ("sum(square({x}), axis=-1{k})", lambda b: 64 * b * b, "reduced"),
    ("(-sum(softmax({x}) * log_softmax({x}), axis=-1{k}))", lambda b: 5, "reduced"),
    ("log(mean(exp({x}), axis=-1{k}))", lambda b: b, "reduced"),
    ("norm({x}, axis=-1{k})", lambda b: 8 * b, "reduced"),
    ("norm({x}, axis=-1, ord=1{k})", lambda b: 64 * b, "reduced"),
    ("var({x}, axis=-1{k})", lambda b: b * b, "reduced"),
    ("sqrt(0.1 + var({x}, axis=-1{k}))", lambda b: b + 1, "reduced"),
    ("(({x} - mean({x}, axis=-1, keepdims=True)) / (0.1 + std({x}, axis=-1, keepdims=True)))", lambda b: 8, "same"),
    ("where(all({x} > -0.5, axis=-1, keepdims=True), {x}, 0.5 * {x})", lambda b: b, "same"),
    ("where(any({x} > 1, axis=-1, keepdims=True), {x}**2, {x})", lambda b: b * b + 1, "same"),
    ("cumsum({x}, axis=-1)", lambda b: 64 * b, "same"),
    ("cumsum({x} / 8, axis=0)", lambda b: 8 * b, "same"),
    ("flip(cumsum(flip({x}, axis=-1), axis=-1), axis=-1)", lambda b: 64 * b, "same"),
    ("cumprod(1 + 0.02 * sin({x}), axis=-1)", lambda b: 4, "same"),
    ("sort({x})", lambda b: b, "same"),
    ("sort({x}, axis=0)", lambda b: b, "same"),
    ("(0.1 * argsort({x}))", lambda b: 6.4, "same"),
    ("(norm({x}, axis=-1, keepdims=True)**2 - {x})", lambda b: 65 * b * b, "same"),
    ("exp(log_softmax({x}))", lambda b: 1, "same"),
    ("({x} - {x}[..., ::-1])", lambda b: 2 * b, "same"),
    ("{x}[..., None][..., 0]", lambda b: b, "same"),
    ("sum(tanh({x}[..., None] - {x}[..., None, :]), axis=-1)", lambda b: 64, "same"),
    ("where({x} >= mean({x}, axis=-1, keepdims=True), {x}, 0.25 * {x})", lambda b: b, "same"),
    ("pairwise_distance({x}, cos({x}))", lambda b: 8 * b + 8, "last"),
    ("masked_mean({x}, {x} > 0.25)", lambda b: b, "number"),
    ("cumsum(cumsum({x} / 64, axis=-1), axis=0)", lambda b: 64 * b, "same"),
)


@dataclass
class _Writer:
    pick: Callable[[int], int]
    steps: int = 7
    lines: list[str] = field(default_factory=list)
    declared: list[str] = field(default_factory=list)
    defs: list[str] = field(default_factory=list)
    pool: list[V] = field(default_factory=list)
    ints: list[V] = field(default_factory=list)
    extents: list[Dim] = field(default_factory=list)
    spelled: dict[Dim, str] = field(default_factory=dict)  # how the model writes an extent
    wrt: list[str] = field(default_factory=list)  # inputs, params and bindings that have a gradient
    rebound: set[str] = field(default_factory=set)
    functions: list[tuple[str, int, float]] = field(default_factory=list)
    hypers: list[V] = field(default_factory=list)
    states: list[V] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    bindings: list[tuple[str, V]] = field(default_factory=list)
    files: list[tuple[str, str]] = field(default_factory=list)
    block: tuple[list[str], list[V]] | None = None  # in a loop: its lines, and what is seen only there
    used: bool = False  # whether the library's layers are
    own_layers: list[str] = field(default_factory=list)
    layers_made: int = 0
    again: list[str] = field(default_factory=list)  # bindings that are other names of what there is
    wide: bool = False  # sizes at which the products and convolutions take their kernels

    # ---- choices

    def one_in(self, n: int) -> bool:
        return self.pick(n) == n - 1

    def choose(self, options: Sequence[Any]) -> Any:
        return options[self.pick(len(options))]

    def fresh(self, stem: str) -> str:
        k = self.counts[stem] = self.counts.get(stem, 0) + 1
        return f"{stem}{k}"

    def dim(self, d: Dim) -> str:
        return self.spelled.get(d, str(d))

    # ---- declarations

    def sizes(self) -> None:
        free = ["N"] + (["M"] if self.one_in(3) else [])
        items = list(free)
        some, others = (WIDE, WIDE) if self.wide else ((3, 2, 4, 1, 5), (3, 4, 2))
        fixed = [("H", self.choose(some)), ("C", self.choose(others))][: 1 + self.pick(2)]
        items += [f"{name} = {value}" for name, value in fixed]
        self.declared.append(f"size {', '.join(items)}")
        for name in free:
            self.extents.append(Dim.of(name))
            self.spelled[Dim.of(name)] = name
        for name, value in fixed:
            self.extents.append(Dim.of(value))
            self.spelled.setdefault(Dim.of(value), name)
        if self.one_in(4):
            name, base = fixed[0]
            text, value = self.choose(
                (
                    (f"2*{name}", 2 * base),
                    (f"{name} + 1", base + 1),
                    (f"{name} % 2 + 2", base % 2 + 2),
                    (f"{name} * {name} // 2 + 1", base * base // 2 + 1),
                )[: 3 if self.wide else 4]
            )
            self.declared.append(f"size K = {text}")
            self.extents.append(Dim.of(value))
            self.spelled.setdefault(Dim.of(value), "K")
        if self.one_in(5):
            text, computed = self.choose((("2*N", Dim.of("N") * 2), ("N + 1", Dim.of("N") + 1), ("3*N + 2", Dim.of("N") * 3 + 2)))
            self.extents.append(computed)
            self.spelled[computed] = text if self.one_in(2) else "L"
            if self.spelled[computed] == "L":
                self.declared.append(f"size L = {text}")

    def shape(self, most: int = 3, fixed: bool = False) -> Shape:
        rank = self.choose((0, 1, 1, 2, 2, 2, 3))
        dims = [d for d in self.extents if not fixed or d.value is not None]
        return tuple(Dim.of(1) if self.one_in(12) else self.choose(dims) for _ in range(min(rank, most)))

    def declare(self, text: str, doc: bool = True) -> None:
        if doc and self.one_in(6):
            self.declared.append("## " + self.choose(("What it is.", 'The `x` of the model: σ, "quoted" \\ and so on.')))
        self.declared.append(text)

    def bracketed(self, shape: Shape) -> str:
        return f"[{', '.join(self.dim(d) for d in shape)}]" if shape else ""

    def input(self, shape: Shape) -> V:
        name = self.fresh(self.choose(("x", "x", "data", "θ", "if_")))
        self.declare(f"input {name}{self.bracketed(shape)}")
        return self.known(V(name, shape, 1.5), True)

    def known(self, v: V, wrt: bool) -> V:
        self.pool.append(v)
        if wrt:
            self.wrt.append(v.text)
        return v

    def param(self, shape: Shape) -> V:
        name = self.fresh(self.choose(("W", "b", "w")))
        count = size(shape).value or 0
        options = [
            " ~ normal(0, 0.5)",
            " ~ normal(std=0.3)",
            " ~ uniform(-1, 1)",
            " = 0.25",
            " = -1/3",
            " ~ uniform(low=-0.5, high=0.5)",
        ]
        if len(shape) >= 2:
            options += [" ~ glorot_uniform", " ~ glorot_normal", " ~ he_uniform", " ~ he_normal"]
        if len(shape) == 2:
            options += [" ~ orthogonal"]
        if len(shape) == 1 and 1 < count < 7:
            options += [f" = [{', '.join(str(k / 4 - 0.5) for k in range(count))}]"]
        self.declare(f"param {name}{self.bracketed(shape)}{self.choose(options)}{' frozen' if self.one_in(6) else ''}")
        return self.known(V(name, shape, 1.5), True)

    def drawn(self) -> None:
        name, shape = self.fresh("e"), self.shape()
        how = self.choose(("normal(0, 0.5)", "uniform(-1, 1)", "uniform", "bernoulli(0.75)", "normal(mean=0.25, std=0.5)"))
        self.declare(f"random {name}{self.bracketed(shape)} ~ {how}")
        self.known(V(f"(0.5 * {name})" if how.startswith("b") else name, shape, 1.5), False)

    def state(self) -> None:
        name, shape = self.fresh("m"), self.shape(fixed=True)
        self.declare(f"state {name}{self.bracketed(shape)} = {self.choose(('0', '0.5', '-1/4'))}")
        self.states.append(self.known(V(name, shape, 1.5), False))

    def following(self) -> None:
        """What the states become."""
        for v in self.states:
            other = self.tame(self.leaf(lambda u, v=v: u.shape == v.shape) or v)
            self.lines.append(f"next {v.text} = 0.75 * {v.text} + 0.25 * {other.text}")

    def index(self, shape: Shape, below: Dim) -> V:
        found = [v for v in self.ints if v.shape == shape and v.below == below]
        if found and not self.one_in(3):
            return found[0]
        name = self.fresh("y")
        self.declare(f"index {name}{self.bracketed(shape)} < {self.dim(below)}")
        self.ints.append(V(name, shape, float(below.value or 9), "int", below))
        return self.ints[-1]

    def new(self, shape: Shape) -> V:
        if all(d.value is not None for d in shape) and not self.one_in(3):
            return self.param(shape)
        return self.input(shape)

    def function(self) -> None:
        """A function of the user's own, with a formula of the tables in it."""
        name = self.fresh("gate")
        a = self.choose(UNARY)[0].format(x="u")
        kind = self.pick(6)
        if kind == 5:
            value, slope = self.choose(SLOPES)
            self.defs += [f"def {name}(u) = {value}", f"derivative {name}(u) wrt u = {slope}"]
            self.functions.append((name, 1, 3))
        elif kind == 0:
            self.defs.append(f"def {name}(u) = {a}")
            self.functions.append((name, 1, 3))
        elif kind == 1:
            self.defs += [f"def {name}(u, s=0.5):", f"    v = {a}", f"    return s * v + {self.choose(GATES)[0].format(x='u')}"]
            self.functions.append((name, 1, 3))
        elif kind == 2:
            self.defs.append(f"def {name}(u, v) = {self.choose(BINARY)[0].format(x='u', y='v')}")
            self.functions.append((name, 2, 3))
        elif kind == 3 and self.functions:
            inner, count, _ = self.choose(self.functions)
            call = f"{inner}({'u' if count == 1 else 'u, 0.5'})"
            self.defs += [f"def {name}(u):", "    a, b = split(stack(tanh(u), sin(u)), 2)", f"    return a[0] * b[0] + {call}"]
            self.functions.append((name, 1, 3))
        else:
            self.defs += [
                f"def {name}(u, scale=1 / 4):",
                f"    total = {a}",
                "    total = total * scale",
                "    return where(scale > 1, total, tanh(total) + u)",
            ]
            self.functions.append((name, 1, 3))

    # ---- expressions

    def tame(self, v: V, most: float = TAME) -> V:
        if v.bound <= most:
            return v
        if most >= 2 and v.bound <= 10 * most and self.one_in(2):
            return V(f"({v.text} / {int(v.bound / most) + 1})", v.shape, most)
        return V(f"{self.choose(('tanh', 'sin', 'atan'))}({v.text})", v.shape, 1.6)

    def leaf(self, fits: Callable[[V], bool] = lambda v: True) -> V | None:
        options = [v for v in self.pool if fits(v)]
        if not options:
            return None
        return options[-1 - self.pick(min(3, len(options)))] if self.one_in(2) else self.choose(options)

    def expr(self, depth: int) -> V:
        """An expression of any shape."""
        if depth <= 0 or self.one_in(5):
            v = self.leaf() or self.new(self.shape())
            return self.tame(v)
        makers = [
            self.unary,
            self.unary,
            self.gate,
            self.binary,
            self.binary,
            self.binary,
            self.reduction,
            self.reduction,
            self.matmul,
            self.matmul,
            self.rows,
            self.transpose,
            self.reshape,
            self.slice,
            self.arranged,
            self.arranged,
            self.einsum,
            self.concat,
            self.stack,
            self.call,
            self.gather,
            self.constant,
            self.scaled,
            self.noted,
            self.noted,
            self.layer,
            self.derivative,
        ]
        for _ in range(4):
            made = self.choose(makers)(depth - 1)
            if made is not None and len(made.shape) <= 4:
                return self.tame(made)
        return self.unary(depth - 1)

    def unary(self, depth: int) -> V:
        text, grow, most = self.choose(UNARY)
        x = self.tame(self.expr(depth), most)
        return V(text.format(x=x.text), x.shape, grow(x.bound))

    def gate(self, depth: int) -> V:
        text, grow, most = self.choose(GATES)
        x = self.tame(self.expr(depth), most)
        return V(text.format(x=x.text), x.shape, grow(x.bound))

    def broadcast(self, a: Shape, b: Shape) -> Shape | None:
        out: list[Dim] = []
        for k in range(1, max(len(a), len(b)) + 1):
            x, y = (s[-k] if k <= len(s) else Dim.of(1) for s in (a, b))
            if x != y and not x.is_one() and not y.is_one():
                return None
            out.append(y if x.is_one() else x)
        return tuple(reversed(out))

    def partner(self, a: V, depth: int) -> V:
        if self.one_in(5):
            number, bound = self.choose((("2", 2.0), ("0.5", 0.5), ("(1/3)", 0.4), ("(-1.25)", 1.25), ("1e-1", 0.1)))
            return V(number, (), bound)
        if self.hypers and self.one_in(8):
            return self.hypers[0]
        if depth > 0 and self.one_in(2):
            b = self.expr(depth - 1)
            if self.broadcast(a.shape, b.shape) is not None:
                return b
        found = self.leaf(lambda v: self.broadcast(a.shape, v.shape) is not None)
        if found is not None and not self.one_in(3):
            return self.tame(found)
        shape = tuple(Dim.of(1) if self.one_in(5) else d for d in a.shape[self.pick(len(a.shape) + 1) :])
        return self.tame(self.leaf(lambda v: v.shape == shape) or self.new(shape))

    def binary(self, depth: int) -> V | None:
        a = self.tame(self.expr(depth), 6)
        b = self.tame(self.partner(a, depth), 6)
        if self.one_in(3):
            a, b = b, a
        shape = self.broadcast(a.shape, b.shape)
        if shape is None:
            return None
        text, grow = self.choose(BINARY)
        return V(f"({text.format(x=a.text, y=b.text)})", shape, grow(a.bound, b.bound))

    def scaled(self, depth: int) -> V | None:
        """A size as a number."""
        x = self.expr(depth)
        d = self.choose(self.extents)
        name = self.dim(d)
        if self.one_in(2):
            return V(f"({x.text} / ({name} + 1))", x.shape, x.bound)
        return V(f"(0.5 * {x.text} + 2 / ({name} + 3))", x.shape, x.bound + 1)

    def constant(self, depth: int) -> V | None:
        kind = self.pick(5)
        d = self.choose([e for e in self.extents if e.value is not None])
        if kind == 0:
            return V("[[1, 0.5, -0.25], [0, 2, 1/3]]", (Dim.of(2), Dim.of(3)), 2)
        if kind == 1:
            return V(f"eye({self.dim(d)})", (d, d), 1)
        if kind == 2:
            first = self.extents[0]
            return V(f"ones({self.dim(first)}, {self.dim(d)})", (first, d), 1)
        if kind == 3:
            return V(f"zeros({self.dim(d)})", (d,), 1)
        return V(f"[{', '.join(str(k / 2 - 0.75) for k in range(d.value or 0))}]", (d,), 2) if d.value else None

    def reduction(self, depth: int) -> V | None:
        x = self.expr(depth)
        rank = len(x.shape)
        over = [k for k in range(rank) if self.one_in(2)]
        whole = self.one_in(3) or not over
        over = list(range(rank)) if whole else over
        keep = self.one_in(3)
        names = ["sum", "mean", "mean", "prod", "logsumexp", "max", "min"]
        if len(over) == 1 and not whole:
            names += ["argmax", "argmin"]
        name = self.choose(names)
        if name == "prod":
            free = sum(x.shape[k].value is None for k in over)
            name = "prod" if free < 2 and not self.wide else "mean"  # of many factors too much comes
            x = V(f"(1 + {0.02 if free else 0.2} * sin({x.text}))", x.shape, 1.2)
        options = ""
        if not whole:
            axes = [k - rank if self.one_in(2) else k for k in over]
            options = f", axis={axes[0] if len(axes) == 1 and not self.one_in(4) else axes}"
        if keep:
            options += f", keepdims={self.choose(('True', 'True', 'False'))}"
        keep = "True" in options
        shape = tuple(Dim.of(1) if k in over else d for k, d in enumerate(x.shape) if keep or k not in over)
        if whole and not rank and name in ("max", "min"):
            return None
        bound = {"sum": x.bound * 64 ** len(over), "prod": 300.0, "logsumexp": x.bound + 5, "argmax": 64.0, "argmin": 64.0}.get(
            name, x.bound
        )
        text = f"{name}({x.text}{options})"
        if name.startswith("arg"):
            return V(f"(0.1 * {text})", shape, 6.4)
        return V(text, shape, bound)

    def matmul(self, depth: int) -> V | None:
        a = self.expr(depth)
        if not a.shape:
            return None
        inner = a.shape[-1]
        found = self.leaf(lambda v: len(v.shape) >= 1 and (v.shape[-2] if len(v.shape) > 1 else v.shape[0]) == inner)
        if found is None or self.one_in(3):
            outer = self.choose(self.extents)
            lead = (a.shape[0],) if len(a.shape) == 3 and self.one_in(2) else ()
            found = self.new((inner,) if self.one_in(4) else (*lead, inner, outer))
        b = found
        lead_shape = self.broadcast(a.shape[:-2], b.shape[:-2])
        if lead_shape is None:
            return None
        shape = (*lead_shape, *a.shape[-2:-1], *(b.shape[-1:] if len(b.shape) > 1 else ()))
        return V(f"({a.text} @ {b.text})", shape, a.bound * b.bound * 64)

    def rows(self, depth: int) -> V | None:
        x = self.tame(self.expr(depth), 20)
        if not x.shape:
            return None
        text, grow, kind = self.choose(ROWS)
        keep = self.one_in(3)
        shape = x.shape if kind == "same" else (*x.shape[:-1], Dim.of(1)) if keep and kind == "reduced" else x.shape[:-1]
        shape = () if kind == "number" else shape
        return V(text.format(x=x.text, k=", keepdims=True" if keep else ""), shape, grow(x.bound))

    def transpose(self, depth: int) -> V | None:
        x = self.expr(depth)
        rank = len(x.shape)
        if rank < 2:
            return None
        if self.one_in(2):
            return V(self.choose((f"{x.text}.T", f"transpose({x.text})")), x.shape[::-1], x.bound)
        order = list(range(rank))
        for k in range(rank - 1, 0, -1):
            j = self.pick(k + 1)
            order[k], order[j] = order[j], order[k]
        return V(f"transpose({x.text}, {', '.join(map(str, order))})", tuple(x.shape[k] for k in order), x.bound)

    def reshape(self, depth: int) -> V | None:
        x = self.expr(depth)
        kind = self.pick(4)
        if kind == 0 or len(x.shape) < 2:
            if self.one_in(2):
                return V(f"reshape({x.text}, -1)", (size(x.shape),), x.bound)
            at = self.pick(len(x.shape) + 1)
            shape = (*x.shape[:at], Dim.of(1), *x.shape[at:])
            return V(f"reshape({x.text}, {', '.join(self.dim(d) for d in shape)})", shape, x.bound)
        if kind == 1:  # two neighbours into one
            at = self.pick(len(x.shape) - 1)
            shape = (*x.shape[:at], x.shape[at] * x.shape[at + 1], *x.shape[at + 2 :])
        elif kind == 2:  # a product apart, or two neighbours the other way round
            at = self.pick(len(x.shape) - 1)
            shape = (*x.shape[:at], x.shape[at + 1], x.shape[at], *x.shape[at + 2 :])
        else:
            shape = x.shape[::-1]
        return V(f"reshape({x.text}, {', '.join(self.dim(d) for d in shape)})", shape, x.bound)

    def slice(self, depth: int) -> V | None:
        x = self.expr(depth)
        if not x.shape:
            return None
        items: list[str] = []
        shape: list[Dim] = []
        for d in x.shape[: 1 + self.pick(len(x.shape))]:
            n = d.value
            if n is None:
                text, extent = self.choose(((":", d), ("::-1", d), ("::2", (d + 1) // 2), ("::3", (d + 2) // 3), (":", d)))
                items.append(text)
                shape.append(extent)
            else:
                if n > 0 and self.one_in(12):  # as many as a free size says
                    free = self.extents[0]
                    items.append(f"{self.choose(('', '0'))}:{self.dim(free)}")
                    shape.append(free)
                    continue
                kind = self.pick(5)
                if kind == 0 and n > 0:
                    items.append(str(self.pick(2 * n) - n))
                    continue
                start, stop, step = self.pick(n + 1), self.pick(n + 2) - n, self.choose((1, 1, 2, 3, -1, -2))
                text = f"{self.choose(('', start))}:{self.choose(('', stop))}" + (f":{step}" if step != 1 else "")
                items.append(text)
                shape.append(Dim.of(len(range(n)[eval_slice(text)])))
        shape += x.shape[len(items) :]
        if any(d.value == 0 for d in shape):
            return None
        return V(f"{x.text}[{', '.join(items)}]", tuple(shape), x.bound)

    def arranged(self, depth: int) -> V | None:
        """Elements in other places."""
        x = self.expr(depth)
        if not x.shape:
            return None
        rank = len(x.shape)
        at = self.pick(rank)
        axis = at - rank if self.one_in(3) else at
        kind = self.pick(9)
        shape = list(x.shape)
        if kind == 0:
            text = f"flip({x.text}{self.choose(('', f', axis={axis}'))})"
        elif kind == 1:
            text = f"roll({x.text}, {self.choose((1, -1, 3, -5))}, axis={axis})"
        elif kind == 2:
            before, after = self.pick(3), self.pick(3)
            text = f"pad({x.text}, [{', '.join(f'[{before}, {after}]' if k == at else '[0, 0]' for k in range(rank))}]"
            text += self.choose((")", ", constant_values=0.5)"))
            shape[at] = shape[at] + (before + after)
        elif kind == 3:
            reps = [self.choose((2, 1)) if k == at else 1 for k in range(rank)]
            text = f"tile({x.text}, {', '.join(map(str, reps))})"
            shape = [d * r for d, r in zip(shape, reps, strict=True)]
        elif kind == 4:
            text = f"repeat({x.text}, 2, axis={axis})"
            shape[at] = shape[at] * 2
        elif kind in (5, 6) and rank >= 2:
            text = f"{self.choose(('triu', 'tril'))}({x.text}{self.choose(('', ', 1', ', k=-1'))})"
        elif kind == 7 and (n := x.shape[at].value):
            k = 1 + self.pick(n)
            text = f"top_k({x.text}, {k}, axis={axis})"
            shape[at] = Dim.of(k)
        elif kind == 8 and rank == 1:
            text = f"diag({x.text})"
            shape = [x.shape[0], x.shape[0]]
        elif kind == 8 and rank == 2 and x.shape[0] == x.shape[1]:
            if self.one_in(2):
                return V(f"trace({x.text})", (), 64 * x.bound)
            text = f"diag({x.text})"
            shape = shape[:1]
        else:
            n = x.shape[-1]
            made = self.choose((f"linspace(-0.5, 1, {self.dim(n)})", f"(0.05 * arange({self.dim(n)}))"))
            return V(f"({x.text} * {made})", x.shape, 4 * x.bound)
        return V(text, tuple(shape), max(x.bound, 0.5))

    def einsum(self, depth: int) -> V | None:
        x = self.tame(self.expr(depth), 6)
        y = self.tame(self.partner(x, depth), 6)
        if not x.shape or not y.shape or len(x.shape) + len(y.shape) > 5:
            return None
        letters: dict[str, Dim] = {}

        def label(d: Dim, used: str) -> str:
            free = [c for c, e in letters.items() if e == d and c not in used]
            if free and not self.one_in(3):
                return str(self.choose(free))
            c = "abcdefgh"[len(letters)]
            letters[c] = d
            return c

        terms: list[str] = []
        for v in (x, y):
            term = ""
            for d in v.shape:
                term += label(d, term)
            terms.append(term)
        out = [c for c in letters if self.one_in(2)]
        if len(out) > 3:
            return None
        if len(out) > 1 and self.one_in(2):
            out = out[::-1]
        summed = 64 ** sum(c not in out for c in letters)
        shape = tuple(letters[c] for c in out)
        return V(f'einsum("{",".join(terms)}->{"".join(out)}", {x.text}, {y.text})', shape, x.bound * y.bound * summed)

    def noted(self, depth: int) -> V | None:
        """Index notation: a statement of its own, or a comprehension in the expression."""
        x = self.tame(self.expr(depth), 6)
        rank = len(x.shape)
        if not rank or rank > 3:
            return None
        names = list("ijkm"[:rank])
        if self.one_in(3):
            names = ["row", "col", "σ"][:rank]
        read = f"{x.text}[{', '.join(names)}]"
        formula, grow, most = self.choose([u for u in UNARY if "stack" not in u[0]])
        value, bound = read, x.bound
        if x.bound <= most and self.one_in(2):
            value, bound = formula.format(x=read), grow(x.bound)
        extents = dict(zip(names, x.shape, strict=True))
        last, d = names[-1], x.shape[-1]
        kind = self.pick(17)
        ranges = ""
        if kind == 0:  # over some of the axes
            over = [n for n in names if self.one_in(2)] or [last]
            name = self.choose(("sum", "mean", "max", "min", "logsumexp", "sum"))
            value = f"{name}({value} for {self.choose((', ', ' for ')).join(over)})"
            bound = bound * 64 ** len(over) if name == "sum" else bound + 13
            names = [n for n in names if n not in over]
        elif kind == 1:  # with a condition
            value = f"sum({value} for {last} if {self.choose((f'{last} != 1', f'{read} > 0.1', f'not {last} < 2'))})"
            names, bound = names[:-1], 64 * bound
        elif kind == 2:  # a product
            y = self.leaf(lambda v: 0 < len(v.shape) < 3 and v.shape[0] == d) or self.new((d, self.choose(self.extents)))
            y = self.tame(y, 6)
            others = ["p", "q"][: len(y.shape) - 1]
            value = f"sum({value} * {y.text}[{', '.join([last, *others])}] for {last})"
            extents |= dict(zip(others, y.shape[1:], strict=True))
            names, bound = names[:-1] + others, 64 * bound * y.bound
        elif kind == 3 and d.value:  # the element that a label names
            label = self.index(x.shape[:-1], d).text + (f"[{', '.join(names[:-1])}]" if rank > 1 else "")
            value = f"sum(max(0, {read} - {x.text}[{', '.join([*names[:-1], label])}] + 1) for {last} if {last} != {label})"
            names, bound = names[:-1], 64 * (2 * x.bound + 1)
        elif kind == 4:  # what stands before
            inner = f"{x.text}[{', '.join([*names[:-1], 'q'])}]"
            value = f"sum({inner} * (1 + q - {last}) / 64 for q in range({last} + 1))"
            ranges, bound = f" for {last} in range({self.dim(d)})", 32 * x.bound
        elif kind == 5:  # a window
            y = self.leaf(lambda v: len(v.shape) == 1 and v.shape[0].value is not None) or self.param((Dim.of(3),))
            inner = f"{x.text}[{', '.join([*names[:-1], f'{last} + u - 1'])}] pad"
            value = f"sum({inner} * {self.tame(y, 3).text}[u] for u)"
            ranges, bound = f" for {last} in range({self.dim(d)})", 5 * x.bound * 3
        elif kind == 6:  # pooling
            inner = f"{x.text}[{', '.join([*names[:-1], f'2*{last} + u - 1'])}] pad"
            value = f"{self.choose(('max', 'min', 'mean'))}({inner} for u in range(3))"
            ranges, bound = f" for {last} in range(({self.dim(d)} + 1)//2)", x.bound
            extents[last] = (d + 1) // 2
        elif kind == 7:
            value = f"{x.text}[{', '.join(['2*' + names[0], *names[1:]])}]"
            extents[names[0]] = (x.shape[0] + 1) // 2
            bound = x.bound
        elif kind == 8:  # each twice
            value, bound = f"{x.text}[{', '.join([*names[:-1], f'{last} // 2'])}]", x.bound
            ranges, extents[last] = f" for {last} in range(2*{self.spelled.get(d) or f'({d})'})", d * 2
        elif kind == 9 and (n := d.value):  # round and round
            value, bound = f"{x.text}[{', '.join([*names[:-1], f'({last} + 1) % {n}'])}]", x.bound
            ranges, extents[last] = f" for {last} in range({2 * n + 1})", Dim.of(2 * n + 1)
        elif kind == 10 and (n := d.value) and n > 1:  # neighbours
            value, bound = f"({x.text}[{', '.join([*names[:-1], f'{last} + 1'])}] - {value})", 2 * bound + x.bound
            extents[last] = d - 1
        elif kind == 11 and x.shape[0].value:  # a row that an integer names
            y = self.index((self.choose(self.extents),), x.shape[0])
            value = f"sin({x.text}[{', '.join([f'{y.text}[{names[0]}]', *names[1:]])}]) + 0.1 * {y.text}[{names[0]}]"
            extents[names[0]], bound = y.shape[0], 8
        elif kind == 12 and d.value:  # as many as an integer says
            count = self.index(x.shape[:-1], d + 1).text + (f"[{', '.join(names[:-1])}]" if rank > 1 else "")
            value = f"{self.choose(('sum', 'logsumexp', 'mean'))}({value} for {last} in range({count}))"
            if not value.startswith("sum"):
                value = f"where({count} > 0, {value}, 0.5)"
            names, bound = names[:-1], 64 * bound
        elif kind == 13:  # one in the other
            inner = f"sum(tanh({x.text}[{', '.join([*names[:-1], 'q'])}]) for q if q < {last})"
            value, names, bound = f"sum({value} * {inner} / 64 for {last})", names[:-1], 64 * bound
        elif kind == 14 and not self.wide:
            value, names, bound = f"prod(1 + 0.02 * sin({value}) for {last})", names[:-1], 4
        elif kind == 15:
            value = f"(0.5 * {self.choose(('any', 'all'))}({read} > 0.25 for {last}))"
            names, bound = names[:-1], 1
        else:  # as a number
            value, bound = f"({value} + {last} / 32 - {self.choose(names)} * 0.01)", bound + 3
        if not names:  # a name of its own, since what stands around it may have the same index variables
            name = self.fresh("n")
            return self.line(f"{name} = {value}", V(name, (), bound))
        if len(names) > 1 and self.one_in(3):
            names = names[::-1]
        name = self.fresh("n")
        v = V(name, tuple(extents[n] for n in names), bound)
        return self.line(f"{name}[{', '.join(names)}] = {value}{ranges}", v)

    def line(self, text: str, v: V) -> V:
        """A statement here, in the loop where there is one."""
        if self.block is None:
            self.lines.append(text)
        else:
            self.block[0].append(f"    {text}")
            self.block[1].append(v)
        return self.known(v, False)

    def layer(self, depth: int) -> V | None:
        """A call of a layer, as a statement of its own."""
        if self.layers_made > 2:
            return None
        if self.block is None and self.one_in(3):  # a sequence
            widths = [e for e in self.extents if e.value]
            found = self.leaf(lambda v: len(v.shape) == 3 and bool(v.shape[-1].value))
            x = self.tame(found or self.input((self.choose(self.extents), self.choose(self.extents), self.choose(widths))), 3)
        else:
            x = self.tame(self.expr(depth), 3)
        if not x.shape or x.shape[-1].value in (None, 0):
            return None
        self.layers_made += 1
        name = self.fresh("g")
        alias = f" as {self.fresh('part_')}" if self.block is None and self.one_in(3) else ""
        if self.one_in(3):
            if not self.own_layers or self.one_in(2):
                self.own_layer()
            made = self.choose(self.own_layers)
            if self.one_in(3):  # made once, called twice
                enc = self.fresh("enc")
                self.lines.append(f"{enc} = {made}({self.choose(('', '0.25', 'scale=2'))}){alias}")
                return self.line(f"{name} = {enc}({x.text}) - 0.5 * {enc}(sin({x.text}))", V(name, x.shape, 3 * x.bound + 3))
            return self.line(f"{name} = {made}({x.text}){alias}", V(name, x.shape, 2 * x.bound + 2))
        self.used = True
        if self.one_in(8) and x.shape[0].value:
            below = self.choose([e for e in self.extents if e.value])
            d = self.choose([e for e in self.extents if e.value is not None])
            call = f"embedding({self.index((x.shape[0],), below).text}, {self.dim(below)}, {self.dim(d)}){alias}"
            return self.line(f"{name} = {call}", V(name, (x.shape[0], d), 4))
        layers = WIDE_LAYERS if self.wide and len(x.shape) == 3 and self.block is None and not self.one_in(3) else LAYERS
        call, rank, becomes = self.choose([c for c in layers if c[1] == 1 or c[1] == len(x.shape)])
        if rank > 1 and not (self.block is None and isinstance(x.text, str)):
            return None  # in the step of a loop it would take long
        d = self.choose([e for e in self.extents if e.value is not None and e.value > 0])
        if layers is WIDE_LAYERS and "{image}" in call:  # of a small image, since the channels are many
            x = self.input((self.extents[0], Dim.of(self.choose((7, 8, 12))), Dim.of(self.choose((9, 6, 13)))))
        if rank == 2 and "batch_norm" in call and self.block is not None:
            return None
        if not x.text.isidentifier():
            whole = self.fresh("u")
            x = self.line(f"{whole} = ({x.text}) * 1", V(whole, x.shape, x.bound))
        sides = [self.dim(e) for e in x.shape]
        image = f"reshape({x.text}, {sides[0]}, 1, {', '.join(sides[1:])})"
        text = call.format(x=x.text, d=self.dim(d), image=image, last=sides[-1])
        shape = {
            "units": (*x.shape[:-1], d),
            "last": (x.shape[0], d),
            "24 units": (*x.shape[:-1], Dim.of(24)),
            "double": (*x.shape[:1], *(e * 2 for e in x.shape[1:2]), d),
            "two": (*x.shape[:1], Dim.of(2)),
            "halves": (*x.shape[:1], *((e + 2 - 2) // 2 + 1 for e in x.shape[1:])),
            "odd halves": (*x.shape[:1], *((e + 2 - 3) // 2 + 1 for e in x.shape[1:])),
        }.get(becomes, x.shape)
        if text.endswith(")") and text.count("(") == call.count("(") and call.find("|>") < 0 and not call.startswith("transpose"):
            text += alias
        return self.line(f"{name} = {text}", V(name, shape, 8 * x.bound + 4))

    def derivative(self, depth: int) -> V | None:
        """A derivative inside the model, as a statement of its own."""
        if self.block is not None or any(line.startswith("derivative") for line in self.defs):
            return None  # PyTorch has no second derivative of what is given
        x = self.leaf(lambda v: v.text in self.wrt and v.text.isidentifier() and len(v.shape) <= 2)
        if x is None or x.bound > 6:
            return None
        text, grow, most = self.choose((*UNARY, *GATES))
        if x.bound > most or any(f"{given}(" in text for given in GIVEN):
            return None
        u, name = self.fresh("u"), self.fresh("slope")
        self.lines.append(f"{u} = {text.format(x=x.text)}")
        v = V(u, x.shape, grow(x.bound))
        kind = self.pick(6 if len(x.shape) < 2 else 3)
        if kind == 1 and x.shape:
            y = self.tame(self.leaf(lambda w: self.broadcast(w.shape, x.shape) == x.shape) or x, 3)
            call, shape = f"diff(sum({u}**2 * {y.text}), {x.text})", x.shape
        elif kind == 2 and x.shape:
            call, shape = f"diff(cumsum(sin({u}), axis=-1), {x.text})", x.shape
        elif kind == 3:
            of = self.choose(("{}", "tanh({}) * mean({})", "softplus({})")).replace("{}", u)
            call, shape = f"jacobian({of}, {x.text})", x.shape * 2
        elif kind == 4:
            call, shape = f"hessian(sum({u} * sin({u})), {x.text})", x.shape * 2
        elif kind == 5:
            inner = self.fresh("slope")
            self.lines.append(f"{inner} = diff({u}, {x.text})")
            call, shape = f"diff(sin({inner}), {x.text})", x.shape
        else:
            call, shape = f"diff({u}, {x.text})", x.shape
        self.known(v, True)
        return self.line(f"{name} = {call}", V(name, shape, 50))

    def own_layer(self) -> None:
        name, formula = self.fresh("block"), self.choose(UNARY)[0].format(x="u")
        kind = self.pick(3)
        if kind == 0:
            self.defs += [
                f"layer {name}(u[..., D], scale=0.5):",
                "    param gain[D] = 0.75",
                f"    return scale * gain * tanh({formula})",
            ]
        elif kind == 1:
            self.used = True
            self.defs += [
                f"layer {name}(u[..., D], scale=0.5):",
                "    h = tanh(dense(u, 2) as first)",
                "    for k in range(2):",
                "        h = h + sin(h * (k + 1))",
                "    return u + scale * dense(h, D) as second",
            ]
        else:
            self.defs += [
                f"layer {name}(u[..., D], scale=0.5):",
                "    param W[D, D] ~ normal(0, 0.5)",
                "    param b[D] = 0.1",
                "    random keep[shape(u)] ~ bernoulli(0.75)",
                "    v = sin(u @ W + scale * b)",
                "    return where(keep, v, 0.5 * v)",
            ]
        self.own_layers.append(name)

    def concat(self, depth: int) -> V | None:
        x = self.expr(depth)
        if not x.shape:
            return None
        axis = self.pick(len(x.shape))
        parts = [x]
        for _ in range(1 + self.pick(2)):

            def fits(v: V) -> bool:
                return len(v.shape) == len(x.shape) and all(
                    k == axis or a == b for k, (a, b) in enumerate(zip(x.shape, v.shape, strict=True))
                )

            found = self.leaf(fits)
            if found is None or self.one_in(4):
                found = self.new(
                    tuple(self.choose(self.extents) if k == axis and self.one_in(2) else d for k, d in enumerate(x.shape))
                )
            parts.append(self.tame(found))
        total = Dim.of(0)
        for p in parts:
            total = total + p.shape[axis]
        shape = tuple(total if k == axis else d for k, d in enumerate(x.shape))
        shown = axis - len(shape) if self.one_in(3) else axis
        option = "" if axis == 0 and self.one_in(2) else f", axis={shown}"
        return V(f"concat({', '.join(p.text for p in parts)}{option})", shape, max(p.bound for p in parts))

    def stack(self, depth: int) -> V | None:
        x = self.expr(depth)
        parts = [x]
        for _ in range(self.pick(3)):
            parts.append(self.tame(self.leaf(lambda v: v.shape == x.shape) or self.new(x.shape)))
        axis = self.pick(len(x.shape) + 1)
        shape = (*x.shape[:axis], Dim.of(len(parts)), *x.shape[axis:])
        return V(f"stack({', '.join(p.text for p in parts)}, axis={axis})", shape, max(p.bound for p in parts))

    def call(self, depth: int) -> V | None:
        if not self.functions:
            return None
        name, count, most = self.choose(self.functions)
        x = self.tame(self.expr(depth), most)
        if count == 1:
            return V(f"{name}({x.text})", x.shape, 30)
        y = self.tame(self.partner(x, depth), most)
        shape = self.broadcast(x.shape, y.shape)
        return None if shape is None else V(f"{name}({x.text}, v={y.text})", shape, 40)

    def gather(self, depth: int) -> V | None:
        x = self.expr(depth)
        if not x.shape:
            return None
        last, lead = x.shape[-1], x.shape[:-1]
        if last.value is None or last.value == 0 or last.value > 50:
            return None
        kind = self.pick(4)
        if kind == 0 and len(x.shape) >= 2:
            y = self.index(lead, last).text
            call = self.choose((
                f"softmax_cross_entropy({x.text}, {y})",
                f"softmax_cross_entropy({x.text}, {y}, label_smoothing=0.1)",
                f"softmax_cross_entropy({x.text}, {y}, [{', '.join(str(1 + k / 4) for k in range(last.value))}])",
                f"nll(log_softmax({x.text}), {y})",
            ))  # fmt: skip
            return V(call, lead, 4 * x.bound + 6)
        if kind == 1 and len(x.shape) >= 2:
            option = self.choose(("", ", delta=0.5"))
            name = self.choose(("hinge", "hinge", "squared_hinge"))
            bound = 20 * x.bound if name == "hinge" else 20 * (2 * x.bound + 1) ** 2
            return V(f"{name}({x.text}, {self.index(lead, last).text}{option})", lead, bound)
        if kind == 2:
            target = self.leaf(lambda v: v.shape == x.shape) or self.new(x.shape)
            p = f"softmax({target.text})"
            call = self.choose((
                f"softmax_cross_entropy({x.text}, {p})",
                f"softmax_cross_entropy({x.text}, {p}, label_smoothing=0.2)",
                f"kl_divergence(log_softmax({x.text}), {p})",
                f"cosine_similarity({x.text}, 2 + sin({target.text}))",
                f"triplet({x.text}, sin({target.text}), 2 * {target.text})",
            ))  # fmt: skip
            return V(call, lead, 4 * x.bound + 20)
        if self.one_in(3):
            return V(f"pick({x.text}, {self.index(lead, last).text})", lead, x.bound)
        first = x.shape[0]
        if first.value:
            y = self.index((self.choose(self.extents),), first)
            return V(f"{x.text}[{y.text}]", (*y.shape, *x.shape[1:]), x.bound)
        return V(f"(0.5 * one_hot({self.index(lead, last).text}, {self.dim(last)}))", x.shape, 1)

    # ---- statements

    def bind(self) -> None:
        v = self.expr(3)
        if v.text[0] == "[":  # a literal has no gradient
            v = V(f"({v.text} * 1)", v.shape, v.bound)
        plain = not any(name in v.text for name in self.wrt)  # a constant has none either
        if v.shape and not plain and self.one_in(8):
            axis = self.pick(len(v.shape))
            for parts in (2, 3):
                part = v.shape[axis].divide_exactly(parts)
                if part is not None and v.shape[axis].terms and part.terms:
                    names = [self.fresh("part") for _ in range(parts)]
                    self.lines.append(f"{', '.join(names)} = split({v.text}, {parts}, axis={axis})")
                    for name in names:
                        piece = V(name, tuple(part if k == axis else d for k, d in enumerate(v.shape)), v.bound)
                        self.bindings.append((name, self.known(piece, True)))
                    return
        old = [(name, u) for name, u in self.bindings if name not in self.rebound]
        if old and self.one_in(6):
            name = self.choose(old)[0]
            self.rebound.add(name)
            self.bindings = [b for b in self.bindings if b[0] != name]
            self.pool = [u for u in self.pool if u.text != name]
            self.wrt = [w for w in self.wrt if w != name]
            self.lines.append(f"{name} = {v.text}")
            self.bindings.append((name, self.known(V(name, v.shape, v.bound), False)))
            return
        name = self.fresh(self.choose(("h", "z", "a", "int_")))
        self.lines.append(f"{name} = {v.text}")
        if v.text.isidentifier():
            self.again.append(name)
        self.bindings.append((name, self.known(V(name, v.shape, v.bound), not plain)))

    def scan(self) -> None:
        """A loop over an axis of something that has a name."""
        v = self.leaf(lambda u: len(u.shape) > 0 and u.text.isidentifier())
        if v is None:
            return
        axis = self.pick(len(v.shape))
        steps, rest = v.shape[axis], (*v.shape[:axis], *v.shape[axis + 1 :])
        t, s, row = self.fresh("t"), self.fresh("s"), self.fresh("row")
        starts = ["zeros({})".format(", ".join(map(self.dim, rest))) if rest else "0.5"]
        other = self.leaf(lambda u: u.shape == rest)
        starts += [] if other is None else [f"tanh({other.text})"]
        until = f" until sum({s}**2) > 0.5" if self.one_in(5) else ""
        again = " recompute" if self.one_in(4) else ""
        times = self.choose(("range({})", "reversed(range({}))")).format(self.dim(steps))
        made_of = steps  # how many steps there are
        if (n := steps.value) and n > 2 and self.one_in(3):
            times, made_of = times.replace("range(", f"range({self.choose((1, 2))}, "), steps
            made_of = Dim.of(n - int(times.split("range(")[1][0]))
        at = self.choose((t, t, f"{self.dim(steps)} - 1 - {t}"))
        lines = [f"scan {t} in {times}{until}{again}:", f"    carry {s} = {self.choose(starts)}"]
        lines.append(f"    {row} = {v.text}[{', '.join([':'] * axis + [at])}]")
        inside = [V(row, rest, v.bound), V(s, rest, 1), V(f"(0.1 * {t})", (), 6.4)]
        self.pool += inside
        self.block = lines, inside
        if rest and rest[-1].value and len(rest) == 1 and self.one_in(2):  # the place of the largest yet
            best = self.fresh("best")
            lines.insert(2, f"    carry {best} = argmax(zeros({self.dim(rest[0])}))")
            lines.append(f"    {best} = argmax({s} + {row}[{best}] * {row})")
            inside.append(V(f"(0.5 * tanh({row}[{best}]) + 0.1 * {best})", (), 8))
            self.pool.append(inside[-1])
        if self.one_in(2):
            local = self.fresh("q")
            made = self.expr(2)
            lines.append(f"    {local} = ({made.text}) * 1")
            inside.append(V(local, made.shape, made.bound))
            self.pool.append(inside[-1])
        if self.one_in(6):
            drawn = self.fresh("e")
            lines.append(f"    random {drawn}{self.bracketed(rest)} ~ {self.choose(('normal(0, 0.5)', 'uniform(-1, 1)'))}")
            inside.append(V(drawn, rest, 1.5))
            self.pool.append(inside[-1])
        if self.one_in(4):
            self.inner_scan(lines, inside)
        emits: list[V] = []
        for _ in range(self.pick(3)):
            made = self.expr(2)
            emits.append(V(self.fresh("es"), (made_of, *made.shape), made.bound))
            lines.append(f"    emit {emits[-1].text} = {made.text}")
        part = self.tame(self.expr(1), 3)
        more = f" + 0.1 * sum({part.text})" if part.shape else f" + {part.text}"
        first = self.choose(GATES)[0].format(x=s)
        lines.append(f"    {s} = tanh({first} + {self.tame(inside[0], 3).text}{more})")
        self.lines += lines
        self.block = None
        self.pool = [u for u in self.pool if u not in inside]
        for made in (V(s, rest, 1), *emits):
            self.bindings.append((made.text, self.known(made, True)))

    def inner_scan(self, lines: list[str], inside: list[V]) -> None:
        """A loop in a loop, over something from outside or of the body."""
        v = self.leaf(lambda u: len(u.shape) in (1, 2) and u.text.isidentifier())
        if v is None:
            return
        t, c, kept = self.fresh("t"), self.fresh("c"), self.fresh("cs")
        rest, carried = v.shape[1:], inside[1]
        read = self.tame(V(f"{v.text}[{t}]", rest, v.bound), 3)
        lines += [
            f"    scan {t} in range({self.dim(v.shape[0])}):",
            f"        carry {c} = {'zeros({})'.format(', '.join(map(self.dim, rest))) if rest else '0.25'}",
            f"        {c} = tanh(0.5 * {c} + {read.text} * mean({carried.text}) + 0.1 * {t})",
            f"        emit {kept} = {c} * 2",
        ]
        for made in (V(c, rest, 1), V(kept, v.shape, 2)):
            inside.append(made)
            self.pool.append(made)

    def unrolled(self) -> None:
        """A loop that is written out."""
        v = self.leaf(lambda u: u.text.isidentifier())
        if v is None:
            return
        name = self.fresh("r")
        values = self.choose(("range(3)", "reversed(range(2))", "[2, 0.5]", "range(1, 4, 2)"))
        gate = self.choose(GATES)[0].format(x=f"tanh({v.text})")
        steps = (f"{name} + k * {gate}", f"0.5 * {name} + sin({name} * (k + 1)) + {gate}", f"tanh({name}) - {gate} / (k + 1)")
        step = self.choose(steps)
        self.lines += [f"{name} = {v.text}", f"for k in {values}:", f"    {name} = {step}"]
        self.rebound.add(name)
        self.bindings.append((name, self.known(V(name, v.shape, 4 * v.bound + 12), False)))

    def scalar(self) -> V:
        """Something to minimize."""
        v = self.expr(2)
        kind = self.pick(5)
        if kind == 0:
            other = self.leaf(lambda u: u.shape == v.shape) or self.new(v.shape)
            return V(f"{self.choose(('mse', 'mae'))}({v.text}, {other.text})", (), v.bound)
        if not v.shape:
            return v
        return V(
            f"{self.choose(('mean', 'mean', 'sum'))}({self.choose(('{}', 'square({})', '{}**2')).format(v.text)})", (), v.bound
        )

    def program(self) -> Program:
        self.sizes()
        for _ in range(1 + self.pick(2)):
            self.new(self.shape())
        if self.one_in(3):
            name = self.fresh("reg")
            self.declare(f"hyper {name} = {self.choose(('0.1', '1e-2', '1/3', '-0.5'))}")
            self.hypers.append(V(name, (), 0.5))
        if self.one_in(4):
            self.drawn()
        if self.one_in(5):
            self.state()
        for _ in range(self.choose((0, 0, 1, 2))):
            self.function()
        used = ""
        if self.one_in(6):
            formula = self.choose(UNARY)[0].format(x="u")
            self.files.append(("mine.gw", f"# functions for several models\ndef mine(u) = {formula}\n"))
            used = 'use "mine.gw"'
            self.functions.append(("mine", 1, 3))
        for _ in range(1 + self.pick(self.steps)):
            self.bind()
            if self.one_in(9):
                self.scan()
            if self.one_in(12):
                self.unrolled()
        outputs: list[tuple[str, V]] = []
        for _ in range(1 + self.pick(2)):
            free = [b for b in self.bindings if b[0] not in [o for o, _ in outputs]]
            if free and self.one_in(2):
                name, v = self.choose(free)
                self.lines.append(f"output {name}")
            elif (
                self.one_in(8) and (v := self.leaf(lambda u: len(u.shape) > 0 and u.shape[-1].value not in (None, 0))) is not None
            ):
                name = self.fresh("guess")
                self.lines.append(
                    f"output {name} = {self.choose(('argmax({}, axis=-1)', '{} > 0.25', 'argmin({}, axis=-1)')).format(v.text)}"
                )
                continue
            else:
                v = self.expr(2)
                name = self.fresh("out")
                self.lines.append(f"output {name} = {v.text}")
            outputs.append((name, v))
        self.following()
        taken: set[str] = set()  # g.a1 is the gradient of the loss by a1, and cannot be those of an output a1 as well
        if self.one_in(2):
            loss = self.scalar()
            text = loss.text
            if self.hypers and self.one_in(2):
                params = [v for v in self.pool if v.text in self.wrt and v.text[0] in "Wbw"]
                text += f" + {self.hypers[0].text} * sum({params[0].text}**2)" if params else ""
            stage = self.choose(("", "", " with adam(lr=1e-2)", " with sgd", " with mine_rule(rate=0.1)"))
            params = [k for k, line in enumerate(self.declared) if line.startswith("param") and "frozen" not in line]
            if params and self.one_in(3):
                k = self.choose(params)
                self.declared[k] += self.choose((" with l2(0.01)", " with l1(0.02)"))
            self.lines.append(f"minimize {text}{stage}")
            if "mine_rule" in stage:
                self.lines += [
                    "update mine_rule(rate=0.05, beta=0.9) of w with g:",
                    "    state m = 0",
                    "    m = beta * m + (1 - beta) * g",
                    "    w = w - rate * m / (1 + abs(m)) * (1 + 1 / t)",
                ]
            if self.wrt and self.one_in(2):
                names = [self.choose(self.wrt) for _ in range(1 + self.pick(2))]
                taken.update(names)
                self.lines.append(f"gradient loss wrt {', '.join(dict.fromkeys(names))}")
        made = [(name, v) for name, v in outputs if name not in self.rebound | taken and any(w in v.text for w in self.wrt)]
        if made and self.wrt and self.one_in(2):
            names = [self.choose(self.wrt) for _ in range(1 + self.pick(3))]
            self.lines.append(f"gradient {self.choose(made)[0]} wrt {', '.join(dict.fromkeys(names))}")
        asked = [name for name, _ in outputs]
        inner = [name for name, _ in self.bindings if name in self.wrt and name not in (*taken, *asked, *self.again)]
        if inner and self.one_in(4):  # of a binding, which no output need depend on
            names = [self.choose(self.wrt) for _ in range(1 + self.pick(2))]
            self.lines.append(f"gradient {self.choose(inner)} wrt {', '.join(dict.fromkeys(names))}")
        # functions may stand anywhere
        body = self.lines + self.defs if self.one_in(2) else self.defs + self.lines
        head = ["# random.gw: made by chance"] + (
            ["dtype float32"] if self.one_in(6) else ["dtype float64"] if self.one_in(6) else []
        )
        uses = ["use layers"] * self.used + ([used] if used else [])
        return Program("\n".join([*head, *self.declared, *uses, "", *body, ""]), tuple(self.files))


def eval_slice(text: str) -> slice:
    return slice(*(int(part) if part else None for part in text.split(":")))
