"""Row numbers -> a table's features as arrays: timestamps, numbers and category codes out of its records, and
rows of its attributes.

Knows nothing of graphs, seeds or torch.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from relhop import _native
from relhop.schema import Stype
from relhop.store import encoding
from relhop.store.attributes import AttributeReader
from relhop.store.reader import StoredTable

__all__ = ["AttributeReader", "FeatureReader", "ReadStats", "RowFeatures", "age_column"]


@dataclass(frozen=True)
class RowFeatures:
    """The features of some rows of one table, in the order of the record's fields.

    Attributes:
        timestamps: int64 microseconds [N, columns], null = NaT's bits (int64 min); `None` without such
            columns.
        numerical: float32 [N, columns], null = NaN; `None` without such columns.
        categorical: int64 codes [N, columns], null = -1; `None` without such columns.
        time: The rows' own times, int64 microseconds [N]; `None` where the table has none.
        position: The rows' places in the user's input, int64 [N].
    """

    timestamps: np.ndarray[Any, np.dtype[np.int64]] | None
    numerical: np.ndarray[Any, np.dtype[np.float32]] | None
    categorical: np.ndarray[Any, np.dtype[np.int64]] | None
    time: np.ndarray[Any, np.dtype[np.int64]] | None
    position: np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class ReadStats:
    """What reading rows from disk took.

    Attributes:
        rows: Rows that batches asked for, repeats included.
        records: Different rows that were read for them from the disk.
        record_bytes: The bytes of these rows alone.
        along: Rows that came along with others, and stayed in the pool since coming batches want them.
        evictions: Rows that left the pool for others.
        reads: Reads of the device.
        bytes: Bytes that it gave.
        seconds: Time during which reads were on their way.
    """

    rows: int = 0
    records: int = 0
    record_bytes: int = 0
    along: int = 0
    evictions: int = 0
    reads: int = 0
    bytes: int = 0
    seconds: float = 0.0

    @property
    def hit_rate(self) -> float:
        """The part of the rows for which nothing was read; NaN before the first row."""
        return 1 - _ratio(self.records, self.rows)

    @property
    def rows_per_read(self) -> float:
        """Rows that a read brought for batches, kept ones included; NaN without reads."""
        return _ratio(self.records + self.along, self.reads)

    @property
    def read_amplification(self) -> float:
        """Bytes read for each byte of the rows that were read for; NaN without reads."""
        return _ratio(self.bytes, self.record_bytes)

    def __add__(self, other: ReadStats) -> ReadStats:
        mine, its = asdict(self), asdict(other)
        return ReadStats(**{name: mine[name] + its[name] for name in mine})


def age_column(timestamp_column: str) -> str:
    """The name of the numerical feature that is a timestamp column's age."""
    return f"{timestamp_column} (age)"


def _ratio(a: float, b: float) -> float:
    return a / b if b else float("nan")


class FeatureReader:
    """Gathers rows of one table out of its records, in RAM, memory-mapped or on disk.

    Attributes:
        columns: The feature columns by semantic type, in the order of `RowFeatures`.
        native: The same reader for the native pipeline.
    """

    def __init__(self, table: StoredTable) -> None:
        self.columns: dict[Stype, tuple[str, ...]] = table.columns
        num_fields = [len(columns) for columns in self.columns.values()]
        time = None if table.time is None else table.time.native
        order = None if table.order is None else table.order.native
        self._disk, self._record_size = table.disk, table.record_size
        records = table.records if table.disk is None else table.disk
        self.native = _native.FeatureTable(
            table.name,
            records,
            num_fields,
            time,
            order,
            numbers=encoding.native_numbers(table.fields),
            slots=None if table.slots is None else table.slots.native,
        )

    def gather(self, rows: np.ndarray[Any, np.dtype[np.int64]], num_threads: int = 1) -> RowFeatures:
        """The features of rows [N], which may repeat.

        Args:
            rows: Row numbers.
            num_threads: Threads; change nothing but the speed.

        Raises:
            IndexError: If the table does not have a row.
            StoreError: If a file cannot be read.
        """
        return RowFeatures(**self.native.gather(np.ascontiguousarray(rows, dtype=np.int64), num_threads))

    def stats(self) -> ReadStats:
        """What reading this table from disk took since the store was opened, whoever read."""
        return ReadStats() if self._disk is None else self.stats_of(self._disk.stats())

    def stats_of(self, native: dict[str, Any]) -> ReadStats:
        """What the native reader of this table counted."""
        return ReadStats(record_bytes=native["records"] * self._record_size, **native)
