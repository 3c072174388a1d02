"""NeighborLoader: what PyG's users rely on, of data in memory and of stores alike."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch_geometric.data import Data, HeteroData
from torch_geometric.loader import NeighborLoader as PyGNeighborLoader
from torch_geometric.nn import GraphConv, GraphSAGE, SAGEConv, to_hetero
from torch_geometric.utils import k_hop_subgraph, trim_to_layer

from relhop.errors import SchemaError
from relhop.loader import NeighborLoader
from tests.pyg import graphs
from tests.pyg.graphs import CITES, NUM_AUTHORS, NUM_PAPERS, WRITES, WRITTEN


@pytest.mark.parametrize("subgraph_type", ["directional", "induced"])
def test_a_homogeneous_batch_holds_what_its_nodes_and_edges_hold(put, place, subgraph_type):
    data = graphs.homogeneous()
    loader = NeighborLoader(
        put(data, place), num_neighbors=[5, 5], batch_size=20, subgraph_type=subgraph_type
    )
    assert str(loader) == "NeighborLoader()"
    assert isinstance(loader, PyGNeighborLoader)
    assert len(loader) == 5
    seeds = []
    for batch in loader:
        assert isinstance(batch, Data)
        assert batch.batch_size == 20
        assert batch.input_id.tolist() == batch.n_id[:20].tolist()
        assert "seed_time" not in batch
        assert "batch" not in batch
        assert batch.num_nodes == batch.n_id.numel() == batch.n_id.unique().numel()
        assert batch.e_id.unique().numel() == batch.num_edges
        assert torch.equal(batch.x, data.x[batch.n_id])
        assert torch.equal(batch.y, data.y[batch.n_id])
        assert torch.equal(batch.edge_attr, data.edge_attr[batch.e_id])
        assert torch.equal(batch.n_id[batch.edge_index], data.edge_index[:, batch.e_id])
        if subgraph_type == "directional":
            assert sum(batch.num_sampled_nodes) == batch.num_nodes
            assert sum(batch.num_sampled_edges) == batch.num_edges
            assert batch.num_sampled_nodes[0] == 20
            assert torch.bincount(batch.edge_index[1]).max() <= 5
        else:
            inside = torch.isin(data.edge_index, batch.n_id).all(0)
            assert batch.e_id.sort()[0].tolist() == inside.nonzero().view(-1).tolist()
        seeds += batch.input_id.tolist()
    assert seeds == list(range(NUM_PAPERS))


@pytest.mark.parametrize("subgraph_type", ["directional", "induced"])
def test_a_heterogeneous_batch_holds_what_its_nodes_and_edges_hold(put, place, subgraph_type):
    data = graphs.heterogeneous()
    loader = NeighborLoader(
        put(data, place), [10, 10], input_nodes="paper", batch_size=20, subgraph_type=subgraph_type
    )
    assert len(loader) == 5
    for batch in loader:
        assert isinstance(batch, HeteroData)
        assert set(batch.node_types) == {"paper", "author"}
        assert set(batch.edge_types) == {CITES, WRITES, WRITTEN}
        assert batch["paper"].batch_size == 20
        assert batch["paper"].input_id.tolist() == batch["paper"].n_id[:20].tolist()
        assert "batch_size" not in batch["author"]
        for key in batch.node_types:
            assert torch.equal(batch[key].x, data[key].x[batch[key].n_id])
        for key in batch.edge_types:
            source, target = batch[key[0]].n_id, batch[key[2]].n_id
            ends = torch.stack([source[batch[key].edge_index[0]], target[batch[key].edge_index[1]]])
            assert torch.equal(ends, data[key].edge_index[:, batch[key].e_id])
            assert torch.equal(batch[key].edge_attr, data[key].edge_attr[batch[key].e_id])
            if subgraph_type == "directional":
                assert sum(batch[key].num_sampled_edges) == batch[key].edge_index.size(1)
            else:
                inside = torch.isin(data[key].edge_index[0], source) & torch.isin(
                    data[key].edge_index[1], target
                )
                assert batch[key].e_id.sort()[0].tolist() == inside.nonzero().view(-1).tolist()


@pytest.mark.parametrize("given", [{CITES: [3, 2], WRITES: [1, 1], WRITTEN: [0, 0]}, [2, 2]])
def test_neighbors_are_counted_by_edge_type_and_hop(put, place, given):
    loader = NeighborLoader(
        put(graphs.heterogeneous(), place), given, input_nodes=("paper", torch.arange(10))
    )
    batch = next(iter(loader))
    fanouts = given if isinstance(given, dict) else dict.fromkeys([CITES, WRITES, WRITTEN], given)
    for key, counts in fanouts.items():
        first = batch[key].num_sampled_edges[0]
        assert torch.bincount(batch[key].edge_index[1, :first], minlength=1).max() <= counts[0]
        assert first <= counts[0] * 10
    if isinstance(given, dict):
        assert batch[WRITTEN].num_sampled_edges == [0, 0]


def test_all_neighbors_of_all_hops_are_what_a_search_finds(put, place):
    data = graphs.homogeneous()
    seeds = torch.tensor([3, 7])
    batch = next(iter(NeighborLoader(put(data, place), [-1, -1], input_nodes=seeds, batch_size=2)))
    nodes, _, _, _ = k_hop_subgraph(seeds, 2, data.edge_index, num_nodes=NUM_PAPERS)
    assert batch.n_id.sort()[0].tolist() == nodes.tolist()
    within_a_hop, _, _, _ = k_hop_subgraph(seeds, 1, data.edge_index, num_nodes=NUM_PAPERS)
    followed = torch.isin(data.edge_index[1], within_a_hop)
    assert batch.e_id.sort()[0].tolist() == followed.nonzero().view(-1).tolist()


class GNN(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(5)
        self.first, self.second = GraphConv(4, 8), GraphConv(8, 3)

    def forward(self, x, edge_index, edge_weight):
        return self.second(self.first(x, edge_index, edge_weight).relu(), edge_index, edge_weight)


def test_with_all_neighbors_a_gnn_gives_what_it_gives_on_the_whole_graph(put, place):
    data = graphs.homogeneous(edge_weight=torch.rand(500))
    seeds = torch.arange(5, 8)
    batch = next(iter(NeighborLoader(put(data, place), [-1, -1], input_nodes=seeds, batch_size=3)))
    model = GNN()
    whole = model(data.x, data.edge_index, data.edge_weight)[seeds]
    assert torch.allclose(model(batch.x, batch.edge_index, batch.edge_weight)[:3], whole, atol=1e-5)


def test_with_all_neighbors_a_heterogeneous_gnn_gives_what_it_gives_on_the_whole_graph(put, place):
    plain = graphs.homogeneous(edge_weight=torch.rand(500))
    data = HeteroData()
    data["paper"].x = plain.x
    data[CITES].edge_index, data[CITES].edge_weight = plain.edge_index, plain.edge_weight
    # One more type, so that the store has several.
    data["author"].x = torch.rand(NUM_AUTHORS, 4)
    data[WRITES].edge_index = graphs.random_edges(NUM_AUTHORS, NUM_PAPERS, 50)
    data[WRITES].edge_weight = torch.rand(50)
    data[WRITTEN].edge_index, data[WRITTEN].edge_weight = (
        data[WRITES].edge_index.flip(0),
        data[WRITES].edge_weight,
    )
    model = to_hetero(GNN(), data.metadata())
    whole = model(data.x_dict, data.edge_index_dict, data.edge_weight_dict)["paper"][5:8]
    loader = NeighborLoader(
        put(data, place), [-1, -1], input_nodes=("paper", torch.arange(5, 8)), batch_size=3
    )
    batch = next(iter(loader))
    out = model(batch.x_dict, batch.edge_index_dict, batch.edge_weight_dict)["paper"][:3]
    assert torch.allclose(out, whole, atol=1e-5)


def test_layers_that_trim_their_input_give_the_same(put, place):
    batch = next(iter(NeighborLoader(put(graphs.homogeneous(), place), [4, 4], batch_size=10)))
    layers = [SAGEConv(4, 4), SAGEConv(4, 4)]
    x, edge_index = batch.x, batch.edge_index
    whole = layers[1](layers[0](x, edge_index), edge_index)[:10]
    for layer, conv in enumerate(layers):
        x, edge_index, _ = trim_to_layer(
            layer, batch.num_sampled_nodes, batch.num_sampled_edges, x, edge_index, None
        )
        x = conv(x, edge_index)
    assert torch.allclose(x[:10], whole, atol=1e-5)


def test_inference_layer_by_layer_gives_what_the_whole_graph_gives(put, place):
    data = graphs.homogeneous()
    torch.manual_seed(2)
    model = GraphSAGE(4, 8, num_layers=2, out_channels=3).eval()
    found = model.inference(NeighborLoader(put(data, place), [-1], batch_size=30))
    assert torch.allclose(found, model(data.x, data.edge_index), atol=1e-4)


def test_nodes_and_edges_of_a_hop_follow_one_another(put, place):
    data = graphs.homogeneous()
    batch = next(iter(NeighborLoader(put(data, place), [3, 3, 3], batch_size=5)))
    ends = np.cumsum(batch.num_sampled_nodes)
    begin = 0
    for hop, count in enumerate(batch.num_sampled_edges):
        sources, targets = batch.edge_index[:, begin : begin + count]
        assert targets.max() < ends[hop]
        assert sources.max() < ends[hop + 1]
        if hop:
            assert targets.min() >= ends[hop - 1]  # only new nodes are expanded
        begin += count


def test_disjoint_subgraphs_share_no_node(put, place):
    batch = next(iter(NeighborLoader(put(graphs.homogeneous(), place), [4, 4], batch_size=12, disjoint=True)))
    assert batch.batch[:12].tolist() == list(range(12))
    assert torch.equal(batch.batch[batch.edge_index[0]], batch.batch[batch.edge_index[1]])
    assert len(set(zip(batch.n_id.tolist(), batch.batch.tolist(), strict=True))) == batch.num_nodes


def test_both_ways_of_each_edge_are_there_where_that_is_asked_for(put, place):
    data = graphs.homogeneous()
    batch = next(iter(NeighborLoader(put(data, place), [3, 3], batch_size=5, subgraph_type="bidirectional")))
    found = set(graphs.pairs(batch.edge_index))
    assert found == {(b, a) for a, b in found}
    assert "num_sampled_nodes" not in batch
    one, other = data.edge_index[:, batch.e_id], batch.n_id[batch.edge_index]
    assert ((one == other).all(0) | (one.flip(0) == other).all(0)).all()
    assert torch.equal(batch.edge_attr, batch.e_id)


def test_both_ways_of_heterogeneous_edges(put, place):
    loader = NeighborLoader(
        put(graphs.heterogeneous(), place),
        [3, 3],
        input_nodes="paper",
        batch_size=5,
        subgraph_type="bidirectional",
    )
    batch = next(iter(loader))
    forth, back = batch[WRITES].edge_index, batch[WRITTEN].edge_index
    assert graphs.pairs(forth) == graphs.pairs(back.flip(0))


def test_repeated_draws_find_the_same_neighbor_several_times(put, place):
    data = Data(x=torch.zeros(2, 1), edge_index=torch.tensor([[1], [0]]), edge_attr=torch.zeros(1))
    batch = next(iter(NeighborLoader(put(data, place), [5], input_nodes=torch.tensor([0]), replace=True)))
    assert batch.n_id.tolist() == [0, 1]
    assert batch.e_id.tolist() == [0] * 5


def test_seeds_are_masks_numbers_lists_and_types(put, place):
    data = put(graphs.heterogeneous(), place)
    mask = torch.zeros(NUM_PAPERS, dtype=torch.bool)
    mask[[4, 9]] = True
    batch = next(iter(NeighborLoader(data, [1], input_nodes=("paper", mask), batch_size=2)))
    assert batch["paper"].n_id[:2].tolist() == batch["paper"].input_id.tolist() == [4, 9]
    batch = next(iter(NeighborLoader(data, [1], input_nodes=("paper", mask.numpy()), batch_size=2)))
    assert batch["paper"].n_id[:2].tolist() == [4, 9]
    batch = next(iter(NeighborLoader(data, [1], input_nodes=("author", [7, 3]), batch_size=2)))
    assert batch["author"].n_id[:2].tolist() == [7, 3]
    assert batch["author"].input_id.tolist() == [0, 1]
    assert len(NeighborLoader(data, [1], input_nodes=("author", None))) == NUM_AUTHORS
    assert len(NeighborLoader(data, [1], input_nodes="author")) == NUM_AUTHORS


def test_a_seed_that_repeats_is_a_node_each_time(put, place):
    data = graphs.homogeneous()
    batch = next(
        iter(NeighborLoader(put(data, place), [-1], input_nodes=torch.tensor([3, 5, 3]), batch_size=3))
    )
    assert batch.n_id[:3].tolist() == [3, 5, 3]
    assert batch.batch_size == 3
    assert torch.equal(batch.n_id[batch.edge_index], data.edge_index[:, batch.e_id])


def test_a_node_without_neighbors_is_alone(put, place):
    data = Data(x=torch.arange(4.0).view(4, 1), edge_index=torch.tensor([[0], [1]]), edge_attr=torch.zeros(1))
    batch = next(
        iter(NeighborLoader(put(data, place), [-1, -1], input_nodes=torch.tensor([3, 0]), batch_size=2))
    )
    assert batch.n_id.tolist() == [3, 0]
    assert batch.edge_index.shape == (2, 0)


def test_data_without_edges_have_batches_without_edges():
    batch = next(iter(NeighborLoader(Data(x=torch.zeros(5, 2)), [3], batch_size=2)))
    assert batch.num_nodes == 2
    assert batch.num_sampled_nodes == [2, 0]
    batch = next(iter(NeighborLoader(HeteroData(a={"num_nodes": 5}), [], input_nodes="a", batch_size=2)))
    assert batch["a"].num_nodes == 2


DTYPES = [
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.bool,
]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)], ids=str)
def test_dtype_and_shape_of_attributes_stay(put, dtype, shape, tmp_path):
    data = graphs.homogeneous()
    data.x = (torch.rand(NUM_PAPERS, *shape) * 100).to(dtype)
    data.edge_attr = (torch.rand(500, *shape) * 100).to(dtype)
    for where in ("data", "store", "disk"):
        batch = next(iter(NeighborLoader(put(data, where), [4], batch_size=30)))
        assert batch.x.dtype == batch.edge_attr.dtype == dtype
        assert torch.equal(batch.x, data.x[batch.n_id])
        assert torch.equal(batch.edge_attr, data.edge_attr[batch.e_id])


def test_memory_mapped_features_are_read(tmp_path):
    values = np.random.default_rng(0).random((NUM_PAPERS, 8), np.float32)
    np.save(tmp_path / "x.npy", values)
    data = graphs.homogeneous()
    data.x = np.load(tmp_path / "x.npy", mmap_mode="r")
    for batch in NeighborLoader(data, [3], batch_size=50):
        assert torch.equal(batch.x, torch.from_numpy(values)[batch.n_id])


def test_transforms_are_called_in_their_order(put, place):
    calls = []

    def of_output(out):
        calls.append("output")
        return out

    def of_batch(batch):
        calls.append("batch")
        assert batch.input_id is not None
        batch.edge_attr = batch.edge_attr + 1
        return batch

    data = graphs.homogeneous()
    loader = NeighborLoader(
        put(data, place), [3], batch_size=100, transform=of_batch, transform_sampler_output=of_output
    )
    (batch,) = loader
    assert calls == ["output", "batch"]
    assert torch.equal(batch.edge_attr, data.edge_attr[batch.e_id] + 1)
    assert torch.equal(batch.x, data.x[batch.n_id])


def test_a_batch_can_be_asked_for(put, place):
    data = graphs.homogeneous()
    loader = NeighborLoader(put(data, place), [3], batch_size=10, disjoint=True)
    batch = loader([4, 8])
    assert batch.n_id[:2].tolist() == [4, 8]
    assert torch.equal(batch.x, data.x[batch.n_id])
    assert torch.equal(batch.edge_attr, data.edge_attr[batch.e_id])


def test_shuffled_epochs_differ_and_hold_all_seeds(put, place):
    torch.manual_seed(1)
    loader = NeighborLoader(
        put(graphs.homogeneous(), place), [3], batch_size=30, shuffle=True, drop_last=True
    )
    first, second = ([b.input_id.tolist() for b in loader] for _ in range(2))
    assert len(loader) == 3
    assert [len(ids) for ids in first] == [30, 30, 30]
    assert first != second


def test_the_same_generator_gives_the_same_batches_for_any_number_of_threads(put, place):
    data = put(graphs.homogeneous(), place)

    def epoch(threads, ahead):
        torch.manual_seed(7)
        loader = NeighborLoader(
            data, [3, 3], batch_size=9, shuffle=True, num_threads=threads, prefetch_batches=ahead
        )
        return [(b.n_id.tolist(), b.e_id.tolist()) for b in loader]

    assert epoch(1, 1) == epoch(3, 5)


def test_each_epoch_draws_anew():
    loader = NeighborLoader(graphs.homogeneous(), [2], batch_size=100)
    (first,), (second,) = loader, loader
    assert first.e_id.tolist() != second.e_id.tolist()


def test_an_epoch_can_be_left_early(put, place):
    loader = NeighborLoader(put(graphs.homogeneous(), place), [3], batch_size=5)
    for batch in loader:
        assert batch.batch_size == 5
        break
    assert len(list(loader)) == 20


@pytest.mark.parametrize("filter_per_worker", [True, False])
def test_worker_processes_give_whole_batches(put, place, filter_per_worker):
    data = graphs.homogeneous()
    loader = NeighborLoader(
        put(data, place),
        [3],
        batch_size=50,
        num_workers=2,
        filter_per_worker=filter_per_worker,
        multiprocessing_context="fork",
    )
    seeds = []
    for batch in loader:
        assert torch.equal(batch.x, data.x[batch.n_id])
        assert torch.equal(batch.edge_attr, data.edge_attr[batch.e_id])
        seeds += batch.input_id.tolist()
    assert seeds == list(range(NUM_PAPERS))


def test_attributes_of_data_are_read_as_they_are_when_an_epoch_begins():
    loader = NeighborLoader(graphs.homogeneous(), [3], batch_size=10)
    del loader.data.y
    loader.data.n_id = torch.arange(NUM_PAPERS) + 5
    batch = next(iter(loader))
    assert "y" not in batch
    assert batch.n_id[:10].tolist() == [i + 5 for i in range(10)]


def test_attributes_of_a_store_can_be_chosen(put):
    store = put(graphs.homogeneous(), "store")
    batch = next(iter(NeighborLoader(store, [2], node_attrs=["y"], edge_attrs=[], batch_size=4)))
    assert "x" not in batch
    assert "edge_attr" not in batch
    assert batch.y.tolist() == (batch.n_id % 7).tolist()
    with pytest.raises(SchemaError, match=r"^no node type has the attribute 'z'\."):
        NeighborLoader(store, [2], node_attrs=["z"])
    with pytest.raises(ValueError, match=r"^node_attrs and edge_attrs choose what is read of a store"):
        NeighborLoader(graphs.homogeneous(), [2], node_attrs=["x"])


REFUSED = [
    ({"num_neighbors": [-2]}, ValueError, r"num_neighbors of hop 1 is -2; give -1 \(all\), 0 or a count"),
    ({"num_neighbors": [2.5]}, ValueError, r"num_neighbors of hop 1 is 2.5; give -1 \(all\), 0 or a count"),
    ({"num_neighbors": 5}, ValueError, r"num_neighbors is 5; give a number for each hop, as in \[12, 12\]"),
    ({"input_nodes": [0, 100]}, IndexError, "there is no number 100; there are 100"),
    ({"input_nodes": [0.5, 1.0]}, SchemaError, r"input_nodes is torch.float64 \[2\]; give numbers"),
    (
        {"input_nodes": torch.ones(9, dtype=torch.bool)},
        SchemaError,
        r"is a mask \[9\], but there are 100 nodes",
    ),
    ({"input_nodes": "paper"}, SchemaError, "give input_nodes as numbers or a mask alone"),
    ({"temporal_strategy": "first"}, ValueError, "temporal_strategy is 'first'; choose 'uniform' or 'last'"),
    ({"input_time": torch.zeros(100)}, ValueError, "input_time is set, but not time_attr;"),
    ({"time_attr": "when"}, SchemaError, "no.* 'when'"),
    ({"weight_attr": "heavy"}, SchemaError, "no edges .*'heavy'"),
    ({"num_threads": 0}, ValueError, "num_threads is 0 and prefetch_batches 0; both are at least 1"),
    ({"neighbor_sampler": 3}, TypeError, "neighbor_sampler is int; give a relhop.NeighborSampler"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), REFUSED, ids=lambda a: str(a)[:20])
def test_what_makes_no_sense_is_refused_when_the_loader_is_made(put, place, arguments, error, message):
    with pytest.raises(error, match=message):
        NeighborLoader(put(graphs.homogeneous(), place), **({"num_neighbors": [2]} | arguments))


def test_times_are_those_of_the_seeds():
    data = graphs.homogeneous()
    data.time = torch.arange(data.num_nodes)
    with pytest.raises(ValueError, match=r"^input_time has 3 entries for 2 seeds$"):
        NeighborLoader(data, [2], [1, 2], input_time=torch.zeros(3, dtype=torch.long), time_attr="time")


def test_seeds_of_a_type_that_is_not_there_are_refused(put, place):
    data = put(graphs.heterogeneous(), place)
    with pytest.raises(SchemaError, match=r"^there are no nodes of type 'papers'\. Did you mean 'paper'\?$"):
        NeighborLoader(data, [1], input_nodes="papers")
    with pytest.raises(SchemaError, match=r"^input_nodes are \(node type, numbers\) in a graph with several"):
        NeighborLoader(data, [1], input_nodes=torch.tensor([3]))


def test_an_edge_type_that_is_not_there_is_refused(put, place):
    data = put(graphs.heterogeneous(), place)
    message = r"^num_neighbors has the edge type \('paper', 'cite', 'paper'\), which the graph has not\. Did you mean"
    with pytest.raises(ValueError, match=message):
        NeighborLoader(data, {("paper", "cite", "paper"): [1]}, input_nodes="paper")


def test_other_data_are_refused():
    with pytest.raises(TypeError, match=r"^data is dict; give a relhop\.Store"):
        NeighborLoader({}, [2])
