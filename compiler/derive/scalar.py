"""The one door to SymPy: the local derivative of a scalar function, in the form in which it is cheap and right.

For every primitive function, and every function that a user defines, SymPy is asked for the derivative; shorter spellings
and forms written with the function's own value y (found by substituting y for f in f', and by solving f(x) = y for x)
are candidates; each is checked against 50-digit arithmetic, then in ordinary arithmetic at the edges of the domain; the
cheapest of those that are right is chosen: right to a few eps * max(1, |f'|), or under :func:`precisely` to a few ulp of f'
itself, far into the tails, where some form is. No derivative is written down by hand, and no rule knows a function's name.

Answers for the compiler's own functions are in ``answers.json`` and are proved again by the tests; others are kept in the
user's cache. SymPy is imported when neither has the answer. Asking here costs nothing until then.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, Final

from ..graph.expr import (
    ARITHMETIC,
    CHOICES,
    COMPARISONS,
    LEAVES,
    LOGIC,
    OUT,
    PI,
    Expr,
    arg,
    arguments,
    call,
    evaluate,
    make,
    number_text,
    show,
    substitute,
    walk,
)
from .formula import FormulaError, parse

RULES: Final = 3  # raised when the way answers are found changes: cached ones are then asked for again
LARGEST: Final = 25  # nodes; a larger body is differentiated by the sweep alone
PLAIN: Final = ("exp", "log", "sqrt", "sin", "cos", "tan", "tanh", "sinh", "cosh", "asin", "acos", "atan", "atan2", "erf",
                "lgamma", "digamma")
COMPOSED: Final = ("log1p", "expm1", "square", "sigmoid", "softplus")
PRIMITIVES: Final = (*PLAIN, *COMPOSED)  # abs, sign and floor have their rules in partials.py
_EPS: Final = 2.0**-52
_ANSWERS: Final = Path(__file__).with_name("answers.json")


@dataclass(frozen=True)
class Slope:
    """The derivative for one argument. ``raw`` is SymPy's own text; ``simplified`` is over the arguments alone;
    ``with_output`` is the best form that uses the output, if there is one; ``chosen`` is one of the two. ``precise`` is the
    cheapest of those that are as right as can be had relative to themselves, ``ulp`` how far it is off: infinite where that was
    not measured."""

    raw: str
    simplified: Expr
    with_output: Expr | None
    chosen: Expr
    reason: str
    proof: str
    precise: Expr
    ulp: float

    @property
    def taken(self) -> Expr:
        return self.precise if _precision.get() else self.chosen

    @property
    def uses_output(self) -> bool:
        return any(node is OUT for node in walk(self.chosen))


@dataclass(frozen=True)
class Local:
    """A function and its derivative for each argument, over ``arg(k)`` and ``OUT``."""

    name: str
    body: Expr  # what was asked: for a primitive its own call
    meaning: Expr  # the same in plain terms
    slopes: tuple[Slope, ...]

    @property
    def mathematics(self) -> str:
        return formula(self.meaning, _names(len(self.slopes)))


_precision: ContextVar[bool] = ContextVar("precision", default=False)


@contextmanager
def precisely(wanted: bool = True) -> Iterator[None]:
    """Derivatives that are asked for in here are right to a few ulp of themselves where they can be had so."""
    before = _precision.set(wanted)
    try:
        yield
    finally:
        _precision.reset(before)


def primitive(name: str) -> tuple[Expr, ...]:
    """The derivative of an elementary function for each operand, as it is taken."""
    count = 2 if name == "atan2" else 1
    return tuple(s.taken for s in local(call(name, *(arg(k) for k in range(count))), name).slopes)


@cache
def local(body: Expr, name: str) -> Local:
    """The local derivative of ``body``, a function called ``name``; cached answers first, then SymPy, then the sweep."""
    found = known(body, name)
    if found is not None:
        return found
    if not eligible(body):
        return _swept(body, name, "too large for SymPy, or it has branches: differentiated gate by gate")
    path = _user_path(body)
    stored = _read(path)
    if stored is not None:
        try:
            return _decode(stored, body, name)
        except (KeyError, TypeError, ValueError, AttributeError):
            pass  # a damaged entry is asked for again
    answer = derive(body, name)
    _write(path, _encode(answer))
    return answer


def known(body: Expr, name: str) -> Local | None:
    """The committed answer, if there is one. Never asks SymPy."""
    stored = _committed().get(show(body))
    return None if stored is None else _decode(stored, body, name)


def eligible(body: Expr) -> bool:
    """Whether SymPy is asked about ``body``: small, smooth, and not mere arithmetic of degree one."""
    nodes = [*walk(body)]
    allowed = (*ARITHMETIC, *PRIMITIVES, "arg", "const", "sym")
    if len(nodes) > LARGEST or any(n.op not in allowed and n is not PI for n in nodes):
        return False
    return any(n.op in PRIMITIVES or n.op in ("div", "pow") for n in nodes)


def function_partials(body: Expr, wrt: Iterable[int], name: str) -> dict[int, Expr]:
    """As :func:`.partials.partials`, for the whole body of an equation whose operation is ``name``.

    Where that is a function that somebody defined, SymPy may know a cheaper form, perhaps written with the function's
    value (here ``body`` itself). Where the sweep guards an infinite slope, its answer stands.
    """
    from .partials import partials

    wanted = tuple(wrt)
    swept = partials(body, wanted)
    count = len(arguments(body))
    plain_names = (*ARITHMETIC, *PRIMITIVES, *COMPARISONS, *LOGIC, *CHOICES)
    if name in plain_names or not composite(body) or not eligible(body) or arguments(body) != tuple(range(count)):
        return swept
    if any(n.op == "where" for p in swept.values() for n in walk(p)):
        return swept
    answer = local(body, name)
    for k, p in swept.items():
        taken = answer.slopes[k].taken
        if _precision.get() or cost(taken) < cost(substitute(p, {body: OUT})):
            swept[k] = substitute(taken, {OUT: body})
    return swept


def composite(body: Expr) -> bool:
    """Whether a body is more than one operation on operands."""
    return any(a.args for a in body.args)


# ---------------------------------------------------------------- finding an answer


def plain(root: Expr) -> Expr:
    """``root`` with every composed primitive spelled out as its declaration defines it."""
    from ..ops.declare import table

    operations = table()
    done: dict[Expr, Expr] = {}
    for node in walk(root):
        args = tuple(done[a] for a in node.args)
        if node.op in COMPOSED:
            definition = operations[node.op].definition
            assert definition is not None
            done[node] = substitute(definition, {arg(k): a for k, a in enumerate(args)})
        else:
            done[node] = make(node.op, *args, value=node.value) if node.args else node
    return done[root]


def derive(body: Expr, name: str) -> Local:
    """Ask SymPy, whatever the caches hold."""
    from .algebra import Function, NotOurs
    from .partials import partials

    meaning = plain(body)
    count = len(arguments(body))
    try:
        function = Function(meaning)
        for k in range(count):
            function.derivative(k)
    except (NotOurs, TypeError, ValueError, NotImplementedError, AttributeError, RecursionError):
        return _swept(body, name, "SymPy has no derivative for it: differentiated gate by gate")
    swept = partials(body, range(count)) if body.op not in PRIMITIVES or composite(body) else {}
    slopes: list[Slope] = []
    for k in range(count):
        try:
            over_x, over_y = function.shorter(k), function.with_output(k)
        except (TypeError, ValueError, NotImplementedError, AttributeError, RecursionError, NotOurs):
            over_x, over_y = [], []
        own = [swept[k], substitute(swept[k], {body: OUT})] if swept else []
        if swept:
            with precisely(not _precision.get()):
                own.append(partials(body, range(count))[k])
        raw = function.raw_text(k, _names(count))
        slopes.append(_choose(body, meaning, k, raw, [*over_x, *over_y, *own], function.proved))
    return Local(name, body, meaning, tuple(slopes))


def _swept(body: Expr, name: str, why: str) -> Local:
    """The answer without SymPy."""
    from .partials import partials

    count = len(arguments(body))
    def slopes(wanted: bool) -> list[Expr]:
        with precisely(wanted):
            return [*partials(body, arguments(body)).values()]

    found = tuple(
        Slope("", p, None, substitute(p, {body: OUT}) if body.args else p, why, "by the rules of its gates", q, math.inf)
        for p, q in zip(slopes(False), slopes(True), strict=True)
    )
    return Local(name, body, body, found[:count])


def _choose(body: Expr, meaning: Expr, k: int, raw: str, forms: list[Expr],
            symbolic: Callable[[int, Expr], bool]) -> Slope:  # fmt: skip
    """The cheapest right form, and the sentence that says why."""
    from .catalogue import recognise

    candidates: dict[Expr, None] = {}
    for form in forms:
        candidates.setdefault(form)
        candidates.setdefault(tidy(recognise(form)))
        candidates.setdefault(tidy(form))
    points, edges = _points(meaning, k)
    right = [c for c in candidates if len(points) >= 4 and all(p.agrees(c) for p in points)]
    over_x = [c for c in right if not _has_output(c)]
    over_y = [c for c in right if _has_output(c)]
    if not over_x:
        why = f"of {len(candidates)} forms none could be proved at {len(points)} points: differentiated gate by gate"
        swept = _swept(body, "", why).slopes
        return swept[k]
    trials = (*points, *edges)
    simplified = _cheapest(over_x, trials)
    over_y = [c for c in over_y if cost(c) <= cost(simplified) + 4]
    best_y = _cheapest(over_y, trials) if over_y else None
    chosen = simplified
    if best_y is None:
        reason = "no form with the output is cheaper"
    else:
        y_cost, x_cost = cost(best_y), cost(simplified)
        y_error, x_error = _error(best_y, trials), _error(simplified, trials)
        y_ulp, x_ulp = _error(best_y, trials, relative=True), _error(simplified, trials, relative=True)
        if y_cost >= x_cost:
            reason = f"{_say(best_y)} with the output costs {y_cost}, not less than {x_cost}"
            if y_ulp > 1000 and y_ulp > 100 * x_ulp and y_ulp < math.inf:
                reason += f", and is off by {_figure(y_ulp)} ulp of itself in the tails"
        elif y_error > max(8.0, 4 * x_error):
            reason = f"{_say(best_y)} with the output is off by {_figure(y_error)} eps * max(1, |f'|) at the edges"
        else:
            chosen = best_y
            reason = (
                f"costs {y_cost} against {x_cost} for the form over the arguments; within {_figure(max(y_error, 0.5))} "
                f"eps * max(1, |f'|) at {len(trials)} points, edges included"
            )
    proof = f"50 digits at {len(points)} points"
    if symbolic(k, substitute(plain(chosen), {})):
        proof = "symbolic, and " + proof
    precise, ulp = _precisest(right, trials)
    return Slope(raw, simplified, best_y, chosen, reason, proof, precise, ulp)


def _cheapest(forms: Sequence[Expr], trials: Sequence[_Point]) -> Expr:
    """The cheapest among those as accurate as can be had."""
    errors = {f: _error(f, trials) for f in forms}
    limit = max(8.0, 2 * min(errors.values()))
    return min((f for f in forms if errors[f] <= limit), key=lambda f: (cost(f), _cancels(f), len(show(f)), show(f)))


def _precisest(forms: Sequence[Expr], trials: Sequence[_Point]) -> tuple[Expr, float]:
    """The cheapest of those that are as right relative to themselves as can be had, and by how many ulp they are off."""
    errors = {f: _error(f, trials, relative=True) for f in forms}
    limit = max(4.0, 2 * min(errors.values()))
    best = min((f for f in forms if errors[f] <= limit), key=lambda f: (cost(f), _cancels(f), len(show(f)), show(f)))
    return best, round(errors[best], 1)


def _cancels(form: Expr) -> bool:
    """A difference at the root of two things that both vary: a product is better where it costs the same."""
    return form.op in ("add", "sub") and all(a.number is None for a in form.args)


def _say(form: Expr) -> str:
    return formula(form, _names(1 + max((k for k in arguments(form)), default=0)))


def _figure(value: float) -> str:
    return f"{value:.0e}".replace("e+0", "e").replace("e+", "e") if value >= 1000 else f"{value:.1f}".rstrip("0").rstrip(".")


def _has_output(form: Expr) -> bool:
    return any(node is OUT for node in walk(form))


def cost(form: Expr) -> int:
    """About how much an evaluation takes: 1 for a sum or product, 4 for a quotient or root, 20 for a call."""
    total = 0
    for node in walk(form):
        if node.op in LEAVES:
            continue
        if node.op in ("add", "sub", "mul", "neg", "square", "max", "min", "where"):
            total += 1
        elif node.op in ("div", "sqrt"):
            total += 4
        elif node.op == "pow":
            exponent = node.args[1].number
            if exponent is None or (2 * exponent).denominator != 1 or abs(exponent) > 16:
                total += 20
            else:
                whole = abs(exponent.numerator // exponent.denominator)
                total += max(whole.bit_length() + whole.bit_count() - 2, 0) + (4 if exponent < 0 else 0)
                total += 5 if exponent.denominator == 2 else 0
        else:
            total += 20
    return total


def tidy(form: Expr) -> Expr:
    """The same with constants first in products, squares as products, and no needless signs."""
    done: dict[Expr, Expr] = {}
    for node in walk(form):
        args = tuple(done[a] for a in node.args)
        if node.op == "mul" and args[1].number is not None and args[0].number is None:
            args = (args[1], args[0])
        fresh = make(node.op, *args, value=node.value)
        if node.op == "neg" and args[0].op == "mul" and args[0].args[0].op == "sub":
            difference = args[0].args[0].args
            fresh = make("mul", make("sub", difference[1], difference[0]), args[0].args[1])
        if node.op == "pow" and args[1].number == 2 and args[0].op in LEAVES:
            fresh = make("mul", args[0], args[0])
        done[node] = fresh
    return done[form]


# ---------------------------------------------------------------- points, at 50 digits and in doubles


@dataclass(frozen=True)
class _Point:
    """Values of the arguments, and of the function and its derivative there to 50 digits."""

    values: Mapping[Expr, Fraction]
    y: Any
    slope: Any

    def agrees(self, form: Expr) -> bool:
        import mpmath

        with mpmath.workdps(60):
            value = _precise(form, self.values, self.y)
            if value is None or not mpmath.isfinite(value):
                return False
            return bool(abs(value - self.slope) <= mpmath.mpf(10) ** -40 * max(abs(self.slope), mpmath.mpf(10) ** -10))


_TRIES: Final = ("-30", "-7.3", "-2.5", "-1.4", "-0.7", "-0.2", "0.3", "0.6", "0.85", "1.7", "2.9", "7.1", "20", "0.05", "-0.9",
                 "45.5")  # fmt: skip
_EDGES: Final = ("-800", "-700", "-40", "-20", "-1e-8", "0", "1e-8", "1e-3", "20", "40", "700", "800", "1e4", "-1e8",
                 "0.99999999", "-0.99999999", "1e-200")  # fmt: skip


def _points(meaning: Expr, k: int) -> tuple[list[_Point], list[_Point]]:
    """Points inside the domain where the proof is made, and edges where accuracy is measured."""
    variables = [*dict.fromkeys(n for n in walk(meaning) if n.op in ("arg", "sym"))]
    variables.sort(key=lambda n: (n.op != "arg", str(n.value)))

    def at(text: Sequence[str]) -> _Point | None:
        import mpmath

        values = {v: Fraction(float(t)) for v, t in zip(variables, text, strict=True)}
        with mpmath.workdps(60):
            y, d = _precise(meaning, values, None), _difference(meaning, values, arg(k))
        if y is None or d is None or not mpmath.isfinite(y) or not mpmath.isfinite(d):
            return None
        return _Point(values, y, d)

    n = len(variables)
    rows = [[_TRIES[(i * (2 * j + 1) + 5 * j) % len(_TRIES)] for j in range(n)] for i in range(len(_TRIES))]
    if n > 1:
        rows += [[_TRIES[(i * (j + 2) + 3 * j + 1) % len(_TRIES)] for j in range(n)] for i in range(len(_TRIES))]
    points = [p for row in rows if (p := at(row)) is not None]
    main = variables.index(arg(k)) if arg(k) in variables else 0
    others = ("0.6", "1.7", "-0.7")
    edge_rows = [[e if j == main else others[j % 3] for j in range(n)] for e in _EDGES]
    edges = [p for row in edge_rows if (p := at(row)) is not None]
    return points, edges


def _difference(meaning: Expr, values: Mapping[Expr, Fraction], variable: Expr) -> Any:
    """The derivative by differences of order eight in 400-digit arithmetic: it shares nothing with SymPy's or our rules."""
    import mpmath as mp

    with mp.workdps(400):
        step = Fraction(1, 10**60) * max(Fraction(1, 10**220), abs(values[variable]))
        total = mp.mpf(0)
        for n, weight in enumerate((mp.mpf(4) / 5, -mp.mpf(1) / 5, mp.mpf(4) / 105, -mp.mpf(1) / 280), 1):
            above = _precise(meaning, {**values, variable: values[variable] + n * step}, None)
            below = _precise(meaning, {**values, variable: values[variable] - n * step}, None)
            if above is None or below is None:
                return None
            total += weight * (above - below)
        return total / (mp.mpf(step.numerator) / step.denominator)


