"""The attributes of a store's nodes and edges, as tensors by PyG's names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data, HeteroData
from torch_geometric.sampler import SamplerOutput

from relhop import _native
from relhop.errors import SchemaError, nearest
from relhop.features import FeatureReader
from relhop.pyg.columns import (
    AttributeColumns,
    Columns,
    Gathered,
    RecordColumns,
    TimeColumns,
    Wanted,
    reader_of,
)
from relhop.pyg.found import edges_of, nodes_of
from relhop.pyg.graph_data import EdgeKey, GraphData, Int64s, NodeKey, Numbering
from relhop.pyg.in_store import edge_key
from relhop.store.reader import Store, StoredEdges, StoredTable

Chosen: TypeAlias = Sequence[str] | Mapping[Any, Sequence[str]] | None
"""Names of attributes, of all types or by type; None: all attributes."""

Added: TypeAlias = dict[tuple[Any, str], Tensor]
"""Tensors that users put, by group and name."""


class StoreAttributes:
    """What a store says of its nodes and edges.

    Of a table: its attributes; the feature columns of its records, float32 with NaN for null, int64 codes
    with -1, int64 microseconds with NaT's bits; and its time column, int64 in the unit of the table, or
    microseconds.

    Args:
        store: What to read.
        graph: Its graph.
        node_attrs: The attributes of nodes that are wanted.
        edge_attrs: The attributes of edges that are wanted.
        added: Attributes that users put beside those of the store.

    Raises:
        SchemaError: If there is no such type, or no type has such an attribute.
    """

    def __init__(
        self,
        store: Store,
        graph: GraphData,
        node_attrs: Chosen = None,
        edge_attrs: Chosen = None,
        added: Added | None = None,
    ) -> None:
        self.store, self.graph, self._added = store, graph, added or {}
        self._node_attrs, self._edge_attrs = node_attrs, edge_attrs
        _ = self.nodes, self.edges

    @cached_property
    def nodes(self) -> dict[NodeKey, list[Columns]]:
        """By node type."""
        found = {
            key: [*_of_table(self.store, table), *self._put(key, self.graph.nodes[key].numbering)]
            for key, table in zip(self.graph.nodes, self.store.tables.values(), strict=True)
        }
        return _chosen(found, self._node_attrs, "node")

    @cached_property
    def edges(self) -> dict[EdgeKey, list[Columns]]:
        """By edge type; nothing of those whose edges have no numbers."""
        found: dict[EdgeKey, list[Columns]] = {key: [] for key in self.graph.edges}
        for edges in self.store.edge_tables.values():
            for edge_type in edges.table.edge_types:
                found[edge_key(edge_type, self.graph.is_homogeneous)] += _of_edges(edges)
        for key, columns in found.items():
            numbering = self.graph.edges[key].numbering
            if numbering is not None:
                columns += self._put((None, None) if key is None else key, numbering)
        return _chosen(found, self._edge_attrs, "edge")

    def wanted(self, *, edges: bool) -> list[Wanted]:
        """What native code gathers, of nodes and, if asked for, of edges."""
        of_nodes = [
            Wanted(columns, False, number, key)
            for number, (key, found) in enumerate(self.nodes.items())
            for columns in found
        ]
        of_edges = [
            Wanted(columns, True, number, key)
            for number, (key, found) in enumerate(self.edges.items())
            for columns in found
        ]
        return of_nodes + (of_edges if edges else [])

    def batch(self, out: Any, gathered: Gathered, custom_cls: Any = None) -> Data | HeteroData:
        """A batch with the attributes of what was found; reads those that are not gathered yet.

        Args:
            out: What the sampler found.
            gathered: The attributes that were read already.
            custom_cls: What to make, in place of `Data` or `HeteroData`.
        """
        homogeneous = isinstance(out, SamplerOutput)
        batch = (custom_cls or (Data if homogeneous else HeteroData))()
        for key, columns in self.nodes.items():
            new = batch if homogeneous else batch[key]
            ids = nodes_of(out, key)
            numbering = self.graph.nodes[key].numbering
            for name, tensor in _read(columns, gathered.nodes.get(key), ids, numbering).items():
                new[name] = tensor
            new.num_nodes = ids.numel()
        for edge_type, columns in self.edges.items():
            new = batch if homogeneous else batch[edge_type]
            new.edge_index, numbers = edges_of(out, edge_type)
            of_edges = self.graph.edges[edge_type].numbering
            if numbers is not None and of_edges is not None:
                ready = gathered.edges.get(edge_type)
                for name, tensor in _read(columns, ready, numbers, of_edges).items():
                    new[name] = tensor
        return batch

    def _put(self, group: Any, numbering: Numbering) -> Iterator[Columns]:
        for (of_group, name), tensor in self._added.items():
            if of_group == group:
                reader = reader_of(name, tensor.detach().cpu().contiguous())
                if reader is None:
                    raise TypeError(f"'{name}' is {tensor.dtype}, which no attribute can be")
                yield AttributeColumns(name, reader, numbering.order)

    def __reduce__(self) -> tuple[Any, ...]:
        return StoreAttributes, (self.store, self.graph, self._node_attrs, self._edge_attrs, self._added)


def _read(
    columns: Iterable[Columns], ready: dict[str, Tensor] | None, numbers: Tensor, numbering: Numbering
) -> dict[str, Tensor]:
    """What is ready, and what is not."""
    result = dict(ready or {})
    rows: Int64s | None = None
    for of_one in columns:
        if not set(of_one.names) <= set(result):
            rows = numbering.rows(_int64s(numbers)) if rows is None else rows
            result |= of_one.tensors(of_one.native.gather(rows, 1))
    return result


def _int64s(numbers: Tensor) -> Int64s:
    array: Int64s = numbers.to(torch.int64).cpu().numpy()
    return array


def _of_table(store: Store, table: StoredTable) -> Iterable[Columns]:
    for name, reader in table.attributes.items():
        yield AttributeColumns(name, reader)
    described = store.schema.tables[table.name]
    if table.time is not None and described.time_col not in table.attributes:
        assert described.time_col is not None
        empty = np.empty((table.num_rows, 0), np.uint8)
        order = None if table.order is None else table.order.native
        native = _native.FeatureTable(table.name, empty, [0, 0, 0], table.time.native, order)
        yield TimeColumns(described.time_col, native, described.time_unit)
    others = [field.column for field in table.fields if field.column not in table.attributes]
    if others:
        yield RecordColumns(FeatureReader(table), others)


def _of_edges(edges: StoredEdges) -> Iterable[Columns]:
    if edges.incoming.edge_ids is not None:
        for name, reader in edges.attributes.items():
            yield AttributeColumns(name, reader)


def _chosen(found: dict[Any, list[Columns]], chosen: Chosen, kind: str) -> dict[Any, list[Columns]]:
    """The columns that are asked for, by type; every type is there."""
    if chosen is None:
        return found
    known = [name for columns in found.values() for of_one in columns for name in of_one.names]
    if not isinstance(chosen, Mapping):
        for name in chosen:
            if name not in known:
                raise SchemaError(f"no {kind} type has the attribute '{name}'.{nearest(name, known)}")
        return {key: _only(columns, chosen) for key, columns in found.items()}
    for key, names in chosen.items():
        if key not in found:
            raise SchemaError(f"there is no {kind} type {key!r}.{nearest(str(key), map(str, found))}")
        here = [name for of_one in found[key] for name in of_one.names]
        for name in names:
            if name not in here:
                raise SchemaError(f"the {kind} type {key!r} has no attribute '{name}'.{nearest(name, here)}")
    return {key: _only(columns, chosen.get(key, ())) for key, columns in found.items()}


def _only(columns: Iterable[Columns], names: Sequence[str]) -> list[Columns]:
    kept = (of_one.only(names) for of_one in columns)
    return [of_one for of_one in kept if of_one is not None]
