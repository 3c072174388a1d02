"""The slow, obvious twin of the native sampler: plain Python over plain lists. It is the specification.

The native sampler must return the same bits. Row lists, times and cuts are found here by scanning, never by searching, so that a
mistake in the fast path cannot hide in a copy of itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

MASK = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15


def mix(x: int) -> int:
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & MASK
    return x ^ (x >> 31)


def fold(key: int, *values: int) -> int:
    for value in values:
        key = mix(key ^ mix((value & MASK) + GOLDEN & MASK))
    return key


class Stream:
    def __init__(self, key: int) -> None:
        self.state = key

    def next(self) -> int:
        self.state = (self.state + GOLDEN) & MASK
        return mix(self.state)

    def below(self, bound: int) -> int:
        if bound == 1:
            return 0
        while True:
            product = self.next() * bound
            if product & MASK >= 2**64 % bound:
                return product >> 64


def recency_strata(n: int, k: int) -> list[range]:
    """The ranks (0 = newest) of each stratum, the newest stratum first."""
    bounds = [i + (n - k) * i**3 // k**3 for i in range(k + 1)]
    return [range(a, b) for a, b in itertools.pairwise(bounds)]


def choose(strategy: str, n: int, k: int, stream: Stream) -> list[int]:
    """Ascending positions of min(k, n) of n time-ordered neighbors; k = -1 takes all."""
    if k < 0 or k >= n:
        return list(range(n))
    if strategy == "last":
        return list(range(n - k, n))
    if strategy == "recency":
        return [n - 1 - (s.start + stream.below(len(s))) for s in reversed(recency_strata(n, k))]
    chosen: list[int] = []
    for j in range(n - k, n):
        position = stream.below(j + 1)
        chosen.append(j if position in chosen else position)
    return sorted(chosen)


@dataclass
class Tables:
    """`time[t]`: the times of table t's rows, ascending, or None; `links`: (child, parent, parent row or None per child row)."""

    num_rows: list[int]
    time: list[list[int] | None]
    links: list[tuple[int, int, list[int | None]]]
    caps: list[int] = field(default_factory=list)

    def visible(self, table: int, row: int, anchor: int) -> bool:
        times = self.time[table]
        below_cap = not self.caps or row < self.caps[table]
        return below_cap and (times is None or times[row] <= anchor)


@dataclass
class Subgraph:
    """Of one seed: rows by table and hop; edges by edge type and hop as (found row, expanded row)."""

    rows: list[list[list[int]]]
    edges: list[list[list[tuple[int, int]]]]


def sample_seed(
    tables: Tables,
    seed: tuple[int, int, int],
    num_neighbors: Sequence[Sequence[int]],
    strategies: Sequence[Sequence[str]],
    key: tuple[int, int] = (0, 0),
) -> Subgraph:
    """The subgraph of `seed = (table, row, anchor time)`; `key = (random seed, epoch)`."""
    seed_table, seed_row, anchor = seed
    seed_key = fold(key[0], key[1], seed_table, seed_row, anchor)
    num_edge_types = 2 * len(tables.links)
    found: list[list[int]] = [[] for _ in tables.num_rows]
    found[seed_table].append(seed_row)
    out = Subgraph([[list(rows)] for rows in found], [[] for _ in range(num_edge_types)])
    frontier = [list(rows) for rows in found]
    for fanouts, kinds in zip(num_neighbors, strategies, strict=True):
        fresh: list[list[int]] = [[] for _ in tables.num_rows]
        for e in range(num_edge_types):
            child, parent, parents = tables.links[e // 2]
            expanded, source = (parent, child) if e % 2 == 0 else (child, parent)
            pairs: list[tuple[int, int]] = []
            for row in frontier[expanded]:
                if e % 2 == 0:
                    neighbors = [c for c in range(tables.num_rows[child]) if parents[c] == row]
                else:
                    neighbors = [p for p in [parents[row]] if p is not None]
                neighbors = [x for x in neighbors if tables.visible(source, x, anchor)]
                if fanouts[e] == 0 or not neighbors:
                    continue
                positions = choose(kinds[e], len(neighbors), fanouts[e], Stream(fold(seed_key, e, row)))
                pairs += [(neighbors[i], row) for i in positions]
            for x, _ in pairs:
                if x not in found[source]:
                    found[source].append(x)
                    fresh[source].append(x)
            out.edges[e].append(pairs)
        for t, rows in enumerate(fresh):
            out.rows[t].append(rows)
        frontier = fresh
    return out
