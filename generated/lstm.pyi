"""lstm: a loop that stays a loop in the generated code

Made by gradwright 0.1.0 from examples/lstm.gw."""
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
    W: _Reals
    """[48, 128]."""
    b: _Reals
    """[128]."""
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
    h: _Reals
    """[N, 32]."""
    hs: _Reals
    """[T, N, 32]."""
    loss: _Real
    """scalar. the loss"""
    def __getitem__(self, name: str) -> Any: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __len__(self) -> int: ...
    def __contains__(self, name: object) -> bool: ...
    def keys(self) -> list[str]: ...
    def _asdict(self) -> dict[str, Any]: ...

class Predictions:
    """What a prediction returned: the outputs without the loss."""
    h: _Reals
    """[N, 32]."""
    hs: _Reals
    """[T, N, 32]."""
    def __getitem__(self, name: str) -> Any: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __len__(self) -> int: ...
    def __contains__(self, name: object) -> bool: ...
    def keys(self) -> list[str]: ...
    def _asdict(self) -> dict[str, Any]: ...

class Gradients:
    """The gradients of loss by name."""
    W: _Reals
    """[48, 128]."""
    b: _Reals
    """[128]."""
    def __getitem__(self, name: str) -> Any: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __len__(self) -> int: ...
    def __contains__(self, name: object) -> bool: ...
    def keys(self) -> list[str]: ...
    def _asdict(self) -> dict[str, Any]: ...

class Model:
    """a loop that stays a loop in the generated code"""
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
    def forward(self, /, *, x: ArrayLike, target: ArrayLike, N: int = ..., T: int = ..., out: _Out | Outputs | None = ...) -> Outputs:
        """The outputs by name; keeps what backward() needs.

        x  [N, T, 16].
        target  [N, 32]."""
    def backward(self, upstream: _Upstream = None, out: _Out | Gradients | None = None) -> Gradients:
        """The gradients at the last forward(); `upstream` for what is no scalar, an array or a dict by output."""
    def value_and_grad(self, upstream: _Upstream = None, /, *, x: ArrayLike, target: ArrayLike, N: int = ..., T: int = ..., out: tuple[_Out | Outputs | None, _Out | Gradients | None] | None = ...) -> tuple[Outputs, Gradients]:
        """What forward and backward return, in one call.

        x  [N, T, 16].
        target  [N, 32]."""
    def predict(self, /, *, x: ArrayLike, N: int = ..., T: int = ..., out: _Out | Predictions | None = ...) -> Predictions:
        """The outputs, from only the inputs that they need.

        x  [N, T, 16]."""
    def step(self, optimizer: Any = None, /, *, x: ArrayLike, target: ArrayLike, N: int = ..., T: int = ...) -> float:
        """One training step on these inputs; the loss before it.

        x  [N, T, 16].
        target  [N, 32]."""
    def bind(self, optimizer: Any = None, /, *, x: ArrayLike, target: ArrayLike, N: int = ..., T: int = ...) -> _Bound:
        """Training steps on these very arrays as a function; see _Bound.

        x  [N, T, 16].
        target  [N, 32]."""
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

def forward(params: Model | Params | Mapping[str, ArrayLike] | ArrayLike, /, *, x: ArrayLike, target: ArrayLike, N: int = ..., T: int = ..., out: _Out | Outputs | None = ...) -> Outputs:
    """The outputs for these parameters: a pure function of its arguments.

    x  [N, T, 16].
    target  [N, 32]."""
def predict(params: Model | Params | Mapping[str, ArrayLike] | ArrayLike, /, *, x: ArrayLike, N: int = ..., T: int = ..., out: _Out | Predictions | None = ...) -> Predictions:
    """The outputs without the loss, for these parameters: a pure function of its arguments.

    x  [N, T, 16]."""
def value_and_grad(params: Model | Params | Mapping[str, ArrayLike] | ArrayLike, upstream: _Upstream = None, /, *, x: ArrayLike, target: ArrayLike, N: int = ..., T: int = ..., out: tuple[_Out | Outputs | None, _Out | Gradients | None] | None = ...) -> tuple[Outputs, Gradients]:
    """Outputs and gradients for these parameters: a pure function of its arguments.

    x  [N, T, 16].
    target  [N, 32]."""
def gradient(params: Model | Params | Mapping[str, ArrayLike] | ArrayLike, upstream: _Upstream = None, /, *, x: ArrayLike, target: ArrayLike, N: int = ..., T: int = ..., out: _Out | Gradients | None = ...) -> Gradients:
    """The gradients for these parameters: a pure function of its arguments.

    x  [N, T, 16].
    target  [N, 32]."""
