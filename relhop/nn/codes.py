"""A store's codes and numbers -> a model's indices.

Of a column with v known values the indices are 0 to v - 1, v for a value that training hardly saw or never,
and v + 1 for null: each has a vector of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class CategoryCodes(nn.Module):
    """A store's category codes -> the model's indices.

    Codes belong to a store and indices to a model, so the tables between them are set for each store and are
    no weights.

    Args:
        columns: Number of known values by column, in the order of the columns.
    """

    table: Tensor
    begin: Tensor
    unseen: Tensor

    def __init__(self, columns: Mapping[str, int]) -> None:
        super().__init__()
        self.sizes = dict(columns)
        self.set({column: np.arange(size) for column, size in columns.items()})

    def set(self, maps: Mapping[str, NDArray[np.int64]]) -> None:
        """Takes the table of each column: entry c is the index of code c, or -1 for a value unknown."""
        tables = [
            torch.tensor([*np.where(maps[column] < 0, size, maps[column]), size, size + 1])
            for column, size in self.sizes.items()
        ]
        sizes = torch.tensor([len(table) for table in tables], dtype=torch.int64)
        self.register_buffer("table", torch.cat(tables or [sizes]), persistent=False)
        self.register_buffer("begin", sizes.cumsum(0) - sizes, persistent=False)
        self.register_buffer("unseen", sizes - 2, persistent=False)

    def forward(self, codes: Tensor, columns: Tensor | None = None) -> Tensor:
        """Indices of codes, both int64.

        Args:
            codes: [N, C]; -1 for null. With `columns` of any shape.
            columns: The column of each code.
        """
        begin, unseen = self.begin, self.unseen
        if columns is not None:
            begin, unseen = begin[columns], unseen[columns]
        return self.table[torch.where(codes < 0, unseen + 1, torch.minimum(codes, unseen)) + begin]


class CategoryNumbers(nn.Module):
    """A store's category codes -> the numbers that their texts are, NaN for null and for what is no number.

    Args:
        columns: The columns, in their order.
    """

    table: Tensor
    begin: Tensor
    last: Tensor

    def __init__(self, columns: Sequence[str]) -> None:
        super().__init__()
        self.columns = tuple(columns)
        self.set({column: np.empty(0, np.float32) for column in columns})

    def set(self, maps: Mapping[str, NDArray[Any]]) -> None:
        """Takes the number of each code by column, float32."""
        tables = [torch.tensor([*maps[column], np.nan], dtype=torch.float32) for column in self.columns]
        sizes = torch.tensor([len(table) for table in tables], dtype=torch.int64)
        self.register_buffer("table", torch.cat(tables or [sizes]), persistent=False)
        self.register_buffer("begin", sizes.cumsum(0) - sizes, persistent=False)
        self.register_buffer("last", sizes - 1, persistent=False)

    def forward(self, codes: Tensor) -> Tensor:
        """Numbers float32 [N, C] of codes int64 [N, C]."""
        return self.table[torch.where(codes < 0, self.last, torch.minimum(codes, self.last)) + self.begin]


class NumberCodes(nn.Module):
    """Whole numbers -> the model's indices.

    Args:
        columns: The known values of each column, as text; the index of a value is its place.
    """

    def __init__(self, columns: Sequence[Sequence[str]]) -> None:
        super().__init__()
        self.sizes = [len(values) for values in columns]
        for place, values in enumerate(columns):
            numbers, indices = torch.tensor([float(value) for value in values]).sort()
            self.register_buffer(f"numbers{place}", numbers, persistent=False)
            self.register_buffer(f"indices{place}", indices, persistent=False)

    def forward(self, numbers: Tensor) -> Tensor:
        """Indices int64 [N, C] of numbers float32 [N, C], NaN for null."""
        return torch.stack(
            [self._column(place, size, numbers[:, place]) for place, size in enumerate(self.sizes)], dim=1
        )

    def _column(self, place: int, size: int, values: Tensor) -> Tensor:
        unseen = torch.full_like(values, size, dtype=torch.int64)
        found = unseen
        if size:
            known, indices = self.get_buffer(f"numbers{place}"), self.get_buffer(f"indices{place}")
            nearest = torch.searchsorted(known, values.contiguous()).clamp(max=size - 1)
            found = torch.where(known[nearest] == values, indices[nearest], unseen)
        return torch.where(values.isnan(), unseen + 1, found)
