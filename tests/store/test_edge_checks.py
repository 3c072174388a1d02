"""Damaged and lying files of edge tables: what is not sound is refused, and the message names the file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import relhop as rh
from relhop._native import PackedRows, pack, width_of
from relhop.errors import CorruptStore
from relhop.store import layout
from relhop.store.manifest import MANIFEST, content_checksum
from tests import citations


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return citations.store(tmp_path_factory.mktemp("sound")).path


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copytree(sound, tmp_path / "g.rh"))


def sealed(folder: Path, change: Callable[[dict[str, Any]], None] = lambda content: None) -> None:
    """Makes all checksums fit what is there, after a change to the manifest."""
    path = folder / MANIFEST
    content = json.loads(path.read_text())
    for file, entry in content["files"].items():
        with (folder / file).open("rb") as opened:
            entry["blake2b"] = None if entry["blake2b"] is None else layout.checksum_of(opened)
        entry["bytes"] = (folder / file).stat().st_size
    change(content)
    del content["checksum"]
    path.write_text(json.dumps(content | {"checksum": content_checksum(content)}))


def rewrite(path: Path, count: int, numbers: Callable[[np.ndarray], None]) -> None:
    """Changes the packed numbers of a file, those of rows or edges of which there are `count`."""
    size = 8 * (path.stat().st_size - 8) // width_of(count)
    found = PackedRows(np.fromfile(path, np.uint8), size, width_of(count)).decode(0, size)
    numbers(found)
    pack(found.view(np.uint64) & np.uint64((1 << width_of(count)) - 1), width_of(count)).tofile(path)


def test_a_flipped_bit_in_any_file_of_edges_is_found(folder: Path) -> None:
    files = [file for file in (folder / "edges").rglob("*") if file.is_file() and file.stat().st_size]
    assert len(files) >= 20
    for file in files:
        content = file.read_bytes()
        file.write_bytes(bytes([content[0] ^ 1]) + content[1:])
        with pytest.raises(CorruptStore, match="time.bin" if file.name == "time_blocks.bin" else file.name):
            rh.Store.open(folder).verify()
        file.write_bytes(content)
    rh.Store.open(folder).verify()


def swap(places: tuple[int, int]) -> Callable[[np.ndarray], None]:
    def change(numbers: np.ndarray) -> None:
        numbers[list(places)] = numbers[list(places[::-1])]

    return change


def put(place: int, number: int) -> Callable[[np.ndarray], None]:
    def change(numbers: np.ndarray) -> None:
        numbers[place] = number

    return change


@pytest.mark.parametrize(
    ("file", "count", "change", "message"),
    [
        (
            "friends/in/neighbors.bin",
            3,
            put(0, 3),
            "friends/in/neighbors.bin: a neighbor beyond the last row",
        ),
        ("friends/in/neighbors.bin", 3, put(3, 0), "friends/out: not the edges of friends/in"),
        (
            "visits/in/neighbors.bin",
            3,
            swap((0, 1)),
            "visits/in/neighbors.bin: the neighbors in a list do not ascend",
        ),
        ("friends/in/offsets.bin", 4, swap((1, 2)), "friends/in/offsets.bin: offsets do not ascend"),
        ("friends/in/offsets.bin", 4, put(0, 1), "friends/in/offsets.bin: offsets do not run from 0 to 4"),
        ("visits/in/edge_ids.bin", 5, put(0, 5), "visits/in/edge_ids.bin: an edge beyond the last one"),
        ("visits/in/edge_ids.bin", 5, put(3, 0), "visits/in/edge_ids.bin: an edge is there twice"),
        (
            "cites/in/edge_ids.bin",
            8,
            swap((0, 1)),
            "cites/in/edge_ids.bin: the edges in a list do not ascend",
        ),
        ("cites/out/edge_ids.bin", 8, swap((0, 5)), "cites/out"),
        (
            "cites/in/neighbors.bin",
            4,
            put(0, 3),
            "an edge is visible before a row of 'papers' that it leads to",
        ),
        ("cites/order.bin", 8, put(0, 0), "cites/order.bin: not a permutation of rows"),
    ],
)
def test_numbers_that_contradict_each_other_are_damage(
    folder: Path, file: str, count: int, change: Callable[[np.ndarray], None], message: str
) -> None:
    rewrite(folder / "edges" / file, count, change)
    sealed(folder)
    with pytest.raises(CorruptStore) as caught:
        rh.Store.open(folder).verify()
    assert message in str(caught.value)


def test_sums_that_are_not_those_of_the_weights_are_damage(folder: Path) -> None:
    path = folder / "edges/cites/out/weights.bin"
    sums = np.fromfile(path)
    sums[0] += 1
    sums.tofile(path)
    sealed(folder)
    with pytest.raises(CorruptStore) as caught:
        rh.Store.open(folder).verify()
    assert str(caught.value) == f"{path}: not the sums of the column 'weight'"


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("_rh_src", "the ends of edges contradict the store's arrays"),
        ("_rh_time", "column _rh_time contradicts the store's arrays"),
    ],
)
def test_columns_that_contradict_the_lists_are_damage(folder: Path, column: str, message: str) -> None:
    path = folder / "edges/cites/columns.parquet"
    table = pq.read_table(path, partitioning=None)
    place = table.schema.get_field_index(column)
    values = table[column].to_pylist()
    values[0], values[2] = values[3], values[0]
    pq.write_table(table.set_column(place, column, pa.array(values, table.schema.field(column).type)), path)
    sealed(folder)
    with pytest.raises(CorruptStore) as caught:
        rh.Store.open(folder).verify()
    assert str(caught.value) == f"{path}: {message}"


@pytest.mark.parametrize(
    ("table", "changes", "message"),
    [
        ("cites", {"edges": 7}, "edges, nulls and dangling ends of edge table 'cites': 9 contradicts 8"),
        ("cites", {"null_times": 1}, "edge table 'cites' of 8 edges has 1 null times"),
        ("cites", {"null_times": 9}, "edge table 'cites' of 8 edges has 9 null times"),
        ("cites", {"delayed": 5}, "edge table 'cites' of 8 edges has 5 delayed edges"),
        ("cites", {"null_weights": 9}, "edge table 'cites' of 8 edges has 9 null weights"),
        ("visits", {"delayed": 1}, "edge table 'visits' of 5 edges has 1 delayed edges"),
        ("cites", {"columns": False}, "edge table 'cites' has no columns, but 'seen' is one"),
        ("cites", {"edge_ids": False}, "numbers of the edges of edge table 'cites': False contradicts True"),
        (
            "friends",
            {"edge_ids": True},
            "numbers of the edges of edge table 'friends': True contradicts False",
        ),
        (
            "visits",
            {"attributes": {"x": {"dtype": "float32", "shape": [0, 2**61]}}},
            f"edge table 'visits', attribute 'x': 5 rows of shape [0, {2**61}]",
        ),
    ],
)
def test_counts_that_contradict_each_other_are_damage(
    folder: Path, table: str, changes: dict[str, Any], message: str
) -> None:
    sealed(folder, lambda content: content["edge_tables"][table].update(changes))
    with pytest.raises(CorruptStore) as caught:
        rh.Store.open(folder)
    assert str(caught.value) == f"{folder / 'manifest.json'}: {message}"


def test_a_file_that_is_missing_or_too_short_is_found_at_once(folder: Path) -> None:
    path = folder / "edges/friends/in/neighbors.bin"
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(CorruptStore) as caught:
        rh.Store.open(folder)
    assert (
        str(caught.value) == f"{path} has {len(content) - 1} bytes, not {len(content)}; build the store again"
    )
    path.unlink()
    with pytest.raises(CorruptStore) as caught:
        rh.Store.open(folder)
    assert str(caught.value) == f"{path} is missing; build the store again"


def test_lists_that_lie_about_rows_are_refused_by_the_sampler_too(folder: Path) -> None:
    rewrite(folder / "edges/friends/in/neighbors.bin", 3, put(0, 3))
    sealed(folder)
    store = rh.Store.open(folder)
    with pytest.raises(CorruptStore):
        rh.SeedSampler(store, [-1]).sample("authors", np.arange(3))
