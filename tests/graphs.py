"""Random graphs for the sampler's tests, as the reference sees them and as the native code does."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from relhop import _native
from tests.reference import Tables


def to_native(tables: Tables, *, wide: bool = False) -> _native.Topology:
    """The same graph as arrays; `wide` takes 64 bits a row number."""
    dtype = np.uint64 if wide else np.uint32
    none = np.iinfo(dtype).max
    rows = [
        _native.TableRows(f"t{i}", n, None if time is None else np.array(time, dtype=np.int64))
        for i, (n, time) in enumerate(zip(tables.num_rows, tables.time, strict=True))
    ]
    links = []
    for number, (child, parent, parents) in enumerate(tables.links):
        lists = [[c for c, p in enumerate(parents) if p == row] for row in range(tables.num_rows[parent])]
        offsets = np.cumsum([0, *map(len, lists)]).astype(np.uint64)
        children = np.array([c for of_row in lists for c in of_row], dtype=dtype)
        up = np.array([none if p is None else p for p in parents], dtype=dtype)
        links.append(_native.LinkRows(f"l{number}", child, parent, up, offsets, children))
    return _native.Topology(rows, links)


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
