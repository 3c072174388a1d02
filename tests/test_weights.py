"""Weights of links, from tables to sampled neighbors: what is drawn follows them, and nothing wrong gets in."""

from __future__ import annotations

import io
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from scipy import stats

import relhop as rh
from relhop import cli
from relhop.errors import SchemaError, SourceError
from relhop.sampling import SeedSampler
from relhop.schema import Schema
from tests import shop
from tests.store.test_writer import build

TO_USER = ("orders", "f2p_user_id", "users")
TO_ITEM = ("orders", "f2p_item_id", "items")
DAY = pd.Timedelta(days=1)
NEW_YEAR = pd.Timestamp("2020-01-01")


def orders(**columns: Any) -> rh.Graph:
    """Users 0 to 2 and their orders, one a day where nothing else is said; `quantity` is the weight."""
    size = len(columns["quantity"])
    given = {"user_id": [0] * size, "at": [NEW_YEAR + i * DAY for i in range(size)]} | columns
    frame = pd.DataFrame({"order_id": range(size)} | given)
    return rh.Graph(
        [
            rh.Table("users", source=pd.DataFrame({"user_id": range(3)}), pkey_col="user_id"),
            rh.Table("orders", source=frame, pkey_col="order_id", time_col="at"),
        ],
        [rh.Link("orders", "user_id", "users", weight="quantity")],
    )


def drawn(store: rh.Store, at: str | None = None, draws: int = 10_000) -> Counter[int]:
    """How often each order of user 0 is the one that is drawn, over that many epochs."""
    sampler = SeedSampler(store, [{TO_USER: 1}], "weighted")
    times = None if at is None else np.array([rh.to_micros(at)])
    found: Counter[int] = Counter()
    for epoch in range(draws):
        sampled = sampler.sample("users", np.array([0]), times, epoch=epoch)
        found.update(sampled.nodes["orders"].rows.tolist())
    return found


def assert_shares(found: Counter[int], weights: dict[int, float]) -> None:
    """A chi-square test that fails by chance once in a hundred million times."""
    possible = {row: weight for row, weight in weights.items() if weight > 0}
    assert set(found) <= set(possible)
    draws = sum(found.values())
    expected = [draws * weight / sum(possible.values()) for weight in possible.values()]
    assert draws == 10_000
    assert len(possible) == 1 or stats.chisquare([found[row] for row in possible], expected).pvalue > 1e-8


@settings(max_examples=5, deadline=None)
@given(st.lists(st.sampled_from([0, 0.5, 1, 2, 3.25, 10, None]), min_size=2, max_size=9).filter(any))
def test_shares_of_draws_follow_the_weights_of_a_csv(
    tmp_path_factory: pytest.TempPathFactory, weights: list[float | None]
) -> None:
    folder = tmp_path_factory.mktemp("csv")
    lines = [f"{i},0,{'' if w is None else w},2020-01-{i + 1:02}" for i, w in enumerate(weights)]
    lines.append(f"{len(weights)},1,100,2020-01-01")
    (folder / "orders.csv").write_text("order_id,user_id,quantity,at\n" + "\n".join(lines))
    (folder / "users.csv").write_text("user_id\n0\n1\n")
    links = [rh.Link("orders", "user_id", "users", weight="quantity")]
    graph = rh.Graph.from_folder(folder, links=links, verbose=False)
    store = graph.snapshot(folder / "x.rh", progress=False)
    rows = store.rows_of("orders", range(len(weights)))
    found = drawn(store)
    assert_shares(found, {int(row): w or 0 for row, w in zip(rows, weights, strict=True)})


def test_only_children_visible_at_the_anchor_are_drawn_each_by_its_weight(tmp_path: Path) -> None:
    store = orders(quantity=[4, 0, 1, 3, 1000, 1]).snapshot(tmp_path / "x.rh", progress=False)
    assert_shares(drawn(store, "2020-01-04"), {0: 4, 2: 1, 3: 3})
    assert_shares(drawn(store.as_of("2020-01-03")), {0: 4, 2: 1})
    assert drawn(store, "2020-01-02", draws=50) == {0: 50}
    assert drawn(store.as_of("2019-12-31"), draws=50) == {}


def test_a_window_counts_the_weights_within_it(tmp_path: Path) -> None:
    store = orders(quantity=[1000, 1, 3]).snapshot(tmp_path / "x.rh", progress=False)
    sampler = SeedSampler(store, [1], "weighted with replacement within 2 days")
    anchor = np.array([rh.to_micros("2020-01-03 12:00")])
    found: Counter[int] = Counter()
    for epoch in range(10_000):
        found.update(
            sampler.sample("users", np.array([0]), anchor, epoch=epoch).nodes["orders"].rows.tolist()
        )
    assert_shares(found, {1: 1, 2: 3})


