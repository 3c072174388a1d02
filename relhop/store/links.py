"""The step of a build that turns a foreign key into row numbers, in both directions, and adds up weights."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from relhop._native import ListFiles, PackedRows, build_lists, width_of
from relhop.errors import SourceError
from relhop.schema import Link
from relhop.sources.columns import is_no_weight, weight_of
from relhop.store import layout, sql
from relhop.store.packed import PackedWriter
from relhop.store.tables import ORDER_COLUMN, Build

_LEAST_THREAD_BYTES = 1 << 19  # that build_lists takes


def join_keys(build: Build, link: Link) -> None:
    """Finds each child row's parent and writes parents.bin, offsets.bin, children.bin and any weights.bin.

    Of parents with the same key the first row is taken: so what is true at one time stays true when rows are
    added.

    Raises:
        SourceError: If a weight is negative, infinite or NaN, or they add up to infinity.
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
    weights, null_weights = (None, 0) if link.weight is None else _weights(build, link, link.weight)
    edges = _write_children(build, link, weights)
    build.links[link.name] = layout.LinkEntry(
        edges=edges, nulls=nulls, dangling=missing - nulls, null_weights=null_weights
    )


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


def _weights(build: Build, link: Link, column: str) -> tuple[npt.NDArray[np.float64], int]:
    """The weight of each child row, mapped from a file of the build, and how many are null."""
    child = sql.parquet(build.scratch_file("sorted", link.child))
    where = f"table '{link.child}', column '{column}'"
    timed = build.schema.table(link.child).time_col is not None
    place = ORDER_COLUMN if timed else layout.ROW_COLUMN
    wrong = f"SELECT {sql.name(column)}, {place} FROM {child} WHERE {is_no_weight(column)}"
    for value, row in build.connection.execute(f"{wrong} ORDER BY {place} LIMIT 1").fetchall():
        raise SourceError(f"{where}: the weight in row {row} is {value}; weights are finite and at least 0")
    nulls, total = 0, 0.0
    path = build.scratch / "weights"
    with path.open("wb") as file:
        query = f"SELECT coalesce({weight_of(column)}, 0), {sql.name(column)} IS NULL FROM {child}"
        for weights, is_null in build.stream(query):
            file.write(weights.data)
            nulls += int(np.count_nonzero(is_null))
            with np.errstate(over="ignore"):
                total += float(weights.astype(np.float64).sum())
    if not math.isfinite(total):
        raise SourceError(f"{where}: the weights add up to infinity; scale them down with sql")
    rows = build.rows[link.child]
    mapped = np.memmap(path, np.float64, mode="r") if rows else np.empty(0)
    path.unlink()  # What is mapped stays until it is let go.
    return mapped, nulls


def _write_children(build: Build, link: Link, weights: npt.NDArray[np.float64] | None) -> int:
    """Writes offsets and what they delimit, children and sums of weights; returns the number of edges."""
    num_children, num_parents = build.rows[link.child], build.rows[link.parent]
    parents = np.memmap(build.file(layout.link_file(link, "parents.bin")), np.uint8, mode="r")
    files = ListFiles(
        offsets=str(build.file(layout.link_file(link, "offsets.bin"))),
        neighbors=str(build.file(layout.link_file(link, "children.bin"))),
        weights=None if weights is None else str(build.file(layout.link_file(link, "weights.bin"))),
    )
    memory_limit, num_threads = build.limits()
    built = build_lists(
        PackedRows(parents, num_children, width_of(num_parents)),
        num_parents,
        None,
        num_children,
        weights,
        files,
        memory_limit=max(memory_limit, num_threads * _LEAST_THREAD_BYTES),
        num_threads=num_threads,
        scratch_folder=str(build.scratch),
    )
    return built.num_edges
