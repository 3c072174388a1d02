"""PyG's `Data` and `HeteroData` -> a graph that the native sampler reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch_geometric.data import Data, HeteroData

from relhop import _native
from relhop.errors import SchemaError, nearest
from relhop.pyg.edge_lists import EdgeLists
from relhop.pyg.graph_data import EdgeData, EdgeKey, GraphData, Int64s, NodeData, NodeKey, Numbering
from relhop.store.packed import PackedColumn
from relhop.times import END_OF_TIME


def graph_of_data(
    data: Data | HeteroData, time_attr: str | None = None, weight_attr: str | None = None
) -> GraphData:
    """The graph of a `Data` or `HeteroData`; sorts edges by target, and by time where there is one.

    Args:
        data: Its edges are read; its features are left where they are.
        time_attr: The attribute of nodes or of edges that holds times, integers of any unit.
        weight_attr: The attribute of edges that holds weights, of at least 0.

    Raises:
        SchemaError: If an attribute is not there or holds what it cannot.
    """
    node_stores, edge_stores = stores_of(data)
    level = _time_level(data, node_stores, edge_stores, time_attr)
    made = _Tables(
        time_attr if level == "node" else None, time_attr if level == "edge" else None, weight_attr
    )
    for node_type, store in node_stores.items():
        made.add_nodes(node_type, store)
    for edge_type, store in edge_stores.items():
        made.add_edges(edge_type, store)
    if weight_attr is not None and not any(edges.is_weighted for edges in made.edges.values()):
        raise SchemaError(
            f"no edges have the weight_attr '{weight_attr}'.{_nearest(weight_attr, edge_stores.values())}"
        )
    return GraphData(
        made.nodes,
        made.edges,
        tuple(made.sizes),
        lambda: _native.Topology(made.tables, made.lists),
        (graph_of_data, (data, time_attr, weight_attr)),
        time_attr,
        level,
    )


def stores_of(data: Data | HeteroData) -> tuple[dict[NodeKey, Any], dict[EdgeKey, Any]]:
    """PyG's storages by node type and by edge type; `Data` has one, which is both."""
    if isinstance(data, Data):
        return {None: data._store}, {None: data._store}
    return dict(data.node_items()), dict(data.edge_items())


def _time_level(
    data: Any, node_stores: Mapping[NodeKey, Any], edge_stores: Mapping[EdgeKey, Any], time_attr: str | None
) -> Literal["node", "edge"] | None:
    """Whether nodes have the attribute, or edges."""
    if time_attr is None:
        return None
    of_nodes = any(time_attr in store for store in node_stores.values())
    of_edges = any(time_attr in store for store in edge_stores.values())
    if not of_nodes and not of_edges:
        stores = [*node_stores.values(), *edge_stores.values()]
        raise SchemaError(
            f"neither nodes nor edges have the time_attr '{time_attr}'.{_nearest(time_attr, stores)}"
        )
    if isinstance(data, Data):
        return "node" if data.is_node_attr(time_attr) else "edge"
    if of_nodes and of_edges:
        raise SchemaError(f"nodes and edges both have the time_attr '{time_attr}'; rename one of them")
    return "node" if of_nodes else "edge"


