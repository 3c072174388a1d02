"""Graphs that are made, the same every time, and kept as .npy files: power-law ones, and users who buy items.

A power law here: an end of an edge is floor(n u^a) for a uniform u, so the r-th of n nodes has a degree that
falls as r^(1/a - 1). A multiplication modulo n then scatters the ranks over the row numbers, so that hubs are
not neighbors in memory; the two ends are scattered apart. Knows nothing of samplers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

MICROS = 1_000_000
START = 1_600_000_000 * MICROS
YEAR = 365 * 86400 * MICROS


@dataclass(frozen=True)
class TableArrays:
    """A table: its rows, and their ascending times (int64 microseconds) where it has some."""

    name: str
    num_rows: int
    times: Array | None = None


@dataclass(frozen=True)
class EdgeArrays:
    """An edge type: lists of the expanded table's rows or, without offsets, one found row for each."""

    name: str
    expanded: int
    found: int
    offsets: Array | None  # int64 [rows of expanded + 1]
    neighbors: Array  # uint32, ascending within a list

    @property
    def num_edges(self) -> int:
        """Each direction of a link counts."""
        return len(self.neighbors)


@dataclass(frozen=True)
class Graph:
    """Tables and edge types, as plain arrays."""

    tables: list[TableArrays]
    edge_types: list[EdgeArrays]

    @property
    def num_edges(self) -> int:
        """Of all edge types."""
        return sum(edges.num_edges for edges in self.edge_types)

    def reverse(self, edge_type: int) -> int | None:
        """The edge type that leads back; the two ways of a foreign key follow each other."""
        return edge_type ^ 1 if any(edges.offsets is None for edges in self.edge_types) else None

    @property
    def max_degree(self) -> int:
        """The length of the longest list."""
        lists = [edges.offsets for edges in self.edge_types if edges.offsets is not None]
        return max((int(np.diff(offsets).max(initial=0)) for offsets in lists), default=1)


def power_law(num_nodes: int, num_edges: int, exponent: float = 2.5, seed: int = 0) -> Graph:
    """A static graph of one table; both ends of its edges follow the power law."""
    rng = np.random.default_rng(seed)
    targets = _ends(rng, num_nodes, num_edges, exponent, 7_368_787)
    sources = _ends(rng, num_nodes, num_edges, exponent, 5_915_587_277)
    offsets, neighbors = _lists(targets, sources, num_nodes, num_nodes)
    return Graph([TableArrays("nodes", num_nodes)], [EdgeArrays("edges", 0, 0, offsets, neighbors)])


def relational(num_users: int, num_items: int, num_transactions: int, seed: int = 0) -> Graph:
    """Two years of transactions, each of a user and an item; milder power laws, the users' mildest."""
    rng = np.random.default_rng(seed)
    times = np.sort(rng.integers(0, 2 * YEAR // MICROS, num_transactions)) * MICROS + START
    tables = [
        TableArrays("users", num_users),
        TableArrays("items", num_items),
        TableArrays("tx", num_transactions, times),
    ]
    edge_types = []
    rows = np.arange(num_transactions, dtype=np.uint32)
    for table, (name, exponent, prime) in enumerate([("user", 1.5, 7_368_787), ("item", 2.0, 5_915_587_277)]):
        num_parents = tables[table].num_rows
        parents = _ends(rng, num_parents, num_transactions, exponent, prime)
        offsets, children = _lists(parents, rows, num_parents, num_transactions)
        edge_types.append(EdgeArrays(f"tx.{name}", table, 2, offsets, children))
        edge_types.append(EdgeArrays(f"tx.{name}", 2, table, None, parents))
    return Graph(tables, edge_types)


GRAPHS: dict[str, Callable[[], Graph]] = {
    "1 M / 10 M": lambda: power_law(1_000_000, 10_000_000),
    "10 M / 150 M": lambda: power_law(10_000_000, 150_000_000),
    "1 M / 3 M": lambda: power_law(1_000_000, 3_000_000, 1.5),
    "relational": lambda: relational(1_000_000, 200_000, 20_000_000),
    "small": lambda: power_law(20_000, 200_000),
    "small sparse": lambda: power_law(20_000, 60_000, 1.5),
    "small relational": lambda: relational(20_000, 4_000, 400_000),
}


def load(name: str, folder: Path) -> Graph:
    """The named graph; made on the first call, read from `folder` on later ones."""
    home = folder / name.replace(" ", "").replace("/", "-")
    if not (home / "graph.json").exists():
        save(GRAPHS[name](), home)
    return read(home)


def save(graph: Graph, home: Path) -> None:
    """Writes a graph's arrays; what names them comes last, so that a broken write is no graph."""
    home.mkdir(parents=True, exist_ok=True)
    arrays = {f"times{t}": table.times for t, table in enumerate(graph.tables)}
    for e, edges in enumerate(graph.edge_types):
        arrays |= {f"offsets{e}": edges.offsets, f"neighbors{e}": edges.neighbors}
    for title, array in arrays.items():
        if array is not None:
            np.save(home / f"{title}.npy", array)
    tables = [(table.name, table.num_rows) for table in graph.tables]
    edge_types = [(edges.name, edges.expanded, edges.found) for edges in graph.edge_types]
    (home / "graph.json").write_text(json.dumps({"tables": tables, "edge_types": edge_types}))


def read(home: Path) -> Graph:
    """Reads what `save` wrote, into memory that NumPy asks to be on huge pages."""

    def array(title: str) -> Array | None:
        path = home / f"{title}.npy"
        return np.load(path) if path.exists() else None

    content = json.loads((home / "graph.json").read_text())
    tables = [TableArrays(*table, array(f"times{t}")) for t, table in enumerate(content["tables"])]
    edge_types = [
        EdgeArrays(*edges, array(f"offsets{e}"), np.load(home / f"neighbors{e}.npy"))
        for e, edges in enumerate(content["edge_types"])
    ]
    return Graph(tables, edge_types)


def _ends(rng: np.random.Generator, num_nodes: int, num_edges: int, exponent: float, prime: int) -> Array:
    assert math.gcd(prime, num_nodes) == 1, "ranks would fall together"
    result = np.empty(num_edges, np.uint32)
    for piece in np.array_split(result, max(1, num_edges // 10_000_000)):
        ranks = (num_nodes * rng.random(len(piece)) ** exponent).astype(np.uint64) + np.uint64(1)
        piece[:] = ranks * np.uint64(prime) % np.uint64(num_nodes)
    return result


def _lists(owners: Array, members: Array, num_owners: int, num_members: int) -> tuple[Array, Array]:
    shift = np.uint64(int(num_members).bit_length())
    keys = owners.astype(np.uint64)
    keys <<= shift
    keys |= members
    keys.sort()
    offsets = np.zeros(num_owners + 1, np.int64)
    np.cumsum(np.bincount(owners, minlength=num_owners), out=offsets[1:])
    keys &= (np.uint64(1) << shift) - np.uint64(1)
    return offsets, keys.astype(np.uint32)
