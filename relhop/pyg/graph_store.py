"""A relhop store as PyG's `GraphStore`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import EdgeAttr, GraphStore
from torch_geometric.data.graph_store import EdgeLayout

from relhop.errors import StoreError
from relhop.pyg.edge_pieces import edge_pieces
from relhop.pyg.graph_data import EdgeKey, GraphData, Int64s
from relhop.pyg.in_store import graph_of_store
from relhop.store.reader import Store


@dataclass(frozen=True, eq=False)
class _Edges:
    """The edges of a type by target, and by time among those of one target.

    Attributes:
        sources: Numbers [E].
        targets: Numbers [E], ascending.
        ids: The edges' numbers [E]; None where these are not known.
    """

    sources: Int64s
    targets: Int64s
    ids: Int64s | None


class StoreEdges(GraphStore):  # type: ignore[misc]
    """The edges of a store. An edge type's are decoded into memory when they are first asked for, and kept
    for all loaders that read this object; relhop's own loaders do not ask.

    Nodes have the numbers of the user's input. CSC is by target and, among the edges of a target, by time,
    as PyG's temporal sampling wants it; its permutation leads to the edges' numbers in the input. COO is in
    the order of these.

    Args:
        store: What to read; under `as_of` nothing later exists.
    """

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.store = store
        self._graph = graph_of_store(store)
        self._decoded: dict[EdgeKey, _Edges] = {}

    def get_all_edge_attrs(self) -> list[EdgeAttr]:
        """All edge types, as CSC, with their sizes."""
        return [
            EdgeAttr(edge_type, EdgeLayout.CSC, size=self._size(edge_type)) for edge_type in self._graph.edges
        ]

    def _get_edge_index(self, edge_attr: EdgeAttr) -> tuple[Tensor, Tensor] | None:
        if edge_attr.edge_type not in self._graph.edges:
            return None
        row, col, _ = self._edge_to_layout(edge_attr, edge_attr.layout)
        return row, col

    def _put_edge_index(self, edge_index: Any, edge_attr: EdgeAttr) -> bool:
        raise StoreError(
            "a store's edges never change; add an rh.EdgeTable to its graph, and take a snapshot again"
        )

    def _remove_edge_index(self, edge_attr: EdgeAttr) -> bool:
        raise StoreError(
            "a store's edges never change; num_neighbors of 0 leaves an edge type out of what is sampled"
        )

    def _edge_to_layout(
        self, attr: EdgeAttr, layout: EdgeLayout, store: bool = False
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Ends in a layout, and the numbers of the edges where their order is not that of the input."""
        edges, (num_sources, num_targets) = self._edges(attr.edge_type), self._size(attr.edge_type)
        if layout == EdgeLayout.CSC:
            pointers = _pointers(edges.targets, num_targets)
            return (
                _tensor(edges.sources),
                _tensor(pointers),
                None if edges.ids is None else _tensor(edges.ids),
            )
        if layout == EdgeLayout.COO:
            order = slice(None) if edges.ids is None else np.argsort(edges.ids, kind="stable")
            return _tensor(edges.sources[order]), _tensor(edges.targets[order]), None
        order = np.argsort(edges.sources, kind="stable")
        ids = order if edges.ids is None else edges.ids[order]
        return _tensor(_pointers(edges.sources, num_sources)), _tensor(edges.targets[order]), _tensor(ids)

    def _size(self, edge_type: EdgeKey) -> tuple[int, int]:
        edges = self._graph.edges[edge_type]
        return self._graph.nodes[edges.source].num_nodes, self._graph.nodes[edges.target].num_nodes

    def _edges(self, edge_type: EdgeKey) -> _Edges:
        if edge_type not in self._decoded:
            self._decoded[edge_type] = _decode(self.store, self._graph, edge_type)
        return self._decoded[edge_type]

    def __reduce__(self) -> tuple[Any, ...]:
        return StoreEdges, (self.store,)


def _decode(store: Store, graph: GraphData, edge_type: EdgeKey) -> _Edges:
    """The edges of a type that exist under the store's `as_of`."""
    edges = graph.edges[edge_type]
    sources, targets, ids = map(np.concatenate, zip(*edge_pieces(store, graph, edge_type), strict=True))
    of_sources, of_targets = graph.nodes[edges.source].numbering, graph.nodes[edges.target].numbering
    sources, targets = of_sources.numbers(sources), of_targets.numbers(targets)
    numbers = None if edges.numbering is None else edges.numbering.numbers(ids)
    if of_targets.order is not None:
        order = np.argsort(targets, kind="stable")
        sources, targets, numbers = (
            sources[order],
            targets[order],
            None if numbers is None else numbers[order],
        )
    return _Edges(sources, targets, numbers)


def _pointers(ends: Int64s, size: int) -> Int64s:
    """Where the edges of each end begin, and where the last one's end [size + 1]."""
    return np.concatenate([[0], np.cumsum(np.bincount(ends, minlength=size))])


def _tensor(array: Int64s) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))
