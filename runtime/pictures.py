"""Pictures. They need matplotlib: pip install "gradwright[plot]"."""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import MissingError

if TYPE_CHECKING:
    from .training import History


def _axes(ax: Any) -> Any:
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise MissingError(f"pictures need matplotlib: pip install 'gradwright[plot]' ({error})") from error
    return plt.subplots()[1]


def plot_history(history: History, names: Sequence[str] = (), ax: Any = None) -> Any:
    """Columns of a history (all losses, if none is named) against the epochs; returns the axes."""
    ax = _axes(ax)
    names = list(names) or [name for name in history if name.endswith("loss")]
    epochs = np.arange(1, history.epochs + 1)
    for name in names:
        ax.plot(epochs, history[name], label=name)
    ax.set_xlabel("epoch")
    values = np.concatenate([history[name] for name in names]) if names else np.ones(1)
    if np.all(values > 0) and values.size and values.max() > 20 * values.min():
        ax.set_yscale("log")
    ax.legend()
    return ax
