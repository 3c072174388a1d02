"""What a device can do, as fio says it; and the least time in which it can give some rows.

The cost model: a read of n bytes takes 1 / reads_per_second + n / bytes_per_second of the device's time. Its
optimum for sorted rows merges two neighbors wherever the bytes between them cost less than another read, as
costs add up and no gap depends on another; the sweep over all is what that becomes when every gap is cheap.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.graphs import Array
from relhop import _native

BLOCK = 4096
DEPTH = 256
ENGINES = ("io_uring", "libaio")


@dataclass(frozen=True)
class Device:
    """A device's two numbers.

    Attributes:
        iops: Random reads of a block of 4 KiB each second, at full depth.
        bytes_per_second: Read one after another.
        source: Who measured them.
    """

    iops: float
    bytes_per_second: float
    source: str

    @property
    def seconds_per_read(self) -> float:
        """What a read costs beside its bytes."""
        return max(1 / self.iops - BLOCK / self.bytes_per_second, 1e-9)

    @property
    def cheap_gap(self) -> float:
        """Bytes that cost as much as another read."""
        return self.seconds_per_read * self.bytes_per_second

    def __str__(self) -> str:
        return (
            f"{self.iops:,.0f} random reads of 4 KiB a second at depth {DEPTH},"
            f" {self.bytes_per_second / 1e9:.2f} GB/s in sequence ({self.source});"
            f" a read costs as much as {self.cheap_gap / 1024:.0f} KiB"
        )


FAST_DRIVE = Device(800_000, 7e9, "assumed: a local NVMe drive")


@dataclass(frozen=True)
class Plan:
    """Reads and bytes of a device, and the seconds that they cost it."""

    reads: int
    bytes: int
    seconds: float


def best_plan(rows: Array, row_bytes: int, device: Device) -> Plan:
    """The cheapest way to read distinct, ascending rows [N] of a file, in whole blocks."""
    if not len(rows):
        return Plan(0, 0, 0.0)
    first, last = rows * row_bytes // BLOCK, ((rows + 1) * row_bytes - 1) // BLOCK
    gaps = np.maximum(first[1:] - last[:-1] - 1, 0)
    skipped = gaps[gaps * BLOCK > device.cheap_gap]
    reads, blocks = 1 + len(skipped), int(last[-1] - first[0] + 1 - skipped.sum())
    return Plan(
        reads, blocks * BLOCK, reads * device.seconds_per_read + blocks * BLOCK / device.bytes_per_second
    )


def floor(
    batches: Sequence[Array],
    row_bytes: int,
    device: Device,
    *,
    look_ahead: int = 1,
    memory: float = np.inf,
    keeps: bool = False,
) -> float:
    """Seconds of the device for all batches, if those of a window are read at once and each row once.

    Args:
        batches: Of each, the distinct rows that it wants, in any order.
        row_bytes: Of one row.
        device: Its costs.
        look_ahead: How many batches a window has.
        memory: A window ends before its batches' rows take more bytes than this, too; one batch always fits.
        keeps: Whether what the window before had is kept, and costs nothing.
    """
    seconds = 0.0
    before = np.empty(0, np.int64)
    for window in windows(batches, row_bytes, look_ahead, memory):
        wanted = np.unique(np.concatenate(window))
        seconds += best_plan(np.setdiff1d(wanted, before, assume_unique=True), row_bytes, device).seconds
        before = wanted if keeps else before
    return seconds


def windows(
    batches: Sequence[Array], row_bytes: int, look_ahead: int, memory: float
) -> Iterator[Sequence[Array]]:
    """The batches in runs of `look_ahead`, or of as many as fit the memory."""
    begin = 0
    while begin < len(batches):
        end, taken = begin, 0
        while end < min(begin + look_ahead, len(batches)):
            taken += len(batches[end]) * row_bytes
            if taken > memory and end > begin:
                break
            end += 1
        yield batches[begin:end]
        begin = end


def measure(path: Path, seconds: float) -> Device:
    """The device under a file, by fio, half of the time each for random and for sequential reads.

    Without fio it is relhop's own probe that measures.
    """
    if shutil.which("fio") is None:
        iops, bytes_per_second, is_measured = _native.probe(str(path), seconds)
        what = "own probe" if is_measured else "assumption for small files"
        return Device(iops, bytes_per_second, f"relhop's {what}, as fio is absent")
    for engine in ENGINES:
        try:
            random = _fio(path, engine, seconds / 2, "--rw=randread", f"--bs={BLOCK}", f"--iodepth={DEPTH}")
            sequential = _fio(path, engine, seconds / 2, "--rw=read", "--bs=1m", "--iodepth=16")
        except subprocess.CalledProcessError:
            continue
        return Device(random["iops"], sequential["bw_bytes"], f"fio, {engine}")
    raise RuntimeError(f"fio reads {path} with none of {', '.join(ENGINES)}")


def mean(devices: Sequence[Device]) -> Device:
    """One device whose reads and bytes take as long as those of several measurements together."""
    iops, rate = (
        len(devices) / sum(1 / getattr(device, name) for device in devices)
        for name in ("iops", "bytes_per_second")
    )
    return Device(iops, rate, devices[0].source)


def _fio(path: Path, engine: str, seconds: float, *options: str) -> dict[str, float]:
    """The figures of fio's reads of a file, past the page cache."""
    done = subprocess.run(
        [
            "fio", "--name=limit", f"--filename={path}", f"--ioengine={engine}", "--direct=1", "--readonly",
            "--time_based", f"--runtime={max(1, round(1000 * seconds))}ms", "--norandommap", "--randrepeat=0",
            "--output-format=json", *options,
        ],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    # fio may put warnings before the JSON.
    read: dict[str, float] = json.loads(done.stdout[done.stdout.index("{") :])["jobs"][0]["read"]
    return read
