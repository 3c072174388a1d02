"""Records in an order of their own: chosen by what a block brings, and of no consequence to any result."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import relhop as rh
from relhop import _native
from relhop.errors import CorruptStore
from relhop.features import FeatureReader
from relhop.loader import SeedLoader
from relhop.store import layout, order
from relhop.store.clusters import beside_neighbors
from relhop.store.manifest import content_checksum
from relhop.store.order import hottest_first
from relhop.store.scatter import Scatter
from relhop.training_table import TrainingTable

USERS, CLICKS = 2000, 20_000


@settings(deadline=None)
@given(
    count=st.integers(1, 400),
    item_size=st.integers(1, 20),
    memory=st.integers(0, 3000),
    cuts=st.lists(st.integers(0, 400), max_size=4),
)
def test_scattered_items_come_back_by_place(tmp_path_factory, count, item_size, memory, cuts):
    rng = np.random.default_rng(count)
    places = rng.permutation(count)
    items = rng.integers(0, 256, (count, item_size), np.uint8)
    expected = np.empty_like(items)
    expected[places] = items
    folder = tmp_path_factory.mktemp("scatter")
    cuts = sorted(min(cut, count) for cut in cuts)
    with Scatter(count, item_size, folder, memory) as scatter:
        for of_places, piece in zip(np.split(places, cuts), np.split(items, cuts), strict=True):
            scatter.add(of_places, piece)
        np.testing.assert_array_equal(np.concatenate(list(scatter.pieces())), expected)
    assert list(folder.iterdir()) == []


@settings(deadline=None)
@given(st.lists(st.integers(0, 500) | st.integers(0, 2**40)))
def test_hottest_rows_come_first_and_equals_keep_their_order(degrees):
    degrees = np.array(degrees, np.int64)
    slots = hottest_first(degrees)
    assert sorted(slots.tolist()) == list(range(len(degrees)))
    by_slot = degrees[np.argsort(slots)].astype(float)
    assert (by_slot[1:] <= by_slot[:-1] * (1 + 1 / 128)).all()
    if (degrees <= 500).all():
        assert slots.tolist() == np.argsort(np.argsort(-degrees, kind="stable")).tolist()


def graph():
    """Clicks of a user are scattered over time, so that those of one user lie far apart in the rows' order."""
    rng = np.random.default_rng(0)
    users = pd.DataFrame({"id": range(USERS), **{f"u{i}": rng.normal(size=USERS) for i in range(30)}})
    by = rng.integers(0, USERS, CLICKS).astype(float)
    by[rng.random(CLICKS) < 0.05] = np.nan
    clicks = pd.DataFrame(
        {
            "user": pd.array(by, "Int64"),
            "at": pd.to_datetime(rng.integers(10**9, 10**9 + 10**7, CLICKS), unit="s"),
            "kind": rng.integers(0, 9, CLICKS).astype(str),
            **{f"c{i}": rng.normal(size=CLICKS) for i in range(100)},
        }
    )
    users.loc[::7, "u3"] = None
    return rh.Graph(
        [
            rh.Table("users", source=users, pkey_col="id", stypes={f"u{i}": "numerical" for i in range(30)}),
            rh.Table(
                "clicks",
                source=clicks,
                time_col="at",
                stypes={"kind": "categorical", **{f"c{i}": "numerical" for i in range(100)}},
            ),
        ],
        [rh.Link("clicks", "user", "users")],
    )


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """The same with records in an order of their own, and in the rows'."""
    folder = tmp_path_factory.mktemp("order")
    return [
        graph().snapshot(folder / f"{name}.rh", row_order=name, memory_limit="200MB", progress=False)
        for name in ("auto", "time")
    ]


