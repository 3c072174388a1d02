"""Aggregates of the examples of an epoch, made for many batches at once, when the first of these is due."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from relhop.aggregate_features import AggregateFeatures
from relhop.aggregates import Seen
from relhop.store.reader import Store

EXAMPLES_AT_ONCE = 32_768
"""Bounds the memory: an example takes some kilobytes while it is described."""

MOST_KEPT = 256 << 20
"""Bytes: where the numbers of all examples take no more, and each sees the same in every epoch, they are made
once."""


class ExampleAggregates:
    """What `AggregateFeatures.of` says of examples, by batch.

    Args:
        features: Which aggregates.
        store: What the examples see.
        rows: Of the entity's table, int64 [n].
        anchor_times: int64 microseconds [n].
        batch_size: Examples a batch.
        varies: Whether an example sees something else each epoch.
    """

    def __init__(
        self,
        features: AggregateFeatures,
        store: Store,
        rows: NDArray[np.int64],
        anchor_times: NDArray[np.int64],
        batch_size: int,
        *,
        varies: bool,
    ) -> None:
        self._features, self._store = features, store
        self._rows, self._anchor_times = rows, anchor_times
        self._batch_size = batch_size
        self._at_once = max(1, EXAMPLES_AT_ONCE // batch_size) * batch_size
        self._keeps_all = not varies and 4 * len(rows) * features.width <= MOST_KEPT
        self._order = self._delays = self._ids = np.empty(0, np.int64)
        self._part: int | None = None
        self._numbers = np.empty((0, features.width), np.float32)

    def begin(self, order: NDArray[np.int64], delays: NDArray[np.int64]) -> None:
        """Begins an epoch.

        Args:
            order: Its examples, int64 [m], as they come.
            delays: Of all examples, int64 microseconds [n].
        """
        self._part = None
        self._order, self._delays = order, delays

    def of(self, number: int, input_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Numbers of some examples of a batch, float32 [len(input_ids), width].

        Args:
            number: Of the batch, in the epoch.
            input_ids: The examples.
        """
        if self._keeps_all:
            if not len(self._numbers):
                begins = range(0, len(self._rows), EXAMPLES_AT_ONCE)
                parts = (np.arange(i, min(i + EXAMPLES_AT_ONCE, len(self._rows))) for i in begins)
                self._numbers = np.concatenate([self._describe(ids) for ids in parts])
            return self._numbers[input_ids]
        part = number * self._batch_size // self._at_once
        if part != self._part:
            # Sorted, so that what is found does not hang on the order of the epoch.
            self._ids = np.sort(self._order[part * self._at_once : (part + 1) * self._at_once])
            self._numbers, self._part = self._describe(self._ids), part
        return self._numbers[np.searchsorted(self._ids, input_ids)]

    def _describe(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Numbers of some examples, float32 [len(ids), width]."""
        seen = Seen.of(self._store, self._rows[ids], self._anchor_times[ids], self._delays[ids])
        return self._features.of(self._store, seen)
