from __future__ import annotations

from functools import partial

import pytest
import torch
from torch_geometric.nn import GATv2Conv

from relhop.nn.sage import HeteroSage, SageLayer, reachable_tables

UP, DOWN = ("orders", "f2p_user", "users"), ("users", "rev_f2p_user", "orders")
ITEM, ITEM_BACK = ("orders", "f2p_item", "items"), ("items", "rev_f2p_item", "orders")
EDGE_TYPES = [UP, DOWN, ITEM, ITEM_BACK]


def test_tables_are_reached_hop_by_hop():
    assert reachable_tables("users", EDGE_TYPES, 2) == [
        ["users"],
        ["users", "orders"],
        ["users", "orders", "items"],
    ]
    assert reachable_tables("users", [], 1) == [["users"], ["users"]]


def identity(layer: SageLayer) -> None:
    """Lets a layer add up own vector and messages, and nothing else."""
    with torch.no_grad():
        for own in layer.own.values():
            own.weight.copy_(torch.eye(2))
            own.bias.zero_()
        for convolution in layer.convolutions.values():
            convolution.lin_l.weight.copy_(torch.eye(2))
            if isinstance(convolution, GATv2Conv):
                convolution.lin_r.weight.zero_()
                convolution.att.zero_()
    layer.norm = torch.nn.ModuleDict({table: torch.nn.Identity() for table in layer.own.keys()})  # noqa: SIM118


@pytest.mark.parametrize(
    ("aggregation", "message"), [("mean", 2.0), ("sum", 6.0), ("max", 3.0), ("attention", 2.0)]
)
def test_a_layer_adds_the_messages_of_each_edge_type_to_the_own_vector(aggregation, message):
    layer = SageLayer(["users"], [UP], 2, aggregation=aggregation, dropout=0.0)
    identity(layer)
    x = {
        "users": torch.tensor([[10.0, 0.0], [20.0, 0.0], [7.0, 7.0]]),
        "orders": torch.tensor([[1.0, 1], [2, 2], [3, 3]]),
    }
    got = layer(x, {UP: torch.tensor([[0, 1, 2], [1, 1, 1]])}, {"users": 2})
    assert got["users"].tolist() == [[10.0, 0.0], [20.0 + message, message]]


def test_attention_weighs_messages_by_a_softmax_of_their_scores():
    layer = SageLayer(["users"], [UP], 2, aggregation="attention", dropout=0.0)
    identity(layer)
    with torch.no_grad():
        layer.convolutions[UP].att.fill_(1.0)
    x = {"users": torch.zeros(1, 2), "orders": torch.tensor([[1.0, 0.0], [0.0, 3.0]])}
    got = layer(x, {UP: torch.tensor([[0, 1], [0, 0]])}, {"users": 1})
    first, second = torch.softmax(torch.tensor([1.0, 3.0]), dim=0).tolist()
    torch.testing.assert_close(got["users"], torch.tensor([[first, 3 * second]]))


def test_a_residual_layer_adds_to_the_vectors():
    layer = SageLayer(["users"], [UP], 2, aggregation="sum", dropout=0.0, residual=True)
    identity(layer)
    x = {"users": torch.tensor([[10.0, -1.0]]), "orders": torch.tensor([[1.0, 0.0]])}
    got = layer(x, {UP: torch.tensor([[0], [0]])}, {"users": 1})
    assert got["users"].tolist() == [[10.0 + 11.0, -1.0 + 0.0]]


@pytest.mark.parametrize(("normalization", "expected"), [("layer", 0), ("batch", 1), ("none", None)])
def test_a_norm_goes_over_channels_or_over_rows(normalization, expected):
    """What is 0 on average: a row's channels (layer), a channel's rows (batch)."""
    layer = SageLayer(["users"], [], 4, aggregation="mean", dropout=0.0, normalization=normalization)
    layer.finish = torch.nn.Identity()
    got = layer({"users": torch.randn(5, 4)}, {}, {"users": 5})["users"]
    zero = [torch.allclose(got.mean(dim=dim), torch.zeros(1), atol=1e-5) for dim in (1, 0)]
    assert zero == [expected == 0, expected == 1]


def test_a_batch_norm_takes_tables_of_one_row_and_of_none():
    layer = SageLayer(["users"], [], 2, aggregation="mean", dropout=0.0, normalization="batch").train()
    for count in (0, 1):
        got = layer({"users": torch.ones(count, 2)}, {}, {"users": count})["users"]
        assert got.shape == (count, 2)
        assert torch.isfinite(got).all()


def test_a_layer_without_edges_keeps_the_own_vectors():
    layer = SageLayer(["users"], [UP], 2, aggregation="mean", dropout=0.0)
    identity(layer)
    x = {"users": torch.tensor([[1.0, 2.0]]), "orders": torch.zeros(0, 2)}
    got = layer(x, {UP: torch.zeros(2, 0, dtype=torch.int64)}, {"users": 1})
    assert got["users"].tolist() == [[1.0, 2.0]]


def test_a_body_sees_as_many_hops_as_it_has_layers_and_trims_nothing_that_counts():
    """Seeds u0, u1; orders o0 (u0), o1 (u1) at hop 1; item i0 (of o0) and u0's other way round at hop 2."""
    body = HeteroSage("users", EDGE_TYPES, 2, partial(SageLayer, channels=2, aggregation="sum", dropout=0.0))
    for layer in body.layers:
        identity(layer)
    x = {
        "users": torch.tensor([[1.0, 0], [2.0, 0]]),
        "orders": torch.tensor([[10.0, 0], [20.0, 0]]),
        "items": torch.tensor([[100.0, 0]]),
    }
    edges = {
        UP: torch.tensor([[0, 1], [0, 1]]),
        DOWN: torch.tensor([[0, 1], [0, 1]]),
        ITEM: torch.zeros(2, 0, dtype=torch.int64),
        ITEM_BACK: torch.tensor([[0], [0]]),
    }
    nodes_per_hop = {"users": [2, 0, 0], "orders": [0, 2, 0], "items": [0, 0, 1]}
    edges_per_hop = {UP: [2, 0], DOWN: [0, 2], ITEM: [0, 0], ITEM_BACK: [0, 1]}
    got = body(x, edges, nodes_per_hop, edges_per_hop)
    # Layer 1: users 1 + 10, 2 + 20; orders 10 + 1 + 100, 20 + 2. Layer 2: the seeds alone.
    assert got.tolist() == [[11.0 + 111.0, 0.0], [22.0 + 22.0, 0.0]]


def test_modules_exist_only_where_their_output_is_used():
    body = HeteroSage("users", EDGE_TYPES, 2, partial(SageLayer, channels=2, aggregation="mean", dropout=0.0))
    assert set(body.layers[1].own.keys()) == {"users"}
    assert body.layers[1].edge_types == (UP,)
    assert set(body.layers[0].own.keys()) == {"users", "orders"}
    assert body.layers[0].edge_types == (UP, DOWN, ITEM_BACK)
