"""The course of a training run, an entry an epoch."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from relhop.timing import Timing, described


class History(Callback):  # type: ignore[misc]
    """The course of training, an entry an epoch; kept across interruptions, printed a line an epoch if asked.

    Args:
        monitor: The name in an entry of the metric by which the best epoch is chosen.
        timing: What measured where the time goes.
        printed: Whether to print.

    Attributes:
        entries: Per epoch `epoch` (from 1), `train_loss`, `val_loss`, `val_<metric>`, and the seconds of
            `Timing.take`.
    """

    def __init__(self, monitor: str, timing: Timing, *, printed: bool) -> None:
        self.entries: list[dict[str, float]] = []
        self._monitor, self._timing, self._printed = monitor, timing, printed

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Adds the epoch."""
        entry: dict[str, float] = {"epoch": trainer.current_epoch + 1}
        entry |= {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
        seconds = self._timing.take()
        entry |= seconds
        self.entries.append(entry)
        if self._printed:
            shown = (name for name in ("train_loss", "val_loss", self._monitor) if name in entry)
            values = ", ".join(f"{name.replace('_', ' ')} {entry[name]:.4f}" for name in dict.fromkeys(shown))
            print(f"epoch {entry['epoch']}: {values} ({described(seconds)})", flush=True)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"entries": self.entries}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes up from a checkpoint."""
        self.entries = list(state_dict["entries"])
