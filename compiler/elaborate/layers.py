"""Layers: functions that own parameters. Each call makes its own, or ``enc = dense(10)`` makes one that is called often."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from ..graph.shapes import Dim, Shape
from ..graph.shapes import show as show_shape
from ..language import syntax
from ..language.diagnostics import suggest
from ..language.source import Span
from .bodies import Inner, Steps, bound_names
from .calls import Caller
from .evaluator import NotElementwise, Task, called
from .scope import Env, LayerRule, Site
from .values import POISON, Layer, Literal, Poison, Scalar, Text, Val, Value, describe

Declare = Callable[[syntax.ParamDecl, Env, str], Value]


class LayerCaller(Caller):
    """The evaluator with its layers. ``declare`` is how the model takes a param."""

    declare: Declare
    root: Layer  # what stands for the model itself: its layers by name

    # ------------------------------------------------------------ calls

    def call(self, node: syntax.Call, env: Env) -> Task:
        name = node.func.id
        made = self.made(name, env)
        if made is not None:
            if node.alias is not None:
                return self.report(env, "E275", f"{name} has a name already", node.alias.span)
            return (yield from self.call_layer(made, node, env))
        rule = env.frame.layers.get(name)
        if rule is not None:
            return (yield from self.make(rule, node, env))
        if node.alias is not None and (env.frame.functions.get(name) or name in self.ops or self.library(name)):
            return self.report(
                env, "E275", f"{name} is a function and has no parameters to be named", node.alias.span,
                help="`as` names a layer where it is made",
            )  # fmt: skip
        return (yield from super().call(node, env))

    def made(self, name: str, env: Env) -> Layer | None:
        """The layer that is bound to a name."""
        if env.names is not None and name in env.names:
            value = env.names[name]
            return value if isinstance(value, Layer) else None
        if env.frame.main and not env.rule and name in self.entries and env.names is None:
            entry = self.entries[name]
            if isinstance(entry.value, Layer):
                entry.used = True
                return entry.value
        return None

    def make(self, rule: LayerRule, node: syntax.Call, env: Env) -> Task:
        """A call of a layer's definition: a layer of its own, called at once where arrays are given."""
        tree = rule.tree
        arrays = [p.name.id for p in tree.params if p.shape is not None]
        given: dict[int, Value] = {}
        if node.args and not node.piped:
            given[id(node.args[0])] = yield node.args[0], env
        first = next(iter(given.values()), None)
        named = any(k.name.id in arrays for k in node.keywords)
        making = bool(arrays) and not node.piped and not named and (first is None or isinstance(first, Scalar | Text))
        formals = [p for p in tree.params if p.shape is None or not making]
        bound = self.bind(node, [(p.name.id, p.default is None) for p in formals], env)
        if bound is None:
            return POISON
        if self.recursive(rule, env):
            return self.report(
                env, "E283", f"{tree.name.id} calls itself", node.span, notes=("layers are expanded where they are called",)
            )
        arguments: dict[str, Value] = {}
        values: dict[str, tuple[syntax.Expression, Value]] = {}
        for p in formals:
            part = bound[p.name.id]
            value: Value
            if part is None:
                assert p.default is not None
                value = yield p.default, Env(rule.frame, {}, None, None, True)
            else:
                value = given[id(part)] if id(part) in given else (yield part, env)
            if p.shape is not None and part is not None:
                values[p.name.id] = part, value
            else:
                arguments[p.name.id] = value
        layer = self.place(rule, arguments, node, env)
        if layer is None or any(isinstance(v, Poison) for v in (*arguments.values(), *(v for _, v in values.values()))):
            return POISON
        if making:
            return layer
        return (yield from self.run_layer(layer, values, node, env))

    def recursive(self, rule: LayerRule, env: Env) -> bool:
        site = env.site
        while site is not None:
            if site.function is rule:
                return True
            site = site.outer
        return False

    def call_layer(self, layer: Layer, node: syntax.Call, env: Env) -> Task:
        """``enc(x)`` of a layer that was made before."""
        arrays = [p for p in layer.rule.tree.params if p.shape is not None]
        bound = self.bind(node, [(p.name.id, True) for p in arrays], env)
        if bound is None:
            return POISON
        values: dict[str, tuple[syntax.Expression, Value]] = {}
        for p in arrays:
            part = bound[p.name.id]
            assert part is not None
            values[p.name.id] = part, (yield part, env)
        if any(isinstance(v, Poison) for _, v in values.values()):
            return POISON
        if self.recursive(layer.rule, env):
            return self.report(env, "E283", f"{layer.rule.tree.name.id} calls itself", node.span)
        return (yield from self.run_layer(layer, values, node, env))

    def place(self, rule: LayerRule, arguments: dict[str, Value], node: syntax.Call, env: Env) -> Layer | None:
        """The layer that this call makes, with its name; in a layer that is called again the one it made before."""
        owner = env.owner if env.owner is not None else self.root
        visit = owner.visits[id(node)] = owner.visits.get(id(node), 0) + 1
        layer = owner.children.get((id(node), visit))
        if layer is not None:
            return layer
        layer = owner.children[id(node), visit] = Layer(rule, arguments, node.span, owner=owner)
        if node.alias is not None and not self.name_layer(layer, node.alias.id, node.alias.span, env):
            return None
        return layer

    def name_layer(self, layer: Layer, name: str, span: Span, env: Env) -> bool:
        owner = layer.owner
        assert owner is not None
        other = owner.inner.get(name)
        entry = self.entries.get(name) if owner is self.root else None
        if other is not None:
            again = other.span == layer.span
            self.report(
                env, "E275", f"there is a layer {name} already", span, labels=((other.span, "here"),) if not again else (),
                help="in a loop, leave out `as`: the layers are numbered" if again else "give them different names",
            )  # fmt: skip
            return False
        if entry is not None and entry.what != "binding":
            self.report(env, "E275", f"{name} is something else already", span, labels=((entry.span, "here"),))
            return False
        owner.inner[name] = layer
        layer.path = f"{owner.path}.{name}" if owner.path else name
        return True

    def settle_name(self, layer: Layer) -> None:
        """A layer that nobody named is called after its definition, and numbered."""
        owner = layer.owner
        assert owner is not None
        if layer.path:
            return
        stem = layer.rule.tree.name.id
        k = owner.counts.get(stem, 0) + 1
        while f"{stem}_{k}" in owner.inner or (owner is self.root and f"{stem}_{k}" in self.words):
            k += 1
        owner.counts[stem] = k
        owner.inner[f"{stem}_{k}"] = layer
        layer.path = f"{owner.path}.{stem}_{k}" if owner.path else f"{stem}_{k}"

    words: frozenset[str] | set[str] = frozenset()

    # ------------------------------------------------------------ the body

    def run_layer(
        self, layer: Layer, values: dict[str, tuple[syntax.Expression, Value]], node: syntax.Call, env: Env
    ) -> Task:
        if env.elem is not None or env.constant or env.rule:
            if env.elem is not None:
                raise NotElementwise
            return self.report(env, "E275", "a layer has parameters and can be called only in the model and in layers", node.span)
        self.settle_name(layer)
        names: dict[str, Value] = dict(layer.arguments)
        arguments: list[tuple[Span, str, Value]] = []
        extents: dict[str, Dim] = {}
        for p in layer.rule.tree.params:
            if p.shape is None:
                continue
            part, value = values[p.name.id]
            arguments.append((part.span, called(part), value))
            if isinstance(value, Layer | Text) or not isinstance(value, Val | Scalar | Literal):
                return self.not_an_array(part, value, env)
            val = self.materialise(value, part.span, env)
            if not self.fits(layer, p, val, part, extents, node, env):
                return POISON
            names[p.name.id] = val
        names |= {n: Scalar.of_dim(d) for n, d in extents.items()}
        site = Site(node.span, layer.rule, env.frame, tuple(arguments), env.site)
        layer.extents = extents
        layer.visits = {}
        inner = Env(layer.rule.frame, names, site, owner=layer)
        result = yield from self.body(layer.rule.tree, names, inner)
        if not layer.calls:
            bound = ((n, names.get(n)) for n in bound_names(layer.rule.tree.body))
            layer.bound = {n: v for n, v in bound if isinstance(v, Val | Scalar | Literal)}
            layer.loops = self.inside_loops()
        layer.calls += 1
        if isinstance(result, Val) and not result.name and result.maker is not None:
            result.function = layer.rule.tree.name.id
        return result

    def fits(
        self, layer: Layer, p: syntax.Parameter, val: Val, part: syntax.Expression, extents: dict[str, Dim],
        node: syntax.Call, env: Env,
    ) -> bool:  # fmt: skip
        """Whether an array looks as the definition wants it; its extents get their names."""
        assert p.shape is not None
        name = layer.rule.tree.name.id
        wanted = pattern(p)
        dots = [k for k, e in enumerate(p.shape) if isinstance(e, syntax.Dots)]
        shape = val.shape
        fixed = len(p.shape) - len(dots)
        if len(shape) < fixed or (not dots and len(shape) != fixed):
            few = f"{fixed} {'axis' if fixed == 1 else 'axes'}" + (" or more" if dots else "")
            self.report(
                env, "E276", f"{name} wants {wanted}, which has {few}", node.span,
                labels=((part.span, f"{called(part)} is {describe(val)}"),),
            )  # fmt: skip
            return False
        before = p.shape[: dots[0]] if dots else p.shape
        after = p.shape[dots[0] + 1 :] if dots else ()
        pairs = [*zip(before, shape, strict=False), *zip(after, shape[len(shape) - len(after) :], strict=True)]
        for extent, dim in pairs:
            assert not isinstance(extent, syntax.Dots)
            right = Dim.of(int(extent.text)) if isinstance(extent, syntax.Number) else extents.setdefault(extent.id, dim)
            if right != dim:
                shown = extent.text if isinstance(extent, syntax.Number) else f"{extent.id} = {right}"
                self.report(
                    env, "E276", f"{name} wants {wanted}, with {shown} where this array has {dim}", node.span,
                    labels=((part.span, f"{called(part)} is {describe(val)}"),),
                )  # fmt: skip
                return False
        return True

    # ------------------------------------------------------------ statements in a body

    def inner_statement(self, line: Inner, names: dict[str, Value], env: Env) -> Steps:
        if isinstance(line, syntax.ParamDecl) and env.owner is not None:
            owner, name = env.owner, line.name.id
            if name in names and not owner.called:
                self.report(env, "E221", f"{name} is declared twice", line.name.span)
                names[name] = POISON
                return
            if name in owner.values:
                names[name] = owner.values[name] if self.has_shape(owner, line, env, "parameters") else POISON
                return
            names[name] = owner.values[name] = self.declare(line, env, f"{owner.path}.{name}")
            return
        if isinstance(line, syntax.State | syntax.Next | syntax.RandomDecl) and env.owner is not None:
            self.keeping(line, names, env, env.owner)
            return
        yield from super().inner_statement(line, names, env)

    def keeping(
        self, line: syntax.State | syntax.Next | syntax.RandomDecl, names: dict[str, Value], env: Env, owner: Layer
    ) -> None:  # fmt: skip
        """A state of a layer, named as its params are; a random value, drawn anew at each call of the layer."""
        name = line.name.id
        path = f"{owner.path}.{name}"
        if isinstance(line, syntax.Next):
            self.keeper.next(line, env, path if name in owner.values else "")
        elif name in names and not (isinstance(line, syntax.State) and owner.called):
            self.report(env, "E221", f"{name} is declared twice", line.name.span)
            names[name] = POISON
        elif isinstance(line, syntax.RandomDecl):
            names[name] = self.keeper.random(line, env)
        elif name not in owner.values:
            names[name] = owner.values[name] = self.keeper.state(line, env, path)
        else:
            names[name] = self.keeper.again(path, line, env) if self.has_shape(owner, line, env, "states") else POISON

    def has_shape(self, owner: Layer, line: syntax.ParamDecl | syntax.State, env: Env, what: str) -> bool:
        """Whether what an earlier call of a layer declared has the shape that this one wants; False after an error."""
        value, shape = owner.values[line.name.id], self.param_shape(line, env)
        if not isinstance(value, Val) or shape is None or shape == value.shape:
            return True
        self.report(
            env, "E276", f"{owner.path}.{line.name.id} is {show_shape(value.shape)}, and for this call it would have to be "
            f"{show_shape(shape)}", line.span, notes=(f"a layer that is called twice has one set of {what}",),
        )  # fmt: skip
        return False

    def param_shape(self, line: syntax.ParamDecl | syntax.State, env: Env) -> Shape | None:
        dims: list[Dim] = []
        for part in line.shape:
            inner = replace(env, constant=True)
            dim = self.as_dim(self.run(part, inner), part, inner)
            if dim is None:
                return None
            dims.append(dim)
        return tuple(dims)

    # ------------------------------------------------------------ head.W

    def attribute(self, node: syntax.Attribute, env: Env) -> Value:
        """A parameter of a layer or of a layer in it, or a value that its body binds."""
        owner = self.layer_of(node.value, env)
        if owner is None:
            return POISON if self.poisoned(node.value, env) else self.no_attribute(node, env)
        name = node.name.id
        if name in owner.values:
            return owner.values[name]
        if name in owner.bound:
            return self.bound_value(owner, node, env)
        known = [*owner.values, *owner.inner, *owner.bound]
        if name in owner.inner:
            help = f"name one of its parameters: {owner.path}.{name}.{next(iter(owner.inner[name].values), 'W')}"
            return self.report(env, "E223", f"{owner.path}.{name} is a layer and not a value", node.span, help=help)
        if not owner.called:
            return self.report(env, "E220", f"{owner.path or 'this layer'} has no parameters before it is called", node.span)
        meant = suggest(name, known)
        return self.report(
            env, "E220", f"the layer {owner.path} has no {name}", node.name.span,
            notes=() if meant or not known else (f"it has {', '.join(known)}",),
            help=f"did you mean {meant}?" if meant else None,
        )  # fmt: skip

    def bound_value(self, owner: Layer, node: syntax.Attribute, env: Env) -> Value:
        """What the body of a layer binds, as ``block.attention.weights``."""
        name = node.name.id
        if owner.calls > 1:
            return self.report(
                env, "E220", f"{owner.path} is called {owner.calls} times, and each call has a {name} of its own", node.name.span,
                help=f"make a layer for each call, or let the layer return {name}",
            )  # fmt: skip
        if owner.loops != self.inside_loops()[: len(owner.loops)]:
            return self.report(
                env, "E254", f"{owner.path}.{name} is made anew at each step of the loop over {owner.loops[-1]}", node.span,
                help=f"keep it in the loop: emit every_{name} = {owner.path}.{name}",
            )  # fmt: skip
        return owner.bound[name]

    def inside_loops(self) -> tuple[str, ...]:
        return ()

    def layer_of(self, node: syntax.Expression, env: Env) -> Layer | None:
        if isinstance(node, syntax.Attribute):
            owner = self.layer_of(node.value, env)
            return None if owner is None else owner.inner.get(node.name.id)
        if not isinstance(node, syntax.Ref):
            return None
        return self.made(node.id, env) or (env.owner if env.owner is not None else self.root).inner.get(node.id)

    def poisoned(self, node: syntax.Expression, env: Env) -> bool:
        while isinstance(node, syntax.Attribute):
            node = node.value
        if not isinstance(node, syntax.Ref):
            return False
        if env.names is not None:
            return isinstance(env.names.get(node.id), Poison)
        entry = self.entries.get(node.id)
        return (entry is not None and isinstance(entry.value, Poison)) or self.silent(node.id)

    def no_attribute(self, node: syntax.Attribute, env: Env) -> Poison:
        span = node.name.span
        dot = Span(span.file, span.line, max(span.column - 1, 1), span.end_line, span.end_column)
        name = node.name.id
        known = isinstance(node.value, syntax.Ref) and (
            node.value.id in self.entries or (env.names is not None and node.value.id in env.names)
        )
        layers = list((env.owner or self.root).inner)
        if isinstance(node.value, syntax.Ref) and not known:
            meant = suggest(node.value.id, layers)
            if meant or layers:
                return self.report(
                    env, "E220", f"there is no layer {node.value.id} here", node.value.span,
                    help=f"did you mean {meant}?" if meant else None,
                    notes=() if meant else (f"there are {', '.join(layers)}",),
                )  # fmt: skip
        return self.report(
            env, "E113", f"there is no attribute or method `.{name}`", dot, help=f"functions are called as `{name}(x)`"
        )


def pattern(p: syntax.Parameter) -> str:
    """``x[..., D]`` as it stands in the definition."""
    parts = ["..." if isinstance(e, syntax.Dots) else e.text if isinstance(e, syntax.Number) else e.id for e in p.shape or ()]
    return f"{p.name.id}[{', '.join(parts)}]"



def library_layers(owner: Layer) -> Iterator[tuple[str, str]]:
    """The paths of the library's own layers, with their definitions' names."""
    for layer in owner.inner.values():
        if layer.rule.frame.library:
            yield layer.path, layer.rule.tree.name.id
        yield from library_layers(layer)
