"""How good scores are, by task, computed by torchmetrics.

Scores are what a `Predictor` returns: the probability of the positive class [n] (binary), of each class [n,
classes] (multiclass), or the predicted value [n] (regression).
"""

from __future__ import annotations

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
)
from torchmetrics.functional.regression import mean_absolute_error, mean_squared_error, r2_score

from relhop.training_table import TaskType

TUNED_METRIC: dict[TaskType, str] = {
    TaskType.binary: "auroc",
    TaskType.multiclass: "accuracy",
    TaskType.regression: "mae",
}
"""The metric by which the best epoch is chosen, unless the validation split cannot tell it."""

FALLBACK_METRIC: dict[TaskType, str] = {
    TaskType.binary: "log_loss",
    TaskType.multiclass: "log_loss",
    TaskType.regression: "mae",
}
"""A metric that any split can tell, even one of a single class."""

SMALLER_IS_BETTER = frozenset({"log_loss", "mae", "rmse"})
"""Of all other metrics larger values are better."""

SMALLEST_PROBABILITY = 1e-7
"""Probabilities are kept this far from 0 and 1 in a log loss, so that a sure mistake costs 16, not
infinity.
"""


@dataclass(frozen=True)
class Metrics:
    """Values by name, NaN where a split cannot tell one, and a note for each such case."""

    values: dict[str, float]
    notes: list[str] = field(default_factory=list)


def compute_metrics(task_type: TaskType, scores: NDArray[Any], target: NDArray[Any]) -> Metrics:
    """All metrics of a task.

    Args:
        task_type: What was predicted.
        scores: [n] or [n, classes], see above.
        target: [n], as in a `TrainingTable`.
    """
    if not len(target):
        return Metrics({}, ["no examples, so no metrics"])
    predicted = torch.from_numpy(np.ascontiguousarray(scores, dtype=np.float64))
    if task_type == TaskType.binary:
        return _binary(predicted, torch.from_numpy(np.asarray(target).astype(np.int64)))
    if task_type == TaskType.multiclass:
        return _multiclass(predicted, torch.from_numpy(np.asarray(target).astype(np.int64)))
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


def _log_loss(probabilities: Tensor, target: Tensor) -> float:
    of_truth = probabilities[torch.arange(len(target)), target]
    return float(-of_truth.clamp(SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY).log().mean())
