"""Stores of every published format version open for ever. tests/golden/v1 is tests/shop.py's store, as format version 1
wrote it."""

from pathlib import Path

import numpy as np

import relhop as rh
from tests import shop

GOLDEN = Path(__file__).parent / "golden"


def test_a_store_of_format_version_1_is_intact():
    store = rh.Store.open(GOLDEN / "v1")
    store.verify()
    assert list(store.tables) == ["users", "items", "orders"]
    assert store.tables["orders"].order.tolist() == [2, 6, 1, 4, 0, 5, 3, 7]
    assert store.links["orders.user_id"].parents.tolist() == [0, 2**32 - 1, 0, 2**32 - 1, 1, 2, 0, 0]
    assert store.rows_of("users", ["cy", "ann", "nobody"]).tolist() == [2, 0, -1]


def test_a_store_of_format_version_1_samples_as_the_same_tables_do_today(tmp_path):
    times = np.full(4, np.datetime64("2020-01-06", "us").astype(np.int64))
    stores = [rh.Store.open(GOLDEN / "v1"), shop.store(tmp_path)]
    old, new = (rh.NeighborSampler(s, [2, 2]).sample("users", np.arange(4), times) for s in stores)
    assert old.nodes["orders"].rows.tolist() == new.nodes["orders"].rows.tolist()
    assert sorted(old.nodes["orders"].rows.tolist()) == [0, 2, 4, 5]
    for edge_type, edges in old.edges.items():
        np.testing.assert_array_equal(edges.source, new.edges[edge_type].source)
        np.testing.assert_array_equal(edges.target, new.edges[edge_type].target)
