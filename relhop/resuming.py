"""What a run that is interrupted leaves behind, so that it can go on as if nothing had happened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Checkpoint, EarlyStopping
from lightning.pytorch.plugins.io import TorchCheckpointIO

from relhop.whole_file import whole_file

LAST_CHECKPOINT = Path("checkpoints") / "last.ckpt"
"""In a run's folder: the newest state that was kept."""

BEST_CHECKPOINT = Path("checkpoints") / "best.ckpt"
"""In a run's folder: the weights after the best epoch so far."""


class LastCheckpoint(Checkpoint):  # type: ignore[misc]
    """Keeps the newest state, after each epoch and some steps.

    Args:
        path: Where; an older state there is replaced.
        every: After so many steps of an epoch; `None`: after the epoch alone.
    """

    def __init__(self, path: Path, every: int | None) -> None:
        self._path, self._every = path, every

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Writes the state in the middle of an epoch; at its end there is one anyway."""
        done = batch_idx + 1
        if self._every is not None and done % self._every == 0 and done < trainer.num_training_batches:
            trainer.save_checkpoint(self._path)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Writes the state after an epoch."""
        trainer.save_checkpoint(self._path)


class WholeFiles(TorchCheckpointIO):  # type: ignore[misc]
    """Checkpoints that are there whole; see `relhop.whole_file`."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Writes beside the place of the file, and then exchanges them."""
        with whole_file(path) as file:
            torch.save(checkpoint, file)


class Patience(EarlyStopping):  # type: ignore[misc]
    """Early stopping that stays so: a run that is resumed after its last epoch adds none."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stops where patience was over before the interruption."""
        if self.wait_count >= self.patience:
            trainer.should_stop = True
