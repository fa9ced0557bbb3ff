"""The ``.pyi`` beside a module: the model's own names, shapes and documentation, for editors and type checkers."""

from __future__ import annotations

import keyword
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from ..graph.ir import Kind, Model, Target, Value, outs
from ..graph.shapes import show
from ..passes.kernels import Plan
from .spec import pointwise

# what the annotations of a class use: an attribute of that name would stand before it
_USED: Final = frozenset(("_Reals", "_Integers", "_Truths", "_Real", "_Upstream", "_Out", "np", "Any", "Iterator", "ArrayLike",
                          "None", "str", "int", "bool", "float", "list", "dict", "object"))  # fmt: skip
_GIVEN: Final = "Model | Params | Mapping[str, ArrayLike] | ArrayLike"
_NAMED: Final = (
    "    def __getitem__(self, name: str) -> Any: ...",
    "    def __iter__(self) -> Iterator[Any]: ...",
    "    def __len__(self) -> int: ...",
    "    def __contains__(self, name: object) -> bool: ...",
)
_NAMED_METHODS: Final = {
    "keys": "    def keys(self) -> list[str]: ...",
    "_asdict": "    def _asdict(self) -> dict[str, Any]: ...",
}

# The calls of declared derivatives: the class of what they return, and what is said of it and of the call.
_DERIVED: Final = {
    "jacobian": ("Jacobians", "The Jacobians by name, with the axes of what is differentiated first.",
                 "The Jacobians that the model declares."),
    "hessian": ("Hessians", "The Hessians by name.", "The Hessians that the model declares."),
    "hessian_diagonal": ("Diagonals", "The diagonals of Hessians by name.", "The diagonals of Hessians that the model declares."),
}  # fmt: skip

# A module is used where the package is not installed, too: these are Any there.
_RUNTIME = [
    f"from gradwright.runtime.{place} import {name} as _{name}  # type: ignore[import-not-found, unused-ignore]"
    for place, name in (("history", "History"), ("summary", "Summary"), ("training", "Bound"))
]


def emit_stub(plan: Plan, *, version: str) -> dict[str, str]:
    """The stub by its file's name."""
    needed = {k.name: {s.removeprefix("in:") for s in k.slots if s.startswith("in:")} for k in plan.kernels}
    return {f"{plan.model.name}.pyi": stub(plan.model, version, needed)}


def stub(model: Model, version: str = "", needed: Mapping[str, set[str]] = MappingProxyType({})) -> str:
    """The stub's text; valid for ``mypy --strict``, with nothing imported but NumPy. ``needed``: the inputs that each kernel
    reads."""
    real, maker = model.dtype, f"gradwright {version}".strip()
    lines = [_doc("", f"{model.name}: {model.doc.strip() or 'a model'}\n\nMade by {maker} from {model.source}.")]
    lines += ["from collections.abc import Iterator, Mapping", "from typing import Any", "", "import numpy as np", *_RUNTIME,
              "from numpy.typing import ArrayLike, NDArray", "", f"_Reals = NDArray[np.{real}]", "_Integers = NDArray[np.int64]",
              "_Truths = NDArray[np.bool_]", f"_Real = np.{real}", "_Upstream = ArrayLike | Mapping[str, ArrayLike] | None",
              "_Out = NDArray[Any] | Mapping[str, Any]", ""]
    lines += _Stub(model, needed).classes()
    return "\n".join(lines).rstrip("\n") + "\n"


def _doc(indent: str, text: str) -> str:
    safe = text.replace("\\", "\\\\").replace('"""', "'''").strip()
    safe = safe + " " if safe.endswith('"') else safe
    rows = safe.split("\n")
    return "\n".join([f'{indent}"""{rows[0]}', *(f"{indent}{row}".rstrip() for row in rows[1:])]) + '"""'


def _attribute(name: str) -> bool:
    """Whether ``name`` can stand as an attribute of a class: Python's keywords cannot, and ``__x`` means something else."""
    return name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("__") and name not in _USED


