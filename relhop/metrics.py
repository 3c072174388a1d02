"""How good scores are, by task, computed by torchmetrics.

Scores are what a `Predictor` returns: the probability of the positive class [n] (binary), of each class [n,
classes] (multiclass, multilabel), or the predicted value [n] (regression), [n, timeframes] (forecasting).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics.functional.classification import (
    binary_accuracy,
    binary_auroc,
    binary_average_precision,
    multiclass_accuracy,
    multiclass_f1_score,
    multilabel_auroc,
    multilabel_average_precision,
)
from torchmetrics.functional.regression import mean_absolute_error, mean_squared_error, r2_score

from relhop.training_table import TaskType

TUNED_METRIC: dict[TaskType, str] = {
    TaskType.binary: "auroc",
    TaskType.multiclass: "accuracy",
    TaskType.multilabel: "map",
    TaskType.regression: "mae",
    TaskType.forecasting: "mae",
}
"""The metric by which the best epoch is chosen, unless the validation split cannot tell it."""

FALLBACK_METRIC: dict[TaskType, str] = {
    TaskType.binary: "log_loss",
    TaskType.multiclass: "log_loss",
    TaskType.multilabel: "log_loss",
    TaskType.regression: "mae",
    TaskType.forecasting: "mae",
}
"""A metric that any split can tell, even one of a single class."""

SMALLER_IS_BETTER = frozenset({"log_loss", "mae", "rmse", "smape"})
"""Of all other metrics larger values are better."""

HORIZON = "@"
"""Stands before the number of a timeframe: `mae@2` is of the second window."""

MAX_HORIZONS = 100
"""Of longer forecasts no metrics are told by timeframe."""

SMALLEST_PROBABILITY = 1e-7
"""Probabilities are kept this far from 0 and 1 in a log loss, so that a sure mistake costs 16, not
infinity.
"""

_SINGLE: dict[Callable[..., Tensor], Callable[..., Tensor]] = {
    multilabel_auroc: binary_auroc,
    multilabel_average_precision: binary_average_precision,
}
"""What torchmetrics calls them where there is one class alone, which its metrics of many refuse."""


@dataclass(frozen=True)
class Metrics:
    """Values by name, NaN where a split cannot tell one, and a note for each such case."""

    values: dict[str, float]
    notes: list[str] = field(default_factory=list)


def compute_metrics(task_type: TaskType, scores: NDArray[Any], target: NDArray[Any]) -> Metrics:
    """All metrics of a task.

    Args:
        task_type: What was predicted.
        scores: [n] or [n, columns], see above.
        target: [n], or [n, columns] as `TrainingTable.labels` gives it.
    """
    if not len(target):
        return Metrics({}, ["no examples, so no metrics"])
    predicted = torch.from_numpy(np.ascontiguousarray(scores, dtype=np.float64))
    if task_type == TaskType.binary:
        return _binary(predicted, torch.from_numpy(np.asarray(target).astype(np.int64)))
    if task_type == TaskType.multiclass:
        return _multiclass(predicted, torch.from_numpy(np.asarray(target).astype(np.int64)))
    if task_type == TaskType.multilabel:
        return _multilabel(predicted, torch.from_numpy(np.asarray(target).astype(np.int64)))
    if task_type == TaskType.forecasting:
        return _forecast(predicted, torch.from_numpy(np.asarray(target).astype(np.float64)))
    return _regression(predicted, torch.from_numpy(np.asarray(target).astype(np.float64)))


def _binary(scores: Tensor, target: Tensor) -> Metrics:
    certain = torch.stack([1 - scores, scores], dim=1)
    values = {
        "auroc": float("nan"),
        "average_precision": float("nan"),
        "accuracy": float(binary_accuracy(scores, target)),
        "log_loss": _log_loss(certain, target),
    }
    positives = int(target.sum())
    if positives in (0, len(target)):
        kind = "negative" if positives == 0 else "positive"
        return Metrics(
            values, [f"all {len(target):,} examples are {kind}, so auroc and average_precision are unknown"]
        )
    values["auroc"] = float(binary_auroc(scores, target))
    values["average_precision"] = float(binary_average_precision(scores, target))
    return Metrics(values)


def _multiclass(scores: Tensor, target: Tensor) -> Metrics:
    num_classes = scores.shape[1]
    return Metrics(
        {
            "accuracy": float(multiclass_accuracy(scores, target, num_classes, average="micro")),
            "macro_f1": float(multiclass_f1_score(scores, target, num_classes, average="macro")),
            "log_loss": _log_loss(scores, target),
        }
    )


def _regression(scores: Tensor, target: Tensor) -> Metrics:
    values = {
        "mae": float(mean_absolute_error(scores, target)),
        "rmse": float(mean_squared_error(scores, target, squared=False)),
        "r2": float("nan"),
    }
    if float(target.min()) == float(target.max()):
        return Metrics(values, [f"all {len(target):,} targets are {float(target[0]):g}, so r2 is unknown"])
    values["r2"] = float(r2_score(scores, target))
    return Metrics(values)


def _multilabel(scores: Tensor, target: Tensor) -> Metrics:
    """`map` is the mean over classes of their average precision, `macro_auroc` that of their AUROC; a class
    that all or no examples have has no AUROC, and one that none has no average precision.
    """
    num_labels, positives = scores.shape[1], target.sum(dim=0)
    said = (scores >= 0.5).long()
    hits, named = (said & target).sum(dim=0), said.sum(dim=0) + positives
    some, mixed = positives > 0, (positives > 0) & (positives < len(target))
    values = {
        "map": _mean_over_labels(multilabel_average_precision, scores[:, some], target[:, some]),
        "macro_auroc": _mean_over_labels(multilabel_auroc, scores[:, mixed], target[:, mixed]),
        "macro_f1": float(_f1(hits, named)[named > 0].mean()),
        "micro_f1": float(_f1(hits.sum(), named.sum())),
        "log_loss": _log_loss(torch.stack([1 - scores.ravel(), scores.ravel()], dim=1), target.ravel()),
    }
    without = [
        f"{int((~known).sum()):,} of {num_labels:,} classes have {what}, so they are not in {name}"
        for name, known, what in (("map", some, "no example"), ("macro_auroc", mixed, "no or only examples"))
        if not known.all()
    ]
    return Metrics(values, without)


def _f1(hits: Tensor, named: Tensor) -> Tensor:
    """2 hits / (predicted + true); a class that is neither predicted nor true has none."""
    return 2 * hits / named


def _mean_over_labels(metric: Callable[..., Tensor], scores: Tensor, target: Tensor) -> float:
    """A metric of each class of its own, averaged; NaN without classes."""
    if not scores.shape[1]:
        return float("nan")
    if scores.shape[1] == 1:
        return float(_SINGLE[metric](scores[:, 0], target[:, 0]))
    return float(metric(scores, target, scores.shape[1], average="macro"))


def _forecast(scores: Tensor, target: Tensor) -> Metrics:
    """`mae`, `rmse` and `smape` of all windows, and of each: `mae@1`, `mae@2` and so on.

    SMAPE is the mean of 2 |predicted - came| / (|predicted| + |came|), 0 where both are 0: from 0 to 2.
    """
    error = (scores - target).abs()
    size = scores.abs() + target.abs()
    share = torch.where(size > 0, 2 * error / size.clamp(min=torch.finfo(size.dtype).tiny), 0)
    by_window = {
        "mae": error.mean(dim=0),
        "rmse": error.square().mean(dim=0).sqrt(),
        "smape": share.mean(dim=0),
    }
    values = {
        "mae": float(error.mean()),
        "rmse": float(error.square().mean().sqrt()),
        "smape": float(share.mean()),
    }
    if scores.shape[1] > MAX_HORIZONS:
        return Metrics(values)
    for name, columns in by_window.items():
        values |= {f"{name}{HORIZON}{n}": value for n, value in enumerate(columns.tolist(), 1)}
    return Metrics(values)


def _log_loss(probabilities: Tensor, target: Tensor) -> float:
    of_truth = probabilities[torch.arange(len(target)), target]
    return float(-of_truth.clamp(SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY).log().mean())
