"""The sampler on a store: names, arguments and their errors. Its draws are held to the reference in tests/native."""

from __future__ import annotations

import re

import numpy as np
import pytest

import relhop as rh
from relhop.errors import SchemaError, TrainingError
from relhop.sampling import SeedSampler
from tests import shop

TO_USER = ("orders", "f2p_user_id", "users")
TO_ITEM = ("orders", "f2p_item_id", "items")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return shop.store(tmp_path_factory.mktemp("shop"))


def at(*times):
    return np.array([rh.to_micros(t) for t in times])


def test_orders_up_to_the_anchor_are_found_and_no_later_ones(store):
    found = SeedSampler(store, [-1]).sample(
        "users", np.array([0, 0, 1]), at("2020-01-03", "2020-01-09", "2020-01-04")
    )
    orders = found.nodes["orders"]
    assert orders.rows.tolist() == [0, 2, 0, 2, 6]
    assert orders.batch.tolist() == [0, 0, 1, 1, 1]
    assert orders.num_per_hop == [0, 5]
    assert found.edges[TO_USER].target.tolist() == [0, 0, 1, 1, 1]
    assert found.edges[TO_USER].num_per_hop == [5]
    assert found.edges[("users", "rev_f2p_user_id", "orders")].num_per_hop == [0]


def test_an_anchor_sees_rows_of_its_own_microsecond_but_none_later(store):
    sampler = SeedSampler(store, [-1])
    exact = at("2020-01-07")
    assert sampler.sample("users", np.array([0]), exact).nodes["orders"].rows.tolist() == [0, 2, 6]
    assert sampler.sample("users", np.array([0]), exact - 1).nodes["orders"].rows.tolist() == [0, 2]


def test_seeds_without_a_time_see_rows_without_a_time(store):
    found = SeedSampler(store, [-1]).sample("users", np.array([0]))
    assert found.nodes["orders"].rows.tolist() == [0, 2, 6, 7]


def test_as_of_caps_every_anchor(store):
    frozen = store.as_of("2020-01-03")
    found = SeedSampler(frozen, [-1]).sample("users", np.array([0]), at("2021-01-01"))
    assert found.nodes["orders"].rows.tolist() == [0, 2]


def test_fanouts_and_strategies_by_edge_type(store):
    sampler = SeedSampler(
        store, [{TO_USER: 1}, {("items", "rev_f2p_item_id", "orders"): -1}], [{TO_USER: "last"}, {}]
    )
    found = sampler.sample("users", np.array([0]), at("2020-01-09"))
    assert found.nodes["orders"].rows.tolist() == [6]
    assert found.nodes["items"].rows.tolist() == [2]
    assert found.edges[TO_ITEM].num_per_hop == [0, 0]


def test_the_same_seed_and_epoch_give_the_same_sample_and_others_do_not(store):
    items, times = np.zeros(40, np.int64), np.arange(*at("2020-01-06", "2020-01-06 00:00:00.000040"))
    draw = lambda seed, epoch: (  # noqa: E731
        SeedSampler(store, [1], "uniform", random_seed=seed).sample("items", items, times, epoch=epoch)
    )
    first = draw(1, 0).nodes["orders"].rows.tolist()
    assert first == draw(1, 0).nodes["orders"].rows.tolist()
    assert first != draw(2, 0).nodes["orders"].rows.tolist()
    assert first != draw(1, 1).nodes["orders"].rows.tolist()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([],), ValueError, "num_neighbors names 0 hops; 1 to 6 can be sampled"),
        (([1] * 7,), ValueError, "num_neighbors names 7 hops; 1 to 6 can be sampled"),
        (
            ([3, -2],),
            ValueError,
            f"num_neighbors of hop 2, {TO_USER} is -2; give 0 (none), -1 (all), a count or 'inferred'",
        ),
        (
            ([3], "latest"),
            ValueError,
            "unknown strategy 'latest'; choose one of recency, last, uniform, weighted, labor. Did you mean 'last'?",
        ),
        (([3], [{}, {}]), ValueError, "strategies name 2 hops, num_neighbors 1"),
        (
            ([{("order", "f2p_user_id", "users"): 1}],),
            SchemaError,
            f"there is no edge type ('order', 'f2p_user_id', 'users'). Did you mean '{TO_USER}'?",
        ),
    ],
)
def test_arguments_that_make_no_sense_are_refused(store, arguments, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        SeedSampler(store, *arguments)


def test_seeds_that_are_not_born_at_their_anchor_are_refused(store):
    sampler = SeedSampler(store, [1])
    with pytest.raises(
        TrainingError,
        match=r"^1 of 2 seeds do not exist at their anchor time; the first is row 6 of 'orders' at 2020-01-06$",
    ):
        sampler.sample("orders", np.array([0, 6]), at("2020-01-06", "2020-01-06"))
    with pytest.raises(
        TrainingError,
        match=r"^1 of 1 seeds do not exist at their anchor time; the first is row 6 of 'orders' at 2021-01-01$",
    ):
        SeedSampler(store.as_of("2020-01-06"), [1]).sample("orders", np.array([6]), at("2021-01-01"))


@pytest.mark.parametrize(
    ("table", "rows", "times", "error", "message"),
    [
        ("users", [4], None, TrainingError, "seeds name rows 4..4; 'users' has the rows 0..3"),
        (
            "users",
            [0],
            [2**63 - 1],
            TrainingError,
            "an anchor time of 'users' is null; each seed needs a time",
        ),
        ("user", [0], None, SchemaError, "there is no table 'user'. Did you mean 'users'?"),
    ],
)
def test_seeds_that_are_not_there_are_refused(store, table, rows, times, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        SeedSampler(store, [1]).sample(table, np.array(rows), None if times is None else np.array(times))
