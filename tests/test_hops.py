from __future__ import annotations

import pytest

from relhop.hops import by_edge_type, hop_number, read_hops, read_num_neighbors, read_strategy, steps_by_name
from relhop.schema import Link, Schema, Table


def test_both_directions_of_a_self_reference_have_a_name():
    schema = Schema([Table("posts", pkey_col="id")], [Link("posts", "parent", "posts")])
    assert steps_by_name(schema) == {
        "posts.id->posts.parent": ("posts", "f2p_parent", "posts"),
        "posts.parent->posts.id": ("posts", "rev_f2p_parent", "posts"),
    }
    assert by_edge_type({"default": 1, "posts.id->posts.parent": 2}, steps_by_name(schema), "here") == {
        ("posts", "f2p_parent", "posts"): 2,
        ("posts", "rev_f2p_parent", "posts"): 1,
    }


@pytest.mark.parametrize(
    ("key", "number"), [("hop1", 1), ("hop12", 12), ("hop", None), ("1", None), (3, None)]
)
def test_only_hop_and_a_number_is_a_hop(key, number):
    assert hop_number(key) == number


def test_hops_are_put_in_order():
    assert read_hops([{"hop2": "b", "hop1": "a"}]) == ["a", "b"]


def test_counts_may_be_inferred():
    assert read_num_neighbors(["inferred", {"default": 3, "A.x->B.y": "inferred"}]) == (
        {"default": "inferred"},
        {"default": 3, "A.x->B.y": "inferred"},
    )


def test_strategies_may_have_windows_and_replacement():
    written = {"hop1": "last within 3 days", "hop2": {"A.x->B.y": "uniform with replacement"}}
    assert read_strategy(written) == (
        {"default": "last within 3 days"},
        {"default": "recency", "A.x->B.y": "uniform with replacement"},
    )
