"""What an open store holds of a table, a link and an edge table. Knows nothing of times that hide rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from relhop._native import DiskRecords, PackedRows, PackedTimes, PagedRows
from relhop.edge_table import EdgeTable
from relhop.errors import CorruptStore, SchemaError, nearest
from relhop.schema import Link, Stype
from relhop.store import encoding, lookup
from relhop.store.attributes import AttributeReader
from relhop.store.encoding import Field
from relhop.store.packed import PackedColumn

Rows: TypeAlias = PackedColumn[PackedRows | PagedRows]
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
        slots: Row -> record [num_rows]; None where record i is that of row i.
        records: uint8 [num_rows, record_size] in their own order, C-contiguous; mapped where `disk` is there.
        disk: The records behind their pool; None where they are in memory or mapped.
        attributes: The tensors with a row for each row of the table, by name.
        wide_columns: Which of them are features, with their semantic types: lists, as int32 codes [k] that
            `encoding.NO_CODE` fills up, and `NULL_LIST` begins where a list is null; text, as vectors [d], of
            null NaN; tensors of floats.
        categories_path: The file that names the codes of categorical features and of lists; absent where
            there is none.
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
    slots: Rows | None
    records: npt.NDArray[np.uint8]
    disk: DiskRecords | None
    attributes: Mapping[str, AttributeReader]
    wide_columns: Mapping[str, Stype]
    categories_path: Path
    require_current: Callable[[], None]

    @property
    def columns(self) -> dict[Stype, tuple[str, ...]]:
        """The features by semantic type, in the order of the record."""
        return columns_of(self.fields)

    def field_values(
        self, column: str, rows: slice | npt.NDArray[np.integer[Any]] = slice(None)
    ) -> npt.NDArray[Any]:
        """One feature of some rows: int64 microseconds, float32 or int32 codes; null is int64 min, NaN or -1.

        Raises:
            SchemaError: If the column is no feature.
        """
        field = self._field(column)
        wanted = rows if self.slots is None else self._records_of(rows, self.slots)
        part = self.records[:, field.offset : field.offset + field.dtype.itemsize]
        return encoding.decode_field(part[wanted], field)

    def categories(self, column: str) -> list[str]:
        """The values of a categorical or multicategorical feature, by code.

        Raises:
            SchemaError: If the column is no such feature.
            CorruptStore: If the file is damaged.
            StoreError: If the store was replaced since it was opened.
        """
        is_list = self.wide_columns.get(column) == Stype.multicategorical
        if not is_list and self._field(column).stype != Stype.categorical:
            raise SchemaError(f"table '{self.name}', column '{column}' is not categorical")
        self.require_current()
        return lookup.categories(self.categories_path, column)

    def _records_of(self, rows: slice | npt.NDArray[np.integer[Any]], slots: Rows) -> npt.NDArray[np.int64]:
        found = slots[rows]
        if len(found) and (found.min() < 0 or found.max() >= self.num_rows):
            raise CorruptStore(f"table '{self.name}': slots.bin leads to a record beyond the last")
        return found

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
            Mapped where `paged_weights` is there.
        paged_weights: The same for the sampler, where links are on disk behind a pool.
        null_weights: Child rows whose weight is null, so 0.
    """

    link: Link
    parents: Rows
    offsets: Rows
    children: Rows
    nulls: int
    dangling: int
    weights: npt.NDArray[np.float64] | None
    paged_weights: PagedRows | None
    null_weights: int


@dataclass(frozen=True, eq=False)
class StoredLists:
    """Who each row of a table is connected to, one way along an edge table. Arrays are read-only.

    Attributes:
        offsets: [rows + 1]: the neighbors of row r are neighbors[offsets[r]:offsets[r + 1]].
        neighbors: Rows of the other table. Edges with a time are in their order, others by neighbor.
        edge_ids: The number of each edge, beside `neighbors`; None where the store knows none.
        weights: Beside `neighbors`: the sum of the list's weights up to it; None without. Mapped where
            `paged_weights` is there.
        paged_weights: The same for the sampler, where links are on disk behind a pool.
    """

    offsets: Rows
    neighbors: Rows
    edge_ids: Rows | None
    weights: npt.NDArray[np.float64] | None
    paged_weights: PagedRows | None


@dataclass(frozen=True, eq=False)
class StoredEdges:
    """One edge table of a store. Arrays are read-only.

    Attributes:
        table: Its description.
        num_rows: Edges of the input, which have the numbers 0 to num_rows - 1: of edges with a time in the
            order of their visible time, of others in the order of the input.
        num_edges: Those of them that have both ends, so are in the lists.
        nulls: Edges with an end that is null.
        dangling: Edges with an end that no row has, and none that is null.
        null_times: Edges that are never visible to an anchor time, those without an end among them.
        delayed: Edges that are visible later than their own time says, for one of their ends is.
        null_weights: Edges whose weight is null, so 0.
        time: [num_rows] microseconds: when each edge is first visible, ascending, never as NULL_TIME. None
            without a time column.
        order: Edge -> position in the input [num_rows]; None without a time column (same order).
        incoming: The lists of the rows of `table.dst`.
        outgoing: The lists of the rows of `table.src`; None without `table.reverse`.
        attributes: The tensors with a row for each edge of the input, by name.
    """

    table: EdgeTable
    num_rows: int
    num_edges: int
    nulls: int
    dangling: int
    null_times: int
    delayed: int
    null_weights: int
    time: Times | None
    order: Rows | None
    incoming: StoredLists
    outgoing: StoredLists | None
    attributes: Mapping[str, AttributeReader]

    @property
    def lists(self) -> dict[str, StoredLists]:
        """By folder: "in" and, with `table.reverse`, "out"."""
        return {"in": self.incoming} | ({} if self.outgoing is None else {"out": self.outgoing})


def columns_of(fields: tuple[Field, ...]) -> dict[Stype, tuple[str, ...]]:
    """A record's features by semantic type, in its order."""
    return {
        stype: tuple(field.column for field in fields if field.stype is stype)
        for stype in (Stype.timestamp, Stype.numerical, Stype.categorical)
    }
