"""A store, as far as statistics read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from relhop.schema import Schema, Stype


class Times(Protocol):
    """The times of a table's rows."""

    def __getitem__(self, rows: slice, /) -> NDArray[np.int64]: ...


class Vectors(Protocol):
    """A column with several numbers a row."""

    @property
    def dtype(self) -> str:
        """Of its numbers."""
        ...

    def array(self) -> NDArray[Any]:
        """All rows, perhaps mapped; of bfloat16 the bits as uint16."""
        ...


class StatisticsTable(Protocol):
    """A table of a store, as far as statistics read it."""

    @property
    def wide_columns(self) -> Mapping[str, Stype]:
        """The features that are attributes."""
        ...

    @property
    def attributes(self) -> Mapping[str, Vectors]:
        """Its attributes by name."""
        ...

    @property
    def time(self) -> Times | None:
        """Row times, int64 microseconds."""
        ...

    def field_values(self, column: str, rows: slice) -> NDArray[Any]:
        """One feature column: float32, int32 codes or int64 microseconds."""
        ...

    def categories(self, column: str) -> Sequence[str]:
        """The values of a column of categories, or lists of them, by code."""
        ...


class StatisticsSource(Protocol):
    """A store, as far as statistics read it."""

    @property
    def schema(self) -> Schema:
        """Its tables and links."""
        ...

    @property
    def tables(self) -> Mapping[str, StatisticsTable]:
        """Its tables by name."""
        ...

    @property
    def text_embedder(self) -> str | None:
        """The identity of what made vectors of its texts."""
        ...

    def cut(self, table: str, time: int) -> int:
        """How many rows of a table are visible at a time; they come first."""
        ...
