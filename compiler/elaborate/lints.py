"""Warnings: what is legal and hardly meant."""

from __future__ import annotations

import math

from ..graph.expr import arg
from ..graph.shapes import Dim, show
from ..language import syntax
from ..language.diagnostics import Label
from ..language.source import Span
from .context import Context
from .declarations import Declarations
from .evaluator import NotElementwise
from .results import Results
from .scope import Env, Function, Lifter
from .values import Draft, Elem, Scalar, Val, Value, describe, reached


def lint(context: Context, declared: Declarations, results: Results) -> None:
    """Report all warnings of a model without errors."""
    unused(context, results)
    unreached(context, declared, results)
    collapsed(context, results)
    probabilities(context)
    all_pairs(context)
    empty(context)
    hand_made(context)


def unused(context: Context, results: Results) -> None:
    """W303, W305: inputs, hypers and bindings that nothing reads."""
    targets = {o.val.name for o in results.outputs.values()}
    for name, entry in context.ev.entries.items():
        if entry.what in ("input", "index", "hyper", "random value") and not entry.used:
            context.bag.report("W303", f"the {entry.what} {name} is never used", entry.span)
    for name, entries in context.bound.items():
        for entry in entries:
            if entry.used or name.startswith("_") or (isinstance(entry.value, Val) and entry.value.name in targets):
                continue
            context.bag.report("W305", f"{name} is never used", entry.span)


def unreached(context: Context, declared: Declarations, results: Results) -> None:
    """W301: trained params that what is minimized does not depend on."""
    roots = [results.loss] if results.loss is not None else [o.val for o in results.outputs.values()]
    what = "the loss does" if results.loss is not None else "the outputs do" if len(roots) > 1 else "the output does"
    if not roots:
        return
    seen = reached(roots)
    for val, param in declared.params:
        if not param.frozen and id(val) not in seen:
            context.bag.report(
                "W301",
                f"{what} not depend on {val.name}",
                declared.of_layers.get(val.name) or context.ev.entries[val.name].span,
                help="remove it, use it, or declare it frozen",
            )


_MOVES = ("transpose", "reshape", "copy")


def _param_matrix(val: Val) -> Val | None:
    while isinstance(val.maker, Draft) and val.maker.step.op in _MOVES:
        val = val.maker.operands[0]
    return val if val.declared == "param" else None


def _is_offset(val: Val) -> bool:
    return _param_matrix(val) is not None or val.function == "constant"


def collapsed(context: Context, results: Results) -> None:
    """W302: two matrix products with params and nothing non-linear between: one product would do, but where there are fewer
    values between them than before and behind, as in a factorisation of low rank."""
    uses: dict[int, int] = {}
    for draft in context.ev.drafts:
        for v in draft.operands:
            uses[id(v)] = uses.get(id(v), 0) + 1
    for output in results.outputs.values():
        uses[id(output.val)] = uses.get(id(output.val), 0) + 1
    for draft in context.ev.drafts:
        if not isinstance(draft, Draft) or draft.step.op != "matmul":
            continue
        for side in (0, 1):
            weight, val = _param_matrix(draft.operands[1 - side]), draft.operands[side]
            if weight is None:
                continue
            first = _linear_before(val, side, uses)
            if first is not None and first is not weight and not _narrower(val.shape[-2:][0 if side else -1], first, weight):
                a, b = (first, weight) if side == 0 else (weight, first)
                span = draft.origin.spans[0]
                context.bag.report(
                    "W302",
                    f"there is nothing non-linear between {first.name} and {weight.name}",
                    span,
                    notes=(f"the two products are one with the matrix {a.name} @ {b.name}",),
                    help="put an activation between them, or keep one",
                )


def _narrower(between: Dim, first: Val, weight: Val) -> bool:
    """Whether what is between them is smaller than both ends: then their product is no matrix at will but one of low rank."""
    ends = [[dim.value for dim in param.shape] for param in (first, weight)]
    if between.value is None or any(None in dims or between.value not in dims for dims in ends):
        return False
    return all(math.prod(d for d in dims if d is not None) > between.value**2 for dims in ends)


def _linear_before(val: Val, side: int, uses: dict[int, int]) -> Val | None:
    """The param of the product that ``val`` is a linear function of, with nothing but biases in between."""
    while isinstance(maker := val.maker, Draft) and uses.get(id(val), 0) <= 1:
        if maker.step.op == "matmul":
            if _param_matrix(maker.operands[side]) is None:
                return _param_matrix(maker.operands[1 - side])
            return None
        if maker.step.op in ("add", "sub") and len(maker.operands) == 2:
            offsets = [_is_offset(v) for v in maker.operands]
            if offsets.count(True) != 1:
                return None
            val = maker.operands[offsets.index(False)]
        elif maker.step.op in ("neg", "copy", "add", "sub", "mul", "div", "real") and len(maker.operands) == 1:
            if maker.step.op == "div" and maker.step.body.args[0].op != "arg":
                return None
            val = maker.operands[0]
        else:
            return None
    return None


