"""Seeds and anchor times -> temporal neighborhoods, as row numbers.

The visibility rule, for all of relhop: a row is visible to a seed with anchor time t iff its time <= t.
Labels cover the time after t, so inputs and labels share no row. Rows without a time are invisible to every
timed seed; tables without a time column are always visible. Each seed has its own subgraph; no node is
shared between two seeds.

A neighborhood is a pure function of (store, seed, anchor time, fanouts, strategies, random seed, epoch):
the same bits for any number of threads and in any batch. The sampler knows nothing of features, labels or
torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np

from relhop import _native
from relhop.errors import SchemaError, TrainingError, nearest
from relhop.schema import EdgeType, Schema
from relhop.store.reader import Store
from relhop.times import END_OF_TIME, NULL_TIME, format_time

Int64s: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.int64]]"
Fanouts: TypeAlias = Sequence[int] | Sequence[Mapping[EdgeType, int]]
"""Neighbors per hop: one number for all edge types, or one per edge type. 0 none, -1 all that are visible."""
Strategies: TypeAlias = str | Sequence[Mapping[EdgeType, str]]
"""One strategy for all, or per hop one per edge type: `recency`, `last` or `uniform`."""

STRATEGIES = ("recency", "last", "uniform")
MAX_HOPS = 6

T = TypeVar("T")


@dataclass(frozen=True)
class SampledNodes:
    """The nodes of one table in a batch of subgraphs, ordered by hop, then by seed; the seeds come first.

    Attributes:
        rows: Store rows, int64 [N].
        batch: The seed whose subgraph a node is in, int64 [N].
        num_per_hop: How many of the nodes each hop found; [hops + 1] numbers, the seeds' first.
    """

    rows: Int64s
    batch: Int64s
    num_per_hop: list[int]


@dataclass(frozen=True)
class SampledEdges:
    """The edges of one type in a batch of subgraphs, ordered by hop, then by seed.

    Ends are indices into the `SampledNodes` of their tables.

    Attributes:
        source: The node that was found, int64 [E].
        target: The node that was expanded, one hop nearer to the seed, int64 [E].
        num_per_hop: How many of the edges each hop drew; [hops] numbers.
    """

    source: Int64s
    target: Int64s
    num_per_hop: list[int]


@dataclass(frozen=True)
class Subgraphs:
    """The neighborhoods of a batch of seeds; every table and edge type is present, empty ones too."""

    nodes: dict[str, SampledNodes]
    edges: dict[EdgeType, SampledEdges]

    @classmethod
    def from_native(cls, schema: Schema, sample: dict[str, list[dict[str, object]]]) -> Subgraphs:
        """Names what the native sampler numbers."""
        nodes = {t: SampledNodes(**n) for t, n in zip(schema.tables, sample["nodes"], strict=True)}  # type: ignore[arg-type]
        edges = {e: SampledEdges(**n) for e, n in zip(schema.edge_types, sample["edges"], strict=True)}  # type: ignore[arg-type]
        return cls(nodes, edges)


class NeighborSampler:
    """Samples the neighborhoods of a store's rows as of their anchor times.

    Strategies choose k of a node's n visible neighbors along an edge type, all without replacement:

    - `recency` (default): one from each of k strata of ranks, rank 0 being the newest; stratum i holds the
      ranks [b(i), b(i+1)) with b(i) = i + floor((n-k) i³/k³), and a rank of a stratum of width w is drawn
      with probability 1/w. The newest are nearly sure; far from the end the chance falls as rank^(-2/3).
    - `last`: the k newest.
    - `uniform`: every k-subset alike.

    Args:
        store: What to sample; under `store.as_of(time)` nothing later exists.
        num_neighbors: Per hop (1 to 6), for all edge types or by edge type (those not named get 0).
        strategies: For all edge types and hops, or by hop and edge type (those not named get `recency`).
        random_seed: Key of all draws.

    Raises:
        SchemaError: On an unknown edge type.
        ValueError: On a number of hops outside 1 to 6, a fanout below -1 or an unknown strategy.
    """

    def __init__(
        self, store: Store, num_neighbors: Fanouts, strategies: Strategies = "recency", random_seed: int = 0
    ) -> None:
        self.store = store
        if not 1 <= len(num_neighbors) <= MAX_HOPS:
            raise ValueError(f"num_neighbors names {len(num_neighbors)} hops; 1 to {MAX_HOPS} can be sampled")
        self._fanouts = [_by_edge_type(store.schema, hop, 0) for hop in num_neighbors]
        for hop, fanouts in enumerate(self._fanouts, 1):
            for edge_type, fanout in zip(store.schema.edge_types, fanouts, strict=True):
                if fanout < -1:
                    raise ValueError(
                        f"num_neighbors of hop {hop}, {edge_type} is {fanout};"
                        " give 0 (none), -1 (all) or a count"
                    )
        by_hop = [strategies] * len(num_neighbors) if isinstance(strategies, str) else strategies
        if len(by_hop) != len(num_neighbors):
            raise ValueError(f"strategies name {len(by_hop)} hops, num_neighbors {len(num_neighbors)}")
        self._strategies = [
            [_strategy(s) for s in _by_edge_type(store.schema, hop, "recency")] for hop in by_hop
        ]
        self._random_seed = random_seed
        self._table_numbers = {name: i for i, name in enumerate(store.schema.tables)}
        self.topology = native_topology(store)

    def options(self, epoch: int) -> _native.SampleOptions:
        """What the native sampler needs beside topology and seeds."""
        caps = [int(cap) for cap in self.store.caps()]
        return _native.SampleOptions(self._fanouts, self._strategies, self._random_seed, epoch, caps)

    def table_number(self, table: str) -> int:
        """The number of a table in native calls.

        Raises:
            SchemaError: If there is no such table.
        """
        self.store.schema.table(table)
        return self._table_numbers[table]

    def check_seeds(self, table: str, rows: Int64s, times: Int64s | None) -> tuple[Int64s, Int64s]:
        """Seeds as contiguous int64 arrays; times default to "sees all".

        Raises:
            TrainingError: If a seed does not exist at its own anchor time.
        """
        number = self.table_number(table)
        rows = np.ascontiguousarray(rows, dtype=np.int64)
        if times is None:
            times = np.full(len(rows), NULL_TIME, dtype=np.int64)
        else:
            times = np.ascontiguousarray(times, dtype=np.int64)
            if len(times) and times.max() > END_OF_TIME:
                raise TrainingError(f"an anchor time of '{table}' is null; each seed needs a time")
        num_rows = self.store.tables[table].num_rows
        if len(rows) and not (rows.min() >= 0 and rows.max() < num_rows):
            raise TrainingError(
                f"seeds name rows {rows.min()}..{rows.max()}; '{table}' has the rows 0..{num_rows - 1}"
            )
        own = self.store.tables[table].time
        unborn = rows >= self.store.caps()[number]
        if own is not None:
            unborn |= own[rows] > times
        if unborn.any():
            first = int(np.argmax(unborn))
            at = format_time(int(times[first])) if times[first] < NULL_TIME else "the store's as_of time"
            raise TrainingError(
                f"{int(unborn.sum())} of {len(rows)} seeds do not exist at their anchor time;"
                f" the first is row {rows[first]} of '{table}' at {at}"
            )
        return rows, times

    def sample(
        self, table: str, rows: Int64s, times: Int64s | None = None, *, epoch: int = 0, num_threads: int = 1
    ) -> Subgraphs:
        """The neighborhoods of some rows.

        Args:
            table: The seeds' table.
            rows: Store rows, int64 [B]; may repeat.
            times: Anchor times, int64 microseconds [B]; `None`: everything is visible.
            epoch: Key of the draws, beside the random seed.
            num_threads: Threads to split the seeds over; does not change the result.
        """
        rows, times = self.check_seeds(table, rows, times)
        sampled = _native.sample(
            self.topology, self.options(epoch), self.table_number(table), rows, times, num_threads
        )
        return Subgraphs.from_native(self.store.schema, sampled)


def native_topology(store: Store) -> _native.Topology:
    """A store's links and times for the native code."""
    numbers = {name: i for i, name in enumerate(store.schema.tables)}
    tables = [
        _native.TableRows(t.name, t.num_rows, None if t.time is None else t.time[:])
        for t in store.tables.values()
    ]
    links = [
        _native.LinkRows(
            link.link.name,
            numbers[link.link.child],
            numbers[link.link.parent],
            link.parents[:].view(np.uint64),
            link.offsets[:].view(np.uint64),
            link.children[:].view(np.uint64),
        )
        for link in store.links.values()
    ]
    return _native.Topology(tables, links)


def _by_edge_type(schema: Schema, hop: T | Mapping[EdgeType, T], missing: T) -> list[T]:
    if not isinstance(hop, Mapping):
        return [hop] * len(schema.edge_types)
    for edge_type in hop:
        if edge_type not in schema.edge_types:
            names = {str(e): e for e in schema.edge_types}
            raise SchemaError(f"there is no edge type {edge_type}.{nearest(str(edge_type), names)}")
    return [hop.get(edge_type, missing) for edge_type in schema.edge_types]


def _strategy(name: str) -> _native.Strategy:
    if name not in STRATEGIES:
        raise ValueError(
            f"unknown strategy {name!r}; choose one of {', '.join(STRATEGIES)}.{nearest(name, STRATEGIES)}"
        )
    return _native.Strategy[name]
