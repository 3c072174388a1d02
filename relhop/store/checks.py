"""What makes a store sound: cheap checks when it is opened, full ones when it is verified.

Every check raises CorruptStore and names the file. Nothing in a file is trusted before it is compared with
what the schema and the counts demand.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from relhop.edge_table import EdgeTable
from relhop.errors import CorruptStore
from relhop.schema import Schema, Stype
from relhop.store import encoding, layout, lookup, records
from relhop.store.attributes import AttributeReader
from relhop.store.manifest import (
    MANIFEST,
    AttributeEntry,
    EdgeTableEntry,
    Manifest,
    TableEntry,
    field_entries,
    stored_fields,
)
from relhop.store.stored import Rows, StoredLink, StoredTable, Times
from relhop.times import NULL_TIME

_CHUNK_ROWS = 1 << 20
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
        coded += _lists(schema, title)
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
        check_edge_entry(where, edges, manifest.edge_tables[name])
    sizes = layout.file_sizes(schema, manifest.tables, manifest.links, manifest.edge_tables)
    same(where, "files", sorted(manifest.files), sorted(sizes))
    for file, size in sizes.items():
        if size is not None:
            same(where, f"the size of {file}", manifest.files[file].bytes, size)
    unhashed = sorted(file for file, of_file in manifest.files.items() if of_file.blake2b is None)
    in_blocks = layout.record_sizes(manifest.tables, manifest.edge_tables)
    same(where, "files without a checksum in it", unhashed, sorted(in_blocks))


def check_edge_entry(where: Path, edges: EdgeTable, entry: EdgeTableEntry) -> None:
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
    lists = _lists(schema, title)
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


def _lists(schema: Schema, table: str) -> list[str]:
    return [c for c, stype in schema.wide_columns(table).items() if stype == Stype.multicategorical]


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


def check_ends(folder: Path, tables: Mapping[str, StoredTable], links: Mapping[str, StoredLink]) -> None:
    """Looks at the ends of arrays, where a lie about counts shows."""
    for table in tables.values():
        if table.time is not None:
            check_null_times(folder / layout.table_file(table.name, "time.bin"), table.time, table.null_times)
    for stored in links.values():
        check_offset_ends(
            folder / layout.link_file(stored.link, "offsets.bin"), stored.offsets, len(stored.children)
        )


def check_null_times(path: Path, time: Times, nulls: int) -> None:
    """So many times at the end are null, and the one before them is not."""
    split = len(time) - nulls
    if (nulls and time[split] != NULL_TIME) or (split and time[split - 1] == NULL_TIME):
        raise CorruptStore(f"{path}: not {nulls} null times at its end")


def check_offset_ends(path: Path, offsets: Rows, edges: int) -> None:
    """Offsets run from 0 to the number of edges."""
    if offsets[0] != 0 or offsets[-1] != edges:
        raise CorruptStore(f"{path}: offsets do not run from 0 to {edges}")


def check_file(folder: Path, manifest: Manifest, file: str) -> None:
    """Compares a file with its checksum in the manifest, or its blocks with theirs beside it."""
    path, entry = folder / file, manifest.files[file]
    try:
        if entry.blake2b is None:
            record_sizes = layout.record_sizes(manifest.tables, manifest.edge_tables)
            records.check_file(path, entry.bytes, record_sizes[file])
            return
        with path.open("rb") as opened:
            checksum = layout.checksum_of(opened)
    except FileNotFoundError:
        raise CorruptStore(f"{path} is missing; build the store again") from None
    if checksum != entry.blake2b:
        raise CorruptStore(f"{path} is damaged: its checksum does not fit; build the store again")


def check_table(folder: Path, manifest: Manifest, schema: Schema, table: StoredTable) -> None:
    """Times ascend, orders of rows and records are permutations, category codes exist."""
    if table.time is not None:
        check_ascending(folder / layout.table_file(table.name, "time.bin"), "times", table.time)
    for array, file in ((table.order, "order.bin"), (table.slots, "slots.bin")):
        if array is not None and not is_permutation(array):
            raise CorruptStore(f"{folder / layout.table_file(table.name, file)}: not a permutation of rows")
    for field in table.fields:
        if field.stype != Stype.categorical:
            continue
        count = manifest.tables[table.name].categories[field.column]
        if len(lookup.categories(table.categories_path, field.column)) != count:
            raise CorruptStore(f"{table.categories_path}: column '{field.column}' has not {count} categories")
        for part in chunks(table.num_rows):
            codes = table.field_values(field.column, part)
            if np.any((codes < encoding.NULL_CODE) | (codes >= count)):
                raise CorruptStore(
                    f"{folder / layout.table_file(table.name, 'rows.bin')}: column '{field.column}'"
                    f" has a code beyond its {count} categories"
                )
    for column in _lists(schema, table.name):
        count = manifest.tables[table.name].categories[column]
        codes = table.attributes[column].array()
        parts = (codes[part] for part in chunks(table.num_rows))
        if any(np.any((part < encoding.NULL_LIST) | (part >= count)) for part in parts):
            path = folder / layout.table_file(table.name, layout.attribute_files(column)[0])
            raise CorruptStore(f"{path}: a code beyond its {count} categories")


def check_ascending(path: Path, what: str, values: Rows | Times) -> None:
    """No value is less than the one before it."""
    for part in chunks(len(values), overlap=1):
        found = values[part]
        if np.any(found[1:] < found[:-1]):
            raise CorruptStore(f"{path}: {what} do not ascend")


def check_attributes(folder: Path, attributes: Mapping[str, AttributeReader]) -> None:
    """Booleans are 0 or 1; `folder` is that of the table or edge table."""
    for name, attribute in attributes.items():
        if attribute.dtype == "bool":
            content = attribute.array().reshape(-1).view(np.uint8)
            if any(np.any(content[part] > 1) for part in chunks(len(content))):
                file = folder / layout.attribute_files(name)[0]
                raise CorruptStore(f"{file}: a boolean that is neither 0 nor 1")


def is_permutation(rows: Rows) -> bool:
    """Whether each row from 0 on is there once."""
    seen = np.zeros(len(rows), bool)
    for part in chunks(len(rows)):
        found = rows[part]
        seen[found[(found >= 0) & (found < len(rows))]] = True
    return bool(seen.all())


def check_link(folder: Path, stored: StoredLink, num_children: int) -> None:
    """Offsets ascend; parents exist; children exist, ascend within a parent, and name it as theirs."""
    parents, offsets, children = stored.parents, stored.offsets, stored.children
    num_parents = len(offsets) - 1
    edges = 0
    where = folder / layout.link_file(stored.link, "parents.bin")
    for part in chunks(len(parents)):
        rows = parents[part]
        edges += int(np.count_nonzero(rows != -1))
        if np.any(rows >= num_parents):
            raise CorruptStore(f"{where}: a parent beyond the last row")
    if edges != len(children):
        raise CorruptStore(f"{where}: {edges} rows have a parent, not {len(children)}")
    check_ascending(folder / layout.link_file(stored.link, "offsets.bin"), "offsets", offsets)
    where = folder / layout.link_file(stored.link, "children.bin")
    for of_parents in chunks(num_parents):
        bounds = offsets[of_parents.start : of_parents.stop + 1]
        for part in chunks(int(bounds[-1]), overlap=1, begin=int(bounds[0])):
            rows = children[part]
            if np.any((rows < 0) | (rows >= num_children)):
                raise CorruptStore(f"{where}: a child beyond the last row")
            owner = np.searchsorted(bounds, np.arange(part.start, part.stop), side="right") - 1
            if np.any(parents[rows] != of_parents.start + owner):
                raise CorruptStore(f"{where}: a child is listed under a parent that is not its own")
            if np.any((rows[1:] <= rows[:-1]) & (owner[1:] == owner[:-1])):
                raise CorruptStore(f"{where}: children of a parent do not ascend")


def check_weights(folder: Path, stored: StoredLink, weights: npt.NDArray[np.float64]) -> None:
    """As `check_sums`, of a link that `check_link` found sound; `weights` are those of the child's rows."""
    if stored.weights is not None:
        where = folder / layout.link_file(stored.link, "weights.bin")
        check_sums(
            where,
            f"the column '{stored.link.weight}'",
            stored.offsets,
            stored.weights,
            stored.children,
            weights,
        )


