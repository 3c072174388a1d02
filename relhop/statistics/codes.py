"""Between a store's codes and the values that statistics know."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from relhop.statistics.columns import (
    CategoricalStatistics,
    MulticategoricalStatistics,
    NumericalStatistics,
    Statistics,
    VectorStatistics,
)
from relhop.statistics.source import StatisticsSource


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
                maps[table][column] = numbers_of(store.tables[table].categories(column))
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


def numbers_of(texts: Sequence[str]) -> NDArray[np.float32]:
    """Texts as numbers, NaN where one is none."""
    return pd.to_numeric(pd.Series(texts, dtype=str), errors="coerce").to_numpy(np.float32)
