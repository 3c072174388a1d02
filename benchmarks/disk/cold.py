"""Rows that are on disk and nowhere else: relhop's batches beside the cost model's floor.

The pool has room for what the floor may hold: the rows of the batches that are looked ahead at, up to a
limit. Batches are of rows that are all alike. fio measures the device before and after each pass; the floor
takes the mean.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.disk import relhop_rows
from benchmarks.disk.batches import Batches
from benchmarks.disk.device import Device, floor, mean, measure
from benchmarks.disk.matrix import Matrix
from benchmarks.disk.process import Process
from benchmarks.report import Row, row

LONG = 8.0
"""Seconds after which a line has no other pass."""
_BOOKKEEPING = 37
"""Bytes that relhop's pool takes for a row besides its own."""
_CHECKED = 10_000


@dataclass(frozen=True)
class Pass:
    """Some batches, read once.

    Attributes:
        seconds: From asking for the first to having the last.
        records: Different rows that were read for them.
        reads: Of the device.
        bytes: Of those reads.
    """

    seconds: float
    records: int
    reads: int
    bytes: int


@dataclass(frozen=True)
class Task:
    """A line of the table.

    Attributes:
        matrix: Of which rows.
        batches: Which rows.
        num_batches: In a pass.
        look_ahead: How many of them are foreseen.
        memory: Bytes of rows that the floor's window, or relhop's pool, may hold.
    """

    matrix: Matrix
    batches: Batches
    num_batches: int
    look_ahead: int
    memory: int

    def __str__(self) -> str:
        return f"{self.matrix}, {self.batches.size:,} rows a batch, look-ahead {self.look_ahead}"

    @property
    def pool_bytes(self) -> int:
        """Of relhop's pool."""
        most = self.memory // self.matrix.row_bytes
        rows = min(self.look_ahead * self.batches.size, most, self.matrix.rows)
        return rows * (self.matrix.row_bytes + _BOOKKEEPING)

    def floors(self, devices: list[Device]) -> list[float]:
        """Seconds of a pass, at the least, on each device."""
        batches, row_bytes = self.batches.first(self.num_batches), self.matrix.row_bytes
        return [
            floor(batches, row_bytes, device, look_ahead=self.look_ahead + 1, memory=self.memory, keeps=True)
            for device in devices
        ]


def cold_rows(tasks: list[Task], rounds: int, fio_seconds: float) -> Iterator[Row]:
    """The lines of all tasks, each of so many passes, or of as many as LONG seconds have room for."""
    path = tasks[0].matrix.path
    before = measure(path, fio_seconds)
    with Process() as process:
        for task in tasks:
            passes: list[Pass] = []
            devices: list[Device] = []
            while len(passes) < rounds and sum(done.seconds for done in passes) < LONG:
                passes.append(process.call(run, task, before))
                after = measure(path, fio_seconds)
                devices.append(mean([before, after]))
                before = after
            yield from lines(task, passes, devices)


def run(task: Task, device: Device) -> Pass:
    """One pass, behind a pool that is empty at first."""
    records, table = relhop_rows.on_disk(task.matrix, task.pool_bytes, device)
    batches = task.batches.first(task.num_batches)
    begin = time.perf_counter()
    found = relhop_rows.stream(table, task.matrix, batches, look_ahead=task.look_ahead)
    some = slice(None, None, -(-task.batches.size // _CHECKED))
    first = next(found)[some].copy()
    for _ in found:
        pass
    seconds = time.perf_counter() - begin
    task.matrix.check(batches[0][some], first)
    stats = records.stats()
    return Pass(seconds, int(stats["records"]), int(stats["reads"]), int(stats["bytes"]))


def lines(task: Task, passes: list[Pass], devices: list[Device]) -> list[Row]:
    """What passes took, each beside the floor by the device as it was around it."""
    floors = task.floors(devices)
    shares = [least / done.seconds for least, done in zip(floors, passes, strict=True)]
    num_rows = task.num_batches * task.batches.size
    return [
        row("floor", str(task), "ms a batch", [1e3 * least / task.num_batches for least in floors]),
        row(
            "relhop",
            str(task),
            "ms a batch",
            [1e3 * done.seconds / task.num_batches for done in passes],
            ratio_to_limit=statistics.median(shares),
        ),
        row("relhop", str(task), "rows/s", [num_rows / done.seconds for done in passes]),
        row("relhop", str(task), "rows a read", [done.records / max(done.reads, 1) for done in passes]),
        row(
            "relhop",
            str(task),
            "share of fio's reads/s",
            [done.reads / done.seconds / device.iops for done, device in zip(passes, devices, strict=True)],
        ),
        row(
            "relhop",
            str(task),
            "share of fio's bytes/s",
            [
                done.bytes / done.seconds / device.bytes_per_second
                for done, device in zip(passes, devices, strict=True)
            ],
        ),
    ]
