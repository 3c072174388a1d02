"""Random graphs for the sampler's tests, as the reference sees them and as the native code does."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import strategies as st

from relhop import _native
from tests.reference import Tables


def packed(rows: list[int], width: int) -> _native.PackedRows:
    return _native.PackedRows(_native.pack(np.array(rows, dtype=np.uint64), width), len(rows), width)


def packed_times(times: list[int]) -> _native.PackedTimes:
    blocks, stream = _native.encode_times(np.array(times, dtype=np.int64), 0)
    return _native.PackedTimes(blocks, np.append(stream, np.zeros(8, np.uint8)), len(times))


def to_native(tables: Tables, *, width: int | None = None) -> _native.Topology:
    """The same graph as arrays; `width` takes so many bits a row number, in place of as many as are needed."""
    rows = [
        _native.TableRows(f"t{i}", n, None if time is None else packed_times(time))
        for i, (n, time) in enumerate(zip(tables.num_rows, tables.time, strict=True))
    ]
    widths = [width or _native.width_of(n) for n in tables.num_rows]
    edge_types = []
    for number, (child, parent, parents) in enumerate(tables.links):
        lists = [[c for c, p in enumerate(parents) if p == row] for row in range(tables.num_rows[parent])]
        offsets = [0, *itertools.accumulate(map(len, lists))]
        children = [c for of_row in lists for c in of_row]
        none = 2 ** widths[parent] - 1
        up = packed([none if p is None else p for p in parents], widths[parent])
        offsets_ = packed(offsets, width or _native.width_of(len(children)))
        down = packed(children, widths[child])
        edge_types.append(
            _native.EdgeRows.lists(f"l{number}", parent, child, offsets_, down, 2 * number + 1)
        )
        edge_types.append(_native.EdgeRows.parents(f"l{number}", child, parent, up, 2 * number))
    return _native.Topology(rows, edge_types)


@st.composite
def graphs(draw: st.DrawFn) -> Tables:
    """Up to 4 tables, some timed (with ties), up to 4 links, self-references and parallel links among them."""
    num_rows = draw(st.lists(st.integers(1, 25), min_size=1, max_size=4))
    time = [
        draw(st.one_of(st.none(), st.lists(st.integers(0, 9), min_size=n, max_size=n).map(sorted)))
        for n in num_rows
    ]
    table = st.integers(0, len(num_rows) - 1)
    links = []
    for child, parent in draw(st.lists(st.tuples(table, table), max_size=4)):
        key = st.one_of(st.none(), st.integers(0, min(num_rows[parent], draw(st.integers(1, 25))) - 1))
        links.append((child, parent, draw(st.lists(key, min_size=num_rows[child], max_size=num_rows[child]))))
    return Tables(num_rows, time, links)
