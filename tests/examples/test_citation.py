"""A GCN on citation graphs, out of a store: exact neighborhoods, and the accuracy that a GCN has."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import relhop as rh
from examples.citation import gcn

CORA = gcn.SETTINGS["cora"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> rh.Store:
    return gcn.make_store(CORA, tmp_path_factory.mktemp("cora") / "cora.rh")


def test_a_few_epochs_learn_most_of_cora(store: rh.Store) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    assert gcn.train(store, replace(CORA, epochs=40), seed=0) > 0.72
    torch.set_num_threads(before)


def test_neighborhoods_give_seeds_what_the_whole_graph_gives_them(store: rh.Store) -> None:
    torch.manual_seed(0)
    model = gcn.GCN(1433, 4, 7).eval()
    whole, few = (gcn.seeds_of(store, torch.arange(n)) for n in (2708, 5))
    assert few.num_nodes == 105
    torch.testing.assert_close(model(few), model(whole)[:5])


def test_random_splits_have_20_and_30_nodes_of_each_class() -> None:
    labels = torch.arange(4).repeat_interleave(60).numpy()
    nodes = gcn.split(gcn.SETTINGS["amazon-photo"], labels, seed=1)
    counts = {name: torch.from_numpy(labels)[numbers].bincount().tolist() for name, numbers in nodes.items()}
    assert counts == {"train": [20] * 4, "val": [30] * 4, "test": [10] * 4}
    assert len(torch.cat(list(nodes.values())).unique()) == 240
