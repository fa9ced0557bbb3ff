"""What a module's kernels use of the C headers, declared for Cython: a table of what each word asks for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from ..graph import expr as E
from ..loops.gates import BELOW, SHARED, SLOPE
from .formulas import CALLS


class Extern(NamedTuple):
    """Lines that are there where one of these words is used, or always; ``{real}``, ``{f}`` and ``{width}`` stand for the real
    type, the end of the names of its scalar functions, and that of those of arrays."""

    words: tuple[str, ...]
    text: str


Group = tuple[str, tuple[Extern, ...]]  # of one header

_TWO: Final = ("max", "min", "atan2", "polygamma", "pow")
_CIRCULAR: Final = ("cos", "sin", "tan")
_GAMMA: Final = ("digamma", "lgamma", "polygamma")
_FORMS: Final = {BELOW: "exp of what is not above 0", SLOPE: "y*(1 - y) of a y from 0 to 1"}
_GATES: Final = tuple(sorted(frozenset(SHARED.values()) - SHARED.keys()))
_BLOCKS: Final = {
    "block_absolutes": "absolutes", "block_dot": "dot", "block_largest": "place_of_maximum",
    "block_least": "place_of_minimum", "block_max": "maximum", "block_min": "minimum",
    "block_product": "product", "block_squares": "squares", "block_sum": "sum",
    "short_absolutes": "short_absolutes", "short_dot": "short_dot", "short_squares": "short_squares", "short_sum": "short_sum",
}  # fmt: skip


def _function(name: str) -> Extern:
    """A function of one real or two."""
    arguments = "{real}, {real}" if name in _TWO else "{real}"
    return Extern((name,), f'{{real}} {CALLS.get(name, name)} "gw_{name}{{f}}"({arguments}) noexcept')


def _draw(name: str) -> Extern:
    formals = ", ".join(["long long"] * 4 + ["double"] * (1 if name == "draw_bernoulli" else 2))
    return Extern((name,), f'{{real}} {name} "gw_{name}{{f}}"({formals}) noexcept')


def _block(name: str) -> Extern:
    arrays = "const {real} *, " * (2 if name.endswith("dot") else 1)
    type_ = "Py_ssize_t" if _BLOCKS[name].startswith("place") else "{real}"
    return Extern((name,), f'{type_} {name} "gw_{_BLOCKS[name]}_{{width}}"({arrays}Py_ssize_t) noexcept')


def _contract(name: str, about: str) -> Extern:
    """A product of contract.h, guarded.h or winograd.h, which differ in what they are told besides."""
    onto, guarded = name in ("contract_onto", "winograd"), name == "contract_guarded"
    lines = [*(f"# {line}" for line in about.splitlines()),
             f'void {name} "gw_{name}_{{width}}"({"Py_ssize_t guard," if guarded else ""}']  # fmt: skip
    for loop, at, arrays in ("m", "i", "acd" if onto else "ac"), ("k", "l", "ab"):
        steps = [", ".join((f"Py_ssize_t {loop}{k}", *(f"Py_ssize_t {x}_{at}{k}" for x in arrays))) for k in range(3)]
        lines.append(f"    {', '.join(steps)},")
    lines.append(f"    Py_ssize_t n, Py_ssize_t b_j, Py_ssize_t c_j,{' Py_ssize_t d_j,' if onto else ''}")
    added = "const {real} *d, int stored, " if onto else ""
    lines.append(f"    {{real}} alpha, const {{real}} *a, const {{real}} *b, {{real}} beta, {added}{{real}} *c) noexcept")
    return Extern((name,), "\n".join(lines))


_TYPES: Final = Extern((), """\
# restrict pointers: nothing read here is written here
ctypedef const {real} *read "gw_read_{width}"
ctypedef {real} *write "gw_write_{width}"
ctypedef const long long *indices "gw_read_i64"
ctypedef long long *write_indices "gw_write_i64\"""")

