"""Whether the files of a table fit together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from relhop.errors import CorruptStore
from relhop.schema import Schema, Stype
from relhop.store import encoding, layout, lookup
from relhop.store.attributes import AttributeReader
from relhop.store.checks.common import check_ascending, chunks, is_permutation
from relhop.store.checks.parquet import check_own_columns
from relhop.store.manifest import Manifest
from relhop.store.stored import Rows, StoredLink, StoredTable, Times


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
    for column in schema.list_columns(table.name):
        count = manifest.tables[table.name].categories[column]
        codes = table.attributes[column].array()
        parts = (codes[part] for part in chunks(table.num_rows))
        if any(np.any((part < encoding.NULL_LIST) | (part >= count)) for part in parts):
            path = folder / layout.table_file(table.name, layout.attribute_files(column)[0])
            raise CorruptStore(f"{path}: a code beyond its {count} categories")


def check_attributes(folder: Path, attributes: Mapping[str, AttributeReader]) -> None:
    """Booleans are 0 or 1; `folder` is that of the table or edge table."""
    for name, attribute in attributes.items():
        if attribute.dtype == "bool":
            content = attribute.array().reshape(-1).view(np.uint8)
            if any(np.any(content[part] > 1) for part in chunks(len(content))):
                file = folder / layout.attribute_files(name)[0]
                raise CorruptStore(f"{file}: a boolean that is neither 0 nor 1")


def check_columns(folder: Path, table: StoredTable, links: Sequence[StoredLink]) -> None:
    """The store's own columns of columns.parquet say what the arrays say."""
    expected: dict[str, Times | Rows] = {}
    if table.time is not None:
        expected[layout.TIME_COLUMN] = table.time
    for link in links:
        expected[layout.parent_column(link.link)] = link.parents
    check_own_columns(folder / layout.table_file(table.name, "columns.parquet"), table.num_rows, expected)
