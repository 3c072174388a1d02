"""Batches sampled ahead of their use by native threads, in place of worker processes."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from relhop.pyg.sampler import NeighborSampler, Request


def sampled_ahead(
    sampler: NeighborSampler, requests: Iterable[Request], random_seed: int, num_threads: int, ahead: int
) -> Iterator[tuple[Request, dict[str, list[dict[str, Any]]]]]:
    """Requests with what the sampler found for them, in their order.

    Args:
        sampler: What samples.
        requests: The seeds of the batches; taken in this thread, `ahead` batches before they are used.
        random_seed: Key of the draws.
        num_threads: Batches that are sampled at once.
        ahead: Batches that are sampled or wait beyond the one in use; 0: no threads.
    """
    if not ahead:
        for request in requests:
            yield request, sampler.sample(request, random_seed)
        return
    waiting: deque[tuple[Request, Future[Any]]] = deque()
    threads = ThreadPoolExecutor(num_threads, thread_name_prefix="relhop")
    try:
        for request in requests:
            waiting.append((request, threads.submit(sampler.sample, request, random_seed)))
            if len(waiting) > ahead:
                first, found = waiting.popleft()
                yield first, found.result()
        for first, found in waiting:
            yield first, found.result()
    finally:
        threads.shutdown(cancel_futures=True)


def usable_cpus() -> int:
    """Processors that this process may run on."""
    return len(os.sched_getaffinity(0))
