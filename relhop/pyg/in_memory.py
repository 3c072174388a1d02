"""PyG's `Data` and `HeteroData` -> a graph that the native sampler reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch_geometric.data import Data, HeteroData

from relhop import _native
from relhop.errors import SchemaError, nearest
from relhop.pyg.edge_lists import EdgeLists
from relhop.pyg.graph_data import EdgeData, EdgeKey, GraphData, Int64s, NodeData, NodeKey, Numbering
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
    nodes = {
        node_type: _nodes(node_type, store, time_attr if level == "node" else None)
        for node_type, store in node_stores.items()
    }
    numbers = {node_type: i for i, node_type in enumerate(nodes)}
    edges, edge_tables = {}, []
    for edge_type, store in edge_stores.items():
        timed = time_attr if level == "edge" and time_attr in store else None
        timed_by = -1 if timed is None else len(nodes) + len(edge_tables)
        edges[edge_type], table = _edges(
            edge_type, store, nodes, numbers, timed, timed_by, weight_attr if weight_attr in store else None
        )
        if table is not None:
            edge_tables.append(table)
    if weight_attr is not None and not any(e.is_weighted for e in edges.values()):
        raise SchemaError(
            f"no edge type has the weight_attr '{weight_attr}'{_known(edge_stores, weight_attr)}"
        )
    caps = [n.num_nodes for n in nodes.values()] + [
        e.numbering.size for e in edges.values() if e.is_timed and e.numbering is not None
    ]
    return GraphData(
        nodes,
        edges,
        tuple(caps),
        (graph_of_data, (data, time_attr, weight_attr)),
        tuple(edge_tables),
        time_attr,
        level,
    )


def stores_of(data: Data | HeteroData) -> tuple[dict[NodeKey, Any], dict[EdgeKey, Any]]:
    """PyG's storages by node type and by edge type; `Data` has one, which is both."""
    if isinstance(data, Data):
        return {None: data._store}, {None: data._store}
    return dict(data.node_items()), dict(data.edge_items())


def _time_level(data: Any, node_stores: Any, edge_stores: Any, time_attr: str | None) -> Any:
    if time_attr is None:
        return None
    if isinstance(data, Data):
        if time_attr not in data:
            raise SchemaError(f"the data has no time_attr '{time_attr}'{_known(node_stores, time_attr)}")
        return "node" if data.is_node_attr(time_attr) else "edge"
    of_nodes = any(time_attr in store for store in node_stores.values())
    of_edges = any(time_attr in store for store in edge_stores.values())
    if of_nodes and of_edges:
        raise SchemaError(f"nodes and edges both have the time_attr '{time_attr}'; rename one of them")
    if not of_nodes and not of_edges:
        both = [*node_stores.values(), *edge_stores.values()]
        raise SchemaError(
            f"neither nodes nor edges have the time_attr '{time_attr}'{_known(dict(enumerate(both)), time_attr)}"
        )
    return "node" if of_nodes else "edge"


def _nodes(node_type: NodeKey, store: Any, time_attr: str | None) -> NodeData:
    num_nodes = store.num_nodes
    if num_nodes is None:
        raise SchemaError(f"{_node(node_type)} do not say how many they are; set num_nodes")
    if time_attr is None or time_attr not in store:
        table = _native.TableRows(str(node_type), num_nodes, None)
        return NodeData(Numbering(num_nodes), table)
    order, time, native = _in_time_order(
        _times(store[time_attr], num_nodes, f"{_node(node_type)}: {time_attr}")
    )
    return NodeData(Numbering(num_nodes, order), _native.TableRows(str(node_type), num_nodes, native), time)


def _edges(  # noqa: PLR0913
    edge_type: EdgeKey,
    store: Any,
    nodes: Mapping[NodeKey, NodeData],
    numbers: Mapping[NodeKey, int],
    time_attr: str | None,
    timed_by: int,
    weight_attr: str | None,
) -> tuple[EdgeData, _native.TableRows | None]:
    source, target = (None, None) if edge_type is None else (edge_type[0], edge_type[2])
    title = "edges" if edge_type is None else f"edges {edge_type}"
    for end in (source, target):
        if end not in nodes:
            raise SchemaError(
                f"{title}: there are no nodes of type '{end}'.{nearest(str(end), map(str, nodes))}"
            )
    sources, targets = _ends(edge_type, store, nodes[source].num_nodes, nodes[target].num_nodes, title)
    sources, targets = nodes[source].numbering.rows(sources), nodes[target].numbering.rows(targets)
    weights = None if weight_attr is None else _weights(store[weight_attr], len(sources), title, weight_attr)
    order, table = None, None
    if time_attr is not None:
        times = _times(store[time_attr], len(sources), f"{title}: {time_attr}")
        order, _, native = _in_time_order(times)
        table = _native.TableRows(title, len(sources), native)
        sources, targets = sources[order], targets[order]
        weights = None if weights is None else weights[order]
    lists = EdgeLists.build(
        targets,
        nodes[target].num_nodes,
        sources,
        nodes[source].num_nodes,
        weights,
        by_source=time_attr is None,
    )
    native_lists = lists.native(title, numbers[target], numbers[source], timed_by)
    numbering = Numbering(len(sources), order)
    data = EdgeData(source, target, numbering, native_lists, weights is not None, time_attr is not None)
    return data, table


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
            f"{title}: edge_index is {edge_index.dtype} {list(edge_index.shape)}; it must be integers [2, edges]"
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


def _weights(values: Any, size: int, title: str, name: str) -> npt.NDArray[np.floating[Any]]:
    array = _flat(values, size, f"{title}: {name}")
    weights: npt.NDArray[np.floating[Any]] = (
        array if array.dtype in (np.float32, np.float64) else array.astype(float)
    )
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        at = int(wrong.argmax())
        raise SchemaError(
            f"{title}: the {name} of edge {at} is {weights[at]}; weights are finite and at least 0"
        )
    return weights


def _flat(values: Any, size: int, where: str) -> npt.NDArray[Any]:
    array = values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)
    if array.shape not in ((size,), (size, 1)):
        raise SchemaError(f"{where}: has the shape {list(array.shape)}; it must be [{size}]")
    return array.reshape(size)


def _in_time_order(times: Int64s) -> tuple[Int64s, Int64s, _native.PackedTimes]:
    """The order that sorts times, equal ones as they are; the sorted times, and these as the sampler reads
    them.
    """
    order = np.argsort(times, kind="stable")
    time = times[order]
    blocks, stream = _native.encode_times(time, 0)
    return order, time, _native.PackedTimes(blocks, np.append(stream, np.zeros(8, np.uint8)), len(time))


def _node(node_type: NodeKey) -> str:
    return "the nodes" if node_type is None else f"the nodes '{node_type}'"


def _known(stores: Mapping[Any, Any], name: str) -> str:
    names = [key for store in stores.values() for key in store.keys()]
    return "." + nearest(name, dict.fromkeys(names))
