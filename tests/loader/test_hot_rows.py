"""Rows that are on a device already: the same batches, of which less is read."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
import torch_frame

import relhop as rh
from relhop.loader import SeedLoader
from relhop.loader.hot_rows import HotRows
from relhop.store.device import DeviceCost
from relhop.training_table import TrainingTable
from relhop.transfer import copied_ahead, tensors_of
from relhop.withholding import WithholdingLoader
from tests import films

DISK = {"memory": "disk", "buffer_pool_size": 2000, "device": DeviceCost(50_000, 1e9)}
RATING, FILM = ("ratings", "note"), ("films", "title")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return films.store(tmp_path_factory.mktemp("films"))


def loader(store, kind=SeedLoader, **how):
    frame = pd.DataFrame(
        {
            "film": [0, 1, 2, 3, 4, 0, 0],
            "anchor_time": pd.to_datetime(["2020-01-15", "2020-01-20", *["2020-02-01"] * 5]),
            "target": 0.0,
            "split": "train",
        }
    )
    table = TrainingTable.from_pandas(frame, store, entity_table="films", task_type="regression")
    return kind(store, table, [3, 2], batch_size=2, **how)


def assert_same(got, expected):
    for a, b in zip(got, expected, strict=True):
        for table in ("films", "ratings"):
            assert list(a[table].keys()) == list(b[table].keys())
            assert a[table].tf.col_names_dict == b[table].tf.col_names_dict
        for x, y in zip(tensors_of(a), tensors_of(b), strict=True):
            assert x.dtype == y.dtype
            assert torch.equal(x.nan_to_num(7), y.nan_to_num(7))


@pytest.mark.parametrize("memory", [{"memory": "ram"}, DISK], ids=["ram", "disk"])
@pytest.mark.parametrize("size", [0, 300, 3000, 1 << 20])
def test_batches_are_the_same_bits_with_rows_held_as_without(store, memory, size):
    store = rh.Store.open(store.path, **memory)
    hot = HotRows(loader(store), "cpu", size)
    assert hot.num_bytes <= size
    assert_same(list(copied_ahead(loader(store), "cpu", hot)), list(loader(store)))


def test_rows_that_are_held_are_not_read(store):
    store = rh.Store.open(store.path, **DISK)
    plain, lean = loader(store), loader(store)
    hot = HotRows(lean, "cpu", 1000)
    assert [len(list(batches)) for batches in (plain, copied_ahead(lean, "cpu", hot))] == [4, 4]
    wanted, read = (one.stats().tables["ratings.note"].rows for one in (plain, lean))
    assert (hot.found[RATING], hot.missing[RATING]) == (wanted, read)
    assert 0 < read < wanted


def test_the_rows_that_are_found_most_often_are_held(store):
    counts = {name: np.zeros(len(of.wide[name].array())) for of in [loader(store)] for name in (RATING, FILM)}
    for batch in loader(store):
        for table, column in counts:
            np.add.at(counts[table, column], batch[table].row.numpy(), 1)
    row_bytes = loader(store).wide[RATING].row_bytes
    hot = HotRows(loader(store), "cpu", 5 * row_bytes)
    hottest = np.sort(np.concatenate(list(counts.values())))[::-1][:5]
    lean = loader(store)
    for _ in copied_ahead(lean, "cpu", hot):
        pass
    assert sum(len(held) for held in hot.held.values()) == 5
    assert (hot.found - hot.missing).total() == hottest.sum()


def test_all_rows_are_held_where_they_have_room(store):
    hot = HotRows(loader(store), "cpu", 1 << 20)
    assert {name: len(held) for name, held in hot.held.items()} == {RATING: 40, FILM: 6}


def test_tensors_keep_the_shape_and_the_numbers_that_they_are_stored_in(tmp_path):
    matrix = np.arange(24, dtype=np.float16).reshape(6, 2, 2)
    store = films.vector_store(tmp_path, m=matrix)
    frame = pd.DataFrame(
        {"id": range(6), "anchor_time": pd.Timestamp("2020-02-01"), "target": 0.0, "split": "train"}
    )
    table = TrainingTable.from_pandas(frame, store, entity_table="places", task_type="regression")
    hot = HotRows(SeedLoader(store, table, [0], batch_size=4), "cpu", 3 * 16)
    assert hot.num_bytes == 3 * 16
    made = copied_ahead(SeedLoader(store, table, [0], batch_size=6), "cpu", hot)
    [batch] = made
    vectors = batch["places"].tf.feat_dict[torch_frame.embedding].values
    np.testing.assert_array_equal(vectors[:, :2].numpy(), films.VECTORS)
    np.testing.assert_array_equal(vectors[:, 2:].numpy(), matrix.reshape(6, 4))
    assert (len(made), set(made.seconds())) == (1, {"sampling", "rows", "idle"})


def test_a_withheld_column_is_in_no_batch(store):
    lean = loader(store, WithholdingLoader)
    lean.withheld = {"films": frozenset({"title"})}
    hot = HotRows(lean, "cpu", 1 << 20)
    for batch in copied_ahead(lean, "cpu", hot):
        assert torch_frame.embedding not in batch["films"].tf.feat_dict
        assert batch["ratings"].tf.col_names_dict[torch_frame.embedding] == ["note"]
        assert "rest" not in batch["films"]
