"""Random tables and edge tables, as frames and as a plain adjacency: what a store of them must hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd
from hypothesis import strategies as st

import relhop as rh

DAY = 86_400_000_000


@dataclass(frozen=True)
class Nodes:
    """A table. `keys` is None where ends are positions; times are days, None for null."""

    name: str
    size: int
    keys: list[Any] | None
    times: list[int | None] | None

    def table(self) -> rh.Table:
        columns: dict[str, Any] = {"number": [float(i) for i in range(self.size)]}
        if self.keys is not None:
            columns["key"] = pd.Series(self.keys, dtype=object if isinstance(self.keys[0], str) else "int64")
        if self.times is not None:
            columns["at"] = dates(self.times)
        return rh.Table(
            self.name,
            source=pd.DataFrame(columns),
            pkey_col="key" if self.keys is not None else (),
            time_col="at" if self.times is not None else "",
            stypes={"number": "numerical"},
        )

    def position(self, end: Any) -> int | None:
        """The position of the row that an end names; None where there is none."""
        known = list(range(self.size)) if self.keys is None else self.keys
        return known.index(end) if end in known else None

    def rows(self) -> list[int]:
        """Positions in the order of rows."""
        if self.times is None:
            return list(range(self.size))
        return sorted(range(self.size), key=lambda i: (_last(self.times[i]), i))

    def time(self, position: int) -> int | None:
        """Of a row; 0 is before all others, None never."""
        return 0 if self.times is None else self.times[position]


class Edge(NamedTuple):
    """An edge as the input has it."""

    src: Any
    dst: Any
    time: int | None
    weight: float | None


@dataclass(frozen=True)
class EdgeGraph:
    """One edge table between one or two tables."""

    src: Nodes
    dst: Nodes
    edges: list[Edge]
    timed: bool
    weighted: bool
    reverse: bool

    def frame(self) -> pd.DataFrame:
        columns: dict[str, Any] = {
            "note": [f"n{i}" for i in range(len(self.edges))],
            "a": _ends([e.src for e in self.edges], self.src),
            "b": _ends([e.dst for e in self.edges], self.dst),
        }
        if self.timed:
            columns["at"] = dates([e.time for e in self.edges])
        if self.weighted:
            columns["w"] = pd.Series([e.weight for e in self.edges], dtype=float)
        return pd.DataFrame(columns)

    def graph(self, **options: Any) -> rh.Graph:
        tables = [self.src.table()] if self.src is self.dst else [self.src.table(), self.dst.table()]
        edges = rh.EdgeTable(
            "e",
            src=self.src.name,
            dst=self.dst.name,
            src_col="a",
            dst_col="b",
            time_col="at" if self.timed else None,
            weight_col="w" if self.weighted else None,
            reverse=self.reverse,
            **{"source": self.frame(), **options},
        )
        return rh.Graph(tables, links=[], edges=[edges])

    def ends(self, position: int) -> tuple[int, int] | None:
        """Positions of both ends of an edge; None where one is missing."""
        edge = self.edges[position]
        src, dst = self.src.position(edge.src), self.dst.position(edge.dst)
        return None if src is None or dst is None else (src, dst)

    def visible(self, position: int) -> int | None:
        """The day from which an edge is visible; None: never."""
        ends = self.ends(position)
        if ends is None:
            return None
        edge = self.edges[position].time if self.timed else 0
        times = [edge, self.src.time(ends[0]), self.dst.time(ends[1])]
        return None if None in times else max(times)

    def order(self) -> list[int]:
        """Positions in the order of the edges' numbers."""
        places = list(range(len(self.edges)))
        return sorted(places, key=lambda i: (_last(self.visible(i)), i)) if self.timed else places

    def lists(self, direction: str) -> list[list[tuple[int, int, float]]]:
        """By row: (neighbor's row, number of the edge, its weight) in the order of a store."""
        owner, listed = (self.dst, self.src) if direction == "in" else (self.src, self.dst)
        owner_rows, listed_rows = owner.rows(), listed.rows()
        lists: list[list[tuple[int, int, float]]] = [[] for _ in owner_rows]
        for number, position in enumerate(self.order()):
            ends = self.ends(position)
            if ends is not None:
                src, dst = ends
                own, neighbor = (dst, src) if direction == "in" else (src, dst)
                item = (listed_rows.index(neighbor), number, self.edges[position].weight or 0.0)
                lists[owner_rows.index(own)].append(item)
        return lists if self.timed else [sorted(of_row) for of_row in lists]


def dates(days: list[int | None]) -> pd.Series:
    """Days as timestamps, None as null."""
    return pd.to_datetime(pd.Series(days, dtype="Int64").astype("float64"), unit="D")


def _last(time: int | None) -> float:
    return float("inf") if time is None else time


def _ends(values: list[Any], nodes: Nodes) -> pd.Series:
    is_text = nodes.keys is not None and isinstance(nodes.keys[0], str)
    return pd.Series(values, dtype=object if is_text else "Int64")


@st.composite
def nodes(draw: st.DrawFn, name: str) -> Nodes:
    size = draw(st.integers(1, 8))
    keys: list[Any] | None = draw(
        st.sampled_from(
            [None, list(range(size)), [7 * i + 3 for i in range(size)], [f"k{i}" for i in range(size)]]
        )
    )
    if keys is not None and keys != list(range(size)):
        keys = draw(st.permutations(keys))
    times = draw(
        st.one_of(st.none(), st.lists(st.one_of(st.none(), st.integers(1, 9)), min_size=size, max_size=size))
    )
    return Nodes(name, size, keys, times)


@st.composite
def edge_graphs(draw: st.DrawFn) -> EdgeGraph:
    """Edges with duplicates, self loops, ends that are missing or null, and null times and weights."""
    src = draw(nodes("p"))
    dst = src if draw(st.booleans()) else draw(nodes("q"))
    timed = draw(st.booleans())
    edge = st.builds(
        Edge,
        _end(src),
        _end(dst),
        st.one_of(st.none(), st.integers(1, 9)) if timed else st.none(),
        st.one_of(st.none(), st.sampled_from([0.0, 0.5, 1.0, 3.0])),
    )
    edges = draw(st.lists(edge, max_size=25))
    return EdgeGraph(src, dst, edges, timed, draw(st.booleans()), draw(st.booleans()))


def _end(nodes: Nodes) -> st.SearchStrategy[Any]:
    known = list(range(nodes.size)) if nodes.keys is None else nodes.keys
    wrong = ["nobody"] if isinstance(known[0], str) else [-1, 10**6]
    # Mostly ends that are there.
    return st.one_of(st.sampled_from(known), st.sampled_from(known), st.sampled_from([*known, None, *wrong]))
