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

from relhop.errors import CorruptStore
from relhop.schema import Schema, Stype
from relhop.store import encoding, layout, lookup, records
from relhop.store.arrays import LinkRows, Rows, StoredLink, StoredTable, Times
from relhop.times import NULL_TIME

_CHUNK_ROWS = 1 << 20
_MOST_NUMBERS = 1 << 60
"""Of an attribute: more than any machine can address."""


def check_manifest(folder: Path, manifest: layout.Manifest, schema: Schema) -> None:
    """Compares the manifest with its own schema: tables, links, counts, records, files and their sizes."""
    where = folder / layout.MANIFEST
    _same(where, "tables", list(manifest.tables), list(schema.tables))
    _same(where, "links", list(manifest.links), [link.name for link in schema.links])
    for title, table in manifest.tables.items():
        features = schema.feature_columns(title)
        fields, record_size = layout.stored_fields(manifest, schema, title)
        _same(where, f"the record size of table '{title}'", table.record_size, record_size)
        out_of_range = {entry.column: entry.out_of_range for entry in table.fields}
        expected = layout.field_entries(fields, out_of_range)
        _same(where, f"the record's fields of table '{title}'", table.fields, expected)
        for field in table.fields:
            if field.out_of_range > table.rows or (field.scale is not None and field.scale <= 0):
                raise CorruptStore(
                    f"{where}: table '{title}', column '{field.column}' of {table.rows} rows has"
                    f" {field.out_of_range} out of range, and the scale {field.scale}"
                )
        coded = [column for column, stype in features.items() if stype == Stype.categorical]
        _same(where, f"the categorical columns of table '{title}'", list(table.categories), coded)
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
        _same(
            where,
            f"edges, nulls and dangling keys of link {link.name}",
            total,
            manifest.tables[link.child].rows,
        )
        rows = manifest.tables[link.child].rows if link.weight is not None else 0
        if entry.null_weights > rows:
            raise CorruptStore(f"{where}: link {link.name} has {entry.null_weights} null weights of {rows}")
    sizes = layout.file_sizes(schema, manifest.tables, manifest.links)
    _same(where, "files", sorted(manifest.files), sorted(sizes))
    for file, size in sizes.items():
        if size is not None:
            _same(where, f"the size of {file}", manifest.files[file].bytes, size)


def _check_attributes(where: Path, title: str, table: layout.TableEntry, schema: Schema) -> None:
    stypes = schema.tables[title].stypes
    tensors = {column for column, stype in stypes.items() if stype == Stype.tensor}
    if not tensors <= set(table.attributes) <= set(stypes):
        raise CorruptStore(
            f"{where}: the attributes of table '{title}': {list(table.attributes)} contradict its columns"
        )
    for name, attribute in table.attributes.items():
        if (name in tensors) != bool(attribute.shape):
            raise CorruptStore(
                f"{where}: table '{title}', attribute '{name}': the schema has no shape {attribute.shape}"
            )
        # What a shape with a 0 says beside it fits no size.
        if math.prod(max(1, size) for size in attribute.shape) * max(1, table.rows) >= _MOST_NUMBERS:
            raise CorruptStore(
                f"{where}: table '{title}', attribute '{name}': {table.rows} rows of shape {attribute.shape}"
            )


def check_sizes(folder: Path, manifest: layout.Manifest) -> None:
    """Compares the sizes of all files, and the numbers of rows in the footers of Parquet files."""
    for file, entry in manifest.files.items():
        path = folder / file
        if not path.is_file():
            raise CorruptStore(f"{path} is missing; build the store again")
        size = path.stat().st_size
        if size != entry.bytes:
            raise CorruptStore(f"{path} has {size} bytes, not {entry.bytes}; build the store again")
    for title, table in manifest.tables.items():
        _check_footer(folder / layout.table_file(title, "columns.parquet"), table.rows)
        if table.categories:
            _check_footer(
                folder / layout.table_file(title, "categories.parquet"), sum(table.categories.values())
            )


