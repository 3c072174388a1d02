"""Graphs of PyG as stores: every tensor, in the nodes' and edges' own numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.data import Data, HeteroData

import relhop as rh

INDEX = torch.tensor([[0, 2, 1, 2], [1, 0, 1, 0]])


def test_a_data_is_one_table_and_one_edge_table(tmp_path: Path) -> None:
    data = Data(
        x=torch.randn(3, 4, dtype=torch.bfloat16),
        y=torch.tensor([5, 6, 7]),
        train_mask=torch.tensor([True, False, True]),
        edge_index=INDEX,
        edge_attr=torch.rand(4, 2),
    )
    store = rh.Graph.from_pyg(data).snapshot(tmp_path / "g.rh", progress=False)
    store.verify()
    assert store.schema.edge_types == (("node", "edge", "node"),)
    nodes, edges = store.tables["node"].attributes, store.edge_tables["edge"]
    assert {name: a.dtype for name, a in nodes.items()} == {
        "x": "bfloat16",
        "y": "int64",
        "train_mask": "bool",
    }
    assert torch.equal(torch.from_numpy(nodes["x"].array().copy()).view(torch.bfloat16), data.x)
    assert nodes["y"].array().tolist() == [5, 6, 7]
    np.testing.assert_array_equal(edges.attributes["edge_attr"].array(), data.edge_attr.numpy())
    assert edges.incoming.neighbors[:].tolist() == [2, 2, 0, 1]
    assert edges.incoming.edge_ids is not None
    assert edges.incoming.edge_ids[:].tolist() == [1, 3, 0, 2]


def test_a_hetero_data_keeps_its_types_where_relations_share_a_name(tmp_path: Path) -> None:
    data = HeteroData()
    data["paper"].x = torch.rand(3, 2)
    data["paper"].time = torch.tensor([30, 10, 20])
    data["author"].num_nodes = 3
    data["author", "to", "paper"].edge_index = INDEX
    data["paper", "to", "paper"].edge_index = INDEX
    data["paper", "to", "paper"].time = torch.tensor([5, 50, 15, 40])
    data["paper", "by", "author"].edge_index = INDEX.flip(0)
    store = rh.Graph.from_pyg(data, time_attr="time").snapshot(tmp_path / "g.rh", progress=False)
    store.verify()
    assert set(store.schema.edge_types) == set(data.edge_types)
    assert list(store.edge_tables) == ["author__to__paper", "paper__to__paper", "by"]
    assert store.tables["paper"].order is not None
    assert store.tables["paper"].order[:].tolist() == [1, 2, 0]
    cites = store.edge_tables["paper__to__paper"]
    assert cites.time is not None
    assert cites.time[:].tolist() == [15_000_000, 30_000_000, 40_000_000, 50_000_000]
    assert store.tables["author"].num_rows == 3


def test_a_graph_without_edges_is_a_table(tmp_path: Path) -> None:
    store = rh.Graph.from_pyg(Data(x=torch.rand(2, 2))).snapshot(tmp_path / "g.rh", progress=False)
    assert (list(store.tables), list(store.edge_tables)) == (["node"], [])


def test_what_is_no_graph_is_refused() -> None:
    with pytest.raises(rh.SourceError) as caught:
        rh.Graph.from_pyg([INDEX])
    assert str(caught.value) == "a list is no graph of PyG; give a Data or a HeteroData"


def test_a_time_that_nothing_has_is_refused() -> None:
    with pytest.raises(rh.SourceError) as caught:
        rh.Graph.from_pyg(Data(num_nodes=3, year=torch.arange(3), edge_index=INDEX), time_attr="yaer")
    assert str(caught.value) == "neither nodes nor edges have the time_attr 'yaer'. Did you mean 'year'?"


def test_edges_without_an_index_are_refused() -> None:
    data = HeteroData()
    data["paper"].num_nodes = 2
    data["paper", "to", "paper"].edge_attr = torch.rand(2, 2)
    with pytest.raises(rh.SourceError) as caught:
        rh.Graph.from_pyg(data)
    assert str(caught.value) == (
        "the edges of type ('paper', 'to', 'paper') have no 'edge_index'; give them one"
    )