def check_sums(
    where: Path,
    column: str,
    offsets: Rows,
    weights: npt.NDArray[np.float64],
    items: Rows,
    own: npt.NDArray[np.float64],
) -> None:
    """Sums of weights begin anew in each list, never fall, and are those of the items' own weights.

    Args:
        where: The file of the sums.
        column: What the weights are, for the message.
        offsets: Of the lists; sound.
        weights: The sums.
        items: What is in the lists; sound.
        own: The weight of each item.
    """
    for of_owners in chunks(len(offsets) - 1):
        bounds = offsets[of_owners.start : of_owners.stop + 1]
        for part in chunks(int(bounds[-1]), overlap=1, begin=int(bounds[0])):
            sums = weights[part]
            starts = np.zeros(len(sums), bool)
            starts[bounds[(bounds >= part.start) & (bounds < part.stop)] - part.start] = True
            before = np.where(starts, 0.0, np.roll(sums, 1))
            known = slice(0 if starts[0] else 1, None)  # What is before the first may be in the part before.
            if not np.all((sums >= before)[known] & np.isfinite(sums[known])):
                raise CorruptStore(f"{where}: the sums of a list's weights fall, or are not finite")
            if np.any((before + own[items[part]] != sums)[known]):
                raise CorruptStore(f"{where}: not the sums of {column}")


