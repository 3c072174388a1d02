"""The edges of a store, a piece at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np

from relhop.pyg.graph_data import EdgeKey, GraphData, Int64s
from relhop.store.reader import Store
from relhop.store.stored import Rows

Piece: TypeAlias = tuple[Int64s, Int64s, Int64s]
"""Source rows, target rows and the edges' rows [E]; the last are -1 where these are not known."""

_EDGES = 1 << 22
"""Edges of a piece, about."""


def edge_pieces(store: Store, graph: GraphData, edge_type: EdgeKey) -> Iterator[Piece]:
    """The edges of a type by target row, those that exist under `as_of`; at least one piece, which may be
    empty.

    Args:
        store: What to read.
        graph: Its graph.
        edge_type: Which edges.
    """
    edges = graph.edges[edge_type]
    source_cap, target_cap = (graph.caps[graph.tables[end]] for end in (edges.source, edges.target))
    number, num_links = list(graph.edges).index(edge_type), len(store.links)
    id_cap: int | None = None
    if number < 2 * num_links:
        link = list(store.links.values())[number // 2]
        pieces = _parents(link.parents) if number % 2 else _lists(link.offsets, link.children, link.children)
    else:
        stored, lists = [(e, part) for e in store.edge_tables.values() for part in e.lists.values()][
            number - 2 * num_links
        ]
        if stored.time is not None and store.as_of_time is not None:
            id_cap = store.cut_edges(stored.table.name, store.as_of_time)
        pieces = _lists(lists.offsets, lists.neighbors, lists.edge_ids)
    for sources, targets, ids in pieces:
        exist = (sources >= 0) & (sources < source_cap) & (targets < target_cap)
        if id_cap is not None:
            exist &= ids < id_cap
        yield (sources, targets, ids) if exist.all() else (sources[exist], targets[exist], ids[exist])


def _parents(parents: Rows) -> Iterator[Piece]:
    """The edges from parents to the rows that name them."""
    for begin in range(0, max(len(parents), 1), _EDGES):
        found = np.asarray(parents[begin : begin + _EDGES])
        children = np.arange(begin, begin + len(found))
        yield found, children, children


def _lists(offsets: Rows, neighbors: Rows, edge_ids: Rows | None) -> Iterator[Piece]:
    """The edges of lists."""
    ends = np.asarray(offsets[:])[1:]
    for begin in range(0, max(len(neighbors), 1), _EDGES):
        end = min(begin + _EDGES, len(neighbors))
        targets = np.searchsorted(ends, np.arange(begin, end), side="right")
        found = np.asarray(neighbors[begin:end])
        yield found, targets, np.full(len(found), -1) if edge_ids is None else np.asarray(edge_ids[begin:end])
