"""relhop's sampler as PyG's BaseSampler."""

from __future__ import annotations

import pickle

import pytest
import torch
from torch_geometric.data import Data, FeatureStore, GraphStore
from torch_geometric.loader import LinkLoader, NodeLoader
from torch_geometric.sampler import BaseSampler, EdgeSamplerInput, NegativeSampling, NodeSamplerInput
from torch_geometric.sampler.base import NumNeighbors

from relhop.loader import LinkNeighborLoader, NeighborLoader
from relhop.pyg.sampler import NeighborSampler
from tests.pyg import graphs
from tests.pyg.graphs import CITES, NUM_PAPERS, WRITES


def test_it_is_a_base_sampler_that_says_what_pyg_asks_it(put, place):
    sampler = NeighborSampler(put(graphs.homogeneous(), place), [3, 2])
    assert isinstance(sampler, BaseSampler)
    assert sampler.edge_permutation is None
    assert len(sampler.num_neighbors) == 2
    assert not sampler.disjoint
    assert not sampler.is_temporal


def test_nodes_are_sampled_with_local_numbers_and_what_the_loader_gave(put, place):
    data = graphs.homogeneous()
    sampler = NeighborSampler(put(data, place), NumNeighbors([3, 2]))
    out = sampler.sample_from_nodes(NodeSamplerInput(torch.tensor([10, 20]), torch.tensor([5, 9])))
    assert out.node[:2].tolist() == [5, 9]
    assert out.metadata[0].tolist() == [10, 20]
    assert out.metadata[1] is None
    assert out.batch is None
    assert torch.equal(torch.stack([out.node[out.row], out.node[out.col]]), data.edge_index[:, out.edge])
    assert sum(out.num_sampled_nodes) == out.node.numel()


def test_links_are_sampled_with_their_negatives(put, place):
    data = graphs.heterogeneous()
    sampler = NeighborSampler(put(data, place), [2])
    row, col = data[WRITES].edge_index[:, :6]
    inputs = EdgeSamplerInput(None, row, col, input_type=WRITES)
    out = sampler.sample_from_edges(inputs, NegativeSampling("binary", 2.0))
    _, index, label, _ = out.metadata
    assert label.tolist() == [1.0] * 6 + [0.0] * 12
    assert torch.equal(out.node["author"][index[0, :6]], row)
    assert torch.equal(out.node["paper"][index[1, :6]], col)


@pytest.mark.parametrize("where", ["store", "pair"])
def test_pyg_s_node_loader_and_link_loader_take_it(put, where):
    data = graphs.homogeneous()
    given = put(data, where)
    pair = given if where == "pair" else given.get_torch_geometric_remote_backend()
    for batch in NodeLoader(pair, NeighborSampler(given, [3]), torch.arange(NUM_PAPERS), batch_size=50):
        assert torch.equal(batch.x, data.x[batch.n_id])
        assert torch.equal(batch.n_id[batch.edge_index], data.edge_index[:, batch.e_id])
    loader = LinkLoader(pair, NeighborSampler(given, [3]), (None, data.edge_index), batch_size=250)
    for batch in loader:
        assert torch.equal(batch.n_id[batch.edge_label_index], data.edge_index[:, batch.input_id])


def test_spawned_workers_of_pyg_s_loader_open_the_store_themselves(put):
    data = graphs.homogeneous()
    pair = put(data, "pair")
    loader = NodeLoader(
        pair,
        NeighborSampler(pair, [3]),
        torch.arange(NUM_PAPERS),
        batch_size=50,
        num_workers=2,
        multiprocessing_context="spawn",
        filter_per_worker=True,
    )
    seeds = []
    for batch in loader:
        assert torch.equal(batch.x, data.x[batch.n_id])
        assert torch.equal(batch.n_id[batch.edge_index], data.edge_index[:, batch.e_id])
        seeds += batch.input_id.tolist()
    assert seeds == list(range(NUM_PAPERS))


def test_pyg_s_node_loader_takes_it_over_data_in_memory():
    data = graphs.heterogeneous()
    sampler = NeighborSampler(data, [3])
    for batch in NodeLoader(data, sampler, "paper", batch_size=50):
        assert torch.equal(batch["paper"].x, data["paper"].x[batch["paper"].n_id])
        assert torch.equal(batch[CITES].edge_attr, batch[CITES].e_id)


