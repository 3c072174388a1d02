"""What users name as seeds of a store's loader -> what PyG's loaders take."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from relhop.errors import SchemaError, nearest
from relhop.pyg.graph_data import GraphData, NodeKey
from relhop.schema import EdgeType


def seed_nodes(graph: GraphData, input_nodes: Any) -> Any:
    """Seeds of a node loader; those of data in memory are left to PyG.

    Args:
        graph: What they are nodes of.
        input_nodes: Numbers or a mask; of heterogeneous graphs (node type, these or None), or a node type.
            None: all.

    Raises:
        SchemaError: If there is no such node type, or it is not given.
    """
    if graph.store is None:
        return input_nodes
    if graph.is_homogeneous:
        return _all_nodes(graph, None) if input_nodes is None else _tensor(input_nodes)
    if isinstance(input_nodes, str):
        input_nodes = (input_nodes, None)
    if not isinstance(input_nodes, (tuple, list)) or len(input_nodes) != 2:
        raise SchemaError(
            "input_nodes are (node type, numbers) in a graph with several node types; it has"
            f" {', '.join(map(str, graph.nodes))}"
        )
    node_type, numbers = input_nodes
    if node_type not in graph.nodes:
        raise SchemaError(
            f"there are no nodes of type {node_type!r}.{nearest(str(node_type), map(str, graph.nodes))}"
        )
    return node_type, _all_nodes(graph, node_type) if numbers is None else _tensor(numbers)


def seed_links(graph: GraphData, data: Any, edge_label_index: Any) -> Any:
    """Seeds of a link loader; those of data in memory are left to PyG.

    Args:
        graph: What they are links of.
        data: Its feature store and graph store.
        edge_label_index: Ends [2, links]; of heterogeneous graphs (edge type, these or None), or an edge
            type, which its two node types name where there is but one. None: all edges.

    Raises:
        SchemaError: If there is no such edge type, or it is not given.
    """
    if graph.store is None:
        return edge_label_index
    if graph.is_homogeneous:
        if edge_label_index is None:
            row, col, _ = data[1].coo()
            edge_label_index = torch.stack([row, col])
        return None, edge_label_index
    if (
        isinstance(edge_label_index, (tuple, list))
        and edge_label_index
        and isinstance(edge_label_index[0], str)
    ):
        edge_label_index = (edge_label_index, None)
    if not isinstance(edge_label_index, (tuple, list)) or len(edge_label_index) != 2:
        raise SchemaError("edge_label_index is (edge type, links) in a graph with several edge types")
    edge_type, links = _edge_type(graph, tuple(edge_label_index[0])), edge_label_index[1]
    if links is None:
        rows, cols, _ = data[1].coo([edge_type])
        links = torch.stack([rows[edge_type], cols[edge_type]])
    return edge_type, links


def _edge_type(graph: GraphData, given: tuple[str, ...]) -> EdgeType:
    known = [edge_type for edge_type in graph.edges if edge_type is not None]
    if len(given) == 3:
        return given[0], given[1], given[2]
    found = [edge_type for edge_type in known if given == (edge_type[0], edge_type[-1])]
    if len(found) != 1:
        raise SchemaError(
            f"{given} names {len(found)} edge types; the graph has {', '.join(map(str, known))}"
        )
    return found[0]


def _all_nodes(graph: GraphData, node_type: NodeKey) -> Tensor:
    """The numbers of all nodes that exist."""
    numbering, cap = graph.nodes[node_type].numbering, graph.caps[graph.tables[node_type]]
    if cap == numbering.size:
        return torch.arange(numbering.size)
    return torch.from_numpy(np.sort(numbering.numbers(np.arange(cap))))


def _tensor(numbers: Any) -> Tensor:
    return numbers if isinstance(numbers, Tensor) else torch.as_tensor(np.asarray(numbers))