def _precise(form: Expr, values: Mapping[Expr, Fraction], y: Any) -> Any:
    """``form`` in mpmath's arithmetic; None outside its domain."""
    import mpmath as mp

    def leaf(node: Expr) -> Any:
        if node.number is not None:
            return mp.mpf(node.number.numerator) / node.number.denominator
        if node is PI:
            return +mp.pi
        if node is OUT:
            return y
        value = values[node]
        return mp.mpf(value.numerator) / value.denominator

    functions: dict[str, Callable[..., Any]] = {
        "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b,
        "neg": lambda a: -a, "pow": lambda a, b: a**b, "square": lambda a: a * a,
        "sigmoid": lambda a: 1 / (1 + mp.exp(-a)), "softplus": lambda a: mp.log1p(mp.exp(a)),
        "log1p": mp.log1p, "expm1": mp.expm1,
        **{n: getattr(mp, n) for n in PLAIN if n != "lgamma"},
        "lgamma": mp.loggamma, "polygamma": mp.psi,
    }  # fmt: skip
    if any(n.op not in functions and n.op not in LEAVES for n in walk(form)):
        return None
    try:
        value = evaluate(form, leaf, functions)
    except (ZeroDivisionError, ValueError, OverflowError, TypeError, KeyError):
        return None
    return value if isinstance(value, mp.mpf) else None


