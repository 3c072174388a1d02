"""What encoders need to know of columns, fitted on the rows visible at the training cut and on nothing later.

Plain numbers and strings, so that they can be saved with a model. Categories are kept by value, not by a
store's code: another store of the same schema may number them otherwise. Knows nothing of torch.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from relhop.dtypes import float32_of_bfloat16
from relhop.errors import PlanError
from relhop.schema import Schema, Stype
from relhop.times import MICROS_PER

MAX_ROWS = 1_000_000
"""Of a larger table so many evenly spaced rows are read."""

MAX_NUMBERS = 1 << 24
"""Of a column of vectors so many numbers are read, of evenly spaced rows."""

MAX_CATEGORIES = 100_000
"""Of a column with more, the most frequent are kept; the others count as unseen."""

LEAST_COUNT = 2
"""A category that fewer rows have counts as unseen."""

LARGEST_DEVIATION = 5.0
"""Numbers further from their mean than so many standard deviations are drawn in to there."""

NULL_TIMESTAMP = np.iinfo(np.int64).min


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


class Times(Protocol):
    """The times of a table's rows."""

    def __getitem__(self, rows: slice, /) -> NDArray[np.int64]: ...


class Vectors(Protocol):
    """A column with several numbers a row."""

    @property
    def dtype(self) -> str:
        """Of its numbers."""
        ...

    def array(self) -> NDArray[Any]:
        """All rows, perhaps mapped; of bfloat16 the bits as uint16."""
        ...


class StatisticsTable(Protocol):
    """A table of a store, as far as statistics read it."""

    @property
    def wide_columns(self) -> Mapping[str, Stype]:
        """The features that are attributes."""
        ...

    @property
    def attributes(self) -> Mapping[str, Vectors]:
        """Its attributes by name."""
        ...

    @property
    def time(self) -> Times | None:
        """Row times, int64 microseconds."""
        ...

    def field_values(self, column: str, rows: slice) -> NDArray[Any]:
        """One feature column: float32, int32 codes or int64 microseconds."""
        ...

    def categories(self, column: str) -> Sequence[str]:
        """The values of a column of categories, or lists of them, by code."""
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

    @property
    def text_embedder(self) -> str | None:
        """The identity of what made vectors of its texts."""
        ...

    def cut(self, table: str, time: int) -> int:
        """How many rows of a table are visible at a time; they come first."""
        ...


