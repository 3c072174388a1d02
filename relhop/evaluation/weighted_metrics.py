"""Every metric of a task, of many weighted copies of the same examples at once.

A bootstrap draws examples with replacement; one that is drawn k times weighs k. So nothing is copied: means
are products of matrices, and what depends on an order is a cumulative sum over examples that are sorted once.
With equal weights the values are those of `relhop.metrics.compute_metrics` and
`relhop.ranking.metrics.ranking_metrics`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from relhop.lists import Lists
from relhop.metrics import HORIZON, MAX_HORIZONS, SMALLEST_PROBABILITY
from relhop.ranking.metrics import metrics_by_example
from relhop.training_table import TaskType

Floats: TypeAlias = NDArray[np.float64]

Weighted: TypeAlias = Callable[[Floats], dict[str, Floats]]
"""From weights [r, n] to each metric of r weighted samples [r]; NaN where one cannot be told."""


def weighted_metrics(task_type: TaskType, scores: NDArray[Any], target: NDArray[Any] | Lists) -> Weighted:
    """The metrics of a task as functions of the examples' weights.

    Args:
        task_type: What was predicted.
        scores: As `relhop.metrics` takes them; of a link prediction the items ranked, int64 [n, k].
        target: [n] or [n, columns], or lists of the items that came.
    """
    if isinstance(target, Lists):
        return _ranking(scores, target)
    scores = np.asarray(scores, np.float64)
    if task_type == TaskType.binary:
        return _binary(scores, np.asarray(target).astype(np.int64))
    if task_type == TaskType.multiclass:
        return _multiclass(scores, np.asarray(target).astype(np.int64))
    if task_type == TaskType.multilabel:
        return _multilabel(scores, np.asarray(target).astype(np.int64))
    if task_type == TaskType.forecasting:
        return _forecast(scores, np.asarray(target).astype(np.float64))
    return _regression(scores, np.asarray(target).astype(np.float64))


def _means(by_example: Mapping[str, NDArray[Any]]) -> Weighted:
    """Weighted means of numbers [n]."""
    columns = np.stack([np.asarray(column, np.float64) for column in by_example.values()], axis=1)

    def means(weights: Floats) -> dict[str, Floats]:
        values = _ratio(weights @ columns, weights.sum(axis=1, keepdims=True))
        return dict(zip(by_example, values.T, strict=True))

    return means


def _binary(scores: Floats, target: NDArray[np.int64]) -> Weighted:
    ranked = _Ranked(scores, target)
    means = _means(
        {
            "accuracy": (scores > 0.5) == (target == 1),
            "log_loss": _surprise(np.where(target == 1, scores, 1 - scores)),
        }
    )

    def of(weights: Floats) -> dict[str, Floats]:
        found = ranked(weights)
        # As of a split of positives alone, where `compute_metrics` tells neither.
        found["average_precision"][np.isnan(found["auroc"])] = np.nan
        return found | means(weights)

    return of


def _multiclass(scores: Floats, target: NDArray[np.int64]) -> Weighted:
    said = scores.argmax(axis=1)
    of_truth = scores[np.arange(len(target)), target]
    accuracy = _means({"accuracy": said == target})
    log_loss = _means({"log_loss": _surprise(of_truth)})
    classes = scores.shape[1]
    hits = _one_hot(np.where(said == target, said, classes), classes)
    named = _one_hot(said, classes) + _one_hot(target, classes)

    def of(weights: Floats) -> dict[str, Floats]:
        f1 = _ratio(2 * (weights @ hits), weights @ named)
        return accuracy(weights) | {"macro_f1": _mean_of_known(f1)} | log_loss(weights)

    return of


def _multilabel(scores: Floats, target: NDArray[np.int64]) -> Weighted:
    ranked = [_Ranked(column, truth) for column, truth in zip(scores.T, target.T, strict=True)]
    said = scores >= 0.5
    hits, named = (said & (target == 1)).astype(np.float64), said + target.astype(np.float64)
    surprise = _surprise(np.where(target == 1, scores, 1 - scores)).mean(axis=1)
    log_loss = _means({"log_loss": surprise})

    def of(weights: Floats) -> dict[str, Floats]:
        of_classes = [ranking(weights) for ranking in ranked]
        found, counted = weights @ hits, weights @ named
        return {
            "map": _mean_of_known(np.stack([of["average_precision"] for of in of_classes], axis=1)),
            "macro_auroc": _mean_of_known(np.stack([of["auroc"] for of in of_classes], axis=1)),
            "macro_f1": _mean_of_known(_ratio(2 * found, counted)),
            "micro_f1": _ratio(2 * found.sum(axis=1), counted.sum(axis=1)),
            **log_loss(weights),
        }

    return of


def _regression(scores: Floats, target: Floats) -> Weighted:
    error = scores - target
    centred = target - target.mean() if len(target) else target
    means = _means({"mae": np.abs(error), "mse": error**2, "mean": centred, "square": centred**2})

    def of(weights: Floats) -> dict[str, Floats]:
        found = means(weights)
        spread = found["square"] - found["mean"] ** 2
        # What is left of equal targets by rounding is no spread.
        known = spread > 1e-12 * np.maximum(found["square"], np.finfo(np.float64).tiny)
        r2 = 1 - _ratio(found["mse"], np.where(known, spread, 0))
        return {"mae": found["mae"], "rmse": np.sqrt(found["mse"]), "r2": r2}

    return of


def _forecast(scores: Floats, target: Floats) -> Weighted:
    error, size = np.abs(scores - target), np.abs(scores) + np.abs(target)
    share = np.divide(2 * error, size, out=np.zeros_like(size), where=size > 0)
    kinds = {"mae": error, "rmse": error**2, "smape": share}
    by_example = {name: values.mean(axis=1) for name, values in kinds.items()}
    if scores.shape[1] <= MAX_HORIZONS:
        for name, values in kinds.items():
            by_example |= {f"{name}{HORIZON}{n}": column for n, column in enumerate(values.T, 1)}
    means = _means(by_example)

    def of(weights: Floats) -> dict[str, Floats]:
        return {
            name: np.sqrt(values) if name.startswith("rmse") else values
            for name, values in means(weights).items()
        }

    return of


def _ranking(ranked: NDArray[np.int64], truth: Lists) -> Weighted:
    by_example = metrics_by_example(ranked, truth)
    asked = truth.lengths > 0
    means = _means({name: values[asked] for name, values in by_example.items()})
    return lambda weights: means(weights[:, asked])


class _Ranked:
    """AUROC and average precision of scores [n] and truths of 0 or 1 [n]; equal scores share a rank.

    AUROC is the chance that a positive stands above a negative, half of it where they are equal. Average
    precision is the sum over thresholds of the recall that each adds, times the precision there.
    """

    def __init__(self, scores: Floats, target: NDArray[np.int64]) -> None:
        self._order = np.argsort(-scores, kind="stable")
        ordered = scores[self._order]
        begins = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(ordered)])
        self._begins = None if len(begins) == len(ordered) else begins
        self._positive = (target[self._order] == 1).astype(np.float64)

    def __call__(self, weights: Floats) -> dict[str, Floats]:
        """Of weights [r, n] both metrics [r]."""
        weights = weights[:, self._order]
        positive = weights * self._positive
        negative = weights - positive
        if self._begins is not None:
            positive = np.add.reduceat(positive, self._begins, axis=1)
            negative = np.add.reduceat(negative, self._begins, axis=1)
        hits, misses = positive.cumsum(axis=1), negative.cumsum(axis=1)
        positives, negatives = hits[:, -1:], misses[:, -1:]
        below = negatives - misses + negative / 2
        precision = np.divide(hits, hits + misses, out=np.zeros_like(hits), where=hits > 0)
        return {
            "auroc": _ratio((positive * below).sum(axis=1), (positives * negatives)[:, 0]),
            "average_precision": _ratio((positive * precision).sum(axis=1), positives[:, 0]),
        }


def _surprise(of_truth: Floats) -> Floats:
    surprise: Floats = -np.log(of_truth.clip(SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY))
    return surprise


def _one_hot(codes: NDArray[np.int64], classes: int) -> Floats:
    """float64 [n, classes]; a code of `classes` is none of them."""
    hot: Floats = np.eye(classes + 1)[codes][:, :classes]
    return hot


def _ratio(above: Floats, below: Floats) -> Floats:
    """NaN where nothing is below."""
    unknown = np.full(np.broadcast(above, below).shape, np.nan)
    ratio: Floats = np.divide(above, below, out=unknown, where=below != 0)
    return ratio


def _mean_of_known(values: Floats) -> Floats:
    """Means over the last axis of what is not NaN."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of rows that are all NaN
        mean: Floats = np.nanmean(values, axis=1) if values.shape[1] else np.full(len(values), np.nan)
    return mean
