"""Predictions that need no model, to stand beside one's: what every entity does, what this entity did, what
it did last.

They see nothing but the labels of earlier splits. An entity without any gets what all entities do.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from relhop.training_table import TaskType, TrainingTable


def baseline_scores(known: TrainingTable, asked: TrainingTable) -> dict[str, NDArray[np.float64]]:
    """Scores of each baseline for some examples, shaped as a model's: [n], or [n, classes] for a multiclass
    or multilabel task, [n, timeframes] for a forecast.

    - `global mean`: the mean label; of a classification, each class's share.
    - `global median`: regression and forecasting only.
    - `majority`: of classes only: the most frequent one; of a multilabel task those that half the examples
      have.
    - `entity mean`: the mean label, or shares of classes, of the entity.
    - `last value`: the entity's newest label.

    Args:
        known: Examples whose labels may be used, all earlier than `asked`.
        asked: Examples to score.
    """
    labels = _as_columns(known)
    mean = labels.mean(axis=0)
    entities, index = np.unique(known.rows, return_inverse=True)
    counts = np.bincount(index, minlength=len(entities))
    sums = np.stack([np.bincount(index, column, minlength=len(entities)) for column in labels.T], axis=1)
    newest = np.empty_like(index, shape=len(entities))
    by_time = np.argsort(known.anchor_times, kind="stable")
    newest[index[by_time]] = by_time  # later ones overwrite

    place = np.searchsorted(entities, asked.rows).clip(max=len(entities) - 1)
    seen = (entities[place] == asked.rows)[:, None]
    scores = {"global mean": np.broadcast_to(mean, (len(asked), len(mean)))}
    if known.task_type in (TaskType.regression, TaskType.forecasting):
        scores["global median"] = np.broadcast_to(np.median(labels, axis=0), (len(asked), len(mean)))
    else:
        scores["majority"] = np.broadcast_to(_majority(known.task_type, mean), (len(asked), len(mean)))
    scores["entity mean"] = np.where(seen, (sums / counts[:, None])[place], mean)
    scores["last value"] = np.where(seen, labels[newest][place], mean)
    if known.task_type in (TaskType.multiclass, TaskType.multilabel, TaskType.forecasting):
        return scores
    return {name: columns[:, 0] for name, columns in scores.items()}


def _majority(task_type: TaskType, shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 for the classes that are the rule, else 0."""
    is_rule = np.arange(len(shares)) == shares.argmax() if task_type == TaskType.multiclass else shares >= 0.5
    return np.where(is_rule, 1.0, 0.0)


def _as_columns(table: TrainingTable) -> NDArray[np.float64]:
    """Labels [n, 1], one-hot or 0 and 1 [n, classes], or [n, timeframes]."""
    target: NDArray[Any] = np.asarray(table.labels(np.arange(len(table))))
    columns: NDArray[np.float64]
    if table.task_type == TaskType.multiclass:
        columns = np.eye(len(table.classes or ()))[target]
    else:
        columns = target.reshape(len(table), -1).astype(np.float64)
    return columns
