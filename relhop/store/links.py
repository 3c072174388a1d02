"""The step of a build that turns a foreign key into row numbers, in both directions."""

from __future__ import annotations

import numpy as np

from relhop._native import ListFiles, PackedRows, build_lists, width_of
from relhop.schema import Link
from relhop.store import layout, sql
from relhop.store.packed import PackedWriter
from relhop.store.tables import Build

_LEAST_THREAD_BYTES = 1 << 19  # that build_lists takes


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
    edges = _write_children(build, link)
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


def _write_children(build: Build, link: Link) -> int:
    """Writes offsets and the children that they delimit, from parents.bin; returns the number of edges."""
    num_children, num_parents = build.rows[link.child], build.rows[link.parent]
    parents = np.memmap(build.file(layout.link_file(link, "parents.bin")), np.uint8, mode="r")
    files = ListFiles(
        offsets=str(build.file(layout.link_file(link, "offsets.bin"))),
        neighbors=str(build.file(layout.link_file(link, "children.bin"))),
    )
    # DuckDB's memory is free between two queries.
    limits = "SELECT parse_formatted_bytes(current_setting('memory_limit')), current_setting('threads')"
    [(memory_limit, num_threads)] = build.connection.execute(limits).fetchall()
    built = build_lists(
        PackedRows(parents, num_children, width_of(num_parents)),
        num_parents,
        None,
        num_children,
        None,
        files,
        memory_limit=max(memory_limit, num_threads * _LEAST_THREAD_BYTES),
        num_threads=num_threads,
        scratch_folder=str(build.scratch),
    )
    return built.num_edges
