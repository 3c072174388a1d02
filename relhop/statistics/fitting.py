"""Statistics of columns, fitted on the rows visible at the training cut and on nothing later."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relhop.dtypes import float32_of_bfloat16
from relhop.errors import PlanError
from relhop.schema import Stype
from relhop.statistics.codes import numbers_of
from relhop.statistics.columns import (
    CategoricalStatistics,
    ColumnStatistics,
    MulticategoricalStatistics,
    NumericalStatistics,
    Statistics,
    TimestampStatistics,
    VectorStatistics,
)
from relhop.statistics.source import StatisticsSource, StatisticsTable, Vectors
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
        numbers = np.append(numbers_of(table.categories(column)), np.float32(np.nan))
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
