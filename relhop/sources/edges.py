"""Edge tables as tables to read: their columns mean ends, a time, a weight."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import duckdb

from relhop.edge_table import EdgeTable
from relhop.errors import SchemaError, nearest
from relhop.schema import Stype, Table
from relhop.sources.binding import input_types
from relhop.sources.edge_arrays import wrapped


def as_table(edges: EdgeTable) -> Table:
    """What an edge table is to those who read tables: one without a key, whose ends are ids."""
    ends = [column for column in (edges.src_col, edges.dst_col) if column is not None]
    return Table(
        edges.name,
        source=wrapped(edges.source),
        sql=edges.sql,
        pkey_col=(),
        time_col=edges.time_col,
        time_unit=edges.time_unit,
        stypes=dict.fromkeys(ends, Stype.id),
    )


def resolved(connection: duckdb.DuckDBPyConnection, edge_tables: Iterable[EdgeTable]) -> list[EdgeTable]:
    """Edge tables whose ends have columns: where none are named, the first two.

    Args:
        connection: Has the views of `relhop.sources.binding.bind_inputs` for them.
        edge_tables: Descriptions.

    Raises:
        SchemaError: If an edge table has not the columns that it names, or fewer than two.
    """
    return [_resolved(edges, list(input_types(connection, edges.name))) for edges in edge_tables]


def _resolved(edges: EdgeTable, columns: list[str]) -> EdgeTable:
    for role in ("src_col", "dst_col", "time_col", "weight_col"):
        column = getattr(edges, role)
        if column is not None and column not in columns:
            raise SchemaError(
                f"edge table '{edges.name}' has no column '{column}', which {role} names."
                f"{nearest(column, columns)}"
            )
    if edges.src_col is not None:
        return edges
    if len(columns) < 2:
        raise SchemaError(f"edge table '{edges.name}' has {len(columns)} column, but needs one for each end")
    return dataclasses.replace(edges, src_col=columns[0], dst_col=columns[1])
