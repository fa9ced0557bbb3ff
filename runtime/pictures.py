"""Pictures. They need matplotlib: pip install "gradwright[plot]". Each function returns what it drew on, and shows nothing:
`ax.figure.savefig("name.png")`, or matplotlib's `show()`, is up to you."""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .arguments import _element, _first, _meant, _real
from .errors import ArgumentError, MissingError, RangeError, ShapeError

if TYPE_CHECKING:
    from .history import History

Array = np.ndarray[Any, np.dtype[Any]]


def _pyplot() -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise MissingError(f"pictures need matplotlib: pip install 'gradwright[plot]' ({error})") from error
    return plt


def _axes(ax: Any) -> Any:
    return _pyplot().subplots()[1] if ax is None else ax


def _finite(name: str, value: Any) -> Array:
    array = _real(name, value, np.dtype(np.float64))
    if not (fine := np.isfinite(array)).all():
        where = _first(~fine)
        raise RangeError(f"{_element(name, where)} is {array[where]:g}, which has no place in a picture")
    return array


def plot_history(history: History, names: Sequence[str] = (), ax: Any = None) -> Any:
    """Columns of a history (all losses, if none is named) against the epochs; returns the axes."""
    for name in names:
        if name not in history.columns:
            raise ArgumentError(f"the history has no {name!r}{_meant(name, history.columns)}")
    ax = _axes(ax)
    names = list(names) or [name for name in history if name.endswith("loss")]
    for name in names:
        ax.plot(np.arange(1, len(history[name]) + 1), history[name], label=name)
    ax.set_xlabel("epoch")
    values = np.concatenate([history[name] for name in names]) if names else np.ones(1)
    if np.all(values > 0) and values.size and values.max() > 20 * values.min():
        ax.set_yscale("log")
    if names:
        ax.legend()
    return ax


def decision_boundary(model: Any, x: Any = None, y: Any = None, *, input: str | None = None, output: str | None = None,
                      limits: Any = None, points: int = 200, ax: Any = None, **others: Any) -> Any:
    """What a model of two inputs says over the plane, with the points `x` in it, coloured by their labels `y`; returns the axes.

    A model has two inputs if it reads one array of two columns, or two vectors. `input` names the array if there are several,
    `output` what is drawn, the first output without it: one column of probabilities (the line is at 1/2) or of scores (at 0, if
    some are negative), or a column for each class. `limits` is ((left, right), (bottom, top)); `others` go to the model as well.
    """
    known = {spec["name"]: spec for spec in model.engine.predict.needs.inputs}
    free = [name for name in known if name not in others]
    wide = [name for name in free if len(known[name]["shape"]) == 2 and known[name]["shape"][1] == 2]
    flat = [name for name in free if len(known[name]["shape"]) == 1]
    if input is not None:
        if input not in known:
            raise ArgumentError(f"input: {model.engine.name} predicts from no {input!r}{_meant(input, known)}")
        names = [input]
    elif len(wide) == 1:
        names = wide
    elif not wide and len(flat) == 2:
        names = flat
    else:
        declared = ", ".join(spec["declared"] for spec in known.values()) or "nothing"
        raise ArgumentError(f"{model.engine.name} predicts from {declared}: a decision boundary needs one array of two columns, "
                            "or two vectors; name it with input=")
    if limits is None and x is None:
        raise ArgumentError("x: a decision boundary needs the points x, or limits=((left, right), (bottom, top))")
    if x is not None:
        x = _finite("x", x)
        if x.ndim != 2 or x.shape[1] != 2 or (limits is None and not len(x)):
            raise ShapeError(f"x: expected points [N, 2], got shape {x.shape}")
        if y is not None:
            y = _finite("y", y)
            if y.size != len(x) or y.shape[:1] != (len(x),):
                raise ShapeError(f"y: expected a label for each of {len(x)} points, got shape {y.shape}")
    if limits is not None:
        limits = _finite("limits", limits)
        if limits.shape != (2, 2):
            raise ShapeError(f"limits: expected ((left, right), (bottom, top)), got shape {limits.shape}")
    else:
        low, high = x.min(axis=0), x.max(axis=0)
        room = np.where(high > low, 0.25 * (high - low), 1.0)
        limits = tuple(zip(low - room, high + room, strict=True))
    across = np.linspace(float(limits[0][0]), float(limits[0][1]), points)
    up = np.linspace(float(limits[1][0]), float(limits[1][1]), points)
    plane = np.stack([part.ravel() for part in np.meshgrid(across, up)], axis=1)
    given = {names[0]: plane} if len(names) == 1 else {names[0]: plane[:, 0], names[1]: plane[:, 1]}
    found = model.predict(**given, **others)
    if output is not None and output not in found:
        raise ArgumentError(f"output: {model.engine.name} has no output {output!r}{_meant(output, found.keys())}")
    values = np.asarray(found[output or found.keys()[0]], np.float64)
    if values.shape[:1] != plane.shape[:1] or values.ndim > 2:
        raise ShapeError(f"{output or found.keys()[0]} has shape {values.shape}: it must have one row for each point")
    ax = _axes(ax)
    colours = None
    if values.ndim == 2 and values.shape[1] > 1:
        classes = values.argmax(axis=1).reshape(points, points)
        colours = _pyplot().get_cmap("tab10" if values.shape[1] > 2 else "RdBu_r", values.shape[1])
        ax.contourf(across, up, classes, levels=np.arange(values.shape[1] + 1) - 0.5, cmap=colours, alpha=0.4)
        for k in range(values.shape[1] - 1):
            if classes.min() <= k < classes.max():
                ax.contour(across, up, classes, levels=[k + 0.5], colors="black", linewidths=1)
    else:
        values = values.reshape(points, points)
        level = 0.0 if values.min() < 0 else 0.5
        probable = values.min() >= 0 and values.max() <= 1
        spread = 0.5 if probable else max(float(np.abs(values - level).max()), 1e-12)
        ax.contourf(across, up, values, levels=np.linspace(level - spread, level + spread, 21), cmap="RdBu_r", alpha=0.6)
        if values.min() < level < values.max():
            ax.contour(across, up, values, levels=[level], colors="black", linewidths=1.5)
    if x is not None:
        labels = np.zeros(len(x)) if y is None else y.reshape(len(x))
        if colours is not None:     # each point in the colour of the region where it is right
            ax.scatter(x[:, 0], x[:, 1], c=labels, cmap=colours, vmin=-0.5, vmax=colours.N - 0.5, edgecolors="black", zorder=3)
        else:
            ax.scatter(x[:, 0], x[:, 1], c=labels, cmap="RdBu_r", edgecolors="black", zorder=3)
    ax.set_xlim(across[0], across[-1])
    ax.set_ylim(up[0], up[-1])
    if len(names) == 2:
        ax.set_xlabel(names[0])
        ax.set_ylabel(names[1])
    return ax


