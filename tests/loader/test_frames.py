"""Features as torch_frame takes them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
import torch_frame

import relhop as rh
from relhop.loader import SeedLoader, ages, calendar_fields
from relhop.store.device import DeviceCost
from relhop.training_table import TrainingTable
from relhop.withholding import without
from tests import films


def seeds(store, table="films", key="film", count=6):
    frame = pd.DataFrame(
        {
            key: range(count),
            "anchor_time": pd.Timestamp("2020-02-01"),
            "target": 0.0,
            "split": "train",
        }
    )
    return TrainingTable.from_pandas(frame, store, entity_table=table, task_type="regression")


MEMORY = {
    "ram": {},
    "mmap": {},
    "disk": {"buffer_pool_size": 2000, "device": DeviceCost(50_000, 1e9)},
}


@pytest.mark.parametrize("memory", MEMORY)
def test_lists_and_texts_come_with_batches_wherever_they_are(tmp_path, memory):
    store = films.store(tmp_path)
    store = rh.Store.open(store.path, memory=memory, **MEMORY[memory])
    loader = SeedLoader(store, seeds(store), [3], batch_size=6)
    [batch] = loader
    frame = batch["films"].tf
    assert frame.col_names_dict == {
        torch_frame.multicategorical: ["genres", "words"],
        torch_frame.embedding: ["title"],
    }
    lists = frame.feat_dict[torch_frame.multicategorical]
    assert [[cell.tolist() for cell in (lists[row, 0], lists[row, 1])] for row in range(6)] == [
        [[0, 1], [0, 1]],
        [[0, 1], [1]],
        [[-1], [-1]],
        [[-1], []],
        [[2], [2]],
        [[0, 1, 2, 3], [0, 1, 2]],
    ]
    stored = store.tables["films"].attributes["title"].array()
    vectors = frame.feat_dict[torch_frame.embedding].values
    assert vectors.dtype == torch.float32
    np.testing.assert_array_equal(vectors.numpy(), stored.astype(np.float32))
    notes = batch["ratings"].tf.feat_dict[torch_frame.embedding].values
    expected = store.tables["ratings"].attributes["note"].array()[batch["ratings"].row.numpy()]
    np.testing.assert_array_equal(notes.numpy(), expected.astype(np.float32))
    if memory == "disk":
        assert loader.stats().tables["ratings.note"].rows == len(notes)


def test_tensors_of_floats_come_flat_and_others_not_at_all(tmp_path):
    matrix = np.arange(24, dtype=np.float64).reshape(6, 2, 2)
    store = films.vector_store(tmp_path, m=matrix, codes=np.zeros((6, 2), np.int32))
    [batch] = SeedLoader(store, seeds(store, "places", "id"), [3], batch_size=6)
    frame = batch["places"].tf
    assert frame.col_names_dict == {torch_frame.embedding: ["x", "m"]}
    vectors = frame.feat_dict[torch_frame.embedding]
    assert vectors.offset.tolist() == [0, 2, 6]
    np.testing.assert_array_equal(vectors.values[:, :2].numpy(), films.VECTORS)
    np.testing.assert_array_equal(vectors.values[:, 2:].numpy(), matrix.reshape(6, 4))


def test_a_batch_without_rows_of_a_table_has_an_empty_frame(tmp_path):
    store = films.store(tmp_path)
    [batch] = SeedLoader(store, seeds(store), [0], batch_size=6)
    assert len(batch["ratings"].tf) == 0
    assert batch["ratings"].tf.feat_dict[torch_frame.embedding].values.shape == (0, 64)


def test_columns_are_withheld_whatever_they_hold(tmp_path):
    store = films.store(tmp_path)
    [batch] = SeedLoader(store, seeds(store), [0], batch_size=6)
    frame = without(batch["films"].tf, frozenset({"genres", "title"}))
    assert frame.col_names_dict == {torch_frame.multicategorical: ["words"]}
    assert frame.feat_dict[torch_frame.multicategorical][1, 0].tolist() == [1]


def test_calendar_fields_agree_with_pandas():
    stamps = pd.to_datetime(
        ["1969-12-31 23:59:59", "2000-02-29", "2024-12-31 13:14:15.999999", "1950-05-13 12:00"],
        format="ISO8601",
    )
    got = calendar_fields(stamps.to_numpy(dtype="datetime64[us]").astype(np.int64)[:, None])[:, 0]
    expected = [[t.year, t.month - 1, t.day - 1, t.day_of_week, t.hour, t.minute, t.second] for t in stamps]
    assert got.tolist() == expected


def test_ages_are_days_and_null_is_nan():
    null = np.iinfo(np.int64).min
    got = ages(np.array([[0, null]]), np.array([36 * 3600 * 10**6]))
    assert got[0, 0] == 1.5
    assert np.isnan(got[0, 1])
