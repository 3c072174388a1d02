"""What users name as seeds of a loader -> what PyG's loaders take."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from relhop.errors import SchemaError, nearest
from relhop.pyg.graph_data import GraphData, NodeKey
from relhop.schema import EdgeType


def seed_nodes(graph: GraphData, input_nodes: Any) -> Any:
    """Seeds of a node loader.

    Args:
        graph: What they are nodes of.
        input_nodes: Numbers or a mask; of heterogeneous graphs (node type, these or None), or a node type.
            None: all.

    Raises:
        SchemaError: If there is no such node type, or it is not given; if they are neither numbers nor a
            mask of all nodes.
        IndexError: If there is no such number.
    """
    if graph.is_homogeneous:
        node_type, numbers = None, _without_type(input_nodes, "input_nodes", "numbers or a mask")
    else:
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
    if numbers is not None:
        seeds: Any = _seeds(graph, node_type, numbers)
    else:
        seeds = None if graph.store is None else _all_nodes(graph, node_type)
    return seeds if graph.is_homogeneous else (node_type, seeds)


def seed_links(graph: GraphData, data: Any, edge_label_index: Any) -> Any:
    """Seeds of a link loader.

    Args:
        graph: What they are links of.
        data: In memory, or a feature store and a graph store.
        edge_label_index: Ends [2, links]; of heterogeneous graphs (edge type, these or None), or an edge
            type, which its two node types name where there is but one. None: all edges.

    Raises:
        SchemaError: If there is no such edge type, or it is not given; if links are no integers [2, links].
    """
    if graph.is_homogeneous:
        links = _without_type(edge_label_index, "edge_label_index", "the ends [2, links]")
        if links is not None:
            links = _links(links)
        elif graph.store is not None:
            row, col, _ = data[1].coo()
            links = torch.stack([row, col])
        return links if graph.store is None else (None, links)
    if (
        isinstance(edge_label_index, (tuple, list))
        and edge_label_index
        and isinstance(edge_label_index[0], str)
    ):
        edge_label_index = (edge_label_index, None)
    if not isinstance(edge_label_index, (tuple, list)) or len(edge_label_index) != 2:
        raise SchemaError(
            "edge_label_index is (edge type, links) in a graph with several edge types; it has"
            f" {', '.join(map(str, graph.edges))}"
        )
    links = edge_label_index[1]
    edge_type = _edge_type(graph, tuple(edge_label_index[0]), links is not None)
    if links is not None:
        links = _links(links)
    elif graph.store is not None:
        rows, cols, _ = data[1].coo([edge_type])
        links = torch.stack([rows[edge_type], cols[edge_type]])
    return edge_type, links


def check_lengths(seeds: Tensor, **given: Any) -> None:
    """Raises ValueError unless what is given of seeds, by argument, has an entry for each."""
    for name, values in given.items():
        if values is not None and len(values) != len(seeds):
            raise ValueError(f"{name} has {len(values):,} entries for {len(seeds):,} seeds")


def _without_type(given: Any, name: str, asked: str) -> Any:
    """Seeds of a homogeneous graph, which PyG's remote stores call (None, seeds)."""
    if isinstance(given, (tuple, list)) and len(given) == 2 and given[0] is None:
        return given[1]
    if isinstance(given, str) or (
        isinstance(given, (tuple, list)) and given and isinstance(given[0], (str, tuple))
    ):
        raise SchemaError(f"the graph has one type of nodes and one of edges; give {name} as {asked} alone")
    return given


def _edge_type(graph: GraphData, given: tuple[str, ...], has_links: bool) -> EdgeType:
    """The edge type that is meant; between links that are given there may be no edges."""
    known = [edge_type for edge_type in graph.edges if edge_type is not None]
    found = [edge_type for edge_type in known if given in (edge_type, (edge_type[0], edge_type[-1]))]
    if not found and has_links and len(given) in (2, 3) and {given[0], given[-1]} <= set(graph.nodes):
        return given[0], given[1] if len(given) == 3 else "to", given[-1]
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


def _seeds(graph: GraphData, node_type: NodeKey, given: Any) -> Tensor:
    """Numbers int64 [n], or a mask of all nodes."""
    seeds, num_nodes = _tensor(given, "input_nodes"), graph.nodes[node_type].num_nodes
    if seeds.dtype == torch.bool:
        if seeds.shape != (num_nodes,):
            raise SchemaError(f"input_nodes is a mask {list(seeds.shape)}, but there are {num_nodes:,} nodes")
        return seeds
    if seeds.dim() != 1 or seeds.is_floating_point() or seeds.is_complex():
        raise SchemaError(
            f"input_nodes is {seeds.dtype} {list(seeds.shape)}; give numbers, which are integers [seeds],"
            f" or a mask, bool [{num_nodes}]"
        )
    seeds = seeds.to(torch.int64)
    graph.nodes[node_type].numbering.check(seeds.cpu().numpy())
    return seeds


def _links(given: Any) -> Tensor:
    """Ends of links, int64 [2, n]."""
    links = _tensor(given, "edge_label_index")
    if links.dim() != 2 or len(links) != 2 or links.is_floating_point() or links.dtype == torch.bool:
        raise SchemaError(
            f"edge_label_index is {links.dtype} {list(links.shape)}; give the ends of links as integers"
            " [2, links]"
        )
    return links.to(torch.int64)


def _tensor(given: Any, name: str) -> Tensor:
    if isinstance(given, Tensor):
        return given
    try:
        found = torch.as_tensor(np.asarray(given))
    except (TypeError, ValueError) as error:
        raise SchemaError(f"{name} is no array of numbers: {error}") from None
    return found if found.numel() else found.to(torch.int64)
