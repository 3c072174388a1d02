"""The steps of a build that write one table: rows sorted, columns, categories, records.

Everything large passes through DuckDB, which spills to disk, and reaches Python as a stream of Arrow batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt

from relhop._native import width_of
from relhop.errors import SchemaError, SourceError, nearest
from relhop.schema import Schema, Stype
from relhop.sources.columns import is_number
from relhop.store import encoding, layout, sql
from relhop.store.packed import PackedWriter, TimeWriter
from relhop.store.records import RecordWriter
from relhop.times import NULL_TIME

ORDER_COLUMN = "_rh_order"
"""The position in the input, in the sorted rows of a timed table."""

_BATCH_ROWS = 1 << 17
_PARQUET = "(FORMAT parquet, COMPRESSION zstd)"


@dataclass
class Build:
    """A store while it is built.

    Attributes:
        folder: What becomes the store.
        scratch: Inside `folder`; removed before the store is published.
        connection: Has a view for each table.
    """

    folder: Path
    scratch: Path
    connection: duckdb.DuckDBPyConnection
    schema: Schema

    def __post_init__(self) -> None:
        self.rows: dict[str, int] = {}
        self.null_times: dict[str, int] = {}
        self.keys: dict[str, tuple[int, int]] = {}
        self.categories: dict[str, dict[str, int]] = {}
        self.links: dict[str, layout.LinkEntry] = {}

    def file(self, relative: str) -> Path:
        """A file of the store; its folder is made if it is not there."""
        path = self.folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def scratch_file(self, kind: str, title: str) -> Path:
        """A file of the build only, such as a table's sorted rows."""
        tables, links = list(self.schema.tables), [link.name for link in self.schema.links]
        number = links.index(title) if kind == "link" else tables.index(title)
        return self.scratch / f"{kind}-{number}.parquet"

    def copy(self, query: str, path: Path) -> int:
        """Writes the rows of a query to a Parquet file, in their order; returns how many."""
        [(count,)] = self.connection.execute(f"COPY ({query}) TO {sql.text(str(path))} {_PARQUET}").fetchall()
        return int(count)

    def stream(self, query: str) -> Iterator[list[npt.NDArray[np.generic]]]:
        """The columns of a query, batch by batch. Nothing else may run on the connection meanwhile."""
        for batch in self.connection.sql(query).to_arrow_reader(_BATCH_ROWS):
            yield [column.to_numpy(zero_copy_only=False) for column in batch.columns]

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
    ]
    used += [described.time_col] if described.time_col is not None else []
    for column in used:
        if column not in types:
            raise SchemaError(f"table '{table}' has no column '{column}'.{nearest(column, types)}")
    for column in types:
        if column.lower().startswith(layout.RESERVED_PREFIX):
            raise SchemaError(
                f"table '{table}', column '{column}': names that begin with {layout.RESERVED_PREFIX} are the"
                " store's own; rename the column with sql="
            )
    own = [layout.ROW_COLUMN, layout.TIME_COLUMN]
    for link in links:
        if layout.parent_column(link).lower() in own:
            raise SchemaError(
                f"table '{table}': a foreign key cannot be named '{link.fkey_name}', for its rows would be in"
                f" {layout.parent_column(link)}, a column of the store's own; rename the column with sql="
            )
        own.append(layout.parent_column(link).lower())
    if described.time_col is not None and types[described.time_col] not in ("TIMESTAMP", "DATE"):
        raise SourceError(
            f"table '{table}': the time column '{described.time_col}' has type {types[described.time_col]},"
            " not TIMESTAMP"
        )
    for link in links:
        if link.weight is not None and not is_number(types[link.weight]):
            raise SourceError(
                f"table '{table}': the column '{link.weight}', the weight of link {link.name}, has type"
                f" {types[link.weight]}, which is no number"
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
    column = sql.name(time_col)
    time = f"CASE WHEN isfinite({column}) THEN CAST({column} AS TIMESTAMP) END"
    numbered = f"SELECT *, {time} AS _rh_time, row_number() OVER () - 1 AS {ORDER_COLUMN} FROM {relation}"
    ordered = f"SELECT * FROM ({numbered}) ORDER BY _rh_time NULLS LAST, {ORDER_COLUMN}"
    build.rows[table] = build.copy(f"SELECT *, row_number() OVER () - 1 AS _rh_row FROM ({ordered})", path)
    nulls = 0
    with (
        TimeWriter(
            build.file(layout.table_file(table, "time_blocks.bin")),
            build.file(layout.table_file(table, "time.bin")),
        ) as times,
        PackedWriter(build.file(layout.table_file(table, "order.bin")), width_of(build.rows[table])) as order,
    ):
        query = f"SELECT coalesce(epoch_us(_rh_time), {NULL_TIME}), {ORDER_COLUMN} FROM {sql.parquet(path)}"
        for time_batch, order_batch in build.stream(query):
            times.write(time_batch.astype(np.int64))
            order.write(order_batch.astype(np.int64))
            nulls += int(np.count_nonzero(time_batch == NULL_TIME))
    build.null_times[table] = nulls


def index_keys(build: Build, table: str) -> None:
    """Writes a table's keys to scratch, each with its first row; counts null and repeated keys."""
    pkey = build.schema.table(table).pkey
    if not pkey:
        build.keys[table] = (0, 0)
        return
    source = sql.parquet(build.scratch_file("sorted", table))
    present = f"FROM {source} t WHERE " + " AND ".join(f"t.{sql.name(column)} IS NOT NULL" for column in pkey)
    [(with_key,)] = build.connection.execute(f"SELECT count(*) {present}").fetchall()
    columns = ", ".join(f"t.{sql.name(column)} AS k{i}" for i, column in enumerate(pkey))
    distinct = build.copy(
        f"SELECT {columns}, min(t._rh_row) AS parent {present} GROUP BY {sql.names(pkey, 't.')}",
        build.scratch_file("keys", table),
    )
    build.keys[table] = (build.rows[table] - with_key, with_key - distinct)


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


def write_records(build: Build, table: str) -> None:
    """Writes categories.parquet, rows.bin and rows.crc from columns.parquet.

    Raises:
        SourceError: If a value cannot be read as the semantic type of its column.
    """
    fields, record_size = encoding.record_layout(build.schema.feature_columns(table))
    source = sql.parquet(build.file(layout.table_file(table, "columns.parquet")))
    types = build.types(source)
    coded = [field.column for field in fields if field.stype == Stype.categorical]
    build.categories[table] = _write_categories(build, table, coded, types) if coded else {}
    paths = [build.file(layout.table_file(table, file)) for file in ("rows.bin", "rows.crc")]
    with RecordWriter(*paths) as records:
        if not fields:
            return
        values = [
            _coded_value(field, types[field.column]) for field in fields if field.stype != Stype.categorical
        ]
        relations = [f"{source} t"]
        categories = sql.parquet(build.folder / layout.table_file(table, "categories.parquet"))
        for i, column in enumerate(coded):
            values.append(f"coalesce(c{i}.code, {encoding.NULL_CODE})")
            known = f"SELECT code, value FROM {categories} WHERE {sql.name('column')} = {sql.text(column)}"
            relations.append(f"LEFT JOIN ({known}) c{i} ON c{i}.value = {_category(column, types[column])}")
        query = f"SELECT {', '.join(values)} FROM {' '.join(relations)}" + (
            " ORDER BY t._rh_row" if coded else ""
        )
        try:
            for batch in build.stream(query):
                records.write(encoding.pack(batch, fields, record_size))
        except (duckdb.ConversionException, duckdb.BinderException):
            _name_bad_column(build, table, fields)
            raise


def _coded_value(field: encoding.Field, kind: str) -> str:
    column = "t." + sql.name(field.column)
    if field.stype == Stype.numerical:
        return f"coalesce(CAST({column} AS DOUBLE), 'nan'::DOUBLE)"
    stamp = column if kind == "TIMESTAMP WITH TIME ZONE" else f"CAST({column} AS TIMESTAMP)"
    return f"coalesce(epoch_us({stamp}), {encoding.NULL_TIMESTAMP})"


def _category(column: str, kind: str) -> str:
    quoted = "t." + sql.name(column)
    if kind in ("FLOAT", "DOUBLE"):
        return f"CASE WHEN NOT isnan({quoted}) THEN CAST({quoted} AS VARCHAR) END"
    return f"CAST({quoted} AS VARCHAR)"


def _write_categories(
    build: Build, table: str, columns: Sequence[str], types: dict[str, str]
) -> dict[str, int]:
    """Numbers the values of each column by first appearance, so that later rows change no code."""
    source = sql.parquet(build.folder / layout.table_file(table, "columns.parquet"))
    parts = []
    column_name = sql.name("column")  # A keyword.
    for number, column in enumerate(columns):
        value = _category(column, types[column])
        present = f"FROM {source} t WHERE {value} IS NOT NULL"
        seen = f"SELECT {value} AS value, min(t._rh_row) AS first {present} GROUP BY 1"
        code = "CAST(row_number() OVER (ORDER BY first) - 1 AS INTEGER)"
        parts.append(
            f"SELECT {number} AS number, {sql.text(column)} AS title, {code} AS code, value FROM ({seen})"
        )
    path = build.file(layout.table_file(table, "categories.parquet"))
    every = " UNION ALL ".join(parts)
    build.copy(f"SELECT title AS {column_name}, code, value FROM ({every}) ORDER BY number, code", path)
    counts = build.connection.execute(
        f"SELECT {column_name}, count(*) FROM {sql.parquet(path)} GROUP BY {column_name}"
    ).fetchall()
    return {column: dict(counts).get(column, 0) for column in columns}


def _name_bad_column(build: Build, table: str, fields: Sequence[encoding.Field]) -> None:
    """Raises a SourceError that names the column and the value that cannot be read."""
    source = sql.parquet(build.folder / layout.table_file(table, "columns.parquet"))
    for field in fields:
        if field.stype == Stype.categorical:
            continue
        column, wanted = sql.name(field.column), "DOUBLE" if field.stype == Stype.numerical else "TIMESTAMP"
        where = f"table '{table}', column '{field.column}'"
        advice = f"it is declared {field.stype}; declare another stype or exclude it"
        bad = build.connection.execute(
            f"SELECT CAST({column} AS VARCHAR) FROM {source}"
            f" WHERE {column} IS NOT NULL AND TRY_CAST({column} AS {wanted}) IS NULL LIMIT 1"
        ).fetchall()
        if bad:
            raise SourceError(f"{where}: the value {bad[0][0]!r} cannot be read as {wanted}; {advice}")
