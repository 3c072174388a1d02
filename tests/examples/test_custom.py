"""Networks of one's own, with the Trainer and without: they learn, and predict what they learnt."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import relhop as rh
from examples.custom import gat, hgt, loop
from examples.f1 import formula1

SMALL = {"optimization.max_epochs": 1, "neighbor_sampling.num_neighbors": [4, 2]}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> rh.Store:
    return formula1.graph().snapshot(tmp_path_factory.mktemp("custom") / "f1.rh", progress=False)


def test_an_attention_network_of_pyg_is_trained_and_loaded(store: rh.Store, tmp_path: Path) -> None:
    score = gat.main(store, tmp_path / "gat", SMALL)
    assert score > 0.7
    table = formula1.QUESTIONS["driver-top3"].training_table(store)
    trainer = rh.Trainer.load(tmp_path / "gat", model=gat.HeteroGAT(store, table))
    assert trainer.evaluate(table.splits["val"], store)["auroc"] == score


def test_a_heterogeneous_graph_transformer_is_trained(store: rh.Store, tmp_path: Path) -> None:
    assert hgt.main(store, tmp_path / "hgt", SMALL) > 0.7


def test_a_plain_loop_trains(store: rh.Store) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    assert loop.main(store, num_neighbors=(4, 2), epochs=1) > 0.6
    torch.set_num_threads(before)
