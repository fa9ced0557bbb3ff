"""How params and states start: fixed values, or a distribution from which they are drawn."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Final

from ..graph.ir import Init
from ..graph.shapes import Dim, Shape
from ..graph.shapes import show as show_shape
from ..language import syntax
from ..language.diagnostics import suggest
from ..ops.declare import Clash, broadcast_shapes
from .constants import broadcast_data, exact_number
from .context import Context
from .scope import Env
from .values import Literal, Poison, Scalar, describe

# The parameters of a distribution, with their defaults.
Distribution = tuple[tuple[str, Fraction | None], ...]
DISTRIBUTIONS: Final[dict[str, Distribution]] = {
    "normal": (("mean", Fraction(0)), ("std", Fraction(1))),
    "uniform": (("low", None), ("high", None)),
    "glorot_uniform": (),
    "glorot_normal": (),
    "he_uniform": (),
    "he_normal": (),
    "orthogonal": (),
}


def initial(context: Context, node: syntax.ParamDecl | syntax.State, shape: Shape | None, env: Env) -> Init | None:
    """How a param or a state starts; None after an error."""
    word, part = ("state", node.value) if isinstance(node, syntax.State) else ("param", node.init)
    if part is None:
        return Init("values", (Fraction(0),))
    if isinstance(node, syntax.ParamDecl) and node.random:
        return distribution(context, part, shape, env)
    value = context.constant(part, env)
    if isinstance(value, Poison) or shape is None:
        return None
    number = exact_number(value) if isinstance(value, Scalar) else None
    if number is not None:
        return Init("values", (number,))
    if not isinstance(value, Literal):
        message = f"the initial value of a {word} is made of numbers that are known when the module is compiled"
        context.tell(env, "E244", message, part.span)
        return None
    try:
        fits = broadcast_shapes((shape, tuple(Dim.of(d) for d in value.shape))) == shape
    except Clash:
        fits = False
    if not fits:
        context.tell(
            env, "E263", f"the initial value does not have the shape of the {word}", part.span,
            labels=((node.name.span, f"{node.name.id} is {show_shape(shape)}"), (part.span, f"this is {describe(value)}")),
        )  # fmt: skip
        return None
    data = broadcast_data(value.shape, value.data, tuple(int(d.value or 0) for d in shape))
    return Init("values", data[:1] if len(set(data)) == 1 else data)


def distribution(
    context: Context, node: syntax.Expression, shape: Shape | None, env: Env, known: Mapping[str, Distribution] = DISTRIBUTIONS
) -> Init | None:  # fmt: skip
    """A call of one of the ``known`` distributions; None after an error."""
    if isinstance(node, syntax.Ref):
        node = syntax.Call(syntax.Name(node.id, span=node.span), (), (), span=node.span)
    if not isinstance(node, syntax.Call):
        context.tell(
            env, "E261", "a distribution is wanted here", node.span, notes=(f"there are {', '.join(known)}",),
            help="a fixed initial value is written with =" if known is DISTRIBUTIONS else None,
        )  # fmt: skip
        return None
    name = node.func.id
    params = known.get(name)
    if params is None:
        meant = suggest(name, known)
        context.tell(
            env, "E261", f"there is no distribution {name}", node.func.span,
            notes=() if meant else (f"there are {', '.join(known)}",),
            help=f"did you mean {meant}?" if meant else None,
        )  # fmt: skip
        return None
    data = _numbers(context, node, params, env)
    if data is None:
        return None
    wrong = _wrong(name, data)
    if wrong:
        context.tell(env, "E262", wrong, node.span)
        return None
    if not params and shape is not None and len(shape) < 2:  # its width follows from the sizes of both
        context.tell(
            env, "E262", f"{name} wants at least two axes", node.span,
            notes=(f"the param is {show_shape(shape) if shape else 'a scalar'}",),
            help="normal(0, 0.01) or = 0 serve for a vector",
        )  # fmt: skip
        return None
    return Init(name, tuple(data))


def _numbers(context: Context, node: syntax.Call, params: Distribution, env: Env) -> list[Fraction] | None:
    """The parameters of a distribution; None after an error."""
    bound = context.ev.bind(node, [(p, default is None) for p, default in params], env)
    if bound is None:
        return None
    data: list[Fraction] = []
    for p, default in params:
        part = bound[p]
        if part is None:
            assert default is not None
            data.append(default)
            continue
        value = context.constant(part, env)
        number = exact_number(value) if isinstance(value, Scalar) else None
        if number is None:
            if not isinstance(value, Poison):
                context.tell(env, "E262", f"{p} is a number that is known when the module is compiled", part.span)
            return None
        data.append(number)
    return data


def _wrong(name: str, data: list[Fraction]) -> str:
    """What is wrong with the parameters of a distribution, if anything is."""
    if name == "normal" and data[1] < 0:
        return "the standard deviation cannot be negative"
    if name == "uniform" and data[0] > data[1]:
        return "low is above high"
    if name == "bernoulli" and not 0 <= data[0] <= 1:
        return f"p is a probability, from 0 to 1, and this is {float(data[0]):g}"
    return ""
