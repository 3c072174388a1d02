"""A training table: which entity, at which anchor time, with which label, in which split.

Made from a predictive query or from the user's own labels. Knows nothing of queries or features. The anchor
time bounds what a model may see (rows with time <= anchor); the label lies after it.
"""

from relhop.training_table.labelling import labelled
from relhop.training_table.table import TrainingTable
from relhop.training_table.tasks import (
    MAX_CLASSES,
    MAX_LABELS,
    PREDICTION,
    SPLIT_NAMES,
    TEST,
    TRAIN,
    VAL,
    TaskType,
)

__all__ = [
    "MAX_CLASSES",
    "MAX_LABELS",
    "PREDICTION",
    "SPLIT_NAMES",
    "TEST",
    "TRAIN",
    "VAL",
    "TaskType",
    "TrainingTable",
    "labelled",
]
