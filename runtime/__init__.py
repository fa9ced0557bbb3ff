"""What training needs: NumPy, and never the compiler (`load` asks for it when it is called).

Names come when they are asked for, so that a generated module that looks for its errors here pays for nothing else.
"""
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .callbacks import EarlyStopping, Every, Info
    from .checking import gradcheck, sample_inputs
    from .checkpoints import Checkpoint
    from .data import read_data, write_data
    from .errors import (
        ArgumentError,
        CheckpointError,
        CheckpointWriteError,
        DtypeError,
        GradwrightError,
        MissingError,
        ModelWarning,
        NotFiniteError,
        RangeError,
        ShapeError,
        StateError,
    )
    from .history import History
    from .interchange import load_state_dict
    from .loading import load
    from .measuring import bench
    from .optimizers import SGD, AdaDelta, AdaGrad, Adam, Adamax, AdamW, Lion, NAdam, Optimizer, RAdam, RMSProp
    from .schedules import Constant, Cosine, Exponential, OneCycle, ReduceOnPlateau, Schedule, Step
    from .training import Bound, bind, fit, step

_PLACES = {
    "checking": ("gradcheck", "sample_inputs"),
    "checkpoints": ("Checkpoint",),
    "data": ("read_data", "write_data"),
    "callbacks": ("EarlyStopping", "Every", "Info"),
    "errors": ("ArgumentError", "CheckpointError", "CheckpointWriteError", "DtypeError", "GradwrightError", "MissingError",
               "ModelWarning", "NotFiniteError", "RangeError", "ShapeError", "StateError"),
    "history": ("History",),
    "interchange": ("load_state_dict",),
    "loading": ("load",),
    "measuring": ("bench",),
    "optimizers": ("SGD", "AdaDelta", "AdaGrad", "Adam", "AdamW", "Adamax", "Lion", "NAdam", "Optimizer", "RAdam", "RMSProp"),
    "schedules": ("Constant", "Cosine", "Exponential", "OneCycle", "ReduceOnPlateau", "Schedule", "Step"),
    "training": ("Bound", "bind", "fit", "step"),
}
_MODULES = ("callbacks", "checking", "checkpoints", "data", "errors", "history", "interchange", "loading", "logs",
            "measuring", "metrics", "model", "optimizers", "pictures", "profiling", "schedules", "streams", "summary", "training")

__all__ = [
    "SGD", "AdaDelta", "AdaGrad", "Adam", "AdamW", "Adamax", "ArgumentError", "Bound", "Checkpoint", "CheckpointError",
    "CheckpointWriteError", "Constant", "Cosine", "DtypeError", "EarlyStopping", "Every", "Exponential", "GradwrightError",
    "History", "Info", "Lion", "MissingError", "ModelWarning", "NAdam", "NotFiniteError", "OneCycle", "Optimizer", "RAdam",
    "RMSProp", "RangeError", "ReduceOnPlateau", "Schedule", "ShapeError", "StateError", "Step", "bench", "bind", "fit",
    "gradcheck", "load", "load_state_dict", "read_data", "sample_inputs", "step", "write_data",
]


def __getattr__(name: str) -> Any:
    for place, names in _PLACES.items():
        if name in names:
            return getattr(import_module(f".{place}", __name__), name)
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, *_MODULES])
