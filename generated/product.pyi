"""product: the first circuit of every course on backpropagation

Made by gradwright 0.1.0 from examples/product.gw."""
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from gradwright.runtime.history import History as _History  # type: ignore[import-not-found, unused-ignore]
from gradwright.runtime.summary import Summary as _Summary  # type: ignore[import-not-found, unused-ignore]
from gradwright.runtime.training import Bound as _Bound  # type: ignore[import-not-found, unused-ignore]
from numpy.typing import ArrayLike, NDArray

_Reals = NDArray[np.float64]
_Integers = NDArray[np.int64]
_Truths = NDArray[np.bool_]
_Real = np.float64
_Upstream = ArrayLike | Mapping[str, ArrayLike] | None
_Out = NDArray[Any] | Mapping[str, Any]

class Params:
    """The parameters by name: views into the model's flat vectors. Assigning copies in."""
    def __getitem__(self, name: str) -> Any: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __len__(self) -> int: ...
    def __contains__(self, name: object) -> bool: ...
    def __setitem__(self, name: str, value: ArrayLike) -> None: ...
    def keys(self) -> list[str]: ...
    def _asdict(self) -> dict[str, Any]: ...

class Hypers:
    """The hyper-parameters by name: numbers, which the next call uses."""
    def __getitem__(self, name: str) -> Any: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __len__(self) -> int: ...
    def __contains__(self, name: object) -> bool: ...
    def __setitem__(self, name: str, value: float) -> None: ...
    def keys(self) -> list[str]: ...
    def _asdict(self) -> dict[str, Any]: ...

class Outputs:
    """What a forward pass returned."""
    f: _Real
    """scalar."""
    def __getitem__(self, name: str) -> Any: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __len__(self) -> int: ...
    def __contains__(self, name: object) -> bool: ...
    def keys(self) -> list[str]: ...
    def _asdict(self) -> dict[str, Any]: ...

class Gradients:
    """The gradients of f by name."""
    x: _Real
    """scalar."""
    y: _Real
    """scalar."""
    z: _Real
    """scalar."""
    def __getitem__(self, name: str) -> Any: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __len__(self) -> int: ...
    def __contains__(self, name: object) -> bool: ...
    def keys(self) -> list[str]: ...
    def _asdict(self) -> dict[str, Any]: ...

class Model:
    """the first circuit of every course on backpropagation"""
    params: Params
    hyper: Hypers
    optimizer_state: Any
    classes: dict[str, tuple[str, ...]]
    def __init__(self, seed: int | None = 0, params: Model | Params | Mapping[str, ArrayLike] | ArrayLike | None = None) -> None: ...
    @property
    def theta(self) -> _Reals:
        """All trained parameters in one vector. Assigning copies in."""
    @theta.setter
    def theta(self, value: ArrayLike) -> None: ...
    @property
    def grad(self) -> _Reals:
        """The latest gradient, laid out as theta."""
    def forward(self, /, *, x: ArrayLike, y: ArrayLike, z: ArrayLike, out: _Out | Outputs | None = ...) -> Outputs:
        """The outputs by name; keeps what backward() needs.

        x  scalar.
        y  scalar.
        z  scalar."""
    def backward(self, upstream: _Upstream = None, out: _Out | Gradients | None = None) -> Gradients:
        """The gradients at the last forward(); `upstream` for what is no scalar, an array or a dict by output."""
    def value_and_grad(self, upstream: _Upstream = None, /, *, x: ArrayLike, y: ArrayLike, z: ArrayLike, out: tuple[_Out | Outputs | None, _Out | Gradients | None] | None = ...) -> tuple[Outputs, Gradients]:
        """What forward and backward return, in one call.

        x  scalar.
        y  scalar.
        z  scalar."""
    def predict(self, /, *, x: ArrayLike, y: ArrayLike, z: ArrayLike, out: _Out | Outputs | None = ...) -> Outputs:
        """The outputs, from only the inputs that they need.

        x  scalar.
        y  scalar.
        z  scalar."""
    def step(self, optimizer: Any = None, /, *, x: ArrayLike, y: ArrayLike, z: ArrayLike) -> float:
        """One training step on these inputs; the loss before it.

        x  scalar.
        y  scalar.
        z  scalar."""
    def bind(self, optimizer: Any = None, /, *, x: ArrayLike, y: ArrayLike, z: ArrayLike) -> _Bound:
        """Training steps on these very arrays as a function; see _Bound.

        x  scalar.
        y  scalar.
        z  scalar."""
    def fit(self, data: Any, optimizer: Any = None, *, epochs: int = 1,
            batch_size: int | None = 32, shuffle: bool = True, seed: int | None = None,
            progress: bool | None = None, validation: Any = None, metrics: Any = None, callbacks: Any = (),
            clip_norm: float = 0.0, clip_value: float = 0.0, resume: Any = None, accumulate: int = 1,
            ahead: int = 4) -> _History:
        """Train on `data`, a dict of arrays by input name or an iterable of such batches; returns the history."""
    def save(self, path: Any, **options: Any) -> None: ...
    @classmethod
    def load(cls, path: Any, **options: Any) -> Model: ...
    def copy(self) -> Model: ...
    def share(self, other: Any) -> None:
        """Make the parameters that `other`, a model of another file, has too one memory with its own."""
    def summary(self, /, **sizes: int) -> _Summary:
        """Shapes, parameters, operations and bytes of each line of the model; print it."""
    @property
    def values(self) -> Any:
        """Intermediate values of the last forward() by name."""

def forward(params: Model | Params | Mapping[str, ArrayLike] | ArrayLike, /, *, x: ArrayLike, y: ArrayLike, z: ArrayLike, out: _Out | Outputs | None = ...) -> Outputs:
    """The outputs for these parameters: a pure function of its arguments.

    x  scalar.
    y  scalar.
    z  scalar."""
def predict(params: Model | Params | Mapping[str, ArrayLike] | ArrayLike, /, *, x: ArrayLike, y: ArrayLike, z: ArrayLike, out: _Out | Outputs | None = ...) -> Outputs:
    """The outputs without the loss, for these parameters: a pure function of its arguments.

    x  scalar.
    y  scalar.
    z  scalar."""
def value_and_grad(params: Model | Params | Mapping[str, ArrayLike] | ArrayLike, upstream: _Upstream = None, /, *, x: ArrayLike, y: ArrayLike, z: ArrayLike, out: tuple[_Out | Outputs | None, _Out | Gradients | None] | None = ...) -> tuple[Outputs, Gradients]:
    """Outputs and gradients for these parameters: a pure function of its arguments.

    x  scalar.
    y  scalar.
    z  scalar."""
def gradient(params: Model | Params | Mapping[str, ArrayLike] | ArrayLike, upstream: _Upstream = None, /, *, x: ArrayLike, y: ArrayLike, z: ArrayLike, out: _Out | Gradients | None = ...) -> Gradients:
    """The gradients for these parameters: a pure function of its arguments.

    x  scalar.
    y  scalar.
    z  scalar."""
def value_at(x: float, y: float, z: float, /) -> float:
    """The outputs at a point: numbers for numbers, in order.

    Takes x, y, z; returns f."""
def value_and_grad_at(x: float, y: float, z: float, /) -> tuple[float, float, float, float]:
    """The outputs and the gradients at a point: numbers for numbers, in order.

    Takes x, y, z; returns (f, df/dx, df/dy, df/dz)."""
