"""From tables in DuckDB to a store on disk, whole or not at all.

The steps themselves are in `relhop.store.tables`, `links` and `edges`; how the result takes its place is
in `relhop.store.publish`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import duckdb

from relhop.schema import Schema
from relhop.sources.array_columns import ArrayColumn
from relhop.store import edges, features, keys, layout, links, order, publish, sql, tables
from relhop.store.column_tensors import write_column_tensors
from relhop.store.copying import Copies
from relhop.store.manifest import MANIFEST, FileEntry, Manifest, TableEntry, manifest_text
from relhop.store.precision import Precision
from relhop.store.progress import Steps
from relhop.store.tables import RowOrder
from relhop.text import HashedNgrams, TextEmbedder


def write_store(  # noqa: PLR0913
    path: str | os.PathLike[str],
    schema: Schema,
    connection: duckdb.DuckDBPyConnection,
    *,
    fingerprint: str,
    precision: Precision = "float32",
    row_order: RowOrder = "auto",
    memory_limit: str | None = None,
    progress: bool = False,
    attributes: Mapping[str, Mapping[str, ArrayColumn]] = MappingProxyType({}),
    ends: Mapping[str, tuple[ArrayColumn, ArrayColumn]] = MappingProxyType({}),
    text_embedder: TextEmbedder | None = None,
) -> None:
    """Builds a store and puts it in the place of `path`, all at once.

    Each table is read once. An existing store at `path` stays as it is until the new one is complete and on
    the disk; on any error, and when the process is killed, it remains.

    Args:
        path: A store that is replaced, an empty folder, or nothing yet.
        schema: Tables with all semantic types, keys and times resolved.
        connection: Has one relation for each table and edge table, named as it is, with its time column a
            TIMESTAMP. The build sets its memory_limit and temp_directory: give it a connection of its own.
        fingerprint: Says what the store was built from.
        precision: How numerical features are kept.
        row_order: "auto": records lie in the order in which a block holds most rows that are wanted together;
            "time": in the rows' order.
        memory_limit: Of DuckDB, such as "4GB"; what is beyond goes to disk, beside the store. None: DuckDB's
            own.
        progress: Show a bar for each step on a terminal.
        attributes: By table or edge table, the arrays that are kept as they are, with a row for each row of
            the input.
        ends: By edge table, the arrays of its ends, where its source has arrays.
        text_embedder: Makes vectors of text; None: `HashedNgrams()`.

    Raises:
        StoreError: If `path` is something that must not be replaced, or the memory limit is too small.
        SchemaError: If a table lacks a column or uses a name of the store's own.
        SourceError: If a table cannot be read, or a value is not of its column's semantic type.
        OSError: If the disk is full or refuses.
    """
    with publish.building(Path(path)) as folder, Steps(progress) as steps, Copies() as copies:
        scratch = folder / "scratch"
        scratch.mkdir()
        _limit_memory(connection, memory_limit, scratch)
        build = tables.Build(folder, scratch, connection, schema, precision, row_order)
        for table in steps.over("Sorting rows", schema.tables):
            with sql.failing(f"table '{table}' cannot be read"):
                tables.check_columns(build, table)
                tables.sort_rows(build, table)
                for name, column in attributes.get(table, {}).items():
                    copies.begin(build, table, name, column)
                keys.index_keys(build, table)
        for link in steps.over("Joining keys", schema.links):
            with sql.failing(f"the keys of link {link.name} -> {link.parent} cannot be joined"):
                links.join_keys(build, link)
        for edge_table in steps.over("Connecting edges", schema.edge_tables):
            with sql.failing(f"edge table '{edge_table}' cannot be read"):
                arrays = attributes.get(edge_table, {})
                edges.write_edges(build, schema.edge_tables[edge_table], arrays, ends.get(edge_table))
        for table in steps.over("Writing columns", schema.tables):
            with sql.failing(f"the columns of table '{table}' cannot be written"):
                tables.write_columns(build, table)
        named = [(t, a) for t in schema.tables for a in attributes.get(t, {})]
        for table, name in steps.over("Copying attributes", named):
            copies.end(build, table, name, attributes[table][name])
        for _ in steps.over("Ordering records", [None]):
            order.choose_orders(build)
        for table in steps.over("Packing features", schema.tables):
            with sql.failing(f"the features of table '{table}' cannot be packed"):
                features.write_records(build, table)
        for table in steps.over("Encoding lists and texts", schema.tables):
            with sql.failing(f"lists or texts of table '{table}' cannot be encoded"):
                write_column_tensors(build, table, text_embedder or HashedNgrams())
        shutil.rmtree(scratch)
        _seal(build, fingerprint, steps)


def _limit_memory(connection: duckdb.DuckDBPyConnection, memory_limit: str | None, scratch: Path) -> None:
    # Both the order of rows in a file and their input positions rest on this setting.
    connection.execute("SET preserve_insertion_order = true")
    connection.execute("SET enable_progress_bar = false")
    if memory_limit is not None:
        connection.execute(f"SET memory_limit = {sql.text(memory_limit)}")
    with contextlib.suppress(duckdb.NotImplementedException):  # It has spilled already, and keeps its place.
        connection.execute(f"SET temp_directory = {sql.text(str(scratch / 'spill'))}")


def _seal(build: tables.Build, fingerprint: str, steps: Steps) -> None:
    """Brings every file to the disk, and last the manifest, which makes the folder a store."""
    entries = {table: _table_entry(build, table) for table in build.schema.tables}
    sizes = layout.file_sizes(build.schema, entries, build.links, build.edge_tables)
    in_blocks = layout.record_sizes(entries, build.edge_tables)
    files = {}
    for file in steps.over("Sealing files", sizes):
        files[file] = _seal_file(build.folder / file, hashed=file not in in_blocks)
    manifest = Manifest(
        fingerprint=fingerprint,
        precision=build.precision,
        text_embedder=build.text_embedder,
        schema=build.schema.to_dict(),
        tables=entries,
        links=build.links,
        edge_tables=build.edge_tables,
        files=files,
    )
    for folder, _, _ in os.walk(build.folder):
        publish.sync_folder(Path(folder))
    path = build.folder / MANIFEST
    path.write_text(manifest_text(manifest), encoding="utf-8")
    _seal_file(path, hashed=False)


def _table_entry(build: tables.Build, table: str) -> TableEntry:
    null_keys, duplicate_keys = build.keys[table]
    return TableEntry(
        rows=build.rows[table],
        null_times=build.null_times[table],
        null_keys=null_keys,
        duplicate_keys=duplicate_keys,
        categories=build.categories[table],
        fields=build.fields[table],
        record_size=build.record_sizes[table],
        record_order=build.orders[table],
        rows_per_block=build.rows_per_block[table],
        attributes=build.attributes[table],
    )


def _seal_file(path: Path, *, hashed: bool) -> FileEntry:
    """Waits until a file is on the disk; returns its size, and its checksum if it is `hashed`."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        checksum = layout.checksum_of(file) if hashed else None
        return FileEntry(bytes=os.fstat(file.fileno()).st_size, blake2b=checksum)
