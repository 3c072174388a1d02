"""PyG's `Data` and `HeteroData` as tables and edge tables: all tensors that have a row for each node or edge.

Knows PyG only by what its objects offer, and imports neither it nor torch.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from relhop.edge_table import EdgeTable
from relhop.errors import SourceError
from relhop.schema import Table
from relhop.sources.edge_arrays import EDGE_INDEX
from relhop.sources.numbered import EDGE, NODE, edge_tables, node_table
from relhop.times import TimeUnit


def tables_of_pyg(
    data: Any, time_attr: str | None = None, time_unit: TimeUnit = "s"
) -> tuple[list[Table], list[EdgeTable]]:
    """The tables and edge tables of a graph in memory; the ends of edges are the nodes' numbers.

    Args:
        data: A `Data` or a `HeteroData`.
        time_attr: The attribute that says when nodes or edges came to be, of those types that have it.
        time_unit: What its numbers count, since 1970.

    Raises:
        SourceError: If it is neither, the nodes of a type have no number, or edges no `edge_index`.
    """
    if hasattr(data, "node_types"):
        nodes = {name: data[name] for name in data.node_types}
        edges = {edge_type: data[edge_type] for edge_type in data.edge_types}
    elif hasattr(data, "node_attrs"):
        nodes = {NODE: data}
        edges = {(NODE, EDGE, NODE): data} if data.edge_attrs() else {}
    else:
        raise SourceError(f"a {type(data).__name__} is no graph of PyG; give a Data or a HeteroData")
    tables = []
    for name, store in nodes.items():
        if store.num_nodes is None:
            raise SourceError(f"the nodes of type '{name}' have no number; set num_nodes")
        source = _source(name, store, store.node_attrs())
        tables.append(node_table(name, source, store.num_nodes, time_attr, time_unit))
    sources = {}
    for edge_type, store in edges.items():
        sources[edge_type] = _source(" ".join(edge_type), store, store.edge_attrs())
        if EDGE_INDEX not in sources[edge_type]:
            raise SourceError(f"the edges of type {edge_type} have no '{EDGE_INDEX}'; give them one")
    return tables, edge_tables(sources, tables, time_attr, time_unit)


def _source(what: str, store: Any, names: list[str]) -> dict[str, Any]:
    """The tensors and arrays among some attributes."""
    found = {name: store[name] for name in names}
    for name, value in found.items():
        if not isinstance(value, np.ndarray) and not hasattr(value, "detach"):
            raise SourceError(
                f"{what}: '{name}' is a {type(value).__name__}; give a tensor or an array, or take it away"
            )
    return found
