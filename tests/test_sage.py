from __future__ import annotations

import pytest
import torch

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
    layer.norm = torch.nn.ModuleDict({table: torch.nn.Identity() for table in layer.own.keys()})  # noqa: SIM118


@pytest.mark.parametrize(("aggregation", "message"), [("mean", 2.0), ("sum", 6.0), ("max", 3.0)])
def test_a_layer_adds_the_messages_of_each_edge_type_to_the_own_vector(aggregation, message):
    layer = SageLayer(["users"], [UP], 2, aggregation=aggregation, dropout=0.0)
    identity(layer)
    x = {
        "users": torch.tensor([[10.0, 0.0], [20.0, 0.0], [7.0, 7.0]]),
        "orders": torch.tensor([[1.0, 1], [2, 2], [3, 3]]),
    }
    got = layer(x, {UP: torch.tensor([[0, 1, 2], [1, 1, 1]])}, {"users": 2})
    assert got["users"].tolist() == [[10.0, 0.0], [20.0 + message, message]]


def test_a_layer_without_edges_keeps_the_own_vectors():
    layer = SageLayer(["users"], [UP], 2, aggregation="mean", dropout=0.0)
    identity(layer)
    x = {"users": torch.tensor([[1.0, 2.0]]), "orders": torch.zeros(0, 2)}
    got = layer(x, {UP: torch.zeros(2, 0, dtype=torch.int64)}, {"users": 1})
    assert got["users"].tolist() == [[1.0, 2.0]]


def test_a_body_sees_as_many_hops_as_it_has_layers_and_trims_nothing_that_counts():
    """Seeds u0, u1; orders o0 (u0), o1 (u1) at hop 1; item i0 (of o0) and u0's other way round at hop 2."""
    body = HeteroSage("users", EDGE_TYPES, 2, 2, aggregation="sum", dropout=0.0)
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
    body = HeteroSage("users", EDGE_TYPES, 2, 2, aggregation="mean", dropout=0.0)
    assert set(body.layers[1].own.keys()) == {"users"}
    assert body.layers[1].edge_types == (UP,)
    assert set(body.layers[0].own.keys()) == {"users", "orders"}
    assert body.layers[0].edge_types == (UP, DOWN, ITEM_BACK)
