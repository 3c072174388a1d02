"""The steps of a build that write one table but for its features: rows sorted, columns.

Everything large passes through DuckDB, which spills to disk, and reaches Python as a stream of Arrow batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from relhop._native import width_of
from relhop.errors import SchemaError, SourceError, nearest
from relhop.schema import Schema, Stype
from relhop.sources.columns import TEXT, is_list, is_number
from relhop.store import layout, sql
from relhop.store.manifest import AttributeEntry, EdgeTableEntry, FieldEntry, LinkEntry
from relhop.store.packed import PackedWriter, TimeWriter
from relhop.store.precision import Precision
from relhop.times import NULL_TIME

ORDER_COLUMN = "_rh_order"
"""The position in the input, in the sorted rows of a timed table."""

RowOrder: TypeAlias = Literal["auto", "time"]
"""Where a row's record lies: wherever it is read with least effort, or at the row's own place."""

_BATCH_ROWS = 1 << 17


@dataclass
class Build:
    """A store while it is built.

    Attributes:
        folder: What becomes the store.
        scratch: Inside `folder`; removed before the store is published.
        connection: Has a view for each table.
        schema: Of the tables, all resolved.
        precision: How numerical features are kept.
        row_order: In which order records may lie.
    """

    folder: Path
    scratch: Path
    connection: duckdb.DuckDBPyConnection
    schema: Schema
    precision: Precision = "float32"
    row_order: RowOrder = "auto"

    def __post_init__(self) -> None:
        self.rows: dict[str, int] = {}
        self.null_times: dict[str, int] = {}
        self.keys: dict[str, tuple[int, int]] = {}
        self.categories: dict[str, dict[str, int]] = {}
        self.fields: dict[str, list[FieldEntry]] = {}
        self.record_sizes: dict[str, int] = {}
        self.orders: dict[str, str] = dict.fromkeys(self.schema.tables, layout.ROWS_ORDER)
        self.rows_per_block: dict[str, dict[str, float]] = {title: {} for title in self.schema.tables}
        self.links: dict[str, LinkEntry] = {}
        self.keys_are_positions: dict[str, bool] = {}  # of tables that edges lead to
        self.edge_tables: dict[str, EdgeTableEntry] = {}
        self.attributes: dict[str, dict[str, AttributeEntry]] = {t: {} for t in self.schema.tables}
        self.text_embedder: str | None = None  # of whatever text is in the store

    def file(self, relative: str) -> Path:
        """A file of the store; its folder is made if it is not there."""
        path = self.folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def scratch_file(self, kind: str, title: str) -> Path:
        """A file of the build only, such as a table's sorted rows."""
        tables = [*self.schema.tables, *self.schema.edge_tables]
        links = [link.name for link in self.schema.links]
        number = links.index(title) if kind == "link" else tables.index(title)
        return self.scratch / f"{kind}-{number}.parquet"

    def copy(self, query: str, path: Path) -> int:
        """Writes the rows of a query to a Parquet file, in their order; returns how many.

        What is read once and removed is compressed for speed, what stays for size.
        """
        compression = "snappy" if path.parent == self.scratch else "zstd"
        written = f"COPY ({query}) TO {sql.text(str(path))} (FORMAT parquet, COMPRESSION {compression})"
        [(count,)] = self.connection.execute(written).fetchall()
        return int(count)

    def limits(self) -> tuple[int, int]:
        """Bytes and threads that DuckDB may take; they are free between two queries."""
        limits = "SELECT parse_formatted_bytes(current_setting('memory_limit')), current_setting('threads')"
        [(memory, threads)] = self.connection.execute(limits).fetchall()
        return int(memory), int(threads)

    def stream(self, query: str) -> Iterator[list[npt.NDArray[np.generic]]]:
        """The columns of a query, batch by batch. Nothing else may run on the connection meanwhile."""
        for batch in self.batches(query):
            yield [column.to_numpy(zero_copy_only=False) for column in batch.columns]

    def batches(self, query: str) -> Iterator[pa.RecordBatch]:
        """The rows of a query, batch by batch. Nothing else may run on the connection meanwhile."""
        yield from self.connection.sql(query).to_arrow_reader(_BATCH_ROWS)

    def types(self, relation: str) -> dict[str, str]:
        """The columns of something to select from, with their DuckDB types."""
        described = self.connection.sql(f"SELECT * FROM {relation} LIMIT 0")
        return {column: str(kind) for column, kind in zip(described.columns, described.types, strict=True)}


def check_columns(build: Build, table: str) -> None:
    """Finds what would make the build fail halfway: columns that are missing, or named like the store's own.

    Raises:
        SchemaError: If the table lacks a column that the schema names, or a name is taken.
        SourceError: If the time column is no timestamp, or a column of weights holds no numbers.
    """
    types = build.types(sql.name(table))
    described = build.schema.table(table)
    links = [link for link in build.schema.links if link.child == table]
    used = [
        *described.pkey,
        *(c for link in links for c in link.columns),
        *(link.weight for link in links if link.weight is not None),
        *build.schema.feature_columns(table),
        *(c for c, stype in build.schema.wide_columns(table).items() if stype != Stype.tensor),
    ]
    used += [described.time_col] if described.time_col is not None else []
    what = f"table '{table}'"
    need_columns(what, used, types)
    refuse_own_names(what, types)
    own = [layout.ROW_COLUMN, layout.TIME_COLUMN]
    for link in links:
        if layout.parent_column(link).lower() in own:
            raise SchemaError(
                f"table '{table}': a foreign key cannot be named '{link.fkey_name}', for its rows would be in"
                f" {layout.parent_column(link)}, a column of the store's own; rename the column with sql="
            )
        own.append(layout.parent_column(link).lower())
    if described.time_col is not None:
        need_times(what, described.time_col, types)
    for column, stype in build.schema.wide_columns(table).items():
        if stype == Stype.multicategorical:
            need_lists(what, column, types)
    for link in links:
        if link.weight is not None:
            need_numbers(what, link.weight, f"the weight of link {link.name}", types)


