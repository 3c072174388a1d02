"""Lists and texts of a store's tables, as attributes."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest

import relhop as rh
from relhop.errors import CorruptStore, SourceError
from relhop.store import column_tensors
from relhop.store.records import RecordWriter
from tests import films
from tests.hostile.test_store import seal


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return films.store(tmp_path_factory.mktemp("films"))


def test_lists_are_codes_by_first_appearance_whatever_holds_them(store):
    table = store.tables["films"]
    assert table.categories("genres") == ["war", "love", "space", "comedy"]
    assert table.attributes["genres"].array().tolist() == [
        [0, 1, -1, -1],
        [0, 1, -1, -1],
        [-2, -1, -1, -1],
        [-2, -1, -1, -1],  # empty text is null in every source
        [2, -1, -1, -1],
        [0, 1, 2, 3],
    ]
    assert table.categories("words") == ["x", "y", "z"]
    codes = table.attributes["words"].array()
    assert codes.tolist() == [[0, 1, -1], [1, -1, -1], [-2, -1, -1], [-1, -1, -1], [2, -1, -1], [0, 1, 2]]


def test_text_is_embedded_with_null_as_nan(store):
    got = store.tables["films"].attributes["title"].array()
    assert (got.dtype, got.shape) == (np.float16, (6, 64))
    titles = [title for title in films.TITLES if title]
    expected = rh.HashedNgrams().embed(titles).astype(np.float16)
    np.testing.assert_array_equal(got[[0, 1, 4, 5]], expected)
    assert np.isnan(got[[2, 3]]).all()
    assert store.text_embedder == "hashed-ngrams-1, dim=64"
    store.verify()


def test_of_long_lists_the_values_that_appear_first_are_kept_and_the_rows_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(column_tensors, "MOST_LISTED", 2)
    store = films.store(tmp_path)
    assert store.tables["films"].attributes["genres"].array()[5].tolist() == [0, 1]
    assert store.describe().tables[0].shortened == {"genres": 1, "words": 1}


def test_later_rows_change_no_earlier_list_or_text(tmp_path):
    early, late = films.store(tmp_path, 10), films.store(tmp_path, 30)
    old, new = (s.tables["ratings"].attributes["note"].array() for s in (early, late))
    np.testing.assert_array_equal(old, new[:10])


def test_another_embedder_makes_another_store(tmp_path):
    graph = films.graph()
    first = graph.snapshot(tmp_path / "s.rh", progress=False)
    assert graph.snapshot(tmp_path / "s.rh", progress=False).fingerprint == first.fingerprint
    narrow = graph.snapshot(tmp_path / "s.rh", progress=False, text_embedder=rh.HashedNgrams(8))
    assert narrow.fingerprint != first.fingerprint
    assert narrow.tables["films"].attributes["title"].shape == (8,)


def test_an_embedder_of_the_users_own_may_take_its_place(tmp_path):
    class Lengths:
        identity, dim = "lengths", 1

        def embed(self, texts):
            assert len(set(texts)) == len(texts)
            return np.array([[1e6 * len(text)] for text in texts], np.float32).reshape(-1, 1)

    class Wrong(Lengths):
        identity, dim = "wrong", 2

    store = films.store(tmp_path, text_embedder=Lengths())
    assert store.tables["films"].attributes["title"].array()[0].tolist() == [65504.0]
    message = (
        "table 'films', column 'title': the text embedder gave an array of shape (4, 1) for 4 texts; it must"
        " give one of (4, 2)"
    )
    with pytest.raises(SourceError, match=f"^{re.escape(message)}$"):
        films.store(tmp_path, text_embedder=Wrong())


def test_text_that_is_excluded_or_no_text_takes_no_space(tmp_path):
    table = rh.Table(
        "t", source=pa.table({"id": [1, 2], "a": ["x y", "z"], "b": [{"c": 1}] * 2}), exclude="a", pkey_col="id"
    )  # fmt: skip
    store = rh.Graph([table]).snapshot(tmp_path / "t.rh", progress=False)
    assert (dict(store.tables["t"].attributes), store.text_embedder) == ({}, None)


def test_numbers_are_no_lists(tmp_path):
    table = rh.Table("t", source=pa.table({"id": [1, 2], "a": [3, 4]}), stypes={"a": "multicategorical"})
    message = "table 't': the column 'a' has type BIGINT, which is no list; declare another stype than multicategorical"
    with pytest.raises(SourceError, match=f"^{message}$"):
        rh.Graph([table]).snapshot(tmp_path / "t.rh", progress=False)


def test_a_code_beyond_the_categories_is_found(tmp_path):
    store = films.store(tmp_path)
    file = store.path / "tables/films/attributes/genres.bin"
    codes = np.fromfile(file, np.int32)
    codes[0] = 9
    with RecordWriter(file, file.with_suffix(".crc")) as writer:
        writer.write(codes.view(np.uint8))
    seal(store.path)
    with pytest.raises(CorruptStore, match=f"^{file}: a code beyond its 4 categories$"):
        rh.Store.open(store.path).verify()
