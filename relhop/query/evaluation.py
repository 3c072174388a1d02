"""Runs a compiled query for a list of anchor times.

An anchor with many rows has a statement of its own: DuckDB then reads of a table only what lies in the
window, for a store's rows are in the order of time, and keeps the groups of one anchor. Where anchors have
few rows, one statement is for many. Examples that are dropped never pile up in memory, and those that are
kept take 8 bytes each besides their label.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from relhop.query.statement import Drop

_BATCH_ROWS = 1 << 17

_STATEMENT_ROWS = 1 << 18
"""How many rows a statement should read, for it takes milliseconds besides."""

_LEAST_ANCHORS = 8
"""DuckDB compares rows with each of a few anchors; for more than these it sorts, which takes several times as
long."""

_ROW_BITS = 40
"""An anchor's number and a row make one integer, by which examples are ordered."""

_Scalar = TypeVar("_Scalar", bound=np.generic)


@dataclass(frozen=True)
class Examples:
    """What a query finds, ordered by anchor, then by entity row.

    Attributes:
        rows: int64 [n], row numbers of the entity table.
        target: [n] values as the query computes them.
        counts: int64 [anchors, len(Drop)]: how many visible entities met which fate at each anchor.
    """

    rows: NDArray[np.int64]
    target: pa.ChunkedArray
    counts: NDArray[np.int64]

    def by_anchor(self, values: NDArray[_Scalar]) -> NDArray[_Scalar]:
        """What each anchor has [anchors], for each example [n]."""
        return np.repeat(values, self.counts[:, Drop.kept])


def evaluate(
    connection: duckdb.DuckDBPyConnection, sql: str, anchors: NDArray[np.int64], rows_per_anchor: int = 0
) -> Examples:
    """The examples of a statement of `CompiledQuery`.

    Args:
        connection: Shows the tables.
        sql: The statement.
        anchors: int64 [k], microseconds since 1970.
        rows_per_anchor: About how many rows are read for an anchor; changes speed only.
    """
    at_once = _STATEMENT_ROWS // max(1, rows_per_anchor)
    step = at_once if at_once >= _LEAST_ANCHORS else 1
    parts = [
        _examples_at(connection, sql, anchors[begin : begin + step])
        for begin in range(0, max(1, len(anchors)), step)
    ]
    return Examples(
        rows=np.concatenate([part.rows for part in parts]),
        target=pa.chunked_array([chunk for part in parts for chunk in part.target.chunks]),
        counts=np.concatenate([part.counts for part in parts]),
    )


def _examples_at(connection: duckdb.DuckDBPyConnection, sql: str, anchors: NDArray[np.int64]) -> Examples:
    """The examples of some anchors, which one statement finds."""
    times = pa.table(
        {"anchor_id": np.arange(len(anchors)), "anchor_time": pa.array(anchors, pa.timestamp("us"))}
    )
    connection.register("_rh_given_anchors", times)
    connection.execute("CREATE OR REPLACE TEMP TABLE _rh_anchors AS FROM _rh_given_anchors")
    reader = connection.sql(sql).to_arrow_reader(_BATCH_ROWS)
    counts = np.zeros(len(anchors) * len(Drop), np.int64)
    places, targets = [np.empty(0, np.int64)], [pa.array([], reader.schema.field("target").type)]
    for batch in reader:
        dropped, anchor_ids, entities = (
            batch.column(name).to_numpy() for name in ("dropped", "anchor_id", "entity")
        )
        counts += np.bincount(anchor_ids * len(Drop) + dropped, minlength=len(counts))
        kept = dropped == Drop.kept
        places.append((anchor_ids.astype(np.int64) << _ROW_BITS | entities)[kept])
        targets.append(batch.column("target").filter(pa.array(kept)))
    place, target = np.concatenate(places), pa.concat_arrays(targets)
    order = np.argsort(place)
    return Examples(
        rows=place[order] & ((1 << _ROW_BITS) - 1),
        target=pa.chunked_array([target.take(pa.array(order))]),
        counts=counts.reshape(len(anchors), len(Drop)),
    )
