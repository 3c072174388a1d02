"""Loaders with times of nodes and of edges, and with weights: in memory and in stores."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch_geometric.data import Data, HeteroData

import relhop as rh
from relhop.errors import SchemaError
from relhop.loader import LinkNeighborLoader, NeighborLoader
from tests.pyg import graphs
from tests.pyg.graphs import CITES, NUM_PAPERS, WRITES


def timed() -> Data:
    generator = torch.Generator().manual_seed(3)
    return graphs.homogeneous(time=torch.randint(0, 50, (NUM_PAPERS,), generator=generator) - 20)


def test_no_node_is_later_than_its_seed(put, place):
    data = timed()
    loader = NeighborLoader(put(data, place, time="time"), [-1, -1], time_attr="time", batch_size=10)
    for batch in loader:
        assert torch.equal(batch.time, data.time[batch.n_id])
        assert torch.equal(batch.x, data.x[batch.n_id])
        assert torch.equal(batch.n_id[batch.edge_index], data.edge_index[:, batch.e_id])
        assert (batch.time <= batch.time[batch.batch]).all()  # the first nodes are the seeds


def test_what_is_visible_at_a_given_time_is_found_and_no_more(put, place):
    data = timed()
    seeds, times = torch.tensor([3, 8, 3]), torch.tensor([0, 10, 100])
    loader = NeighborLoader(
        put(data, place, time="time"),
        [-1],
        input_nodes=seeds,
        input_time=times,
        time_attr="time",
        batch_size=3,
    )
    batch = next(iter(loader))
    assert batch.seed_time.tolist() == [0, 10, 100]
    for i in range(3):
        visible = (data.edge_index[1] == seeds[i]) & (data.time[data.edge_index[0]] <= times[i])
        found = batch.e_id[batch.batch[batch.edge_index[1]] == i]
        assert found.sort()[0].tolist() == visible.nonzero().view(-1).tolist()


def test_times_of_a_store_are_in_the_unit_of_its_table(tmp_path):
    year = torch.tensor([2012, 2010, 2011, 2013])
    graph = rh.Graph(
        tables=[
            rh.Table("paper", source={"year": year}, pkey_col=(), time_col="year", time_unit="years"),
        ],
        edges=[
            rh.EdgeTable(
                "cites", src="paper", dst="paper", source=np.array([[1, 2, 3], [0, 0, 0]]), edge_ids=True
            ),
        ],
    )
    store = graph.snapshot(tmp_path / "papers.rh", progress=False)
    loader = NeighborLoader(
        store,
        [-1],
        input_nodes=torch.tensor([0, 0]),
        input_time=torch.tensor([2012, 2013]),
        time_attr="year",
        batch_size=1,
    )
    early, late = loader
    assert (early.e_id.tolist(), late.e_id.tolist()) == ([0, 1], [0, 1, 2])
    assert torch.equal(late.year, year[late.n_id])
    assert (early.seed_time.item(), late.seed_time.item()) == (2012, 2013)


def test_the_last_neighbors_are_the_newest(put, place):
    data = timed()
    loader = NeighborLoader(
        put(data, place, time="time"),
        [2],
        input_time=torch.full((NUM_PAPERS,), 10),
        time_attr="time",
        temporal_strategy="last",
        batch_size=NUM_PAPERS,
    )
    batch = next(iter(loader))
    for seed in range(NUM_PAPERS):
        times = data.time[data.edge_index[0, data.edge_index[1] == seed]]
        newest = times[times <= 10].sort()[0][-2:]
        found = batch.time[batch.edge_index[0, batch.edge_index[1] == seed]]
        assert found.sort()[0].tolist() == newest.tolist()


def test_types_without_times_are_always_visible(put, place):
    data = graphs.heterogeneous()
    data["paper"].time = torch.arange(NUM_PAPERS)
    loader = NeighborLoader(
        put(data, place, time="time"), [-1, -1], input_nodes=("paper", torch.arange(20)), time_attr="time"
    )
    for batch in loader:
        assert (batch["paper"].time <= batch["paper"].time[0]).all()
        first = batch[WRITES].num_sampled_edges[0]
        assert first == int((data[WRITES].edge_index[1] == batch["paper"].n_id[0]).sum())
    with pytest.raises(
        ValueError, match="seeds need times, and the nodes 'author' have no 'time' of their own"
    ):
        NeighborLoader(put(data, "data"), [2], input_nodes="author", time_attr="time")


def edge_timed() -> Data:
    generator = torch.Generator().manual_seed(3)
    return graphs.homogeneous(edge_time=torch.randint(0, 50, (500,), generator=generator))


@pytest.mark.parametrize("strategy", ["uniform", "last"])
def test_no_edge_is_later_than_its_seed(put, place, strategy):
    data = edge_timed()
    times = torch.arange(NUM_PAPERS) % 50
    loader = NeighborLoader(
        put(data, place, time="edge_time"),
        [3, 3],
        input_time=times,
        time_attr="edge_time",
        batch_size=25,
        temporal_strategy=strategy,
    )
    for batch in loader:
        assert torch.equal(batch.edge_time, data.edge_time[batch.e_id])
        assert torch.equal(batch.edge_attr, data.edge_attr[batch.e_id])
        assert torch.equal(batch.n_id[batch.edge_index], data.edge_index[:, batch.e_id])
        assert (batch.edge_time <= batch.seed_time[batch.batch[batch.edge_index[1]]]).all()
        for i in range(25):
            mine = data.edge_time[data.edge_index[1] == batch.n_id[i]]
            visible = mine[mine <= batch.seed_time[i]].sort()[0]
            found = batch.edge_time[batch.edge_index[1] == i].sort()[0]
            assert len(found) == min(3, len(visible))
            if strategy == "last":
                assert found.tolist() == visible[-3:].tolist()


def test_times_of_heterogeneous_edges(put, place):
    data = graphs.heterogeneous()
    data[CITES].time = torch.arange(500) % 50
    loader = NeighborLoader(
        put(data, place, time="time"),
        [-1, -1],
        input_nodes="paper",
        input_time=torch.arange(NUM_PAPERS) % 50,
        time_attr="time",
        batch_size=50,
    )
    for batch in loader:
        edges, papers = batch[CITES], batch["paper"]
        assert torch.equal(edges.time, data[CITES].time[edges.e_id])
        assert (edges.time <= papers.seed_time[papers.batch[edges.edge_index[1]]]).all()
        assert batch["author"].num_nodes > 0


def test_seeds_of_edges_with_times_need_times(put, place):
    with pytest.raises(ValueError, match="seeds need times, and the nodes have no 'edge_time' of their own"):
        NeighborLoader(put(edge_timed(), place, time="edge_time"), [2], time_attr="edge_time")


def test_heavy_neighbors_are_drawn_more_often(put, place):
    data = Data(
        x=torch.zeros(5, 1),
        edge_index=torch.tensor([[1, 2, 3, 4], [0, 0, 0, 0]]),
        edge_weight=torch.tensor([0.0, 1.0, 3.0, 6.0]),
    )
    loader = NeighborLoader(
        put(data, place, weight="edge_weight"), [1], input_nodes=torch.tensor([0]), weight_attr="edge_weight"
    )
    torch.manual_seed(0)
    counts = torch.bincount(torch.cat([batch.n_id[1:] for _ in range(600) for batch in loader]), minlength=5)
    expected = torch.tensor([60.0, 180.0, 360.0])
    assert counts[:2].tolist() == [0, 0]
    assert ((counts[2:] - expected) ** 2 / expected).sum() < 13.8  # chi-square, 2 degrees, p = 0.001
    everything = NeighborLoader(
        put(data, "data"), [-1], input_nodes=torch.tensor([0]), weight_attr="edge_weight"
    )
    assert next(iter(everything)).num_edges == 4


def test_weights_of_heterogeneous_edges(put, place):
    data = graphs.heterogeneous()
    data[CITES].weight = (torch.arange(500) % 2).float()
    loader = NeighborLoader(
        put(data, place, weight="weight"), [2, 2], input_nodes="paper", weight_attr="weight", batch_size=50
    )
    for batch in loader:
        assert (batch[CITES].weight == 1).all()
        assert batch[WRITES].edge_index.size(1) > 0


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_weights_that_are_none_are_refused(weight):
    data = graphs.homogeneous(edge_weight=torch.ones(500))
    data.edge_weight[7] = weight
    with pytest.raises(SchemaError, match=r"the weight of edge 7 is .*; weights are finite and at least 0"):
        NeighborLoader(data, [1], weight_attr="edge_weight")


def test_the_newest_cannot_be_drawn_by_weight_or_repeatedly():
    data = graphs.homogeneous(edge_time=torch.arange(500), edge_weight=torch.ones(500))
    for other in ({"weight_attr": "edge_weight"}, {"replace": True}):
        with pytest.raises(ValueError, match=r"^temporal_strategy='last' draws nothing, so that"):
            NeighborLoader(data, [1], time_attr="edge_time", temporal_strategy="last", **other)


def test_times_are_integers():
    with pytest.raises(SchemaError, match="the nodes: time: times are integers, not float32"):
        NeighborLoader(graphs.homogeneous(time=torch.rand(NUM_PAPERS)), [1], time_attr="time")


def test_links_see_nothing_later_than_themselves(put, place):
    data = timed()
    times = torch.maximum(data.time[data.edge_index[0]], data.time[data.edge_index[1]])
    given = put(data, place, time="time")
    loader = LinkNeighborLoader(
        given,
        [-1],
        edge_label_index=data.edge_index,
        edge_label=torch.ones(500),
        edge_label_time=times,
        time_attr="time",
        batch_size=8,
        shuffle=True,
    )
    for batch in loader:
        links = len(batch.input_id)
        assert batch.edge_label_index.shape == (2, links)
        assert torch.equal(batch.n_id[batch.edge_label_index], data.edge_index[:, batch.input_id])
        assert torch.equal(batch.edge_label_time, times[batch.input_id])
        assert (batch.time <= batch.edge_label_time[batch.batch]).all()
    for one in ({"edge_label_time": times}, {"time_attr": "time"}):
        with pytest.raises(ValueError, match="is not set; temporal sampling needs both"):
            LinkNeighborLoader(given, [-1], edge_label_index=data.edge_index, **one)


def test_negative_links_of_heterogeneous_nodes_see_nothing_later(put, place):
    data = graphs.heterogeneous()
    data["paper"].time = torch.arange(NUM_PAPERS) - 200
    data["author"].time = torch.arange(data["author"].num_nodes)
    times = torch.arange(500)
    loader = LinkNeighborLoader(
        put(data, place, time="time"),
        [-1, -1],
        edge_label_index=(CITES, data[CITES].edge_index),
        edge_label_time=times,
        batch_size=32,
        time_attr="time",
        neg_sampling_ratio=1.0,
        drop_last=True,
    )
    for batch in loader:
        assert int(batch["paper"].batch.max()) + 1 == 32
        assert batch[CITES].edge_label_index.size(1) == 64
        for key in ("paper", "author"):
            nodes = batch[key]
            assert (nodes.time <= batch[CITES].edge_label_time[:32][nodes.batch]).all()


def test_seeds_of_two_types_are_of_one_example(put, place):
    data = graphs.heterogeneous()
    loader = LinkNeighborLoader(
        put(data, place),
        [2],
        edge_label_index=(WRITES, data[WRITES].edge_index),
        disjoint=True,
        batch_size=10,
    )
    batch = next(iter(loader))
    assert batch["author"].batch[:10].tolist() == batch["paper"].batch[:10].tolist() == list(range(10))
    ends = torch.stack([batch["author"].n_id[:10], batch["paper"].n_id[:10]])
    assert torch.equal(ends, data[WRITES].edge_index[:, :10])
    assert isinstance(batch, HeteroData)
