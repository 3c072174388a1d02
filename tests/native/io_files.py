"""Files and reads for the tests of native/io."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from relhop import _native


def refusal() -> str:
    """Why io_uring cannot be tested here; empty where it can."""
    if not _native.has_uring():
        return "relhop was built without liburing"
    try:
        _native.ManyReads("io_uring")
    except RuntimeError as error:
        return str(error)
    return ""


ENGINES = [pytest.param("io_uring", marks=pytest.mark.skipif(bool(refusal()), reason=refusal())), "pread"]

Read = tuple[int, int, int]  # number of the file, offset, length


def random_file(path: Path, size: int, seed: int = 0) -> Path:
    path.write_bytes(np.random.default_rng(seed).integers(0, 256, size, np.uint8).tobytes())
    return path


def columns(reads: Sequence[Read]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    which, offsets, lengths = zip(*reads, strict=True) if reads else ((), (), ())
    return np.array(which, np.uint32), np.array(offsets, np.uint64), np.array(lengths, np.uint64)


def read(
    many: _native.ManyReads, paths: Sequence[Path], reads: Sequence[Read], stop_after: int = -1
) -> bytes:
    files = [_native.DirectFile(str(path)) for path in paths]
    return many.read(files, *columns(reads), stop_after=stop_after).tobytes()


def expected(paths: Sequence[Path], reads: Sequence[Read]) -> bytes:
    contents = [path.read_bytes() for path in paths]
    return b"".join(contents[which][offset : offset + length] for which, offset, length in reads)


def descriptors_and_threads() -> tuple[int, int]:
    return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))


def are_no_more_than(before: tuple[int, int]) -> bool:
    now = descriptors_and_threads()
    return now[0] <= before[0] and now[1] <= before[1]


@contextmanager
def faults(*all_faults: dict[str, object]) -> Iterator[None]:
    """Fails if none of them struck."""
    _native.clear_faults()
    for fault in all_faults:
        _native.inject_fault(**fault)
    try:
        yield
    finally:
        strikes = _native.clear_faults()
    assert strikes > 0
