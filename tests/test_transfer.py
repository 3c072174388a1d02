"""Batches on their way to a device."""

import pandas as pd
import pytest
import torch

from relhop.loader import SeedLoader
from relhop.loader.hot_rows import HotRows
from relhop.training_table import TrainingTable
from relhop.transfer import copied_ahead, tensors_of
from tests import films, shop


@pytest.fixture
def loader(tmp_path):
    store = shop.store(tmp_path)
    times = pd.to_datetime(["2020-01-04", "2020-01-06", "2020-01-05"])
    frame = pd.DataFrame(
        {"user_id": ["ann", "bob", "cy"], "anchor_time": times, "target": [0, 1, 0], "split": "train"}
    )
    return SeedLoader(
        store, TrainingTable.from_pandas(frame, store, entity_table="users"), [-1, -1], batch_size=2
    )


def test_on_the_cpu_it_is_the_loader_itself(loader):
    assert copied_ahead(loader, "cpu") is loader


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
@pytest.mark.parametrize("size", [None, 0, 1000, 1 << 20])
def test_a_gpu_gets_the_same_batches_in_the_same_order(tmp_path, size):
    store = films.store(tmp_path)
    times = pd.date_range("2020-01-15", periods=6)
    frame = pd.DataFrame({"film": range(6), "anchor_time": times, "target": 0.0, "split": "train"})
    table = TrainingTable.from_pandas(frame, store, entity_table="films", task_type="regression")
    loader = SeedLoader(store, table, [3, 2], batch_size=2)
    expected = list(loader)
    hot = None if size is None else HotRows(loader, "cuda", size)
    for here, there in zip(expected, copied_ahead(loader, "cuda", hot), strict=True):
        assert all(tensor.is_cuda for tensor in tensors_of(there))
        for a, b in zip(tensors_of(here), tensors_of(there), strict=True):
            assert torch.equal(a.nan_to_num(7), b.cpu().nan_to_num(7))


def test_all_tensors_of_a_batch_are_found(loader):
    batch = next(iter(loader))
    users, orders = batch["users"], batch["orders"]
    frames = [values for table in (users, orders) if "tf" in table for values in table.tf.feat_dict.values()]
    found = {tensor.data_ptr() for tensor in tensors_of(batch)}
    assert {values.data_ptr() for values in frames} <= found
    assert {
        users.row.data_ptr(),
        *(batch[edges].edge_index.data_ptr() for edges in batch.edge_types),
    } <= found
    assert list(tensors_of(None)) == []
