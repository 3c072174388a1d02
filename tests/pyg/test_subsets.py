"""Parts of a store as HeteroData in memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from relhop.errors import SchemaError
from relhop.pyg import edge_pieces, subsets
from tests import shop
from tests.pyg import graphs
from tests.pyg.graphs import CITES, NUM_AUTHORS, WRITES, WRITTEN


@pytest.fixture
def data():
    data = graphs.heterogeneous()
    data["author"].time = torch.arange(NUM_AUTHORS).flip(0)
    data[CITES].time = (torch.arange(500) * 7) % 500
    return data


@pytest.fixture
def store(data, tmp_path):
    return graphs.store_of(data, tmp_path / "g.rh", time="time")


@pytest.fixture(params=[1 << 20, 7])
def small_pieces(request, monkeypatch):
    monkeypatch.setattr(subsets, "_ROWS", request.param)
    monkeypatch.setattr(edge_pieces, "_EDGES", request.param)


def check(found, data):
    """What is found is the induced subgraph of its nodes."""
    for key in data.node_types:
        for name in data[key].keys():  # noqa: SIM118 - a storage's own
            assert torch.equal(found[key][name], data[key][name][found[key].n_id])
    for key in data.edge_types:
        source, target = found[key[0]].n_id, found[key[2]].n_id
        edge_index = data[key].edge_index
        inside = torch.isin(edge_index[0], source) & torch.isin(edge_index[1], target)
        assert found[key].e_id.sort()[0].tolist() == inside.nonzero().view(-1).tolist()
        ends = torch.stack([source[found[key].edge_index[0]], target[found[key].edge_index[1]]])
        assert torch.equal(ends, edge_index[:, found[key].e_id])
        assert torch.equal(found[key].edge_attr, data[key].edge_attr[found[key].e_id])


@pytest.mark.usefixtures("small_pieces")
def test_a_whole_store_in_memory_is_what_it_was_made_of(store, data):
    found = store.to_hetero_data()
    assert set(found.node_types) == {"paper", "author"}
    assert set(found.edge_types) == {CITES, WRITES, WRITTEN}
    assert torch.equal(found[CITES].time, data[CITES].time[found[CITES].e_id])
    check(found, data)


@pytest.mark.usefixtures("small_pieces")
def test_nodes_are_chosen_by_queries_numbers_and_masks(store, data):
    mask = torch.arange(NUM_AUTHORS) % 3 == 0
    found = store.to_hetero_data({"paper": "SELECT * FROM paper WHERE x BETWEEN 20 AND 59", "author": mask})
    assert found["paper"].n_id.tolist() == list(range(20, 60))
    assert found["author"].n_id.tolist() == mask.nonzero().view(-1).tolist()
    check(found, data)
    found = store.to_hetero_data({"author": torch.tensor([5, 2])})
    assert found["author"].n_id.tolist() == [5, 2]
    assert found["author"].x.tolist() == [1005, 1002]
    check(found, data)


def test_attributes_are_chosen(store):
    found = store.to_hetero_data(node_attrs={"author": ["time"]}, edge_attrs=[])
    assert "x" not in found["paper"]
    assert "edge_attr" not in found[CITES]


def test_what_is_later_than_a_frozen_store_is_left_out(tmp_path):
    store = shop.store(tmp_path).as_of("2020-01-03")
    found = store.to_hetero_data({"users": "SELECT * FROM users WHERE city = 'Rome'"})
    assert found["orders"].n_id.sort()[0].tolist() == [1, 2, 6]
    assert found["users"].n_id.tolist() == [0, 3]
    assert found["orders", "f2p_user_id", "users"].edge_index.size(1) == 2


def test_wrong_choices_are_refused(store):
    with pytest.raises(SchemaError, match=r"^there is no node type 'papers'\. Did you mean 'paper'\?$"):
        store.to_hetero_data({"papers": [1]})
    with pytest.raises(SchemaError, match=r"^the query for 'paper' gives no _rh_row; write it as SELECT"):
        store.to_hetero_data({"paper": "SELECT x FROM paper"})
    with pytest.raises(SchemaError, match=r"^the query for 'author' gives rows of another table$"):
        store.to_hetero_data({"author": "SELECT * FROM paper"})
    with pytest.raises(ValueError, match=r"^numbers of 'paper' repeat; give each once$"):
        store.to_hetero_data({"paper": [1, 1]})
    with pytest.raises(SchemaError, match=r"^the query for 'paper' cannot be run: .*\"why\""):
        store.to_hetero_data({"paper": "SELECT * FROM paper WHERE why = 3"})
    with pytest.raises(SchemaError, match=r"^the mask for 'paper' is \[3\], but there are 100 nodes$"):
        store.to_hetero_data({"paper": np.ones(3, bool)})
    with pytest.raises(IndexError, match=r"^there is no number 100; there are 100$"):
        store.to_hetero_data({"paper": [100]})
