"""Scored examples of every task, made up."""

from __future__ import annotations

import numpy as np

from relhop.evaluation.scored import Scored
from relhop.lists import Lists
from relhop.training_table import TaskType

TASKS = [str(task) for task in TaskType]


def scored(task: str, num_entities: int = 12, num_examples: int = 40, seed: int = 0) -> Scored:
    """Examples of a few entities, with equal scores among them, and classes that are rare."""
    rng = np.random.default_rng(seed)
    shape = (num_examples, 3)
    entities = rng.integers(0, num_entities, num_examples)
    times = rng.integers(0, 5, num_examples) * 86_400_000_000
    columns = rng.integers(1, 9, shape) / 10
    if task == TaskType.binary:
        scores, target = columns[:, 0], (rng.random(num_examples) < columns[:, 0]).astype("f4")
    elif task == TaskType.multiclass:
        scores = columns / columns.sum(axis=1, keepdims=True)
        target = rng.choice(3, num_examples, p=[0.6, 0.35, 0.05])
    elif task == TaskType.multilabel:
        scores, target = columns, (rng.random(shape) < columns * [1, 1, 0.1]).astype("f4")
    elif task == TaskType.regression:
        scores, target = columns[:, 0], rng.normal(size=num_examples).astype("f4")
    elif task == TaskType.forecasting:
        scores, target = columns, rng.integers(0, 3, shape).astype("f4")
        scores[0] = target[0] = 0
    else:
        scores = np.argsort(rng.random((num_examples, 9)), axis=1)[:, :4]
        scores[::7, 2:] = -1
        lengths = rng.integers(0, 4, num_examples)
        target = Lists.from_lengths(
            lengths, np.concatenate([np.sort(rng.permutation(9)[:n]) for n in lengths]).astype(np.int64)
        )
    return Scored(TaskType(task), scores, target, entities, times)
