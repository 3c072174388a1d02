"""Links on disk: edges sampled a second beside what the device's reads allow at the measured hit rate."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from benchmarks.disk.device import Device, mean, measure
from benchmarks.disk.graph_rows import GraphFiles
from benchmarks.disk.process import Process
from benchmarks.report import Row, row

RELHOP = "relhop"


def paged_rows(files: GraphFiles, share: float, count: int, rounds: int, fio_seconds: float) -> list[Row]:
    """The table's lines: a pool of a share of the links' bytes, on one thread and on two."""
    rows = []
    path = files.matrix.path
    for threads in (1, 2):
        passes, devices = [], []
        before = measure(path, fio_seconds)
        with Process() as process:
            for _ in range(rounds):
                passes.append(process.call(sample, files, share, count, threads, before))
                after = measure(path, fio_seconds)
                devices.append(mean([before, after]))
                before = after
        plural = "s" * (threads > 1)
        configuration = f"{files.case}, links on disk, a pool of {share:.0%}, {threads} thread{plural}"
        rows += lines(configuration, passes, devices)
    return rows


def sample(files: GraphFiles, share: float, count: int, threads: int, device: Device) -> dict[str, float]:
    """Samples batches, of which the first half warms the pool; what the second half took."""
    pool, topology = files.paged_topology(int(share * files.topology_bytes), device)
    options, seeds = files.options(), files.seeds(2 * count).reshape(2 * count, -1)

    def edges(rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> int:
        tables, times = np.zeros(len(rows), np.uint32), np.full(len(rows), np.iinfo(np.int64).max)
        return len(topology.sample(options, tables, rows, times)["edges"][0]["source"])

    with ThreadPoolExecutor(threads) as executor:
        list(executor.map(edges, seeds[:count]))
        before, begin = pool.stats(), time.perf_counter()
        found = sum(executor.map(edges, seeds[count:]))
        seconds = time.perf_counter() - begin
    done = {name: value - before[name] for name, value in pool.stats().items()}
    return {"edges": found, "elapsed": seconds, **done}


def lines(configuration: str, passes: list[dict[str, float]], devices: list[Device]) -> list[Row]:
    """Edges a second, beside as many as the device's reads of what the pool did not have allow."""
    rates = [done["edges"] / done["elapsed"] for done in passes]
    limits = [
        done["edges"] * device.iops / max(done["misses"], 1)
        for done, device in zip(passes, devices, strict=True)
    ]
    share = [rate / limit for rate, limit in zip(rates, limits, strict=True)]
    hits = [done["hits"] / max(done["hits"] + done["misses"], 1) for done in passes]
    return [
        row(RELHOP, configuration, "edges/s", rates, ratio_to_limit=sorted(share)[len(share) // 2]),
        row("device", configuration, "edges/s that its reads/s allow", limits),
        row(RELHOP, configuration, "hit rate of pages", hits),
    ]
