"""Sizes as polynomials with integer coefficients over the free sizes; two sizes are equal when their polynomials are."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from math import isqrt

from ..records import dataclass

Monomial = tuple[tuple["Atom", int], ...]  # sorted (atom, power); () is the constant 1


@dataclass(frozen=True)
class Quotient:
    """``a // b`` or ``a % b`` where the division is not exact for every value: an atom of its own. So is ``root(a)``, the least
    whole number whose square is a or more, and 1 at least (``op`` is then "root", and ``b`` 1), and the larger of two ("max")."""

    op: str
    a: Dim
    b: Dim

    def __str__(self) -> str:
        if self.op == "max":
            return f"max({self.a}, {self.b})"
        return f"root({self.a})" if self.op == "root" else f"({self.a}){self.op}({self.b})"


Atom = str | Quotient


def _sort_key(monomial: Monomial) -> tuple[object, ...]:
    return (-sum(power for _, power in monomial), tuple((str(atom), power) for atom, power in monomial))


@dataclass(frozen=True)
class Dim:
    """A size: a sum of integer multiples of monomials, in one canonical order."""

    terms: tuple[tuple[Monomial, int], ...]

    @staticmethod
    def of(value: Dim | int | str) -> Dim:
        """The size of an integer, of a free size's name, or itself."""
        if isinstance(value, Dim):
            return value
        if isinstance(value, str):
            return Dim(((((value, 1),), 1),))
        found = _numbers.get(value)
        if found is None:
            found = _numbers[int(value)] = Dim((((), int(value)),) if value else ())
        return found

    @staticmethod
    def _make(terms: Mapping[Monomial, int]) -> Dim:
        return Dim(tuple(sorted(((m, c) for m, c in terms.items() if c), key=lambda t: _sort_key(t[0]))))

    @cached_property
    def value(self) -> int | None:
        """The number, where it is known at compile time."""
        if not self.terms:
            return 0
        if len(self.terms) == 1 and self.terms[0][0] == ():
            return self.terms[0][1]
        return None

    @property
    def name(self) -> str | None:
        """The free size's name, where this is just one."""
        if len(self.terms) == 1:
            monomial, coefficient = self.terms[0]
            if coefficient == 1 and len(monomial) == 1 and monomial[0][1] == 1 and isinstance(monomial[0][0], str):
                return monomial[0][0]
        return None

    def is_one(self) -> bool:
        return self.value == 1

    def free(self) -> frozenset[str]:
        """The names of the free sizes in it."""
        names: set[str] = set()
        for monomial, _ in self.terms:
            for atom, _power in monomial:
                names |= {atom} if isinstance(atom, str) else atom.a.free() | atom.b.free()
        return frozenset(names)

    def __add__(self, other: Dim | int | str) -> Dim:
        if isinstance(other, Dim):
            if not other.terms:
                return self
            if not self.terms:
                return other
        a, b = self.value, other if isinstance(other, int) else other.value if isinstance(other, Dim) else None
        if a is not None and b is not None:
            return Dim.of(a + b)
        terms = dict(self.terms)
        for monomial, coefficient in Dim.of(other).terms:
            terms[monomial] = terms.get(monomial, 0) + coefficient
        return Dim._make(terms)

    def __neg__(self) -> Dim:
        return Dim(tuple((m, -c) for m, c in self.terms))

    def __sub__(self, other: Dim | int | str) -> Dim:
        a, b = self.value, other if isinstance(other, int) else other.value if isinstance(other, Dim) else None
        if a is not None and b is not None:
            return Dim.of(a - b)
        return self + -Dim.of(other)

    def __mul__(self, other: Dim | int | str) -> Dim:
        a, b = self.value, other if isinstance(other, int) else other.value if isinstance(other, Dim) else None
        if a is not None and b is not None:
            return Dim.of(a * b)
        if a == 1 and isinstance(other, Dim):
            return other
        if b == 1:
            return self
        terms: dict[Monomial, int] = {}
        for m1, c1 in self.terms:
            for m2, c2 in Dim.of(other).terms:
                powers: dict[Atom, int] = dict(m1)
                for atom, power in m2:
                    powers[atom] = powers.get(atom, 0) + power
                product = tuple(sorted(powers.items(), key=lambda p: str(p[0])))
                terms[product] = terms.get(product, 0) + c1 * c2
        return Dim._make(terms)

    __radd__ = __add__
    __rmul__ = __mul__

    def divide_exactly(self, other: Dim | int | str) -> Dim | None:
        """``self / other`` where that is a polynomial with integer coefficients; otherwise None."""
        divisor = Dim.of(other)
        if len(divisor.terms) != 1:
            if divisor == self and self.terms:
                return Dim.of(1)
            return None
        d_monomial, d_coefficient = divisor.terms[0]
        terms: dict[Monomial, int] = {}
        for monomial, coefficient in self.terms:
            powers = dict(monomial)
            for atom, power in d_monomial:
                if powers.get(atom, 0) < power:
                    return None
                powers[atom] -= power
            if coefficient % d_coefficient:
                return None
            rest = tuple((atom, power) for atom, power in powers.items() if power)
            terms[rest] = coefficient // d_coefficient
        return Dim._make(terms)

    def __floordiv__(self, other: Dim | int | str) -> Dim:
        divisor = Dim.of(other)
        if self.value is not None and divisor.value:
            return Dim.of(self.value // divisor.value)
        exact = self.divide_exactly(divisor) if divisor.terms else None
        if exact is not None:
            return exact
        by = divisor.value
        if by is None or by <= 0:
            return Dim(((((Quotient("//", self, divisor), 1),), 1),))
        # what divides is taken out, so that (N - 5)//2 + 1 and (N - 3)//2 are one size
        out, rest = Dim.of(0), Dim.of(0)
        for monomial, coefficient in self.terms:
            whole = coefficient // by if monomial == () or coefficient % by == 0 else 0
            out = out + Dim(((monomial, whole),) if whole else ())
            rest = rest + Dim(((monomial, coefficient - whole * by),) if coefficient != whole * by else ())
        return out + (Dim.of(rest.value // by) if rest.value is not None else Dim(((((Quotient("//", rest, divisor), 1),), 1),)))

    def __mod__(self, other: Dim | int | str) -> Dim:
        divisor = Dim.of(other)
        if self.value is not None and divisor.value:
            return Dim.of(self.value % divisor.value)
        if divisor.terms and self.divide_exactly(divisor) is not None:
            return Dim.of(0)
        return Dim(((((Quotient("%", self, divisor), 1),), 1),))

    def root(self) -> Dim:
        """The least whole number whose square is this or more, and 1 at least."""
        atom = Dim(((((Quotient("root", self, Dim.of(1)), 1),), 1),))
        return atom if self.value is None else Dim.of(atom.evaluate({}))

    def largest(self, other: Dim) -> Dim:
        """The larger of two sizes: one of them where that is plain to see."""
        mine, theirs = dict(self.terms), dict(other.terms)
        more = [mine.get(m, 0) - theirs.get(m, 0) for m in mine.keys() | theirs.keys()]
        if all(c <= 0 for c in more):
            return other
        if all(c >= 0 for c in more):
            return self
        return Dim(((((Quotient("max", self, other), 1),), 1),))

    def evaluate(self, sizes: Mapping[str, int]) -> int:
        """The number, given a value for each free size. Raises KeyError where one is missing."""
        total = 0
        for monomial, coefficient in self.terms:
            product = coefficient
            for atom, power in monomial:
                if isinstance(atom, str):
                    base = sizes[atom]
                else:
                    a, b = atom.a.evaluate(sizes), atom.b.evaluate(sizes)
                    if atom.op == "max":
                        base = max(a, b)
                    else:
                        base = a // b if atom.op == "//" else a % b if atom.op == "%" else isqrt(max(a - 1, 0)) + 1
                product *= base**power
            total += product
        return total

    def __str__(self) -> str:
        if not self.terms:
            return "0"
        parts: list[str] = []
        for monomial, coefficient in self.terms:
            atoms = [atom for atom, power in monomial for _ in range(power)]
            # 2*(N//2) is not 2*N//2, nor -(N//2) the same as -N//2
            whole = coefficient == 1 and len(atoms) == 1
            factors = [str(atom) if whole or isinstance(atom, str) else f"({atom})" for atom in atoms]
            if abs(coefficient) != 1 or not factors:
                factors.insert(0, str(abs(coefficient)))
            parts.append((" - " if coefficient < 0 else " + ") + "*".join(factors))
        text = "".join(parts)
        return "-" + text[3:] if text.startswith(" - ") else text[3:]

    def __repr__(self) -> str:
        return f"Dim({self})"


_numbers: dict[int, Dim] = {}  # each is asked for again and again


Shape = tuple[Dim, ...]


def shape_of(*dims: Dim | int | str) -> Shape:
    """A shape of sizes, numbers and names of free sizes."""
    return tuple(Dim.of(d) for d in dims)


def size(shape: Shape) -> Dim:
    """The number of elements."""
    total = Dim.of(1)
    for dim in shape:
        total = total * dim
    return total


def show(shape: Shape) -> str:
    """``[N, 2]``."""
    return "[" + ", ".join(str(d) for d in shape) + "]"