def probabilities(context: Context) -> None:
    """W304: a sigmoid or softmax in front of a loss that applies its own."""
    for span, value, name, function in context.ev.logits:
        if isinstance(value, Val) and value.function in ("sigmoid", "softmax"):
            subject = name if name != "this" else f"the result of {value.function}"
            help = "give it the scores that go into " + value.function
            if function == "binary_cross_entropy":
                help += ", or leave with_logits out"
            context.bag.report(
                "W304",
                f"{function} wants logits, and {subject} is a probability",
                span,
                notes=(f"{value.function} is applied once more inside",),
                help=help,
            )


def all_pairs(context: Context) -> None:
    """W307: a loss or a difference of a column and a vector, which broadcast to all pairs of their elements."""
    for span, function, pair in context.ev.crossed:
        (_, first, a), (_, second, b) = pair
        rank = max(len(a.shape), len(b.shape))
        shape = tuple(y if x.is_one() else x for x, y in zip(_aligned(a, rank), _aligned(b, rank), strict=True))
        column, vector = (first, second) if len(a.shape) > len(b.shape) else (second, first)
        help = "give both the same shape"
        if "this" not in (column, vector) and rank == 2:
            help += f", as {column}[:, 0] or {vector}[:, None]"
        of = "" if first == second == "this" else f" of {first} and {second}"
        context.bag.report(
            "W307",
            f"{function or 'the difference'}{of} takes all pairs of their elements",
            span,
            labels=[Label(span, ""), *(Label(where, f"{name} is {describe(value)}") for where, name, value in pair)],
            notes=(f"they broadcast to {show(shape)}",),
            help=help,
        )


def _aligned(value: Val, rank: int) -> tuple[Dim, ...]:
    """The shape with axes of one element in front."""
    return (*(Dim.of(1) for _ in range(rank - len(value.shape))), *value.shape)


def empty(context: Context) -> None:
    """W308: an array without elements, made of arrays that have some: a window that is larger than the image, an empty slice. But
    not where the same text makes others that have elements, as in the last round of a `for`."""

    def nothing(val: Val) -> bool:
        return any(dim.value == 0 for dim in val.shape)

    def written(draft: Draft) -> tuple[Span, tuple[int, ...]]:
        return draft.origin.spans[0], tuple(map(id, draft.operands))

    drafts = [draft for draft in context.ev.drafts if isinstance(draft, Draft) and draft.operands and draft.origin.spans]
    told = {written(draft) for draft in drafts if not nothing(draft.out)}
    for draft in drafts:
        if nothing(draft.out) and not any(map(nothing, draft.operands)) and written(draft) not in told:
            told.add(written(draft))
            where = draft.origin.note.removeprefix("in ")
            labels = [Label(draft.origin.spans[0], f"this is {describe(draft.out)}")]
            message = "this array has no elements"
            context.bag.report("W308", f"{where}: {message}" if where else message, draft.origin.spans[0], labels=labels)


def hand_made(context: Context) -> None:
    """W306: a hand-made derivative that is not the function's, by differences at points drawn at random."""
    for frame in {id(f): f for f in (context.frame, *(fn.frame for fn in context.frame.functions.values()))}.values():
        for name, given in frame.derivatives.items():
            for wrt, node in given.items():
                worst = _deviation(context, frame.functions[name], wrt, node)
                if worst is not None:
                    at, slope, claimed = worst
                    context.bag.report(
                        "W306",
                        f"this is not the derivative of {name}",
                        node.value.span,
                        notes=(f"at {at} the slope is {slope:.6g}, and this gives {claimed:.6g}",),
                        help="the compiler uses it all the same; leave it out for the compiler's own",
                    )


def _deviation(context: Context, function: Function, wrt: str, node: syntax.DerivativeDecl) -> tuple[str, float, float] | None:
    from ..meaning.slopes import deviation

    formals = [p.name.id for p in function.tree.params]
    own: dict[str, Value] = {n: Elem(arg(k)) for k, n in enumerate(formals)}
    env = Env(function.frame, {}, None, Lifter())
    try:
        value = context.ev.gather(context.ev.body(function.tree, dict(own), env))
        renamed = {p.id: own[f] for p, f in zip(node.params, formals, strict=True)}
        slope = context.ev.run(node.value, Env(function.frame, renamed, None, Lifter()))
    except NotElementwise:
        return None
    pairs = [v.expr if isinstance(v, Elem | Scalar) else None for v in (value, slope)]
    if pairs[0] is None or pairs[1] is None:
        return None
    known: list[float | None] = []  # other arguments are what they are meant to be: widths, rates...
    for p in function.tree.params:
        default = context.constant(p.default) if p.default is not None and p.name.id != wrt else None
        known.append(float(default.number) if isinstance(default, Scalar) and default.number is not None else None)
    worst = deviation(pairs[0], pairs[1], formals.index(wrt), known)
    if worst is None:
        return None
    point, right, claimed = worst
    return ", ".join(f"{n} = {x:.4g}" for n, x in zip(formals, point, strict=True)), right, claimed
