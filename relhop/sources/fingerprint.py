"""What a store was built from, in one line: equal fingerprints mean equal stores."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa

from relhop.schema import Schema, Table
from relhop.sources.array_columns import ArrayColumn
from relhop.sources.arrays import ArraySource
from relhop.sources.binding import all_sources
from relhop.sources.reading import normalized
from relhop.sources.sqlite import SqliteTable

_READING_VERSION = 1  # Raised whenever the same sources come to be read differently.
_HASHED_BYTES = 64 << 20


def fingerprint(
    schema: Schema,
    tables: Iterable[Table],
    sources: Mapping[str, Any],
    settings: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """A digest of all that a store depends on: the schema, SQL, the sources' contents, and settings.

    Files up to 64 MiB are hashed whole; larger ones count as unchanged while their size and time of change
    are. Where files lie does not matter. Files that SQL names by path are not seen.

    Args:
        schema: With all semantic types, keys and times.
        tables: The tables with their sources and SQL.
        sources: By name. If any table has SQL, all of them count, for the SQL may use them.
        settings: How the store is to be written.

    Raises:
        SourceError: If a source is of an unknown kind, or not there.
    """
    tables = list(tables)
    found = all_sources(tables, sources)
    if all(table.sql is None for table in tables):
        found = {table.name: found[table.name] for table in tables}
    described = {
        "reading_version": _READING_VERSION,
        "settings": dict(settings),
        "schema": schema.to_dict(),
        "order": [list(schema.tables), {t.name: list(t.stypes) for t in schema.tables.values()}],
        "sql": {table.name: table.sql for table in tables},
        "sources": {name: _source(normalized(source, name)) for name, source in found.items()},
    }
    return hashlib.blake2b(json.dumps(described, ensure_ascii=False).encode(), digest_size=16).hexdigest()


def _source(source: Path | SqliteTable | pa.Table | ArraySource) -> list[Any]:
    if isinstance(source, ArraySource):
        return [
            "arrays",
            {name: _array(column) for name, column in source.columns.items()},
            list(source.columns),
            *([] if source.plain is None else [_content(source.plain)]),
        ]
    if isinstance(source, SqliteTable):
        return [source.table, *_file(source.path)]
    return _file(source) if isinstance(source, Path) else ["arrow", _content(source)]


def _file(path: Path) -> list[Any]:
    status = path.stat()
    if status.st_size > _HASHED_BYTES:
        return [path.name, status.st_size, status.st_mtime_ns]
    with path.open("rb") as file:
        return [path.name, status.st_size, hashlib.file_digest(file, "blake2b").hexdigest()]


def _array(column: ArrayColumn) -> list[Any]:
    if column.file is not None:
        return [column.member, *_file(column.file)]
    digest = hashlib.blake2b()
    for piece in column.pieces():
        digest.update(np.ascontiguousarray(piece).view(np.uint8).data)
    return [column.dtype, *column.shape, column.num_rows, digest.hexdigest()]


class _Hash(io.RawIOBase):
    """A file that keeps nothing but the hash of what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.digest = hashlib.blake2b()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data)
        self.digest.update(view)
        return view.nbytes


def _content(table: pa.Table) -> str:
    sink = _Hash()
    plain = table.replace_schema_metadata(None)
    with pa.ipc.new_stream(sink, plain.schema) as writer:
        writer.write_table(plain.combine_chunks())
    return sink.digest.hexdigest()
