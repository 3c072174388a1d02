"""The training loop: a network and two streams of batches -> the weights of the best epoch. Runs on
Lightning.

Everything random in a step is keyed by the seed, the epoch and the step, so that a run that is interrupted
and resumed ends with the same weights as one that is not.
"""

from __future__ import annotations

import logging
import math
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, RichProgressBar
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch_geometric.data import HeteroData
from torchmetrics import MeanMetric

from relhop.checkpoint import Task
from relhop.errors import TrainingError
from relhop.history import History
from relhop.loader import SeedLoader
from relhop.loader.hot_rows import HotRows
from relhop.loggers import open_loggers
from relhop.losses import LossFunction
from relhop.metrics import HORIZON, SMALLER_IS_BETTER, compute_metrics
from relhop.plan import ModelPlan
from relhop.predictor import to_scores, torch_threads
from relhop.processes import gathered, strategy, summed, world_size
from relhop.resuming import BEST_CHECKPOINT, LAST_CHECKPOINT, LastCheckpoint, Patience, WholeFiles
from relhop.schedules import plateau, step_schedule
from relhop.timing import Timing
from relhop.transfer import Batches, copied_ahead

_PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}
"""By what Lightning calls them."""


@dataclass(frozen=True)
class Course:
    """How one run goes.

    Attributes:
        plan: Optimiser, epochs, seed.
        task: What is predicted.
        monitor: The validation metric by which the best epoch is chosen.
        folder: Where logs and checkpoints go; a checkpoint found there is gone on from.
        accelerator: As Lightning names them: `auto`, `cpu`, `gpu`.
        progress: Whether to show it.
        callbacks: What else hears of the training: callbacks of Lightning.
        epochs: How many to train for, without a validation split, to keep the last one's weights; `None`: as
            many as the plan says at most, to keep the best one's.
        number: Which of the plan's processes this is.
    """

    plan: ModelPlan
    task: Task
    monitor: str
    folder: Path
    accelerator: str
    progress: bool
    callbacks: tuple[Callback, ...] = ()
    epochs: int | None = None
    number: int = 0

    @property
    def mode(self) -> Literal["min", "max"]:
        """Whether small or large values of the monitored metric are good."""
        return "min" if self.monitor in SMALLER_IS_BETTER else "max"

    @property
    def best_by(self) -> str:
        """What the best epoch is chosen by, as it is logged: the monitored metric; where a quantile is asked
        for, which no metric tells, the loss.
        """
        is_quantile = self.plan.optimization.loss == "quantile" and self.plan.optimization.quantile != 0.5
        return "val_loss" if is_quantile else f"val_{self.monitor}"


