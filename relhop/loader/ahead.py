"""Batches made ahead of their use by native threads, in place of worker processes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from relhop._native import Pipeline
from relhop.pyg.sampler import Request


def made_ahead(pipeline: Pipeline, requests: Iterable[Request]) -> Iterator[tuple[Request, dict[str, Any]]]:
    """Requests with what the pipeline made of them, in their order; closes it, also where it is left early.

    Args:
        pipeline: What samples and gathers; of its batches as many as it holds are asked for ahead.
        requests: The seeds of the batches; taken in this thread.
    """
    waiting: deque[Request] = deque()
    try:
        for request in requests:
            pipeline.put(request.tables, request.rows, request.times)
            waiting.append(request)
            if len(waiting) >= pipeline.capacity:
                yield waiting.popleft(), _next(pipeline)
        while waiting:
            yield waiting.popleft(), _next(pipeline)
    finally:
        pipeline.close()


def _next(pipeline: Pipeline) -> dict[str, Any]:
    batch = pipeline.next()
    assert batch is not None, "a batch was put"
    return batch
