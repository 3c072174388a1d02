"""Seeds and anchor times -> neighborhoods, as row numbers.

The visibility rule, for all of relhop: a row is visible to a seed with anchor time t iff its time <= t.
Labels cover the time after t, so inputs and labels share no row. Rows without a time are invisible to every
timed seed; tables without a time column are always visible.

A neighborhood is a pure function of (store, seed, anchor time, fanouts, strategies, random seed, epoch):
the same bits for any number of threads and in any batch. The sampler knows nothing of features, labels or
torch.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

import numpy as np

from relhop import _native
from relhop.errors import SchemaError, TrainingError, nearest
from relhop.fanouts import INFERRED, inferred_fanout
from relhop.hops import MAX_HOPS
from relhop.schema import EdgeType, Schema
from relhop.store.reader import Store, StoredEdges
from relhop.strategies import Strategy, parse_strategy
from relhop.times import END_OF_TIME, NULL_TIME, format_time

Int64s: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.int64]]"
Fanouts: TypeAlias = Sequence[int | str] | Sequence[Mapping[EdgeType, int | str]]
"""Neighbors per hop, for all edge types or by edge type. 0: none; -1: all that are visible; "inferred": see
`relhop.fanouts`.
"""
Strategies: TypeAlias = str | Sequence[Mapping[EdgeType, str]]
"""One strategy for all, or per hop one per edge type; as `relhop.strategies` reads them."""
SubgraphType: TypeAlias = Literal["directional", "bidirectional", "induced"]

MAX_METAPATHS = 64

T = TypeVar("T")


@dataclass(frozen=True)
class SampledNodes:
    """The nodes of one table in a batch, ordered by hop; the seeds come first.

    Attributes:
        rows: Store rows, int64 [N].
        batch: The seed whose subgraph a node is in, int64 [N]; None where all seeds share one graph.
        num_per_hop: How many of the nodes each hop found; [hops + 1] numbers, the seeds' first.
    """

    rows: Int64s
    batch: Int64s | None
    num_per_hop: list[int]


@dataclass(frozen=True)
class SampledEdges:
    """The edges of one type in a batch, ordered by hop.

    Ends are indices into the `SampledNodes` of their tables.

    Attributes:
        source: The node that was found, int64 [E].
        target: The node that was expanded, one hop nearer to the seed, int64 [E].
        ids: The edge's number, int64 [E]: of a foreign key the row that holds it. None unless asked for.
        num_per_hop: How many of the edges each hop drew; [hops] numbers, none of a bidirectional or induced
            subgraph.
    """

    source: Int64s
    target: Int64s
    ids: Int64s | None
    num_per_hop: list[int]


@dataclass(frozen=True)
class Subgraphs:
    """The neighborhoods of a batch of seeds; every table and edge type is present, empty ones too."""

    nodes: dict[str, SampledNodes]
    edges: dict[EdgeType, SampledEdges]

    @classmethod
    def from_native(cls, schema: Schema, sample: dict[str, list[dict[str, object]]]) -> Subgraphs:
        """Names what the native sampler numbers."""
        # Tables that are the times of edges follow; they have no nodes.
        of_tables = sample["nodes"][: len(schema.tables)]
        nodes = {t: SampledNodes(**n) for t, n in zip(schema.tables, of_tables, strict=True)}  # type: ignore[arg-type]
        edges = {e: SampledEdges(**n) for e, n in zip(schema.edge_types, sample["edges"], strict=True)}  # type: ignore[arg-type]
        return cls(nodes, edges)


class SeedSampler:
    """Samples the neighborhoods of a store's rows as of their anchor times.

    A strategy chooses k of a node's n visible neighbors along an edge type:

    - `recency` (default): one from each of k strata of ranks, rank 0 being the newest; stratum i holds the
      ranks [b(i), b(i+1)) with b(i) = i + floor((n-k) i³/k³), and a rank of a stratum of width w is drawn
      with probability 1/w. The newest are nearly sure; far from the end the chance falls as rank^(-2/3).
    - `last`: the k newest.
    - `uniform`: every k-subset alike; `uniform with replacement`: k independent draws.
    - `weighted`: one after another with chances in proportion to `Link.weight`, each once; or
      `weighted with replacement`. Neighbors of weight 0 are never drawn.
    - `labor`: every k-subset alike, but all lists prefer the same neighbors, so that fewer different rows are
      found (Balin and Çatalyürek, NeurIPS 2023).

    `within 30 days` after any of them leaves, of a table with times, only neighbors in (anchor - 30 days,
    anchor]. A key leads to one parent, whatever the fanout but 0.

    Args:
        store: What to sample; under `store.as_of(time)` nothing later exists.
        num_neighbors: Per hop (1 to 6), for all edge types or by edge type (those not named get 0).
        strategies: For all edge types and hops, or by hop and edge type (those not named get `recency`).
        random_seed: Key of all draws.
        disjoint: Whether each seed has a subgraph, anchor time and draws of its own. Else a row is one node
            of the batch whoever found it (but a seed that repeats is one each time), anchors are not
            possible, and a row's neighbors are the same in all batches of an epoch.
        subgraph: `directional`: the edges that were followed; `bidirectional`: their reverses, too;
            `induced`: all edges among the nodes.
        metapaths: Sequences of edge types, from the seeds' table on. A node that is first found at the end of
            a sequence's beginning is expanded along its next edge type, and along nothing else.
        adaptive: Where a seed found fewer nodes to expand than the fanouts before allow, these have
            proportionally larger fanouts, up to four times. Needs `disjoint`.
        edge_ids: Whether to say which edge each is.

    Raises:
        SchemaError: On an unknown edge type.
        ValueError: On a number of hops outside 1 to 6, a fanout below -1, an unknown strategy, or arguments
            that exclude each other.
    """

    def __init__(  # noqa: PLR0913
        self,
        store: Store,
        num_neighbors: Fanouts,
        strategies: Strategies = "recency",
        random_seed: int = 0,
        *,
        disjoint: bool = True,
        subgraph: SubgraphType = "directional",
        metapaths: Sequence[Sequence[EdgeType]] = (),
        adaptive: bool = False,
        edge_ids: bool = False,
    ) -> None:
        self.store = store
        if not 1 <= len(num_neighbors) <= MAX_HOPS:
            raise ValueError(f"num_neighbors names {len(num_neighbors)} hops; 1 to {MAX_HOPS} can be sampled")
        by_hop: Sequence[str | Mapping[EdgeType, str]]
        by_hop = [strategies] * len(num_neighbors) if isinstance(strategies, str) else strategies
        if len(by_hop) != len(num_neighbors):
            raise ValueError(f"strategies name {len(by_hop)} hops, num_neighbors {len(num_neighbors)}")
        self._rules = [
            _rules(store, hop, fanouts, chosen)
            for hop, (fanouts, chosen) in enumerate(zip(num_neighbors, by_hop, strict=True), 1)
        ]
        if adaptive and not disjoint:
            raise ValueError("adaptive fanouts are a seed's own; they need disjoint subgraphs")
        self._random_seed, self._disjoint, self._adaptive, self._edge_ids = (
            random_seed,
            disjoint,
            adaptive,
            edge_ids,
        )
        if subgraph not in _native.Subgraph.__members__:
            raise ValueError(
                f"unknown subgraph {subgraph!r}; choose one of {', '.join(_native.Subgraph.__members__)}"
            )
        self._subgraph = _native.Subgraph[subgraph]
        self._metapaths = _metapaths(store.schema, metapaths)
        self._table_numbers = {name: i for i, name in enumerate(store.schema.tables)}
        self.topology = native_topology(store)

    def options(self, epoch: int) -> _native.SampleOptions:
        """What the native sampler needs beside topology and seeds."""
        caps = [int(cap) for cap in self.store.caps()]
        return _native.SampleOptions(
            self._rules,
            self._random_seed,
            epoch,
            caps,
            disjoint=self._disjoint,
            subgraph=self._subgraph,
            edge_ids=self._edge_ids,
            metapaths=self._metapaths,
            adaptive=self._adaptive,
        )

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
        for path in self._metapaths:
            begin = self.store.schema.edge_types[path[0]][2] if path else table
            if begin != table:
                raise SchemaError(f"a metapath begins at '{begin}', the seeds are of '{table}'")
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
        tables = np.full(len(rows), self.table_number(table), np.uint32)
        sampled = self.topology.sample(self.options(epoch), tables, rows, times, num_threads)
        return Subgraphs.from_native(self.store.schema, sampled)


def native_topology(store: Store) -> _native.Topology:
    """Views of a store's arrays for the native code; copies nothing."""
    numbers = {name: i for i, name in enumerate(store.schema.tables)}
    tables = [
        _native.TableRows(t.name, t.num_rows, None if t.time is None else t.time.native)
        for t in store.tables.values()
    ]
    edge_types = []
    for i, link in enumerate(store.links.values()):
        child, parent = numbers[link.link.child], numbers[link.link.parent]
        lists = _native.EdgeRows.lists(
            link.link.name,
            parent,
            child,
            link.offsets.native,
            link.children.native,
            reverse=2 * i + 1,
            weights=link.weights if link.paged_weights is None else link.paged_weights,
        )
        parents = _native.EdgeRows.parents(link.link.name, child, parent, link.parents.native, reverse=2 * i)
        edge_types += [lists, parents]
    for name, edges in store.edge_tables.items():
        timed_by = -1
        if edges.time is not None:
            timed_by = len(tables)
            tables.append(_native.TableRows(name, edges.num_rows, edges.time.native))
        edge_types += _edge_lists(edges, numbers, len(edge_types), timed_by)
    return _native.Topology(tables, edge_types)


