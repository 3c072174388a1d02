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
    task.

    - `global mean`: the mean label; of a classification, each class's share.
    - `global median`: regression only.
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
    if known.task_type == TaskType.regression:
        scores["global median"] = np.full((len(asked), 1), np.median(labels))
    scores["entity mean"] = np.where(seen, (sums / counts[:, None])[place], mean)
    scores["last value"] = np.where(seen, labels[newest][place], mean)
    if known.task_type == TaskType.multiclass:
        return scores
    return {name: columns[:, 0] for name, columns in scores.items()}


def _as_columns(table: TrainingTable) -> NDArray[np.float64]:
    """Labels [n, 1], or one-hot [n, classes]."""
    target: NDArray[Any] = np.asarray(table.target)
    if table.task_type == TaskType.multiclass:
        columns: NDArray[np.float64] = np.eye(len(table.classes or ()))[target]
        return columns
    return target.astype(np.float64)[:, None]