def test_an_order_is_chosen_by_what_a_block_brings_and_said(stores):
    clicks, users = (stores[0].describe().tables[i] for i in (1, 0))
    assert clicks.record_order == "by parent clicks.user"
    assert set(clicks.rows_per_block) == {"rows", "by parent clicks.user"}
    assert clicks.rows_per_block["by parent clicks.user"] > 1.2 * clicks.rows_per_block["rows"]
    assert clicks.bits_per_row["slots"] == 15
    assert clicks.bytes["slots.bin"] == (stores[0].path / "tables/clicks/slots.bin").stat().st_size
    # Too small to matter.
    assert (users.record_order, users.rows_per_block) == ("rows", {})
    assert not (stores[0].path / "tables/users/slots.bin").exists()
    assert [t.record_order for t in stores[1].describe().tables] == ["rows", "rows"]
    assert stores[0].fingerprint != stores[1].fingerprint


def test_records_by_parent_lie_beside_each_other_in_time_order_and_orphans_at_the_end(stores):
    link, slots = stores[0].links["clicks.user"], stores[0].tables["clicks"].slots[:]
    edges = len(link.children)
    np.testing.assert_array_equal(slots[link.children[:]], np.arange(edges))
    np.testing.assert_array_equal(slots[link.parents[:] == -1], np.arange(edges, CLICKS))


def test_the_order_of_records_changes_no_feature(stores):
    auto, time = stores
    auto.verify()
    for name, table in auto.tables.items():
        rows = np.random.default_rng(1).integers(0, table.num_rows, 500)
        for field in table.fields:
            expected = time.tables[name].field_values(field.column)
            np.testing.assert_array_equal(table.field_values(field.column), expected)
            np.testing.assert_array_equal(table.field_values(field.column, rows), expected[rows])
            part = slice(10, 900, 7)
            np.testing.assert_array_equal(table.field_values(field.column, part), expected[part])


@pytest.mark.parametrize("memory", ["ram", "mmap", "disk"])
def test_gathering_follows_the_slots_wherever_records_are(stores, memory):
    options = {"buffer_pool_size": 300_000} if memory == "disk" else {}
    store = rh.Store.open(stores[0].path, memory=memory, **options)
    rows = np.random.default_rng(2).integers(0, CLICKS, 3000)
    found = FeatureReader(store.tables["clicks"]).gather(rows)
    expected = FeatureReader(stores[1].tables["clicks"]).gather(rows)
    for kind in ("numerical", "categorical", "time", "position"):
        np.testing.assert_array_equal(getattr(found, kind), getattr(expected, kind))


@pytest.mark.parametrize("memory", ["ram", "disk"])
def test_batches_are_the_same_in_any_order_of_records(stores, memory):
    frame = pd.DataFrame(
        {
            "id": range(0, USERS, 3),
            "anchor_time": pd.to_datetime(10**9 + 5 * 10**6, unit="s"),
            "target": 0,
            "split": "train",
        }
    )
    batches = []
    for store, place in ((stores[0], memory), (stores[1], "ram")):
        options = {"buffer_pool_size": 2_000_000} if place == "disk" else {}
        opened = rh.Store.open(store.path, memory=place, **options)
        seeds = TrainingTable.from_pandas(frame, opened, entity_table="users", task_type="binary")
        batches.append(list(SeedLoader(opened, seeds, [8, 4], batch_size=64)))
    assert len(batches[0]) == 11
    for mine, its in zip(*batches, strict=True):
        assert len(mine["clicks"].row) > 64
        np.testing.assert_array_equal(mine["clicks"].row, its["clicks"].row)
        for kind, tensor in mine["clicks"].tf.feat_dict.items():
            np.testing.assert_array_equal(tensor, its["clicks"].tf.feat_dict[kind])


def rewrite(path, change):
    """Changes the slots of clicks and makes all checksums fit."""
    file = path / "tables/clicks/slots.bin"
    slots = _native.PackedRows(np.fromfile(file, np.uint8), CLICKS, 15).decode(0, CLICKS)
    change(slots)
    file.write_bytes(_native.pack((slots & 0x7FFF).astype(np.uint64), 15).tobytes())
    content = json.loads((path / "manifest.json").read_text())
    content.pop("checksum")
    with file.open("rb") as opened:
        content["files"]["tables/clicks/slots.bin"]["blake2b"] = layout.checksum_of(opened)
    (path / "manifest.json").write_text(json.dumps(content | {"checksum": content_checksum(content)}))


