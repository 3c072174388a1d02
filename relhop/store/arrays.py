"""Opens the arrays of a store: in memory, mapped from its files, or on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from relhop._native import DiskRecords, PackedRows, PackedTimes, PagedRows, PagePool, width_of
from relhop.dtypes import NUMPY_DTYPES
from relhop.edge_table import EdgeTable
from relhop.errors import CorruptStore
from relhop.schema import Link, Schema, Stype
from relhop.store import encoding, layout
from relhop.store.attributes import AttributeReader
from relhop.store.device import DeviceCost, device_cost
from relhop.store.encoding import Field
from relhop.store.manifest import AttributeEntry, EdgeTableEntry, Manifest, stored_fields
from relhop.store.packed import PackedColumn, time_bytes
from relhop.store.placement import Placement, time_blocks_bytes
from relhop.store.records import Verify, check_records, read_checksums
from relhop.store.stored import Rows, StoredEdges, StoredLink, StoredLists, StoredTable, Times, columns_of


class Arrays:
    """Reads a store's arrays, whose sizes have been checked.

    Args:
        folder: The store.
        manifest: Its manifest.
        placement: Where they go.
        device: What reading costs; None: measured when it is needed.
        verify: Whether records are compared with their checksums: "always" or not.
        require_current: See `StoredTable`.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        placement: Placement,
        device: DeviceCost | None,
        verify: Verify,
        require_current: Callable[[], None],
    ) -> None:
        self._folder, self._manifest, self._placement = folder, manifest, placement
        self._device, self._verify, self._require_current = device, verify, require_current
        self._link_pool: PagePool | None = None

    def table(self, schema: Schema, name: str) -> StoredTable:
        """The arrays of one table."""
        entry = self._manifest.tables[name]
        fields, record_size = stored_fields(self._manifest, schema, name)
        timed = schema.tables[name].time_col is not None
        place = self._placement.tables[name].place
        files = partial(layout.table_file, name)
        records = self._read(files("rows.bin"), place == "ram")
        is_ordered = entry.record_order != layout.ROWS_ORDER
        if self._verify == "always" and place != "disk":
            path = self._folder / files("rows.bin")
            check_records(path, records, record_size, self._mapped_slots(name))
        return StoredTable(
            name=name,
            num_rows=entry.rows,
            null_times=entry.null_times,
            duplicate_keys=entry.duplicate_keys,
            null_keys=entry.null_keys,
            time=self._times(files, entry.rows) if timed else None,
            order=self._rows(files("order.bin"), entry.rows) if timed else None,
            fields=fields,
            record_size=record_size,
            slots=self._rows(files("slots.bin"), entry.rows) if is_ordered else None,
            records=records.reshape(entry.rows, record_size),
            disk=self._on_disk(name, fields) if place == "disk" else None,
            attributes=self._attributes(name, files, entry.attributes, entry.rows),
            wide_columns={
                column: stype
                for column, stype in schema.wide_columns(name).items()
                if column in entry.attributes
                and (stype == Stype.multicategorical or entry.attributes[column].is_vector)
            },
            categories_path=self._folder / layout.table_file(name, "categories.parquet"),
            require_current=self._require_current,
        )

    def _attributes(
        self,
        owner: str,
        files: Callable[[str], str],
        entries: Mapping[str, AttributeEntry],
        num_rows: int,
    ) -> dict[str, AttributeReader]:
        """All attributes of a table or an edge table, whose files have these paths."""
        paths = {name: files(layout.attribute_files(name)[0]) for name in entries}
        return {
            name: self._attribute(owner, name, paths[name], entry, num_rows)
            for name, entry in entries.items()
        }

    def _attribute(
        self, owner: str, name: str, file: str, entry: AttributeEntry, num_rows: int
    ) -> AttributeReader:
        """An attribute of a table or of edges.

        Args:
            owner: The table or the edges.
            name: The attribute.
            file: Its rows.
            entry: What the manifest says of it.
            num_rows: How many rows it has.
        """
        placed, path = self._placement.attributes[file], self._folder / file
        content = self._read(file, placed.place == "ram")
        if self._verify == "always" and placed.place != "disk":
            check_records(path, content, entry.row_bytes, None)
        whole = content.view(NUMPY_DTYPES[entry.dtype]).reshape(num_rows, *entry.shape)
        disk = None
        if placed.place == "disk":
            disk = self._disk_records(f"{owner}.{name}", path, placed.pool_bytes, entry.row_bytes, num_rows)
        return AttributeReader(name, entry.dtype, whole, disk, owner)

    def link(self, link: Link) -> StoredLink:
        """The arrays of one link."""
        entry = self._manifest.links[link.name]
        num_children, num_parents = (self._manifest.tables[t].rows for t in (link.child, link.parent))
        offsets = self._link_rows(layout.link_file(link, "offsets.bin"), num_parents + 1, entry.edges)
        weights, paged_weights = None, None
        if link.weight is not None:
            weights, paged_weights = self._weights(layout.link_file(link, "weights.bin"), entry.edges)
        return StoredLink(
            link=link,
            parents=PackedColumn(
                self._link_rows(layout.link_file(link, "parents.bin"), num_children, num_parents)
            ),
            offsets=PackedColumn(offsets, largest=(1 << offsets.width) - 1),
            children=PackedColumn(
                self._link_rows(layout.link_file(link, "children.bin"), entry.edges, num_children)
            ),
            nulls=entry.nulls,
            dangling=entry.dangling,
            weights=weights,
            paged_weights=paged_weights,
            null_weights=entry.null_weights,
        )

    def edges(self, table: EdgeTable) -> StoredEdges:
        """The arrays of one edge table."""
        entry = self._manifest.edge_tables[table.name]
        lists = {
            folder: self._lists(
                table, entry, folder, self._manifest.tables[owner].rows, self._manifest.tables[listed].rows
            )
            for folder, owner, listed in layout.directions(table)
        }
        files, timed = partial(layout.edge_file, table.name), table.time_col is not None
        return StoredEdges(
            table=table,
            num_rows=entry.rows,
            num_edges=entry.edges,
            nulls=entry.nulls,
            dangling=entry.dangling,
            null_times=entry.null_times,
            delayed=entry.delayed,
            null_weights=entry.null_weights,
            time=self._times(files, entry.rows) if timed else None,
            order=self._rows(files("order.bin"), entry.rows) if timed else None,
            incoming=lists["in"],
            outgoing=lists.get("out"),
            attributes=self._attributes(table.name, files, entry.attributes, entry.rows),
        )

    def _lists(
        self, table: EdgeTable, entry: EdgeTableEntry, folder: str, owners: int, listed: int
    ) -> StoredLists:
        def file(name: str) -> str:
            return layout.edge_file(table.name, f"{folder}/{name}")

        offsets = self._link_rows(file("offsets.bin"), owners + 1, entry.edges)
        weights, paged_weights = None, None
        if table.weight_col is not None:
            weights, paged_weights = self._weights(file("weights.bin"), entry.edges)
        ids = self._link_rows(file("edge_ids.bin"), entry.edges, entry.rows) if entry.edge_ids else None
        return StoredLists(
            offsets=PackedColumn(offsets, largest=(1 << offsets.width) - 1),
            neighbors=PackedColumn(self._link_rows(file("neighbors.bin"), entry.edges, listed)),
            edge_ids=None if ids is None else PackedColumn(ids),
            weights=weights,
            paged_weights=paged_weights,
        )

    @property
    def link_pool(self) -> PagePool | None:
        """What links are behind; None where they are in memory or mapped."""
        if self._placement.topology == "disk" and self._link_pool is None:
            device = self._device_cost()
            size = max(0, self._placement.links_pool_bytes - time_blocks_bytes(self._manifest))
            self._link_pool = PagePool(size, device.reads_per_second, device.bytes_per_second)
        return self._link_pool

    def _device_cost(self) -> DeviceCost:
        if self._device is None:
            self._device = device_cost(self._folder)
        return self._device

    def _link_rows(self, file: str, size: int, count: int) -> PackedRows | PagedRows:
        """A link's file of `size` numbers up to `count`."""
        width = width_of(count)
        if self._placement.topology == "disk":
            return self._paged(file, size, width)
        return PackedRows(self._read_topology(file), size, width)

    def _weights(self, file: str, size: int) -> tuple[npt.NDArray[np.float64], PagedRows | None]:
        paged = self._paged(file, size, 64) if self._placement.topology == "disk" else None
        return self._read_topology(file).view("<f8"), paged

    def _paged(self, file: str, size: int, width: int) -> PagedRows:
        assert self.link_pool is not None, "links are on disk"
        return PagedRows(self.link_pool, str(self._folder / file), size, width)

    def _on_disk(self, name: str, fields: tuple[Field, ...]) -> DiskRecords:
        entry = self._manifest.tables[name]
        return self._disk_records(
            name,
            self._folder / layout.table_file(name, "rows.bin"),
            self._placement.tables[name].pool_bytes,
            entry.record_size,
            entry.rows,
            [len(columns) for columns in columns_of(fields).values()],
            numbers=encoding.native_numbers(fields),
            slots=self._mapped_slots(name),
        )

    def _disk_records(
        self,
        title: str,
        path: Path,
        pool_bytes: int,
        record_size: int,
        count: int,
        num_fields: list[int] | None = None,
        **encoded: Any,
    ) -> DiskRecords:
        """Records behind a pool; without `num_fields`, raw ones."""
        device = self._device_cost()
        checksums = read_checksums(path) if self._verify == "always" else None
        if checksums is not None:
            pool_bytes = max(0, pool_bytes - checksums.nbytes)
        return DiskRecords(
            title,
            str(path),
            record_size,
            num_fields,
            count,
            pool_bytes=pool_bytes,
            reads_per_second=device.reads_per_second,
            bytes_per_second=device.bytes_per_second,
            checksums=checksums,
            **encoded,
        )

    def _rows(self, file: str, rows: int) -> Rows:
        """A place of each row. Read for each row that is gathered: so it is where links are, whatever holds
        the records.
        """
        return PackedColumn(self._link_rows(file, rows, rows))

    def _mapped_slots(self, table: str) -> PackedRows | None:
        """Row -> record, for messages that name a row."""
        entry = self._manifest.tables[table]
        if entry.record_order == layout.ROWS_ORDER:
            return None
        array = self._read(layout.table_file(table, "slots.bin"), in_memory=False)
        return PackedRows(array, entry.rows, width_of(entry.rows))

    def _times(self, files: Callable[[str], str], rows: int) -> Times:
        is_mapped = self._placement.topology == "mmap"
        blocks = self._read(files("time_blocks.bin"), in_memory=not is_mapped)
        path, length = self._folder / files("time_blocks.bin"), self._manifest.files[files("time.bin")].bytes
        if length != time_bytes(blocks):
            raise CorruptStore(f"{path}: its last block ends at byte {time_bytes(blocks)} of {length}")
        try:
            if self._placement.topology == "disk":
                pool = self.link_pool
                assert pool is not None, "times are on disk"
                return PackedColumn(
                    PackedTimes.paged(blocks, pool, str(self._folder / files("time.bin")), rows)
                )
            return PackedColumn(PackedTimes(blocks, self._read_topology(files("time.bin")), rows))
        except CorruptStore as error:
            raise CorruptStore(f"{path}: {error}") from None

    def _read_topology(self, file: str) -> npt.NDArray[np.uint8]:
        return self._read(file, self._placement.topology == "ram")

    def _read(self, file: str, in_memory: bool) -> npt.NDArray[np.uint8]:
        path, length = self._folder / file, self._manifest.files[file].bytes
        if not in_memory and length:
            # A plain view: np.memmap's own class slows every index.
            return np.memmap(path, np.uint8, mode="r", shape=(length,)).view(np.ndarray)
        # NumPy asks for huge pages for what it allocates, which random reads need.
        array = np.fromfile(path, np.uint8, count=length)
        if len(array) != length:
            raise CorruptStore(f"{path} became shorter while it was read")
        array.flags.writeable = False
        return array
