"""The step of a build that turns a foreign key into row numbers, in both directions, and adds up weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from relhop._native import ListFiles, PackedRows, width_of
from relhop.schema import Link
from relhop.store import layout, sql
from relhop.store.keys import keyed_rows
from relhop.store.lists import read_weights, write_lists
from relhop.store.manifest import LinkEntry
from relhop.store.packed import PackedWriter
from relhop.store.tables import ORDER_COLUMN, Build


def join_keys(build: Build, link: Link) -> None:
    """Finds each child row's parent and writes parents.bin, offsets.bin, children.bin and any weights.bin.

    Of parents with the same key the first row is taken: so what is true at one time stays true when rows are
    added.

    Raises:
        SourceError: If a weight is negative, infinite or NaN, or they add up to infinity.
    """
    child = sql.parquet(build.scratch_file("sorted", link.child))
    path = build.scratch_file("link", link.name)
    build.copy(parents_of(build, child, link.columns, link.parent), path)
    joined = sql.parquet(path)
    nulls, missing = _write_parents(build, link, joined)
    weights, null_weights = (None, 0) if link.weight is None else _weights(build, link, link.weight, child)
    edges = _write_children(build, link, weights)
    build.links[link.name] = LinkEntry(
        edges=edges, nulls=nulls, dangling=missing - nulls, null_weights=null_weights
    )


def parents_of(build: Build, child: str, columns: Sequence[str], parent: str) -> str:
    """The query that finds the parent of each row: `child` (the row), `parent`, `is_null` (its key), by row.

    Args:
        build: The parent's keys are indexed.
        child: Something to select from, with the column `_rh_row`.
        columns: The foreign key there.
        parent: A table.
    """
    keys = keyed_rows(build, parent)
    child_types, key_types = build.types(child), build.types(keys)
    fkey = ["c." + sql.name(column) for column in columns]
    pkey = [f"p.k{i}" for i in range(len(fkey))]
    types = [(child_types[column], key_types[f"k{i}"]) for i, column in enumerate(columns)]
    is_null = " OR ".join(f"{column} IS NULL" for column in fkey)
    found = (
        f"SELECT c._rh_row AS child, p.parent AS parent, ({is_null}) AS is_null FROM {child} c"
        f" LEFT JOIN {keys} p ON {sql.keys_equal(fkey, pkey, types)}"
    )
    if not sql.compare_exactly(types):
        first = "child, min(parent) AS parent, any_value(is_null) AS is_null"
        found = f"SELECT {first} FROM ({found}) GROUP BY child"
    return f"SELECT * FROM ({found}) ORDER BY child"


def _weights(build: Build, link: Link, column: str, child: str) -> tuple[npt.NDArray[np.float64], int]:
    """The weight of each child row, and how many are null."""
    timed = build.schema.table(link.child).time_col is not None
    place = ORDER_COLUMN if timed else layout.ROW_COLUMN
    return read_weights(build, f"table '{link.child}', column '{column}'", child, column, place)


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


def _write_children(build: Build, link: Link, weights: npt.NDArray[np.float64] | None) -> int:
    """Writes offsets and what they delimit, children and sums of weights; returns the number of edges."""
    num_children, num_parents = build.rows[link.child], build.rows[link.parent]
    parents = np.memmap(build.file(layout.link_file(link, "parents.bin")), np.uint8, mode="r")
    files = ListFiles(
        offsets=str(build.file(layout.link_file(link, "offsets.bin"))),
        neighbors=str(build.file(layout.link_file(link, "children.bin"))),
        weights=None if weights is None else str(build.file(layout.link_file(link, "weights.bin"))),
    )
    targets = PackedRows(parents, num_children, width_of(num_parents)), num_parents
    return write_lists(build, targets, (None, num_children), weights, files)
