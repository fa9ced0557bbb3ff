"""Calls: who is called, and functions in the language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from ..graph import expr as E
from ..language import syntax
from ..language.diagnostics import suggest
from ..language.source import Span
from ..library import functions, tree
from ..ops.declare import Misfit, elementwise_plan
from .bodies import BodyReader
from .evaluator import NotElementwise, Task, called
from .expressions import SPECIAL
from .scope import Env, Function, Lifter, Site
from .values import POISON, Elem, Literal, Poison, Scalar, Val, Value, operand

# Functions of later versions of the language.
LATER: Final = ("inv", "solve", "det")
NUMPY_NAMES: Final = {
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "arctan2": "atan2",
    "arcsinh": "asinh",
    "arccosh": "acosh",
    "arctanh": "atanh",
    "expit": "sigmoid",
    "gamma": "exp(lgamma(x))",
    "randn": "a param drawn `~ normal(0, 1)`, or `random`",
    "heaviside": "where(x > 0, 1, 0)",
    "isnan": "x != x",
    "grad": "diff",
    "gradient": "diff",
    "derivative": "diff",
    "concatenate": "concat",
    "fabs": "abs",
    "ln": "log",
    "cross_entropy": "softmax_cross_entropy",
    "bce": "binary_cross_entropy",
    "logistic": "sigmoid",
    "swish": "silu",
    "permute": "transpose",
    "matmul": "@",
    "dot": "@",
    "add": "+",
    "multiply": "*",
    "average": "mean",
    "cat": "concat",
    "clamp": "clip",
    "pow": "power",
    "mean_squared_error": "mse",
    "nll_loss": "nll",
    "kl_div": "kl_divergence",
    "poisson_nll_loss": "poisson_nll",
    "triplet_margin_loss": "triplet",
    "cosine_embedding_loss": "cosine_embedding",
    "multi_margin_loss": "hinge",
    "hinge_loss": "hinge",
    "log_sigmoid": "logsigmoid",
    "variance": "var",
    "stdev": "std",
    "diagonal": "diag",
    "expand_dims": "reshape",
    "squeeze": "reshape",
    "unsqueeze": "reshape",
    "ravel": "reshape",
    "moveaxis": "transpose",
    "swapaxes": "transpose",
    "hstack": "concat",
    "vstack": "concat",
    "take": "x[y]",
    "take_along_axis": "pick",
    "gather": "pick",
    "range": "arange",
    "gammaln": "lgamma",
    "loggamma": "lgamma",
    "psi": "digamma",
    "mod": "%",
    "divide": "/",
    "subtract": "-",
    "negative": "-",
    "identity": "eye",
    "topk": "top_k",
    "amax": "max",
    "amin": "min",
}


class Caller(BodyReader):
    """The evaluator with its calls."""

    def call(self, node: syntax.Call, env: Env) -> Task:
        name = node.func.id
        own = env.frame.functions.get(name)
        if len(node.args) == 1 and isinstance(node.args[0], syntax.Comprehension):
            return (yield from self.comprehension(node, env))
        if own is None:
            if name in SPECIAL:
                return (yield from self.special(node, env))
            op = self.ops.get(name)
            if op is not None and not op.hidden and not op.symbol:
                return (yield from self.call_op(op, node, env))
            own = self.library(name)
        if own is not None:
            return (yield from self.call_function(own, node, env))
        for part in (*node.args, *(k.value for k in node.keywords)):  # errors in there are errors of their own
            yield part, env
        return self.unknown_function(node, env)

    def unknown_function(self, node: syntax.Call, env: Env) -> Poison:
        name = node.func.id
        if env.frame.main and self.silent(name):
            return POISON
        if env.frame.main and name in self.entries:
            return self.report(
                env, "E223", f"{name} is a value and not a function", node.func.span, help="a product is written with *"
            )
        if env.names is not None and name in env.names:  # an argument
            return self.report(
                env, "E223", f"{name} is a value, and not a layer or a function", node.func.span,
                notes=("it is called here, which wants a layer that was made, as `dense(4)`",),
            )  # fmt: skip
        known = [
            *env.frame.functions,
            *env.frame.layers,
            *(o.name for o in self.ops.values() if not o.hidden and not o.symbol),
            *SPECIAL,
            *self.library_names(),
        ]
        if name in LATER:
            return self.report(env, "E110", f"`{name}` is not part of the language yet", node.func.span)
        meant = NUMPY_NAMES.get(name) or suggest(name, known)
        help = f"did you mean {meant}?" if meant else None
        if name in self.library_layers():
            help = f"{name} is a layer of the library: write `use layers`"
        return self.report(env, "E222", f"there is no function {name}", node.func.span, help=help)

    def library_layers(self) -> tuple[str, ...]:
        return tuple(s.name.id for s in tree("layers").statements if isinstance(s, syntax.LayerDef))

    def library_names(self) -> tuple[str, ...]:
        return tuple(functions())

    # ------------------------------------------------------------ functions in the language

    def call_function(self, function: Function, node: syntax.Call, env: Env) -> Task:
        tree = function.tree
        bound = self.bind(node, [(p.name.id, p.default is None) for p in tree.params], env)
        if bound is None:
            return POISON
        site = env.site
        while site is not None:
            if site.function is function:
                return self.report(
                    env,
                    "E283",
                    f"{tree.name.id} calls itself",
                    node.span,
                    notes=("functions are expanded where they are called",),
                )
            site = site.outer
        names: dict[str, Value] = {}
        arguments: list[tuple[Span, str, Value]] = []
        for p in tree.params:
            part = bound[p.name.id]
            if part is not None:
                value = yield part, env
                arguments.append((part.span, called(part), value))
            else:
                assert p.default is not None
                value = yield p.default, Env(function.frame, {}, None, env.elem, True)
            names[p.name.id] = value
        if any(isinstance(v, Poison) for v in names.values()):
            return POISON
        if env.elem is not None and not env.elem.quiet and not any(isinstance(v, Elem) for v in names.values()):
            env = replace(env, elem=None, indices=None)  # whole arrays
        if function.frame.library:
            self.check_logits(tree.name.id, names, arguments, node)
            if not env.frame.library:
                self.check_pairs(tree.name.id, arguments[:2], node)
        inner = Site(node.span, function, env.frame, tuple(arguments), env.site)
        result: Value
        given = function.frame.derivatives.get(tree.name.id)
        if given and not env.constant and not env.rule:
            return (yield from self.with_derivatives(function, given, names, inner, node, env))
        if env.elem is None and not env.constant and not env.rule:
            lifter = Lifter()
            try:
                result = yield from self.body(tree, dict(names), Env(function.frame, {}, inner, lifter))
                return self.lowered(tree.name.id, result, lifter, node, env)
            except NotElementwise:
                pass
        result = yield from self.body(tree, dict(names), Env(function.frame, {}, inner, env.elem, env.constant, env.rule))
        if isinstance(result, Val) and not result.name and result.maker is not None:
            result.function = tree.name.id
        return result

    def with_derivatives(
        self, function: Function, given: Mapping[str, syntax.DerivativeDecl], names: dict[str, Value], inner: Site,
        node: syntax.Call, env: Env,
    ) -> Task:  # fmt: skip
        """A function with hand-made derivatives: ``given(value, argument, derivative...)``. The value's own derivative does not
        go through these arguments."""
        tree = function.tree
        if env.elem is None:
            names = {n: self.materialise(v, node.span, env) if isinstance(v, Literal) else v for n, v in names.items()}
        lifter = env.elem or Lifter()
        scope = Env(function.frame, {}, inner, lifter)
        try:
            arguments = {name: self.lifted(names[name], lifter) for name in given}
            held: dict[str, Value] = {n: Elem(E.make("stop", a)) for n, a in arguments.items()}
            value = yield from self.body(tree, {**names, **held}, scope)
            parts = [self.lifted(value, lifter)]
            for name, declared in given.items():
                own = {p.id: names[f.name.id] for p, f in zip(declared.params, tree.params, strict=False)}
                slope = yield declared.value, replace(scope, names=own)
                parts += [arguments[name], self.lifted(slope, lifter)]
        except NotElementwise:
            if env.elem is not None:
                raise
            first = next(iter(given.values()))
            return self.report(
                env, "E271", f"{tree.name.id} has a hand-made derivative, and does not work point by point", node.span,
                labels=((node.span, ""), (first.span, "the derivative")),
            )  # fmt: skip
        result = Elem(E.make("given", *parts))
        if env.elem is not None:
            return result
        try:
            return self.lowered(tree.name.id, result, lifter, node, env)
        except NotElementwise:  # shapes that do not broadcast: the body says where
            return (yield from self.body(tree, dict(names), Env(function.frame, {}, inner, None)))

    def lowered(self, name: str, result: Value, lifter: Lifter, node: syntax.Call, env: Env) -> Value:
        """A function that turned out elementwise: one equation with its body."""
        if not isinstance(result, Elem):
            return result
        used = E.arguments(result.expr)
        if not used:
            return Scalar(result.expr, None, result.kind == "bool")
        arrays = tuple(lifter.arrays[k] for k in used)
        body = E.substitute(result.expr, {E.arg(k): E.arg(n) for n, k in enumerate(used)})
        try:
            plan = elementwise_plan(
                name, body, result.kind if result.kind == "bool" else "real", tuple(operand(a) for a in arrays)
            )
        except Misfit:
            raise NotElementwise from None
        return self.emit(plan.steps[0], arrays, node.span, env)

    def check_logits(
        self, name: str, names: Mapping[str, Value], arguments: list[tuple[Span, str, Value]], node: syntax.Call
    ) -> None:
        """Note the arguments that ought to be logits; the lint looks at where they come from."""
        wants = name == "softmax_cross_entropy" or (
            name == "binary_cross_entropy" and isinstance(flag := names.get("with_logits"), Scalar) and flag.truth is True
        )
        if wants and arguments:
            self.logits.append((node.span, arguments[0][2], arguments[0][1], name))
