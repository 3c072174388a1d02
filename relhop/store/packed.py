"""Columns of row numbers and times in as few bits as they need: written in pieces, decoded as asked.

docs/format.md has the bytes; native/packed/ reads them. Knows nothing of tables.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar, overload

import numpy as np
import numpy.typing as npt

from relhop._native import encode_times, pack

TIME_BLOCK = 128
"""Rows of a block of times."""

TIME_BLOCK_BYTES = 24
_PADDING = 8  # Behind a stream, so that 8 bytes can be read wherever an element begins.


def packed_bytes(size: int, width: int) -> int:
    """Bytes of a file of `size` numbers of `width` bits: whole words, and one more."""
    return 8 * -(-size * width // 64) + _PADDING


def time_bytes(blocks: npt.NDArray[np.uint8]) -> int:
    """Bytes of the stream of times that belongs to its blocks, as the last of them has it."""
    if not len(blocks):
        return _PADDING
    place = int(blocks[-8:].view("<u8")[0])
    return (place >> 8) + TIME_BLOCK // 8 * (place & 0xFF) + _PADDING


class _Native(Protocol):
    def __len__(self) -> int: ...
    def decode(self, begin: int, count: int, /) -> npt.NDArray[np.int64]: ...
    def take(self, places: npt.NDArray[np.int64], /) -> npt.NDArray[np.int64]: ...


N = TypeVar("N", bound=_Native)


class PackedColumn(Generic[N]):
    """A read-only column that is read like an int64 array and decodes only what is asked for.

    Index it by a number, a slice, or an array of numbers from 0. `np.asarray` decodes all of it.

    Args:
        native: The column as native code reads it; an attribute, too.
        largest: What the largest number of its width stands for: -1, no row; among offsets a number like any.
    """

    def __init__(self, native: N, largest: int = -1) -> None:
        self.native = native
        self._largest = largest

    def __len__(self) -> int:
        return len(self.native)

    @overload
    def __getitem__(self, index: int | np.integer[Any]) -> int: ...
    @overload
    def __getitem__(self, index: slice | npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int64]: ...
    def __getitem__(
        self, index: int | np.integer[Any] | slice | npt.NDArray[np.integer[Any]]
    ) -> int | npt.NDArray[np.int64]:
        if isinstance(index, np.ndarray):
            if index.dtype.kind not in "iu":
                raise IndexError(f"rows are integers, not {index.dtype}")
            found = self.native.take(np.ascontiguousarray(index, np.int64))
        elif isinstance(index, slice):
            places = range(len(self))[index]
            if places.step == 1:
                found = self.native.decode(places.start, len(places))
            else:
                found = self.native.take(np.arange(places.start, places.stop, places.step))
        else:
            return int(self[np.array([range(len(self))[index]])][0])
        if self._largest != -1:
            found[found == -1] = self._largest
        return found

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("a packed column becomes an array only by decoding it")
        return self[:].astype(dtype or np.int64, copy=False)


class PackedWriter:
    """Writes a file of packed numbers from pieces of any length; -1 stands for "no row"."""

    def __init__(self, path: Path, width: int) -> None:
        self._file = path.open("wb")
        self._width, self._size = width, 0
        self._pieces = _Pieces(8)  # So many end at a whole byte, whatever the width.

    def write(self, numbers: npt.NDArray[np.int64]) -> None:
        """Appends a piece."""
        self._pack(self._pieces.add(numbers))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        with self._file:
            if failure is None:
                self._pack(self._pieces.rest)
                self._file.write(bytes(packed_bytes(self._size, self._width) - self._file.tell()))

    def _pack(self, numbers: npt.NDArray[np.int64]) -> None:
        largest = (1 << self._width) - 1
        stream = pack(np.where(numbers < 0, largest, numbers.view(np.uint64)), self._width)
        self._file.write(stream[: -(-len(numbers) * self._width // 8)].data)
        self._size += len(numbers)


class TimeWriter:
    """Writes a table's ascending times, from pieces of any length, as blocks and their stream."""

    def __init__(self, blocks: Path, stream: Path) -> None:
        with contextlib.ExitStack() as files:
            self._blocks = files.enter_context(blocks.open("wb"))
            self._stream = files.enter_context(stream.open("wb"))
            self._files = files.pop_all()
        self._pieces = _Pieces(TIME_BLOCK)

    def write(self, times: npt.NDArray[np.int64]) -> None:
        """Appends a piece."""
        self._encode(self._pieces.add(times))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        with self._files:
            if failure is None:
                self._encode(self._pieces.rest)
                self._stream.write(bytes(_PADDING))

    def _encode(self, times: npt.NDArray[np.int64]) -> None:
        blocks, stream = encode_times(times, self._stream.tell())
        self._blocks.write(blocks.data)
        self._stream.write(stream.data)


class _Pieces:
    """Joins pieces and cuts them at multiples of a length; `rest` is what waits for the next piece."""

    def __init__(self, length: int) -> None:
        self._length = length
        self.rest = np.empty(0, np.int64)

    def add(self, piece: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """What is whole after this piece."""
        joined = np.concatenate([self.rest, piece])
        whole = len(joined) - len(joined) % self._length
        self.rest = joined[whole:]
        return joined[:whole]
