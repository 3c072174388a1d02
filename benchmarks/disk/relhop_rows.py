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
_WAITING_BYTES = 1 << 30
"""Of batches that wait for their consumer, though one always may."""


def in_memory(matrix: Matrix, *, mapped: bool) -> tuple[Array, _native.FeatureTable]:
    """What the file holds, float32 [rows, width], loaded or mapped; and relhop's view of the same memory."""
    values: Array = (
        np.memmap(matrix.path, np.uint8, "c").view(np.ndarray)
        if mapped
        else np.fromfile(matrix.path, np.uint8)
    ).reshape(matrix.rows, matrix.row_bytes)
    fields = [0, matrix.width, 0]
    table = _native.FeatureTable("rows", values, fields, None, None, slots=matrix.packed_slots())
    return values.view(np.float32), table


def on_disk(
    matrix: Matrix, pool_bytes: int, device: Device
) -> tuple[_native.DiskRecords, _native.FeatureTable]:
    """The matrix on disk behind a pool; whose plans follow the device's costs."""
    fields, slots = [0, matrix.width, 0], matrix.packed_slots()
    records = _native.DiskRecords(
        "rows",
        str(matrix.path),
        matrix.row_bytes,
        fields,
        matrix.rows,
        pool_bytes=pool_bytes,
        reads_per_second=1 / device.seconds_per_read,
        bytes_per_second=device.bytes_per_second,
        slots=slots,
    )
    return records, _native.FeatureTable("rows", records, fields, None, None, slots=slots)


def stream(
    table: _native.FeatureTable,
    matrix: Matrix,
    batches: list[Array],
    *,
    num_threads: int = 2,
    look_ahead: int = LOOK_AHEAD,
) -> Iterator[Array]:
    """The rows of each batch, float32 [N, width].

    Args:
        table: Of `in_memory` or `on_disk`.
        matrix: Whose rows they are.
        batches: All of one size.
        num_threads: Native ones.
        look_ahead: Batches that the reader sees before it reads them; for rows on disk.
    """
    topology = _native.Topology([_native.TableRows("rows", matrix.rows, None)], [])
    options = _native.SampleOptions([], 0, 0, [matrix.rows], disjoint=False)
    pipeline = _native.Pipeline(
        topology,
        [(table, False, 0)],
        options,
        num_threads,
        depth(len(batches[0]) * matrix.row_bytes, num_threads),
        look_ahead,
    )
    try:
        for rows in batches:
            pipeline.put(np.zeros(len(rows), np.uint32), rows, np.full(len(rows), np.iinfo(np.int64).max))
        pipeline.finish()
        for _ in batches:
            batch = pipeline.next()
            assert batch is not None, "the pipeline makes as many batches as there are"
            yield batch["features"][0]["numerical"]
    finally:
        pipeline.close()


def depth(batch_bytes: int, num_threads: int) -> int:
    """How many batches may wait for their consumer: two a thread, as in relhop's loader, if memory allows."""
    return min(2 * num_threads, max(1, _WAITING_BYTES // batch_bytes))
