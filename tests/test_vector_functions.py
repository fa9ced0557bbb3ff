"""What makes a loop over formulas fast: arithmetic in the model's own type, and functions that the C compiler vectorises."""

from __future__ import annotations

from gradwright.compiler.driver import compile_model


def text(model: str) -> str:
    return str(next(iter(compile_model(model, stop_after="cython", name="model").value.values())))


def test_whole_numbers_do_not_take_a_float_to_double() -> None:
    """C computes 1.0 - x of a float in double, and so half as many at a time."""
    model = "dtype float32\nsize N\ninput x[N]\noutput f = 1 - 2*x\noutput g = 1/x**2\noutput h = x**-0.5\n"
    code, double = text(model), text(model.replace("float32", "float64"))
    assert "f[n] = <real>1 - <real>2*x[n]" in code and "f[n] = 1 - 2*x[n]" in double
    assert "<real>1/(x[n]*sqrt(x[n]))" in code and "1/(x[n]*sqrt(x[n]))" in double
    assert "*(<real>2*x[n])" in code and "*(2*x[n])" in double