def _error(form: Expr, trials: Sequence[_Point], relative: bool = False) -> float:
    """The worst error of ``form`` in double arithmetic, in eps * max(1, |f'|), or in eps * |f'|."""
    import mpmath as mp

    worst = 0.0
    for point in trials:
        with mp.workdps(60):
            exact = point.slope
            if abs(exact) > mp.mpf("1e300"):
                continue
            value = doubles(form, {n: float(v) for n, v in point.values.items()}, float(point.y))
            if math.isnan(value) or math.isinf(value):
                return math.inf
            scale = abs(exact) if relative else max(abs(exact), 1)
            if relative and abs(exact) < mp.mpf("1e-290"):
                continue
            worst = max(worst, float(abs(mp.mpf(value) - exact) / (scale * _EPS)) if scale else 0.0)
    return worst


def doubles(form: Expr, values: Mapping[Expr, float], y: float) -> float:
    """``form`` in ordinary arithmetic, as generated code evaluates it; NaN outside its domain."""

    from gradwright.runtime import special

    def leaf(node: Expr) -> float:
        if node.number is not None:
            return float(node.number)
        return math.pi if node is PI else y if node is OUT else values[node]

    def guard(f: Callable[..., float], overflow: float = math.inf) -> Callable[..., float]:
        def safe(*a: float) -> float:
            try:
                result = f(*a)
            except OverflowError:
                return overflow
            except (ValueError, ZeroDivisionError):
                return math.nan
            return math.nan if isinstance(result, complex) else result

        return safe

    def quotient(a: float, b: float) -> float:
        if b == 0:
            return math.nan if a == 0 or math.isnan(a) else math.copysign(math.inf, a) * math.copysign(1.0, b)
        return a / b

    def sigmoid(a: float) -> float:
        e = math.exp(-abs(a))
        return 1 / (1 + e) if a >= 0 else e / (1 + e)

    functions: dict[str, Callable[..., float]] = {
        "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": quotient,
        "neg": lambda a: -a, "pow": guard(lambda a, b: a**b), "square": lambda a: a * a, "sigmoid": sigmoid,
        "softplus": lambda a: max(a, 0.0) + math.log1p(math.exp(-abs(a))),
        "log": lambda a: -math.inf if a == 0 else guard(math.log)(a),
        **{n: guard(getattr(math, n)) for n in (*PLAIN, "log1p", "expm1") if n not in ("log", "digamma")},
        "digamma": special.digamma, "polygamma": special.polygamma,
    }  # fmt: skip
    return float(evaluate(form, leaf, functions))


