"""One source as a relation of a DuckDB connection. Files stay files: each query reads them out of core."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from relhop._native import is_integers
from relhop.errors import SourceError
from relhop.sources.arrays import POSITION_COLUMN, ArraySource, array_source
from relhop.sources.columns import types_of
from relhop.sources.edge_arrays import EdgeArrays, edge_source
from relhop.sources.names import renamed
from relhop.sources.paths import CSV_SUFFIXES, SQLITE_SUFFIXES, suffix_of
from relhop.sources.quoting import first_line, literal, path_literal, quoted
from relhop.sources.sqlite import SqliteTable, read_batches

_NULLS = "['', '\\N']"
_DELIMITERS = ",;\t|"
_LARGE = 16 << 20  # Bytes of a CSV file that takes long to be read by one thread.
_FIRST_LINES = 20480


@dataclass(frozen=True)
class Relation:
    """Something to select from.

    Attributes:
        sql: What stands after FROM.
        notes: What a reader of the data should know, such as lines that were short.
    """

    sql: str
    notes: tuple[str, ...] = ()


def normalized(source: Any, name: str) -> Path | SqliteTable | pa.Table | ArraySource:
    """A source as the user gives it, as one of the four kinds that are read.

    Args:
        source: A path of a CSV, Parquet or SQLite file, a `SqliteTable`, a DataFrame, an Arrow table, a
            mapping of columns to arrays (see `relhop.sources.arrays.array_column`), or arrays of edges.
        name: The source's name; of a SQLite file, the table that is meant.

    Raises:
        SourceError: If it is none of these, or there is no such file.
    """
    if isinstance(source, (SqliteTable, ArraySource)):
        return source
    if isinstance(source, pd.DataFrame):
        return _plain(_to_arrow(source, name), name)
    if isinstance(source, pa.Table):
        return _plain(source, name)
    if isinstance(source, Mapping):
        return array_source(source, name)
    if isinstance(source, EdgeArrays):
        return edge_source(source, name)
    if not isinstance(source, (str, os.PathLike)):
        raise SourceError(
            f"source '{name}' is a {type(source).__name__}; give a path of a CSV, Parquet or SQLite file,"
            " a pandas DataFrame, an Arrow table or a mapping of columns to arrays"
        )
    path = Path(source).absolute()
    if not path.is_file():
        advice = "; Graph.from_folder reads folders" if path.is_dir() else ""
        raise SourceError(f"source '{name}': there is no file {path}{advice}")
    suffix = suffix_of(path)
    if suffix is None:
        raise SourceError(f"source '{name}': {path} is none of CSV, TSV, Parquet and SQLite, by its suffix")
    return SqliteTable(path, name) if suffix in SQLITE_SUFFIXES else path


def relation(
    connection: duckdb.DuckDBPyConnection, source: Path | SqliteTable | pa.Table | ArraySource, alias: str
) -> Relation:
    """Makes a source readable in a connection.

    Args:
        connection: Gets a table or a view named `alias`, unless the source is a file.
        source: As `normalized` gives it.
        alias: A name that is free in the connection.

    Raises:
        SourceError: If the source cannot be read.
    """
    if isinstance(source, SqliteTable):
        connection.register(f"{alias}_rows", read_batches(source))
        try:
            connection.execute(f"CREATE TABLE {quoted(alias)} AS SELECT * FROM {quoted(f'{alias}_rows')}")
        except duckdb.Error as error:
            raise SourceError(f"{source.path}, table '{source.table}': {first_line(error)}") from error
        finally:
            connection.unregister(f"{alias}_rows")
        return Relation(quoted(alias))
    if isinstance(source, Path):
        if suffix_of(source) in CSV_SUFFIXES:
            status = source.stat()
            return _csv(str(source), status.st_size, status.st_mtime_ns)
        return _parquet(connection, source)
    if isinstance(source, ArraySource):
        table = source.table()
        if table is None:
            return Relation(f"(SELECT range AS {quoted(POSITION_COLUMN)} FROM range({source.num_rows}))")
        source = table
    connection.register(alias, source)
    return Relation(quoted(alias))


def _parquet(connection: duckdb.DuckDBPyConnection, path: Path) -> Relation:
    query = f"read_parquet({path_literal(path)}, hive_partitioning = false)"
    try:
        read = types_of(connection.execute(f"SELECT * FROM {query} LIMIT 0").description)
        return Relation(query, tuple(renamed(pq.read_schema(path).names, read)))
    except (duckdb.Error, pa.ArrowException, OSError):
        return Relation(query)  # Fails when it is read, with the table's name.


class _Dialect(NamedTuple):
    """How a CSV file is written, as DuckDB's sniffer names it; "(empty)" where it has no such character."""

    delimiter: str
    quote: str
    escape: str
    comment: str
    columns: list[dict[str, str]]
    date_format: str | None
    timestamp_format: str | None

    def notes(self, connection: duckdb.DuckDBPyConnection, path: str) -> tuple[str, ...]:
        """Which way round days, months and years are taken, where text alone does not tell; columns that go
        by other names than in the header.
        """
        formats = [f for f in (self.date_format, self.timestamp_format) if f and not f.startswith("%Y")]
        places = [{"name": str(i), "type": "VARCHAR"} for i in range(len(self.columns))]
        as_text = self._replace(columns=places)
        lines = as_text.query(path, "null_padding = true, parallel = false", header=False)
        written = connection.execute(f"SELECT * FROM {lines} LIMIT 1").fetchone() or ()
        names = renamed(written, [column["name"] for column in self.columns])
        told = [f"times are read as {found}" for found in formats]
        if written and all(re.fullmatch(r"[-+.\d]+", name or "") for name in written):
            told.append(
                f"its first line is taken for a header, though it is {', '.join(written)}; give it one"
            )
        return (*told, *names)

    def query(self, path: str, options: str, *, header: bool = True) -> str:
        """The relation of the file; without `header`, its first line is a row, too."""
        # Neither Parquet nor a double keeps all digits of a HUGEINT; as text they are kept.
        types = {c["name"]: "VARCHAR" if c["type"] == "HUGEINT" else c["type"] for c in self.columns}
        written = {
            "delim": self.delimiter,
            "quote": self.quote,
            "escape": self.escape,
            "comment": self.comment,
            "dateformat": self.date_format,
            "timestampformat": self.timestamp_format,
        }
        known = [
            f"{option} = {literal('' if value == '(empty)' else value)}"
            for option, value in written.items()
            if value is not None
        ]
        columns = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in types.items())
        fixed = f"auto_detect = false, header = {header}, skip = 0, nullstr = {_NULLS}"
        return (
            f"read_csv({path_literal(path)}, {fixed}, {', '.join(known)}, columns = {{{columns}}}, {options})"
        )


