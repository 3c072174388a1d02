"""One system, one graph, a process of their own: rounds of batches, timed.

A process a system keeps their memory apart, and lets a peer run with the C library's huge pages, which are
asked for when a process starts. Processes stay, so that rounds of all systems take turns and a noisy minute
hurts all alike.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from types import TracebackType
from typing import Protocol, TypeAlias

import numpy as np

from benchmarks.cases import Case, seeds
from benchmarks.graphs import Graph, load
from benchmarks.limits import ReplayLimit
from benchmarks.native import Relhop
from benchmarks.peers import PEERS, System, Work, open_peer
from benchmarks.traces import Trace, by_blocks, trace

HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
LIMIT = "replay"

Batch: TypeAlias = tuple[float, float, int]
"""When it began, when it ended, and how many edges were sampled."""


class Barrier(Protocol):
    """Of threads or of processes."""

    def wait(self) -> int:
        """Until all are here."""


@dataclass(frozen=True)
class Round:
    """What one pass over some batches took.

    Attributes:
        seconds: Of the whole pass.
        batches: Seconds of each batch.
        edges: Sampled in all.
        seeds: Of all batches.
        peak_bytes: Of resident memory, the graph's included.
    """

    seconds: float
    batches: list[float]
    edges: int
    seeds: int
    peak_bytes: int


class Worker:
    """A process that measures one system.

    Args:
        system: `relhop`, `replay` or a peer's name.
        data: Where graphs are kept.
        environment: Variables that the process starts with, beside this one's.
    """

    def __init__(self, system: str, data: Path, environment: dict[str, str]) -> None:
        self._system = system
        self._data = data
        kept = {name: os.environ.get(name) for name in environment}
        os.environ.update(environment)
        try:
            self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
            self._pool.submit(os.getpid).result()
        finally:
            for name, value in kept.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()

    def round(self, case: Case, num_batches: int, num_threads: int, *, split: bool = False) -> Round | None:
        """A pass over the batches, each thread its own or, `split`, all threads the same one.

        Returns:
            `None` where the system does not do the case.
        """
        measured = _limit_round if self._system == LIMIT else _round
        arguments = (self._system, self._data, case, num_batches, num_threads, split)
        return self._pool.submit(measured, *arguments).result()


def _round(
    system: str, data: Path, case: Case, num_batches: int, num_threads: int, split: bool
) -> Round | None:
    opened, _ = _open(system, case.graph, data)
    if isinstance(opened, Relhop):
        opened.num_threads = num_threads if split else 1
    batches = _batches(system, data, case, num_batches)
    if batches is None:
        return None
    workers = 1 if split else num_threads
    shares = [batches[worker::workers] for worker in range(workers)]
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak of resident memory so far
    done = (_in_processes if system in PEERS else _in_threads)(shares)
    times = [batch for of_worker in done for batch in of_worker]
    return Round(
        max(end for _, end, _ in times) - min(begin for begin, _, _ in times),
        [end - begin for begin, end, _ in times],
        sum(edges for _, _, edges in times),
        case.batch_size * num_batches,
        _peak_bytes(),
    )


def _in_threads(shares: list[Sequence[Work]]) -> list[list[Batch]]:
    barrier = threading.Barrier(len(shares))
    return list(_threads().map(lambda share: _pass(share, barrier), shares))


def _in_processes(shares: list[Sequence[Work]]) -> list[list[Batch]]:
    """The same in processes that share the graph: PyTorch has one generator a process, behind a lock."""
    if len(shares) == 1:
        return _in_threads(shares)
    fork = multiprocessing.get_context("fork")
    barrier, results = fork.Barrier(len(shares)), fork.SimpleQueue()

    def run(share: Sequence[Work]) -> None:
        results.put(_pass(share, barrier))

    processes = [fork.Process(target=run, args=(share,)) for share in shares]
    for process in processes:
        process.start()
    done = [results.get() for _ in processes]
    for process in processes:
        process.join()
    return done


def _pass(share: Sequence[Work], barrier: Barrier) -> list[Batch]:
    """Two batches to warm up, then all of them, starting when every worker does."""
    for work in share[:2]:
        work()
    barrier.wait()
    return [_timed(work) for work in share]


def _limit_round(
    system: str, data: Path, case: Case, num_batches: int, num_threads: int, split: bool
) -> Round:
    limit = _limit(data, case, num_batches)
    rate = limit.edges_a_second(num_threads)
    edges = sum(of_batch.num_edges for of_batch in limit.traces)
    return Round(edges / rate, [], edges, case.batch_size * num_batches, _peak_bytes())


def _timed(work: Work) -> Batch:
    begin = time.perf_counter()
    edges = work()
    return begin, time.perf_counter(), edges


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(2)


@lru_cache(maxsize=1)
def _open(system: str, graph: str, data: Path) -> tuple[System, Graph]:
    """A system with a graph; and the graph's tables alone, as its arrays are not to count as the system's."""
    loaded = load(graph, data)
    opened = open_peer(system, loaded) if system in PEERS else Relhop(loaded)
    return opened, Graph(loaded.tables, [])


@lru_cache(maxsize=1)
def _batches(system: str, data: Path, case: Case, num_batches: int) -> Sequence[Work] | None:
    opened, graph = _open(system, case.graph, data)
    works = [opened.prepare(case, seeds(case, graph, number), number) for number in range(num_batches)]
    return None if None in works else [work for work in works if work is not None]


@lru_cache(maxsize=1)
def _limit(data: Path, case: Case, num_batches: int) -> ReplayLimit:
    graph = load(case.graph, data)
    sampler = Relhop(graph)
    orders: dict[str, list[Trace]] = {"hop by hop": []}
    for number in range(num_batches):
        of_batch = seeds(case, graph, number)
        sample = sampler.sample(case, of_batch, number)
        traced = trace(graph, sample, of_batch.times if case.timed else None)
        orders["hop by hop"].append(traced)
        if case.disjoint:
            orders.setdefault("32 seeds a block", []).append(by_blocks(traced, sample, graph, 32))
    return ReplayLimit(graph, orders, disjoint=case.disjoint)


def _peak_bytes() -> int:
    found = re.search(r"^VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def percentile(values: Sequence[float], percent: float) -> float:
    return float(np.percentile(values, percent))