_SCALAR: Final = (
    *(Extern((form,), f'# {what}\n{_function(form).text}') for form, what in _FORMS.items()),
    Extern(_GATES, "# gates of one x have exp(-abs(x)) in common, which is computed once"),
    *map(_function, _GATES),
    Extern(("above",), 'bint above "gw_above{f}"({real} x, {real} best) noexcept'),
    Extern(("below",), 'bint below "gw_below{f}"({real} x, {real} best) noexcept'),
    Extern(("pick",), '{real} pick "gw_pick{f}"(bint condition, {real} if_true, {real} otherwise) noexcept'),
    Extern(("choose",), '{real} choose "gw_choose{f}"(bint condition, {real} if_true, {real} otherwise) noexcept'),
    Extern(("framed", "within"), """\
# the element of a row that lies inside, or what stands around it
bint within "gw_within"(Py_ssize_t place, Py_ssize_t extent) noexcept
{real} framed "gw_framed{f}"(read x, Py_ssize_t row, Py_ssize_t place, bint inside, {real} around) noexcept"""),
    Extern(("pi",), '{real} pi "gw_pi_{width}"'),
    Extern(("stride",), """\
# the number itself, which the C compiler does not see: it makes no vectors of reads so far apart
Py_ssize_t stride "gw_stride"(Py_ssize_t) noexcept"""),
    Extern(("few",), """\
# a kernel is compiled for so few rows as well, by itself: it then knows all lengths
void few "gw_few"(Py_ssize_t, ...) noexcept"""),
    Extern(("root",), """\
# the square root, rounded up
Py_ssize_t root "gw_root"(Py_ssize_t) noexcept"""),
)  # fmt: skip

