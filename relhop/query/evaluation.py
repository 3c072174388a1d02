"""Runs a compiled query for a list of anchor times.

Streams: examples that are dropped never pile up in memory, and those that are kept take 20 bytes each.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from relhop.query.statement import Drop

_BATCH_ROWS = 1 << 16

_ROW_BITS = 40
"""An anchor's number and a row make one integer, so that ordering a hundred million examples takes 2 GB."""


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
    places, targets = [np.empty(0, np.int64)], [pa.array([], reader.schema.field("target").type)]
    for batch in reader:
        dropped = batch.column("dropped").to_numpy()
        anchor_ids = batch.column("anchor_id").to_numpy()
        counts += np.bincount(anchor_ids * len(Drop) + dropped, minlength=len(counts))
        kept = np.flatnonzero(dropped == Drop.kept)
        entities = batch.column("entity").to_numpy()
        places.append(anchor_ids[kept].astype(np.int64) << _ROW_BITS | entities[kept])
        targets.append(batch.column("target").take(pa.array(kept)))
    place, target = np.concatenate(places), pa.concat_arrays(targets)
    del places, targets
    order = np.argsort(place, kind="stable")
    place = place[order]
    return Examples(
        rows=place & ((1 << _ROW_BITS) - 1),
        anchor_ids=place >> _ROW_BITS,
        target=target.take(pa.array(order)),
        counts=counts.reshape(len(anchors), len(Drop)),
    )
