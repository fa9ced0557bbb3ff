"""The training step with its update: equations that write a parameter's next value over the parameter.

A rule whose next w is ``a*w + b*g``, with factors that are the same for all elements and steps, needs no state and no gradient
that is kept: where the gradient ends in a matrix product or in a scatter, that adds straight to the parameter
(``loops/schedule.py``), and of an embedding only the rows that occur are touched. Plain gradient descent is such a rule; sgd is
one as long as its momentum is 0.

A model that asks for any other rule, and has many parameters, gets a step in which each gradient goes to the rule as soon as it
is there, and its place to the next. A model that asks for none gets both, where the update is a good part of the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Access, Eqn, Graph, Model, Origin, Scan, Update, Value, at, of_rule, outs
from ..graph.patterns import special
from ..graph.rewrite import Namer, shape_axes
from ..graph.shapes import Dim, size
from ..records import dataclass
from .names import rename
from .products import is_product

USES = 32  # multiplications by a weight in a row, from which on its update takes no time to speak of
MANY = 1 << 16  # elements of all parameters whose gradients are not kept, where a rule is asked for that is not plain
VAST = 1 << 19  # of gradients that are products, where no rule is asked for: one more kernel, which pays once no cache holds them
OTHERWISE = 32  # what free sizes are taken for, if they are not the rows


@dataclass(frozen=True)
class Rule:
    """``update`` as long as the hyper-parameters ``zero`` are 0: then w becomes ``result``, over w, g and the others."""

    update: Update
    zero: tuple[str, ...]
    result: Expr


def split(body: Expr, leaf: Expr) -> tuple[Expr, Expr] | None:
    """(c, r) with ``body`` equal to c * leaf + r, where neither has ``leaf`` in it; None if there is none."""
    done: dict[Expr, tuple[Expr, Expr] | None] = {}
    for node in E.walk(body):
        if node is leaf:
            done[node] = E.ONE, E.ZERO
            continue
        parts = [done[a] for a in node.args]
        if all(p is not None and p[0] is E.ZERO for p in parts):
            done[node] = E.ZERO, node
            continue
        done[node] = None
        if any(p is None for p in parts):
            continue
        (c, r), *others = [p for p in parts if p is not None]
        if node.op == "neg":
            done[node] = E.neg(c), E.neg(r)
        elif node.op in ("add", "sub"):
            join = E.add if node.op == "add" else E.sub
            done[node] = join(c, others[0][0]), join(r, others[0][1])
        elif node.op == "mul" and c is E.ZERO:
            done[node] = E.mul(r, others[0][0]), E.mul(r, others[0][1])
        elif node.op in ("mul", "div") and others[0][0] is E.ZERO:
            join = E.mul if node.op == "mul" else E.div
            done[node] = join(c, others[0][1]), join(r, others[0][1])
    return done[body]


def plain_rule(model: Model) -> Rule | None:
    """The rule that a step may hold: the one that ``minimize ... with`` names, or else the first of the others that can."""
    wanted = model.optimizer[0] if model.optimizer is not None else None
    found = [r for r in map(_plain, sorted(model.updates, key=lambda u: u.name != wanted)) if r is not None]
    return found[0] if found else None


@of_rule
def _plain(update: Update) -> Rule | None:
    """With as few hyper-parameters at 0 as need be, of those that are 0 by default."""
    off = [name for name, default in update.hypers if default == 0]
    for name in (None, *off):  # all of them, and then each that need not be
        fewer = [n for n in off if n != name]
        if _result(update, fewer) is not None:
            off = fewer
    result = _result(update, off)
    return None if result is None else Rule(update, tuple(off), result)


def _result(update: Update, zero: Sequence[str]) -> Expr | None:
    zeros = {E.sym(name): E.ZERO for name in zero}
    result = _settled(E.substitute(update.results[0], zeros))
    varying = {update.weight, update.gradient, *(name for name, _ in update.states), "t"}
    w, g = E.sym(update.weight), E.sym(update.gradient)
    by_w = split(result, w)
    by_g = None if by_w is None else split(by_w[1], g)
    if by_w is None or by_g is None or by_g[1] is not E.ZERO:
        return None
    leaves = {str(leaf.value) for part in (by_w[0], by_g[0]) for leaf in E.leaves(part, "sym")}
    return None if leaves & varying or by_g[0] is E.ZERO else result


def names(model: Model, rule: Rule) -> bool:
    """Whether ``minimize ... with`` asks for this rule, and with nothing that it does not hold."""
    if model.optimizer is None or model.optimizer[0] != rule.update.name:
        return False
    return not any(value for name, value in model.optimizer[1] if name in rule.zero)


def many(values: Iterable[Value], least: int = MANY) -> bool:
    """Whether there are so many elements that gradients are worth no memory of their own."""
    total = Dim.of(0)
    for value in values:
        total = total + size(value.shape)
    return total.value is not None and total.value >= least


@of_rule
def idle(update: Update) -> tuple[tuple[str, ...], Update] | None:
    """The rule without the states that are of no use while some hyper-parameters are 0, as they are by default, and which
    these are: sgd without its mean of gradients while momentum is 0."""
    off = [name for name, default in update.hypers if default == 0]
    fewest = len(_without(update, off).states)
    if fewest == len(update.states):
        return None
    for name in tuple(off):
        fewer = [n for n in off if n != name]
        if len(_without(update, fewer).states) == fewest:
            off = fewer
    return tuple(off), _without(update, off)


def _without(update: Update, zero: Sequence[str]) -> Update:
    zeros = {E.sym(name): E.ZERO for name in zero}
    weight, *results = [_settled(E.substitute(r, zeros)) for r in update.results]
    following = dict(zip((name for name, _ in update.states), results, strict=True))
    used: dict[str, None] = {}
    waiting = [weight]
    while waiting:
        for leaf in E.leaves(waiting.pop(), "sym"):
            name = str(leaf.value)
            if name in following and name not in used:
                used[name] = None
                waiting.append(following[name])
    kept = [k for k, (name, _) in enumerate(update.states) if name in used]
    return replace(update, states=tuple(update.states[k] for k in kept), results=(weight, *(results[k] for k in kept)),
                   origins=(update.origins[0], *(update.origins[k + 1] for k in kept)))  # fmt: skip


def _settled(root: Expr) -> Expr:
    """Folded, with every choice made that is known."""
    done: dict[Expr, Expr] = {}
    for node in E.walk(root):
        args = tuple(done[a] for a in node.args)
        if node.op == "where" and args[0].number is not None:
            done[node] = args[1] if args[0].number else args[2]
        else:
            done[node] = E.fold_node(node, args) if args else node
    return done[root]


def scatters(eqn: Eqn) -> bool:
    """Whether this adds up at places that it names; elsewhere all of it is zero."""
    return eqn.plain_out is None and eqn.reduce in ("", "+") and not special(eqn)


def products(graph: Graph, gradients: Iterable[str]) -> list[Value]:
    """The gradients that are matrix products, with nothing added."""
    made = {e.out.name: e for e in graph.eqns if isinstance(e, Eqn)}
    return [made[name].out for name in gradients if name in made and is_product(made[name])]


def pays(graph: Graph, gradients: Iterable[str], free: Sequence[str]) -> bool:
    """Whether a good part of a step's time goes into the update: the gradients of enough parameters end in matrix products or in
    scatters to the rows that occur, which can add to the parameters themselves, measured by what all products multiply for one
    row."""
    sizes = {name: 1 if name == free[0] else OTHERWISE for name in free}
    made = {e.out.name: e for e in graph.eqns if isinstance(e, Eqn)}

    def adds(eqn: Eqn) -> bool:
        return is_product(eqn) or (scatters(eqn) and any(True for ix in eqn.out_index for _ in ix.gathers()))

    updated = 0
    for name in gradients:
        eqn = made.get(name)
        if eqn is not None and (adds(eqn) or any(a.value in made and adds(made[a.value]) for a in eqn.args)):
            updated += size(eqn.out.shape).evaluate(sizes)
    return updated > 0 and updated * USES >= _multiplied(graph, sizes)


def _multiplied(graph: Graph, sizes: Mapping[str, int]) -> int:
    total = 0
    for eqn in graph.eqns:
        if isinstance(eqn, Scan):
            total += _multiplied(eqn.body, sizes) * eqn.axis.extent.evaluate(sizes)
        elif is_product(eqn):
            total += size(tuple(a.extent for a in eqn.axes)).evaluate(sizes)
    return total


def stepped(graph: Graph, rule: Rule, gradients: Mapping[str, str]) -> tuple[Graph, dict[str, str], dict[str, int]]:
    """The graph with what each parameter becomes, from the names of the gradients by parameter. Returns the names of these
    results by parameter, and which value is which of the rule's hyper-parameters."""
    values = graph.values()
    fresh = Namer(values)
    inner = {g: fresh(f"{g}_t1") for g in gradients.values()}  # of no interest by themselves any more
    graph = rename(graph, inner)
    update = rule.update
    scalars: dict[str, Value] = {}
    numbers: dict[str, int] = {}
    for k, (name, _) in enumerate(update.hypers):
        if E.sym(name) in E.leaves(rule.result, "sym"):
            scalars[name] = Value(fresh(name), ())
            numbers[scalars[name].name] = k
    made = {o.name: e.origin for e in graph.eqns for o in outs(e)}
    results: dict[str, str] = {}
    eqns = list(graph.eqns)
    for parameter, gradient in gradients.items():
        value = values[parameter]
        axes = shape_axes(value.shape)
        index = tuple(at(a.name) for a in axes)
        args = [Access(parameter, index), Access(inner[gradient], index), *(Access(v.name, ()) for v in scalars.values())]
        names = [update.weight, update.gradient, *scalars]
        body = E.substitute(rule.result, {E.sym(name): E.arg(k) for k, name in enumerate(names)})
        results[parameter] = fresh(f"{parameter}_next")
        own = made[inner[gradient]]
        origin = Origin((*update.origins[0].spans, *own.spans), "update", f"{parameter}, from its gradient")
        eqns.append(Eqn(replace(value, name=results[parameter]), axes, index, "", tuple(args), body, "update", origin))
    graph = replace(graph, inputs=(*graph.inputs, *scalars.values()), eqns=tuple(eqns))
    return graph, results, numbers


