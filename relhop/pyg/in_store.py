"""A relhop store -> a graph that the native sampler reads."""

from __future__ import annotations

from typing import Any

from relhop.edge_table import EdgeTable
from relhop.errors import SchemaError, nearest
from relhop.pyg.graph_data import EdgeData, EdgeKey, GraphData, NodeData, NodeKey, Numbering
from relhop.sampling import native_topology
from relhop.schema import EdgeType, Table
from relhop.store.reader import Store
from relhop.times import TimeUnit

OWN_TIME = "time"
"""As `time_attr`: the time column of each table, whatever its name."""


def graph_of_store(store: Store, time_attr: str | None = None, weight_attr: str | None = None) -> GraphData:
    """The graph of a store: a node type a table, and the edge types of its schema.

    A store of one table and one edge table that leads one way is homogeneous.

    Args:
        store: What to read; under `as_of` nothing later exists.
        time_attr: The name of a time column, or "time" for that of each table: the sampler then heeds all
            times.
        weight_attr: The name of the column of weights to draw by.

    Raises:
        SchemaError: If there is no such time, or no such weight.
    """
    homogeneous = is_homogeneous(store)
    nodes: dict[NodeKey, NodeData] = {}
    for name, table in store.tables.items():
        unit = store.schema.tables[name].time_unit
        numbering = Numbering(table.num_rows, table.order)
        nodes[None if homogeneous else name] = NodeData(numbering, table.time, unit)
    level, unit = _time(store, time_attr)
    edges = _edges(store, nodes, weight_attr, homogeneous)
    if weight_attr is not None and not any(e.is_weighted for e in edges.values()):
        known = [link.weight for link in store.schema.links if link.weight is not None]
        known += [t.weight_col for t in store.schema.edge_tables.values() if t.weight_col is not None]
        raise SchemaError(
            f"no edges of the store have the weights '{weight_attr}'; name the column in the graph, as"
            f" weight_col of an EdgeTable or weight of a Link.{nearest(weight_attr, known)}"
        )
    return GraphData(
        nodes,
        edges,
        tuple(int(cap) for cap in store.caps()),
        lambda: native_topology(store),
        (graph_of_store, (store, time_attr, weight_attr)),
        time_attr,
        level,
        unit,
        store,
        is_on_disk(store),
    )


def is_homogeneous(store: Store) -> bool:
    """Whether batches of a store are `Data`."""
    return len(store.tables) == 1 and len(store.schema.edge_types) == 1


def is_on_disk(store: Store) -> bool:
    """Whether some of its arrays are read as they are needed, with what may not be used after a fork."""
    if store.link_pool is not None or any(table.disk is not None for table in store.tables.values()):
        return True
    attributes = [table.attributes for table in store.tables.values()]
    attributes += [edges.attributes for edges in store.edge_tables.values()]
    return any(reader.disk is not None for of_one in attributes for reader in of_one.values())


def edge_key(edge_type: EdgeType, homogeneous: bool) -> EdgeKey:
    """What PyG calls an edge type of a store."""
    return None if homogeneous else edge_type


def _edges(
    store: Store, nodes: dict[NodeKey, NodeData], weight_attr: str | None, homogeneous: bool
) -> dict[EdgeKey, EdgeData]:
    """In the order of the schema's edge types."""
    edges: dict[EdgeKey, EdgeData] = {}
    for link in store.schema.links:
        # The number of a foreign key's edge is that of the row that holds it.
        numbering = nodes[link.child].numbering
        weighted = link.weight is not None and link.weight == weight_attr
        edges[link.to_parent] = EdgeData(link.child, link.parent, numbering, weighted)
        edges[link.to_child] = EdgeData(link.parent, link.child, numbering)
    for stored in store.edge_tables.values():
        table = stored.table
        known = stored.incoming.edge_ids is not None
        of_table = Numbering(stored.num_rows, stored.order) if known else None
        weighted = table.weight_col is not None and table.weight_col == weight_attr
        for edge_type in table.edge_types:
            source, _, target = (None, None, None) if homogeneous else edge_type
            edges[edge_key(edge_type, homogeneous)] = EdgeData(
                source, target, of_table, weighted, stored.time is not None
            )
    return edges


def _time(store: Store, time_attr: str | None) -> tuple[Any, TimeUnit | None]:
    """Whether nodes have the times that are asked for, or edges, and what they are counted in."""
    if time_attr is None:
        return None, None
    tables = list(store.schema.tables.values())
    edge_tables = list(store.schema.edge_tables.values())
    both: list[Table | EdgeTable] = [*tables, *edge_tables]
    timed = [table for table in both if table.time_col is not None]
    named = [table for table in timed if table.time_col == time_attr] or (
        timed if time_attr == OWN_TIME else []
    )
    if not named:
        known = [str(table.time_col) for table in timed]
        raise SchemaError(
            f"the store has no time column '{time_attr}'; it has {', '.join(dict.fromkeys(known)) or 'none'}."
            f"{nearest(time_attr, known)}"
        )
    level = "node" if any(table in tables for table in named) else "edge"
    return level, named[0].time_unit