class Epochs(Batches, Protocol):
    """Batches to learn from, in epochs."""

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Chooses order and draws, and the batch that comes first."""
        ...


class Fitted(pl.LightningModule):  # type: ignore[misc]
    """A network while it is trained: its optimiser, and the keys of its epochs.

    Args:
        model: The network.
        course: How the run goes.
        train_loader: Its order and draws are set anew for each epoch.
    """

    def __init__(self, model: nn.Module, course: Course, train_loader: Epochs) -> None:
        super().__init__()
        self.model = model
        self._course, self._train_loader = course, train_loader
        self._plateau: ReduceLROnPlateau | None = None
        self._found_plateau: dict[str, Any] | None = None
        self._train_loss = MeanMetric(sync_on_compute=False)
        self._train_loss.persistent(True)

    def on_train_epoch_start(self) -> None:
        """Keys the epoch's order and draws; forgets the loss of the last, which a resumed run still has."""
        self._train_loss.reset()
        self._train_loader.set_epoch(self.current_epoch)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Keys the step's dropout."""
        seed, number = self._course.plan.training_job.seed, self._course.number
        others = (number,) if number else ()
        key = np.random.SeedSequence([seed, self.current_epoch, batch_idx], spawn_key=others)
        torch.manual_seed(int(key.generate_state(1)[0]))

    def on_train_epoch_end(self) -> None:
        """Lowers the learning rate where it waits for a plateau."""
        metric = self.trainer.callback_metrics.get(self._course.best_by)
        if self._plateau is not None and metric is not None:
            self._plateau.step(float(metric))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds the place in the epoch."""
        done = self.trainer.fit_loop.epoch_loop.batch_progress.current.processed
        checkpoint["place"] = {"epoch": self.current_epoch, "batch": done}
        checkpoint["plateau"] = None if self._plateau is None else self._plateau.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Begins where the interrupted epoch was left."""
        self._train_loader.set_epoch(checkpoint["place"]["epoch"], start=checkpoint["place"]["batch"])
        self._found_plateau = checkpoint["plateau"]

    def log_training(self, loss: Tensor, batch_size: int) -> Tensor:
        """Logs the loss of a step, which all processes know, and returns it.

        Raises:
            TrainingError: If it is not finite.
        """
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the training loss became {loss.item()} in epoch {self.current_epoch + 1}; try a smaller"
                " optimization.base_lr, and look for extreme labels"
            )
        self._train_loss.update(loss.detach(), batch_size)
        self.log(
            "train_loss", self._train_loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=batch_size
        )
        return loss

    def log_validation(self, metrics: Mapping[str, float], batch_size: int) -> None:
        """Logs the metrics of the validation split that it can tell."""
        for name, value in metrics.items():
            if not math.isnan(value):
                shown = name == self._course.monitor
                value32 = torch.tensor(value, dtype=torch.float32)
                self.log(f"val_{name}", value32, prog_bar=shown, batch_size=batch_size)

    def configure_optimizers(self) -> dict[str, Any]:
        """AdamW with the plan's course of the learning rate, a step at a time."""
        settings = self._course.plan.optimization
        optimizer = torch.optim.AdamW(
            self.parameters(), lr=settings.base_lr, weight_decay=settings.weight_decay
        )
        total = settings.max_epochs * len(self._train_loader)
        scheduler = step_schedule(optimizer, self._course.plan, total)
        self._plateau = plateau(optimizer, self._course.plan, self._course.mode)
        if self._plateau is not None and self._found_plateau is not None:
            self._plateau.load_state_dict(self._found_plateau)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class Fitting(Fitted):
    """A network that maps a batch to [B, out_channels] while it is trained; see `Fitted`."""

    def __init__(self, model: nn.Module, course: Course, train_loader: SeedLoader) -> None:
        super().__init__(model, course, train_loader)
        self._batches = train_loader
        self._loss = LossFunction(course.plan, course.task, train_loader.table)
        self._seen: list[tuple[Tensor, Tensor, Tensor]] = []

    def training_step(self, batch: HeteroData, batch_idx: int) -> Tensor:
        """The loss of one batch."""
        seeds = batch[self._course.task.entity_table]
        each = self._loss.each(self.model(batch), seeds.y)
        weight = seeds.weight if "weight" in seeds else torch.ones_like(each)
        whole, weights = summed(torch.stack([(each.detach() * weight).sum(), weight.sum()]))
        weights = weights.clamp(min=torch.finfo(weights.dtype).tiny)
        before = batch_idx * self._batches.batch_size
        size = min(self._batches.batch_size, self._batches.num_examples - before)
        self.log_training(whole / weights, size)
        own: Tensor = (each * weight).sum() / weights
        return own * world_size()  # for gradients of processes are averaged

    def validation_step(self, batch: HeteroData, _: int) -> None:
        """Keeps outputs and labels, for metrics are of the whole split."""
        seeds = batch[self._course.task.entity_table]
        self._seen.append((seeds.input_id, self.model(batch), seeds.y))

    def on_validation_epoch_end(self) -> None:
        """Logs loss and metrics of the validation split."""
        outputs, target = gathered(*(torch.cat(parts) for parts in zip(*self._seen, strict=True)))
        self._seen = []
        task = self._course.task
        scores = to_scores(outputs, task)
        metrics = compute_metrics(
            task.task_type, scores if task.has_columns else scores[:, 0], target.cpu().numpy()
        )
        self.log("val_loss", self._loss(outputs, target), batch_size=len(target))
        whole = {name: value for name, value in metrics.values.items() if HORIZON not in name}
        self.log_validation(whole, len(target))


