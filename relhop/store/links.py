"""The step of a build that turns a foreign key into row numbers, in both directions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from relhop._native import width_of
from relhop.schema import Link
from relhop.store import layout, sql
from relhop.store.packed import PackedWriter
from relhop.store.tables import Build

_OFFSET_ROWS = 1 << 20


def join_keys(build: Build, link: Link) -> None:
    """Finds each child row's parent and writes parents.bin, offsets.bin and children.bin.

    Of parents with the same key the first row is taken: so what is true at one time stays true when rows are
    added.
    """
    child = sql.parquet(build.scratch_file("sorted", link.child))
    keys = sql.parquet(build.scratch_file("keys", link.parent))
    child_types, key_types = build.types(child), build.types(keys)
    fkey = ["c." + sql.name(column) for column in link.columns]
    pkey = [f"p.k{i}" for i in range(len(fkey))]
    types = [(child_types[column], key_types[f"k{i}"]) for i, column in enumerate(link.columns)]
    is_null = " OR ".join(f"{column} IS NULL" for column in fkey)
    found = (
        f"SELECT c._rh_row AS child, p.parent AS parent, ({is_null}) AS is_null FROM {child} c"
        f" LEFT JOIN {keys} p ON {sql.keys_equal(fkey, pkey, types)}"
    )
    if not sql.compare_exactly(types):
        first = "child, min(parent) AS parent, any_value(is_null) AS is_null"
        found = f"SELECT {first} FROM ({found}) GROUP BY child"
    path = build.scratch_file("link", link.name)
    build.copy(f"SELECT * FROM ({found}) ORDER BY child", path)
    joined = sql.parquet(path)
    nulls, missing = _write_parents(build, link, joined)
    edges = build.rows[link.child] - missing
    _write_children(build, link, joined, edges)
    build.links[link.name] = layout.LinkEntry(edges=edges, nulls=nulls, dangling=missing - nulls)


def _write_parents(build: Build, link: Link, joined: str) -> tuple[int, int]:
    """Returns the number of null keys, and of rows without a parent."""
    width = width_of(build.rows[link.parent])
    nulls = missing = 0
    with PackedWriter(build.file(layout.link_file(link, "parents.bin")), width) as parents:
        for parent, is_null in build.stream(f"SELECT coalesce(parent, -1), is_null FROM {joined}"):
            parents.write(parent.astype(np.int64))
            nulls += int(np.count_nonzero(is_null))
            missing += int(np.count_nonzero(parent == -1))
    return nulls, missing


def _write_children(build: Build, link: Link, joined: str, edges: int) -> None:
    """Writes offsets and the children that they delimit."""
    num_children, num_parents = build.rows[link.child], build.rows[link.parent]
    written = next_parent = 0
    query = f"SELECT parent, child FROM {joined} WHERE parent IS NOT NULL ORDER BY parent, child"
    with (
        PackedWriter(build.file(layout.link_file(link, "offsets.bin")), width_of(edges)) as offsets,
        PackedWriter(build.file(layout.link_file(link, "children.bin")), width_of(num_children)) as children,
    ):
        for parents, rows in build.stream(query):
            children.write(rows.astype(np.int64))
            last = int(parents[-1])
            _write_offsets(offsets, parents, written, range(next_parent, last + 1))
            next_parent = max(next_parent, last + 1)
            written += len(rows)
        _write_offsets(offsets, np.empty(0, np.int64), written, range(next_parent, num_parents + 1))


def _write_offsets(file: PackedWriter, parents: npt.NDArray[np.generic], base: int, wanted: range) -> None:
    """Writes, for each wanted parent, base + how many of the ascending `parents` are below it."""
    for start in range(wanted.start, wanted.stop, _OFFSET_ROWS):
        chunk = np.arange(start, min(start + _OFFSET_ROWS, wanted.stop))
        file.write(base + np.searchsorted(parents, chunk))
