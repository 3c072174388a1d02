"""A batch's columns and times -> one vector a node.

A node's vector is the sum of its columns' vectors and of one for its age at the seed's anchor time, mixed by
a small layer. Values that training never saw are met calmly: null, NaN, unknown categories, years out of
range, tables without a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch_frame
from numpy.typing import NDArray
from torch import Tensor, nn
from torch_frame import TensorFrame
from torch_frame.data.stats import StatType
from torch_frame.nn.encoder import EmbeddingEncoder, LinearEncoder, StypeWiseFeatureEncoder, TimestampEncoder

from relhop.statistics import (
    CategoricalStatistics,
    ColumnStatistics,
    NumericalStatistics,
    TimestampStatistics,
)
from relhop.times import MICROS_PER

LARGEST_DEVIATION = 5.0
"""Numbers further from their mean than so many standard deviations are drawn in to there."""

AGE_SCALES_DAYS = (1 / 24, 1.0, 7.0, 30.0, 91.0, 365.0, 1826.0, 7305.0)
"""An hour to twenty years: the spans after which exp(-age / scale) has fallen to 37 %."""


NULL_MARK = NumericalStatistics(mean=0.0, std=1.0, has_nulls=False)
"""Statistics of a column that is 1 where another is null, else 0."""


class CategoryCodes(nn.Module):
    """A store's category codes -> the model's indices; -1 for null and for what is unknown to the model.

    Codes belong to a store and indices to a model, so the tables between them are set for each store and are
    no weights.

    Args:
        columns: Number of known values by column, in the order of the columns.
    """

    table: Tensor
    begin: Tensor
    unknown: Tensor

    def __init__(self, columns: Mapping[str, int]) -> None:
        super().__init__()
        self.columns = tuple(columns)
        self.set({column: np.arange(size) for column, size in columns.items()})

    def set(self, maps: Mapping[str, NDArray[np.int64]]) -> None:
        """Takes the table of each column: entry c is the index of code c, or -1."""
        tables = [torch.tensor([*maps[column], -1], dtype=torch.int64) for column in self.columns]
        sizes = torch.tensor([len(table) for table in tables])
        self.register_buffer("table", torch.cat(tables), persistent=False)
        self.register_buffer("begin", sizes.cumsum(0) - sizes, persistent=False)
        self.register_buffer("unknown", sizes - 1, persistent=False)

    def forward(self, codes: Tensor) -> Tensor:
        """Indices [N, C] of codes [N, C], both int64."""
        inside = torch.where(codes < 0, self.unknown, torch.minimum(codes, self.unknown))
        return self.table[inside + self.begin]


class TableEncoder(nn.Module):
    """One table's columns -> [N, channels], the sum over columns of pytorch-frame's encoders.

    A null number counts as the mean and, where training has nulls, sets a mark; a null category adds
    nothing. A table without columns gives each row the same learned vector.

    Args:
        columns: Statistics by column.
        channels: Width of the output.
    """

    means: Tensor
    lowest: Tensor
    highest: Tensor
    first_fields: Tensor
    last_fields: Tensor

    def __init__(self, columns: Mapping[str, ColumnStatistics], channels: int) -> None:
        super().__init__()
        numbers = {c: s for c, s in columns.items() if isinstance(s, NumericalStatistics)}
        times = {c: s for c, s in columns.items() if isinstance(s, TimestampStatistics)}
        categories = {c: s for c, s in columns.items() if isinstance(s, CategoricalStatistics)}
        numbers |= {f"{column} (age)": s.age for column, s in times.items()}
        self.numbers = tuple(numbers)
        self.nullable = [place for place, s in enumerate(numbers.values()) if s.has_nulls]
        null_marks = {f"{self.numbers[place]} (null)": NULL_MARK for place in self.nullable}
        names = {
            torch_frame.numerical: [*numbers, *null_marks],
            torch_frame.categorical: list(categories),
            torch_frame.timestamp: list(times),
        }
        self.names = {stype: columns for stype, columns in names.items() if columns}
        self.constant = nn.Parameter(torch.empty(channels).normal_())
        self.codes = CategoryCodes({c: len(s.values) for c, s in categories.items()}) if categories else None
        if not self.names:
            return
        stats: dict[str, dict[StatType, Any]] = {
            **{c: {StatType.MEAN: s.mean, StatType.STD: s.std} for c, s in {**numbers, **null_marks}.items()},
            **{c: {StatType.COUNT: (s.values, ())} for c, s in categories.items()},
            **{c: {StatType.YEAR_RANGE: (s.min_year, s.max_year)} for c, s in times.items()},
        }
        encoders = {
            torch_frame.numerical: LinearEncoder(),
            torch_frame.categorical: EmbeddingEncoder(),
            torch_frame.timestamp: TimestampEncoder(na_strategy=None),
        }
        self.columns = StypeWiseFeatureEncoder(channels, stats, self.names, encoders)
        self._bound(numbers, times)
        self._balance()

    def _bound(
        self, numbers: Mapping[str, NumericalStatistics], times: Mapping[str, TimestampStatistics]
    ) -> None:
        """The ranges within which values are kept, as buffers."""
        means = torch.tensor([s.mean for s in numbers.values()])
        reach = LARGEST_DEVIATION * torch.tensor([s.std for s in numbers.values()])
        self.register_buffer("means", means, persistent=False)
        self.register_buffer("lowest", means - reach, persistent=False)
        self.register_buffer("highest", means + reach, persistent=False)
        fields = [torch.tensor([s.min_year, 0, 0, 0, 0, 0, 0]) for s in times.values()]
        self.register_buffer("first_fields", torch.stack(fields) if fields else None, persistent=False)
        fields = [torch.tensor([s.max_year, 11, 30, 6, 23, 59, 59]) for s in times.values()]
        self.register_buffer("last_fields", torch.stack(fields) if fields else None, persistent=False)

    def _balance(self) -> None:
        """Starts all columns at a like size; pytorch-frame's own start makes embeddings a hundred times
        larger.
        """
        for encoder in self.columns.encoder_dict.values():
            if isinstance(encoder, LinearEncoder):
                nn.init.normal_(encoder.weight, std=len(encoder.weight) ** -0.5)
            elif isinstance(encoder, EmbeddingEncoder):
                nn.init.normal_(encoder.emb.weight, std=0.1)
                nn.init.zeros_(encoder.emb.weight[0].detach())

    def forward(self, frame: TensorFrame | None, num_nodes: int) -> Tensor:
        """Vectors [N, channels] of a batch's rows of this table; `frame` is `None` where the table has no
        features.
        """
        constant = self.constant.expand(num_nodes, -1)
        if not self.names or num_nodes == 0 or frame is None:
            return constant
        columns: Tensor = self.columns(self._clean(frame))[0]
        return constant + columns.sum(dim=1)

    def _clean(self, frame: TensorFrame) -> TensorFrame:
        """The columns that the encoder knows, in its order, with every value in the range that it knows."""
        kept = {}
        for stype, names in self.names.items():
            numerical = stype == torch_frame.numerical
            columns = self.numbers if numerical else names
            places = [frame.col_names_dict[stype].index(name) for name in columns]
            values = frame.feat_dict[stype][:, places]
            if numerical:
                nulls = values[:, self.nullable].isnan().float()
                values = torch.where(values.isnan(), self.means, values).clamp(self.lowest, self.highest)
                values = torch.cat([values, nulls], dim=1)
            elif stype == torch_frame.categorical:
                assert self.codes is not None
                values = self.codes(values)
            else:  # nulls (-1) become the first year's beginning; their age is marked as null
                values = torch.minimum(torch.maximum(values, self.first_fields), self.last_fields)
            kept[stype] = values
        return TensorFrame(kept, self.names)


class AgeEncoder(nn.Module):
    """Age at the anchor time -> [N, channels]: logarithms and decays from an hour to twenty years, then a
    linear layer.

    All terms are bounded or grow as a logarithm, so that ages that training never saw stay within reach.
    """

    scales: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("scales", torch.tensor(AGE_SCALES_DAYS), persistent=False)
        self.linear = nn.Linear(len(AGE_SCALES_DAYS) + 2, channels)

    def forward(self, age_micros: Tensor) -> Tensor:
        """Vectors of ages, int64 microseconds [N] of at least 0."""
        days = (age_micros.clamp(min=0).double() / MICROS_PER["days"]).float()[:, None]
        logarithms = torch.cat([torch.log1p(days) / 5, torch.log1p(days / 365)], dim=1)
        encoded: Tensor = self.linear(torch.cat([logarithms, torch.exp(-days / self.scales)], dim=1))
        return encoded


class NodeEncoder(nn.Module):
    """Columns and age of one table's nodes -> [N, channels].

    Args:
        columns: Statistics by column.
        channels: Width of the output.
        timed: Whether the table has a time column.
        dropout: Share of activations dropped in training.
    """

    def __init__(
        self, columns: Mapping[str, ColumnStatistics], channels: int, *, timed: bool, dropout: float
    ) -> None:
        super().__init__()
        self.table = TableEncoder(columns, channels)
        self.age = AgeEncoder(channels) if timed else None
        self.mix = nn.Sequential(
            nn.LayerNorm(channels), nn.ReLU(), nn.Dropout(dropout), nn.Linear(channels, channels)
        )

    def forward(self, frame: TensorFrame | None, num_nodes: int, age_micros: Tensor | None) -> Tensor:
        """Vectors [N, channels]; `age_micros` int64 [N] is given for timed tables."""
        x = self.table(frame, num_nodes)
        if self.age is not None:
            x = x + self.age(age_micros)
        mixed: Tensor = self.mix(x)
        return mixed
