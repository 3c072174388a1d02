"""Lists of integers, one an example, as two arrays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Lists:
    """A list of integers for each of n examples.

    Attributes:
        offsets: int64 [n + 1]: list i is `values[offsets[i] : offsets[i + 1]]`.
        values: int64 [offsets[-1]].
    """

    offsets: NDArray[np.int64]
    values: NDArray[np.int64]

    @classmethod
    def from_lengths(cls, lengths: NDArray[np.integer[Any]], values: NDArray[np.int64]) -> Lists:
        """Lists that follow one another in `values`, of these lengths [n]."""
        return cls(np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]), values)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """How many values each list has, int64 [n]."""
        return np.diff(self.offsets)

    @property
    def owners(self) -> NDArray[np.int64]:
        """Which list each value belongs to, int64 [values]."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def take(self, indices: NDArray[np.integer[Any]] | slice) -> Lists:
        """The lists at those positions, in that order; of a slice without a step, no value is copied."""
        if isinstance(indices, slice):
            begin, end, step = indices.indices(len(self))
            if step == 1:
                offsets = self.offsets[begin : max(begin, end) + 1]
                return Lists(offsets - offsets[0], self.values[offsets[0] : offsets[-1]])
            indices = np.arange(begin, end, step)
        lengths = self.lengths[indices]
        begins = np.repeat(self.offsets[:-1][indices] - (np.cumsum(lengths) - lengths), lengths)
        return Lists.from_lengths(lengths, self.values[begins + np.arange(lengths.sum())])

    def keep(self, kept: NDArray[np.bool_]) -> Lists:
        """The same lists without the values that are False in `kept` [values]."""
        lengths = np.bincount(self.owners[kept], minlength=len(self))
        return Lists.from_lengths(lengths, self.values[kept])

    def indicators(self, count: int) -> NDArray[np.float32]:
        """1 where a list has a value of 0 to `count` - 1, else 0: float32 [n, count]."""
        found = np.zeros((len(self), count), np.float32)
        found[self.owners, self.values] = 1
        return found

    def to_pylist(self, names: Iterable[Any] | None = None) -> list[list[Any]]:
        """Python lists, of `names[value]` where names are given."""
        values: NDArray[Any] = self.values
        if names is not None:
            known = list(names)
            lookup = np.empty(len(known), object)
            lookup[:] = known
            values = lookup[self.values]
        flat, offsets = values.tolist(), self.offsets.tolist()
        return [flat[begin:end] for begin, end in pairwise(offsets)]
