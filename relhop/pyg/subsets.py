"""A part of a store -> a `HeteroData` in memory, a piece at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import duckdb
import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from relhop.errors import SchemaError, nearest
from relhop.pyg.columns import Columns
from relhop.pyg.edge_pieces import edge_pieces
from relhop.pyg.graph_data import EdgeKey, GraphData, Int64s, NodeKey
from relhop.pyg.in_store import graph_of_store
from relhop.pyg.store_attributes import Chosen, StoreAttributes
from relhop.sources.quoting import first_line
from relhop.store import layout
from relhop.store.progress import Steps
from relhop.store.reader import Store

_ROWS = 1 << 16
"""Rows that are read at once."""


def hetero_data(
    store: Store,
    nodes: Mapping[str, Any],
    node_attrs: Chosen,
    edge_attrs: Chosen,
    num_threads: int,
    progress: bool,
) -> HeteroData:
    """See `Store.to_hetero_data`."""
    graph = graph_of_store(store)
    names = dict(zip(graph.nodes, store.schema.tables, strict=True))
    types = dict(zip(graph.edges, store.schema.edge_types, strict=True))
    for name in nodes:
        if name not in store.schema.tables:
            raise SchemaError(f"there is no node type '{name}'.{nearest(name, store.schema.tables)}")
    attributes = StoreAttributes(store, graph, node_attrs, edge_attrs)
    data = HeteroData()
    rows: dict[NodeKey, Int64s] = {}
    with Steps(progress) as steps:
        for key, name in steps.over("Reading nodes", list(names.items())):
            rows[key] = _rows(store, graph, key, nodes.get(name), name)
            numbers = graph.nodes[key].numbering.numbers(rows[key])
            data[name].num_nodes = len(numbers)
            data[name].n_id = torch.from_numpy(np.ascontiguousarray(numbers))
            _read(data[name], attributes.nodes[key], rows[key], num_threads)
        for edge_key, edge_type in steps.over("Reading edges", list(types.items())):
            edges = data[edge_type]
            edges.edge_index, ids = _among(store, graph, edge_key, rows)
            numbering = graph.edges[edge_key].numbering
            if numbering is not None:
                edges.e_id = torch.from_numpy(np.ascontiguousarray(numbering.numbers(ids)))
                _read(edges, attributes.edges[edge_key], ids, num_threads)
    return data


def _rows(store: Store, graph: GraphData, key: NodeKey, chosen: Any, name: str) -> Int64s:
    """The rows that are chosen: all, those of a query by number, or those of numbers in their order."""
    cap = graph.caps[graph.tables[key]]
    if chosen is None:
        return np.arange(cap)
    if isinstance(chosen, str):
        with store.connect() as connection:
            try:
                relation = connection.sql(chosen)
            except duckdb.Error as error:
                raise SchemaError(f"the query for '{name}' cannot be run: {first_line(error)}") from error
            if relation is None:
                raise SchemaError(f"the query for '{name}' gives no rows; write SELECT * FROM {name} WHERE …")
            if layout.ROW_COLUMN not in relation.columns:
                raise SchemaError(
                    f"the query for '{name}' gives no {layout.ROW_COLUMN}; write it as SELECT * FROM"
                    f" {name} WHERE …"
                )
            found = relation.fetchnumpy()[layout.ROW_COLUMN]
        rows = np.unique(np.asarray(found, np.int64))
        if len(rows) and not 0 <= rows[0] <= rows[-1] < cap:
            raise SchemaError(f"the query for '{name}' gives rows of another table")
        return rows
    numbers = chosen.numpy() if isinstance(chosen, Tensor) else np.asarray(chosen)
    num_nodes = graph.nodes[key].num_nodes
    if numbers.dtype == bool and numbers.shape != (num_nodes,):
        raise SchemaError(
            f"the mask for '{name}' is {list(numbers.shape)}, but there are {num_nodes:,} nodes"
        )
    numbers = np.flatnonzero(numbers) if numbers.dtype == bool else numbers.astype(np.int64)
    if len(np.unique(numbers)) != len(numbers):
        raise ValueError(f"numbers of '{name}' repeat; give each once")
    rows = graph.nodes[key].numbering.rows(numbers)
    if len(rows) and rows.max() >= cap:
        raise IndexError(f"node {numbers[int(rows.argmax())]} does not exist yet at the store's as_of time")
    return rows


def _read(into: Any, columns: list[Columns], rows: Int64s, num_threads: int) -> None:
    """Reads columns of some rows into whole tensors, a piece at a time."""
    for of_one in columns:
        whole: dict[str, Tensor] = {}
        for begin in range(0, max(len(rows), 1), _ROWS):
            part = rows[begin : begin + _ROWS]
            for name, tensor in of_one.tensors(of_one.native.gather(part, num_threads)).items():
                if name not in whole:
                    whole[name] = tensor.new_empty((len(rows), *tensor.shape[1:]))
                whole[name][begin : begin + len(part)] = tensor
        for name, tensor in whole.items():
            into[name] = tensor


def _among(
    store: Store, graph: GraphData, key: EdgeKey, rows: Mapping[NodeKey, Int64s]
) -> tuple[Tensor, Int64s]:
    """The edges of a type among the chosen nodes: ends [2, E] by their places, and the edges' rows [E]."""
    edges = graph.edges[key]
    places = {end: _places(rows[end], graph.nodes[end].num_nodes) for end in {edges.source, edges.target}}

    def kept() -> Iterator[tuple[Int64s, Int64s, Int64s]]:
        for sources, targets, ids in edge_pieces(store, graph, key):
            ends = places[edges.source][sources], places[edges.target][targets]
            inside = (ends[0] >= 0) & (ends[1] >= 0)
            yield ends[0][inside], ends[1][inside], ids[inside]

    sources, targets, ids = map(np.concatenate, zip(*kept(), strict=True))
    return torch.from_numpy(np.stack([sources, targets])), ids


def _places(rows: Int64s, size: int) -> Int64s:
    """Where each row is among those that are chosen; -1: nowhere."""
    places = np.full(size, -1)
    places[rows] = np.arange(len(rows))
    return places
