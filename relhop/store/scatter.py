"""Fixed-size items brought to an order of their own, in bounded memory: out of buckets of neighboring places.

Knows nothing of records.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

_MOST_BUCKETS = 256  # Files that are open at once.


class Scatter:
    """Takes items in any order, each with its place among all, and gives them back by place.

    A bucket, its items as they came and as they lie, takes at most `memory` bytes, or a 256th of all items
    twice where that is more.

    Args:
        count: Items in all; each place from 0 on is taken once.
        item_size: Bytes of an item.
        folder: Exists; for the buckets' files, which are gone after the `with` block.
        memory: Bytes.
    """

    def __init__(self, count: int, item_size: int, folder: Path, memory: int) -> None:
        self._count, self._item_size = count, item_size
        self._stored = np.dtype([("place", "<u8"), ("item", np.uint8, (item_size,))])
        fitting = memory // (2 * item_size + 8)
        self._length = max(1, fitting, -(-count // _MOST_BUCKETS))
        names = (folder / f"bucket-{i}" for i in range(-(-count // self._length)))
        self._paths = list(names)
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        for path in self._paths:
            self._stack.callback(path.unlink, missing_ok=True)
        self._files = [self._stack.enter_context(path.open("w+b")) for path in self._paths]
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add(self, places: npt.NDArray[np.int64], items: npt.NDArray[np.uint8]) -> None:
        """Takes items uint8 [n, item_size] for their places [n]."""
        buckets = (places // self._length).astype(np.uint16)
        order = np.argsort(buckets, kind="stable")
        stored = np.empty(len(places), self._stored)
        stored["place"], stored["item"] = places[order], items[order]
        ends = np.cumsum(np.bincount(buckets, minlength=len(self._files)))
        for file, begin, end in zip(self._files, [0, *ends], ends, strict=False):
            if begin != end:
                file.write(stored[begin:end].data)

    def pieces(self) -> Iterator[npt.NDArray[np.uint8]]:
        """All items by place, uint8 [n, item_size] at a time."""
        for i, file in enumerate(self._files):
            begin = i * self._length
            file.seek(0)
            stored = np.fromfile(file, self._stored)
            placed = np.empty((min(self._length, self._count - begin), self._item_size), np.uint8)
            placed[stored["place"].astype(np.int64) - begin] = stored["item"]
            del stored
            file.truncate(0)
            yield placed
