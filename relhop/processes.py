"""Several processes that train one model, each on its share of every batch (DistributedDataParallel).

The first is the user's own; the others are started beside it with all they need in a file, so a script
needs no launcher and no guard. A step averages gradients over all seeds of its batch, wherever they are, so
that the weights are those of one process, up to the rounding of sums.
"""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
import torch.distributed as dist
from lightning.pytorch.plugins.environments import TorchElasticEnvironment
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor, nn

from relhop.errors import TrainingError

READY = "relhop: ready"
"""What a started process says once it only waits for the others."""

_HOST = "127.0.0.1"
_PATIENCE = 10.0
"""Seconds that a process gets to end after the training."""

Work = Callable[[int], Any]
"""What a process does, given its number: pickled, so a function of a module and its arguments."""


def rank() -> int:
    """The number of this process, 0 where there is one alone."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def summed(values: Tensor) -> Tensor:
    """The sum over all processes, on each."""
    if world_size() > 1:
        dist.all_reduce(values)
    return values


def gathered(ids: Tensor, *values: Tensor) -> tuple[Tensor, ...]:
    """What all processes have of examples, on each, by ascending id, each example once.

    Args:
        ids: int64 [n], which examples.
        values: [n, ...] of each.
    """
    if world_size() == 1:
        return values
    parts: list[Any] = [None] * world_size()
    dist.all_gather_object(parts, tuple(part.cpu().numpy() for part in (ids, *values)))
    every, *columns = (np.concatenate(column) for column in zip(*parts, strict=True))
    _, first = np.unique(every, return_index=True)
    return tuple(torch.from_numpy(column[first]).to(ids.device) for column in columns)


def strategy(num_processes: int) -> DDPStrategy | str:
    """How Lightning is to train."""
    if num_processes == 1:
        return "auto"
    return DDPStrategy(
        cluster_environment=TorchElasticEnvironment(),
        find_unused_parameters=True,  # a batch may have no rows of a table
        broadcast_buffers=False,
    )


def require_importable(model: nn.Module) -> None:
    """Raises TrainingError if another process could not make sense of a module."""
    for module in model.modules():
        if type(module).__module__ == "__main__":
            raise TrainingError(
                f"training_job.num_processes is more than 1, but {type(module).__name__} is defined in the"
                " script that runs, where other processes do not find it; move it to a file of its own and"
                " import it"
            )


@contextmanager
def beside(work: Work, num_processes: int) -> Iterator[None]:
    """Runs `work(1)` to `work(num_processes - 1)` in processes of their own, meanwhile; here, too, torch then
    finds the others.

    Raises:
        TrainingError: If one of them failed, with the last that it said.
    """
    if num_processes == 1:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="relhop-") as folder:
        file = Path(folder) / "work.pickle"
        file.write_bytes(pickle.dumps(work))
        port = _free_port()
        started: list[_Process] = []
        before = dict(os.environ)
        try:
            for number in range(1, num_processes):
                started.append(_Process(file, number, _environment(number, num_processes, port)))
            for process in started:
                process.wait_until_ready()
            os.environ.update(_environment(0, num_processes, port))
            yield
            for process in started:
                process.finish()
        except Exception as error:
            for process in started:
                process.explain(error)
            raise
        finally:
            for process in started:
                process.kill()
            if dist.is_initialized():
                dist.destroy_process_group()
            os.environ.clear()
            os.environ.update(before)


class _Process:
    """One that was started."""

    def __init__(self, file: Path, number: int, environment: Mapping[str, str]) -> None:
        self._number = number
        self._said: IO[bytes] = (file.parent / f"said-{number}").open("w+b")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "relhop.processes", str(file), str(number)],
            env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            start_new_session=True,  # Ctrl-C is for the first process, which ends the others
        )

    def wait_until_ready(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.strip() == READY:
                return
        self._process.wait()
        raise TrainingError(self._failure())

    def finish(self) -> None:
        if self._process.wait(_PATIENCE):
            raise TrainingError(self._failure())

    def explain(self, error: Exception) -> None:
        """Raises in place of an error that followed from the end of this process."""
        if isinstance(error, TrainingError):
            return
        try:
            code = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            return
        if code:
            raise TrainingError(self._failure()) from error

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._said.close()

    def _failure(self) -> str:
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        last = lines[-1] if lines else f"it ended with {self._process.returncode}"
        return f"process {self._number} of the training failed: {last}"


def _environment(number: int, count: int, port: int) -> dict[str, str]:
    """How torch and Lightning find the others, as torchrun says it."""
    return {
        "MASTER_ADDR": _HOST,
        "MASTER_PORT": str(port),
        "RANK": str(number),
        "LOCAL_RANK": str(number),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "GROUP_RANK": "0",
    }


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((_HOST, 0))
        port: int = found.getsockname()[1]
        return port


def main() -> None:
    """The whole of a started process."""
    work: Work = pickle.loads(Path(sys.argv[1]).read_bytes())
    work(int(sys.argv[2]))


if __name__ == "__main__":
    main()