def apart(graph: Graph, over: Iterable[str], parameters: Iterable[str]) -> Graph:
    """What is scattered to a parameter that is written over, and is made of parameters that are, is computed before any of
    them changes: then it is added to the rows that occur, and no other row is touched. ``over``: what is written over them. Not
    where this is more than all of the parameter."""
    changing = frozenset(parameters)
    uses: dict[str, int] = dict.fromkeys(graph.outputs, 1)
    for eqn in graph.eqns:
        for name in eqn.reads():
            uses[name] = uses.get(name, 0) + 1
    made = {e.out.name: e for e in graph.eqns if isinstance(e, Eqn)}
    ends = [made[name] for name in over if name in made]
    parts = [made[a.value] for end in ends for a in end.args if a.value in made and uses[a.value] == 1]
    fresh = Namer(graph.values())
    first: dict[str, tuple[Eqn, Eqn]] = {}
    for part in parts:
        rows = any(True for ix in part.out_index for _ in ix.gathers())
        if rows and scatters(part) and changing.intersection(a.value for a in part.args):
            terms, added = _terms_first(part, fresh(f"{part.out.name}_terms"))
            if not _more(terms.out, part.out):
                first[part.out.name] = terms, added
    if not first:
        return graph
    eqns: list[Eqn | Scan] = []
    for each in graph.eqns:
        eqns.extend(first.get(each.out.name, (each,)) if isinstance(each, Eqn) else (each,))
    return graph.with_eqns(tuple(eqns))


def _terms_first(part: Eqn, name: str) -> tuple[Eqn, Eqn]:
    """What a scatter adds, and the scatter that adds it."""
    summed = {a.name for a in part.reduced}
    axes = tuple(a for a in part.axes if a.name not in summed)
    index = tuple(at(a.name) for a in axes)
    out = Value(name, tuple(a.extent for a in axes), part.out.kind)
    terms = replace(part, out=out, axes=(*axes, *part.reduced), out_index=index, reduce="+" if summed else "", drop=False)
    return terms, replace(part, axes=axes, args=(Access(name, index),), body=E.arg(0), reduce="+")


def _more(terms: Value, whole: Value) -> bool:
    numbers = {name: OTHERWISE for value in (terms, whole) for dim in value.shape for name in dim.free()}
    return size(terms.shape).evaluate(numbers) > size(whole.shape).evaluate(numbers)