def check_columns(folder: Path, table: StoredTable, links: Sequence[StoredLink]) -> None:
    """The store's own columns of columns.parquet say what the arrays say."""
    expected: dict[str, Times | Rows] = {}
    if table.time is not None:
        expected[layout.TIME_COLUMN] = table.time
    for link in links:
        expected[layout.parent_column(link.link)] = link.parents
    check_own_columns(folder / layout.table_file(table.name, "columns.parquet"), table.num_rows, expected)


def check_own_columns(
    path: Path, rows: int, expected: Mapping[str, Times | Rows | npt.NDArray[np.int64]]
) -> None:
    """A columns.parquet numbers its rows, and has what is expected in the columns named; null is NULL_TIME or
    -1.
    """
    start = 0
    with lookup.reading(path), pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_CHUNK_ROWS, columns=[layout.ROW_COLUMN, *expected]):
            part = slice(start, start + len(batch))
            same(path, "its columns", batch.schema.names, [layout.ROW_COLUMN, *expected])
            check_column(path, layout.ROW_COLUMN, batch, np.arange(part.start, part.stop), null=-1)
            for column, stored in expected.items():
                null = NULL_TIME if column == layout.TIME_COLUMN else -1
                check_column(path, column, batch, stored[part], null)
            start = part.stop
    same(path, "the number of its rows", start, rows)


def check_column(
    path: Path, column: str, batch: pa.RecordBatch, wanted: npt.NDArray[np.int64], null: int
) -> None:
    """Compares a column with an array in which `null` stands for null."""
    values = batch.column(batch.schema.get_field_index(column)).cast(pa.int64())
    nulls = values.is_null().to_numpy(zero_copy_only=False)
    plain = values.fill_null(0).to_numpy(zero_copy_only=False)
    if not np.array_equal(nulls, wanted == null) or np.any(plain[~nulls] != wanted[~nulls]):
        raise CorruptStore(f"{path}: column {column} contradicts the store's arrays")


def check_footer(path: Path, rows: int) -> None:
    """The footer of a Parquet file says that it has so many rows."""
    with lookup.reading(path):
        found = pq.read_metadata(path).num_rows
    if found != rows:
        raise CorruptStore(f"{path} has {found} rows, not {rows}")


def same(path: Path, what: str, found: object, expected: object) -> None:
    """Refuses what is found unless it is what is expected."""
    if found != expected:
        raise CorruptStore(f"{path}: {what}: {found} contradicts {expected}")


def chunks(end: int, overlap: int = 0, begin: int = 0) -> Iterator[slice]:
    """Slices that cover [begin, end); each begins `overlap` elements before the end of the last."""
    for start in range(begin, end, _CHUNK_ROWS):
        yield slice(max(begin, start - overlap), min(end, start + _CHUNK_ROWS))
