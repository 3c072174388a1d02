"""A batch's columns and times -> one vector a node.

A node's vector is the sum of its columns' vectors and of one for its age at the seed's anchor time, mixed by
a small layer. Values that training never saw are met calmly: null, NaN, unknown categories, years out of
range, tables without a row.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch_frame
from numpy.typing import NDArray
from torch import Tensor, nn
from torch_frame import TensorFrame
from torch_frame.data import MultiEmbeddingTensor, MultiNestedTensor
from torch_frame.data.stats import StatType
from torch_frame.nn.encoder import (
    EmbeddingEncoder,
    LinearEmbeddingEncoder,
    LinearEncoder,
    MultiCategoricalEmbeddingEncoder,
    StypeWiseFeatureEncoder,
    TimestampEncoder,
)

from relhop.features import age_column
from relhop.nn.codes import CategoryCodes, CategoryNumbers, NumberCodes
from relhop.statistics import (
    LARGEST_DEVIATION,
    CategoricalStatistics,
    ColumnStatistics,
    MulticategoricalStatistics,
    NumericalStatistics,
    TimestampStatistics,
    VectorStatistics,
)
from relhop.times import MICROS_PER

AGE_SCALES_DAYS = (1 / 24, 1.0, 7.0, 30.0, 91.0, 365.0, 1826.0, 7305.0)
"""An hour to twenty years: the spans after which exp(-age / scale) has fallen to 37 %."""


NULL_MARK = NumericalStatistics(mean=0.0, std=1.0, has_nulls=False)
"""Statistics of a column that is 1 where another is null, else 0."""

EXTRA = ("unseen", "null")
"""What has vectors of its own after those of a column's known values."""


@dataclass(frozen=True)
class Columns:
    """What a model reads, by how it reads it.

    Attributes:
        numbers: As numbers, ages included; those of `graded` last.
        graded: Of these, the ones that the store has as categories.
        categories: As categories, as the store has them.
        numbered: As categories, where the store has whole numbers.
        times: As times.
        lists: As lists of categories.
        vectors: As vectors.
    """

    numbers: dict[str, NumericalStatistics]
    graded: dict[str, NumericalStatistics]
    categories: dict[str, CategoricalStatistics]
    numbered: dict[str, CategoricalStatistics]
    times: dict[str, TimestampStatistics]
    lists: dict[str, MulticategoricalStatistics]
    vectors: dict[str, VectorStatistics]

    @classmethod
    def of(cls, columns: Mapping[str, ColumnStatistics]) -> Columns:
        """Of statistics by column."""
        numbers = {c: s for c, s in columns.items() if isinstance(s, NumericalStatistics)}
        graded = {c: s for c, s in numbers.items() if s.of_categories}
        times = {c: s for c, s in columns.items() if isinstance(s, TimestampStatistics)}
        categories = {c: s for c, s in columns.items() if isinstance(s, CategoricalStatistics)}
        return cls(
            numbers={c: s for c, s in numbers.items() if not s.of_categories}
            | {age_column(c): s.age for c, s in times.items()}
            | graded,
            graded=graded,
            categories={c: s for c, s in categories.items() if not s.of_numbers},
            numbered={c: s for c, s in categories.items() if s.of_numbers},
            times=times,
            lists={c: s for c, s in columns.items() if isinstance(s, MulticategoricalStatistics)},
            vectors={c: s for c, s in columns.items() if isinstance(s, VectorStatistics)},
        )


