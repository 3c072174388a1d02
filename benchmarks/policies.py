"""Which accesses a pool of rows would have served, under the policies that relhop's is compared with.

Belady's optimum (a row may pass by the pool without entering it), LRU, CLOCK, SIEVE (Zhang et al., NSDI 2024)
and S3-FIFO (Yang et al., SOSP 2023). Ten million accesses take a second or two.
"""

from __future__ import annotations

import ctypes

import numpy as np

from benchmarks.compiled import compiled
from benchmarks.graphs import Array

_FUNCTIONS = {"Belady": "belady", "SIEVE": "sieve", "S3-FIFO": "s3_fifo", "LRU": "lru", "CLOCK": "clock_hand"}
POLICIES = tuple(_FUNCTIONS)


def hits(policy: str, trace: Array, num_rows: int, capacity: int) -> Array:
    """Of each access of a trace [N] of row numbers, whether a pool of `capacity` rows has it, bool [N].

    The pool is empty at first.
    """
    if capacity == 0:
        return np.zeros(len(trace), bool)
    function = getattr(compiled("policies"), _FUNCTIONS[policy])
    pointer, number = ctypes.c_void_p, ctypes.c_uint64
    function.argtypes, function.restype = [pointer, number, number, number, pointer], None
    rows, hit = np.ascontiguousarray(trace, np.uint32), np.empty(len(trace), np.uint8)
    function(rows.ctypes.data, len(rows), num_rows, capacity, hit.ctypes.data)
    return hit.view(bool)


def misses(policy: str, batches: list[Array], num_rows: int, capacity: int) -> list[Array]:
    """Of each batch of rows, those that the pool did not have when the batch came."""
    trace = np.concatenate(batches)
    missed = ~hits(policy, trace, num_rows, capacity)
    ends = np.cumsum([len(batch) for batch in batches])[:-1]
    return [rows[mask] for rows, mask in zip(np.split(trace, ends), np.split(missed, ends), strict=True)]
