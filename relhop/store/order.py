"""The step of a build that chooses an order of records: a block should hold rows that are wanted together.

Candidates are measured on neighborhoods that are sampled as training samples them. The order of rows stays
what it is: only where a row's record lies changes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from relhop._native import CHECKSUM_BLOCK, PackedRows, width_of
from relhop.schema import Link
from relhop.store import encoding, layout
from relhop.store.clusters import BYTES_PER_ROW, beside_neighbors
from relhop.store.packed import PackedColumn, PackedWriter
from relhop.store.presample import Arrays, mapped, neighborhoods
from relhop.store.scatter import Scatter
from relhop.store.tables import Build

HOTTEST_FIRST = "hottest first"

LEAST_BYTES = 4 << 20
"""Of a table's records; smaller ones keep the rows' order."""

_LEAST_GAIN = 1.2  # Rows a block, against those of the rows' order.
_CHUNK_ROWS = 1 << 20
_MOST_SCATTERED = 256 << 20  # Larger buckets gain nothing.
_CLASS_BITS = 15  # Of a degree as float32, the bits that do not count: steps of 1/256.
_CLASSES = 1 << (31 - _CLASS_BITS)


def hottest_first(degrees: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """Row -> record [n], rows with larger degrees [n] first, those of about the same degree in their order.

    Degrees from 512 on are told apart to 1 in 256.
    """
    return _Classes(np.bincount(_classes(degrees), minlength=_CLASSES)).slots(degrees)


def choose_orders(build: Build) -> None:
    """Chooses the order of each table's records, and writes slots.bin where it is not the rows'."""
    sizes = {
        title: encoding.record_layout(build.schema.feature_columns(title), build.precision)[1]
        for title in build.schema.tables
    }
    large = [
        title
        for title, size in sizes.items()
        if size * build.rows[title] >= LEAST_BYTES and size <= CHECKSUM_BLOCK // 2
    ]
    if build.row_order == "time" or not large or not build.schema.links:
        return
    arrays = Arrays(build)
    candidates = {title: dict(_candidates(build, arrays, title)) for title in large}
    counts = {
        title: {name: _Count(sizes[title]) for name in [layout.ROWS_ORDER, *candidates[title]]}
        for title in large
    }
    numbers = {title: i for i, title in enumerate(build.schema.tables)}
    for sampled in neighborhoods(build, arrays):
        for title, names in candidates.items():
            rows = np.unique(sampled[numbers[title]])
            counts[title][layout.ROWS_ORDER].add(rows)
            for name, path in names.items():
                counts[title][name].add(_packed(path, build.rows[title]).take(rows))
    for title, names in candidates.items():
        found = {name: count.rows_per_block for name, count in counts[title].items()}
        best = max(found, key=lambda name: found[name])
        chosen = best if found[best] >= _LEAST_GAIN * found[layout.ROWS_ORDER] else layout.ROWS_ORDER
        build.orders[title] = chosen
        build.rows_per_block[title] = found
        if chosen != layout.ROWS_ORDER:
            names[chosen].rename(build.file(layout.table_file(title, "slots.bin")))


def by_slot(
    build: Build, table: str, record_size: int, records: Iterator[npt.NDArray[np.uint8]]
) -> Iterator[npt.NDArray[np.uint8]]:
    """Records uint8 [n, record_size] of rows in their order -> the same as they lie in rows.bin."""
    if build.orders[table] == layout.ROWS_ORDER:
        yield from records
        return
    slots = PackedColumn(_packed(build.file(layout.table_file(table, "slots.bin")), build.rows[table]))
    row = 0
    with Scatter(build.rows[table], record_size, build.scratch, scatter_memory(build)) as scatter:
        for piece in records:
            scatter.add(slots[row : row + len(piece)], piece)
            row += len(piece)
        yield from scatter.pieces()


@dataclass
class _Count:
    """Rows of batches, and the blocks of rows.bin that their records lie in."""

    record_size: int
    rows: int = 0
    blocks: int = 0

    def add(self, records: npt.NDArray[np.int64]) -> None:
        first = records * self.record_size // CHECKSUM_BLOCK
        last = ((records + 1) * self.record_size - 1) // CHECKSUM_BLOCK
        self.rows += len(records)
        self.blocks += len(np.unique(np.concatenate([first, last])))

    @property
    def rows_per_block(self) -> float:
        return round(self.rows / self.blocks, 4) if self.blocks else 0.0


def _candidates(build: Build, arrays: Arrays, table: str) -> Iterator[tuple[str, Path]]:
    """Orders that may pay, each as a packed file row -> record."""
    links = build.schema.links
    if any(link.parent == table for link in links):
        path = build.scratch_file("hottest", table)
        _write_hottest_first(
            arrays, [link for link in links if link.parent == table], build.rows[table], path
        )
        yield HOTTEST_FIRST, path
    for link, other in itertools.permutations(links, 2):
        size = (build.rows[table] + build.rows[other.parent]) * BYTES_PER_ROW
        if link.parent == table and link.child == other.child and size <= build.limits()[0] // 4:
            number = links.index(link) * len(links) + links.index(other)
            path = build.scratch_file("beside", table).with_suffix(f".{number}")
            _write_beside_neighbors(build, arrays, link, other, path)
            yield f"hottest first, then by {other.name}", path
    for link in links:
        if link.child == table:
            path = build.scratch_file("by-parent", table).with_suffix(f".{links.index(link)}")
            _write_by_parent(build, arrays, link, path)
            yield f"by parent {link.name}", path


def _write_hottest_first(arrays: Arrays, links: list[Link], rows: int, path: Path) -> None:
    def degrees() -> Iterator[npt.NDArray[np.int64]]:
        for begin in range(0, rows, _CHUNK_ROWS):
            count = min(_CHUNK_ROWS, rows - begin)
            yield sum(
                (_degrees(arrays.offsets[link], begin, count) for link in links), np.zeros(count, np.int64)
            )

    histogram = np.zeros(_CLASSES, np.int64)
    for chunk in degrees():
        histogram += np.bincount(_classes(chunk), minlength=_CLASSES)
    classes = _Classes(histogram)
    with PackedWriter(path, width_of(rows)) as slots:
        for chunk in degrees():
            slots.write(classes.slots(chunk))


def _degrees(offsets: PackedRows, begin: int, count: int) -> npt.NDArray[np.int64]:
    """Children of the rows from `begin` on."""
    column = PackedColumn(offsets, largest=(1 << offsets.width) - 1)
    return np.diff(column[begin : begin + count + 1])


def _classes(degrees: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """About the same degrees are of a class; class 0 has the largest."""
    bits = degrees.astype(np.float32).view(np.uint32) >> _CLASS_BITS
    return _CLASSES - 1 - bits.astype(np.int64)


class _Classes:
    """Gives out the places of each class in order; class 0 has the first ones.

    Args:
        sizes: Rows of each class.
    """

    def __init__(self, sizes: npt.NDArray[np.int64]) -> None:
        self._next = np.cumsum(sizes) - sizes

    def slots(self, degrees: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
        """The places of the next rows."""
        classes = _classes(degrees)
        order = np.argsort(classes, kind="stable")
        ordered = classes[order]
        sizes = np.bincount(classes, minlength=_CLASSES)
        slots = np.empty(len(degrees), np.int64)
        slots[order] = (self._next - np.cumsum(sizes) + sizes)[ordered] + np.arange(len(degrees))
        self._next += sizes
        return slots


def _write_beside_neighbors(build: Build, arrays: Arrays, link: Link, other: Link, path: Path) -> None:
    """Rows of the link's parent beside each other that children of the same parent of `other` lead to."""

    def named() -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
        children = build.rows[link.child]
        for begin in range(0, children, _CHUNK_ROWS):
            count = min(_CHUNK_ROWS, children - begin)
            rows, lists = (arrays.parents[of].decode(begin, count) for of in (link, other))
            both = (rows >= 0) & (lists >= 0)
            yield rows[both], lists[both]

    degrees, sizes = (_degrees(arrays.offsets[of], 0, build.rows[of.parent]) for of in (link, other))
    slots = beside_neighbors(degrees, named(), sizes)
    with PackedWriter(path, width_of(len(slots))) as packed:
        packed.write(slots)


