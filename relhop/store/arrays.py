"""The arrays of an open store, in memory or mapped from its files. Knows nothing of times that hide rows."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from relhop._native import PackedRows, PackedTimes, width_of
from relhop.errors import CorruptStore, SchemaError, nearest
from relhop.schema import Link, Schema, Stype
from relhop.store import encoding, layout, lookup
from relhop.store.encoding import Field
from relhop.store.packed import PackedColumn, time_bytes

Memory: TypeAlias = Literal["auto", "ram", "mmap"]
"""Where a store's arrays are: in memory, mapped from the files, or whichever fits. `auto` loads links and
times if they take at most half of the memory that is free, then records if they take at most a quarter of
what is left; the rest is mapped."""

Rows: TypeAlias = PackedColumn[PackedRows]
Times: TypeAlias = PackedColumn[PackedTimes]


@dataclass(frozen=True, eq=False)
class StoredTable:
    """One table of a store. Arrays are read-only.

    Attributes:
        name: Its name in the schema.
        num_rows: All rows, whatever `as_of` says.
        null_times: Rows whose time is null; they come last.
        duplicate_keys: Rows whose primary key an earlier row has; nothing links to them.
        null_keys: Rows whose primary key is null.
        time: [num_rows] microseconds, ascending, null as NULL_TIME; None without a time column.
        order: Row -> position in the input [num_rows]; None without a time column (same order).
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
    time: Times | None
    order: Rows | None
    fields: tuple[Field, ...]
    record_size: int
    records: npt.NDArray[np.uint8]
    categories_path: Path
    require_current: Callable[[], None]

    def field_values(
        self, column: str, rows: slice | npt.NDArray[np.integer[Any]] = slice(None)
    ) -> npt.NDArray[Any]:
        """One feature of some rows: int64 microseconds, float32 or int32 codes; null is int64 min, NaN or -1.

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
        if self._field(column).stype != Stype.categorical:
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
        parents: Child row -> parent row, -1 for none.
        offsets: [parents + 1]: the children of parent p are children[offsets[p]:offsets[p + 1]].
        children: Child rows, ascending within each parent.
        nulls: Child rows whose key is null.
        dangling: Child rows whose key no parent has.
        weights: [edges] beside `children`: the sum of the parent's children's weights up to it; None without.
        null_weights: Child rows whose weight is null, so 0.
    """

    link: Link
    parents: Rows
    offsets: Rows
    children: Rows
    nulls: int
    dangling: int
    weights: npt.NDArray[np.float64] | None
    null_weights: int


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
        self._loads_topology, self._loads_records = _loads(manifest, memory)

    def table(self, schema: Schema, name: str) -> StoredTable:
        """The arrays of one table."""
        entry = self._manifest.tables[name]
        fields, record_size = layout.stored_fields(self._manifest, schema, name)
        timed = schema.tables[name].time_col is not None
        records = self._read(layout.table_file(name, "rows.bin"))
        return StoredTable(
            name=name,
            num_rows=entry.rows,
            null_times=entry.null_times,
            duplicate_keys=entry.duplicate_keys,
            null_keys=entry.null_keys,
            time=self._times(name) if timed else None,
            order=self._rows(layout.table_file(name, "order.bin"), entry.rows, entry.rows) if timed else None,
            fields=fields,
            record_size=record_size,
            records=records.reshape(entry.rows, record_size),
            categories_path=self._folder / layout.table_file(name, "categories.parquet"),
            require_current=self._require_current,
        )

    def link(self, link: Link) -> StoredLink:
        """The arrays of one link."""
        entry = self._manifest.links[link.name]
        num_children, num_parents = (self._manifest.tables[t].rows for t in (link.child, link.parent))
        offsets = self._rows(layout.link_file(link, "offsets.bin"), num_parents + 1, entry.edges).native
        return StoredLink(
            link=link,
            parents=self._rows(layout.link_file(link, "parents.bin"), num_children, num_parents),
            offsets=PackedColumn(offsets, largest=(1 << offsets.width) - 1),
            children=self._rows(layout.link_file(link, "children.bin"), entry.edges, num_children),
            nulls=entry.nulls,
            dangling=entry.dangling,
            weights=None
            if link.weight is None
            else self._read(layout.link_file(link, "weights.bin")).view("<f8"),
            null_weights=entry.null_weights,
        )

    def _rows(self, file: str, size: int, count: int) -> Rows:
        """A file of `size` row numbers of a table with `count` rows."""
        return PackedColumn(PackedRows(self._read(file), size, width_of(count)))

    def _times(self, table: str) -> Times:
        blocks, stream = (self._read(layout.table_file(table, f)) for f in ("time_blocks.bin", "time.bin"))
        path = self._folder / layout.table_file(table, "time_blocks.bin")
        if len(stream) != time_bytes(blocks):
            raise CorruptStore(f"{path}: its last block ends at byte {time_bytes(blocks)} of {len(stream)}")
        try:
            return PackedColumn(PackedTimes(blocks, stream, self._manifest.tables[table].rows))
        except CorruptStore as error:
            raise CorruptStore(f"{path}: {error}") from None

    def _read(self, file: str) -> npt.NDArray[np.uint8]:
        path, length = self._folder / file, self._manifest.files[file].bytes
        loads = self._loads_topology if layout.is_topology(file) else self._loads_records
        if not loads and length:
            # A plain view: np.memmap's own class slows every index.
            return np.memmap(path, np.uint8, mode="r", shape=(length,)).view(np.ndarray)
        # NumPy asks for huge pages for what it allocates, which random reads need.
        array = np.fromfile(path, np.uint8, count=length)
        if len(array) != length:
            raise CorruptStore(f"{path} became shorter while it was read")
        array.flags.writeable = False
        return array


def _loads(manifest: layout.Manifest, memory: Memory) -> tuple[bool, bool]:
    """Whether links and times are loaded into memory, and whether records are."""
    if memory != "auto":
        return memory == "ram", memory == "ram"
    sizes = {file: entry.bytes for file, entry in manifest.files.items() if file.endswith(".bin")}
    topology = sum(size for file, size in sizes.items() if layout.is_topology(file))
    free = _free_memory()
    loads_topology = topology <= free // 2
    left = free - topology if loads_topology else free
    return loads_topology, sum(sizes.values()) - topology <= left // 4


def _free_memory() -> int:
    """Bytes that the system can give without swapping."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
