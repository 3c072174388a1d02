"""Batches as a model gets them."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pytest
import torch
import torch_frame

import relhop as rh
from relhop.delays import parse_delay
from relhop.errors import StoreError, TrainingError
from relhop.loader import SeedLoader
from relhop.store.device import DeviceCost
from relhop.training_table import TrainingTable
from tests import shop, threads

ORDERS_OF = {
    "ann": [(0, "2020-01-01"), (2, "2020-01-03"), (6, "2020-01-07")],
    "bob": [(4, "2020-01-05")],
    "cy": [(5, "2020-01-05")],
}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return shop.store(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def table(store):
    frame = pd.DataFrame(
        {
            "user_id": ["ann", "bob", "cy", "ann", "dee"],
            "anchor_time": pd.to_datetime(
                ["2020-01-04", "2020-01-06", "2020-01-05", "2020-01-08", "2020-01-02"]
            ),
            "target": [0, 1, 0, 1, 1],
            "split": "train",
        }
    )
    return TrainingTable.from_pandas(frame, store, entity_table="users", task_type="binary")


def test_a_batch_holds_what_its_rows_hold(store, table):
    first, second = SeedLoader(store, table, [-1, -1], batch_size=3)
    assert first["users"].batch_size == 3
    assert first["users"].row[:3].tolist() == [0, 1, 2]
    assert first["users"].input_id.tolist() == [0, 1, 2]
    assert first["users"].y.tolist() == [0.0, 1.0, 0.0]
    assert first["users"].seed_time.tolist() == table.anchor_times[:3].tolist()
    assert second["users"].input_id.tolist() == [3, 4]
    orders = first["orders"]
    # Hop 1: ann's orders 0, 2 by 01-04, bob's 4, cy's 5. Hop 2: what else was ordered of the same items by
    # then.
    assert orders.num_sampled_nodes[:2] == [0, 4]
    assert orders.row[:4].tolist() == [0, 2, 4, 5]
    assert orders.n_id[:4].tolist() == [2, 1, 0, 5]
    assert orders.batch[:4].tolist() == [0, 0, 1, 2]
    assert orders.tf.col_names_dict == {torch_frame.numerical: ["quantity"]}
    assert orders.tf.feat_dict[torch_frame.numerical][:4, 0].tolist() == [3.0, 2.0, 1.0, 6.0]
    assert [pd.Timestamp(t, unit="us") for t in orders.time[:2].tolist()] == [
        pd.Timestamp("2020-01-01"),
        pd.Timestamp("2020-01-03"),
    ]
    assert "time" not in first["users"]
    edges = first["orders", "f2p_user_id", "users"]
    assert edges.num_sampled_edges[0] == 4
    assert edges.edge_index[:, :4].tolist() == [[0, 1, 2, 3], [0, 0, 1, 2]]
    assert set(first.edge_types) == set(store.schema.edge_types)


def test_a_delayed_example_sees_older_rows_alone_and_ages_count_from_its_anchor(store, table):
    day = pd.Timedelta(days=1)
    (batch,) = SeedLoader(store, table, [-1], delay=parse_delay("2 days"))
    orders, users = batch["orders"], batch["users"]
    # Up to 01-02, 01-04, 01-03, 01-06 and 2019-12-31: ann's order 0, none of bob's and cy's, ann's 0 and 2.
    assert orders.row.tolist() == [0, 0, 2]
    assert orders.batch.tolist() == [0, 3, 3]
    assert users.row[:5].tolist() == table.rows.tolist()
    assert users.seed_time.tolist() == table.anchor_times.tolist()
    ages = (users.seed_time[orders.batch] - orders.time).tolist()
    assert [pd.Timedelta(age, unit="us") for age in ages] == [3 * day, 7 * day, 5 * day]
    assert (
        users.tf.feat_dict[torch_frame.numerical][0, 1]
        == (pd.Timestamp("2020-01-04") - pd.Timestamp("1990-05-17")).days
    )


@pytest.mark.parametrize("threads", [1, 3])
def test_drawn_delays_never_show_the_future_and_depend_on_the_example_and_the_epoch_alone(
    store, table, threads
):
    delay = parse_delay("0 to 5 days")
    loader = SeedLoader(store, table, [-1], batch_size=2, shuffle=True, num_threads=threads, delay=delay)
    for epoch in range(8):
        loader.set_epoch(epoch)
        seen = {}
        for batch in loader:
            users, orders = batch["users"], batch["orders"]
            newest = table.anchor_times - delay.draw(len(table), 0, epoch)
            ids = users.input_id[orders.batch]
            assert (orders.time.numpy() <= newest[ids]).all()
            for place, example in enumerate(users.input_id.tolist()):
                seen[example] = orders.row[orders.batch == place].tolist()
        all_rows = {
            i: [
                row
                for row, t in ORDERS_OF.get(table.keys["user_id"][i].as_py(), [])
                if pd.Timestamp(t).value // 1000 <= newest[i]
            ]
            for i in range(len(table))
        }
        assert seen == all_rows


def test_timestamps_become_ages_at_the_anchor_and_calendar_fields(store, table):
    batch = next(iter(SeedLoader(store, table, [2], batch_size=5)))
    frame = batch["users"].tf
    assert frame.col_names_dict[torch_frame.numerical] == ["age", "born (age)"]
    numbers = frame.feat_dict[torch_frame.numerical]
    days = (pd.Timestamp("2020-01-04") - pd.Timestamp("1990-05-17")).days
    assert numbers[0].tolist() == [31.0, float(days)]
    assert torch.isnan(numbers[1]).tolist() == [True, False]
    assert torch.isnan(numbers[2]).tolist() == [False, True]
    assert frame.feat_dict[torch_frame.timestamp][0, 0].tolist() == [1990, 4, 16, 3, 0, 0, 0]
    assert frame.feat_dict[torch_frame.timestamp][2, 0].tolist() == [-1] * 7
    assert frame.feat_dict[torch_frame.categorical][:, 0].tolist() == [0, 1, -1, 0, 0]
    assert store.tables["users"].categories("city") == ["Rome", "Oslo"]


def test_shuffling_visits_every_seed_once_in_an_order_of_the_epoch(store, table):
    loader = SeedLoader(store, table, [1], batch_size=2, shuffle=True, seed=4)
    order = lambda: [i for batch in loader for i in batch["users"].input_id.tolist()]  # noqa: E731
    first = order()
    assert sorted(first) == [0, 1, 2, 3, 4]
    assert first == order()
    loader.set_epoch(1)
    assert sorted(order()) == [0, 1, 2, 3, 4]
    assert len({tuple(order()) for e in range(5) if loader.set_epoch(e) is None}) > 1
    assert len(loader) == 3


@pytest.mark.parametrize(("num_threads", "batch_size"), [(1, 5), (4, 1), (2, 2)])
def test_a_neighborhood_does_not_depend_on_batches_or_threads(store, table, num_threads, batch_size):
    def orders_by_seed(**options):
        found = {}
        for batch in SeedLoader(store, table, [1, 1], strategies="uniform", seed=9, **options):
            for seed, input_id in enumerate(batch["users"].input_id.tolist()):
                found[input_id] = batch["orders"].row[batch["orders"].batch == seed].tolist()
        return found

    expected = orders_by_seed(batch_size=5)
    assert orders_by_seed(batch_size=batch_size, num_threads=num_threads) == expected


def test_an_epoch_begins_at_any_batch(store, table):
    loader = SeedLoader(store, table, [1, 1], batch_size=2, shuffle=True)
    loader.set_epoch(3)
    whole = list(loader)
    loader.set_epoch(3, start=1)
    for left, right in zip(whole[1:], loader, strict=True):
        assert torch.equal(left["users"].input_id, right["users"].input_id)
        assert torch.equal(left["orders"].row, right["orders"].row)
    assert len(loader) == len(whole) == 3
    loader.set_epoch(3, start=3)
    assert list(loader) == []


def test_a_limited_epoch_draws_other_seeds_each_time_and_none_twice(store, table):
    loader = SeedLoader(store, table, [1], batch_size=2, shuffle=True, max_batches=2)
    assert len(loader) == 2
    orders = []
    for epoch in range(20):
        loader.set_epoch(epoch)
        orders.append(loader.order().tolist())
        assert len(set(orders[-1])) == 4
        assert [seed for batch in loader for seed in batch["users"].input_id.tolist()] == orders[-1]
    assert {seed for order in orders for seed in order} == set(range(5))
    assert len(set(map(tuple, orders))) > 10
    assert SeedLoader(store, table, [1], batch_size=2, max_batches=2).order().tolist() == [0, 1, 2, 3]
    assert len(SeedLoader(store, table, [1], batch_size=2, max_batches=9)) == 3


def test_leaving_early_or_failing_leaves_no_thread_behind(store, table):
    before = len(os.listdir("/proc/self/task"))
    for _ in SeedLoader(store, table, [1], batch_size=1, num_threads=3):
        break
    batches = iter(SeedLoader(store, table, [1], batch_size=1, num_threads=3))
    next(batches)
    with pytest.raises(RuntimeError, match=r"^stop$"):
        batches.throw(RuntimeError("stop"))
    assert len(os.listdir("/proc/self/task")) == before


def test_a_table_without_features_has_nodes_and_no_frame(tmp_path):
    data = shop.frames()
    graph = rh.Graph(
        tables=[
            rh.Table("users", source=data["users"][["user_id"]], pkey_col="user_id"),
            rh.Table(
                "orders",
                source=data["orders"][["order_id", "user_id", "at"]],
                pkey_col="order_id",
                time_col="at",
            ),
        ],
        links=[rh.Link("orders", "user_id", "users")],
    )
    store = graph.snapshot(tmp_path / "bare.rh", progress=False)
    frame = pd.DataFrame({"user_id": ["ann"], "anchor_time": pd.to_datetime(["2020-01-08"])})
    table = TrainingTable.from_pandas(frame, store, entity_table="users", task_type="binary")
    batch = next(iter(SeedLoader(store, table, [-1])))
    assert "tf" not in batch["users"]
    assert batch["orders"].num_nodes == 3
    assert "y" not in batch["users"]


def test_seeds_of_the_future_are_refused_when_the_loader_is_made(store):
    table = TrainingTable.from_pandas(
        pd.DataFrame({"order_id": [3], "anchor_time": pd.to_datetime(["2020-01-06"])}),
        store,
        entity_table="orders",
        task_type="binary",
    )
    with pytest.raises(TrainingError, match=r"^1 of 1 seeds do not exist at their anchor time"):
        SeedLoader(store, table, [1])


@pytest.mark.parametrize("look_ahead", [0, 2, 22])
def test_batches_from_disk_are_those_from_memory(store, table, look_ahead):
    on_disk = rh.Store.open(store.path, memory="auto", buffer_pool_size=40, device=DeviceCost(1e4, 1e9))
    assert [t for t, stored in on_disk.tables.items() if stored.disk] == ["users", "orders"]
    loader = SeedLoader(on_disk, table, [-1, -1], batch_size=1, look_ahead=look_ahead)
    for got, expected in zip(loader, SeedLoader(store, table, [-1, -1], batch_size=1), strict=True):
        for name in store.tables:
            assert got[name].row.tolist() == expected[name].row.tolist()
            for stype, values in expected[name].tf.feat_dict.items():
                assert torch.equal(got[name].tf.feat_dict[stype].nan_to_num(-7), values.nan_to_num(-7))


def test_a_loader_counts_what_it_read(store, table):
    on_disk = rh.Store.open(store.path, memory="auto", buffer_pool_size=40, device=DeviceCost(1e4, 1e9))
    loader = SeedLoader(on_disk, table, [-1, -1], batch_size=2)
    assert loader.stats().batches == 0
    assert np.isnan(loader.stats().total.hit_rate)
    rows = dict.fromkeys(store.tables, 0)
    for _ in range(2):
        for batch in loader:
            for name in rows:
                rows[name] += batch[name].num_nodes
    stats = loader.stats()
    assert stats.batches == 6
    assert stats.waited > 0
    assert {name: read.rows for name, read in stats.tables.items()} == {
        "users": rows["users"],
        "orders": rows["orders"],
    }
    assert stats.total.rows == rows["users"] + rows["orders"]
    assert 0 < stats.total.records <= stats.total.rows
    assert stats.total.hit_rate == 1 - stats.total.records / stats.total.rows
    assert stats.total.read_amplification == stats.total.bytes / stats.total.record_bytes
    assert stats.total.rows_per_read == (stats.total.records + stats.total.along) / stats.total.reads


def test_a_loader_counts_the_seconds_of_its_threads(store, table):
    loader = SeedLoader(store, table, [-1, -1], batch_size=2)
    assert loader.seconds() == {"sampling": 0, "rows": 0, "idle": 0}
    list(loader)
    once = loader.seconds()
    assert min(once.values()) > 0
    list(loader)
    assert all(seconds > once[name] for name, seconds in loader.seconds().items())
    assert loader.stats().sampling == loader.seconds()["sampling"]


def test_a_store_in_memory_reads_nothing_from_disk(store, table):
    loader = SeedLoader(store, table, [2])
    assert len(list(loader)) == loader.stats().batches == 1
    assert loader.stats().tables == {}


def test_a_file_cut_short_is_an_error_at_the_batch(table, tmp_path):
    made = shop.store(tmp_path)
    before = threads.running()
    on_disk = rh.Store.open(made.path, memory="auto", buffer_pool_size=0, device=DeviceCost(1e4, 1e9))
    os.truncate(made.path / "tables" / "orders" / "rows.bin", 0)
    with pytest.raises(StoreError, match=r"^table orders, row \d: .*rows\.bin"):
        list(SeedLoader(on_disk, table, [-1], batch_size=1))
    del on_disk
    assert threads.none_beyond(before)