class TableEncoder(nn.Module):
    """One table's columns -> [N, channels], the sum over columns of pytorch-frame's encoders.

    Missing values are values: a null number or vector counts as the mean and, where training has nulls, sets
    a mark; a null category or list has a vector of its own, and so have categories that training hardly saw,
    or never. These two begin at 0, so that they add nothing where training has none. An empty list adds
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
    vector_means: Tensor
    vector_stds: Tensor

    def __init__(self, columns: Mapping[str, ColumnStatistics], channels: int) -> None:
        super().__init__()
        self.read = Columns.of(columns)
        read = self.read
        numbers, vectors = read.numbers, read.vectors
        self.nullable = [place for place, s in enumerate(numbers.values()) if s.has_nulls]
        self.nullable_vectors = [place for place, s in enumerate(vectors.values()) if s.has_nulls]
        nullable = [list(numbers)[i] for i in self.nullable] + [
            list(vectors)[i] for i in self.nullable_vectors
        ]
        marks = {f"{column} (null)": NULL_MARK for column in nullable}
        names = {
            torch_frame.numerical: [*numbers, *marks],
            torch_frame.categorical: [*read.categories, *read.numbered],
            torch_frame.timestamp: list(read.times),
            torch_frame.multicategorical: list(read.lists),
            torch_frame.embedding: list(vectors),
        }
        self.names = {stype: columns for stype, columns in names.items() if columns}
        self.constant = nn.Parameter(torch.empty(channels).normal_())
        self.codes = CategoryCodes({c: len(s.values) for c, s in read.categories.items()})
        self.list_codes = CategoryCodes({c: len(s.values) for c, s in read.lists.items()})
        self.category_numbers = CategoryNumbers(list(read.graded))
        self.number_codes = NumberCodes([s.values for s in read.numbered.values()])
        if not self.names:
            return
        stats: dict[str, dict[StatType, Any]] = {
            **{c: {StatType.MEAN: s.mean, StatType.STD: s.std} for c, s in {**numbers, **marks}.items()},
            **{c: {StatType.COUNT: ((*s.values, *EXTRA), ())} for c, s in read.categories.items()},
            **{c: {StatType.COUNT: ((*s.values, *EXTRA), ())} for c, s in read.numbered.items()},
            **{c: {StatType.MULTI_COUNT: ((*s.values, *EXTRA), ())} for c, s in read.lists.items()},
            **{c: {StatType.YEAR_RANGE: (s.min_year, s.max_year)} for c, s in read.times.items()},
            **{c: {StatType.EMB_DIM: len(s.means)} for c, s in vectors.items()},
        }
        encoders = {
            torch_frame.numerical: LinearEncoder(),
            torch_frame.categorical: EmbeddingEncoder(),
            torch_frame.timestamp: TimestampEncoder(na_strategy=None),
            torch_frame.multicategorical: MultiCategoricalEmbeddingEncoder(),
            torch_frame.embedding: LinearEmbeddingEncoder(),
        }
        self.columns = StypeWiseFeatureEncoder(channels, stats, self.names, encoders)
        self._bound()
        self._balance()

    def set_code_maps(self, maps: Mapping[str, NDArray[Any]]) -> None:
        """Takes the numbering of a store's categories by column, from `relhop.statistics.code_maps`."""
        for codes, columns in (
            (self.codes, self.read.categories),
            (self.list_codes, self.read.lists),
            (self.category_numbers, self.read.graded),
        ):
            if columns:
                codes.set(maps)

    def _bound(self) -> None:
        """The ranges within which values are kept, as buffers."""
        numbers, times, vectors = self.read.numbers, self.read.times, self.read.vectors
        means = torch.tensor([s.mean for s in numbers.values()])
        reach = LARGEST_DEVIATION * torch.tensor([s.std for s in numbers.values()])
        fields = [torch.tensor([s.min_year, 0, 0, 0, 0, 0, 0]) for s in times.values()]
        last = [torch.tensor([s.max_year, 11, 30, 6, 23, 59, 59]) for s in times.values()]
        for name, buffer in {
            "means": means,
            "lowest": means - reach,
            "highest": means + reach,
            "first_fields": torch.stack(fields) if fields else None,
            "last_fields": torch.stack(last) if last else None,
            "vector_means": torch.tensor([mean for s in vectors.values() for mean in s.means]),
            "vector_stds": torch.tensor([std for s in vectors.values() for std in s.stds]),
        }.items():
            self.register_buffer(name, buffer, persistent=False)

    def _balance(self) -> None:
        """Starts all columns at a like size; pytorch-frame's own start makes embeddings a hundred times
        larger.
        """
        for encoder in self.columns.encoder_dict.values():
            if isinstance(encoder, LinearEncoder):
                nn.init.normal_(encoder.weight, std=len(encoder.weight) ** -0.5)
            elif isinstance(encoder, EmbeddingEncoder):
                sizes = [
                    len(s.values) for s in (*self.read.categories.values(), *self.read.numbered.values())
                ]
                _start_at_zero(encoder.emb.weight, sizes)
            elif isinstance(encoder, MultiCategoricalEmbeddingEncoder):
                for bag, s in zip(encoder.embs, self.read.lists.values(), strict=True):
                    _start_at_zero(bag.weight, [len(s.values)])
            elif isinstance(encoder, LinearEmbeddingEncoder):
                for weight in encoder.weight_list:
                    nn.init.normal_(weight, std=(len(encoder.weight_list) * len(weight)) ** -0.5)

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
        kept: dict[torch_frame.stype, Any] = {}
        marks: list[Tensor] = []
        for stype in self.names:
            if stype == torch_frame.numerical:
                values = self._numbers(frame)
                marks.insert(0, values[:, self.nullable].isnan().float())
                kept[stype] = torch.where(values.isnan(), self.means, values).clamp(self.lowest, self.highest)
            elif stype == torch_frame.categorical:
                kept[stype] = self._categories(frame)
            elif stype == torch_frame.timestamp:
                # nulls (-1) become the first year's beginning; their age is marked as null
                values = _columns(frame, stype, self.read.times)
                kept[stype] = torch.minimum(torch.maximum(values, self.first_fields), self.last_fields)
            elif stype == torch_frame.multicategorical:
                kept[stype] = self._lists(_columns(frame, stype, self.read.lists))
            else:
                vectors = _columns(frame, stype, self.read.vectors)
                kept[stype], nulls = self._vectors(vectors)
                marks.append(nulls)
        if torch_frame.numerical in kept:
            kept[torch_frame.numerical] = torch.cat([kept[torch_frame.numerical], *marks], dim=1)
        return TensorFrame(kept, self.names)

    def _numbers(self, frame: TensorFrame) -> Tensor:
        """Numbers [N, C], null as NaN; those that the store has as categories last."""
        own = [name for name in self.read.numbers if name not in self.read.graded]
        parts = [_columns(frame, torch_frame.numerical, own)] if own else []
        if self.read.graded:
            codes = _columns(frame, torch_frame.categorical, self.read.graded)
            parts.append(self.category_numbers(codes))
        return torch.cat(parts, dim=1) if parts else self.means.new_empty(len(frame), 0)

    def _categories(self, frame: TensorFrame) -> Tensor:
        """Indices [N, C]; those of columns that the store has as numbers last."""
        parts = []
        if self.read.categories:
            parts.append(self.codes(_columns(frame, torch_frame.categorical, self.read.categories)))
        if self.read.numbered:
            numbers = _columns(frame, torch_frame.numerical, self.read.numbered)
            parts.append(self.number_codes(numbers))
        return torch.cat(parts, dim=1)

    def _lists(self, lists: MultiNestedTensor) -> MultiNestedTensor:
        """Lists of indices, of lists of codes."""
        cells = torch.arange(lists.num_cols, device=lists.values.device).repeat(lists.num_rows)
        columns = cells.repeat_interleave(lists.offset.diff(), output_size=len(lists.values))
        indices = self.list_codes(lists.values, columns)
        return MultiNestedTensor(lists.num_rows, lists.num_cols, indices, lists.offset)

    def _vectors(self, vectors: MultiEmbeddingTensor) -> tuple[MultiEmbeddingTensor, Tensor]:
        """Standardised vectors, and marks [N, nullable columns] of those that are null."""
        is_nan = vectors.values.isnan()
        ends = vectors.offset[1:].tolist()
        begins = [0, *ends[:-1]]
        marks = [is_nan[:, begins[i] : ends[i]].all(dim=1).float() for i in self.nullable_vectors]
        values = ((vectors.values - self.vector_means) / self.vector_stds).masked_fill(is_nan, 0.0)
        values = values.clamp(-LARGEST_DEVIATION, LARGEST_DEVIATION)
        clean = MultiEmbeddingTensor(vectors.num_rows, vectors.num_cols, values, vectors.offset)
        return clean, torch.stack(marks, dim=1) if marks else values[:, :0]


def _columns(frame: TensorFrame, stype: torch_frame.stype, names: Collection[str]) -> Any:
    """Some columns of a frame, in that order; not copied where they are all."""
    known = frame.col_names_dict[stype]
    if list(names) == known:
        return frame.feat_dict[stype]
    return frame.feat_dict[stype][:, [known.index(name) for name in names]]


def _start_at_zero(weight: Tensor, sizes: Sequence[int]) -> None:
    """Starts vectors of categories small; those of unseen values and of null, which follow each column's, and
    the first one, which is nobody's, at 0.
    """
    nn.init.normal_(weight, std=0.1)
    last = torch.tensor([size + len(EXTRA) for size in sizes]).cumsum(0)
    with torch.no_grad():
        weight[[0, *(last - 1).tolist(), *last.tolist()]] = 0.0


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
