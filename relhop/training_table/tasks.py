"""What kinds of labels there are, how many classes they may have, and what the splits are called."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

TRAIN, VAL, TEST, PREDICTION = 0, 1, 2, -1
"""Values of `TrainingTable.split`."""

SPLIT_NAMES: Mapping[str, int] = {"train": TRAIN, "val": VAL, "test": TEST}
"""The splits of a training table, in the order of time."""

MAX_CLASSES = 6_000
"""More classes than this can be ranked only as rows of another table."""

MAX_LABELS = 1_000
"""Of CLASSIFY: each class is a question of its own."""


class TaskType(StrEnum):
    """What kind of label is predicted."""

    binary = "binary"
    multiclass = "multiclass"
    multilabel = "multilabel"
    regression = "regression"
    link_prediction = "link_prediction"
    forecasting = "forecasting"


def counted(count: int, one: str, many: str) -> str:
    """A number and what it counts: "1 example", "2,000 examples"."""
    return f"{count:,} {one if count == 1 else many}"
