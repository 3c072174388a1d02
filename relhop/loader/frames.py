"""A table's features as torch_frame takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch_frame
from numpy.typing import NDArray
from torch_frame import TensorFrame
from torch_frame.data import MultiEmbeddingTensor, MultiNestedTensor

from relhop.features import RowFeatures, age_column
from relhop.pyg.columns import tensor_of
from relhop.schema import Stype
from relhop.store import encoding
from relhop.store.attributes import AttributeReader
from relhop.times import MICROS_PER


def tensor_frame(
    features: RowFeatures,
    columns: dict[Stype, tuple[str, ...]],
    anchor_times: NDArray[np.int64],
    wide: Mapping[str, tuple[AttributeReader, dict[str, Any]]],
) -> TensorFrame | None:
    """A table's features as torch_frame takes them, seen from anchor times [N]; `None` without columns.

    Args:
        features: What its records hold.
        columns: Their columns, in their order.
        anchor_times: See above.
        wide: By column of lists, text or tensors: its reader, and what that gathered natively.
    """
    tensors: dict[torch_frame.stype, Any] = {}
    names: dict[torch_frame.stype, list[str]] = {}
    numbers = [] if features.numerical is None else [features.numerical]
    if features.timestamps is not None:
        numbers.append(ages(features.timestamps, anchor_times))
        tensors[torch_frame.timestamp] = torch.from_numpy(calendar_fields(features.timestamps))
        names[torch_frame.timestamp] = list(columns[Stype.timestamp])
    if numbers:
        tensors[torch_frame.numerical] = torch.from_numpy(
            numbers[0] if len(numbers) == 1 else np.hstack(numbers)
        )
        names[torch_frame.numerical] = [*columns[Stype.numerical], *map(age_column, columns[Stype.timestamp])]
    if features.categorical is not None:
        tensors[torch_frame.categorical] = torch.from_numpy(features.categorical)
        names[torch_frame.categorical] = list(columns[Stype.categorical])
    lists, vectors = {}, {}
    for column, (reader, gathered) in wide.items():
        rows = reader.of_native(gathered)
        if is_vector(reader):
            vectors[column] = as_vectors(tensor_of(rows, reader.dtype))
        else:
            lists[column] = rows
    if lists:
        tensors[torch_frame.multicategorical] = nested(list(lists.values()))
        names[torch_frame.multicategorical] = list(lists)
    if vectors:
        tensors[torch_frame.embedding] = side_by_side(list(vectors.values()))
        names[torch_frame.embedding] = list(vectors)
    return TensorFrame(tensors, names) if tensors else None


def is_vector(reader: AttributeReader) -> bool:
    """Whether a column's rows are an embedding of a frame, not a list of codes."""
    return reader.dtype != "int32"


def as_vectors(rows: torch.Tensor) -> torch.Tensor:
    """Rows [N, *shape] as an embedding of a frame has them: float32 [N, d]."""
    return rows.flatten(1).float()


def nested(columns: list[NDArray[np.int32]]) -> MultiNestedTensor:
    """Columns of codes, each [N, k] as a store has them, as lists of their own lengths.

    Null is the list of -1.
    """
    codes = np.hstack(columns)
    is_there = codes != encoding.NO_CODE
    widths = [column.shape[1] for column in columns]
    begins = np.cumsum([0, *widths[:-1]])
    lengths = np.add.reduceat(is_there, begins, axis=1, dtype=np.int64)
    offset = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths.reshape(-1))])
    values = codes[is_there].astype(np.int64)
    values[values == encoding.NULL_LIST] = -1
    return MultiNestedTensor(len(codes), len(columns), torch.from_numpy(values), torch.from_numpy(offset))


def side_by_side(columns: list[torch.Tensor]) -> MultiEmbeddingTensor:
    """Columns of vectors, each float32 [N, d], as one tensor; a single one is not copied."""
    values = columns[0] if len(columns) == 1 else torch.cat(columns, dim=1)
    offset = torch.tensor([0, *(column.shape[1] for column in columns)]).cumsum(0)
    return MultiEmbeddingTensor(len(values), len(columns), values, offset)


def ages(timestamps: NDArray[np.int64], anchor_times: NDArray[np.int64]) -> NDArray[np.float32]:
    """Days from timestamps [N, C] to anchor times [N], float32; NaN for null."""
    days = (anchor_times[:, None] - timestamps.astype(np.float64)) / MICROS_PER["days"]
    days[timestamps == np.iinfo(np.int64).min] = np.nan
    narrow: NDArray[np.float32] = days.astype(np.float32)
    return narrow


def calendar_fields(timestamps: NDArray[np.int64]) -> NDArray[np.int64]:
    """Year, month 0-11, day 0-30, weekday 0-6 (Monday = 0), hour, minute, second of microseconds [N, C]:
    [N, C, 7].

    Null is -1 throughout.
    """
    stamps = timestamps.view("datetime64[us]")
    years, months, days = (stamps.astype(f"datetime64[{unit}]") for unit in "YMD")
    seconds = (stamps - days).astype("timedelta64[s]").astype(np.int64)
    fields = [
        years.astype(np.int64) + 1970,
        (months - years.astype("datetime64[M]")).astype(np.int64),
        (days - months.astype("datetime64[D]")).astype(np.int64),
        (days.astype(np.int64) + 3) % 7,  # 1970-01-01 was a Thursday
        seconds // 3600,
        seconds // 60 % 60,
        seconds % 60,
    ]
    stacked = np.stack(fields, axis=-1)
    stacked[np.isnat(stamps)] = -1
    return stacked