def fit_statistics(
    store: StatisticsSource,
    cut: int,
    encode: Mapping[str, Mapping[str, Stype]] = MappingProxyType({}),
) -> Statistics:
    """Statistics of every feature column over the rows visible at a time.

    Args:
        store: The data.
        cut: The latest time of a row that may be seen, int64 microseconds: `TrainingTable.train_cut`.
        encode: By table and column the semantic types that are not the store's: a numerical column that is
            read as categorical, or the other way.

    Raises:
        PlanError: If a column is to be read as what it does not hold.
    """
    num_rows = {table: store.cut(table, cut) for table in store.schema.tables}
    columns: dict[str, dict[str, ColumnStatistics]] = {}
    for name, table in store.tables.items():
        rows = slice(0, num_rows[name], max(1, -(-num_rows[name] // MAX_ROWS)))
        seen_at = np.int64(cut) if table.time is None else table.time[rows]
        as_type = encode.get(name, {})
        columns[name] = {
            column: _fit_column(name, table, column, (stype, as_type.get(column, stype)), rows, seen_at)
            for column, stype in store.schema.feature_columns(name).items()
        }
        for column, stype in table.wide_columns.items():
            if stype == Stype.multicategorical:
                columns[name][column] = _fit_lists(table, column, rows)
            else:
                embedder = store.text_embedder if stype == Stype.text else None
                columns[name][column] = _fit_vectors(table.attributes[column], num_rows[name], embedder)
    return Statistics(cut, num_rows, columns)


def code_maps(statistics: Statistics, store: StatisticsSource) -> dict[str, dict[str, NDArray[Any]]]:
    """By table and column of categories or lists: from a store's code to the model's index, -1 for unseen
    values, int64; or, where the model reads categories as numbers, to the number, float32.
    """
    maps: dict[str, dict[str, NDArray[Any]]] = {}
    for table, columns in statistics.columns.items():
        maps[table] = {}
        for column, known in columns.items():
            if isinstance(known, CategoricalStatistics | MulticategoricalStatistics):
                if isinstance(known, CategoricalStatistics) and known.of_numbers:
                    continue
                index = {value: i for i, value in enumerate(known.values)}
                codes = [index.get(value, -1) for value in store.tables[table].categories(column)]
                maps[table][column] = np.array(codes, dtype=np.int64)
            elif isinstance(known, NumericalStatistics) and known.of_categories:
                maps[table][column] = _numbers(store.tables[table].categories(column))
    return maps


def misfit(statistics: Statistics, store: StatisticsSource) -> str | None:
    """Why the columns of a store, whose schema is the model's, are not those that a model knows, in words."""
    embedder = statistics.text_embedder
    if embedder is not None and store.text_embedder != embedder:
        return (
            f"its text is embedded by '{store.text_embedder}', the model reads '{embedder}'; build the store"
            " with that text_embedder"
        )
    for table, columns in statistics.columns.items():
        for column, known in columns.items():
            if isinstance(known, VectorStatistics):
                attribute = store.tables[table].attributes.get(column)
                size = 0 if attribute is None else math.prod(attribute.array().shape[1:])
                if column not in store.tables[table].wide_columns or size != len(known.means):
                    return f"'{table}.{column}' has {size} numbers a row, the model reads {len(known.means)}"
    return None


def _fit_column(
    name: str,
    table: StatisticsTable,
    column: str,
    stypes: tuple[Stype, Stype],
    rows: slice,
    seen_at: NDArray[np.int64] | np.int64,
) -> ColumnStatistics:
    """Of a column of records; `stypes` are the store's and the model's."""
    values = table.field_values(column, rows)
    if stypes == (Stype.numerical, Stype.numerical):
        return fit_numerical(values.astype(np.float64))
    if stypes == (Stype.numerical, Stype.categorical):
        return _fit_numbers_as_categories(values, f"{name}.{column}")
    if stypes == (Stype.categorical, Stype.numerical):
        numbers = np.append(_numbers(table.categories(column)), np.float32(np.nan))
        if np.isnan(numbers[:-1][np.unique(values[values >= 0])]).any():
            raise PlanError(
                f"column_processing.encode: '{name}.{column}' cannot be numerical: not all its values are"
                " numbers"
            )
        return dataclasses.replace(fit_numerical(numbers[values].astype(np.float64)), of_categories=True)
    if stypes[0] == Stype.categorical:
        return CategoricalStatistics(_most_frequent(values[values >= 0], table.categories(column)))
    known = values != NULL_TIMESTAMP
    ages = (np.broadcast_to(seen_at, values.shape)[known] - values[known].astype(np.float64)) / MICROS_PER[
        "days"
    ]
    years = values[known].view("datetime64[us]").astype("datetime64[Y]").astype(np.int64) + 1970
    first, last = (int(years.min()), int(years.max())) if len(years) else (1970, 1970)
    age = dataclasses.replace(fit_numerical(ages), has_nulls=not known.all())
    return TimestampStatistics(first, last, age)


def _most_frequent(codes: NDArray[np.integer[Any]], categories: Sequence[str]) -> tuple[str, ...]:
    """The categories of codes that are there `LEAST_COUNT` times, most frequent first."""
    return tuple(categories[code] for code in _by_count(np.bincount(codes, minlength=len(categories))))


def _by_count(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where counts are `LEAST_COUNT` or more, the largest first; `MAX_CATEGORIES` places at most."""
    places = np.argsort(-counts, kind="stable")[:MAX_CATEGORIES]
    return places[counts[places] >= LEAST_COUNT]


def _fit_numbers_as_categories(values: NDArray[Any], place: str) -> CategoricalStatistics:
    numbers, counts = np.unique(values[~np.isnan(values)], return_counts=True)
    if (numbers != np.floor(numbers)).any():
        raise PlanError(
            f"column_processing.encode: '{place}' cannot be categorical: it holds"
            f" {numbers[numbers != np.floor(numbers)][0]:g}, and only whole numbers are kept exactly; set"
            " stypes in rh.Table and build the store anew"
        )
    return CategoricalStatistics(tuple(str(int(n)) for n in numbers[_by_count(counts)]), of_numbers=True)


def _numbers(texts: Sequence[str]) -> NDArray[np.float32]:
    """Texts as numbers, NaN where one is none."""
    return pd.to_numeric(pd.Series(texts, dtype=str), errors="coerce").to_numpy(np.float32)


def _fit_lists(table: StatisticsTable, column: str, rows: slice) -> MulticategoricalStatistics:
    codes = table.attributes[column].array()[rows]
    return MulticategoricalStatistics(_most_frequent(codes[codes >= 0], table.categories(column)))


def _fit_vectors(column: Vectors, num_rows: int, text_embedder: str | None) -> VectorStatistics:
    """Two passes over pieces of the rows, so that no more than a piece is in memory."""
    whole = column.array()
    size = max(1, math.prod(whole.shape[1:]))
    step = max(1, -(-num_rows * size // MAX_NUMBERS))
    piece = max(1, (1 << 22) // size) * step
    count, total, has_nulls = np.zeros(size), np.zeros(size), False
    for vectors in _pieces(column, num_rows, step, piece):
        finite = np.isfinite(vectors)
        count += finite.sum(axis=0)
        total += np.where(finite, vectors, 0.0).sum(axis=0)
        has_nulls |= bool(np.isnan(vectors).all(axis=1).any())
    means = total / np.maximum(count, 1)
    squares = np.zeros(size)
    for vectors in _pieces(column, num_rows, step, piece):
        away = np.where(np.isfinite(vectors), vectors - means, 0.0)
        squares += (away * away).sum(axis=0)
    stds = np.sqrt(squares / np.maximum(count, 1))
    return VectorStatistics(
        tuple(means.tolist()), tuple(_divisors(means, stds).tolist()), has_nulls, text_embedder
    )


def _pieces(column: Vectors, num_rows: int, step: int, piece: int) -> Iterator[NDArray[np.float64]]:
    whole = column.array()
    for begin in range(0, num_rows, piece):
        vectors = whole[begin : min(begin + piece, num_rows) : step]
        if column.dtype == "bfloat16":
            vectors = float32_of_bfloat16(vectors)
        yield vectors.reshape(len(vectors), -1).astype(np.float64)


def fit_numerical(values: NDArray[np.float64]) -> NumericalStatistics:
    """Of some numbers, NaN for null."""
    finite, has_nulls = values[np.isfinite(values)], bool(np.isnan(values).any())
    if not len(finite):
        return NumericalStatistics(0.0, 1.0, has_nulls)
    mean, std = float(finite.mean()), float(finite.std())
    return NumericalStatistics(mean, float(_divisors(mean, std)), has_nulls)


def _divisors(means: NDArray[np.float64] | float, stds: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Standard deviations, and 1 of what is constant. Rounding leaves that a deviation that is tiny, not 0;
    dividing by it would blow up what comes later.
    """
    return np.where(stds > 1e-6 * np.maximum(np.abs(means), 1e-12), stds, 1.0)


def _column_from_dict(data: Mapping[str, Any]) -> ColumnStatistics:
    settings: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in data.items()
        if name != "kind"
    }
    if data["kind"] == "timestamp":
        settings["age"] = NumericalStatistics(**settings["age"])
    return _KINDS[data["kind"]](**settings)