def test_loaders_share_a_sampler(put, place):
    data = put(graphs.homogeneous(), place)
    sampler = NeighborSampler(data, [3], disjoint=True)
    nodes = NeighborLoader(data, [], neighbor_sampler=sampler, batch_size=10)
    links = LinkNeighborLoader(data, [], neighbor_sampler=sampler, batch_size=10)
    assert next(iter(nodes)).batch.max() == next(iter(links)).batch.max() == 9


def test_a_loader_pickles(put, place):
    data = graphs.homogeneous()
    loader = pickle.loads(pickle.dumps(NeighborLoader(put(data, place), [3], batch_size=10)))
    for batch in loader:
        assert torch.equal(batch.x, data.x[batch.n_id])


@pytest.mark.parametrize("degree", [100, 10_000, 100_000])
def test_draws_are_uniform_whatever_the_degree(degree):
    """The star's leaves in 50 equal parts, 20,000 draws: chi-square below the quantile of 1 - 1e-4."""
    edge_index = torch.stack([torch.arange(1, degree + 1), torch.zeros(degree, dtype=torch.int64)])
    sampler = NeighborSampler(Data(edge_index=edge_index, num_nodes=degree + 1), [20])
    torch.manual_seed(0)
    inputs = NodeSamplerInput(None, torch.tensor([0]))
    drawn = torch.cat([sampler.sample_from_nodes(inputs).node[1:] - 1 for _ in range(1000)])
    counts = torch.bincount(drawn * 50 // degree, minlength=50).double()
    assert counts.sum() == 20_000
    assert ((counts - 400) ** 2 / 400).sum() < 97


def test_fanouts_take_as_many_as_there_are():
    data = graphs.homogeneous()
    degrees = torch.bincount(data.edge_index[1], minlength=NUM_PAPERS)
    out = NeighborSampler(data, [4]).sample_from_nodes(NodeSamplerInput(None, torch.arange(NUM_PAPERS)))
    found = torch.bincount(out.col, minlength=NUM_PAPERS)
    assert torch.equal(found, degrees.clamp(max=4))
    assert out.edge.unique().numel() == out.edge.numel()


def test_what_cannot_be_offered_is_refused_with_what_to_use_instead():
    with pytest.raises(NotImplementedError, match=r"reverse edge_index, or use torch_geometric\.sampler"):
        NeighborSampler(graphs.homogeneous(), [2], sample_direction="backward")

    class Features(FeatureStore):
        _put_tensor = _get_tensor = _remove_tensor = _get_tensor_size = get_all_tensor_attrs = None

    class Graph(GraphStore):
        _put_edge_index = _get_edge_index = _remove_edge_index = get_all_edge_attrs = None

    with pytest.raises(TypeError, match=r"Other feature and graph stores: torch_geometric\.loader$"):
        NeighborLoader((Features(), Graph()), [2])


@pytest.mark.parametrize("index", [-1, NUM_PAPERS])
def test_nodes_that_do_not_exist_are_refused(put, place, index):
    sampler = NeighborSampler(put(graphs.homogeneous(), place), [2])
    with pytest.raises(IndexError, match=f"^there is no number {index}; there are 100$"):
        sampler.sample_from_nodes(NodeSamplerInput(None, torch.tensor([0, index])))


WRONG_EDGES = [
    (torch.tensor([[0, 100], [1, 1]]), "the edges: edge 1 has the end 100 in row 0; there are 100 nodes"),
    (torch.tensor([[0, 1], [1, -1]]), "the edges: edge 1 has the end -1 in row 1; there are 100 nodes"),
    (
        torch.zeros(3, 2, dtype=torch.int64),
        r"edge_index is torch.int64 \[3, 2\]; it must be integers \[2, edges\]",
    ),
]


@pytest.mark.parametrize(("edge_index", "message"), WRONG_EDGES)
def test_edges_that_cannot_be_are_refused(edge_index, message):
    with pytest.raises(ValueError, match=message):
        NeighborSampler(Data(x=torch.zeros(100, 1), edge_index=edge_index), [1])
