"""A relhop store as PyG's `FeatureStore`."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import FeatureStore, TensorAttr

from relhop.errors import StoreError
from relhop.pyg.columns import AttributeColumns, Columns, tensor_of
from relhop.pyg.graph_data import Int64s, Numbering
from relhop.pyg.in_store import graph_of_store, is_on_disk
from relhop.pyg.processors import usable_cpus
from relhop.pyg.store_attributes import Added, StoreAttributes
from relhop.store.reader import Store

HOMOGENEOUS_EDGES = (None, None)
"""The group of the edges' attributes of a homogeneous graph, as in PyG."""


class StoreFeatures(FeatureStore):  # type: ignore[misc]
    """The attributes of a store's nodes and edges, by group and name.

    A group is a node type or an edge type; of homogeneous graphs None, or `(None, None)` for edges. An
    index is a tensor of integers or a mask, a slice, an int, a list of ints, or None for all; nodes and
    edges have the numbers of the user's input. What is put is kept in memory, beside the store and by this
    object alone, and is in the batches of loaders that read it. Pickles as what opened the store, and what
    was put.

    Args:
        store: What to read.
        num_threads: Threads that gather rows; None: as many as there are processors.
        added: What was put, by group and name.
    """

    def __init__(self, store: Store, num_threads: int | None = None, added: Added | None = None) -> None:
        super().__init__()
        self.num_threads = usable_cpus() if num_threads is None else num_threads
        self.added: Added = dict(added or {})
        self._given_threads = num_threads
        self._open(store)

    def _open(self, store: Store) -> None:
        self._store, self._process = store, os.getpid()
        self._attributes = StoreAttributes(store, graph_of_store(store), added=self.added)

    @property
    def store(self) -> Store:
        """What it reads; one on disk is opened again after a fork, which shares locks and files."""
        if self._process != os.getpid() and is_on_disk(self._store):
            self._open(pickle.loads(pickle.dumps(self._store)))
        return self._store

    @property
    def attributes(self) -> StoreAttributes:
        """All attributes."""
        _ = self.store
        return self._attributes

    def get_all_tensor_attrs(self) -> list[TensorAttr]:
        """Group and name of all attributes; of homogeneous graphs only those of nodes, as PyG's loaders take
        all to be.
        """
        attributes = self.attributes
        groups: list[tuple[Any, list[Columns]]] = list(attributes.nodes.items())
        if not attributes.graph.is_homogeneous:
            groups += list(attributes.edges.items())
        return [
            TensorAttr(group_name=group, attr_name=name)
            for group, columns in groups
            for of_one in columns
            for name in of_one.names
        ]

    def _get_tensor(self, attr: TensorAttr) -> Tensor:
        return self._multi_get_tensor([attr])[0]

    def _multi_get_tensor(self, attrs: list[TensorAttr]) -> list[Tensor]:
        # Columns that are read together are read once, where their index is one and the same.
        read: dict[tuple[int, int], dict[str, Tensor]] = {}
        tensors = []
        for attr in attrs:
            columns, numbering = self._find(attr)
            key = (id(columns), id(attr.index))
            if key not in read:
                read[key] = self._read(columns, attr.index, numbering)
            tensors.append(read[key][attr.attr_name])
        return tensors

    def _get_tensor_size(self, attr: TensorAttr) -> tuple[int, ...] | None:
        try:
            columns, numbering = self._find(attr)
        except KeyError:
            return None
        if attr.index is not None:
            return tuple(self._get_tensor(attr).size())
        return (numbering.size, *columns.row_shape)

    def _put_tensor(self, tensor: Tensor | np.ndarray[Any, Any], attr: TensorAttr) -> bool:
        """Keeps a tensor in memory.

        Raises:
            StoreError: If the store has the attribute, as a store never changes.
            ValueError: If it has not a row for each node, or edge.
        """
        numbering = self._numbering(attr.group_name)
        name, size = attr.attr_name, numbering.size
        if self._is_stored(attr):
            raise StoreError(
                f"the store has the attribute '{name}' of {attr.group_name!r}, and never changes;"
                " put it under another name"
            )
        if attr.index is not None and not (isinstance(attr.index, slice) and attr.index == slice(None)):
            raise ValueError(f"'{name}' is put for some rows only; put all {size}, with index=None")
        if len(tensor) != size:
            raise ValueError(f"'{name}' has {len(tensor)} rows; {attr.group_name!r} has {size}")
        self.added[self._group(attr.group_name), name] = torch.as_tensor(tensor)
        self._open(self._store)
        return True

    def _remove_tensor(self, attr: TensorAttr) -> bool:
        """Drops a tensor that was put.

        Raises:
            StoreError: If the store has the attribute, as a store never changes.
        """
        if self.added.pop((self._group(attr.group_name), attr.attr_name), None) is not None:
            self._open(self._store)
            return True
        if self._is_stored(attr):
            raise StoreError(
                f"the store has the attribute '{attr.attr_name}' of {attr.group_name!r}, and never changes;"
                " leave it out of batches with node_attrs or edge_attrs"
            )
        return False

    def _read(self, columns: Columns, index: Any, numbering: Numbering) -> dict[str, Tensor]:
        if isinstance(index, int):
            return {name: rows[0] for name, rows in self._read(columns, [index], numbering).items()}
        if isinstance(columns, AttributeColumns) and (index is None or isinstance(index, slice)):
            whole = columns.whole(numbering)
            if whole is not None and (index is None or (index.step or 1) > 0):
                part = whole if index is None else whole[index]
                return {columns.names[0]: tensor_of(part, columns.reader.dtype)}
        rows = numbering.rows(_numbers(index, numbering.size))
        return columns.tensors(columns.native.gather(rows, self.num_threads))

    def _find(self, attr: TensorAttr) -> tuple[Columns, Numbering]:
        for of_one in self._columns(attr.group_name):
            if attr.attr_name in of_one.names:
                return of_one, self._numbering(attr.group_name)
        raise KeyError(f"the store has no attribute '{attr.attr_name}' of {attr.group_name!r}")

    def _columns(self, group: Any) -> Iterable[Columns]:
        attributes = self.attributes
        key = self._group(group)
        if isinstance(key, tuple):
            return attributes.edges.get(None if key == HOMOGENEOUS_EDGES else key, ())
        return attributes.nodes.get(key, ())

    def _numbering(self, group: Any) -> Numbering:
        graph, key = self.attributes.graph, self._group(group)
        if not isinstance(key, tuple):
            if key not in graph.nodes:
                raise KeyError(f"the store has no node type {group!r}")
            return graph.nodes[key].numbering
        edge_type = None if key == HOMOGENEOUS_EDGES else key
        numbering = graph.edges[edge_type].numbering if edge_type in graph.edges else None
        if numbering is None:
            raise KeyError(f"the store has no edge type {group!r}, or does not know its edges' numbers")
        return numbering

    def _is_stored(self, attr: TensorAttr) -> bool:
        known = any(attr.attr_name in of_one.names for of_one in self._columns(attr.group_name))
        return known and (self._group(attr.group_name), attr.attr_name) not in self.added

    @staticmethod
    def _group(group: Any) -> Any:
        return tuple(group) if isinstance(group, (tuple, list)) else group

    def __reduce__(self) -> tuple[Any, ...]:
        return StoreFeatures, (self._store, self._given_threads, self.added)


def _numbers(index: Any, size: int) -> Int64s:
    """What an index means, as numbers from 0."""
    if index is None:
        return np.arange(size)
    if isinstance(index, slice):
        return np.arange(size)[index]
    numbers = index.cpu().numpy() if isinstance(index, Tensor) else np.asarray(index)
    if numbers.dtype == bool:
        return np.flatnonzero(numbers)
    numbers = numbers.astype(np.int64, copy=False).reshape(-1)
    return np.where(numbers < 0, numbers + size, numbers)
