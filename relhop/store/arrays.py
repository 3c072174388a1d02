"""The arrays of an open store, in memory or mapped from its files. Knows nothing of times that hide rows."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from relhop.errors import CorruptStore, SchemaError, nearest
from relhop.schema import Link, Schema
from relhop.store import encoding, layout, lookup
from relhop.store.encoding import Field

Memory: TypeAlias = Literal["auto", "ram", "mmap"]
"""Where a store's arrays are: in memory, mapped from the files, or whichever fits: `auto` loads what takes
less than a quarter of the memory that is free."""

_AUTO_FRACTION = 4


@dataclass(frozen=True, eq=False)
class StoredTable:
    """One table of a store. Arrays are read-only.

    Attributes:
        name: Its name in the schema.
        num_rows: All rows, whatever `as_of` says.
        null_times: Rows whose time is null; they come last.
        duplicate_keys: Rows whose primary key an earlier row has; nothing links to them.
        null_keys: Rows whose primary key is null.
        time: int64 [num_rows] microseconds, ascending, null as NULL_TIME; None without a time column.
        order: Row -> position in the input, uint32 or uint64 [num_rows]; None without a time column (same
            order).
        fields: The features in a record.
        record_size: Bytes of a record; 0 without features.
        records: uint8 [num_rows, record_size], C-contiguous.
        categories_path: The file that names the codes of categorical features; absent where there is none.
        require_current: Raises StoreError if the files are no longer those of this store.
    """

    name: str
    num_rows: int
    null_times: int
    duplicate_keys: int
    null_keys: int
    time: npt.NDArray[np.int64] | None
    order: npt.NDArray[Any] | None
    fields: tuple[Field, ...]
    record_size: int
    records: npt.NDArray[np.uint8]
    categories_path: Path
    require_current: Callable[[], None]

    def field_values(
        self, column: str, rows: slice | npt.NDArray[np.integer[Any]] = slice(None)
    ) -> npt.NDArray[Any]:
        """One feature of some rows, in coded form: int64, float32 or int32; null is int64 min, NaN or -1.

        Raises:
            SchemaError: If the column is no feature.
        """
        return encoding.unpack(self.records[rows], self._field(column))

    def categories(self, column: str) -> list[str]:
        """The values of a categorical feature, by code.

        Raises:
            SchemaError: If the column is no categorical feature.
            CorruptStore: If the file is damaged.
            StoreError: If the store was replaced since it was opened.
        """
        if self._field(column).dtype != np.int32:
            raise SchemaError(f"table '{self.name}', column '{column}' is not categorical")
        self.require_current()
        return lookup.categories(self.categories_path, column)

    def _field(self, column: str) -> Field:
        for field in self.fields:
            if field.column == column:
                return field
        known = [field.column for field in self.fields]
        raise SchemaError(f"table '{self.name}' has no feature '{column}'.{nearest(column, known)}")


@dataclass(frozen=True, eq=False)
class StoredLink:
    """One link of a store, in both directions. Arrays are read-only.

    Attributes:
        link: Its description.
        parents: Child row -> parent row, the dtype's largest value for none; in the parent's width.
        offsets: uint64 [parents + 1]: the children of parent p are children[offsets[p]:offsets[p + 1]].
        children: Child rows, ascending within each parent; in the child's width.
        nulls: Child rows whose key is null.
        dangling: Child rows whose key no parent has.
    """

    link: Link
    parents: npt.NDArray[Any]
    offsets: npt.NDArray[np.uint64]
    children: npt.NDArray[Any]
    nulls: int
    dangling: int


class Arrays:
    """Reads a store's arrays, whose sizes have been checked.

    Args:
        folder: The store.
        manifest: Its manifest.
        memory: "ram", "mmap" or "auto".
        require_current: See `StoredTable`.
    """

    def __init__(
        self, folder: Path, manifest: layout.Manifest, memory: Memory, require_current: Callable[[], None]
    ) -> None:
        self._folder, self._manifest, self._require_current = folder, manifest, require_current
        total = sum(entry.bytes for file, entry in manifest.files.items() if file.endswith(".bin"))
        self._map = memory == "mmap" or (memory == "auto" and total > _free_memory() // _AUTO_FRACTION)

    def table(self, schema: Schema, name: str) -> StoredTable:
        """The arrays of one table."""
        entry = self._manifest.tables[name]
        fields, record_size = encoding.record_layout(schema.feature_columns(name))
        timed = schema.tables[name].time_col is not None
        records = self._read(layout.table_file(name, "rows.bin"), np.dtype(np.uint8))
        return StoredTable(
            name=name,
            num_rows=entry.rows,
            null_times=entry.null_times,
            duplicate_keys=entry.duplicate_keys,
            null_keys=entry.null_keys,
            time=self._read(layout.table_file(name, "time.bin"), np.dtype("<i8")) if timed else None,
            order=self._read(layout.table_file(name, "order.bin"), self._row_dtype(name)) if timed else None,
            fields=fields,
            record_size=record_size,
            records=records.reshape(entry.rows, record_size),
            categories_path=self._folder / layout.table_file(name, "categories.parquet"),
            require_current=self._require_current,
        )

    def link(self, link: Link) -> StoredLink:
        """The arrays of one link."""
        entry = self._manifest.links[link.name]
        return StoredLink(
            link=link,
            parents=self._read(layout.link_file(link, "parents.bin"), self._row_dtype(link.parent)),
            offsets=self._read(layout.link_file(link, "offsets.bin"), np.dtype("<u8")),
            children=self._read(layout.link_file(link, "children.bin"), self._row_dtype(link.child)),
            nulls=entry.nulls,
            dangling=entry.dangling,
        )

    def _row_dtype(self, table: str) -> np.dtype[np.generic]:
        entry = self._manifest.tables[table]
        return encoding.row_dtype(entry.rows, wide=entry.wide)

    def _read(self, file: str, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        path = self._folder / file
        length = self._manifest.files[file].bytes // dtype.itemsize
        if self._map and length:
            # A plain view: np.memmap's own class slows every index.
            return np.memmap(path, dtype, mode="r", shape=(length,)).view(np.ndarray)
        array = np.fromfile(path, dtype, count=length)
        if len(array) != length:
            raise CorruptStore(f"{path} became shorter while it was read")
        array.flags.writeable = False
        return array


def _free_memory() -> int:
    """Bytes that the system can give without swapping."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
