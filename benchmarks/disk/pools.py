"""The same batches of rows by relhop and its peers, with pools from the whole matrix down to a twentieth.

Each runs in a process of its own under a limit of its pool and a constant, in which the system's page cache
counts, so that what a peer's buffered reads leave there is memory that it pays for. At first the system
forgets the files; then comes one pass over all rows, and some batches, that nobody times. relhop places rows
as a store does: a pool that all of them fit is their own memory. Who takes longer than LONG seconds for
some batches is asked for no more of them.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import policies
from benchmarks.disk import relhop_rows
from benchmarks.disk.batches import Batches
from benchmarks.disk.device import Device, floor
from benchmarks.disk.matrix import Matrix
from benchmarks.disk.peers import MEMMAP, PEERS, absence
from benchmarks.disk.process import OutOfMemory, Process, alone, can_limit
from benchmarks.graphs import Array
from benchmarks.report import Row, row

RELHOP = "relhop"
CONSTANT = 1 << 30
"""Bytes beside the pool: Python, PyTorch, the batches on their way. The same for all."""
LONG = 20.0
"""Seconds after which a round ends with the batch that is read, and no other follows."""
_PIECE = 1 << 16
_PARTS = {MEMMAP: 50}
"""In so many parts a batch is read by who knows of rows alone; some of them can be timed."""


@dataclass(frozen=True)
class Task:
    """What is asked of every system.

    Attributes:
        matrix: Of which rows.
        folder: Where peers keep what they make of it.
        batches: Which rows.
        num_batches: As many that are not timed, then as many in each round.
        rounds: How often time is taken.
        shares: Of the matrix, that the pools have.
        device: The costs that relhop plans with.
    """

    matrix: Matrix
    folder: Path
    batches: Batches
    num_batches: int
    rounds: int
    shares: tuple[float, ...]
    device: Device


def pool_rows(task: Task) -> tuple[list[Row], list[str]]:
    """The table's lines, and notes about peers that are absent or failed."""
    missing = {name: absence(name) for name in PEERS}
    notes = [text for text in missing.values() if text is not None]
    peers = [name for name, text in missing.items() if text is None]
    if can_limit():
        notes.append(f"each process has its pool and {CONSTANT >> 20} MiB of memory, page cache and all")
    else:
        notes.append("no limit of memory can be set here: the page cache serves peers beyond their pools")
    for name in peers:
        alone(PEERS[name].prepare, task.matrix, task.folder)
    rows = []
    for share in task.shares:
        seconds = {}
        for name in (RELHOP, *peers):
            try:
                seconds[name] = measure(name, task, share)
            except (OutOfMemory, RuntimeError) as error:
                notes.append(f"{name} failed with a pool of {share:.0%}: {str(error).splitlines()[0]}")
        configuration = f"{task.matrix}, {task.batches}, a pool of {share:.0%}"
        rows += lines(configuration, seconds, least_seconds(task, share))
    return rows, notes


def lines(configuration: str, seconds: dict[str, list[float]], least: float) -> list[Row]:
    """A line a system; relhop's beside the best of the others, all beside the least time of the device."""
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    best = min((value for name, value in medians.items() if name != RELHOP), default=None)
    return [
        row(
            name,
            configuration,
            "ms a batch",
            [1e3 * value for value in values],
            ratio_to_peer=best / medians[name] if name == RELHOP and best is not None else None,
            ratio_to_limit=least / medians[name] if least else None,
        )
        for name, values in seconds.items()
    ]


def least_seconds(task: Task, share: float) -> float:
    """Seconds a batch that the device takes for what Belady's optimum does not have; 0 if it has all."""
    if share == 1:
        return 0.0
    batches = task.batches.first(task.num_batches * (1 + task.rounds))
    missed = policies.misses("Belady", batches, task.matrix.rows, int(share * task.matrix.rows))
    timed = missed[task.num_batches :]
    return floor(timed, task.matrix.row_bytes, task.device) / len(timed)


def measure(name: str, task: Task, share: float) -> list[float]:
    """Seconds a batch of each round.

    Raises:
        OutOfMemory: If the system ended the process.
    """
    pool_bytes = int(share * task.matrix.num_bytes)
    PEERS[MEMMAP if name == RELHOP else name].drop_cached(task.matrix, task.folder)
    with Process(pool_bytes + CONSTANT) as process:
        return process.call(_measured, name, task, pool_bytes)


def _measured(name: str, task: Task, pool_bytes: int) -> list[float]:
    matrix, count = task.matrix, task.num_batches
    read = _opened(name, task, pool_bytes)
    for first in range(0, matrix.rows, _PIECE):
        wanted = np.arange(first, min(first + _PIECE, matrix.rows))
        for found in read([wanted]):
            matrix.check(wanted, found)
    parts = _PARTS.get(name, 1)
    batches = task.batches.first(count * (1 + task.rounds))
    seconds: list[float] = []
    for number in range(0, len(batches), count):
        wanted = [part for batch in batches[number : number + count] for part in np.array_split(batch, parts)]
        begin, done, taken = time.perf_counter(), 0, 0.0
        for _ in read(wanted):
            done, taken = done + 1, time.perf_counter() - begin
            if taken > LONG:
                break
        seconds.append(taken * parts / done)
        if number and taken > LONG:
            break
    return seconds[1:]


def _opened(name: str, task: Task, pool_bytes: int) -> Callable[[list[Array]], Iterable[Array]]:
    """What reads batches, one after another."""
    if name == RELHOP:
        if pool_bytes >= task.matrix.num_bytes:
            table = relhop_rows.in_memory(task.matrix, mapped=False)[1]
        else:
            table = relhop_rows.on_disk(task.matrix, pool_bytes, task.device)[1]
        return lambda batches: relhop_rows.stream(table, task.matrix, batches)
    peer = PEERS[name](task.matrix, task.folder, pool_bytes)
    return lambda batches: map(peer.rows, batches)
