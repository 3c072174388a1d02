"""A store as PyG's feature store and graph store."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from torch_geometric.data import Data, EdgeAttr, TensorAttr
from torch_geometric.data.remote_backend_utils import num_nodes

import relhop as rh
from relhop.errors import StoreError
from relhop.loader import NeighborLoader
from relhop.pyg.backend import RemoteBackend
from tests import shop
from tests.pyg import graphs
from tests.pyg.graphs import CITES, NUM_AUTHORS, NUM_PAPERS, WRITES, WRITTEN


@pytest.fixture(scope="module")
def data():
    data = graphs.heterogeneous()
    data["paper"].z = torch.rand(NUM_PAPERS, 3).to(torch.bfloat16)
    generator = torch.Generator().manual_seed(3)
    data["author"].time = torch.randint(0, 50, (NUM_AUTHORS,), generator=generator)
    return data


@pytest.fixture(scope="module", params=["ram", "mmap", "disk"])
def store(request, data, tmp_path_factory):
    path = tmp_path_factory.mktemp("stores") / "g.rh"
    graphs.store_of(data, path, time="time")
    return rh.Store.open(
        path, memory=request.param, buffer_pool_size=1 << 20 if request.param == "disk" else None
    )


@pytest.fixture
def pair(store):
    return store.get_torch_geometric_remote_backend()


def test_the_backend_is_a_pair(pair):
    feature_store, graph_store = pair
    assert isinstance(pair, RemoteBackend)
    assert str(feature_store) == "StoreFeatures()"
    assert str(graph_store) == "StoreEdges()"
    with pytest.raises(AttributeError, match=r"^the store has no attribute 'x'$"):
        _ = pair.x


INDICES = {
    "tensor": torch.tensor([3, 0, 3, 59]),
    "int32": torch.tensor([3, 0], dtype=torch.int32),
    "list": [5, 2],
    "slice": slice(2, 9),
    "steps": slice(50, 2, -3),
    "everything": slice(None),
    "none": None,
    "mask": torch.arange(60) % 7 == 0,
    "empty": torch.empty(0, dtype=torch.int64),
    "int": 4,
    "last": torch.tensor([-1]),
}


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES.keys())
@pytest.mark.parametrize("name", ["x", "time"])
def test_an_index_means_what_it_means_to_a_tensor(pair, data, index, name):
    whole = data["author"][name]
    expected = torch.from_numpy(whole.numpy()[index].copy()) if isinstance(index, slice) else whole
    if index is not None and not isinstance(index, slice):
        expected = whole[
            index if isinstance(index, (int, list)) or index.dtype == torch.bool else index.long()
        ]
    found = pair[0].get_tensor("author", name, index)
    assert torch.equal(found, expected)
    assert found.dtype == whole.dtype


def test_attributes_of_edges_are_read_by_the_numbers_of_edges(pair, data):
    for edge_type in (CITES, WRITES, WRITTEN):
        found = pair[0].get_tensor(edge_type, "edge_attr", torch.tensor([7, 2]))
        assert torch.equal(found, data[WRITES if edge_type == WRITTEN else edge_type].edge_attr[[7, 2]])


def test_dtype_and_size_are_said(pair, data):
    assert pair[0].get_tensor("paper", "z", None).dtype == torch.bfloat16
    assert torch.equal(pair[0].get_tensor("paper", "z", slice(4, 9)), data["paper"].z[4:9])
    assert pair[0].get_tensor_size("paper", "z") == (NUM_PAPERS, 3)
    assert pair[0].get_tensor_size("paper", "z", slice(2, 5)) == (3, 3)
    assert pair[0].get_tensor_size("author", "time") == (NUM_AUTHORS,)
    assert pair[0].get_tensor_size("author", "z") is None
    with pytest.raises(KeyError, match="the store has no attribute 'z' of 'author'"):
        pair[0].get_tensor("author", "z", None)


def test_all_attributes_are_listed_anew_each_time(pair):
    groups = {(a.group_name, a.attr_name) for a in pair[0].get_all_tensor_attrs()}
    edges = {(key, "edge_attr") for key in (CITES, WRITES, WRITTEN)}
    assert groups == {("paper", "x"), ("paper", "z"), ("author", "x"), ("author", "time")} | edges
    pair[0].get_all_tensor_attrs()[0].index = torch.tensor([1])
    assert not pair[0].get_all_tensor_attrs()[0].is_set("index")


def test_several_tensors_are_read_at_once(pair, data):
    index = torch.tensor([3, 1])
    wanted = [
        TensorAttr("paper", "x", index),
        TensorAttr("author", "time", index),
        TensorAttr("paper", "z", None),
    ]
    x, time, z = pair[0].multi_get_tensor(wanted)
    assert torch.equal(x, data["paper"].x[index])
    assert torch.equal(time, data["author"].time[index])
    assert torch.equal(z, data["paper"].z)


def test_views_lead_to_tensors(pair, data):
    assert torch.equal(pair[0]["paper"].x[:], data["paper"].x)
    assert torch.equal(pair[0]["paper", "x", torch.tensor([5])], data["paper"].x[5:6])


def test_what_is_put_stays_in_memory_and_is_in_batches(store, data):
    pair = store.get_torch_geometric_remote_backend()
    added = torch.rand(NUM_AUTHORS, 2)
    assert pair[0].put_tensor(added, "author", "embedding", None)
    assert torch.equal(pair[0].get_tensor("author", "embedding", torch.tensor([4, 1])), added[[4, 1]])
    batch = next(iter(NeighborLoader(pair, [3], input_nodes="author", batch_size=10)))
    assert torch.equal(batch["author"].embedding, added[batch["author"].n_id])
    assert torch.equal(pickle.loads(pickle.dumps(pair))[0].get_tensor("author", "embedding", None), added)
    assert pair[0].update_tensor(added + 1, "author", "embedding", None)
    assert torch.equal(pair[0].get_tensor("author", "embedding", None), added + 1)
    assert pair[0].remove_tensor("author", "embedding", None)
    assert not pair[0].remove_tensor("author", "embedding", None)
    assert pair[0].get_tensor_size("author", "embedding") is None


def test_what_a_store_holds_is_not_changed(pair):
    with pytest.raises(StoreError, match="never changes; put it under another name"):
        pair[0].put_tensor(torch.zeros(NUM_PAPERS), "paper", "x", None)
    with pytest.raises(
        StoreError, match="never changes; leave it out of batches with node_attrs or edge_attrs"
    ):
        pair[0].remove_tensor("paper", "x", None)
    with pytest.raises(ValueError, match="'e' has 3 rows; 'paper' has 100"):
        pair[0].put_tensor(torch.zeros(3), "paper", "e", None)
    with pytest.raises(ValueError, match="'e' is put for some rows only; put all 100, with index=None"):
        pair[0].put_tensor(torch.zeros(3), "paper", "e", torch.arange(3))
    with pytest.raises(StoreError, match=r"add an rh\.EdgeTable"):
        pair[1].put_edge_index((torch.zeros(1), torch.zeros(1)), CITES, "coo")
    with pytest.raises(StoreError, match="num_neighbors of 0"):
        pair[1].remove_edge_index(CITES, "coo")


def test_edges_have_the_order_of_the_input_as_coo(pair, data):
    rows, cols, permutations = pair[1].coo()
    for edge_type in (CITES, WRITES, WRITTEN):
        assert torch.equal(torch.stack([rows[edge_type], cols[edge_type]]), data[edge_type].edge_index)
        assert permutations[edge_type] is None


def test_edges_by_target_and_by_source_know_their_numbers(pair, data):
    rows, pointers, permutations = pair[1].csc()
    for edge_type in (CITES, WRITES, WRITTEN):
        edge_index, order = data[edge_type].edge_index, permutations[edge_type]
        assert torch.equal(rows[edge_type], edge_index[0, order])
        lengths = pointers[edge_type].diff()
        assert torch.equal(edge_index[1, order], torch.arange(len(lengths)).repeat_interleave(lengths))
    pointers, cols, permutations = pair[1].csr([WRITES])
    edge_index, order = data[WRITES].edge_index, permutations[WRITES]
    assert torch.equal(cols[WRITES], edge_index[1, order])
    assert torch.equal(
        edge_index[0, order], torch.arange(NUM_AUTHORS).repeat_interleave(pointers[WRITES].diff())
    )


def test_neighbors_of_one_target_are_in_the_order_of_time(pair, data):
    rows, pointers, _ = pair[1].csc([WRITES])
    times = data["author"].time[rows[WRITES]]
    for begin, end in zip(pointers[WRITES][:-1], pointers[WRITES][1:], strict=True):
        assert (times[begin:end].diff() >= 0).all()


def test_edge_types_say_their_sizes(pair):
    sizes = {a.edge_type: (a.size, a.layout.value, a.is_sorted) for a in pair[1].get_all_edge_attrs()}
    assert sizes == {
        CITES: ((NUM_PAPERS, NUM_PAPERS), "csc", True),
        WRITES: ((NUM_AUTHORS, NUM_PAPERS), "csc", True),
        WRITTEN: ((NUM_PAPERS, NUM_AUTHORS), "csc", True),
    }
    assert num_nodes(*pair, "author") == NUM_AUTHORS
    assert pair[1]._get_edge_index(EdgeAttr(("a", "b", "c"), "coo")) is None
    with pytest.raises(KeyError, match="not found"):
        pair[1].get_edge_index(("a", "b", "c"), "coo")


def test_a_pair_pickles_as_what_opened_the_store(pair, data):
    again = pickle.loads(pickle.dumps(pair))
    assert len(pickle.dumps(pair)) < 5000
    assert torch.equal(again[0].get_tensor("paper", "x", None), data["paper"].x)
    assert torch.equal(again[1].coo([CITES])[0][CITES], data[CITES].edge_index[0])


def test_a_homogeneous_store_has_no_types(tmp_path):
    data = graphs.homogeneous()
    pair = graphs.store_of(data, tmp_path / "g.rh").get_torch_geometric_remote_backend()
    assert [(a.group_name, a.attr_name) for a in pair[0].get_all_tensor_attrs()] == [(None, "x"), (None, "y")]
    assert torch.equal(pair[0].get_tensor(None, "x", torch.tensor([4])), data.x[4:5])
    assert torch.equal(pair[0].get_tensor((None, None), "edge_attr", None), data.edge_attr)
    (attr,) = pair[1].get_all_edge_attrs()
    assert (attr.edge_type, attr.size) == (None, (NUM_PAPERS, NUM_PAPERS))
    row, col, permutation = pair[1].coo()
    assert torch.equal(torch.stack([row, col]), data.edge_index)
    assert permutation is None
    assert torch.equal(pair.x, data.x)
    assert pair.num_nodes == NUM_PAPERS


def test_whole_attributes_of_a_store_are_not_copied(tmp_path):
    store = graphs.store_of(graphs.homogeneous(), tmp_path / "g.rh")
    found = store.get_torch_geometric_remote_backend()[0].get_tensor(None, "x", None)
    stored = next(iter(store.tables.values())).attributes["x"].array()
    assert found.data_ptr() == stored.ctypes.data
    part = store.get_torch_geometric_remote_backend()[0].get_tensor(None, "x", slice(5, 9))
    assert part.data_ptr() == stored[5:].ctypes.data


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return shop.store(tmp_path_factory.mktemp("shop"))


def test_columns_of_relational_tables_are_attributes(tables):
    features, _ = tables.get_torch_geometric_remote_backend()
    frames = shop.frames()
    quantity = features.get_tensor("orders", "quantity", None)
    assert quantity.dtype == torch.float32
    assert quantity.tolist() == frames["orders"]["quantity"].tolist()
    assert features.get_tensor("users", "city", None).tolist() == [0, 1, -1, 0]
    age = features.get_tensor("users", "age", None)
    assert torch.isnan(age).tolist() == [False, True, False, False]
    born = features.get_tensor("users", "born", torch.tensor([3, 2]))
    assert born.tolist() == [pd.Timestamp("2000-02-29").value // 1000, np.iinfo(np.int64).min]
    at = features.get_tensor("orders", "at", None)
    assert at[:2].tolist() == [
        pd.Timestamp("2020-01-05").value // 1000,
        pd.Timestamp("2020-01-03").value // 1000,
    ]
    assert at[7] == np.iinfo(np.int64).max


def test_foreign_keys_are_edges_whose_number_is_that_of_the_row_that_holds_the_key(tables):
    batch = next(iter(NeighborLoader(tables, [-1], input_nodes=("users", [0]))))
    assert batch["orders"].n_id.sort()[0].tolist() == [1, 2, 3, 7]
    edges = batch["orders", "f2p_user_id", "users"]
    assert torch.equal(batch["orders"].n_id[edges.edge_index[0]], edges.e_id)
    assert torch.equal(batch["orders"].quantity, batch["orders"].n_id.float() + 1)


def test_rows_of_relational_tables_are_visible_at_their_times(tables):
    seen = pd.Timestamp("2020-01-03").value // 1000
    for name in ("at", "time"):
        loader = NeighborLoader(
            tables, [-1], input_nodes=("users", [0]), input_time=torch.tensor([seen]), time_attr=name
        )
        assert next(iter(loader))["orders"].n_id.tolist() == [2, 1]
    with pytest.raises(ValueError, match="node 7 has no time; leave it out, or give input_time"):
        next(iter(NeighborLoader(tables, [-1], input_nodes=("orders", [7]), time_attr="time")))


def test_nothing_is_later_than_a_frozen_store(tables):
    frozen = tables.as_of("2020-01-03")
    batch = next(iter(NeighborLoader(frozen, [-1], input_nodes=("users", [0]))))
    assert batch["orders"].n_id.sort()[0].tolist() == [1, 2]
    features, edges = frozen.get_torch_geometric_remote_backend()
    rows, cols, _ = edges.coo([("orders", "f2p_user_id", "users")])
    assert list(zip(*(next(iter(part.values())).tolist() for part in (rows, cols)), strict=True)) == [
        (1, 0),
        (2, 0),
    ]
    loader = NeighborLoader((features, edges), [1], input_nodes="orders", batch_size=10)
    assert next(iter(loader))["orders"].input_id.numel() == 3
    assert next(iter(loader))["orders"].n_id[:3].tolist() == [1, 2, 6]
    with pytest.raises(IndexError, match="node 3 does not exist yet at the store's as_of time"):
        next(iter(NeighborLoader(frozen, [-1], input_nodes=("orders", [3]))))


def test_pyg_s_own_filters_read_a_store(tmp_path):
    from torch_geometric.loader.utils import filter_custom_store

    data = graphs.homogeneous()
    pair = graphs.store_of(data, tmp_path / "g.rh").get_torch_geometric_remote_backend()
    nodes = torch.tensor([4, 7])
    batch = filter_custom_store(*pair, nodes, torch.tensor([0]), torch.tensor([1]), None)
    assert isinstance(batch, Data)
    assert torch.equal(batch.x, data.x[nodes])