def fit_weights(
    fitted: Fitted, course: Course, train_loader: Epochs, val_loader: SeedLoader
) -> list[dict[str, float]]:
    """Trains a network and leaves it with the weights of its best epoch, or of the last of `course.epochs`.

    Torch's random state is left as it was.

    Args:
        fitted: The network, changed in place, and what its steps minimise.
        course: How the run goes.
        train_loader: Batches to learn from.
        val_loader: Batches to choose the best epoch by.

    Returns:
        An entry per epoch; see `History`.

    Raises:
        KeyboardInterrupt: If the user stops it; the run can be resumed.
    """
    settings, job = course.plan.optimization, course.plan.training_job
    is_validated = course.epochs is None
    interactive = course.progress and sys.stdout.isatty()
    best = ModelCheckpoint(
        dirpath=course.folder / BEST_CHECKPOINT.parent,
        filename=BEST_CHECKPOINT.stem,
        monitor=course.best_by if is_validated else None,
        mode=course.mode,
        save_weights_only=True,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    last = course.folder / LAST_CHECKPOINT
    callbacks = [*course.callbacks, best, LastCheckpoint(last, job.checkpoint_every)]
    if settings.early_stopping is not None and is_validated:
        callbacks.append(Patience(course.best_by, mode=course.mode, patience=settings.early_stopping))
    if interactive:
        callbacks.append(RichProgressBar())
    with _quiet(), torch.random.fork_rng(), _interruptible(), torch_threads(course.plan):
        trainer = pl.Trainer(
            accelerator=course.accelerator,
            devices=job.num_processes,
            strategy=strategy(job.num_processes),
            use_distributed_sampler=False,
            max_epochs=course.epochs or settings.max_epochs,
            limit_val_batches=1.0 if is_validated else 0,
            gradient_clip_val=settings.gradient_clip,
            callbacks=callbacks,
            plugins=[WholeFiles()],
            precision=_PRECISIONS[job.precision],
            logger=open_loggers(course.plan, course.folder) if course.number == 0 else False,
            log_every_n_steps=1,
            num_sanity_val_steps=0,
            enable_model_summary=False,
            enable_progress_bar=interactive,
        )
        device = trainer.strategy.root_device
        batches: Batches = train_loader
        hot = None
        if isinstance(train_loader, SeedLoader):
            if job.device_cache_size and device.type != "cpu":
                hot = HotRows(train_loader, device, job.device_cache_size)
            batches = copied_ahead(train_loader, device, hot)
        timing = Timing(device, batches)
        history = History(f"val_{course.monitor}", timing, printed=course.progress and not interactive)
        trainer.callbacks[:0] = [timing, history]
        trainer.fit(
            fitted,
            timing,
            copied_ahead(val_loader, device, hot),
            ckpt_path=last if last.exists() else None,
            weights_only=True,
        )
    kept = torch.load(course.folder / BEST_CHECKPOINT, map_location="cpu", weights_only=True)["state_dict"]
    prefix = "model."
    weights = {name[len(prefix) :]: weight for name, weight in kept.items() if name.startswith(prefix)}
    fitted.model.cpu().load_state_dict(weights)
    return history.entries


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps Lightning's notices about hardware, and its hints that do not apply, to itself."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\..*")
            warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C reaches the caller as a KeyboardInterrupt, where Lightning would end the process and ignore the
    next one.
    """
    in_main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT) if in_main else None
    try:
        yield
    except SystemExit as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
    finally:
        if in_main:
            signal.signal(signal.SIGINT, handler)