def into(result: str) -> str:
    """The type of what can be handed in to be filled by a call with this result; "" for a number."""
    if result.startswith("tuple["):
        return f"tuple[{', '.join(into(part) for part in result[6:-1].split(', '))}] | None"
    filled = ("Outputs", "Predictions", "Gradients", *(kind for kind, _, _ in _DERIVED.values()))
    return f"_Out | {result} | None" if result in filled else ""


class _Stub:
    def __init__(self, model: Model, needed: Mapping[str, set[str]]) -> None:
        self.model = model
        self.reads = needed
        self.values = model.graph.values()

    # ---- types

    def type(self, value: Value, kind: Kind | None = None) -> str:
        kind = kind or value.kind
        if kind == "int":
            return "_Integers" if value.shape else "np.int64"
        if kind == "bool":
            return "_Truths" if value.shape else "np.bool_"
        return "_Reals" if value.shape else "_Real"

    def named(self, name: str, doc: str, rows: Sequence[tuple[str, str, str]], values: str = "") -> Iterator[str]:
        """A class of values by name; a row is (name, type, documentation). Names that are no attributes are documented."""
        layers: dict[str, list[tuple[str, str, str]]] = {}
        for n, type_, text in rows:
            if "." in n:
                layers.setdefault(n.partition(".")[0], []).append((n.partition(".")[2], type_, text))
        for part, inner in layers.items():
            if _attribute(part):
                yield from self.named(f"_{name.lstrip('_')}_{part}", f"What belongs to the layer {part}.", inner, values)
        hidden = [f"{n}: {text}" for n, _, text in rows if not _attribute(n) and not _attribute(n.partition(".")[0])]
        if hidden:
            doc += "\n\nBy name, as in values[\"name\"]:\n" + "\n".join(f"    {h}" for h in hidden)
        yield f"class {name}:"
        yield _doc("    ", doc)
        taken = {n for n, _, _ in rows}
        for n, type_, text in rows:
            if _attribute(n):
                yield f"    {n}: {type_}"
                if text:
                    yield _doc("    ", text)
        for part in layers:
            if _attribute(part) and part not in taken:
                yield f"    {part}: _{name.lstrip('_')}_{part}"
        yield from _NAMED
        if values:
            yield f"    def __setitem__(self, name: str, value: {values}) -> None: ..."
        for method, text in _NAMED_METHODS.items():
            if method not in taken:
                yield text
        yield ""

    # ---- the classes

    def classes(self) -> Iterator[str]:
        model = self.model
        params = [(p.value.name, "_Reals", self.about(p.value, p.doc, "frozen" if p.frozen else "")) for p in model.params]
        doc = "The parameters by name: views into the model's flat vectors. Assigning copies in."
        yield from self.named("Params", doc, params, "ArrayLike")
        yield from self.named(
            "Hypers", "The hyper-parameters by name: numbers, which the next call uses.",
            [(h.value.name, "float", " ".join(filter(None, [f"Default {float(h.default):g}.", h.doc]))) for h in model.hypers],
            "float",
        )  # fmt: skip
        if model.states:
            states = [(s.value.name, "_Reals", self.about(s.value, s.doc)) for s in model.states]
            what = "The states by name: views into the model's vector, which training changes. Assigning copies in."
            yield from self.named("States", what, states, "ArrayLike")
        outputs = [(o.name, self.type(self.values[o.value]), self.about(self.values[o.value], o.doc)) for o in model.outputs]
        yield from self.named("Outputs", "What a forward pass returned.", outputs)
        predictions = "Outputs"
        if model.loss is not None and any(o.value != model.loss for o in model.outputs):
            predictions = "Predictions"
            kept = [row for row, o in zip(outputs, model.outputs, strict=True) if o.value != model.loss]
            yield from self.named("Predictions", "What a prediction returned: the outputs without the loss.", kept)
        yield from self.gradients()
        for what, (kind, doc, _) in self.declared():
            yield from self.derived(what, kind, doc)
        yield from self.model_class(predictions)
        yield from self.functions(predictions)

    def declared(self) -> list[tuple[str, tuple[str, str, str]]]:
        """The calls that the model declares derivatives for."""
        return [(what, told) for what, told in _DERIVED.items() if any(d.what == what for d in self.model.derived)]

    def about(self, value: Value, doc: str, extra: str = "") -> str:
        shape = show(value.shape) if value.shape else "scalar"
        return ". ".join(filter(None, [", ".join(filter(None, [shape, extra])), doc.strip()])) + ("" if doc.strip() else ".")

    def gradients(self) -> Iterator[str]:
        targets = self.model.targets
        loss = [t for t in targets if t.value == self.model.loss]
        top: Target | None = loss[0] if loss else targets[0] if len(targets) == 1 else None
        rows = self.wrt(top) if top is not None else []
        for k, target in enumerate(targets):
            if target is not top and len(targets) > 1:
                name = f"Gradients{k + 1}"
                yield from self.named(name, f"The gradients of {target.name} by name.", self.wrt(target))
                rows = [r for r in rows if r[0] != target.name]
                rows.append((target.name, name, f"The gradients of {target.name}."))
        what = f"The gradients of {top.name} by name." if top is not None else "The gradients, by what they are gradients of."
        yield from self.named("Gradients", what, rows)

    def derived(self, what: str, kind: str, doc: str) -> Iterator[str]:
        """The class of what a call of declared derivatives returns: by name, or by name of what is differentiated first."""
        groups: dict[str, list[tuple[str, str, str]]] = {}
        for d in self.model.derived:
            if d.what == what:
                of, _, name = d.name.rpartition(".")
                value = self.values[d.value]
                groups.setdefault(of, []).append((name, self.type(value, "real"), self.about(value, "")))
        rows = groups.pop("", [])
        for k, (of, inner) in enumerate(groups.items()):
            yield from self.named(f"{kind}{k + 1}", f"Those of {of}, by name.", inner)
            rows.append((of, f"{kind}{k + 1}", f"Those of {of}."))
        yield from self.named(kind, doc, rows)

    def wrt(self, target: Target) -> list[tuple[str, str, str]]:
        params = {p.value.name for p in self.model.params}
        return [
            (name, "_Reals" if value in params else self.type(self.values[value], "real"), self.about(self.values[value], ""))
            for name, value in target.wrt
        ]

    # ---- calls

    def needed(self) -> set[str]:
        """The values that the outputs without the loss depend on."""
        if "predict" in self.reads:
            return self.reads["predict"]
        graph = self.model.graph
        needed = {o.value for o in self.model.outputs if o.value != self.model.loss or len(self.model.outputs) == 1}
        for eqn in reversed(graph.eqns):
            if any(o.name in needed for o in outs(eqn)):
                needed.update(eqn.reads())
        return needed

    def words(self, kind: str) -> list[tuple[str, str]]:
        """What a call of such a model may be told beside its inputs; a step is always training."""
        model = self.model
        if kind == "step":
            return []
        found = [("training", "bool")] if model.training is not None else []
        found += [("seed", "int"), ("counter", "int")] if model.generator is not None else []
        return [*found, ("state", "States | Mapping[str, ArrayLike]")] if kind == "pure" and model.states else found

    def arguments(self, only: set[str] | None = None, kind: str = "", out: str = "") -> tuple[list[str], str]:
        """Keyword arguments of a call, and their documentation."""
        model = self.model
        inputs = [i for i in model.inputs if only is None or i.value.name in only]
        told = {d.name for i in inputs for d in i.value.shape}
        texts: list[str] = []
        rows: list[str] = []
        hidden = False
        for i in inputs:
            below = f", integers below {i.below}" if i.below is not None else ""
            rows.append(f"{i.value.name}  {self.about(i.value, i.doc, below.removeprefix(', '))}")
            if _attribute(i.value.name):
                texts.append(f"{i.value.name}: ArrayLike")
            else:
                hidden = True
        for name in model.free:
            if _attribute(name):
                texts.append(f"{name}: int" + (" = ..." if name in told else ""))
                if name not in told:
                    rows.append(f"{name}  a size, which no array tells")
            else:
                hidden = True
        for h in model.hypers:
            if _attribute(h.value.name):
                texts.append(f"{h.value.name}: float = ...")
            else:
                hidden = True
        texts += [f"{word}: {type_} = ..." for word, type_ in self.words(kind) if self.fresh(word) == word]
        texts += [f"out: {out} = ..."] if out and self.fresh("out") == "out" else []
        if hidden:
            texts.append(f"**{self.fresh('others')}: Any")
        keywords = [t for t in texts if not t.startswith("**")]
        return (["*", *keywords] if keywords else []) + [t for t in texts if t.startswith("**")], "\n".join(rows)

    def fresh(self, name: str) -> str:
        """A name for an argument that no keyword has."""
        taken = {i.value.name for i in self.model.inputs} | set(self.model.free) | {h.value.name for h in self.model.hypers}
        while name in taken:
            name += "_"
        return name

    def call(
        self, indent: str, name: str, first: Sequence[str], result: str, doc: str, only: set[str] | None = None
    ) -> Iterator[str]:
        keywords, rows = self.arguments(only, "step" if name in ("step", "bind") else "" if indent else "pure", into(result))
        arguments = ", ".join([*first, "/", *keywords])
        yield f"{indent}def {name}({arguments}) -> {result}:"
        yield _doc(f"{indent}    ", doc + (f"\n\n{rows}" if rows else ""))

    def model_class(self, predictions: str) -> Iterator[str]:
        this = self.fresh("self")
        upstream = f"{self.fresh('upstream')}: _Upstream = None"
        yield "class Model:"
        yield _doc("    ", self.model.doc.strip() or "A model with its parameters.")
        yield "    params: Params"
        yield "    hyper: Hypers"
        if self.model.states:
            yield "    state: States"
        if self.model.generator is not None:
            yield "    @property"
            yield "    def generator(self) -> Any:"
            yield '        """The seed and the counter of random values: `.seed` and `.counter`, which can be set."""'
        yield "    optimizer_state: Any"
        yield "    classes: dict[str, tuple[str, ...]]"
        yield f"    def __init__(self, seed: int | None = 0, params: {_GIVEN} | None = None) -> None: ..."
        yield "    @property"
        yield "    def theta(self) -> _Reals:"
        yield '        """All trained parameters in one vector. Assigning copies in."""'
        yield "    @theta.setter"
        yield "    def theta(self, value: ArrayLike) -> None: ..."
        yield "    @property"
        yield "    def grad(self) -> _Reals:"
        yield '        """The latest gradient, laid out as theta."""'
        yield from self.call("    ", "forward", [this], "Outputs", "The outputs by name; keeps what backward() needs.")
        yield f"    def backward(self, upstream: _Upstream = None, out: {into('Gradients')} = None) -> Gradients:"
        yield '        """The gradients at the last forward(); `upstream` for what is no scalar, an array or a dict by output."""'
        yield from self.call("    ", "value_and_grad", [this, upstream], "tuple[Outputs, Gradients]",
                             "What forward and backward return, in one call.")  # fmt: skip
        yield from self.call("    ", "predict", [this], predictions, "The outputs, from only the inputs that they need.",
                             self.needed())  # fmt: skip
        for what, (kind, _, doc) in self.declared():
            yield from self.call("    ", what, [this], kind, doc, self.reads.get(what))
        yield from self.call("    ", "step", [this, f"{self.fresh('optimizer')}: Any = None"], "float",
                             "One training step on these inputs; the loss before it.")  # fmt: skip
        yield from self.call("    ", "bind", [this, f"{self.fresh('optimizer')}: Any = None"], "_Bound",
                             "Training steps on these very arrays as a function; see _Bound.")  # fmt: skip
        yield "    def fit(self, data: Any, optimizer: Any = None, *, epochs: int = 1,"
        yield "            batch_size: int | None = 32, shuffle: bool = True, seed: int | None = None,"
        yield "            progress: bool | None = None, validation: Any = None, metrics: Any = None, callbacks: Any = (),"
        yield "            clip_norm: float = 0.0, clip_value: float = 0.0, resume: Any = None, accumulate: int = 1,"
        yield "            ahead: int = 4) -> _History:"
        yield '        """Train on `data`, a dict of arrays by input name or an iterable of such batches; returns the history."""'
        yield "    def save(self, path: Any, **options: Any) -> None: ..."
        yield "    @classmethod"
        yield "    def load(cls, path: Any, **options: Any) -> Model: ..."
        yield "    def copy(self) -> Model: ..."
        yield "    def share(self, other: Any) -> None:"
        yield '        """Make the parameters that `other`, a model of another file, has too one memory with its own."""'
        yield "    def summary(self, /, **sizes: int) -> _Summary:"
        yield '        """Shapes, parameters, operations and bytes of each line of the model; print it."""'
        yield "    @property"
        yield "    def values(self) -> Any:"
        yield '        """Intermediate values of the last forward() by name."""'
        yield ""

    def functions(self, predictions: str) -> Iterator[str]:
        params = f"{self.fresh('params')}: {_GIVEN}"
        upstream = f"{self.fresh('upstream')}: _Upstream = None"
        pure = "a pure function of its arguments."
        yield from self.call("", "forward", [params], "Outputs", f"The outputs for these parameters: {pure}")
        yield from self.call("", "predict", [params], predictions, f"The outputs without the loss, for these parameters: {pure}",
                             self.needed())  # fmt: skip
        yield from self.call("", "value_and_grad", [params, upstream], "tuple[Outputs, Gradients]",
                             f"Outputs and gradients for these parameters: {pure}")  # fmt: skip
        yield from self.call("", "gradient", [params, upstream], "Gradients", f"The gradients for these parameters: {pure}")
        for what, (kind, _, doc) in self.declared():
            yield from self.call("", what, [params], kind, f"{doc[:-1]}, for these parameters: {pure}", self.reads.get(what))
        if pointwise(model := self.model):
            shown = [(o.name, self.values[o.value]) for o in model.outputs]
            yield from self.point("value_at", "The outputs at a point: numbers for numbers, in order.", shown)
            if model.targets and not any(self.values[t.value].shape for t in model.targets):
                shown += [(f"d{t.name}/d{name}", self.values[value]) for t in model.targets for name, value in t.wrt]
                what = "The outputs and the gradients at a point: numbers for numbers, in order."
                yield from self.point("value_and_grad_at", what, shown)

    def point(self, name: str, doc: str, shown: Sequence[tuple[str, Value]]) -> Iterator[str]:
        """A function of numbers by their order."""
        given = [*(i.value for i in self.model.inputs), *(p.value for p in self.model.params)]
        rows = [(v.name, "ArrayLike" if v.shape else "float") for v in given]
        rows += [(h.value.name, "float = ...") for h in self.model.hypers]
        fine = all(_attribute(n) for n, _ in rows) and len({n for n, _ in rows}) == len(rows)
        arguments = [f"{n if fine else f'_{k}'}: {type_}" for k, (n, type_) in enumerate(rows)]
        results = ["tuple[Any, ...]" if v.shape else "float" for _, v in shown]
        result = results[0] if len(results) == 1 else f"tuple[{', '.join(results)}]"
        yield f"def {name}({', '.join([*arguments, '/'] if arguments else [])}) -> {result}:"
        names = ", ".join(n for n, _ in shown)
        taken = ", ".join(n for n, _ in rows) or "nothing"
        yield _doc("    ", f"{doc}\n\nTakes {taken}; returns {names if len(shown) == 1 else f'({names})'}.")
