"""Windowed aggregates of an entity's past as numbers that a network reads.

What is fitted, is fitted on training examples: which aggregates there are, how they are standardised, which
categories are told apart. Knows nothing of labels or of models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from relhop.aggregates import Seen, aggregates, frequent_values
from relhop.statistics import LARGEST_DEVIATION, NumericalStatistics, fit_numerical
from relhop.store.reader import Store

MAX_EXAMPLES = 50_000
"""Of more training examples so many, evenly spaced, are fitted on."""

LEAST_COUNT = 20
"""A category that fewer examples have is not told apart."""

MAX_CATEGORIES = 30
"""Of an aggregate with more, the most frequent are told apart."""


@dataclass(frozen=True)
class AggregateFeatures:
    """Which aggregates a model reads, and how they become numbers.

    Attributes:
        entity_table: The table that examples are rows of.
        unseen: Columns that no aggregate is made of, as `table.column`.
        frequent: By column the values whose shares are aggregates; see `relhop.aggregates.aggregates`.
        numbers: By aggregate, of the finite values of training examples.
        categories: By aggregate the values that are told apart, most frequent first.
    """

    entity_table: str
    unseen: tuple[str, ...]
    frequent: Mapping[str, tuple[str, ...]]
    numbers: Mapping[str, NumericalStatistics]
    categories: Mapping[str, tuple[str, ...]]

    @classmethod
    def fit(cls, store: Store, entity_table: str, seen: Seen, cut: int, unseen: Sequence[str] = ()) -> Self:
        """Of training examples.

        Args:
            store: What they see.
            entity_table: The table that they are rows of.
            seen: The examples.
            cut: Which categories are frequent is found in the rows up to this time, in microseconds.
            unseen: Columns to leave out, as `table.column`.
        """
        frequent = frequent_values(store, cut, unseen)
        frame = aggregates(store, entity_table, seen.take(evenly(len(seen), MAX_EXAMPLES)), frequent, unseen)
        numbers, categories = {}, {}
        for name, values in frame.items():
            if isinstance(values.dtype, pd.CategoricalDtype):
                counts = values.value_counts()
                kept = counts[counts >= LEAST_COUNT].index[:MAX_CATEGORIES]
                categories[str(name)] = tuple(sorted(kept, key=lambda value: (-counts[value], value)))
            else:
                numbers[str(name)] = fit_numerical(values.to_numpy(np.float64))
        return cls(entity_table, tuple(unseen), frequent, numbers, categories)

    @property
    def width(self) -> int:
        """How many numbers describe an example."""
        marks = sum(known.has_nulls for known in self.numbers.values())
        return len(self.numbers) + marks + sum(map(len, self.categories.values()))

    def of(self, store: Store, seen: Seen) -> NDArray[np.float32]:
        """Numbers of examples, float32 [n, width]: standardised, null as 0; a mark for each null where
        training has nulls; 1 for the category that it is.

        The same examples and store give the same bits.
        """
        frame = aggregates(store, self.entity_table, seen, self.frequent, self.unseen)
        values = frame[list(self.numbers)].to_numpy(np.float64)
        known = self.numbers.values()
        means, stds = (np.array([getattr(s, what) for s in known]) for what in ("mean", "std"))
        is_null = ~np.isfinite(values)
        standard = np.where(is_null, 0.0, (values - means) / stds)
        parts = [
            standard.clip(-LARGEST_DEVIATION, LARGEST_DEVIATION),
            is_null[:, [s.has_nulls for s in known]],
        ]
        for name, categories in self.categories.items():
            texts = frame[name].astype(object).to_numpy()
            parts.append(texts[:, None] == np.array(categories, object)[None, :])
        return np.hstack([part.astype(np.float32) for part in parts])

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `dataclasses.asdict`, also of what JSON made of it."""
        return cls(
            data["entity_table"],
            tuple(data["unseen"]),
            {name: tuple(values) for name, values in data["frequent"].items()},
            {name: NumericalStatistics(**known) for name, known in data["numbers"].items()},
            {name: tuple(values) for name, values in data["categories"].items()},
        )


def evenly(count: int, most: int) -> NDArray[np.int64]:
    """So many of `count` places at most, evenly spaced, int64."""
    return np.arange(0, count, max(1, -(-count // most)))