# ---------------------------------------------------------------- text


def _names(count: int) -> tuple[str, ...]:
    return ("x",) if count <= 1 else tuple("abcdeghijk"[:count]) if count <= 10 else tuple(f"x{k}" for k in range(count))


def formula(form: Expr, names: Sequence[str]) -> str:
    """The formula for a reader: the arguments by ``names``, the output as y."""
    output = "y" if "y" not in names else "out"

    def leaf(node: Expr) -> str:
        if node.op == "arg" and isinstance(node.value, int):
            return names[node.value] if node.value < len(names) else f"x{node.value}"
        if node is OUT:
            return output
        return number_text(node.number) if node.number is not None else str(node.value)

    return show(form, leaf)


def derivation(name: str, body: Expr, names: Sequence[str] = ()) -> str:
    """How the local derivative of a function came about, for ``gradwright derive``."""
    answer = local(body, name)
    called = tuple(names) if len(names) >= len(answer.slopes) else _names(len(answer.slopes))
    output = "y" if "y" not in called else "out"
    lines = [f"{name}({', '.join(called[: len(answer.slopes)])}) = {formula(answer.meaning, called)}"]
    for k, slope in enumerate(answer.slopes):
        lines.append(f"  derivative for {called[k]}")
        if slope.raw:
            lines.append(f"    from SymPy       {slope.raw}")
        lines.append(f"    simplified       {formula(slope.simplified, called)}")
        if slope.with_output is not None:
            whole = f"{name}({', '.join(called[: len(answer.slopes)])})"
            lines.append(f"    with the output  {formula(slope.with_output, called)}    where {output} = {whole}")
        if slope.precise != slope.chosen and slope.ulp <= 16:
            lines.append(f"    precise          {formula(slope.precise, called)}    within {_figure(slope.ulp)} ulp of itself")
        lines.append(f"    taken            {formula(slope.chosen, called)}")
        lines.append(f"    because          {slope.reason}")
        lines.append(f"    proved           {slope.proof}")
    return "\n".join(lines)


