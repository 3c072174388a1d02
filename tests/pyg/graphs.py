"""The same graph as PyG's data in memory and as a store, for tests that hold of both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch_geometric.data import Data, HeteroData

import relhop as rh

NUM_PAPERS, NUM_AUTHORS = 100, 60
CITES, WRITES, WRITTEN = (
    ("paper", "cites", "paper"),
    ("author", "writes", "paper"),
    ("paper", "rev_writes", "author"),
)


def random_edges(num_sources: int, num_targets: int, num_edges: int, seed: int = 0) -> torch.Tensor:
    """Ends [2, E], with repeats."""
    generator = torch.Generator().manual_seed(seed)
    ends = [torch.randint(n, (num_edges,), generator=generator) for n in (num_sources, num_targets)]
    return torch.stack(ends)


def homogeneous(**attributes: torch.Tensor) -> Data:
    """Papers that cite papers; papers have numbers of their own as `x`, and edges as `edge_attr`."""
    return Data(
        x=torch.arange(NUM_PAPERS, dtype=torch.float32).repeat(4, 1).t().contiguous(),
        y=torch.arange(NUM_PAPERS) % 7,
        edge_index=random_edges(NUM_PAPERS, NUM_PAPERS, 500),
        edge_attr=torch.arange(500),
        **attributes,
    )


def heterogeneous() -> HeteroData:
    """Papers that cite papers, and authors that write papers; both ways."""
    data = HeteroData()
    data["paper"].x = torch.arange(NUM_PAPERS)
    data["author"].x = torch.arange(NUM_AUTHORS) + 1000
    data[CITES].edge_index = random_edges(NUM_PAPERS, NUM_PAPERS, 500)
    data[CITES].edge_attr = torch.arange(500)
    data[WRITES].edge_index = random_edges(NUM_AUTHORS, NUM_PAPERS, 300, seed=1)
    data[WRITES].edge_attr = torch.arange(300) + 1000
    data[WRITTEN].edge_index = data[WRITES].edge_index.flip(0)
    data[WRITTEN].edge_attr = data[WRITES].edge_attr
    return data


def store_of(
    data: Data | HeteroData, path: Path, time: str | None = None, weight: str | None = None, **options: Any
) -> rh.Store:
    """The store of a graph in memory: a table a node type, an edge table an edge type, arrays as they are.

    Edge types "rev_…" are the reverses of those without.
    """
    if isinstance(data, Data):
        nodes = {k: v for k, v in data.items() if data.is_node_attr(k)}
        edges = {k: v for k, v in data.items() if k == "edge_index" or data.is_edge_attr(k)}
        tables = [_table("node", nodes, data.num_nodes, time)]
        edge_tables = [_edges(("node", "edge", "node"), edges, False, time, weight)]
    else:
        tables = [_table(key, dict(store.items()), store.num_nodes, time) for key, store in data.node_items()]
        edge_tables = [
            _edges(
                key, dict(store.items()), (key[2], f"rev_{key[1]}", key[0]) in data.edge_types, time, weight
            )
            for key, store in data.edge_items()
            if not key[1].startswith("rev_")
        ]
    return rh.Graph(tables=tables, links=[], edges=edge_tables).snapshot(path, **options)


def _table(name: str, columns: dict[str, Any], num_nodes: int, time: str | None) -> rh.Table:
    columns = {k: v for k, v in columns.items() if k != "num_nodes"}
    timed = time is not None and time in columns
    return rh.Table(
        name,
        source=columns or {"nothing": np.zeros(num_nodes, np.int8)},
        pkey_col=(),
        time_col=time if timed else "",
        time_unit="us" if timed else None,
    )


def _edges(
    edge_type: tuple[str, str, str],
    columns: dict[str, Any],
    reverse: bool,
    time: str | None,
    weight: str | None,
) -> rh.EdgeTable:
    timed = time is not None and time in columns
    return rh.EdgeTable(
        edge_type[1],
        src=edge_type[0],
        dst=edge_type[2],
        source=columns,
        time_col=time if timed else None,
        time_unit="us" if timed else None,
        weight_col=weight if weight is not None and weight in columns else None,
        reverse=reverse,
        edge_ids=True,
    )


def pairs(edge_index: torch.Tensor) -> list[tuple[int, int]]:
    """Edges as pairs, sorted."""
    return sorted(map(tuple, edge_index.t().tolist()))
