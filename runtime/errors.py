"""The family of errors that the runtime raises. Each is also the built-in error that fits, so that either can be caught."""


class GradwrightError(Exception):
    """Whatever goes wrong with a model, its data or its training."""


class ShapeError(GradwrightError, ValueError):
    """An array has not the shape that the model declares."""


class DtypeError(GradwrightError, TypeError):
    """An array holds what the model cannot use: text, objects, complex numbers, reals for an index."""


class ArgumentError(GradwrightError, TypeError):
    """An argument is missing, unknown, or not of the kind that is wanted."""


class RangeError(GradwrightError, ValueError):
    """An index is out of range, or a number is beyond the model's type."""


class StateError(GradwrightError, RuntimeError):
    """A call that needs another before it: backward() before forward(), grad before a gradient."""


class MissingError(GradwrightError, ImportError):
    """Something that is not installed is needed: the compiler, safetensors, matplotlib."""


class CheckpointError(GradwrightError, ValueError):
    """A checkpoint is damaged, or another model's."""


class CheckpointWriteError(CheckpointError, OSError):
    """A checkpoint could not be written: a full disk, a read-only folder. The one that was there before is whole."""

    def __str__(self) -> str:
        return str(self.args[0])        # OSError would say errno and filename again


class NotFiniteError(GradwrightError, FloatingPointError):
    """A module compiled with `checked` computed a NaN or an infinity. The message names the line of the model."""


class ModelWarning(UserWarning):
    """What `load` finds legal and hardly meant in a model: the text shows the line."""
