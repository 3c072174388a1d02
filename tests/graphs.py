"""Random graphs for the sampler's tests, as the reference sees them and as the native code does."""

from __future__ import annotations

import itertools

from hypothesis import strategies as st

from relhop import _native
from tests import packing
from tests.reference import Tables


def to_native(tables: Tables, *, width: int | None = None) -> _native.Topology:
    """The same graph as arrays; `width` takes so many bits a row number, in place of as many as are needed."""
    rows = [
        _native.TableRows(f"t{i}", n, None if time is None else packing.times(time))
        for i, (n, time) in enumerate(zip(tables.num_rows, tables.time, strict=True))
    ]
    edge_types = []
    for number, (child, parent, parents) in enumerate(tables.links):
        lists = [[c for c, p in enumerate(parents) if p == row] for row in range(tables.num_rows[parent])]
        children = [c for of_row in lists for c in of_row]
        offsets = packing.rows([0, *itertools.accumulate(map(len, lists))], len(children), width)
        down = packing.rows(children, tables.num_rows[child], width)
        up = packing.rows([-1 if p is None else p for p in parents], tables.num_rows[parent], width)
        edge_types.append(_native.EdgeRows.lists(f"l{number}", parent, child, offsets, down, 2 * number + 1))
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