def _write_by_parent(build: Build, arrays: Arrays, link: Link, path: Path) -> None:
    """Children of a parent beside each other, in time order; rows without a parent at the end."""
    rows, edges = build.rows[link.child], build.links[link.name].edges
    without = edges
    with (
        Scatter(rows, 8, build.scratch, scatter_memory(build)) as scatter,
        PackedWriter(path, width_of(rows)) as slots,
    ):
        for begin in range(0, edges, _CHUNK_ROWS):
            children = arrays.children[link].decode(begin, min(_CHUNK_ROWS, edges - begin))
            scatter.add(children, _bytes(np.arange(begin, begin + len(children))))
        for begin in range(0, rows, _CHUNK_ROWS):
            parents = arrays.parents[link].decode(begin, min(_CHUNK_ROWS, rows - begin))
            orphans = begin + np.flatnonzero(parents == -1)
            scatter.add(orphans, _bytes(np.arange(without, without + len(orphans))))
            without += len(orphans)
        for piece in scatter.pieces():
            slots.write(piece.reshape(-1).view(np.int64))


def scatter_memory(build: Build) -> int:
    """Bytes for a bucket of `Scatter`."""
    memory, _ = build.limits()
    return min(memory // 8, _MOST_SCATTERED)


def _bytes(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    return numbers.view(np.uint8).reshape(len(numbers), 8)


def _packed(path: Path, rows: int) -> PackedRows:
    return PackedRows(mapped(path), rows, width_of(rows))
