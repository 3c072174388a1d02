"""Arrays of a source to attributes of a store: the same rows in the table's order, in large pieces."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from relhop._native import PackedRows, width_of
from relhop.errors import SourceError
from relhop.sources.array_columns import Array, ArrayColumn
from relhop.store import layout
from relhop.store.attributes import as_bytes
from relhop.store.manifest import AttributeEntry
from relhop.store.order import scatter_memory
from relhop.store.packed import PackedColumn
from relhop.store.presample import mapped
from relhop.store.records import RecordWriter
from relhop.store.scatter import Scatter
from relhop.store.tables import Build


class Copies:
    """Attributes that are copied while a build goes on with its other steps.

    Only those of tables without times, whose rows keep the order of the input: they take the disk's time, and
    neither DuckDB nor memory.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "relhop-copy")
        self._given_up = threading.Event()
        self._begun: dict[tuple[str, str], Future[None]] = {}

    def begin(self, build: Build, table: str, name: str, column: ArrayColumn) -> None:
        """Copies an attribute in the background if it can be; the table's rows were sorted."""
        if build.schema.table(table).time_col is None:
            work = self._thread.submit(copy_attribute, build, table, name, column, self._given_up)
            self._begun[table, name] = work

    def end(self, build: Build, table: str, name: str, column: ArrayColumn) -> None:
        """Copies an attribute, or waits for it where it was begun; raises as `copy_attribute` does."""
        begun = self._begun.get((table, name))
        if begun is None:
            copy_attribute(build, table, name, column)
        else:
            begun.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._given_up.set()
        self._thread.shutdown(cancel_futures=True)


def copy_attribute(
    build: Build, table: str, name: str, column: ArrayColumn, given_up: threading.Event | None = None
) -> None:
    """Writes an attribute of a table whose rows were sorted, and notes it in the build.

    Args:
        build: The store.
        table: The table.
        name: The attribute.
        column: Its rows, in the order of the input.
        given_up: Ends the work, once it is set.

    Raises:
        SourceError: If the array has not a row for each of the table, or cannot be read.
        InterruptedError: If it was given up.
    """
    what, file = f"table '{table}', column '{name}'", partial(layout.table_file, table)
    timed = build.schema.table(table).time_col is not None
    rows = build.rows[table]
    build.attributes[table][name] = copy_array(build, what, name, column, file, rows, timed, given_up)


def copy_array(
    build: Build,
    what: str,
    name: str,
    column: ArrayColumn,
    file: Callable[[str], str],
    rows: int,
    timed: bool,
    given_up: threading.Event | None = None,
) -> AttributeEntry:
    """Writes an attribute of a table or edge table whose rows were sorted.

    Args:
        build: The store.
        what: Begins messages: "table 'papers', column 'x'".
        name: The attribute.
        column: Its rows, in the order of the input.
        file: The path of a file of the table's, by its name.
        rows: How many there are.
        timed: Whether they have an order of their own.
        given_up: Ends the work, once it is set.

    Raises:
        SourceError: If the array has another number of rows, or cannot be read.
        InterruptedError: If it was given up.
    """
    if column.num_rows != rows:
        raise SourceError(
            f"{what} has {column.num_rows} rows, the table {rows}; it changed while the store was built"
        )
    order = _order(build.folder / file("order.bin"), rows) if timed else None
    paths = [build.file(file(written)) for written in layout.attribute_files(name)]
    memory = scatter_memory(build) if timed else 0
    write_rows(column, paths, order, build.scratch, memory, given_up)
    assert column.dtype is not None, "text and times are no attributes"
    return AttributeEntry(dtype=column.dtype, shape=list(column.shape))


def write_rows(
    column: ArrayColumn,
    paths: list[Path],
    order: PackedColumn[PackedRows] | None,
    scratch: Path,
    memory: int,
    given_up: threading.Event | None = None,
) -> None:
    """Writes the rows of an array, and the checksums of their blocks.

    Args:
        column: The array.
        paths: Of the rows and of the checksums.
        order: Row -> position in the array; None where that is the same.
        scratch: Exists; for files that are gone when this returns.
        memory: Bytes that may be taken for the order, nearly.
        given_up: Ends the work, once it is set.

    Raises:
        SourceError: If the array cannot be read.
        InterruptedError: If it was given up.
    """
    with RecordWriter(*paths) as writer:
        for piece in column.pieces() if order is None else _ordered(column, order, scratch, memory):
            if given_up is not None and given_up.is_set():
                raise InterruptedError(f"{paths[0]} was not written to its end: the build was given up")
            writer.write(as_bytes(piece))


def _ordered(
    column: ArrayColumn, order: PackedColumn[PackedRows], scratch: Path, memory: int
) -> Iterator[Array]:
    """The rows in an order of their own: picked where they lie if they are few, else by buckets on disk."""
    if column.row_bytes * column.num_rows <= memory:
        for begin in range(0, column.num_rows, column.rows_of_piece):
            yield column.take(order[begin : begin + column.rows_of_piece])
        return
    with Scatter(column.num_rows, 8, scratch, memory // 2) as rows:
        for part in _parts(column.num_rows):
            rows.add(order[part], np.arange(part.start, part.stop).view(np.uint8).reshape(-1, 8))
        inverse = (piece.reshape(-1).view(np.int64) for piece in rows.pieces())
        yield from _by_row(column, inverse, scratch, memory // 2)


def _by_row(
    column: ArrayColumn, inverse: Iterator[npt.NDArray[np.int64]], scratch: Path, memory: int
) -> Iterator[Array]:
    """The rows in the order of the numbers that `inverse` has for them, piece by piece."""
    folder = scratch / "rows"
    folder.mkdir()
    with Scatter(column.num_rows, column.row_bytes, folder, memory) as scatter:
        begin = 0
        for places in inverse:
            for first in range(0, len(places), column.rows_of_piece):
                part = places[first : first + column.rows_of_piece]
                scatter.add(part, as_bytes(column.rows(begin, begin + len(part))))
                begin += len(part)
        yield from scatter.pieces()
    folder.rmdir()


def _parts(count: int, length: int = 1 << 20) -> Iterator[slice]:
    for begin in range(0, count, length):
        yield slice(begin, min(begin + length, count))


def _order(path: Path, rows: int) -> PackedColumn[PackedRows]:
    return PackedColumn(PackedRows(mapped(path), rows, width_of(rows)))
