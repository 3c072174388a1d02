"""What encoders need to know of columns: plain numbers and strings, so that they can be saved with a model.

Categories are kept by value, not by a store's code: another store of the same schema may number them
otherwise.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True)
class NumericalStatistics:
    """Of one column of numbers, over the finite values.

    Attributes:
        mean: 0 where there is no value.
        std: The standard deviation; 1 where there is none to divide by.
        has_nulls: Whether some value is null (NaN).
        of_categories: Whether the store has the column as categories, whose texts are the numbers.
    """

    mean: float
    std: float
    has_nulls: bool
    of_categories: bool = False


@dataclass(frozen=True)
class CategoricalStatistics:
    """The known values, most frequent first; a value's place in the list is its index in the model.

    Attributes:
        values: As text.
        of_numbers: Whether the store has the column as numbers; the values are texts of them.
    """

    values: tuple[str, ...]
    of_numbers: bool = False


@dataclass(frozen=True)
class MulticategoricalStatistics:
    """The known values of lists, those that are in most lists first, as of `CategoricalStatistics`."""

    values: tuple[str, ...]


@dataclass(frozen=True)
class TimestampStatistics:
    """Years seen, and mean and standard deviation of the age in days at the row's time (or the cut, without
    one).
    """

    min_year: int
    max_year: int
    age: NumericalStatistics


@dataclass(frozen=True)
class VectorStatistics:
    """Of a column of vectors [d], over its finite numbers.

    Attributes:
        means: Of each number of the vector.
        stds: Their standard deviations; 1 where there is none to divide by.
        has_nulls: Whether some vector is null (nothing but NaN).
        text_embedder: The identity of what made it of text; `None` of tensors.
    """

    means: tuple[float, ...]
    stds: tuple[float, ...]
    has_nulls: bool
    text_embedder: str | None = None


ColumnStatistics: TypeAlias = (
    NumericalStatistics
    | CategoricalStatistics
    | TimestampStatistics
    | MulticategoricalStatistics
    | VectorStatistics
)

_KINDS: dict[str, type[ColumnStatistics]] = {
    "numerical": NumericalStatistics,
    "categorical": CategoricalStatistics,
    "timestamp": TimestampStatistics,
    "multicategorical": MulticategoricalStatistics,
    "vector": VectorStatistics,
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

    @property
    def text_embedder(self) -> str | None:
        """The identity of what made vectors of text; `None` without text."""
        found = [
            s.text_embedder
            for stats in self.columns.values()
            for s in stats.values()
            if isinstance(s, VectorStatistics) and s.text_embedder is not None
        ]
        return found[0] if found else None

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


def _column_from_dict(data: Mapping[str, Any]) -> ColumnStatistics:
    settings: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in data.items()
        if name != "kind"
    }
    if data["kind"] == "timestamp":
        settings["age"] = NumericalStatistics(**settings["age"])
    return _KINDS[data["kind"]](**settings)
