"""Runs a compiled query for a list of anchor times.

Streams: examples that are dropped never pile up in memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from relhop.query.statement import Drop

_BATCH_ROWS = 1 << 16


@dataclass(frozen=True)
class Examples:
    """What a query finds, ordered by anchor, then by entity row.

    Attributes:
        rows: int64 [n], row numbers of the entity table.
        anchor_ids: int64 [n], indices into the anchors asked for.
        target: [n] values as the query computes them.
        counts: int64 [anchors, len(Drop)]: how many visible entities met which fate at each anchor.
    """

    rows: NDArray[np.int64]
    anchor_ids: NDArray[np.int64]
    target: pa.Array
    counts: NDArray[np.int64]


def evaluate(connection: duckdb.DuckDBPyConnection, sql: str, anchors: NDArray[np.int64]) -> Examples:
    """The examples of a statement of `CompiledQuery` at those anchors (int64 [k], µs since 1970)."""
    times = pa.table(
        {"anchor_id": np.arange(len(anchors)), "anchor_time": pa.array(anchors, pa.timestamp("us"))}
    )
    connection.register("_rh_given_anchors", times)
    connection.execute("CREATE OR REPLACE TEMP TABLE _rh_anchors AS FROM _rh_given_anchors")
    reader = connection.sql(sql).to_arrow_reader(_BATCH_ROWS)
    counts = np.zeros(len(anchors) * len(Drop), np.int64)
    kept: list[pa.RecordBatch] = []
    for batch in reader:
        dropped = batch.column("dropped").to_numpy()
        fates = batch.column("anchor_id").to_numpy() * len(Drop) + dropped
        counts += np.bincount(fates, minlength=len(counts))
        kept.append(batch.filter(pa.array(dropped == Drop.kept)))
    table = pa.Table.from_batches(kept, reader.schema).sort_by(
        [("anchor_id", "ascending"), ("entity", "ascending")]
    )
    return Examples(
        rows=table["entity"].to_numpy().astype(np.int64),
        anchor_ids=table["anchor_id"].to_numpy().astype(np.int64),
        target=table["target"].combine_chunks(),
        counts=counts.reshape(len(anchors), len(Drop)),
    )
