"""Where the arrays of a store go, by their sizes and the memory there is."""

from __future__ import annotations

import pytest

from relhop.store import placement
from relhop.store.manifest import FileEntry, Manifest, TableEntry
from relhop.store.placement import Placement, TablePlacement, parse_size, place, size_text


def manifest(**records: int) -> Manifest:
    """Of a store with 1000 bytes of links and times, and tables with records of so many bytes."""
    sizes = {"links/b.a/children.bin": 600, "tables/b/time.bin": 400, "tables/b/columns.parquet": 10**9}
    files = {file: FileEntry(bytes=size, blake2b="") for file, size in sizes.items()}
    tables = {
        name: TableEntry.model_construct(rows=size // 10, record_size=10) for name, size in records.items()
    }
    return Manifest.model_construct(files=files, tables=tables)


@pytest.mark.parametrize(
    ("free", "records", "topology", "where"),
    [
        (2000, 250, "ram", "ram"),
        (2000, 260, "ram", "disk"),
        (1999, 490, "mmap", "ram"),
        (1999, 500, "mmap", "disk"),
        (3800, 700, "ram", "ram"),
        (3799, 700, "ram", "disk"),
    ],
)
def test_auto_loads_links_and_times_first_then_records(monkeypatch, free, records, topology, where):
    monkeypatch.setattr(placement, "free_memory", lambda: free)
    found = place(manifest(b=records), "auto", None)
    assert (found.topology, found.topology_bytes, found.tables["b"].place) == (topology, 1000, where)


def test_small_tables_are_loaded_and_large_ones_share_what_is_left():
    found = place(manifest(a=5000, b=100, c=900, d=4000), "disk", 4000)
    assert found.tables == {
        "a": TablePlacement("disk", 5000, 1111),
        "b": TablePlacement("ram", 100),
        "c": TablePlacement("ram", 900),
        "d": TablePlacement("disk", 4000, 888),
    }


def test_attributes_are_placed_as_records_are():
    with_attributes = manifest(a=1000)
    sizes = {
        "tables/a/attributes/x.bin": 3000,
        "tables/a/attributes/y.bin": 10,
        "edges/e/attributes/x.bin": 0,
    }
    for file, size in sizes.items():
        with_attributes.files[file] = FileEntry(bytes=size, blake2b="")
    found = place(with_attributes, "disk", 1010 + 1000)
    assert found.tables == {"a": TablePlacement("disk", 1000, 250)}
    assert found.attributes == {
        "tables/a/attributes/x.bin": TablePlacement("disk", 3000, 750),
        "tables/a/attributes/y.bin": TablePlacement("ram", 10),
        "edges/e/attributes/x.bin": TablePlacement("ram", 0),
    }
    for memory in ("ram", "mmap"):
        mapped = place(with_attributes, memory, None)
        assert {placed.place for placed in [*mapped.tables.values(), *mapped.attributes.values()]} == {memory}


def test_links_have_a_part_of_the_pool_by_their_bytes():
    large = manifest(a=3_000_000)
    large.files["links/b.a/children.bin"] = FileEntry(bytes=999_600, blake2b="")
    found = place(large, "disk", 400_000)
    assert (found.topology, found.links_pool_bytes) == ("disk", 100_000)
    assert found.tables == {"a": TablePlacement("disk", 3_000_000, 300_000)}
    assert str(found).startswith("links and times: 1.0 MB on disk, pool of 100.0 kB\n")


@pytest.mark.parametrize(("pool", "left"), [(400, 0), (2000, 1000)])
def test_links_that_are_few_or_fit_their_part_are_loaded(pool, left):
    found = place(manifest(a=2000), "disk", pool)
    assert (found.topology, found.links_pool_bytes) == ("ram", 0)
    assert found.tables == {"a": TablePlacement("disk", 2000, left)}


@pytest.mark.parametrize("memory", ["ram", "mmap"])
def test_all_is_where_it_is_said_to_be(memory):
    assert place(manifest(a=50), memory, None) == Placement(memory, 1000, {"a": TablePlacement(memory, 50)})


def test_a_pool_has_no_use_without_a_disk():
    with pytest.raises(
        ValueError, match=r"^buffer_pool_size is for memory='auto' and memory='disk', not for 'ram'$"
    ):
        place(manifest(a=50), "ram", 10**9)


def test_placement_in_words():
    found = place(manifest(a=5000, b=100), "disk", 4000)
    assert str(found) == (
        "links and times: 1.0 kB in memory\n"
        "records of a: 5.0 kB on disk, pool of 2.9 kB\n"
        "records of b: 100 B in memory"
    )


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (0, 0),
        (12345, 12345),
        ("12345", 12345),
        ("4 GB", 4 * 10**9),
        ("1.5gib", 3 * 2**29),
        (" 2 kB ", 2000),
        ("512MiB", 2**29),
        ("3 T", 3 * 10**12),
    ],
)
def test_sizes_are_bytes_or_text(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1", "1 EB", "1 GBB", "1e9", -1])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match=r"is no size; give bytes, or a number with kB, MB, GB, TB, KiB"):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_960, "1.0 MB"), (10**17, "100000.0 TB")],
)
def test_sizes_in_words(size, text):
    assert size_text(size) == text


def test_a_cgroups_limit_bounds_what_is_free(monkeypatch, tmp_path):
    group = tmp_path / "user.slice"
    group.mkdir()
    for name, content in {
        "memory.max": "5000\n",
        "memory.current": "4000\n",
        "memory.stat": "anon 1\ninactive_file 300\nactive_file 20\n",
    }.items():
        (group / name).write_text(content)
    (tmp_path / "memory.max").write_text("max\n")
    assert placement._left_in_cgroups("user.slice", tmp_path) == [1320]
    assert placement._left_in_cgroups("nowhere", tmp_path) == []