_OTHERS: Final[tuple[Group, ...]] = (
    ("math.h", (
        Extern(("inf",), '{real} inf "INFINITY"'),
        Extern(("nan",), '{real} nan "NAN"'),
    )),
    ("gradwright/power.h", (
        Extern(("step_power",), """\
# a power of the step's number, whose last value is remembered
double step_power "gw_step_power"(double, double) noexcept"""),
    )),
    ("gradwright/random.h", (
        Extern(E.DRAWS, "# a random number is a function of seed, counter, stream and position"),
        *map(_draw, E.DRAWS),
    )),
    ("gradwright/sum.h", tuple(map(_block, _BLOCKS))),
    ("gradwright/share.h", (
        Extern(("share",), """\
# all rounds of a loop, in parts of whole blocks: by several threads where their work is worth it
ctypedef void (*part_t)(void **, const Py_ssize_t *, Py_ssize_t, Py_ssize_t, double *,
                        void *) noexcept nogil
void share "gw_share"(part_t part, void **given, const Py_ssize_t *sizes,
      Py_ssize_t rounds, Py_ssize_t work, Py_ssize_t block, double *sums, Py_ssize_t count,
      size_t room) noexcept"""),
    )),
    ("gradwright/stream.h", (
        Extern(("stream",), """\
# results that are larger than the caches go past them, in whole lines
ctypedef struct beside_t "gw_beside_{width}":
    {real} at[1]
bint past_caches "gw_past_caches"(double bytes) noexcept
Py_ssize_t to_line "gw_to_line_{width}"(const {real} *) noexcept
void stream "gw_stream_{width}"({real} *to, const {real} *source, Py_ssize_t count) noexcept
void settle "gw_settle"() noexcept"""),
    )),
    ("gradwright/move.h", (
        Extern(("move", "gemm_move"), """\
# the optimiser's rule on `count` parameters w, whose gradient is g
ctypedef const void *moves "gw_moves"
void move "gw_move_{width}"(moves rule, {real} *w, const {real} *g, Py_ssize_t count) noexcept"""),
    )),
    ("gradwright/gemm_move.h", (
        Extern(("gemm_move",), """\
# g = a @ b, some rows at a time, and what has this gradient
void gemm_move "gw_gemm_move_{width}"(moves rule, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
               const {real} *a, Py_ssize_t a_row, Py_ssize_t a_column,
               const {real} *b, Py_ssize_t b_row, Py_ssize_t b_column,
               {real} *g, {real} *w) noexcept"""),
    )),
    ("gradwright/gemm.h", (
        Extern(("gemm",), """\
# c[m, n] = alpha * a[m, k] @ b[k, n] + beta * c, with the strides of rows and columns
void gemm "gw_gemm_{width}"(Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, {real} alpha,
          const {real} *a, Py_ssize_t a_row, Py_ssize_t a_column,
          const {real} *b, Py_ssize_t b_row, Py_ssize_t b_column,
          {real} beta, {real} *c, Py_ssize_t c_row) noexcept"""),
    )),
    ("gradwright/contract.h", (
        Extern(("gemm_onto", "contract_onto", "winograd"), """\
# how a result is stored: as it is, or 0 for what is not above it
int as_it_is "GW_AS_IT_IS", relu "GW_RELU\""""),
        Extern(("gemm_onto",), """\
# gemm, added to d instead of c: d has its own steps from row to row and from column to column
void gemm_onto "gw_gemm_onto_{width}"(Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, {real} alpha,
               const {real} *a, Py_ssize_t a_row, Py_ssize_t a_column,
               const {real} *b, Py_ssize_t b_row, Py_ssize_t b_column,
               {real} beta, const {real} *d, Py_ssize_t d_row, Py_ssize_t d_column, int stored,
               {real} *c, Py_ssize_t c_row) noexcept"""),
    )),
    ("gradwright/contract.h", (
        _contract("contract", """\
c[i, j] = alpha * sum(a[i, l] * b[l, j] for l) + beta * c[i, j]: three loops over rows,
each with its extent and its steps in a and c; three over depth, in a and b; one over columns"""),
    )),
    ("gradwright/contract.h", (
        _contract("contract_onto", """\
c[i, j] = alpha * sum(a[i, l] * b[l, j] for l) + beta * d[i, j]: three loops over rows, each
with its extent and its steps in a, c and d; three over depth, in a and b; one over columns"""),
    )),
    ("gradwright/guarded.h", (
        _contract("contract_guarded", """\
contract, in which a zero of a (guard 0) or of b (guard 1) wins, whatever it is multiplied by"""),
    )),
    ("gradwright/winograd.h", (
        _contract("winograd", """\
contract_onto, where rows are places (image, y, x) and the depth is a filter of r x r pixels:
(r+1)**2 products for each 2 x 2 places, not 4*r**2 (Winograd 1980; Lavin and Gray 2016)"""),
        _contract("winograd_weights", """\
contract, where rows are a filter and the depth is places: the same for its gradient"""),
    )),
    ("gradwright/contract.h", (
        Extern(("transpose",), """\
# to[j, i] = from[i, j], with the steps from row to row
void transpose "gw_transpose_{width}"(Py_ssize_t rows, Py_ssize_t columns, const {real} *source,
               Py_ssize_t source_row, {real} *to, Py_ssize_t to_row) noexcept"""),
    )),
    ("gradwright/circular.h", tuple(map(_function, _CIRCULAR))),
    ("gradwright/gamma.h", tuple(map(_function, _GAMMA))),
    ("gradwright/order.h", (
        Extern(("rank",), """\
# how many elements come before each, in ascending or descending order
void rank "gw_rank_{width}"(Py_ssize_t n, const {real} *x, Py_ssize_t x_step,
          {real} *y, Py_ssize_t y_step, {real} *scratch, int descending) noexcept"""),
    )),
)  # fmt: skip

_LISTED: Final = frozenset(word for _, rows in (("", _SCALAR), *_OTHERS) for row in rows for word in row.words)


def externs(single: bool, used: set[str]) -> Iterator[str]:
    """Declarations of the words that kernels of a real type use: what the table has not is a function of scalar.h."""
    scalar = (_TYPES, *map(_function, sorted(used - _LISTED)), *_SCALAR)
    real, f, width = ("float", "f", "f32") if single else ("double", "", "f64")
    for header, rows in (("gradwright/scalar.h", scalar), *_OTHERS):
        found = [row.text.format(real=real, f=f, width=width) for row in rows if not row.words or not used.isdisjoint(row.words)]
        if found:
            yield f'cdef extern from "{header}" nogil:'
            yield from (f"    {line}" for text in found for line in text.split("\n"))
