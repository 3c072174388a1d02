"""What holds features -> tensors by attribute: what a native pipeline gathers, and what it is called."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from relhop._native import FeatureTable, PackedRows, pack, width_of
from relhop.dtypes import NUMPY_DTYPES
from relhop.features import AttributeReader, FeatureReader, RowFeatures
from relhop.pyg.graph_data import Column, EdgeKey, NodeKey, Numbering
from relhop.schema import Stype
from relhop.store.attributes import as_bytes
from relhop.times import TimeUnit, from_micros


class Columns(Protocol):
    """Some attributes of nodes or edges, which are read together.

    Attributes:
        names: The attributes.
        native: What gathers them.
        row_shape: The shape of a row of each.
    """

    names: tuple[str, ...]
    native: FeatureTable
    row_shape: tuple[int, ...]

    def tensors(self, features: dict[str, Any]) -> dict[str, Tensor]:
        """What `native` gathered, by attribute; copies nothing."""
        ...

    def only(self, names: Collection[str]) -> Columns | None:
        """The same with those of its attributes that are named; None without any."""
        ...


@dataclass(frozen=True, eq=False)
class Wanted:
    """Columns that a batch wants: of its nodes of a type, or of its edges of one."""

    columns: Columns
    is_edge: bool
    number: int
    key: Any

    @property
    def native(self) -> tuple[FeatureTable, bool, int]:
        """As the native pipeline takes it."""
        return self.columns.native, self.is_edge, self.number


@dataclass
class Gathered:
    """Tensors of a batch by type and attribute."""

    nodes: dict[NodeKey, dict[str, Tensor]] = field(default_factory=dict)
    edges: dict[EdgeKey, dict[str, Tensor]] = field(default_factory=dict)

    @classmethod
    def of(cls, wanted: Iterable[Wanted], features: Iterable[dict[str, Any]]) -> Gathered:
        """What a native pipeline gathered."""
        gathered = cls()
        for one, found in zip(wanted, features, strict=True):
            part: dict[Any, dict[str, Tensor]] = gathered.edges if one.is_edge else gathered.nodes
            part.setdefault(one.key, {}).update(one.columns.tensors(found))
        return gathered


class AttributeColumns:
    """One attribute.

    Args:
        name: What it is called in batches.
        reader: Its rows.
        order: The place in `reader` of each row, as its rows are by number; None where they are by row.
    """

    def __init__(self, name: str, reader: AttributeReader, order: Column | None = None) -> None:
        self.names: tuple[str, ...] = (name,)
        self.native, self.reader, self.row_shape = reader.native, reader, reader.shape
        self._in_order = order is None
        if order is not None:
            width = width_of(len(order))
            slots = PackedRows(pack(np.asarray(order[:]).astype(np.uint64), width), len(order), width)
            self.native = FeatureTable(name, as_bytes(reader.array()), None, None, None, slots=slots)

    def tensors(self, features: dict[str, Any]) -> dict[str, Tensor]:
        """The rows that were gathered."""
        return {self.names[0]: tensor_of(self.reader.of_native(features), self.reader.dtype)}

    def whole(self, numbering: Numbering) -> npt.NDArray[Any] | None:
        """All rows by their numbers, without a copy; None where they are in another order."""
        return self.reader.array() if not self._in_order or numbering.order is None else None

    def only(self, names: Collection[str]) -> Columns | None:
        """Itself, or None."""
        return self if self.names[0] in names else None


class TimeColumns:
    """The time column of a table that has it nowhere else.

    Args:
        name: The column.
        native: A reader that knows the times of rows.
        unit: What users count times in; None: microseconds.
    """

    def __init__(self, name: str, native: FeatureTable, unit: TimeUnit | None) -> None:
        self.names: tuple[str, ...] = (name,)
        self.native, self._unit = native, unit
        self.row_shape: tuple[int, ...] = ()

    def tensors(self, features: dict[str, Any]) -> dict[str, Tensor]:
        """The times of the rows that were gathered, int64."""
        return {self.names[0]: torch.from_numpy(from_micros(features["time"], self._unit))}

    def only(self, names: Collection[str]) -> Columns | None:
        """Itself, or None."""
        return self if self.names[0] in names else None


class RecordColumns:
    """The features in a table's records: float32 with NaN for null, int64 codes with -1, int64 microseconds
    with NaT's bits.

    Args:
        reader: The records.
        names: Those of its columns that are wanted.
    """

    def __init__(self, reader: FeatureReader, names: Iterable[str]) -> None:
        self.names: tuple[str, ...] = tuple(names)
        self.native, self._reader = reader.native, reader
        self.row_shape: tuple[int, ...] = ()
        self._places = {
            column: (kind, place)
            for stype, kind in _KINDS.items()
            for place, column in enumerate(reader.columns[stype])
        }

    def tensors(self, features: dict[str, Any]) -> dict[str, Tensor]:
        """The columns of the rows that were gathered."""
        rows, result = RowFeatures(**features), {}
        for name in self.names:
            kind, place = self._places[name]
            result[name] = torch.from_numpy(np.ascontiguousarray(getattr(rows, kind)[:, place]))
        return result

    def only(self, names: Collection[str]) -> Columns | None:
        """Those that are named."""
        kept = [name for name in self.names if name in names]
        return RecordColumns(self._reader, kept) if kept else None


_KINDS: Mapping[Stype, str] = {
    Stype.timestamp: "timestamps",
    Stype.numerical: "numerical",
    Stype.categorical: "categorical",
}


def tensor_of(array: npt.NDArray[Any], dtype: str) -> Tensor:
    """An attribute's rows as a tensor that shares their memory; what is mapped read-only must not be
    written.
    """
    if not array.flags.writeable and array.size:
        array = np.asarray(_Writable(array))
    if dtype == "bfloat16":
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def reader_of(name: str, tensor: Tensor | npt.NDArray[Any]) -> AttributeReader | None:
    """A reader of a tensor that is in memory, without a copy; None where native code cannot read it."""
    if isinstance(tensor, Tensor):
        plain = type(tensor) in (Tensor, torch.nn.Parameter) and tensor.layout == torch.strided
        if not plain or tensor.is_cuda or tensor.requires_grad or not tensor.is_contiguous():
            return None
        if tensor.dtype == torch.bfloat16:
            return AttributeReader.of_array(name, tensor.view(torch.int16).numpy(), "bfloat16")
        tensor = tensor.numpy()
    if tensor.ndim == 0 or not tensor.flags.c_contiguous or tensor.dtype not in NUMPY_DTYPES.values():
        return None
    return AttributeReader.of_array(name, tensor)


class _Writable:
    """An array that says of itself that it may be written: PyTorch warns of others each time."""

    def __init__(self, array: npt.NDArray[Any]) -> None:
        self.array = array
        interface = array.__array_interface__
        self.__array_interface__ = interface | {"data": (interface["data"][0], False)}