def _edge_lists(
    edges: StoredEdges, numbers: Mapping[str, int], first: int, timed_by: int
) -> list[_native.EdgeRows]:
    """The edge types of an edge table, the first of which has the number `first`."""
    src, dst = numbers[edges.table.src], numbers[edges.table.dst]
    lists = []
    for i, (name, stored) in enumerate(edges.lists.items()):
        expanded, found = (dst, src) if name == "in" else (src, dst)
        lists.append(
            _native.EdgeRows.lists(
                edges.table.name,
                expanded,
                found,
                stored.offsets.native,
                stored.neighbors.native,
                reverse=-1 if edges.outgoing is None else first + 1 - i,
                weights=stored.weights if stored.paged_weights is None else stored.paged_weights,
                edge_ids=None if stored.edge_ids is None else stored.edge_ids.native,
                timed_by=timed_by,
            )
        )
    return lists


def _rules(
    store: Store,
    hop: int,
    fanouts: int | str | Mapping[EdgeType, int | str],
    strategies: str | Mapping[EdgeType, str],
) -> list[_native.Rule]:
    """Of one hop, by edge type."""
    edge_types = store.schema.edge_types
    rules = []
    for edge_type, fanout, text in zip(
        edge_types,
        _by_edge_type(store.schema, fanouts, 0),
        _by_edge_type(store.schema, strategies, "recency"),
        strict=True,
    ):
        chosen: Strategy = parse_strategy(text)
        if fanout == INFERRED:
            fanout = inferred_fanout(store, edge_type, hop, chosen)
        if not isinstance(fanout, (int, np.integer)) or fanout < -1:
            raise ValueError(
                f"num_neighbors of hop {hop}, {edge_type} is {fanout};"
                f" give 0 (none), -1 (all), a count or '{INFERRED}'"
            )
        if chosen.name == "weighted" and fanout != 0:
            _check_weights(store, hop, edge_type)
        rules.append(
            _native.Rule(int(fanout), _native.Strategy[chosen.name], chosen.with_replacement, chosen.window)
        )
    return rules


