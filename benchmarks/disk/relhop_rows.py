"""relhop's side: rows of a matrix through its native pipeline, with no graph around them.

A batch of seeds with no hops is what those seeds are: so the pipeline delivers any rows, looking ahead as it
does for a model.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.disk.device import Device
from benchmarks.disk.matrix import Matrix
from benchmarks.graphs import Array
from relhop import _native

LOOK_AHEAD = 16


def in_memory(matrix: Matrix, *, mapped: bool) -> tuple[Array, _native.FeatureTable]:
    """The matrix, float32 [rows, width], loaded or mapped; and relhop's view of the same memory."""
    values: Array = (
        np.memmap(matrix.path, np.uint8, "c").view(np.ndarray)
        if mapped
        else np.fromfile(matrix.path, np.uint8)
    ).reshape(matrix.rows, matrix.row_bytes)
    return values.view(np.float32), _native.FeatureTable("rows", values, [0, matrix.width, 0], None, None)


def on_disk(
    matrix: Matrix, pool_bytes: int, device: Device
) -> tuple[_native.DiskRecords, _native.FeatureTable]:
    """The matrix on disk behind a pool; whose plans follow the device's costs."""
    fields = [0, matrix.width, 0]
    records = _native.DiskRecords(
        "rows",
        str(matrix.path),
        matrix.row_bytes,
        fields,
        matrix.rows,
        pool_bytes=pool_bytes,
        reads_per_second=1 / device.seconds_per_read,
        bytes_per_second=device.bytes_per_second,
    )
    return records, _native.FeatureTable("rows", records, fields, None, None)


def stream(
    table: _native.FeatureTable,
    num_rows: int,
    batches: list[Array],
    *,
    num_threads: int = 2,
    look_ahead: int = LOOK_AHEAD,
) -> Iterator[Array]:
    """The rows of each batch, float32 [N, width].

    Args:
        table: Of `in_memory` or `on_disk`.
        num_rows: Of the matrix.
        batches: All of one size.
        num_threads: Native ones.
        look_ahead: Batches that the reader sees before it reads them; for rows on disk.
    """
    topology = _native.Topology([_native.TableRows("rows", num_rows, None)], [])
    options = _native.SampleOptions([], 0, 0, [num_rows], disjoint=False)
    rows = np.concatenate(batches)
    times = np.full(len(rows), np.iinfo(np.int64).max)
    pipeline = _native.Pipeline(
        topology,
        [table],
        options,
        0,
        rows,
        times,
        len(batches[0]),
        num_threads,
        2 * num_threads,
        look_ahead,
    )
    try:
        for _ in batches:
            batch = pipeline.next()
            assert batch is not None, "the pipeline makes as many batches as there are"
            yield batch["features"][0]["numerical"]
    finally:
        pipeline.close()
