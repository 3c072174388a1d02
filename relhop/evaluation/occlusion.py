"""One seed's neighborhood, copied many times, each copy without some of its rows.

What goes with a row: the rows that only it led to, which would not have been found without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_frame import TensorFrame
from torch_geometric.data import HeteroData

from relhop.schema import EdgeType

Masks: TypeAlias = dict[str, NDArray[np.bool_]]
"""By table bool [copies, nodes]."""

_OF_SEEDS = ("input_id", "seed_time", "y", "weight", "aggregates")
"""What a batch has of its seeds alone."""


def reached_without(
    batch: HeteroData, entity_table: str, gone: Mapping[str, NDArray[np.bool_]]
) -> tuple[Masks, dict[EdgeType, NDArray[np.bool_]]]:
    """What is left of a neighborhood without some rows.

    Args:
        batch: Of one seed, which is the first node of the entity's table.
        entity_table: The seed's table.
        gone: By table bool [copies, nodes]: what each copy lacks; never the seed.

    Returns:
        By table which nodes are still there, and by edge type which edges, bool [copies, edges]: those that
        are found from the seed hop by hop without a row that is gone.
    """
    count = len(gone[entity_table])
    reached = {table: np.zeros((count, batch[table].num_nodes), bool) for table in batch.node_types}
    reached[entity_table][:, 0] = True
    kept = {e: np.zeros((count, batch[e].edge_index.shape[1]), bool) for e in batch.edge_types}
    begins = dict.fromkeys(batch.edge_types, 0)
    for hop in range(len(batch[batch.edge_types[0]].num_sampled_edges) if batch.edge_types else 0):
        found: list[tuple[str, NDArray[np.int64], NDArray[np.bool_]]] = []
        for edge_type in batch.edge_types:
            begin, end = begins[edge_type], begins[edge_type] + batch[edge_type].num_sampled_edges[hop]
            begins[edge_type] = end
            sources, targets = batch[edge_type].edge_index[:, begin:end].cpu().numpy()
            there = reached[edge_type[2]][:, targets] & ~gone[edge_type[0]][:, sources]
            kept[edge_type][:, begin:end] = there
            found.append((edge_type[0], sources, there))
        for table, sources, there in found:
            copies_there, edges_there = np.nonzero(there)
            reached[table][copies_there, sources[edges_there]] = True
    return reached, kept


def copies_of(
    batch: HeteroData, entity_table: str, nodes: Masks, edges: Mapping[EdgeType, NDArray[np.bool_]]
) -> HeteroData:
    """A batch of as many seeds as there are copies, laid out as `SeedLoader` does.

    Args:
        batch: Of one seed.
        entity_table: The seed's table.
        nodes: By table bool [copies, nodes], which are there; the seed always.
        edges: By edge type bool [copies, edges], which are there; so are their ends.
    """
    out, places = HeteroData(), {}
    for table, mask in nodes.items():
        given = batch[table]
        hops = _hops(given.num_sampled_nodes)
        copy, node, places[table] = _ordered(mask, hops)
        rows = torch.from_numpy(node).to(given.row.device)
        out[table].num_nodes = len(node)
        out[table].batch = torch.from_numpy(copy).to(given.row.device)
        out[table].num_sampled_nodes = _counts(hops[node], given.num_sampled_nodes)
        for name, value in given.items():
            if isinstance(value, Tensor | TensorFrame) and name not in ("batch", *_OF_SEEDS):
                out[table][name] = value[rows]
    for edge_type, mask in edges.items():
        given = batch[edge_type]
        hops = _hops(given.num_sampled_edges)
        copy, edge, _ = _ordered(mask, hops)
        sources, targets = given.edge_index.cpu().numpy()[:, edge]
        index = np.stack([places[edge_type[0]][copy, sources], places[edge_type[2]][copy, targets]])
        out[edge_type].edge_index = torch.from_numpy(index).to(given.edge_index.device)
        out[edge_type].num_sampled_edges = _counts(hops[edge], given.num_sampled_edges)
    copies = len(nodes[entity_table])
    out[entity_table].batch_size = copies
    out[entity_table].input_id = torch.arange(copies)
    out[entity_table].seed_time = batch[entity_table].seed_time.repeat(copies)
    if "aggregates" in batch[entity_table]:
        out[entity_table].aggregates = batch[entity_table].aggregates.expand(copies, -1)
    return out


def _hops(counts: Sequence[int]) -> NDArray[np.int64]:
    """The place in `counts` of each thing that they count."""
    return np.repeat(np.arange(len(counts)), counts)


def _counts(hops: NDArray[np.int64], like: Sequence[int]) -> list[int]:
    counts: list[int] = np.bincount(hops, minlength=len(like)).tolist()
    return counts


def _ordered(
    mask: NDArray[np.bool_], hops: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Copy and number of each thing that is there, by hop, and the place of each in that order [copies,
    things].
    """
    copy, number = np.nonzero(mask)
    order = np.argsort(hops[number], kind="stable")
    copy, number = copy[order], number[order]
    place = np.full(mask.shape, -1, np.int64)
    place[copy, number] = np.arange(len(copy))
    return copy, number, place
