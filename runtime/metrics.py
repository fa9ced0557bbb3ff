"""Figures of merit. A metric of `fit` is a function of (outputs, inputs), or one of these by name: the functions below take
predictions and truth, and `fit(metrics="accuracy")` finds both (the first output, and the input that is no parameter of it)."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from .arguments import _element, _first, _meant, _real
from .errors import ArgumentError, DtypeError, RangeError, ShapeError

if TYPE_CHECKING:
    from .model import Model

Array = np.ndarray[Any, np.dtype[Any]]
Metric: TypeAlias = Callable[[Any, Any], Any]


def _numbers(name: str, value: Any) -> Array:
    return _real(name, value, np.dtype(np.float64))


def _classes(scores: Array, labels: Array) -> Array:
    """Labels [N] that name columns of scores [N, C]."""
    if not labels.size:
        return labels.astype(np.int64)
    wrong = ~(np.floor(labels) == labels)
    if wrong.any():
        raise DtypeError(f"labels: expected whole numbers; {_element('labels', _first(wrong))} is {labels[_first(wrong)]:g}")
    count = scores.shape[-1]
    if count == 0:
        raise ShapeError(f"scores: expected a column for each class, got shape {scores.shape}")
    wrong = (labels < 0) | (labels >= count)
    if wrong.any():
        where = _first(wrong)
        raise RangeError(f"labels: expected numbers of {count} classes, from 0; {_element('labels', where)} is {labels[where]:g}")
    return labels.astype(np.int64)


def _part(right: Array, *given: Array) -> float:
    """The part that is right; NaN where there is none, or where one of the numbers is NaN."""
    if not right.size or any(np.isnan(array).any() for array in given):
        return float("nan")
    return float(np.mean(right))


def _one_hot(labels: Array) -> bool:
    """Whether each row has a single 1 and nothing else but 0."""
    return bool(labels.size) and bool(np.isin(labels, (0, 1)).all()) and bool((labels.sum(axis=-1) == 1).all())


def accuracy(scores: Any, labels: Any) -> float:
    """The part that is right: of scores [N, C] with labels [N], or with labels [N, C] that have one 1 in each row and else 0,
    the rows whose highest score is that of the label; else each number by itself, with labels of the same shape that are
    0 or 1 (or -1 or 1). Then a probability says 1 above one half. Numbers of which some are no probabilities, below 0 or above 1,
    are scores, which say so above 0, as they do beside labels of -1. NaN where a number is NaN, or where there are none."""
    scores, labels = _numbers("scores", scores), _numbers("labels", labels)
    if scores.ndim == labels.ndim + 1 and scores.shape[:-1] == labels.shape:
        chosen = _classes(scores, labels)
        return _part(np.argmax(scores, axis=-1) == chosen if chosen.size else chosen, scores)
    if scores.shape == labels.shape:
        if labels.ndim > 1 and labels.shape[-1] > 1 and _one_hot(labels):
            return _part(np.argmax(scores, axis=-1) == np.argmax(labels, axis=-1), scores)
        among = np.concatenate([scores.ravel(), labels.ravel()])
        limit = 0.0 if among.size and (among.min() < 0 or among.max() > 1) else 0.5
        return _part((scores > limit) == (labels > 0.5), scores, labels)
    raise ShapeError(f"accuracy: scores {scores.shape} do not fit labels {labels.shape}")


def top_k(scores: Any, labels: Any, k: int = 5) -> float:
    """The part where the label is among the k highest scores. NaN where a score is NaN, or where there are none."""
    scores, labels = _numbers("scores", scores), _numbers("labels", labels)
    if scores.ndim != labels.ndim + 1 or scores.shape[:-1] != labels.shape:
        raise ShapeError(f"top_k: scores {scores.shape} do not fit labels {labels.shape}")
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise ArgumentError(f"k: expected a whole number from 1 up, got {k!r}")
    chosen = _classes(scores, labels)
    if k >= scores.shape[-1]:
        return _part(np.ones(labels.shape, bool), scores)
    best = np.argpartition(-scores, k - 1, axis=-1)[..., :k]
    return _part(np.any(best == chosen[..., None], axis=-1), scores)


def _same_shape(metric: str, names: tuple[str, str], predicted: Any, truth: Any) -> tuple[Array, Array]:
    p, t = _numbers(names[0], predicted), _numbers(names[1], truth)
    if p.shape != t.shape:
        raise ShapeError(f"{metric}: {names[0]} {p.shape} {'do' if names[0][-1] == 's' else 'does'} not fit {names[1]} {t.shape}")
    return p, t


def mse(predicted: Any, truth: Any) -> float:
    """The mean squared error."""
    p, t = _same_shape("mse", ("predicted", "truth"), predicted, truth)
    return float(np.mean((p - t) ** 2)) if p.size else float("nan")


def mae(predicted: Any, truth: Any) -> float:
    """The mean absolute error."""
    p, t = _same_shape("mae", ("predicted", "truth"), predicted, truth)
    return float(np.mean(np.abs(p - t))) if p.size else float("nan")


def r2(predicted: Any, truth: Any) -> float:
    """The coefficient of determination: 1 less the residual sum of squares over the total one."""
    p, t = _same_shape("r2", ("predicted", "truth"), predicted, truth)
    if not p.size:
        return float("nan")
    total = float(np.sum((t - t.mean()) ** 2))
    rest = float(np.sum((p - t) ** 2))
    return 1.0 - rest / total if total else (1.0 if rest == 0 else rest * 0.0)      # NaN stays NaN


def auc(scores: Any, labels: Any) -> float:
    """The area under the ROC curve: how often a positive scores above a negative, ties counted as half."""
    s, t = _same_shape("auc", ("scores", "labels"), scores, labels)
    s, positive = s.ravel(), t.ravel() > 0.5
    n, p = int((~positive).sum()), int(positive.sum())
    if n == 0 or p == 0 or np.isnan(s).any() or np.isnan(t).any():
        return float("nan")
    _, place, counts = np.unique(s, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2        # the mean rank of each value
    return float((ranks[place.ravel()][positive].sum() - p * (p + 1) / 2) / (n * p))


BY_NAME: dict[str, Callable[[Any, Any], float]] = {
    "accuracy": accuracy, "top_5": top_k, "mse": mse, "mae": mae, "r2": r2, "auc": auc,
}


def named_metrics(model: Model, wanted: Any) -> dict[str, Metric]:
    """Metrics by name, from a name, a function, or a list or dict of them."""
    if wanted is None:
        return {}
    if isinstance(wanted, str) or callable(wanted):
        wanted = [wanted]
    if isinstance(wanted, Mapping):
        return {name: _metric(model, metric)[1] for name, metric in wanted.items()}
    if not isinstance(wanted, Iterable):
        raise ArgumentError(f"metrics: expected names, functions or a dict of them, got {wanted!r}")
    return dict(_metric(model, metric) for metric in wanted)


def _metric(model: Model, wanted: Any) -> tuple[str, Metric]:
    if callable(wanted) and wanted not in BY_NAME.values():
        return getattr(wanted, "__name__", "metric"), wanted
    name = next((key for key, function in BY_NAME.items() if function is wanted), wanted)
    if name not in BY_NAME:
        raise ArgumentError(f"metrics: there is no {name!r}{_meant(str(name), BY_NAME)}")
    function = BY_NAME[name]
    output, truth = _pair(model, name)
    return name, lambda out, data: function(out[output], data[truth])


def _pair(model: Model, name: str) -> tuple[str, str]:
    """The output and the input that a metric by name compares: the one input that only the loss reads."""
    spec, engine = model.engine.spec, model.engine
    outputs = [o["name"] for o in spec["outputs"] if o["name"] != spec["loss"] and o["shape"]]
    read = engine.predict.needs.names if engine.predict is not engine.forward else []
    truths = [s["name"] for s in spec["inputs"] if s["name"] not in read]
    if not outputs or len(truths) != 1:
        raise ArgumentError(f"metrics: what {name!r} compares is not clear in {spec['name']}; give a function of (out, data)")
    return outputs[0], truths[0]
