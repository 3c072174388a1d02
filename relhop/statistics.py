"""What encoders need to know of columns, fitted on the rows visible at the training cut and on nothing later.

Plain numbers and strings, so that they can be saved with a model. Categories are kept by value, not by a
store's code: another store of the same schema may number them otherwise. Knows nothing of torch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from relhop.schema import Schema, Stype
from relhop.times import MICROS_PER

MAX_ROWS = 1_000_000
"""Of a larger table so many evenly spaced rows are read."""

MAX_CATEGORIES = 100_000
"""Of a column with more, the most frequent are kept; the others count as unknown."""

NULL_TIMESTAMP = np.iinfo(np.int64).min


@dataclass(frozen=True)
class NumericalStatistics:
    """Of one column of numbers, over the finite values.

    Attributes:
        mean: 0 where there is no value.
        std: The standard deviation; 1 where there is none to divide by.
        has_nulls: Whether some value is null (NaN).
    """

    mean: float
    std: float
    has_nulls: bool


@dataclass(frozen=True)
class CategoricalStatistics:
    """The known values, most frequent first; a value's place in the list is its index in the model."""

    values: tuple[str, ...]


@dataclass(frozen=True)
class TimestampStatistics:
    """Years seen, and mean and standard deviation of the age in days at the row's time (or the cut, without
    one).
    """

    min_year: int
    max_year: int
    age: NumericalStatistics


ColumnStatistics: TypeAlias = NumericalStatistics | CategoricalStatistics | TimestampStatistics

_KINDS: dict[str, type[NumericalStatistics] | type[CategoricalStatistics] | type[TimestampStatistics]] = {
    "numerical": NumericalStatistics,
    "categorical": CategoricalStatistics,
    "timestamp": TimestampStatistics,
}


@dataclass(frozen=True)
class Statistics:
    """Column statistics of a whole store.

    Attributes:
        cut: The time up to which rows were seen, int64 microseconds.
        num_rows: Visible rows by table.
        columns: By table and feature column.
    """

    cut: int
    num_rows: dict[str, int]
    columns: dict[str, dict[str, ColumnStatistics]]

    def without(self, dropped: Mapping[str, frozenset[str]]) -> Statistics:
        """The same without some columns, given by table."""
        columns = {
            table: {name: s for name, s in stats.items() if name not in dropped.get(table, frozenset())}
            for table, stats in self.columns.items()
        }
        return dataclasses.replace(self, columns=columns)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        kinds = {kind: name for name, kind in _KINDS.items()}
        columns = {
            table: {name: {"kind": kinds[type(s)], **dataclasses.asdict(s)} for name, s in stats.items()}
            for table, stats in self.columns.items()
        }
        return {"cut": self.cut, "num_rows": self.num_rows, "columns": columns}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Statistics:
        """The inverse of `to_dict`, also of what JSON made of it."""
        columns = {
            table: {name: _column_from_dict(s) for name, s in stats.items()}
            for table, stats in data["columns"].items()
        }
        return cls(data["cut"], dict(data["num_rows"]), columns)


class Times(Protocol):
    """The times of a table's rows."""

    def __getitem__(self, rows: slice, /) -> NDArray[np.int64]: ...


class StatisticsTable(Protocol):
    """A table of a store, as far as statistics read it."""

    @property
    def time(self) -> Times | None:
        """Row times, int64 microseconds."""
        ...

    def field_values(self, column: str, rows: slice) -> NDArray[Any]:
        """One feature column: float32, int32 codes or int64 microseconds."""
        ...

    def categories(self, column: str) -> Sequence[str]:
        """A categorical column's values by code."""
        ...


class StatisticsSource(Protocol):
    """A store, as far as statistics read it."""

    @property
    def schema(self) -> Schema:
        """Its tables and links."""
        ...

    @property
    def tables(self) -> Mapping[str, StatisticsTable]:
        """Its tables by name."""
        ...

    def cut(self, table: str, time: int) -> int:
        """How many rows of a table are visible at a time; they come first."""
        ...


def fit_statistics(store: StatisticsSource, cut: int) -> Statistics:
    """Statistics of every feature column over the rows visible at a time.

    Args:
        store: The data.
        cut: The latest time of a row that may be seen, int64 microseconds: `TrainingTable.train_cut`.
    """
    num_rows = {table: store.cut(table, cut) for table in store.schema.tables}
    columns: dict[str, dict[str, ColumnStatistics]] = {}
    for name, table in store.tables.items():
        rows = slice(0, num_rows[name], max(1, -(-num_rows[name] // MAX_ROWS)))
        seen_at = np.int64(cut) if table.time is None else table.time[rows]
        columns[name] = {
            column: _fit_column(table, column, stype, rows, seen_at)
            for column, stype in store.schema.feature_columns(name).items()
        }
    return Statistics(cut, num_rows, columns)


def code_maps(statistics: Statistics, store: StatisticsSource) -> dict[str, dict[str, NDArray[np.int64]]]:
    """By table and categorical column: from a store's code to the model's index, -1 for unknown values."""
    maps: dict[str, dict[str, NDArray[np.int64]]] = {}
    for table, columns in statistics.columns.items():
        maps[table] = {}
        for column, known in columns.items():
            if isinstance(known, CategoricalStatistics):
                index = {value: i for i, value in enumerate(known.values)}
                codes = [index.get(value, -1) for value in store.tables[table].categories(column)]
                maps[table][column] = np.array(codes, dtype=np.int64)
    return maps


def _fit_column(
    table: StatisticsTable, column: str, stype: Stype, rows: slice, seen_at: NDArray[np.int64] | np.int64
) -> ColumnStatistics:
    values = table.field_values(column, rows)
    if stype == Stype.numerical:
        return _fit_numerical(values.astype(np.float64))
    if stype == Stype.categorical:
        categories = table.categories(column)
        counts = np.bincount(values[values >= 0], minlength=len(categories))
        by_count = np.argsort(-counts, kind="stable")[:MAX_CATEGORIES]
        return CategoricalStatistics(tuple(categories[code] for code in by_count if counts[code] > 0))
    known = values != NULL_TIMESTAMP
    ages = (np.broadcast_to(seen_at, values.shape)[known] - values[known].astype(np.float64)) / MICROS_PER[
        "days"
    ]
    years = values[known].view("datetime64[us]").astype("datetime64[Y]").astype(np.int64) + 1970
    first, last = (int(years.min()), int(years.max())) if len(years) else (1970, 1970)
    age = dataclasses.replace(_fit_numerical(ages), has_nulls=not known.all())
    return TimestampStatistics(first, last, age)


def _fit_numerical(values: NDArray[np.float64]) -> NumericalStatistics:
    finite, has_nulls = values[np.isfinite(values)], bool(np.isnan(values).any())
    if not len(finite):
        return NumericalStatistics(0.0, 1.0, has_nulls)
    mean, std = float(finite.mean()), float(finite.std())
    # Rounding leaves a constant column a deviation that is tiny, not 0; dividing by it would blow up what
    # comes later.
    varies = std > 1e-6 * max(abs(mean), 1e-12)
    return NumericalStatistics(mean, std if varies else 1.0, has_nulls)


def _column_from_dict(data: Mapping[str, Any]) -> ColumnStatistics:
    settings = {name: value for name, value in data.items() if name != "kind"}
    if data["kind"] == "categorical":
        return CategoricalStatistics(tuple(settings["values"]))
    if data["kind"] == "timestamp":
        return TimestampStatistics(
            settings["min_year"], settings["max_year"], NumericalStatistics(**settings["age"])
        )
    return NumericalStatistics(**settings)