def test_keys_of_several_columns_have_weights(tmp_path: Path) -> None:
    races = pd.DataFrame({"year": [2000, 2000, 2001], "round": [1, 2, 1]})
    results = pd.DataFrame(
        {
            "id": range(6),
            "year": [2001, 2000, 2000, 2001, 2000, None],
            "round": [1, 2, 2, 1, 1, 1],
            "points": [1.5, 2.0, 0.0, 4.0, 8.0, 16.0],
        }
    )
    graph = rh.Graph(
        [
            rh.Table("races", source=races, pkey_col=("year", "round"), time_col=""),
            rh.Table("results", source=results, pkey_col="id", time_col=""),
        ],
        [rh.Link("results", ("year", "round"), "races", weight="points")],
    )
    store = graph.snapshot(tmp_path / "x.rh", progress=False)
    link = store.links["results.year+round"]
    assert link.weights is not None
    assert link.children[:].tolist() == [4, 1, 2, 0, 3]
    assert link.weights.tolist() == [8, 2, 2, 1.5, 5.5]
    store.verify()


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_a_store_holds_the_sums_of_each_list_in_every_memory(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    row = st.tuples(
        st.sampled_from([None, 0, 1, 2, 7]),
        st.one_of(st.none(), st.floats(0, 1e300), st.integers(0, 2**53)),
        st.integers(0, 5),
    )
    rows = data.draw(st.lists(row, min_size=1, max_size=30))
    graph = orders(
        user_id=pd.array([user for user, _, _ in rows], dtype="Int64"),
        quantity=pd.array([weight for _, weight, _ in rows], dtype="Float64"),
        at=[NEW_YEAR + day * DAY for _, _, day in rows],
    )
    path = tmp_path_factory.mktemp("sums") / "x.rh"
    graph.snapshot(path, progress=False).verify()
    in_time = sorted(rows, key=lambda order: order[2])
    lists = [[w or 0.0 for user, w, _ in in_time if user == parent] for parent in range(3)]
    expected = [float(total) for weights in lists for total in np.cumsum(np.array(weights, np.float64))]
    for memory in ("ram", "mmap"):
        link = rh.Store.open(path, memory=memory).links["orders.user_id"]
        assert link.weights is not None
        assert not link.weights.flags.writeable
        assert link.weights.tolist() == expected
        assert link.null_weights == sum(weight is None for _, weight, _ in rows)


def test_null_weights_are_counted_and_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = orders(quantity=[2.0, None, 3.0])
    [warning] = [found for found in graph.validate().warnings if found.column == "quantity"]
    assert str(warning) == (
        "warning: orders.quantity: null weight: 1 of 3 rows; it counts as 0: such rows are never drawn by"
        " weight; fill it with sql if they should be"
    )
    store = graph.snapshot(tmp_path / "x.rh", progress=False)
    [link] = store.describe().links
    assert (link.weight, link.null_weights) == ("quantity", 1)
    assert link.bytes["weights.bin"] == 24
    assert link.bits_per_row["weights"] == 64
    monkeypatch.setattr(cli, "out", Console(width=300, file=(text := io.StringIO())))
    cli.inspect(store.path)
    assert "quantity (1 null)" in text.getvalue()
    assert "weights 64" in text.getvalue()
    everything = SeedSampler(store, [-1], "weighted").sample("users", np.array([0]))
    assert everything.nodes["orders"].rows.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("weight", "shown"), [(-2.0, "-2.0"), (float("inf"), "inf"), (-1e-300, "-1e-300"), (float("nan"), "nan")]
)
def test_a_weight_that_is_none_is_named_with_its_row(tmp_path: Path, weight: float, shown: str) -> None:
    frame = pa.table(
        {
            "user_id": [0, 0, 0],
            "at": [NEW_YEAR + 2 * DAY, NEW_YEAR + DAY, NEW_YEAR],
            "quantity": pa.array([1.0, weight, 2.0], from_pandas=False),
        }
    )
    users = pa.table({"user_id": [0]})
    tables = [
        rh.Table("users", source=users, pkey_col="user_id", time_col=""),
        rh.Table("orders", source=frame, pkey_col=(), time_col="at"),
    ]
    links = [rh.Link("orders", "user_id", "users", weight="quantity")]
    with pytest.raises(SourceError) as caught:
        rh.Graph(tables, links).snapshot(tmp_path / "x.rh", progress=False)
    assert str(caught.value) == (
        f"orders.quantity: weight that is negative, infinite or NaN: 1 of 3 rows, such as {shown} in row 1;"
        " weights are finite and at least 0, null counts as 0; mend them with sql"
    )
    schema = Schema([rh.Table("users", pkey_col="user_id"), rh.Table("orders", time_col="at")], links)
    with pytest.raises(SourceError) as caught:
        build(tmp_path / "x.rh", schema, {"users": users, "orders": frame})
    assert str(caught.value) == (
        f"table 'orders', column 'quantity': the weight in row 1 is {shown}; weights are finite and at least 0"
    )
    assert not (tmp_path / "x.rh").exists()