def check_ends(folder: Path, tables: Mapping[str, StoredTable], links: Mapping[str, StoredLink]) -> None:
    """Looks at the ends of arrays, where a lie about counts shows."""
    for table in tables.values():
        if table.time is not None:
            path = folder / layout.table_file(table.name, "time.bin")
            split = table.num_rows - table.null_times
            if (table.null_times and table.time[split] != NULL_TIME) or (
                split and table.time[split - 1] == NULL_TIME
            ):
                raise CorruptStore(f"{path}: not {table.null_times} null times at its end")
    for stored in links.values():
        path = folder / layout.link_file(stored.link, "offsets.bin")
        if stored.offsets[0] != 0 or stored.offsets[-1] != len(stored.children):
            raise CorruptStore(f"{path}: offsets do not run from 0 to {len(stored.children)}")


def check_file(folder: Path, manifest: layout.Manifest, file: str) -> None:
    """Compares a file's checksum with the manifest, and the blocks of records with theirs."""
    path, entry = folder / file, manifest.files[file]
    record_sizes = layout.record_sizes(manifest)
    try:
        if file in record_sizes:
            checksum = records.checksum_of(path, entry.bytes, record_sizes[file])
        else:
            with path.open("rb") as opened:
                checksum = layout.checksum_of(opened)
    except FileNotFoundError:
        raise CorruptStore(f"{path} is missing; build the store again") from None
    if checksum != entry.blake2b:
        raise CorruptStore(f"{path} is damaged: its checksum does not fit; build the store again")


def check_table(folder: Path, manifest: layout.Manifest, schema: Schema, table: StoredTable) -> None:
    """Times ascend, orders of rows and records are permutations, category codes exist."""
    if table.time is not None:
        for part in _chunks(table.num_rows, overlap=1):
            if np.any(table.time[part][1:] < table.time[part][:-1]):
                raise CorruptStore(
                    f"{folder / layout.table_file(table.name, 'time.bin')}: times do not ascend"
                )
    for array, file in ((table.order, "order.bin"), (table.slots, "slots.bin")):
        if array is not None and not _is_permutation(array):
            raise CorruptStore(f"{folder / layout.table_file(table.name, file)}: not a permutation of rows")
    for field in table.fields:
        if field.stype != Stype.categorical:
            continue
        count = manifest.tables[table.name].categories[field.column]
        if len(lookup.categories(table.categories_path, field.column)) != count:
            raise CorruptStore(f"{table.categories_path}: column '{field.column}' has not {count} categories")
        for part in _chunks(table.num_rows):
            codes = table.field_values(field.column, part)
            if np.any((codes < encoding.NULL_CODE) | (codes >= count)):
                raise CorruptStore(
                    f"{folder / layout.table_file(table.name, 'rows.bin')}: column '{field.column}'"
                    f" has a code beyond its {count} categories"
                )


def check_attributes(folder: Path, table: StoredTable) -> None:
    """Booleans are 0 or 1."""
    for name, attribute in table.attributes.items():
        if attribute.dtype == "bool":
            content = attribute.array().reshape(-1).view(np.uint8)
            if any(np.any(content[part] > 1) for part in _chunks(len(content))):
                file = layout.table_file(table.name, layout.attribute_files(name)[0])
                raise CorruptStore(f"{folder / file}: a boolean that is neither 0 nor 1")


def _is_permutation(rows: Rows) -> bool:
    seen = np.zeros(len(rows), bool)
    for part in _chunks(len(rows)):
        found = rows[part]
        seen[found[(found >= 0) & (found < len(rows))]] = True
    return bool(seen.all())


def check_link(folder: Path, stored: StoredLink, num_children: int) -> None:
    """Offsets ascend; parents exist; children exist, ascend within a parent, and name it as theirs."""
    parents, offsets, children = stored.parents, stored.offsets, stored.children
    num_parents = len(offsets) - 1
    edges = 0
    where = folder / layout.link_file(stored.link, "parents.bin")
    for part in _chunks(len(parents)):
        rows = parents[part]
        edges += int(np.count_nonzero(rows != -1))
        if np.any(rows >= num_parents):
            raise CorruptStore(f"{where}: a parent beyond the last row")
    if edges != len(children):
        raise CorruptStore(f"{where}: {edges} rows have a parent, not {len(children)}")
    for part in _chunks(num_parents + 1, overlap=1):
        if np.any(offsets[part][1:] < offsets[part][:-1]):
            raise CorruptStore(
                f"{folder / layout.link_file(stored.link, 'offsets.bin')}: offsets do not ascend"
            )
    where = folder / layout.link_file(stored.link, "children.bin")
    for of_parents in _chunks(num_parents):
        bounds = offsets[of_parents.start : of_parents.stop + 1]
        for part in _chunks(int(bounds[-1]), overlap=1, begin=int(bounds[0])):
            rows = children[part]
            if np.any((rows < 0) | (rows >= num_children)):
                raise CorruptStore(f"{where}: a child beyond the last row")
            owner = np.searchsorted(bounds, np.arange(part.start, part.stop), side="right") - 1
            if np.any(parents[rows] != of_parents.start + owner):
                raise CorruptStore(f"{where}: a child is listed under a parent that is not its own")
            if np.any((rows[1:] <= rows[:-1]) & (owner[1:] == owner[:-1])):
                raise CorruptStore(f"{where}: children of a parent do not ascend")