class _Tables:
    """The tables and lists of a graph, one after another: those of all nodes, then of edges."""

    def __init__(self, node_time: str | None, edge_time: str | None, weight: str | None) -> None:
        self.nodes: dict[NodeKey, NodeData] = {}
        self.edges: dict[EdgeKey, EdgeData] = {}
        self.tables: list[_native.TableRows] = []
        self.sizes: list[int] = []
        self.lists: list[_native.EdgeRows] = []
        self._node_time, self._edge_time, self._weight = node_time, edge_time, weight
        self._numbers: dict[NodeKey, int] = {}

    def add_nodes(self, node_type: NodeKey, store: Any) -> None:
        """The nodes of a type, by their time where they have one."""
        title = "the nodes" if node_type is None else f"the nodes '{node_type}'"
        num_nodes = store.num_nodes
        if num_nodes is None:
            raise SchemaError(f"{title} do not say how many they are; set num_nodes")
        order = time = None
        if self._node_time is not None and self._node_time in store:
            where = f"{title}: {self._node_time}"
            order, time = _in_time_order(_times(store[self._node_time], num_nodes, where))
        self._numbers[node_type] = self._add_table(title, num_nodes, time)
        self.nodes[node_type] = NodeData(Numbering(num_nodes, order), time)

    def add_edges(self, edge_type: EdgeKey, store: Any) -> None:
        """The edges of a type, whose nodes are there."""
        source, target = (None, None) if edge_type is None else (edge_type[0], edge_type[2])
        title = "the edges" if edge_type is None else f"the edges {edge_type}"
        for end in (source, target):
            if end not in self.nodes:
                raise SchemaError(
                    f"{title}: there are no nodes of type '{end}'.{nearest(str(end), map(str, self.nodes))}"
                )
        of_sources, of_targets = self.nodes[source].numbering, self.nodes[target].numbering
        sources, targets = _ends(edge_type, store, of_sources.size, of_targets.size, title)
        sources, targets = of_sources.rows(sources), of_targets.rows(targets)
        weights = None
        if self._weight is not None and self._weight in store:
            weights = _weights(store[self._weight], len(sources), f"{title}: {self._weight}")
        order, timed_by = None, -1
        if self._edge_time is not None and self._edge_time in store:
            where = f"{title}: {self._edge_time}"
            order, time = _in_time_order(_times(store[self._edge_time], len(sources), where))
            timed_by = self._add_table(title, len(sources), time)
            sources, targets = sources[order], targets[order]
            weights = None if weights is None else weights[order]
        lists = EdgeLists.build(
            targets, of_targets.size, sources, of_sources.size, weights, by_source=timed_by < 0
        )
        self.lists.append(lists.native(title, self._numbers[target], self._numbers[source], timed_by))
        numbering = Numbering(len(sources), order)
        self.edges[edge_type] = EdgeData(source, target, numbering, weights is not None, timed_by >= 0)

    def _add_table(self, title: str, size: int, time: PackedColumn[_native.PackedTimes] | None) -> int:
        self.tables.append(_native.TableRows(title, size, None if time is None else time.native))
        self.sizes.append(size)
        return len(self.tables) - 1


def _ends(
    edge_type: EdgeKey, store: Any, num_sources: int, num_targets: int, title: str
) -> tuple[Int64s, Int64s]:
    if "edge_index" not in store:
        if "adj_t" in store or "adj" in store:
            raise SchemaError(f"{title} are a sparse matrix; give them as edge_index")
        if edge_type is None:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        raise SchemaError(f"{title} have no edge_index")
    edge_index = store["edge_index"]
    if edge_index.dim() != 2 or edge_index.size(0) != 2 or edge_index.is_floating_point():
        raise SchemaError(
            f"{title}: edge_index is {edge_index.dtype} {list(edge_index.shape)};"
            " it must be integers [2, edges]"
        )
    sources, targets = (edge_index[i].detach().cpu().numpy().astype(np.int64, copy=False) for i in (0, 1))
    for ends, size, row in ((sources, num_sources, 0), (targets, num_targets, 1)):
        if len(ends) and (ends.min() < 0 or ends.max() >= size):
            wrong = int(np.argmax((ends < 0) | (ends >= size)))
            raise SchemaError(
                f"{title}: edge {wrong} has the end {ends[wrong]} in row {row}; there are {size} nodes"
            )
    return sources, targets


def _times(values: Any, size: int, where: str) -> Int64s:
    array = _flat(values, size, where)
    if array.dtype.kind not in "iu":
        raise SchemaError(f"{where}: times are integers, not {array.dtype}")
    times = array.astype(np.int64, copy=False)
    if len(times) and times.max() > END_OF_TIME:
        raise SchemaError(f"{where}: the time {times.max()} is later than any that can be")
    return times


def _weights(values: Any, size: int, where: str) -> npt.NDArray[np.floating[Any]]:
    array = _flat(values, size, where)
    weights = array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        at = int(wrong.argmax())
        raise SchemaError(
            f"{where}: the weight of edge {at} is {weights[at]}; weights are finite and at least 0"
        )
    return weights


def _flat(values: Any, size: int, where: str) -> npt.NDArray[Any]:
    array = values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)
    if array.shape not in ((size,), (size, 1)):
        raise SchemaError(f"{where}: has the shape {list(array.shape)}; it must be [{size}]")
    return array.reshape(size)


def _in_time_order(times: Int64s) -> tuple[Int64s, PackedColumn[_native.PackedTimes]]:
    """The order that sorts times, equal ones as they are; and the sorted times."""
    order = np.argsort(times, kind="stable")
    blocks, stream = _native.encode_times(times[order], 0)
    padded = np.append(stream, np.zeros(8, np.uint8))
    return order, PackedColumn(_native.PackedTimes(blocks, padded, len(times)))


def _nearest(name: str, stores: Iterable[Any]) -> str:
    """A hint for the misspelt name of an attribute."""
    return nearest(name, dict.fromkeys(str(key) for store in stores for key in store.to_dict()))
