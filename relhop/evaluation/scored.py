"""Scores beside what came: all that is needed to judge them, and nothing of models or stores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relhop.errors import TrainingError
from relhop.evaluation.weighted_metrics import Weighted, weighted_metrics
from relhop.lists import Lists
from relhop.metrics import Metrics, compute_metrics
from relhop.predictor import Predictions
from relhop.ranking.metrics import ranking_metrics
from relhop.ranking.predictor import Rankings
from relhop.training_table import TaskType, TrainingTable


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores of n labelled examples.

    Attributes:
        task_type: What was predicted.
        scores: [n] or [n, columns], as `relhop.metrics` takes them; of a link prediction the items ranked,
            int64 [n, k].
        target: [n] or [n, columns]; of a link prediction the lists of items that came.
        entities: int64 [n], rows of the entity table.
        times: int64 [n], anchor times in microseconds.
    """

    task_type: TaskType
    scores: NDArray[Any]
    target: NDArray[Any] | Lists
    entities: NDArray[np.int64]
    times: NDArray[np.int64]

    @classmethod
    def of(cls, predictions: Predictions | Rankings) -> Scored:
        """What a trainer predicted for labelled examples.

        Raises:
            TrainingError: If they have no labels.
        """
        if isinstance(predictions, Rankings):
            return cls.of_scores(predictions.table, predictions.ranked.items)
        return cls.of_scores(predictions.table, predictions.scores)

    @classmethod
    def of_scores(cls, table: TrainingTable, scores: NDArray[Any]) -> Scored:
        """Scores of a table's examples, or rankings of them.

        Raises:
            TrainingError: If these have no labels.
        """
        is_ranking = table.task_type == TaskType.link_prediction
        target = table.lists if is_ranking else table.labels(np.arange(len(table)))
        if target is None:
            raise TrainingError("the table has no labels to judge by; use predict")
        return cls(table.task_type, scores, target, table.rows, table.anchor_times)

    def __len__(self) -> int:
        return len(self.entities)

    def take(self, indices: NDArray[np.integer[Any]]) -> Scored:
        """The examples at those positions, in that order."""
        target = self.target.take(indices) if isinstance(self.target, Lists) else self.target[indices]
        return Scored(
            self.task_type, self.scores[indices], target, self.entities[indices], self.times[indices]
        )

    def metrics(self) -> Metrics:
        """All metrics of the task."""
        if isinstance(self.target, Lists):
            return Metrics(ranking_metrics(self.scores, self.target))
        return compute_metrics(self.task_type, self.scores, self.target)

    def weighted(self) -> Weighted:
        """All metrics, as functions of the examples' weights."""
        return weighted_metrics(self.task_type, self.scores, self.target)

    def wrongness(self) -> NDArray[np.float64]:
        """How far each score is from what came, [n]: in probability (of a class, that of the true one), or in
        the label's unit; of several columns the mean.

        Raises:
            TrainingError: If they are rankings.
        """
        if isinstance(self.target, Lists):
            raise TrainingError("a ranking has no score that is right or wrong")
        scores = np.asarray(self.scores, np.float64)
        error = np.abs(scores - self.target) if self.task_type != TaskType.multiclass else None
        if error is None:
            error = 1 - scores[np.arange(len(self)), np.asarray(self.target).astype(np.int64)]
        wrongness: NDArray[np.float64] = error.reshape(len(self), -1).mean(axis=1)
        return wrongness
