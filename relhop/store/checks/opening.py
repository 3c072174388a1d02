"""What is checked whenever a store is opened: manifest, schema, sizes and ends of arrays fit together.

Nothing in a file is trusted before it is compared with what the schema and the counts demand.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from relhop.edge_table import EdgeTable
from relhop.errors import CorruptStore
from relhop.schema import Schema, Stype
from relhop.store import layout
from relhop.store.checks.common import same
from relhop.store.checks.parquet import check_footer
from relhop.store.manifest import (
    MANIFEST,
    AttributeEntry,
    EdgeTableEntry,
    Manifest,
    TableEntry,
    field_entries,
    stored_fields,
)
from relhop.store.stored import Rows, StoredEdges, StoredLink, StoredTable, Times
from relhop.times import NULL_TIME

_MOST_NUMBERS = 1 << 60
"""Of an attribute: more than any machine can address."""


def check_manifest(folder: Path, manifest: Manifest, schema: Schema) -> None:
    """Compares the manifest with its own schema: tables, links, counts, records, files and their sizes."""
    where = folder / MANIFEST
    same(where, "tables", list(manifest.tables), list(schema.tables))
    same(where, "links", list(manifest.links), [link.name for link in schema.links])
    same(where, "edge tables", list(manifest.edge_tables), list(schema.edge_tables))
    for title, table in manifest.tables.items():
        features = schema.feature_columns(title)
        fields, record_size = stored_fields(manifest, schema, title)
        same(where, f"the record size of table '{title}'", table.record_size, record_size)
        out_of_range = {entry.column: entry.out_of_range for entry in table.fields}
        expected = field_entries(fields, out_of_range)
        same(where, f"the record's fields of table '{title}'", table.fields, expected)
        for field in table.fields:
            if field.out_of_range > table.rows or (field.scale is not None and field.scale <= 0):
                raise CorruptStore(
                    f"{where}: table '{title}', column '{field.column}' of {table.rows} rows has"
                    f" {field.out_of_range} out of range, and the scale {field.scale}"
                )
        coded = [column for column, stype in features.items() if stype == Stype.categorical]
        coded += schema.list_columns(title)
        same(where, f"the categorical columns of table '{title}'", list(table.categories), coded)
        _check_attributes(where, title, table, schema)
        if table.record_order not in (layout.ROWS_ORDER, *table.rows_per_block):
            raise CorruptStore(f"{where}: table '{title}' has the order of records {table.record_order!r}")
        timed = schema.tables[title].time_col is not None
        for what, count, most in (
            ("null times", table.null_times, table.rows if timed else 0),
            ("null and repeated keys", table.null_keys + table.duplicate_keys, table.rows),
        ):
            if count > most:
                raise CorruptStore(f"{where}: table '{title}' of {table.rows} rows has {count} {what}")
    for link in schema.links:
        entry = manifest.links[link.name]
        total = entry.edges + entry.nulls + entry.dangling
        same(
            where,
            f"edges, nulls and dangling keys of link {link.name}",
            total,
            manifest.tables[link.child].rows,
        )
        rows = manifest.tables[link.child].rows if link.weight is not None else 0
        if entry.null_weights > rows:
            raise CorruptStore(f"{where}: link {link.name} has {entry.null_weights} null weights of {rows}")
    for name, edges in schema.edge_tables.items():
        _check_edge_entry(where, edges, manifest.edge_tables[name])
    sizes = layout.file_sizes(schema, manifest.tables, manifest.links, manifest.edge_tables)
    same(where, "files", sorted(manifest.files), sorted(sizes))
    for file, size in sizes.items():
        if size is not None:
            same(where, f"the size of {file}", manifest.files[file].bytes, size)
    unhashed = sorted(file for file, of_file in manifest.files.items() if of_file.blake2b is None)
    in_blocks = layout.record_sizes(manifest.tables, manifest.edge_tables)
    same(where, "files without a checksum in it", unhashed, sorted(in_blocks))


def _check_edge_entry(where: Path, edges: EdgeTable, entry: EdgeTableEntry) -> None:
    """Counts of an edge table that fit together, and what its description asks for."""
    what, missing = f"edge table '{edges.name}'", entry.nulls + entry.dangling
    same(where, f"edges, nulls and dangling ends of {what}", entry.edges + missing, entry.rows)
    timed, weighted = edges.time_col is not None, edges.weight_col is not None
    for name, count, least, most in (
        ("null times", entry.null_times, missing if timed else 0, entry.rows if timed else 0),
        ("delayed edges", entry.delayed, 0, entry.rows - entry.null_times if timed else 0),
        ("null weights", entry.null_weights, 0, entry.rows if weighted else 0),
    ):
        if not least <= count <= most:
            raise CorruptStore(f"{where}: {what} of {entry.rows} edges has {count} {name}")
    if (timed or weighted) and not entry.columns:
        raise CorruptStore(
            f"{where}: {what} has no columns, but {edges.time_col or edges.weight_col!r} is one"
        )
    need_ids = bool(edges.edge_ids or entry.columns or entry.attributes)
    same(where, f"numbers of the edges of {what}", entry.edge_ids, need_ids)
    for name, attribute in entry.attributes.items():
        _check_size(f"{where}: {what}, attribute '{name}'", attribute, entry.rows)


def _check_attributes(where: Path, title: str, table: TableEntry, schema: Schema) -> None:
    stypes = schema.tables[title].stypes
    tensors = {column for column, stype in stypes.items() if stype == Stype.tensor}
    lists = schema.list_columns(title)
    texts = {c for c, stype in schema.wide_columns(title).items() if stype == Stype.text}
    if not tensors.union(lists) <= set(table.attributes) <= set(stypes):
        raise CorruptStore(
            f"{where}: the attributes of table '{title}': {list(table.attributes)} contradict its columns"
        )
    for name, attribute in table.attributes.items():
        what = f"{where}: table '{title}', attribute '{name}'"
        is_list = name in lists
        right = (name in tensors) == bool(attribute.shape) or (name in texts and attribute.is_vector)
        if is_list:
            right = attribute.dtype == "int32" and len(attribute.shape) == 1 and attribute.shape[0] > 0
        if not right:
            raise CorruptStore(f"{what}: the schema has no shape {attribute.shape}")
        if attribute.shortened > (table.rows if is_list else 0):
            raise CorruptStore(f"{what}: {attribute.shortened} of {table.rows} rows are shortened")
        _check_size(what, attribute, table.rows)


def _check_size(where: str, attribute: AttributeEntry, rows: int) -> None:
    # What a shape with a 0 says beside it fits no size.
    if math.prod(max(1, size) for size in attribute.shape) * max(1, rows) >= _MOST_NUMBERS:
        raise CorruptStore(f"{where}: {rows} rows of shape {attribute.shape}")


def check_sizes(folder: Path, manifest: Manifest) -> None:
    """Compares the sizes of all files, and the numbers of rows in the footers of Parquet files."""
    for file, entry in manifest.files.items():
        path = folder / file
        if not path.is_file():
            raise CorruptStore(f"{path} is missing; build the store again")
        size = path.stat().st_size
        if size != entry.bytes:
            raise CorruptStore(f"{path} has {size} bytes, not {entry.bytes}; build the store again")
    for title, table in manifest.tables.items():
        check_footer(folder / layout.table_file(title, "columns.parquet"), table.rows)
        if table.categories:
            check_footer(
                folder / layout.table_file(title, "categories.parquet"), sum(table.categories.values())
            )

    for name, edge_entry in manifest.edge_tables.items():
        if edge_entry.columns:
            check_footer(folder / layout.edge_file(name, "columns.parquet"), edge_entry.rows)


def check_ends(
    folder: Path,
    tables: Mapping[str, StoredTable],
    links: Mapping[str, StoredLink],
    edge_tables: Mapping[str, StoredEdges],
) -> None:
    """Looks at the ends of arrays, where a lie about counts shows."""
    for table in tables.values():
        if table.time is not None:
            _check_null_times(
                folder / layout.table_file(table.name, "time.bin"), table.time, table.null_times
            )
    for stored in links.values():
        _check_offset_ends(
            folder / layout.link_file(stored.link, "offsets.bin"), stored.offsets, len(stored.children)
        )
    for name, edges in edge_tables.items():
        if edges.time is not None:
            _check_null_times(folder / layout.edge_file(name, "time.bin"), edges.time, edges.null_times)
        for direction, lists in edges.lists.items():
            path = folder / layout.edge_file(name, f"{direction}/offsets.bin")
            _check_offset_ends(path, lists.offsets, edges.num_edges)


def _check_null_times(path: Path, time: Times, nulls: int) -> None:
    """So many times at the end are null, and the one before them is not."""
    split = len(time) - nulls
    if (nulls and time[split] != NULL_TIME) or (split and time[split - 1] == NULL_TIME):
        raise CorruptStore(f"{path}: not {nulls} null times at its end")


def _check_offset_ends(path: Path, offsets: Rows, edges: int) -> None:
    """Offsets run from 0 to the number of edges."""
    if offsets[0] != 0 or offsets[-1] != edges:
        raise CorruptStore(f"{path}: offsets do not run from 0 to {edges}")
