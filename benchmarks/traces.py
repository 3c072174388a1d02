"""A sample, turned back into the accesses that it needed: which rows, which places of their lists.

Knows graphs and samples as plain arrays; nothing of time measured or of the sampler's code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.graphs import Array, Graph

NEW = 1 << 31


@dataclass(frozen=True)
class TraceStep:
    """One hop along one edge type.

    Attributes:
        edge_type: Its number.
        rows: Expanded rows, int64.
        counts: How many neighbors of each were chosen, uint32.
        visible: How many neighbors of each could be seen, uint32; `None` where all can.
        seeds: Whose neighborhood each is in, int64; `None` where all share one.
        picks: Places of the chosen ones in their lists, uint32; plus NEW where a node is first found.
        first_target: Number of the first expanded row among its table's nodes.
        origins: Of rows that name one parent each, which found them in its list: the parents' numbers, int64.
            `None` where parents, or lists, have to be read.
    """

    edge_type: int
    rows: Array
    counts: Array
    visible: Array | None
    seeds: Array | None
    picks: Array
    first_target: int
    origins: Array | None = None

    def parts(self, bounds: Iterable[tuple[int, int]]) -> Iterator[TraceStep]:
        """Of the rows begin to end, for each (begin, end)."""
        edges = np.concatenate([[0], np.cumsum(self.counts, dtype=np.int64)])
        for begin, end in bounds:
            yield replace(
                self,
                rows=self.rows[begin:end],
                counts=self.counts[begin:end],
                visible=None if self.visible is None else self.visible[begin:end],
                seeds=None if self.seeds is None else self.seeds[begin:end],
                picks=self.picks[edges[begin] : edges[end]],
                first_target=self.first_target + begin,
                origins=None if self.origins is None else self.origins[begin:end],
            )


@dataclass(frozen=True)
class Trace:
    """The steps of a batch, in order; and how many nodes of each table it starts and ends with.

    Attributes:
        cuts: By table, how many of its rows each seed may see, int64; `None` where that is all.
        most_known: By table, the most nodes that are known at once.
    """

    steps: list[TraceStep]
    cuts: list[Array | None]
    num_seeds: list[int]
    num_nodes: list[int]
    most_known: list[int]

    @property
    def num_edges(self) -> int:
        """Of all steps."""
        return sum(len(step.picks) for step in self.steps)


def trace(graph: Graph, sample: dict[str, list[dict[str, Any]]], times: Array | None) -> Trace:
    """The accesses of a sample, hop by hop; `times` are the seeds' anchor times where it is temporal."""
    nodes, edges = sample["nodes"], sample["edges"]
    node_ends = [np.cumsum([0, *of["num_per_hop"]]) for of in nodes]
    edge_ends = [np.cumsum([0, *of["num_per_hop"]]) for of in edges]
    known = [np.zeros(len(of["rows"]), bool) for of in nodes]
    for of_table, ends in zip(known, node_ends, strict=True):
        of_table[: ends[1]] = True
    cuts = [
        None if table.times is None or times is None else np.searchsorted(table.times, times, "right")
        for table in graph.tables
    ]
    steps = []
    for hop in range(len(edges[0]["num_per_hop"])):
        for number, of_type in enumerate(graph.edge_types):
            begin, end = node_ends[of_type.expanded][hop : hop + 2]
            chosen = slice(*edge_ends[number][hop : hop + 2])
            source, target = edges[number]["source"][chosen], edges[number]["target"][chosen]
            assert (np.diff(target) >= 0).all(), "edges come in the order of the expanded rows"
            rows = nodes[of_type.expanded]["rows"][begin:end]
            batch = nodes[of_type.expanded]["batch"]
            seeds = None if batch is None else batch[begin:end]
            counts = np.bincount(target - begin, minlength=len(rows)).astype(np.uint32)
            picks, visible = np.zeros(len(source), np.uint32), None
            if of_type.offsets is not None:
                first, last = of_type.offsets[rows], of_type.offsets[rows + 1]
                owner = target - begin
                wanted = nodes[of_type.found]["rows"][source]
                place = first_not_below(of_type.neighbors, first[owner], last[owner], wanted)
                assert (of_type.neighbors[place] == wanted).all(), "a chosen neighbor is in the list"
                picks = (place - first[owner]).astype(np.uint32)
                cut = cuts[of_type.found]
                if cut is not None:
                    bound = cut[seeds]
                    visible = (first_not_below(of_type.neighbors, first, last, bound) - first).astype(
                        np.uint32
                    )
            picks |= _new(source, known[of_type.found])
            step = TraceStep(number, rows, counts, visible, seeds, picks, int(begin))
            found_by = graph.reverse(number)
            if of_type.offsets is not None or found_by is None or hop == 0:
                steps.append(step)
                continue
            listed = slice(*edge_ends[found_by][hop - 1 : hop + 1])
            origins = np.full(len(rows), -1)
            members = edges[found_by]["source"][listed] - begin
            origins[members[members >= 0]] = edges[found_by]["target"][listed][members >= 0]
            steps += _apart(step, np.where(counts == 1, origins, -1))
    num_nodes = [len(of["rows"]) for of in nodes]
    return Trace(steps, cuts, [int(ends[1]) for ends in node_ends], num_nodes, num_nodes)


def _apart(step: TraceStep, origins: Array) -> list[TraceStep]:
    """A step's runs of rows whose parents are known (origins >= 0), and of others."""
    known = origins >= 0
    bounds = [0, *(np.flatnonzero(np.diff(known)) + 1).tolist(), len(known)]
    runs = [(begin, end) for begin, end in pairwise(bounds) if begin < end]
    return [
        replace(part, origins=origins[begin:end] if known[begin] else None)
        for part, (begin, end) in zip(step.parts(runs), runs, strict=True)
    ]


def by_blocks(traced: Trace, sample: dict[str, list[dict[str, Any]]], graph: Graph, seeds: int) -> Trace:
    """A disjoint sample's accesses in another order: all hops of some seeds, then those of the next."""
    steps: list[tuple[int, TraceStep]] = []
    for step in traced.steps:
        expanded = graph.edge_types[step.edge_type].expanded
        batch = sample["nodes"][expanded]["batch"][step.first_target : step.first_target + len(step.rows)]
        blocks, begins = np.unique(batch // seeds, return_index=True)
        ends = np.append(begins[1:], len(batch))[: len(begins)]  # a step may have no rows at all
        parts = step.parts(zip(begins.tolist(), ends.tolist(), strict=True))
        steps += zip(blocks.tolist(), parts, strict=True)
    most_known = [int(np.bincount(of["batch"] // seeds, minlength=1).max()) for of in sample["nodes"]]
    in_order = [step for _, step in sorted(steps, key=lambda of: of[0])]
    return replace(traced, steps=in_order, most_known=most_known)


def first_not_below(values: Array, begin: Array, end: Array, bound: Array) -> Array:
    """By bisection, of each ascending values[begin : end]: where its first value >= bound is."""
    low, high = begin.copy(), end.copy()
    while (open_ := low < high).any():
        middle = (low + high) // 2
        below = values[np.where(open_, middle, 0)] < bound
        low = np.where(open_ & below, middle + 1, low)
        high = np.where(open_ & ~below, middle, high)
    return low


def _new(source: Array, known: Array) -> Array:
    flags = np.zeros(len(source), np.uint32)
    found, first = np.unique(source, return_index=True)
    flags[first[~known[found]]] = NEW
    known[found] = True
    return flags