def check_weights(folder: Path, stored: StoredLink, weights: npt.NDArray[np.float64]) -> None:
    """Sums of weights begin anew in each list, never fall, and are those of the children's own weights.

    Args:
        folder: The store.
        stored: A link that `check_link` found sound, with weights.
        weights: Of each child row.
    """
    if stored.weights is None:
        return
    where = folder / layout.link_file(stored.link, "weights.bin")
    for of_parents in _chunks(len(stored.offsets) - 1):
        bounds = stored.offsets[of_parents.start : of_parents.stop + 1]
        for part in _chunks(int(bounds[-1]), overlap=1, begin=int(bounds[0])):
            sums = stored.weights[part]
            starts = np.zeros(len(sums), bool)
            starts[bounds[(bounds >= part.start) & (bounds < part.stop)] - part.start] = True
            before = np.where(starts, 0.0, np.roll(sums, 1))
            known = slice(0 if starts[0] else 1, None)  # What is before the first may be in the part before.
            if not np.all((sums >= before)[known] & np.isfinite(sums[known])):
                raise CorruptStore(f"{where}: the sums of a list's weights fall, or are not finite")
            if np.any((before + weights[stored.children[part]] != sums)[known]):
                raise CorruptStore(f"{where}: not the sums of the column '{stored.link.weight}'")


def check_columns(folder: Path, table: StoredTable, links: Sequence[StoredLink]) -> None:
    """The store's own columns of columns.parquet say what the arrays say."""
    path = folder / layout.table_file(table.name, "columns.parquet")
    expected: dict[str, Times | LinkRows] = {}
    if table.time is not None:
        expected[layout.TIME_COLUMN] = table.time
    for link in links:
        expected[layout.parent_column(link.link)] = link.parents
    start = 0
    with lookup.reading(path), pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_CHUNK_ROWS, columns=[layout.ROW_COLUMN, *expected]):
            part = slice(start, start + len(batch))
            _same(path, "its columns", batch.schema.names, [layout.ROW_COLUMN, *expected])
            _check_column(path, layout.ROW_COLUMN, batch, np.arange(part.start, part.stop), null=-1)
            for column, stored in expected.items():
                null = NULL_TIME if column == layout.TIME_COLUMN else -1
                _check_column(path, column, batch, stored[part], null)
            start = part.stop
    _same(path, "the number of its rows", start, table.num_rows)


def _check_column(
    path: Path, column: str, batch: pa.RecordBatch, wanted: npt.NDArray[np.int64], null: int
) -> None:
    """Compares a column with an array in which `null` stands for null."""
    values = batch.column(batch.schema.get_field_index(column)).cast(pa.int64())
    nulls = values.is_null().to_numpy(zero_copy_only=False)
    plain = values.fill_null(0).to_numpy(zero_copy_only=False)
    if not np.array_equal(nulls, wanted == null) or np.any(plain[~nulls] != wanted[~nulls]):
        raise CorruptStore(f"{path}: column {column} contradicts the store's arrays")


def _check_footer(path: Path, rows: int) -> None:
    with lookup.reading(path):
        found = pq.read_metadata(path).num_rows
    if found != rows:
        raise CorruptStore(f"{path} has {found} rows, not {rows}")


def _same(path: Path, what: str, found: object, expected: object) -> None:
    if found != expected:
        raise CorruptStore(f"{path}: {what}: {found} contradicts {expected}")


def _chunks(end: int, overlap: int = 0, begin: int = 0) -> Iterator[slice]:
    """Slices that cover [begin, end); each begins `overlap` elements before the end of the last."""
    for start in range(begin, end, _CHUNK_ROWS):
        yield slice(max(begin, start - overlap), min(end, start + _CHUNK_ROWS))
