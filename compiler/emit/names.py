"""Spelling: the user's names in generated Cython, where no name that a user can write may break or reach anything."""

from __future__ import annotations

import keyword
import unicodedata
from collections.abc import Iterable

RESERVED = frozenset(keyword.kwlist) | frozenset(keyword.softkwlist) | frozenset(
    """cdef cpdef cimport ctypedef extern include nogil gil inline public readonly sizeof struct union enum fused DEF IF ELIF ELSE
    NULL bint char short int long float double signed unsigned void const volatile size_t Py_ssize_t object list tuple dict set
    str bytes bool complex type range max min abs sum len print self cls noexcept api by except self exp log log1p expm1 sqrt
    absolute sign sin cos tan tanh sinh cosh asin acos atan atan2 erf sigmoid softplus floor power maximum minimum inf nan
    pi read write reals integers real theta frozen hyper rule kept work grad step_power gemm contract contract_guarded
    gemm_onto contract_onto winograd winograd_weights relu as_it_is
    block_sum block_absolutes block_squares block_dot block_product block_max block_min block_largest block_least
    short_sum short_absolutes short_squares short_dot above below choose few framed within pick rank root share stride transpose
    exp_below sigmoid_slope sigmoid_shared tanh_shared lgamma digamma polygamma
    forward backward predict train jacobian hessian hessian_diagonal auto
    break case continue default do else for goto if register return static switch typedef while restrict asm I errno main stdin
    stdout stderr EOF assert signal y0 y1 yn j0 j1 jn gamma index time step state weight hypers slots sizes np numpy Model
    value_and_grad draw_uniform draw_normal draw_bernoulli next random""".split()
)


class Speller:
    """One scope of generated names: each thing gets one spelling, and no two the same."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._used: set[str] = set(taken)
        self._spelled: dict[str, str] = {}
        self._last: dict[str, int] = {}  # the suffixes up to this one are taken

    def __call__(self, name: str) -> str:
        """The spelling of a value's name, always the same."""
        if name not in self._spelled:
            self._spelled[name] = self.fresh(name)
        return self._spelled[name]

    def alias(self, name: str, other: str) -> None:
        """Spell a value as another, in whose place it is."""
        self._spelled[name] = self(other)

    def fresh(self, wanted: str) -> str:
        """A spelling that nothing has yet."""
        # Python reads an identifier in this normal form: names that are equal there must not meet
        plain = unicodedata.normalize("NFKC", wanted)
        stem = "".join(c if f"a{c}".isidentifier() else "_" for c in plain)
        stem = stem if stem.isidentifier() else f"v{stem}"
        if stem in RESERVED or stem.startswith(("gw_", "Py", "_")):
            stem = f"{stem.lstrip('_') or 'v'}_"
            stem = stem if stem.isidentifier() else f"v{stem}"
        name, k = stem, self._last.get(stem, 1)
        while name in self._used or name in RESERVED:
            k += 1
            name = f"{stem}_{k}" if not stem.endswith("_") else f"{stem}{k}"
        self._last[stem] = k
        self._used.add(name)
        return name
