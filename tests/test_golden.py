"""Stores of every published format version open for ever. tests/golden/v4 is tests/shop.py's store, as format version 4
wrote it, v3 and v2 as those versions did, and v4_arrays that of tests/array_tables.py; versions 1 to 3 were never
published, so they are refused."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import relhop as rh
from tests import array_tables, shop

GOLDEN = Path(__file__).parent / "golden"


def test_a_store_of_format_version_4_is_intact():
    store = rh.Store.open(GOLDEN / "v4")
    store.verify()
    assert list(store.tables) == ["users", "items", "orders"]
    assert store.tables["orders"].order[:].tolist() == [2, 6, 1, 4, 0, 5, 3, 7]
    assert store.tables["orders"].time[:7].tolist() == [
        np.datetime64(f"2020-01-0{day}", "us").astype(np.int64) for day in (1, 2, 3, 4, 5, 5, 7)
    ]
    link = store.links["orders.user_id"]
    assert link.parents[:].tolist() == [0, -1, 0, -1, 1, 2, 0, 0]
    assert link.offsets[:].tolist() == [0, 4, 5, 6, 6]
    assert link.children[:].tolist() == [0, 2, 6, 7, 4, 5]
    assert link.weights.tolist() == [3, 5, 9, 17, 1, 6]
    assert store.links["orders.item_id"].weights is None
    assert store.rows_of("users", ["cy", "ann", "nobody"]).tolist() == [2, 0, -1]


def test_a_store_of_format_version_4_samples_as_the_same_tables_do_today(tmp_path):
    times = np.full(4, np.datetime64("2020-01-06", "us").astype(np.int64))
    stores = [rh.Store.open(GOLDEN / "v4"), shop.store(tmp_path)]
    old, new = (rh.NeighborSampler(s, [2, 2]).sample("users", np.arange(4), times) for s in stores)
    assert old.nodes["orders"].rows.tolist() == new.nodes["orders"].rows.tolist()
    assert sorted(old.nodes["orders"].rows.tolist()) == [0, 2, 4, 5]
    for edge_type, edges in old.edges.items():
        np.testing.assert_array_equal(edges.source, new.edges[edge_type].source)
        np.testing.assert_array_equal(edges.target, new.edges[edge_type].target)


@pytest.mark.parametrize(("name", "source"), [("v4", shop), ("v4_arrays", array_tables)])
def test_a_store_written_today_is_the_golden_one_bit_for_bit(tmp_path, name, source):
    store = source.store(tmp_path)
    arrays = [file for ending in ("bin", "crc") for file in (GOLDEN / name).rglob(f"*.{ending}")]
    assert arrays
    for golden in arrays:
        assert (store.path / golden.relative_to(GOLDEN / name)).read_bytes() == golden.read_bytes()


def test_a_store_of_arrays_of_format_version_4_is_intact():
    store = rh.Store.open(GOLDEN / "v4_arrays")
    store.verify()
    papers, expected = store.tables["papers"], array_tables.columns()
    assert papers.order[:].tolist() == [4, 8, 1, 3, 11, 9, 10, 7, 6, 2, 5, 0]
    for name, array in expected["papers"].items():
        np.testing.assert_array_equal(papers.attributes[name].array(), array[papers.order[:]])
    for name, array in expected["authors"].items():
        stored = store.tables["authors"].attributes[name]
        assert f"a_{stored.dtype}" == name
        np.testing.assert_array_equal(stored.array(), array)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_store_of_a_version_before_is_refused_and_built_again(tmp_path, version):
    path = tmp_path / "shop.rh"
    if version > 1:
        shutil.copytree(GOLDEN / f"v{version}", path)
    else:
        path.mkdir()
        (path / "manifest.json").write_text('{"format": "relhop-store", "version": 1}')
    with pytest.raises(rh.StoreError) as caught:
        rh.Store.open(path)
    assert (
        str(caught.value)
        == f"{path} has format version {version}, this relhop reads version 4; build the store again"
    )
    shop.store(tmp_path).verify()
