from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from relhop.baselines import baseline_scores
from relhop.lists import Lists
from relhop.training_table import TaskType, TrainingTable


def table(task_type, rows, times, target, classes=None):
    dtype = np.int64 if classes else np.float32
    return TrainingTable(
        entity_table="t",
        task_type=TaskType(task_type),
        rows=np.array(rows),
        anchor_times=np.array(times),
        target=np.array(target, dtype),
        split=np.zeros(len(rows), np.int8),
        keys_of=lambda rows: pa.table({"id": rows}),
        classes=classes,
    )


@pytest.mark.parametrize("task_type", ["binary", "regression"])
def test_numbers_are_the_mean_of_all_of_the_entity_and_its_last(task_type):
    known = table(task_type, [5, 5, 2, 5], [30, 10, 5, 20], [1, 0, 0, 0])
    got = baseline_scores(known, table(task_type, [5, 2, 9], [99] * 3, [0] * 3))
    assert got["global mean"].tolist() == [0.25] * 3
    assert got["entity mean"].tolist() == pytest.approx([1 / 3, 0, 0.25])
    assert got["last value"].tolist() == [1, 0, 0.25]
    assert ("global median" in got) == (task_type == "regression")


def test_the_median_is_of_all_labels():
    known = table("regression", [1, 1, 2], [1, 2, 3], [10, 0, 2])
    assert baseline_scores(known, known)["global median"].tolist() == [2, 2, 2]


def test_classes_are_shares():
    known = table("multiclass", [1, 1, 2], [1, 2, 3], [0, 2, 2], classes=("a", "b", "c"))
    got = baseline_scores(known, table("multiclass", [1, 7], [9, 9], [0, 0], classes=("a", "b", "c")))
    third = pytest.approx([1 / 3, 0, 2 / 3])
    assert got["global mean"][0].tolist() == third
    assert got["entity mean"].tolist() == [[0.5, 0, 0.5], third]
    assert got["last value"].tolist() == [[0, 0, 1], third]


def test_of_two_labels_at_one_time_the_later_row_counts():
    known = table("regression", [1, 1], [5, 5], [3, 4])
    assert baseline_scores(known, known)["last value"].tolist() == [4, 4]


def test_the_majority_is_the_most_frequent_class_or_what_half_the_examples_have():
    known = table("multiclass", [1, 1, 2], [1, 2, 3], [0, 2, 2], classes=("a", "b", "c"))
    assert baseline_scores(known, known)["majority"].tolist() == [[0, 0, 1]] * 3
    known = table("binary", [1, 1, 2], [1, 2, 3], [1, 0, 0])
    assert baseline_scores(known, known)["majority"].tolist() == [0, 0, 0]


def test_lists_are_shares_of_classes():
    lists = Lists.from_lengths(np.array([2, 1, 1]), np.array([0, 1, 1, 1]))
    known = table("multilabel", [1, 1, 2], [1, 2, 3], [], classes=("a", "b"))
    known = dataclasses.replace(known, target=None, lists=lists)
    got = baseline_scores(known, table("multilabel", [1, 7], [9, 9], [0, 0]))
    assert got["global mean"].tolist() == [[pytest.approx(1 / 3), 1]] * 2
    assert got["majority"].tolist() == [[0, 1]] * 2
    assert got["entity mean"].tolist() == [[0.5, 1], [pytest.approx(1 / 3), 1]]
    assert got["last value"].tolist() == [[0, 1], [pytest.approx(1 / 3), 1]]


def test_forecasts_are_window_by_window():
    known = table("forecasting", [1, 1, 2], [1, 2, 3], [[4, 0], [2, 2], [0, 7]])
    got = baseline_scores(known, table("forecasting", [1, 7], [9, 9], [[0, 0]] * 2))
    assert got["global mean"].tolist() == [[2, 3]] * 2
    assert got["global median"].tolist() == [[2, 2]] * 2
    assert got["entity mean"].tolist() == [[3, 1], [2, 3]]
    assert got["last value"].tolist() == [[2, 2], [2, 3]]