def need_columns(what: str, used: Iterable[str], types: Mapping[str, str]) -> None:
    """Refuses a table without one of the columns; `what` begins the message, as in the next ones."""
    for column in used:
        if column not in types:
            raise SchemaError(f"{what} has no column '{column}'.{nearest(column, types)}")


def refuse_own_names(what: str, types: Mapping[str, str]) -> None:
    """Refuses columns that are named as the store's own are."""
    for column in types:
        if column.lower().startswith(layout.RESERVED_PREFIX):
            raise SchemaError(
                f"{what}, column '{column}': names that begin with {layout.RESERVED_PREFIX} are the"
                " store's own; rename the column with sql="
            )


def need_times(what: str, column: str, types: Mapping[str, str]) -> None:
    """Refuses a time column that is none."""
    if types[column] not in ("TIMESTAMP", "DATE"):
        raise SourceError(f"{what}: the time column '{column}' has type {types[column]}, not TIMESTAMP")


def need_numbers(what: str, column: str, role: str, types: Mapping[str, str]) -> None:
    """Refuses a column that holds no numbers."""
    if not is_number(types[column]):
        raise SourceError(
            f"{what}: the column '{column}', {role}, has type {types[column]}, which is no number"
        )


def need_lists(what: str, column: str, types: Mapping[str, str]) -> None:
    """Refuses a multicategorical column that holds neither lists nor text."""
    if types[column] != TEXT and not is_list(types[column]):
        raise SourceError(
            f"{what}: the column '{column}' has type {types[column]}, which is no list; declare another stype"
            " than multicategorical"
        )


def sort_rows(build: Build, table: str) -> None:
    """Reads a table once; writes it to scratch by (time, input position), and its times and order."""
    time_col = build.schema.table(table).time_col
    relation = sql.name(table)
    path = build.scratch_file("sorted", table)
    if time_col is None:
        build.rows[table] = build.copy(f"SELECT *, row_number() OVER () - 1 AS _rh_row FROM {relation}", path)
        build.null_times[table] = 0
        return
    time = finite_time(time_col)
    numbered = f"SELECT *, {time} AS _rh_time, row_number() OVER () - 1 AS {ORDER_COLUMN} FROM {relation}"
    ordered = f"SELECT * FROM ({numbered}) ORDER BY _rh_time NULLS LAST, {ORDER_COLUMN}"
    build.rows[table] = build.copy(f"SELECT *, row_number() OVER () - 1 AS _rh_row FROM ({ordered})", path)
    query = f"SELECT coalesce(epoch_us(_rh_time), {NULL_TIME}), {ORDER_COLUMN} FROM {sql.parquet(path)}"
    build.null_times[table] = write_times(
        build, lambda file: layout.table_file(table, file), build.rows[table], query
    )


def finite_time(time_col: str) -> str:
    """A time column as TIMESTAMP, infinite ones as null."""
    column = sql.name(time_col)
    return f"CASE WHEN isfinite({column}) THEN CAST({column} AS TIMESTAMP) END"


def write_times(build: Build, file: Callable[[str], str], rows: int, query: str) -> int:
    """Writes time_blocks.bin, time.bin and order.bin; returns how many times are null.

    Args:
        build: The store.
        file: Their paths in it, by name.
        rows: How many there are.
        query: Microseconds, null as NULL_TIME, and positions in the input of rows in their order.
    """
    nulls = 0
    with (
        TimeWriter(build.file(file("time_blocks.bin")), build.file(file("time.bin"))) as times,
        PackedWriter(build.file(file("order.bin")), width_of(rows)) as order,
    ):
        for time_batch, order_batch in build.stream(query):
            times.write(time_batch.astype(np.int64))
            order.write(order_batch.astype(np.int64))
            nulls += int(np.count_nonzero(time_batch == NULL_TIME))
    return nulls


def write_columns(build: Build, table: str) -> None:
    """Writes columns.parquet: the user's columns, then the store's own."""
    source = build.scratch_file("sorted", table)
    user = [
        column for column in build.types(sql.parquet(source)) if not column.startswith(layout.RESERVED_PREFIX)
    ]
    selected = [sql.names(user, "t."), "t._rh_row"]
    if build.schema.table(table).time_col is not None:
        selected.append("t._rh_time")
    relations = [f"{sql.parquet(source)} t"]
    for i, link in enumerate(link for link in build.schema.links if link.child == table):
        selected.append(f"l{i}.parent AS {sql.name(layout.parent_column(link))}")
        relations.append(f"{sql.parquet(build.scratch_file('link', link.name))} l{i}")
    # Both sides are in row order, so the joined rows are found by position, with no hash table.
    query = f"SELECT {', '.join(selected)} FROM {' POSITIONAL JOIN '.join(relations)}"
    build.copy(query, build.file(layout.table_file(table, "columns.parquet")))
    source.unlink()