@functools.lru_cache(maxsize=1024)
def _csv(path: str, size: int, mtime_ns: int) -> Relation:
    """How to read a CSV file: its dialect and types, found over the whole file, once until it changes."""
    if size == 0:
        raise SourceError(f"{path} is empty: not even a header says what its columns are")
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        numbers = _numbers(connection, path) if size > _LARGE else None
        if numbers is not None:
            return numbers
        strict = _sniff(connection, path, null_padding=False)
        if isinstance(strict, _Dialect) and not _is_misread(strict):
            return Relation(strict.query(path, "null_padding = false"), strict.notes(connection, path))
        padded = _sniff(connection, path, null_padding=True)
        if not isinstance(padded, _Dialect):
            reason = first_line(padded)
            if "utf-8" in str(padded).lower():
                reason = "it is not in UTF-8; convert it, as by iconv -f latin1 -t utf-8"
            raise SourceError(f"{path} cannot be read as CSV: {reason}") from padded
        if _is_misread(padded):
            header = padded.columns[0]["name"]
            raise SourceError(
                f"{path} cannot be read as CSV: some line has more fields than the header, {header}"
            )
        query = padded.query(path, "null_padding = true")
        whole = padded.query(path, "null_padding = false, ignore_errors = true")
        rows, whole_rows = (
            connection.execute(f"SELECT count(*) FROM {q}").fetchall()[0][0] for q in (query, whole)
        )
        notes = padded.notes(connection, path)
    short = rows - whole_rows
    note = f"{short:,} lines have fewer fields than the header; the missing ones are read as null"
    return Relation(query, (*notes, note) if short else notes)


