"""What the sampler offers beside fanouts: metapaths, merged batches, complete subgraphs, edge numbers, strategies as text."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import relhop as rh
from relhop.errors import SchemaError
from relhop.sampling import SeedSampler, Subgraphs
from tests import shop

TO_USER = ("orders", "f2p_user_id", "users")
TO_ITEM = ("orders", "f2p_item_id", "items")
FROM_USER = ("users", "rev_f2p_user_id", "orders")
FROM_ITEM = ("items", "rev_f2p_item_id", "orders")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> rh.Store:
    return shop.store(tmp_path_factory.mktemp("shop"))


def ann(store: rh.Store, num_neighbors: Any, *arguments: Any, **options: Any) -> Subgraphs:
    """Of the user with orders 0 (01-01), 2 (01-03) and 6 (01-07), at 01-07."""
    sampler = SeedSampler(store, num_neighbors, *arguments, **options)
    return sampler.sample("users", np.array([0]), np.array([rh.to_micros("2020-01-07")]))


def followed(found: Subgraphs) -> dict[str, list[int]]:
    """By edge type, how many edges each hop followed."""
    return {e[1]: edges.num_per_hop for e, edges in found.edges.items() if any(edges.num_per_hop)}


@pytest.mark.parametrize(
    ("strategy", "orders"),
    [
        ("last within 4 days", [6]),
        ("last within 5 days", [2, 6]),
        ("recency within 144 hours", [2, 6]),  # open at its older end
        ("recency within 145 hours", [0, 2, 6]),
        ("labor within 1 us", [6]),
    ],
)
def test_a_window_in_words_is_a_span_before_the_anchor(
    store: rh.Store, strategy: str, orders: list[int]
) -> None:
    assert ann(store, [{TO_USER: 10}], strategy).nodes["orders"].rows.tolist() == orders


def test_a_window_leaves_tables_without_a_time_as_they_are(store: rh.Store) -> None:
    found = ann(store, [-1, -1], "last within 30 days")
    assert len(found.nodes["orders"].rows) == 3
    assert sorted(found.nodes["items"].rows.tolist()) == [0, 1, 2]


def test_draws_with_replacement_may_repeat(store: rh.Store) -> None:
    found = ann(store, [{TO_USER: 50}], "uniform with replacement")
    assert found.edges[TO_USER].num_per_hop == [50]
    assert sorted(found.nodes["orders"].rows.tolist()) == [0, 2, 6]


def test_an_inferred_fanout_is_what_the_store_suggests(store: rh.Store) -> None:
    assert followed(ann(store, ["inferred"])) == {"f2p_user_id": [3]}


def test_metapaths_are_followed_and_nothing_else(store: rh.Store) -> None:
    assert set(followed(ann(store, [-1] * 3))) == {e[1] for e in store.schema.edge_types}
    assert followed(ann(store, [-1] * 3, metapaths=[[TO_USER, FROM_ITEM]])) == {
        "f2p_user_id": [3, 0, 0],
        "rev_f2p_item_id": [0, 3, 0],
    }
    several = followed(ann(store, [-1] * 3, metapaths=[[TO_USER, FROM_ITEM, TO_ITEM], [TO_USER, FROM_USER]]))
    assert several["rev_f2p_user_id"] == [0, 3, 0]
    assert several["f2p_item_id"][:2] == [0, 0]
    assert several["f2p_item_id"][2] > 0


@pytest.mark.parametrize(
    ("metapaths", "error", "message"),
    [
        (
            [[("orders", "f2p_user", "users")]],
            SchemaError,
            f"there is no edge type ('orders', 'f2p_user', 'users'). Did you mean '{TO_USER}'?",
        ),
        ([[TO_USER, TO_ITEM]], ValueError, "a metapath goes to 'orders' and on from 'items'"),
        ([[TO_USER]] * 65, ValueError, "65 metapaths; at most 64 can be followed"),
    ],
)
def test_metapaths_that_cannot_be_are_refused(
    store: rh.Store, metapaths: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        SeedSampler(store, [1], metapaths=metapaths)


def test_a_metapath_begins_at_the_seeds_table(store: rh.Store) -> None:
    sampler = SeedSampler(store, [1], metapaths=[[TO_ITEM]])
    with pytest.raises(SchemaError, match=r"^a metapath begins at 'items', the seeds are of 'users'$"):
        sampler.sample("users", np.array([0]))


def test_adaptive_fanouts_go_on_where_a_seed_found_less(store: rh.Store) -> None:
    """The first hop finds 3 of 6 orders that are allowed, so the second takes twice as many of each item."""
    rules = [{TO_USER: 6}, {FROM_ITEM: 1}, {TO_ITEM: 1}]
    plain, adaptive = (ann(store, rules, "last", adaptive=a) for a in (False, True))
    assert plain.edges[TO_ITEM].num_per_hop == [0, 0, 3]
    assert adaptive.edges[TO_ITEM].num_per_hop[2] > 3
    with pytest.raises(
        ValueError, match=r"^adaptive fanouts are a seed's own; they need disjoint subgraphs$"
    ):
        SeedSampler(store, [1], adaptive=True, disjoint=False)


def test_a_merged_batch_has_each_row_once_and_no_owners(store: rh.Store) -> None:
    found = SeedSampler(store, [-1, -1], disjoint=False).sample("users", np.array([0, 1, 2]))
    for nodes in found.nodes.values():
        assert nodes.batch is None
        assert len(set(nodes.rows.tolist())) == len(nodes.rows)
    assert found.nodes["users"].rows.tolist() == [0, 1, 2]
    assert len(found.nodes["items"].rows) == 3


def test_seeds_of_a_merged_batch_stay_in_their_places_even_if_they_repeat(store: rh.Store) -> None:
    found = SeedSampler(store, [-1], disjoint=False).sample("users", np.array([2, 0, 2]))
    assert found.nodes["users"].rows.tolist() == [2, 0, 2]
    assert found.edges[TO_USER].target.tolist().count(0) == found.edges[TO_USER].target.tolist().count(2) == 1


def test_a_merged_batch_has_no_anchors_but_as_of(store: rh.Store) -> None:
    anchors = np.array([rh.to_micros("2020-01-07")])
    with pytest.raises(ValueError, match=r"^seeds with anchor times of their own need disjoint subgraphs$"):
        SeedSampler(store, [1], disjoint=False).sample("users", np.array([0]), anchors)
    frozen = SeedSampler(store.as_of("2020-01-03"), [-1], disjoint=False)
    assert frozen.sample("users", np.array([0])).nodes["orders"].rows.tolist() == [0, 2]


def test_a_window_needs_anchors(store: rh.Store) -> None:
    with pytest.raises(ValueError, match=r"^a window needs an anchor time for every seed$"):
        SeedSampler(store, [1], "last within 3 days").sample("users", np.array([0]))


def test_edges_have_the_number_of_the_row_that_holds_the_key_if_asked_for(store: rh.Store) -> None:
    found = ann(store, [-1, -1], edge_ids=True)
    for (child, _, parent), edges in found.edges.items():
        end, table = (edges.source, child) if child == "orders" else (edges.target, parent)
        assert edges.ids is not None
        assert edges.ids.tolist() == found.nodes[table].rows[end].tolist()
    assert all(edges.ids is None for edges in ann(store, [-1]).edges.values())


@pytest.mark.parametrize("subgraph", ["bidirectional", "induced"])
def test_complete_subgraphs_have_both_ways_of_every_edge(store: rh.Store, subgraph: Any) -> None:
    found = ann(store, [{TO_USER: -1}, {FROM_ITEM: -1}], subgraph=subgraph)
    for there, back in ((TO_USER, FROM_USER), (TO_ITEM, FROM_ITEM)):
        forth = zip(found.edges[there].source.tolist(), found.edges[there].target.tolist(), strict=True)
        turned = zip(found.edges[back].target.tolist(), found.edges[back].source.tolist(), strict=True)
        assert sorted(forth) == sorted(turned)
        assert len(found.edges[there].source) == 3
        assert found.edges[there].num_per_hop == []


def test_an_unknown_subgraph_is_refused(store: rh.Store) -> None:
    message = "unknown subgraph 'undirected'; choose one of directional, bidirectional, induced"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        SeedSampler(store, [1], subgraph="undirected")  # type: ignore[arg-type]
