"""The threads of this process, Python's and native ones."""

from __future__ import annotations

import os
import time

_PATIENCE = 5.0
"""Seconds: the kernel's helpers of io_uring end a moment after their ring."""


def running() -> set[str]:
    """Their numbers."""
    return set(os.listdir("/proc/self/task"))


def none_beyond(before: set[str]) -> bool:
    """Whether no thread runs, soon, that did not run before."""
    end = time.monotonic() + _PATIENCE
    while not running() <= before and time.monotonic() < end:
        time.sleep(0.01)
    return running() <= before
