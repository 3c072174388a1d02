"""verify="always": damage to records is an error that names file and row, wherever they are read from."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import relhop as rh
from relhop.errors import CorruptStore
from relhop.features import FeatureReader
from relhop.loader import SeedLoader
from relhop.store.reader import Store
from relhop.training_table import TrainingTable

ROWS, DAMAGED = 20_000, 12_345
DEVICE = rh.DeviceCost(50_000, 1e9)
WHERE = {"ram": {}, "mmap": {}, "disk": {"buffer_pool_size": 100_000, "device": DEVICE}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    values = np.random.default_rng(0).random((ROWS, 4)).astype(np.float32)
    frame = pd.DataFrame(values, columns=list("abcd")).assign(item_id=np.arange(ROWS))
    graph = rh.Graph([rh.Table("items", source=frame, pkey_col="item_id")])
    graph.snapshot(tmp_path / "items.rh")
    return tmp_path / "items.rh"


def damage(path: Path) -> str:
    records = path / "tables" / "items" / "rows.bin"
    data = np.fromfile(records, np.uint8)
    data[16 * DAMAGED] ^= 1
    data.tofile(records)
    block = 16 * DAMAGED // 4096
    return (
        f"'{records}': block {block} (bytes {4096 * block} to {4096 * block + 4095}) is damaged: its checksum"
        f" does not fit; the first row in it is {256 * block}; build the store again"
    )


@pytest.mark.parametrize("memory", WHERE)
def test_whole_records_are_read_as_without(path, memory):
    rows = np.random.default_rng(1).integers(0, ROWS, 5000)
    careful, plain = (
        FeatureReader(Store.open(path, memory=memory, verify=verify, **WHERE[memory]).tables["items"]).gather(
            rows
        )
        for verify in ("always", "never")
    )
    np.testing.assert_array_equal(careful.numerical, plain.numerical)


@pytest.mark.parametrize("memory", ["ram", "mmap"])
def test_damage_in_memory_is_found_when_the_store_is_opened(path, memory):
    message = damage(path)
    with pytest.raises(CorruptStore) as caught:
        Store.open(path, memory=memory, verify="always")
    assert str(caught.value) == message
    Store.open(path, memory=memory)


def test_damage_on_disk_is_found_in_the_batch_that_reads_it(path):
    message = damage(path)
    store = Store.open(path, memory="disk", verify="always", **WHERE["disk"])
    table = TrainingTable.from_pandas(
        pd.DataFrame({"item_id": [5, 9, DAMAGED, 70], "anchor_time": pd.Timestamp("2020-01-01")}),
        store,
        entity_table="items",
        task_type="binary",
    )
    batches = iter(SeedLoader(store, table, [1], batch_size=2))
    assert next(batches)["items"].row.tolist() == [5, 9]
    with pytest.raises(CorruptStore) as caught:
        next(batches)
    assert str(caught.value) == message


def test_a_store_pickles_with_it(path):
    store = pickle.loads(pickle.dumps(Store.open(path, memory="disk", verify="always", **WHERE["disk"])))
    message = damage(path)
    with pytest.raises(CorruptStore) as caught:
        FeatureReader(store.tables["items"]).gather(np.array([DAMAGED]))
    assert str(caught.value) == message


def test_an_unknown_verify_is_refused(path):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        Store.open(path, verify="sometimes")
    assert str(caught.value) == "verify is 'sometimes'; choose 'never' or 'always'"