@pytest.mark.parametrize(("row", "record"), [(5, 6), (5, -1), (5, CLICKS)])
def test_slots_that_are_no_permutation_are_damage(stores, tmp_path, row, record):
    path = tmp_path / "x.rh"
    graph().snapshot(path, memory_limit="200MB", progress=False)

    def change(slots):
        slots[row] = slots[record] if 0 <= record < CLICKS else record

    rewrite(path, change)
    store = rh.Store.open(path)
    with pytest.raises(CorruptStore) as caught:
        store.verify()
    assert str(caught.value) == f"{path}/tables/clicks/slots.bin: not a permutation of rows"
    if not 0 <= record < CLICKS:
        number = record % (1 << 15)
        reader = FeatureReader(store.tables["clicks"])
        with pytest.raises(CorruptStore) as caught:
            reader.gather(np.array([4, 5]))
        assert str(caught.value) == f"table clicks: slots.bin leads row 5 to record {number} of {CLICKS}"
        with pytest.raises(
            CorruptStore, match=r"^table 'clicks': slots.bin leads to a record beyond the last$"
        ):
            store.tables["clicks"].field_values("c0")


def test_another_order_than_auto_and_time_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"^row_order is 'hot'; choose 'auto' or 'time'$"):
        graph().snapshot(tmp_path / "x.rh", row_order="hot", progress=False)


def test_hot_rows_first_where_that_pays(tmp_path, monkeypatch):
    """One in fifty users has nearly all the clicks; they are scattered over the rows."""
    monkeypatch.setattr(order, "LEAST_BYTES", 1 << 10)
    rng = np.random.default_rng(0)
    users = pd.DataFrame({"id": range(20_000), **{f"u{i}": rng.normal(size=20_000) for i in range(64)}})
    posts = pd.DataFrame({"id": range(4000), "x": rng.normal(size=4000)})
    hot = rng.permutation(20_000)[:400]
    likes = pd.DataFrame({"user": rng.choice(hot, 30_000), "post": rng.integers(0, 4000, 30_000)})
    graph = rh.Graph(
        [
            rh.Table("users", source=users, pkey_col="id", stypes={f"u{i}": "numerical" for i in range(64)}),
            rh.Table("posts", source=posts, pkey_col="id", stypes={"x": "numerical"}),
            rh.Table("likes", source=likes),
        ],
        [rh.Link("likes", "user", "users"), rh.Link("likes", "post", "posts")],
    )
    store = graph.snapshot(tmp_path / "x.rh", progress=False)
    store.verify()
    users = store.tables["users"]
    degrees = np.diff(store.links["likes.user"].offsets[:])
    assert store.describe().tables[0].record_order == "hottest first"
    np.testing.assert_array_equal(users.slots[:], hottest_first(degrees))


@settings(deadline=None)
@given(st.data())
def test_rows_go_with_the_list_that_brings_them_together_most_often(data):
    num_rows, num_lists = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 20))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    lists = rng.integers(0, num_lists, 80)
    rows = rng.integers(0, num_rows, 80)
    degrees, sizes = np.bincount(rows, minlength=num_rows), np.bincount(lists, minlength=num_lists)
    slots = beside_neighbors(degrees, [(rows[:30], lists[:30]), (rows[30:], lists[30:])], sizes)
    ranking = sorted(range(num_lists), key=lambda i: (-sizes[i] * min(1, 16 / max(sizes[i], 1)) ** 2, i))
    hot = sorted(range(num_rows), key=lambda row: (-degrees[row], row))[: num_rows // 20]
    homes = [
        min((ranking.index(i) for r, i in zip(rows, lists, strict=True) if r == row), default=num_lists)
        for row in range(num_rows)
    ]
    cold = sorted(set(range(num_rows)) - set(hot), key=lambda row: (homes[row], row))
    assert np.argsort(slots).tolist() == [*hot, *cold]
