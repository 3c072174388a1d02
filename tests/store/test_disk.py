"""A store whose links stay on disk gives what one in memory gives, and says where everything is."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import relhop as rh
from relhop import _native
from relhop.errors import StoreError
from relhop.features import FeatureReader
from relhop.sampling import SeedSampler
from relhop.store.reader import Store

USERS, ORDERS = 3000, 40_000
DEVICE = rh.DeviceCost(50_000, 1e9)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    orders = pd.DataFrame(
        {
            "user_id": (USERS * rng.random(ORDERS) ** 2).astype(int),
            "at": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 10**7, ORDERS), unit="s"),
            "quantity": rng.random(ORDERS),
        }
    )
    graph = rh.Graph(
        [
            rh.Table("users", source=pd.DataFrame({"user_id": range(USERS)}), pkey_col="user_id"),
            rh.Table("orders", source=orders, time_col="at"),
        ],
        [rh.Link("orders", "user_id", "users", weight="quantity")],
    )
    place = tmp_path_factory.mktemp("disk") / "orders.rh"
    graph.snapshot(place)
    return place


@pytest.fixture(autouse=True)
def no_faults() -> Iterator[None]:
    yield
    _native.clear_faults()


def on_disk(path: Path, pool: int = 100_000) -> Store:
    return Store.open(path, memory="disk", buffer_pool_size=pool, device=DEVICE)


def sampled(store: Store, strategy: str) -> list[list[int]]:
    rng = np.random.default_rng(1)
    times = rh.to_micros("2020-01-01") + rng.integers(0, 10**13, 200)
    sampler = SeedSampler(store, [12, 5, "inferred"], strategy)
    found = sampler.sample("users", rng.integers(0, USERS, 200), times)
    return [nodes.rows.tolist() for nodes in found.nodes.values()] + [
        edges.source.tolist() for edges in found.edges.values()
    ]


def test_what_goes_with_the_rows_of_a_batch_is_read_too(path: Path) -> None:
    rows = np.random.default_rng(2).integers(0, ORDERS, 5000)
    stores = [on_disk(path), Store.open(path, memory="ram")]
    found, expected = (FeatureReader(store.tables["orders"]).gather(rows) for store in stores)
    for name in ("numerical", "time", "position"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    anchors = [rh.to_micros("2020-01-01") + second * 1_000_000 for second in (-1, 0, 12_345, 10**7)]
    cuts, expected_cuts = ([store.cut("orders", anchor) for anchor in anchors] for store in stores)
    assert cuts == expected_cuts
    assert _mapped(stores[0]) == []
    mapped = Store.open(path, memory="mmap")
    FeatureReader(mapped.tables["orders"]).gather(rows)
    assert {"time.bin", "order.bin", "rows.bin"} <= set(_mapped(mapped))


def _mapped(store: Store) -> list[str]:
    """The files of a store that are in memory in part because they are mapped."""
    found, name = [], ""
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if str(store.path) in line:
            name = line.split("/")[-1]
        elif line.startswith("Rss:"):
            if name and line.split()[1] != "0":
                found.append(name)
            name = ""
    return found


@pytest.mark.parametrize("strategy", ["recency", "last within 20 days", "weighted", "labor"])
def test_neighborhoods_are_those_of_memory(path: Path, strategy: str) -> None:
    assert sampled(on_disk(path), strategy) == sampled(Store.open(path, memory="ram"), strategy)


def test_the_placement_and_the_pool_say_what_is_where(path: Path) -> None:
    store = on_disk(path)
    placement = store.placement
    links = sum(file.stat().st_size for file in (path / "links").rglob("*.bin"))
    times = sum(
        (path / "tables" / "orders" / f"{name}.bin").stat().st_size
        for name in ("time", "time_blocks", "order")
    )
    assert placement.topology_bytes == links + times
    records = sum(table.bytes for table in placement.tables.values())
    assert placement.topology == "disk"
    assert placement.links_pool_bytes == 100_000 * (links + times) // (links + times + records)
    assert str(placement).startswith(
        f"links and times: {placement.topology_bytes / 1000:.1f} kB on disk, pool of"
        f" {placement.links_pool_bytes / 1000:.1f} kB\n"
    )
    assert store.link_pool is not None
    blocks = (path / "tables" / "orders" / "time_blocks.bin").stat().st_size
    assert store.link_pool.bytes == placement.links_pool_bytes - blocks
    sampled(store, "recency")
    assert store.link_pool.stats()["reads"] > 0


def test_links_that_fit_their_part_are_in_memory(path: Path) -> None:
    store = on_disk(path, 10**9)
    assert store.placement.topology == "ram"
    assert store.link_pool is None


def test_the_store_verifies_and_describes_itself(path: Path) -> None:
    store = on_disk(path)
    store.verify()
    assert str(store.describe()) == str(Store.open(path, memory="ram").describe())
    link, expected = (s.links["orders.user_id"] for s in (store, Store.open(path, memory="ram")))
    for name in ("parents", "offsets", "children"):
        np.testing.assert_array_equal(getattr(link, name)[:], getattr(expected, name)[:])


def test_a_pool_without_room_is_refused(path: Path) -> None:
    with pytest.raises(ValueError, match=r"a pool of \d+ bytes has no room: its directory takes"):
        on_disk(path, 1000)


def test_a_read_that_fails_names_the_file(path: Path) -> None:
    store = on_disk(path)
    _native.inject_fault("fail", "children.bin", errno.EIO)
    with pytest.raises(StoreError, match=r"children\.bin': Input/output error"):
        sampled(store, "recency")
    _native.clear_faults()
    assert sampled(store, "recency") == sampled(Store.open(path, memory="ram"), "recency")
