"""Where the time of an epoch goes, so that one sees what to make faster."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from relhop.transfer import Batches

PHASES = ("loader", "forward", "backward", "validation")
"""What follows one another in an epoch: waiting for a batch, the network and its loss, gradients and the
optimiser's step, and at the end the validation split."""


class Timing(Callback):  # type: ignore[misc]
    """Measures the phases of an epoch, which follow one another without gaps.

    On a GPU, which works behind the program, phases are of the GPU's own time: `loader` is how long it had
    nothing to do before a batch arrived.

    Args:
        device: Where the network is.
        loader: What is learnt from.
    """

    def __init__(self, device: torch.device, loader: Batches) -> None:
        self._on_gpu, self._loader = device.type == "cuda", loader
        self._seconds: dict[str, float] = {}
        self._laps: list[tuple[str, Any]] = []
        self._before: dict[str, float] = {}
        self._began = time.monotonic()

    def take(self) -> dict[str, float]:
        """What an epoch took: `seconds`, of which the phases `seconds_loader`, `seconds_forward`,
        `seconds_backward` and `seconds_validation` are parts, and `seconds_<name>` of what ran beside them.
        """
        self._lap("other")
        self._add_up()
        taken = {"seconds": sum(self._seconds[name] for name in (*PHASES, "other") if name in self._seconds)}
        taken |= {f"seconds_{name}": value for name, value in self._seconds.items() if name != "other"}
        self._seconds = {}
        return taken

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        return len(self._loader)

    def __iter__(self) -> Iterator[Any]:
        """The loader's batches, where waiting for each is a phase."""
        batches = iter(self._loader)
        while True:
            self._lap("other")
            try:
                batch = next(batches)
            except StopIteration:
                return
            self._lap("loader")
            yield batch

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Starts the clock."""
        self._start()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Starts the clock anew."""
        self._start()

    def on_before_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor) -> None:
        """The loss is there."""
        self._lap("forward")

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        """The step is done."""
        self._lap("backward")

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The steps are over."""
        self._lap("other")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The metrics are there."""
        self._lap("validation")

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps: the seconds of the epoch so far."""
        self._add_up()
        return {"seconds": dict(self._seconds)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes up from a checkpoint."""
        self._seconds = dict(state_dict["seconds"])

    def _start(self) -> None:
        self._laps = [("", self._now())]
        self._before = dict(self._loader.seconds())

    def _lap(self, phase: str) -> None:
        """Says that the phase that was under way is over."""
        self._laps.append((phase, self._now()))

    def _now(self) -> Any:
        if not self._on_gpu:
            return time.monotonic()
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event

    def _add_up(self) -> None:
        """Adds what was measured since the last time."""
        if self._on_gpu:
            torch.cuda.synchronize()
        for (_, begin), (phase, end) in zip(self._laps, self._laps[1:], strict=False):
            span = begin.elapsed_time(end) / 1000 if self._on_gpu else end - begin
            self._seconds[phase] = self._seconds.get(phase, 0.0) + span
        self._laps = self._laps[-1:]
        now = dict(self._loader.seconds())
        for name, value in now.items():
            self._seconds[name] = self._seconds.get(name, 0.0) + value - self._before.get(name, 0.0)
        self._before = now


def described(seconds: Mapping[str, float]) -> str:
    """What `Timing.take` gave, in words: `4.1 s: loader 3 %, forward 40 %, ...`."""
    whole = seconds["seconds"]
    shares = [f"{name} {seconds.get(f'seconds_{name}', 0.0) / max(whole, 1e-9):.0%}" for name in PHASES]
    return f"{whole:.1f} s: {', '.join(shares)}".replace("%", " %")
