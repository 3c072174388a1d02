"""Neighborhoods out of a store that is being built, to see which rows training will want together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from relhop._native import (
    EdgeRows,
    PackedRows,
    PackedTimes,
    Rule,
    SampleOptions,
    Strategy,
    TableRows,
    Topology,
    width_of,
)
from relhop.schema import Link
from relhop.store import layout
from relhop.store.tables import Build
from relhop.times import NULL_TIME

_BATCHES, _SEEDS = 16, 1024
# Where a table only links others, two hops are one to people.
_FANOUTS = (16, 8, 8, 4)


class Arrays:
    """What a build has of links and times, mapped.

    Attributes:
        times: By table with a time column.
        parents: By link, as `relhop.store.arrays.StoredLink` has them; so are `offsets` and `children`.
    """

    def __init__(self, build: Build) -> None:
        rows, schema = build.rows, build.schema
        self.times = {
            title: times_of(build, title)
            for title, table in schema.tables.items()
            if table.time_col is not None
        }
        self.parents: dict[Link, PackedRows] = {}
        self.offsets: dict[Link, PackedRows] = {}
        self.children: dict[Link, PackedRows] = {}
        for link in schema.links:
            edges, child, parent = build.links[link.name].edges, rows[link.child], rows[link.parent]
            for of_links, file, size, count in (
                (self.parents, "parents.bin", child, parent),
                (self.offsets, "offsets.bin", parent + 1, edges),
                (self.children, "children.bin", edges, child),
            ):
                path = build.folder / layout.link_file(link, file)
                of_links[link] = PackedRows(mapped(path), size, width_of(count))

    def topology(self, build: Build) -> Topology:
        """The same as the native sampler reads it."""
        numbers = {title: i for i, title in enumerate(build.schema.tables)}
        tables = [TableRows(title, build.rows[title], self.times.get(title)) for title in build.schema.tables]
        edges = []
        for link in build.schema.links:
            child, parent = numbers[link.child], numbers[link.parent]
            edges.append(EdgeRows.lists(link.name, parent, child, self.offsets[link], self.children[link]))
            edges.append(EdgeRows.parents(link.name, child, parent, self.parents[link]))
        return Topology(tables, edges)


def neighborhoods(build: Build, arrays: Arrays) -> Iterator[list[npt.NDArray[np.int64]]]:
    """The rows of each table that a batch of seeds finds, batch after batch.

    Seeds are rows that others link to, of one table after the other; their anchors are the times of rows of
    the largest table that has times.
    """
    topology = arrays.topology(build)
    numbers = {title: i for i, title in enumerate(build.schema.tables)}
    seeded = [title for title in numbers if any(link.parent == title for link in build.schema.links)]
    timed = max(arrays.times, key=lambda title: build.rows[title], default=None)
    rules = [[Rule(fanout, Strategy.recency)] * (2 * len(build.schema.links)) for fanout in _FANOUTS]
    _, num_threads = build.limits()
    options = SampleOptions(rules, 0, 0, [build.rows[title] for title in numbers])
    rng = np.random.default_rng(0)
    for batch in range(_BATCHES):
        title = seeded[batch % len(seeded)]
        anchors = np.full(_SEEDS, NULL_TIME)
        if timed is not None and build.rows[timed] > build.null_times[timed]:
            dated = build.rows[timed] - build.null_times[timed]
            anchors = arrays.times[timed].take(rng.integers(0, dated, _SEEDS))
        visible = np.full(_SEEDS, build.rows[title])
        if title in arrays.times:
            visible = np.array([arrays.times[title].cut(int(anchor)) for anchor in anchors])
        there = visible > 0
        seeds = rng.integers(0, visible[there])
        tables = np.full(len(seeds), numbers[title], np.uint32)
        sampled = topology.sample(options, tables, seeds, anchors[there], num_threads)
        yield [nodes["rows"] for nodes in sampled["nodes"]]


def times_of(build: Build, table: str) -> PackedTimes:
    """The times of a table with a time column, mapped."""
    blocks, stream = (
        build.folder / layout.table_file(table, file) for file in ("time_blocks.bin", "time.bin")
    )
    return PackedTimes(mapped(blocks), mapped(stream), build.rows[table])


def mapped(path: Path) -> npt.NDArray[np.uint8]:
    """The bytes of a file."""
    return (
        np.memmap(path, np.uint8, mode="r").view(np.ndarray) if path.stat().st_size else np.empty(0, np.uint8)
    )