def _check_weights(store: Store, hop: int, edge_type: EdgeType) -> None:
    """Of a step along lists, that there are weights to draw by."""
    for edges in store.schema.edge_tables.values():
        if edge_type in edges.edge_types and edges.weight_col is None:
            raise SchemaError(
                f"the strategy of hop {hop}, {edge_type} is weighted, but the edge table '{edges.name}' has"
                " no weights; name a column of it in weight_col, or choose another strategy"
            )
    for link in store.schema.links:
        if link.to_parent == edge_type and link.weight is None:
            fkey = link.columns[0] if len(link.columns) == 1 else link.columns
            raise SchemaError(
                f"the strategy of hop {hop}, {edge_type} is weighted, but the link {link.name} has no"
                f" weights; name a column of '{link.child}' in the graph, as in rh.Link({link.child!r},"
                f" {fkey!r}, {link.parent!r}, weight='column'), or choose another strategy"
            )


def _metapaths(schema: Schema, metapaths: Sequence[Sequence[EdgeType]]) -> list[list[int]]:
    if len(metapaths) > MAX_METAPATHS:
        raise ValueError(f"{len(metapaths)} metapaths; at most {MAX_METAPATHS} can be followed")
    numbers = {edge_type: i for i, edge_type in enumerate(schema.edge_types)}
    for path in metapaths:
        for edge_type in path:
            _check_edge_type(schema, edge_type)
        for step, following in itertools.pairwise(path):
            # Messages flow from the found table to the expanded one, so a step ends where its edges begin.
            if step[0] != following[2]:
                raise ValueError(f"a metapath goes to '{step[0]}' and on from '{following[2]}'")
    return [[numbers[edge_type] for edge_type in path] for path in metapaths]


def _by_edge_type(schema: Schema, hop: T | Mapping[EdgeType, T], missing: T) -> list[T]:
    if not isinstance(hop, Mapping):
        return [hop] * len(schema.edge_types)
    for edge_type in hop:
        _check_edge_type(schema, edge_type)
    return [hop.get(edge_type, missing) for edge_type in schema.edge_types]


def _check_edge_type(schema: Schema, edge_type: EdgeType) -> None:
    if edge_type not in schema.edge_types:
        names = {str(e): e for e in schema.edge_types}
        raise SchemaError(f"there is no edge type {edge_type}.{nearest(str(edge_type), names)}")
