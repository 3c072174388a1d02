"""Stores of every published format version open for ever. tests/golden/v6 is tests/shop.py's store, as format version 6
wrote it, v5 to v2 as those versions did, v6_arrays that of tests/array_tables.py, v6_edges that of
tests/citations.py and v6_films that of tests/films.py; versions 1 to 5 were never published, so they are refused."""

import datetime as dt
import shutil
from pathlib import Path

import numpy as np
import pytest

import relhop as rh
from tests import array_tables, citations, films, shop

GOLDEN = Path(__file__).parent.parent / "golden"


def test_a_store_of_format_version_6_is_intact():
    store = rh.Store.open(GOLDEN / "v6")
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


def test_a_store_of_format_version_6_samples_as_the_same_tables_do_today(tmp_path):
    times = np.full(4, np.datetime64("2020-01-06", "us").astype(np.int64))
    stores = [rh.Store.open(GOLDEN / "v6"), shop.store(tmp_path)]
    old, new = (rh.SeedSampler(s, [2, 2]).sample("users", np.arange(4), times) for s in stores)
    assert old.nodes["orders"].rows.tolist() == new.nodes["orders"].rows.tolist()
    assert sorted(old.nodes["orders"].rows.tolist()) == [0, 2, 4, 5]
    for edge_type, edges in old.edges.items():
        np.testing.assert_array_equal(edges.source, new.edges[edge_type].source)
        np.testing.assert_array_equal(edges.target, new.edges[edge_type].target)


@pytest.mark.parametrize(
    ("name", "source"),
    [("v6", shop), ("v6_arrays", array_tables), ("v6_edges", citations), ("v6_films", films)],
)
def test_a_store_written_today_is_the_golden_one_bit_for_bit(tmp_path, name, source):
    store = source.store(tmp_path)
    arrays = [file for ending in ("bin", "crc") for file in (GOLDEN / name).rglob(f"*.{ending}")]
    assert arrays
    for golden in arrays:
        assert (store.path / golden.relative_to(GOLDEN / name)).read_bytes() == golden.read_bytes()


def test_a_store_of_arrays_of_format_version_6_is_intact():
    store = rh.Store.open(GOLDEN / "v6_arrays")
    store.verify()
    papers, expected = store.tables["papers"], array_tables.columns()
    assert papers.order[:].tolist() == [4, 8, 1, 3, 11, 9, 10, 7, 6, 2, 5, 0]
    for name, array in expected["papers"].items():
        np.testing.assert_array_equal(papers.attributes[name].array(), array[papers.order[:]])
    for name, array in expected["authors"].items():
        stored = store.tables["authors"].attributes[name]
        assert f"a_{stored.dtype}" == name
        np.testing.assert_array_equal(stored.array(), array)


def test_a_store_of_edge_tables_of_format_version_6_is_intact():
    store = rh.Store.open(GOLDEN / "v6_edges")
    store.verify()
    cites, visits = store.edge_tables["cites"], store.edge_tables["visits"]
    assert cites.order[:].tolist() == [1, 2, 0, 5, 3, 4, 6, 7]
    days = cites.time[:4].astype("datetime64[us]").astype("datetime64[D]")
    assert days.tolist() == [dt.date(2020, 1, day) for day in (3, 3, 5, 9)]
    assert (cites.num_rows, cites.num_edges, cites.nulls, cites.dangling) == (8, 6, 1, 1)
    assert (cites.null_times, cites.delayed, cites.null_weights) == (4, 2, 1)
    assert cites.incoming.offsets[:].tolist() == [0, 3, 4, 6, 6]
    assert cites.incoming.neighbors[:].tolist() == [2, 2, 1, 1, 0, 3]
    assert cites.incoming.edge_ids[:].tolist() == [0, 2, 6, 3, 1, 7]
    assert cites.incoming.weights.tolist() == [2, 3, 3, 6, 3, 11]
    assert cites.outgoing.neighbors[:].tolist() == [2, 1, 0, 0, 0, 2]
    assert visits.outgoing is None
    assert visits.incoming.offsets[:].tolist() == [0, 2, 2, 3, 4]
    assert visits.incoming.neighbors[:].tolist() == [0, 2, 1, 0]
    assert visits.incoming.edge_ids[:].tolist() == [0, 1, 2, 3]
    assert visits.attributes["share"].array()[4].tolist() == [0.75, 0.8125, 0.875]
    assert store.edge_tables["friends"].incoming.edge_ids is None


def test_a_store_of_lists_and_texts_of_format_version_6_is_intact():
    store = rh.Store.open(GOLDEN / "v6_films")
    store.verify()
    table = store.tables["films"]
    assert table.categories("genres") == ["war", "love", "space", "comedy"]
    assert table.attributes["genres"].array()[[0, 2, 5]].tolist() == [
        [0, 1, -1, -1],
        [-2, -1, -1, -1],
        [0, 1, 2, 3],
    ]
    assert store.text_embedder == "hashed-ngrams-1, dim=64"
    title = table.attributes["title"].array()[0].astype(np.float32)
    np.testing.assert_allclose(title, rh.HashedNgrams().embed(["A Long War"])[0], atol=1e-3)


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5])
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
        == f"{path} has format version {version}, this relhop reads version 6; build the store again"
    )
    shop.store(tmp_path).verify()
