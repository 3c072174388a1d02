"""What the steps of a build share that write neighbor lists: weights read, lists built in bounded memory."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from relhop._native import ListFiles, PackedRows, build_lists
from relhop.errors import SourceError
from relhop.sources.columns import is_no_weight, weight_of
from relhop.store import sql
from relhop.store.tables import Build

_LEAST_THREAD_BYTES = 1 << 19  # that build_lists takes


def read_weights(
    build: Build, where: str, relation: str, column: str, place: str
) -> tuple[npt.NDArray[np.float64], int]:
    """A column of weights, mapped from a file of the build, null as 0; and how many are null.

    Args:
        build: The store.
        where: Begins messages: "table 'orders', column 'quantity'".
        relation: Something to select from, in the order wanted.
        column: Its name there.
        place: The column of positions in the input.

    Raises:
        SourceError: If a weight is negative, infinite or NaN, or they add up to infinity.
    """
    wrong = f"SELECT {sql.name(column)}, {place} FROM {relation} WHERE {is_no_weight(column)}"
    for value, row in build.connection.execute(f"{wrong} ORDER BY {place} LIMIT 1").fetchall():
        raise SourceError(f"{where}: the weight in row {row} is {value}; weights are finite and at least 0")
    nulls, total = 0, 0.0
    path = build.scratch / "weights"
    with path.open("wb") as file:
        query = f"SELECT coalesce({weight_of(column)}, 0), {sql.name(column)} IS NULL FROM {relation}"
        for weights, is_null in build.stream(query):
            file.write(weights.data)
            nulls += int(np.count_nonzero(is_null))
            with np.errstate(over="ignore"):
                total += float(weights.astype(np.float64).sum())
    if not math.isfinite(total):
        raise SourceError(f"{where}: the weights add up to infinity; scale them down with sql")
    return mapped_and_gone(path, np.float64), nulls


def mapped_and_gone(path: Path, dtype: type[np.generic]) -> npt.NDArray[Any]:
    """A file as an array; its name goes at once, its bytes when the array does."""
    mapped = np.memmap(path, dtype, mode="r") if path.stat().st_size else np.empty(0, dtype)
    path.unlink()
    return mapped


def write_lists(
    build: Build,
    targets: tuple[PackedRows | npt.NDArray[np.integer[Any]], int],
    sources: tuple[PackedRows | npt.NDArray[np.integer[Any]] | None, int],
    weights: npt.NDArray[np.floating[Any]] | None,
    files: ListFiles,
    *,
    sort_sources: bool = False,
) -> int:
    """Writes the list of each target within the memory that DuckDB has; returns the number of edges.

    Args:
        build: The store.
        targets: In whose list each edge is, and of how many rows.
        sources: What is listed, and of how many rows; None: of edge i it is row i.
        weights: Of each edge.
        files: To write.
        sort_sources: Whether lists ascend; else they are in the order of the edges.
    """
    memory_limit, num_threads = build.limits()
    built = build_lists(
        *targets,
        *sources,
        weights,
        files,
        sort_sources=sort_sources,
        memory_limit=max(memory_limit, num_threads * _LEAST_THREAD_BYTES),
        num_threads=num_threads,
        scratch_folder=str(build.scratch),
    )
    return built.num_edges