# ---------------------------------------------------------------- answers as text


def _encode(answer: Local) -> dict[str, Any]:
    return {
        "meaning": show(answer.meaning),
        "slopes": [
            {"raw": s.raw, "simplified": show(s.simplified), "with_output": show(s.with_output) if s.with_output else None,
             "chosen": show(s.chosen), "reason": s.reason, "proof": s.proof, "precise": show(s.precise), "ulp": s.ulp}
            for s in answer.slopes
        ],
    }  # fmt: skip


def _decode(stored: Mapping[str, Any], body: Expr, name: str) -> Local:
    slopes = tuple(
        Slope(str(s["raw"]), parse(s["simplified"]), parse(s["with_output"]) if s["with_output"] else None, parse(s["chosen"]),
              str(s["reason"]), str(s["proof"]), parse(s["precise"]), float(s["ulp"]))
        for s in stored["slopes"]
    )  # fmt: skip
    if len(slopes) != len(arguments(body)):
        raise FormulaError("an answer for other arguments")
    return Local(name, body, parse(stored["meaning"]), slopes)


@cache
def _committed() -> dict[str, Any]:
    try:
        stored = json.loads(_ANSWERS.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    answers = stored["answers"]
    assert isinstance(answers, dict)
    return answers


def answers_text(bodies: Iterable[tuple[str, Expr]]) -> str:
    """What ``answers.json`` should hold for these functions, asked of SymPy anew."""
    answers = {show(body): _encode(derive(body, name)) for name, body in bodies}
    return json.dumps({"rules": RULES, "answers": answers}, indent=1, ensure_ascii=False) + "\n"


def _user_path(body: Expr) -> Path | None:
    from importlib.metadata import PackageNotFoundError, version

    from platformdirs import user_cache_path

    try:
        sympy_version = version("sympy")
    except PackageNotFoundError:
        sympy_version = "?"
    key = hashlib.sha256(f"{RULES}\n{sympy_version}\n{show(body)}".encode()).hexdigest()
    chosen = os.environ.get("GRADWRIGHT_CACHE", "")
    root = Path(chosen) if chosen else user_cache_path("gradwright")
    return root / "derivatives" / f"{key}.json"


def _read(path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    try:
        stored = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return stored if isinstance(stored, dict) else None


def _write(path: Path | None, stored: Mapping[str, Any]) -> None:
    """Whole or not at all; a cache that cannot be written is no error."""
    if path is None:
        return
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(stored, file, ensure_ascii=False)
        os.replace(temporary, path)
    except OSError:
        if temporary:
            Path(temporary).unlink(missing_ok=True)


__all__ = ["COMPOSED", "PRIMITIVES", "Local", "Slope", "answers_text", "cost", "derivation", "derive", "eligible", "formula",
           "function_partials", "known", "local", "plain", "precisely", "primitive"]  # fmt: skip