def _numbers(connection: duckdb.DuckDBPyConnection, path: str) -> Relation | None:
    """How to read a file of nothing but numbers; None where it has something else.

    The sniffer reads a whole file on one thread. What it finds in the first lines is what it would find in
    all if that can be read so: there is no type that it prefers to those of numbers. Bytes tell plain
    integers; else values are looked at as text, for a cast to integers rounds.
    """
    found = _sniff(connection, path, null_padding=False, lines=_FIRST_LINES)
    if not isinstance(found, _Dialect):
        return None
    types = {column["name"]: column["type"] for column in found.columns}
    if not set(types.values()) <= {"BIGINT", "DOUBLE"}:
        return None
    relation = Relation(found.query(path, "null_padding = false"), found.notes(connection, path))
    if set(types.values()) == {"BIGINT"} and len(found.delimiter) == 1:
        text = np.memmap(path, np.uint8, mode="r")
        if is_integers(text, ord(found.delimiter), len(types)):
            return relation
    conditions = [
        f"regexp_full_match({quoted(column)}, '-?[0-9]{{1,18}}')"
        if kind == "BIGINT"
        else f"TRY_CAST({quoted(column)} AS DOUBLE) IS NOT NULL OR {quoted(column)} IS NULL"
        for column, kind in types.items()
    ]
    as_text = found._replace(columns=[{"name": column, "type": "VARCHAR"} for column in types])
    checks = ", ".join(f"coalesce(bool_and({condition}), true)" for condition in conditions)
    try:
        [sound] = connection.execute(
            f"SELECT {checks} FROM {as_text.query(path, 'null_padding = false')}"
        ).fetchall()
    except duckdb.Error:
        return None
    return relation if all(sound) else None


def _is_misread(dialect: _Dialect) -> bool:
    """Whether the sniffer took a file for one column whose header is of several, for some lines are short."""
    return len(dialect.columns) == 1 and any(d in dialect.columns[0]["name"] for d in _DELIMITERS)


def _sniff(
    connection: duckdb.DuckDBPyConnection, path: str, *, null_padding: bool, lines: int = -1
) -> _Dialect | duckdb.Error:
    names = "Delimiter, Quote, Escape, Comment, Columns, DateFormat, TimestampFormat"
    # Left to itself, the sniffer skips all lines up to one that is longer than the others.
    options = (
        f"sample_size = {lines}, header = true, skip = 0, nullstr = {_NULLS}, null_padding = {null_padding}"
    )
    try:
        return _Dialect(
            *connection.execute(f"SELECT {names} FROM sniff_csv({path_literal(path)}, {options})").fetchall()[
                0
            ]
        )
    except duckdb.Error as error:
        return error


def _to_arrow(frame: pd.DataFrame, name: str) -> pa.Table:
    keep_index = any(label is not None for label in frame.index.names)
    plain = frame.rename(columns=str)
    try:
        return pa.Table.from_pandas(plain, preserve_index=keep_index)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise SourceError(f"source '{name}' cannot be read as a table: {first_line(error)}") from error


def _plain(table: pa.Table, name: str) -> pa.Table:
    """Without dictionaries, whose columns DuckDB would take for ENUMs, without float16, which it does not
    know, and with names that differ."""
    seen: dict[str, str] = {}
    for column in table.column_names:
        if column.lower() in seen:
            raise SourceError(
                f"source '{name}' has the columns '{seen[column.lower()]}' and '{column}'; rename one,"
                " for SQL does not tell upper from lower case"
            )
        seen[column.lower()] = column
    for i, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(i, field.name, table.column(i).cast(field.type.value_type))
        elif pa.types.is_float16(field.type):
            table = table.set_column(i, field.name, table.column(i).cast(pa.float32()))
        elif pa.types.is_null(field.type):
            table = table.set_column(i, field.name, table.column(i).cast(pa.string()))
    return table
