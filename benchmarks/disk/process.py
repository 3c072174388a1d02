"""A process of its own for a system, under a limit of memory in which the page cache counts.

The limit is a control group's (version 1 or 2); who may make one can set it, root for example. Elsewhere the
process runs without.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

T = TypeVar("T")

ROOT = Path("/sys/fs/cgroup")


class OutOfMemory(Exception):
    """The process ended at once; under a limit, because it wanted more."""


class Process:
    """A fresh process that makes one call after another, keeping its globals between them.

    Args:
        limit: Bytes of memory, page cache and all; `None`: as many as there are.

    Attributes:
        is_limited: Whether the limit holds.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._group = None if limit is None else make_group(limit)
        self.is_limited = self._group is not None
        spawn = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(1, spawn, initializer=enter, initargs=(self._group,))

    def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """What the function returns there.

        Raises:
            OutOfMemory: If the process died of it.
        """
        try:
            return self._pool.submit(function, *arguments).result()
        except BrokenProcessPool:
            raise OutOfMemory(f"{function.__name__}: the process was killed") from None

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()
        if self._group is not None:
            remove_group(self._group)


def alone(function: Callable[..., T], *arguments: Any) -> T:
    """One call in a process of its own."""
    with Process() as process:
        return process.call(function, *arguments)


def can_limit() -> bool:
    """Whether limits of memory can be set here."""
    group = make_group(1 << 30)
    if group is not None:
        remove_group(group)
    return group is not None


def peak_bytes() -> int:
    """The most memory that this process had resident since `forget_peak`."""
    return _status("VmHWM")


def resident_bytes() -> int:
    """The memory that this process has resident."""
    return _status("VmRSS")


def forget_peak() -> None:
    """Counts the peak of resident memory anew."""
    Path("/proc/self/clear_refs").write_text("5")


def _status(field: str) -> int:
    found = re.search(rf"^{field}:\s*(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def make_group(limit: int) -> Path | None:
    """A control group of so many bytes, for `enter` and `remove_group`; `None` where none can be made."""
    name = f"relhop-{os.getpid()}-{time.monotonic_ns()}"
    for home, file in ((ROOT / "memory", "memory.limit_in_bytes"), (ROOT, "memory.max")):
        group = home / name
        _remove_left(home)
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / file).write_text(str(limit))
        except OSError:
            group.rmdir()
            continue
        return group
    return None


def _remove_left(home: Path) -> None:
    """The groups of runs that were killed."""
    for group in home.glob("relhop-*"):
        if not Path("/proc", group.name.split("-")[1]).exists():
            remove_group(group)


def enter(group: Path | None) -> None:
    """Puts this process into the group: what it takes from now on counts."""
    if group is not None:
        (group / "cgroup.procs").write_text(str(os.getpid()))


def remove_group(group: Path) -> None:
    """Removes a group whose processes have ended; it is busy until the system is done with its processes."""
    for _ in range(50):
        try:
            return group.rmdir()
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"{group} does not go away; remove it by hand")