def test_weights_that_add_up_to_infinity_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        orders(quantity=[1e308, 1e308]).snapshot(tmp_path / "x.rh", progress=False)
    assert str(caught.value) == (
        "table 'orders', column 'quantity': the weights add up to infinity; scale them down with sql"
    )


def test_a_column_of_weights_must_be_there_and_hold_numbers(tmp_path: Path) -> None:
    tables = [rh.Table(name, source=frame) for name, frame in shop.frames().items()]
    with pytest.raises(SchemaError) as missing:
        rh.Graph(tables, [rh.Link("orders", "user_id", "users", weight="quantiy")])
    assert str(missing.value) == (
        "table 'orders' has no column 'quantiy', which the link orders.user_id names. Did you mean 'quantity'?"
    )
    graph = rh.Graph(tables, [rh.Link("orders", "item_id", "items", weight="user_id")])
    with pytest.raises(SourceError) as words:
        graph.snapshot(tmp_path / "x.rh", progress=False)
    assert str(words.value) == (
        "orders.user_id: column of weights, but VARCHAR and no number: 8 of 8 rows; cast it with sql, or name"
        " another column"
    )
    with pytest.raises(SchemaError) as nothing:
        rh.Link("orders", "user_id", "users", weight="")
    assert str(nothing.value) == "the weight of the link orders.user_id is ''; name one column of 'orders'"


def test_weights_are_part_of_the_schema_of_yaml_and_of_the_fingerprint(tmp_path: Path) -> None:
    graph = shop.graph()
    assert Schema.from_dict(graph.schema.to_dict()).links == graph.schema.links
    assert graph.schema.to_dict()["links"][1] == {"child": "orders", "fkey": ["item_id"], "parent": "items"}
    graph.to_yaml(tmp_path / "graph.yaml")
    again = rh.Graph.from_yaml(tmp_path / "graph.yaml", sources=shop.frames())
    assert [link.weight for link in again.schema.links] == ["quantity", None]
    assert ("orders", "quantity", "weight of orders.user_id", "given") in again.explanations
    first = orders(quantity=[1.0, 2.0]).snapshot(tmp_path / "x.rh", progress=False)
    plain = orders(quantity=[1.0, 2.0])
    plain.schema = Schema(plain.schema.tables.values(), [rh.Link("orders", "user_id", "users")])
    second = plain.snapshot(tmp_path / "x.rh", progress=False)
    assert first.fingerprint != second.fingerprint
    assert second.links["orders.user_id"].weights is None


def test_weighted_sampling_of_a_link_without_weights_says_how_to_give_them(tmp_path: Path) -> None:
    store = shop.store(tmp_path)
    message = (
        f"the strategy of hop 2, {TO_ITEM} is weighted, but the link orders.item_id has no weights; name a"
        " column of 'orders' in the graph, as in rh.Link('orders', 'item_id', 'items', weight='column'), or"
        " choose another strategy"
    )
    with pytest.raises(SchemaError, match=f"^{re.escape(message)}$"):
        SeedSampler(store, [2, 2], [{TO_USER: "weighted"}, {TO_ITEM: "weighted within 2 days"}])
    to_parents = {link.to_child: "weighted" for link in store.schema.links}
    sampler = SeedSampler(store, [2, 2], [{TO_USER: "weighted", **to_parents}, to_parents])
    found = sampler.sample("users", np.array([0]))
    assert len(found.nodes["orders"].rows) >= 2
    # Steps that are not followed need no weights.
    followed = SeedSampler(store, [{TO_USER: 2}], "weighted")
    assert len(followed.sample("users", np.array([0])).nodes["orders"].rows) == 2


def test_a_link_without_edges_may_be_sampled_by_weight(tmp_path: Path) -> None:
    store = orders(user_id=[8, 9], quantity=[1.0, 2.0]).snapshot(tmp_path / "x.rh", progress=False)
    store.verify()
    link = store.links["orders.user_id"]
    assert link.weights is not None
    assert link.weights.tolist() == []
    assert SeedSampler(store, [3], "weighted").sample("users", np.arange(3)).nodes["orders"].rows.size == 0
