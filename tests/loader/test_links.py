"""LinkNeighborLoader: what PyG's users rely on, of data in memory and of stores alike."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Data, HeteroData
from torch_geometric.loader import LinkNeighborLoader as PyGLinkNeighborLoader

from relhop.errors import SchemaError
from relhop.loader import LinkNeighborLoader
from tests.pyg import graphs
from tests.pyg.graphs import CITES, NUM_PAPERS, WRITES


@pytest.mark.parametrize("subgraph_type", ["directional", "bidirectional", "induced"])
def test_links_with_labels_of_their_own(put, place, subgraph_type):
    data = graphs.homogeneous()
    links = graphs.random_edges(NUM_PAPERS, NUM_PAPERS, 60, seed=9)
    labels = torch.arange(60) % 3
    loader = LinkNeighborLoader(
        put(data, place),
        [-1] * 2,
        edge_label_index=links,
        edge_label=labels,
        batch_size=20,
        shuffle=True,
        subgraph_type=subgraph_type,
    )
    assert str(loader) == "LinkNeighborLoader()"
    assert isinstance(loader, PyGLinkNeighborLoader)
    assert len(loader) == 3
    for batch in loader:
        assert isinstance(batch, Data)
        assert torch.equal(batch.n_id[batch.edge_label_index], links[:, batch.input_id])
        assert torch.equal(batch.edge_label, labels[batch.input_id])
        assert torch.equal(batch.x, data.x[batch.n_id])
        assert batch.n_id.unique().numel() == batch.num_nodes


def test_binary_negatives_follow_the_links_with_label_0(put, place):
    data = graphs.homogeneous()
    loader = LinkNeighborLoader(put(data, place), [-1] * 2, batch_size=20, neg_sampling="binary")
    seen = []
    for batch in loader:
        assert batch.edge_label.dtype == torch.float
        assert batch.edge_label.tolist() == [1.0] * 20 + [0.0] * 20
        assert torch.equal(batch.n_id[batch.edge_label_index[:, :20]], data.edge_index[:, batch.input_id])
        seen += batch.input_id.tolist()
    assert seen == list(range(500))


def test_labels_are_lifted_where_there_are_negatives(put, place):
    links = graphs.random_edges(NUM_PAPERS, NUM_PAPERS, 40, seed=9)
    loader = LinkNeighborLoader(
        put(graphs.homogeneous(), place),
        [2],
        edge_label_index=links,
        edge_label=torch.arange(40) % 3,
        neg_sampling={"mode": "binary", "amount": 0.5},
        batch_size=40,
    )
    batch = next(iter(loader))
    assert batch.edge_label.tolist() == [1 + i % 3 for i in range(40)] + [0] * 20
    assert batch.edge_label.dtype == torch.long


@pytest.mark.parametrize("disjoint", [False, True])
@pytest.mark.parametrize("amount", [1, 2])
def test_triplets(put, place, disjoint, amount):
    data = graphs.homogeneous()
    links = graphs.random_edges(NUM_PAPERS, NUM_PAPERS, 60, seed=9)
    loader = LinkNeighborLoader(
        put(data, place),
        [3, 3],
        edge_label_index=links,
        disjoint=disjoint,
        batch_size=20,
        shuffle=True,
        neg_sampling={"mode": "triplet", "amount": amount},
    )
    for batch in loader:
        assert torch.equal(batch.n_id[batch.src_index], links[0, batch.input_id])
        assert torch.equal(batch.n_id[batch.dst_pos_index], links[1, batch.input_id])
        assert batch.dst_neg_index.shape == ((20,) if amount == 1 else (20, amount))
        assert batch.dst_neg_index.max() < batch.num_nodes
        assert "edge_label_index" not in batch
        if disjoint:
            assert batch.src_index.tolist() == list(range(20))
            assert batch.dst_pos_index.tolist() == list(range(20, 40))
            assert sorted(batch.dst_neg_index.reshape(-1).tolist()) == list(range(40, 40 + 20 * amount))
            assert torch.equal(batch.batch[batch.dst_neg_index.reshape(20, -1)[:, 0]], torch.arange(20))
            assert int(batch.batch.max()) == 19


@pytest.mark.parametrize("disjoint", [False, True])
def test_heterogeneous_triplets_with_weights_of_nodes(put, place, disjoint):
    data = graphs.heterogeneous()
    weight = torch.zeros(NUM_PAPERS)
    weight[7] = 1.0
    loader = LinkNeighborLoader(
        put(data, place),
        [3],
        edge_label_index=(WRITES, data[WRITES].edge_index),
        disjoint=disjoint,
        neg_sampling={"mode": "triplet", "dst_weight": weight},
        batch_size=30,
    )
    for batch in loader:
        links = data[WRITES].edge_index[:, batch[WRITES].input_id]
        assert torch.equal(batch["author"].n_id[batch["author"].src_index], links[0])
        assert torch.equal(batch["paper"].n_id[batch["paper"].dst_pos_index], links[1])
        assert (batch["paper"].n_id[batch["paper"].dst_neg_index] == 7).all()


@pytest.mark.parametrize("given", [WRITES, ("author", "paper"), (WRITES, None)])
def test_all_edges_of_a_type(put, place, given):
    data = graphs.heterogeneous()
    loader = LinkNeighborLoader(put(data, place), [-1], edge_label_index=given, batch_size=50)
    assert len(loader) == 6
    for batch in loader:
        assert isinstance(batch, HeteroData)
        assert batch[WRITES].edge_label_index.shape == (2, 50)
        ends = [
            batch["author"].n_id[batch[WRITES].edge_label_index[0]],
            batch["paper"].n_id[batch[WRITES].edge_label_index[1]],
        ]
        assert torch.equal(torch.stack(ends), data[WRITES].edge_index[:, batch[WRITES].input_id])


def test_links_between_nodes_of_one_type(put, place):
    data = graphs.heterogeneous()
    loader = LinkNeighborLoader(
        put(data, place), [-1], edge_label_index=(CITES, data[CITES].edge_index), batch_size=50
    )
    for batch in loader:
        found, links = (
            set(graphs.pairs(batch[CITES].edge_index)),
            set(graphs.pairs(batch[CITES].edge_label_index)),
        )
        assert links <= found


def test_a_batch_can_be_asked_for(put, place):
    links = graphs.random_edges(NUM_PAPERS, NUM_PAPERS, 60, seed=9)
    batch = LinkNeighborLoader(put(graphs.homogeneous(), place), [2], edge_label_index=links)([3, 5])
    assert torch.equal(batch.n_id[batch.edge_label_index], links[:, [3, 5]])


def test_graphs_without_edges_have_links():
    links = graphs.random_edges(100, 100, 40)
    for batch in LinkNeighborLoader(Data(num_nodes=100), [], edge_label_index=links, batch_size=20):
        assert batch.num_nodes == batch.edge_label_index.unique().numel()
    loader = LinkNeighborLoader(
        HeteroData(paper={"num_nodes": 100}), [], edge_label_index=(("paper", "paper"), links), batch_size=20
    )
    for batch in loader:
        assert batch["paper", "paper"].edge_label_index.size(1) == 20
        assert batch["paper"].num_nodes == batch["paper", "paper"].edge_label_index.unique().numel()


def test_labels_and_triplets_exclude_each_other():
    with pytest.raises(ValueError, match="'edge_label' needs to be undefined"):
        LinkNeighborLoader(graphs.homogeneous(), [1], edge_label=torch.ones(500), neg_sampling="triplet")


def test_an_unknown_edge_type_of_a_store_is_refused(put):
    store = put(graphs.heterogeneous(), "store")
    with pytest.raises(SchemaError, match=r"^\('author', 'author'\) names 0 edge types"):
        LinkNeighborLoader(store, [1], edge_label_index=("author", "author"))


def test_links_of_one_type_are_tensors_arrays_and_pairs_with_no_type(put, place):
    data, links = put(graphs.homogeneous(), place), torch.tensor([[5, 7], [3, 9]])
    for given in (links, links.numpy(), (None, links), links.tolist()):
        batch = next(iter(LinkNeighborLoader(data, [1], edge_label_index=given, batch_size=2)))
        assert batch.n_id[batch.edge_label_index].tolist() == links.tolist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"edge_label_index": torch.zeros(100, 2, dtype=torch.long)},
            r"torch\.int64 \[100, 2\]; give the ends",
        ),
        (
            {"edge_label_index": torch.rand(2, 9)},
            r"torch\.float32 \[2, 9\]; give the ends of links as integers",
        ),
        ({"edge_label_index": (("node", "edge", "node"), None)}, "give edge_label_index as the ends"),
        ({"edge_label": torch.zeros(3)}, "^edge_label has 3 entries for 500 seeds$"),
    ],
)
def test_links_that_are_none_are_refused_when_the_loader_is_made(put, place, arguments, message):
    with pytest.raises(ValueError, match=message):
        LinkNeighborLoader(put(graphs.homogeneous(), place), [1], **arguments)
