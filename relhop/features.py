"""Row numbers -> a table's features: timestamps, numbers and category codes, as arrays.

Knows nothing of graphs, seeds or torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from relhop import _native
from relhop.schema import Stype
from relhop.store.reader import StoredTable


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


class FeatureReader:
    """Gathers rows of one table out of its records, in RAM or memory-mapped.

    Attributes:
        columns: The feature columns by semantic type, in the order of `RowFeatures`.
        native: The same reader for the native pipeline.
    """

    def __init__(self, table: StoredTable) -> None:
        self.columns: dict[Stype, tuple[str, ...]] = {
            stype: tuple(field.column for field in table.fields if field.stype is stype)
            for stype in (Stype.timestamp, Stype.numerical, Stype.categorical)
        }
        num_fields = [len(columns) for columns in self.columns.values()]
        time = None if table.time is None else table.time.native
        order = None if table.order is None else table.order.native
        numbers = [field for field in table.fields if field.stype is Stype.numerical]
        grids = [field.grid for field in numbers if field.grid is not None]
        self.native = _native.FeatureTable(
            table.name,
            table.records,
            num_fields,
            time,
            order,
            numbers=_native.NumberKind[numbers[0].kind if numbers else "float32"],
            scales=[grid.scale for grid in grids],
            zeros=[grid.zero for grid in grids],
        )

    def gather(self, rows: np.ndarray[Any, np.dtype[np.int64]]) -> RowFeatures:
        """The features of rows [N], which may repeat.

        Raises:
            IndexError: If the table does not have a row.
        """
        return RowFeatures(**self.native.gather(np.ascontiguousarray(rows, dtype=np.int64)))