def templates(weights: Any, shape: tuple[int, ...], *, titles: Sequence[Any] = (), columns: int | None = None,
              most: int = 100) -> Any:
    """The columns of weights [D, K] as pictures of `shape`, (rows, columns) or (rows, columns, 3): what each unit looks for.
    Weights [K, C, H, W] or [K, H, W] of a convolution are drawn with shape=(H, W). Returns the figure. At most `most` are drawn.
    """
    weights = _finite("weights", weights)
    size = math.prod(shape)
    if weights.ndim == 2 and weights.shape[0] == size:
        units = weights.T.reshape(-1, *shape)
    elif weights.ndim == 4 and weights.shape[1] == 3 and weights.shape[2:] == tuple(shape[:2]):
        units = weights.transpose(0, 2, 3, 1)
    elif weights.ndim in (3, 4) and weights.shape[-2:] == tuple(shape):
        units = weights.reshape(-1, *shape)
    else:
        units = np.zeros(0)
    if not units.size:
        raise ShapeError(f"weights: arrays of shape {weights.shape} have no columns of shape {tuple(shape)}; they need "
                         f"{size} rows")
    units = units[:most]
    columns = columns or math.ceil(math.sqrt(len(units)))
    rows = -(-len(units) // columns)
    figure, grid = _pyplot().subplots(rows, columns, figsize=(1.1 * columns, 1.2 * rows), squeeze=False)
    for ax in grid.ravel():
        ax.axis("off")
    for k, (ax, unit) in enumerate(zip(grid.ravel(), units, strict=False)):
        if unit.ndim == 3:      # each colour from its lowest to its highest weight
            low, high = unit.min(), unit.max()
            ax.imshow((unit - low) / (high - low if high > low else 1.0))
        else:
            bound = max(float(np.abs(unit).max()), 1e-12)
            ax.imshow(unit, cmap="RdBu_r", vmin=-bound, vmax=bound)
        if k < len(titles):
            ax.set_title(str(titles[k]), fontsize=9)
    return figure


def function_and_gradient(model: Any, name: str, values: Any, *, output: str | None = None, ax: Any = None,
                          **inputs: Any) -> Any:
    """An output that is a scalar, and its gradient, as the scalar input `name` takes these values, or as the vector input `name`
    that the model sums over holds them in turn. Returns the axes. `output` is the first scalar one if not told."""
    engine = model.engine
    specs = {spec["name"]: spec for spec in engine.spec["inputs"]}
    if name not in specs or specs[name]["kind"] != "real" or len(specs[name]["shape"]) > 1:
        scalars = [key for key, spec in specs.items() if spec["kind"] == "real" and len(spec["shape"]) < 2]
        raise ArgumentError(f"{engine.name} has no scalar or vector input {name!r}{_meant(name, scalars)}")
    targets = {t["name"]: t for t in engine.spec["targets"] if not t["shape"]}
    output = output or next(iter(targets), None)
    if output not in targets or (name, "input") not in [tuple(w[:2]) for w in targets[output]["wrt"]]:
        raise ArgumentError(f"{engine.name} takes no gradient of {output or 'a scalar'} with respect to {name}: "
                            f"declare `gradient {output or 'f'} wrt {name}`")
    values = _finite("values", values).ravel()
    height, slope = np.empty(values.size), np.empty(values.size)
    worker = model.copy()
    for k, value in enumerate(values):
        given = np.full((1,) * len(specs[name]["shape"]), value)
        out, gradients = worker.value_and_grad(**{name: given}, **inputs)
        own = gradients if engine.top is not None and engine.top[0] == output else gradients[output]
        height[k], slope[k] = float(out[output]), float(np.asarray(own[name]).reshape(()))
    ax = _axes(ax)
    ax.axhline(0, color="0.8", linewidth=0.8)
    ax.plot(values, height, label=output)
    ax.plot(values, slope, "--", label=f"d {output} / d {name}")
    ax.set_xlabel(name)
    ax.legend()
    return ax
