"""Batches on their way to a device."""

import pandas as pd
import pytest
import torch

from relhop.loader import SeedLoader
from relhop.training_table import TrainingTable
from relhop.transfer import copied_ahead
from tests import shop


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
def test_a_gpu_gets_the_same_batches_in_the_same_order(loader):
    for here, there in zip(loader, copied_ahead(loader, "cuda"), strict=True):
        assert there["users"].row.is_cuda
        for table in ("users", "orders"):
            assert torch.equal(here[table].row, there[table].row.cpu())
            for stype, values in here[table].tf.feat_dict.items():
                assert torch.equal(values, there[table].tf.feat_dict[stype].cpu())
        for edge_type in here.edge_types:
            assert torch.equal(here[edge_type].edge_index, there[edge_type].edge_index.cpu())
