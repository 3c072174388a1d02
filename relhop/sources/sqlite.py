"""Tables of a SQLite file, read through Python's sqlite3 in Arrow batches, and the keys that they declare."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa

from relhop.errors import SourceError, nearest
from relhop.sources.quoting import first_line, literal, quoted

_BATCH_ROWS = 1 << 16


@dataclass(frozen=True)
class SqliteTable:
    """A source: one table of a SQLite file.

    Attributes:
        path: The file.
        table: The table's name in it.
    """

    path: Path
    table: str


@dataclass(frozen=True)
class DeclaredLink:
    """A foreign key as the file declares it.

    Attributes:
        columns: The child's columns.
        parent: The parent table's name in the file.
        parent_columns: The parent's columns that they point at; empty: its primary key.
    """

    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]


@dataclass(frozen=True)
class DeclaredKeys:
    """What a table declares of its keys."""

    pkey: tuple[str, ...]
    links: tuple[DeclaredLink, ...]


def table_names(path: Path, kinds: str = "'table'") -> list[str]:
    """The tables of a SQLite file, without SQLite's own, in the order of their making.

    Args:
        path: The file.
        kinds: What counts as one, as SQL has it: tables alone, or views, too.

    Raises:
        SourceError: If it is no SQLite file.
    """
    query = (
        f"SELECT name FROM sqlite_master WHERE type IN ({kinds}) AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    )
    with _opened(path) as file:
        return [name for (name,) in file.execute(query)]


def declared_keys(source: SqliteTable) -> DeclaredKeys:
    """The primary key and the foreign keys that a table declares."""
    with _opened(source.path) as file:
        columns = file.execute(f"SELECT name, pk FROM pragma_table_info({literal(source.table)})").fetchall()
        pkey = tuple(name for name, place in sorted(columns, key=lambda c: c[1]) if place)
        found: dict[int, tuple[str, list[str], list[str]]] = {}
        query = 'SELECT id, "table", "from", "to" FROM pragma_foreign_key_list({}) ORDER BY id, seq'
        for number, parent, child_column, parent_column in file.execute(query.format(literal(source.table))):
            _, child_columns, parent_columns = found.setdefault(number, (parent, [], []))
            child_columns.append(child_column)
            if parent_column is not None:
                parent_columns.append(parent_column)
    links = tuple(DeclaredLink(tuple(c), parent, tuple(p)) for parent, c, p in found.values())
    return DeclaredKeys(pkey, links)


def read_batches(source: SqliteTable) -> pa.RecordBatchReader:
    """All rows of a table or a view in its order, as a stream.

    SQLite lets any value into any column. So a column's type is what its values are: integers; doubles, where
    some are; text, where any value is; what the column declares, where it holds no value.

    Raises:
        SourceError: If the file or the table cannot be read.
    """
    with _opened(source.path) as file:
        known = table_names(source.path, "'table', 'view'")
        name = next((n for n in known if n.lower() == source.table.lower()), None)
        if name is None:
            raise SourceError(
                f"{source.path} has no table '{source.table}'.{nearest(source.table, known)}"
                f" It has: {', '.join(known) or 'none'}"
            )
        declared = dict(file.execute(f"SELECT name, type FROM pragma_table_info({literal(name)})").fetchall())
        types = {column: _type_of(file, name, column, kind) for column, kind in declared.items()}
    schema = pa.schema(list(types.items()))
    return pa.RecordBatchReader.from_batches(schema, _batches(source.path, name, schema))


def _batches(path: Path, table: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    selected = ", ".join(
        f"CAST({quoted(field.name)} AS TEXT)" if pa.types.is_string(field.type) else quoted(field.name)
        for field in schema
    )
    with _opened(path) as file:
        cursor = file.execute(f"SELECT {selected} FROM {quoted(table)}")
        while rows := cursor.fetchmany(_BATCH_ROWS):
            columns = zip(*rows, strict=True)
            arrays = [
                pa.array([None if v is None else bool(v) for v in values], field.type)
                if pa.types.is_boolean(field.type)
                else pa.array(values, field.type)
                for values, field in zip(columns, schema, strict=True)
            ]
            yield pa.record_batch(arrays, schema=schema)


def _type_of(file: sqlite3.Connection, table: str, column: str, declared: str) -> pa.DataType:
    c = quoted(column)
    query = f"SELECT typeof({c}), min({c}), max({c}) FROM {quoted(table)} WHERE {c} IS NOT NULL GROUP BY 1"
    found = {kind: (low, high) for kind, low, high in file.execute(query)}
    if not found:
        return _declared_type(declared.upper())
    if found.keys() <= {"integer"}:
        is_flag = "BOOL" in declared.upper() and found["integer"][0] >= 0 and found["integer"][1] <= 1
        return pa.bool_() if is_flag else pa.int64()
    if found.keys() <= {"integer", "real"}:
        return pa.float64()
    return pa.binary() if found.keys() == {"blob"} else pa.string()


def _declared_type(declared: str) -> pa.DataType:
    if "INT" in declared:
        return pa.int64()
    if any(word in declared for word in ("REAL", "FLOA", "DOUB", "NUMERIC", "DECIMAL")):
        return pa.float64()
    return pa.string()


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    if not path.is_file():
        raise SourceError(f"there is no file {path}")
    try:
        url = f"file:{quote(str(path.absolute()))}?mode=ro"
        # DuckDB asks for batches on threads of its own, one at a time.
        with contextlib.closing(sqlite3.connect(url, uri=True, check_same_thread=False)) as file:
            yield file
    except sqlite3.Error as error:
        raise SourceError(f"{path} cannot be read as a SQLite file: {first_line(error)}") from error
