"""Graphs whose nodes are named by numbers: tables for types of nodes, edge tables for types of edges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from relhop.edge_table import EdgeTable
from relhop.errors import SourceError, nearest
from relhop.schema import Table
from relhop.sources.arrays import POSITION_COLUMN
from relhop.times import TimeUnit

NODE, EDGE = "node", "edge"
"""What the one table and the one edge table of a graph without types are called."""


def node_table(
    name: str, source: Mapping[str, Any], num_nodes: int, time_attr: str | None, time_unit: TimeUnit
) -> Table:
    """The nodes of a type.

    Args:
        name: The type.
        source: Arrays by column; may be empty.
        num_nodes: How many there are.
        time_attr: The column of times, where there is such a column.
        time_unit: What its numbers count, since 1970.
    """
    timed = time_attr in source
    return Table(
        name,
        source=source or {POSITION_COLUMN: np.arange(num_nodes)},
        pkey_col=(),  # Edges name nodes by their numbers, whatever the arrays hold.
        time_col=time_attr if timed else "",
        time_unit=time_unit if timed else None,
    )


def edge_tables(
    sources: Mapping[tuple[str, str, str], Mapping[str, Any]],
    tables: list[Table],
    time_attr: str | None,
    time_unit: TimeUnit,
) -> list[EdgeTable]:
    """The edges of each type.

    Args:
        sources: Arrays by column, one of them the ends, of each type (src, relation, dst).
        tables: Of the nodes.
        time_attr: The column of times, where there is such a column.
        time_unit: What its numbers count, since 1970.

    Raises:
        SourceError: If neither nodes nor edges have a column `time_attr`.
    """
    if time_attr is not None:
        known = {column for source in sources.values() for column in source}
        known |= {column for table in tables for column in table.source}
        if time_attr not in known:
            hint = nearest(time_attr, sorted(known))
            raise SourceError(f"neither nodes nor edges have the time_attr '{time_attr}'.{hint}")
    names = edge_table_names(list(sources), tables)
    described = []
    for name, ((src, relation, dst), source) in zip(names, sources.items(), strict=True):
        timed = time_attr in source
        described.append(
            EdgeTable(
                name,
                src=src,
                dst=dst,
                source=source,
                time_col=time_attr if timed else None,
                time_unit=time_unit if timed else None,
                relation=relation,
            )
        )
    return described


def edge_table_names(edge_types: list[tuple[str, str, str]], tables: list[Table]) -> list[str]:
    """What each type's edge table is called: as the relation, or, if that is not unique, as all parts."""
    taken = [relation for _, relation, _ in edge_types] + [table.name for table in tables]
    return [t[1] if taken.count(t[1]) == 1 else "__".join(t) for t in edge_types]
