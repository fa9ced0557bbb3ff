"""Calls: of operations, of the few words that are more than operations, and of functions in the language."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Kind
from ..graph.shapes import Dim
from ..language import syntax
from ..language.diagnostics import suggest
from ..language.source import Span
from ..ops.declare import Misfit, Op, Option, elementwise_plan
from .constants import fold
from .expressions import SPECIAL, NotElementwise, Task, Wanted, describe, is_bool, operand, shape_of_value
from .notation import Notation
from .scope import Env, Function, Lifter, Site
from .values import POISON, Elem, Literal, Poison, Scalar, Several, Text, Val, Value

NUMPY_NAMES: Final = {
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "arctan2": "atan2",
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


MOST_ROUNDS: Final = 10_000
Inner = syntax.BodyStatement | syntax.ParamDecl | syntax.State | syntax.RandomDecl
Steps = Generator[Wanted, Value, None]


def bound_names(lines: Iterable[syntax.Node]) -> Iterator[str]:
    """Every name that statements bind, also those in loops."""
    for line in lines:
        if isinstance(line, syntax.Binding):
            yield from (t.id for t in line.targets)
        elif isinstance(line, syntax.Indexed | syntax.Carry | syntax.Emit | syntax.RandomDecl):
            yield line.name.id
        elif isinstance(line, syntax.For | syntax.ScanDecl):
            yield from bound_names(line.body)


class Caller(Notation):
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
        meant = NUMPY_NAMES.get(name) or suggest(name, known)
        help = f"did you mean {meant}?" if meant else None
        if name in self.library_layers():
            help = f"{name} is a layer of the library: write `use layers`"
        return self.report(env, "E222", f"there is no function {name}", node.func.span, help=help)

    def library_layers(self) -> tuple[str, ...]:
        from ..library import tree

        return tuple(s.name.id for s in tree("layers").statements if isinstance(s, syntax.LayerDef))

    def library_names(self) -> tuple[str, ...]:
        from ..library import functions

        return tuple(functions())

    def special(self, node: syntax.Call, env: Env) -> Task:
        name = node.func.id
        if name == "where":
            bound = self.bind(node, [("condition", True), ("a", True), ("b", True)], env)
            if bound is None:
                return POISON
            condition, a, b = bound["condition"], bound["a"], bound["b"]
            assert condition is not None and a is not None and b is not None
            found = yield condition, env
            if isinstance(found, Scalar) and found.truth is not None:
                return (yield (a if found.truth else b), env)
            first = yield a, env
            second = yield b, env
            return self.operator("where", [condition, a, b], [found, first, second], node, env)
        if name in ("max", "min", "maximum", "minimum"):
            positional = list(node.args)
            if name in ("max", "min") and len(positional) < 2:
                return (yield from self.call_op(self.ops[name], node, env))
            if node.keywords or len(positional) < 2:
                if node.keywords:
                    return self.report(
                        env,
                        "E282",
                        f"{name} of several arrays works point by point and has no argument {node.keywords[0].name.id}",
                        node.keywords[0].span,
                        help=f"{name}(x, axis=...) of one array reduces",
                    )
                return self.report(env, "E281", f"{name} wants two arrays or more", node.span)
            values: list[Value] = []
            for part in positional:
                values.append((yield part, env))
            op = "max" if name.startswith("max") else "min"

            def fold_all(exprs: list[Expr]) -> Expr:
                result = exprs[0]
                for e in exprs[1:]:
                    result = fold(op, (result, e)) or E.make(op, result, e)
                return result

            kind: Kind = "bool" if all(is_bool(v) for v in values) else "real"
            return self.elementwise("maximum" if op == "max" else "minimum", fold_all, kind, positional, values, node, env)
        if name == "stop_gradient":
            bound = self.bind(node, [("x", True)], env)
            if bound is None or bound["x"] is None:
                return POISON
            value = yield bound["x"], env
            kind = value.kind if isinstance(value, Val | Elem) else "real"
            return self.elementwise(name, lambda exprs: E.make("stop", *exprs), kind, [bound["x"]], [value], node, env)
        if name == "extent":
            bound = self.bind(node, [("x", True), ("axis", True)], env)
            if bound is None:
                return POISON
            x_part, axis_part = bound["x"], bound["axis"]
            assert x_part is not None and axis_part is not None
            value = yield x_part, env
            axis = yield axis_part, env
            dim = self.as_dim(axis, axis_part, env)
            if isinstance(value, Elem) and (env.elem is None or env.elem.quiet):
                raise NotElementwise
            if isinstance(value, Poison) or dim is None:
                return POISON
            if isinstance(value, Elem):
                return self.not_whole(name, [x_part], [value], node, env)
            shape = shape_of_value(value)
            if dim.value is None or not -len(shape) <= dim.value < len(shape):
                return self.report(env, "E205", f"there is no axis {dim}", axis_part.span)
            return Scalar.of_dim(shape[dim.value])
        if name == "rank":
            bound = self.bind(node, [("x", True)], env)
            if bound is None or bound["x"] is None:
                return POISON
            value = yield bound["x"], env
            if isinstance(value, Elem):
                raise NotElementwise
            return POISON if isinstance(value, Poison) else Scalar.of_dim(Dim.of(len(shape_of_value(value))))
        if name == "is_index":
            bound = self.bind(node, [("x", True)], env)
            if bound is None or bound["x"] is None:
                return POISON
            value = yield bound["x"], env
            return POISON if isinstance(value, Poison) else Scalar.of_bool(isinstance(value, Val | Elem) and value.kind == "int")
        bound = self.bind(node, [("message", True)], env)
        if bound is None or bound["message"] is None:
            return POISON
        value = yield bound["message"], env
        return self.report(env, "E286", value.text if isinstance(value, Text) else "this call is refused", node.span)

    def bind(self, node: syntax.Call, params: list[tuple[str, bool]], env: Env) -> dict[str, syntax.Expression | None] | None:
        """Arguments by the parameters' names; None after an error."""
        name = node.func.id
        found: dict[str, syntax.Expression | None] = {p: None for p, _ in params}
        if len(node.args) > len(params):
            wants = "no arguments" if not params else "one argument" if len(params) == 1 else f"{len(params)} arguments"
            self.report(
                env,
                "E281",
                f"{name} takes {wants}, not {len(node.args)}",
                node.args[len(params)].span,
                notes=(f"they are {', '.join(p for p, _ in params)}",) if params else (),
            )
            return None
        for (p, _), value in zip(params, node.args, strict=False):
            found[p] = value
        good = True
        for keyword in node.keywords:
            if keyword.name.id not in found:
                meant = suggest(keyword.name.id, found)
                self.report(
                    env,
                    "E282",
                    f"{name} has no argument {keyword.name.id}",
                    keyword.name.span,
                    notes=() if meant else (f"it has {', '.join(found)}",) if found else (),
                    help=f"did you mean {meant}?" if meant else None,
                )
                good = False
            elif found[keyword.name.id] is not None:
                self.report(env, "E282", f"the argument {keyword.name.id} is given twice", keyword.span)
                good = False
            else:
                found[keyword.name.id] = keyword.value
        lacking = [p for p, required in params if required and found[p] is None]
        if good and lacking:
            self.report(env, "E281", f"{name} needs {_list(lacking)}", node.span)
            good = False
        return found if good else None

    def call_op(self, op: Op, node: syntax.Call, env: Env) -> Task:
        if op.plan is None:
            bound = self.bind(node, [(a, True) for a in op.arrays], env)
            if bound is None:
                return POISON
            parts = [p for p in bound.values() if p is not None]
            values: list[Value] = []
            for part in parts:
                values.append((yield part, env))
            return self.operator(op.name, parts, values, node, env)
        variadic = len(op.arrays) == 1 and op.arrays[0].startswith("*")
        fixed = 0 if variadic else len(op.arrays)
        args = list(node.args)
        texts = [o for o in op.options if o.kind == "text" and args]
        leading = {o.name: args.pop(0) for o in texts if o.name not in {k.name.id for k in node.keywords}}
        rest = args[fixed:] if not variadic else []
        taking = [o for o in op.options if o.positional and o.kind != "text"]
        many = next((o for o in taking if o.kind == "sizes"), None)
        if rest and not taking:
            if op.family == "reduction":
                array, axis = self.text(node.args[0].span), self.text(rest[0].span)
                return self.report(
                    env,
                    "E280",
                    f"{op.name} takes its axis by name",
                    rest[0].span,
                    help=f"{op.name}({array}, axis={axis})",
                    notes=("max and min of two arrays work point by point, and so an axis is always named",),
                )
            return self.report(env, "E281", f"{op.name} takes {_count(fixed, 'array')}, not {len(node.args)}", rest[0].span)
        given: dict[str, syntax.Expression] = {}
        sizes: list[syntax.Expression] = []
        if many is not None:
            sizes = rest
        elif len(rest) > len(taking):
            return self.report(
                env,
                "E281",
                f"{op.name} takes {_count(fixed + len(taking), 'argument')}, not {len(node.args)}",
                rest[len(taking)].span,
            )
        else:
            given = {o.name: part for o, part in zip(taking, rest, strict=False)}
        given |= leading
        parts = args if variadic else args[:fixed]
        options = {o.name: o for o in op.options}
        for keyword in node.keywords:
            key = keyword.name.id
            if not variadic and key in op.arrays and op.arrays.index(key) == len(parts):
                parts.append(keyword.value)
            elif key in options and key not in given and options[key].kind != "sizes":
                given[key] = keyword.value
            else:
                if key in given:
                    return self.report(env, "E282", f"the argument {key} is given twice", keyword.span)
                known = [o.name for o in op.options if o.kind != "sizes"]
                if many is not None and key in (many.name, "shape", "axes", "newshape"):
                    return self.report(
                        env,
                        "E282",
                        f"{op.name} takes {many.name} one by one",
                        keyword.span,
                        help=f"{op.name}({'x, ' if fixed else ''}2, 3)",
                    )
                meant = suggest(key, known)
                return self.report(
                    env,
                    "E282",
                    f"{op.name} has no argument {key}",
                    keyword.name.span,
                    notes=(f"it has {', '.join(known)}",) if known and not meant else (),
                    help=f"did you mean {meant}?" if meant else None,
                )
        if len(parts) < max(fixed, int(variadic)):
            return self.report(env, "E281", f"{op.name} needs {_count(max(fixed, 1), 'array')}", node.span)
        lacking = [o.name for o in op.options if o.required and o.name not in given and not (o is many and sizes)]
        if lacking:
            return self.report(env, "E281", f"{op.name} needs {_list(lacking)}", node.span)
        values = []
        for part in parts:
            values.append((yield part, env))
        chosen: dict[str, Any] = {o.name: o.default for o in op.options}
        places: dict[str, Span] = {}
        failed = any(isinstance(v, Poison) for v in values)
        if many is not None:
            dims: list[Dim] = []
            for part in sizes:
                if isinstance(part, syntax.Array) and len(sizes) == 1:
                    inner = self.text(part.span).strip("[]()")
                    self.report(
                        env, "E213", f"{op.name} takes {many.name} one by one", part.span, help=f"without the brackets: {inner}"
                    )
                    failed = True
                    continue
                dim = self.as_dim((yield part, env), part, env)
                failed |= dim is None
                if dim is not None:
                    dims.append(dim)
            chosen[many.name] = tuple(dims)
        for key, part in given.items():
            value = yield part, env
            places[key] = part.span
            made = self.option(options[key], value, part, env)
            failed |= made is None
            chosen[key] = made
        if failed:
            return POISON
        return self.planned(op, parts, values, chosen, node, env, places)

    def option(self, option: Option, value: Value, part: syntax.Expression, env: Env) -> Any:
        """The value of an option as its plan wants it; None after an error."""
        if isinstance(value, Poison):
            return None
        number = value.number if isinstance(value, Scalar) and not value.boolean else None
        whole = int(number) if number is not None and number.denominator == 1 else None
        if option.kind == "axis" and whole is not None:
            return whole
        if option.kind == "axes":
            if whole is not None:
                return (whole,)
            if isinstance(value, Literal) and len(value.shape) == 1 and all(d.denominator == 1 for d in value.data):
                return tuple(int(d) for d in value.data)
        if option.kind == "flag" and isinstance(value, Scalar) and value.boolean and value.truth is not None:
            return value.truth
        if option.kind == "size":
            return self.as_dim(value, part, env)
        if option.kind == "text" and isinstance(value, Text):
            return value.text
        if option.kind == "number" and isinstance(value, Scalar) and not value.boolean:
            if number is not None:
                return number
            if value.expr in (E.INF, E.neg(E.INF)):
                return "inf" if value.expr is E.INF else "-inf"
        if option.kind == "numbers" and number is not None:
            return (), (number,)
        if option.kind == "numbers" and isinstance(value, Literal):
            return value.shape, value.data
        wanted = {
            "axis": "a whole number",
            "axes": "a whole number, or several as in axis=[0, 1]",
            "flag": "True or False",
            "number": "a number",
            "numbers": "a number or a literal array",
            "text": "a text",
        }[option.kind]
        self.report(env, "E285", f"{option.name} is {wanted}, known when the module is compiled", part.span)
        return None

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
                arguments.append((part.span, part.id if isinstance(part, syntax.Ref) else "this", value))
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
        return result if env.elem is not None else self.lowered(tree.name.id, result, lifter, node, env)

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

    def body(self, tree: syntax.Def | syntax.LayerDef, names: dict[str, Value], env: Env) -> Task:
        env = replace(env, names=names)
        for line in tree.body:
            if isinstance(line, syntax.Return):
                return (yield line.value, env)
            yield from self.inner_statement(line, names, env)
        return POISON

    def inner_statement(self, line: Inner, names: dict[str, Value], env: Env) -> Steps:
        """A statement in the body of a function or a layer: it binds in ``names``."""
        match line:
            case syntax.Binding():
                value = yield line.value, env
                self.unpack(line.targets, value, names, line.value, env)
            case syntax.For():
                yield from self.unrolled(line, names, env)
            case syntax.Indexed():
                names[line.name.id] = yield from self.indexed(line, env)
            case _:
                self.report(env, "E110", "this is not part of the language yet", line.span)
                names.update((name, POISON) for name in bound_names((line,)))

    def unrolled(self, node: syntax.For, names: dict[str, Value], env: Env) -> Steps:
        """``for`` in a body: its statements once for each value."""
        items = self.items(node, (yield from self.iterated(node, env)), env)
        variable = node.variable.id
        if variable in names:
            self.report(env, "E221", f"{variable} is something else already", node.variable.span)
            return
        for item in items:
            names[variable] = item
            before = len(self.bag)
            for line in node.body:
                yield from self.inner_statement(line, names, env)
            if len(self.bag) > before:  # the next would say the same
                break
        names.pop(variable, None)
        if not items:
            for name in bound_names(node.body):
                names.setdefault(name, POISON)

    def iterated(self, node: syntax.For, env: Env) -> Generator[Wanted, Value, list[Value]]:
        """What a ``for`` runs over: the arguments of its ``range``, or the array itself."""
        values = node.values
        while isinstance(values, syntax.Call) and values.func.id == "reversed" and len(values.args) == 1:
            values = values.args[0]
        parts = values.args if isinstance(values, syntax.Call) and values.func.id == "range" else (values,)
        found: list[Value] = []
        for part in parts:
            found.append((yield part, replace(env, constant=True, elem=None)))
        return found

    def items(self, node: syntax.For, found: list[Value], env: Env) -> list[Scalar]:
        """The values of the loop's variable; an empty list after an error."""
        values, backwards = node.values, False
        while isinstance(values, syntax.Call) and values.func.id == "reversed" and len(values.args) == 1:
            values, backwards = values.args[0], not backwards
        items: list[Scalar] = []
        if any(isinstance(v, Poison) for v in found):
            return []
        if not (isinstance(values, syntax.Call) and values.func.id == "range"):
            value = found[0]
            if not isinstance(value, Literal) or len(value.shape) != 1:
                self.report(
                    env, "E277", "a `for` runs over `range(...)` or a literal array of numbers", node.values.span,
                    help=f"for {node.variable.id} in range(4):",
                )  # fmt: skip
                return []
            items = [Scalar.of_dim(Dim.of(int(x))) if x.denominator == 1 else Scalar(E.const(x)) for x in value.data]
        else:
            if not 1 <= len(found) <= 3 or values.keywords:
                self.report(env, "E281", "range takes one to three numbers", values.span)
                return []
            whole: list[int] = []
            for part, value in zip(values.args, found, strict=True):
                dim = self.as_dim(value, part, env)
                if dim is not None and dim.value is None:
                    self.report(
                        env, "E277", f"a `for` is unrolled when the module is compiled, and {dim} is a free size", part.span,
                        help="a loop over a free size is a `scan`",
                    )  # fmt: skip
                if dim is None or dim.value is None:
                    return []
                whole.append(dim.value)
            if len(whole) == 3 and whole[2] == 0:
                self.report(env, "E277", "the step of a range is not 0", values.args[2].span)
                return []
            if len(whole) == 1 and whole[0] < 0:
                self.report(env, "E277", f"a `for` cannot run {whole[0]} times", values.args[0].span)
                return []
            numbers = range(*whole)
            if len(numbers) > MOST_ROUNDS:
                self.report(
                    env, "E277", f"this `for` would be unrolled {len(numbers)} times, and {MOST_ROUNDS} is the most", values.span,
                    help="a `scan` is a loop that stays a loop",
                )  # fmt: skip
                return []
            items = [Scalar.of_dim(Dim.of(k)) for k in numbers]
        return items[::-1] if backwards else items

    def unpack(
        self, targets: tuple[syntax.Name, ...], value: Value, names: dict[str, Value], part: syntax.Expression, env: Env
    ) -> None:
        """Bind ``a, b = value`` in ``names``."""
        if len(targets) == 1:
            names[targets[0].id] = value
            return
        if isinstance(value, Elem):
            raise NotElementwise
        items: tuple[Value, ...] = (POISON,) * len(targets)
        if isinstance(value, Several) and len(value.items) == len(targets):
            items = value.items
        elif isinstance(value, Several):
            self.report(
                env,
                "E284",
                f"{len(targets)} names for {len(value.items)} arrays",
                targets[0].span.to(targets[-1].span),
                labels=((part.span, f"{len(value.items)} arrays"),),
            )
        elif not isinstance(value, Poison):
            self.report(
                env,
                "E284",
                f"{len(targets)} names for one array",
                targets[0].span.to(targets[-1].span),
                labels=((part.span, f"this is {describe(value)}"),),
                help="split(...) gives several arrays",
            )
        names.update((t.id, v) for t, v in zip(targets, items, strict=True))

    def check_logits(
        self, name: str, names: Mapping[str, Value], arguments: list[tuple[Span, str, Value]], node: syntax.Call
    ) -> None:
        """Note the arguments that ought to be logits; the lint looks at where they come from."""
        wants = name == "softmax_cross_entropy" or (
            name == "binary_cross_entropy" and isinstance(flag := names.get("with_logits"), Scalar) and flag.truth is True
        )
        if wants and arguments:
            self.logits.append((node.span, arguments[0][2], arguments[0][1], name))


def _count(n: int, word: str) -> str:
    return f"{'one' if n == 1 else n} {word}{'' if n == 1 else 's'}"


def _list(words: list[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]
