"""What the sampler found -> a batch, as PyG's loaders give it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
from torch import Tensor
from torch_geometric.data import Data, HeteroData
from torch_geometric.loader.utils import index_select
from torch_geometric.sampler import NegativeSampling, SamplerOutput
from torch_geometric.typing import EdgeType

from relhop.pyg.columns import AttributeColumns, Gathered, Wanted, reader_of
from relhop.pyg.found import Sampled, edges_of, nodes_of
from relhop.pyg.graph_data import GraphData
from relhop.pyg.in_memory import stores_of


class DataAttributes:
    """The attributes of data in memory, as they are now.

    Args:
        data: Whose nodes and edges batches are made of.
        graph: Its graph.
    """

    def __init__(self, data: Data | HeteroData, graph: GraphData) -> None:
        self._data, self._graph = data, graph

    def wanted(self, *, edges: bool) -> list[Wanted]:
        """What native code can gather, of nodes and, if asked for, of edges."""
        node_stores, edge_stores = stores_of(self._data)
        found = [
            Wanted(columns, False, number, key)
            for number, (key, store) in enumerate(node_stores.items())
            for columns in _readable(store, store.is_node_attr, self._graph.nodes[key].numbering.order)
        ]
        if edges:
            for number, (key, of_edges) in enumerate(self._graph.edges.items()):
                store = edge_stores[key]
                order = None if of_edges.numbering is None else of_edges.numbering.order
                for columns in _readable(store, store.is_edge_attr, order):
                    found.append(Wanted(columns, True, number, key))
        return found

    def batch(self, out: Sampled, gathered: Gathered, custom_cls: Any = None) -> Data | HeteroData:
        """The part of the data that was found, with what was gathered; other attributes are read here."""
        batch = copy.copy(self._data)
        for (key, store), (_, new) in zip(
            *(stores_of(data)[0].items() for data in (self._data, batch)), strict=True
        ):
            ids = nodes_of(out, key)
            ready = gathered.nodes.get(key, {})
            for name, value in store.items():
                if name == "num_nodes":
                    new.num_nodes = ids.numel()
                elif name in ready:
                    new[name] = ready[name]
                elif store.is_node_attr(name):
                    new[name] = _rows(value, ids, store, name)
        for (key, store), (_, new) in zip(
            *(stores_of(data)[1].items() for data in (self._data, batch)), strict=True
        ):
            edge_index, places = edges_of(out, key)
            ready = gathered.edges.get(key, {})
            for name, value in store.items():
                if name == "edge_index":
                    new.edge_index = edge_index.to(value.device)
                elif name in ready:
                    new[name] = ready[name]
                elif store.is_edge_attr(name):
                    new[name] = None if places is None else _rows(value, places, store, name)
        return batch


def _readable(store: Any, belongs: Any, order: Any) -> Iterator[AttributeColumns]:
    """The attributes of a storage that native code can read, of those that belong to its nodes, or edges."""
    for name, value in store.items():
        if (
            name in ("edge_index", "num_nodes")
            or not isinstance(value, (Tensor, np.ndarray))
            or not belongs(name)
        ):
            continue
        reader = reader_of(name, value) if store._parent().__cat_dim__(name, value, store) == 0 else None
        if reader is not None:
            yield AttributeColumns(name, reader, order)


def _rows(value: Any, index: Tensor, store: Any, name: str) -> Any:
    """The rows of an attribute, wherever it is."""
    index = index.to(value.device) if hasattr(value, "device") and isinstance(value, Tensor) else index
    return index_select(value, index, dim=store._parent().__cat_dim__(name, value, store))


def describe(batch: Data | HeteroData, out: Sampled) -> None:
    """Adds what the sampler knows: `n_id`, `e_id`, `batch` and the counts by hop.

    Numbers that the data holds itself under these names stay.
    """
    if isinstance(out, SamplerOutput):
        batch.batch = out.batch
        batch.num_sampled_nodes, batch.num_sampled_edges = out.num_sampled_nodes, out.num_sampled_edges
        if "n_id" not in batch:
            batch.n_id = out.node
        if "e_id" not in batch and out.edge is not None:
            batch.e_id = out.edge
        return
    for node_type, ids in out.node.items():
        if "n_id" not in batch[node_type]:
            batch[node_type].n_id = ids
    for edge_type, ids in (out.edge or {}).items():
        if ids is not None and "e_id" not in batch[edge_type]:
            batch[edge_type].e_id = ids
    for name in ("batch", "num_sampled_nodes", "num_sampled_edges"):
        batch.set_value_dict(name, getattr(out, name))


def describe_nodes(batch: Data | HeteroData, out: Sampled, input_type: str | None) -> None:
    """Adds what a batch of seed nodes says of them."""
    seeds = batch if input_type is None else batch[input_type]
    seeds.input_id, seeds.seed_time = out.metadata
    seeds.batch_size = out.metadata[0].size(0)


def describe_links(
    batch: Data | HeteroData, out: Sampled, input_type: EdgeType | None, negatives: NegativeSampling | None
) -> None:
    """Adds what a batch of seed links says of them."""
    links = source = target = batch
    if input_type is not None:
        links, source, target = batch[input_type], batch[input_type[0]], batch[input_type[-1]]
    links.input_id = out.metadata[0]
    if negatives is None or negatives.is_binary():
        links.edge_label_index, links.edge_label, links.edge_label_time = out.metadata[1:]
        return
    source.src_index, target.dst_pos_index, target.dst_neg_index = out.metadata[1:4]
    source.seed_time = target.seed_time = out.metadata[4]
    # What the whole data's links are called is of no meaning in a batch of triplets.
    if input_type is None or input_type in batch.edge_types:
        for name in ("edge_label_index", "edge_label_time"):
            if name in links:
                del links[name]
