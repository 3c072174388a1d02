"""The training loop: a network and two streams of batches -> the weights of the best epoch. Runs on
Lightning.

Everything random in an epoch is keyed by the seed and the epoch's number, so that a run that is interrupted
and resumed ends with the same weights as one that is not.
"""

from __future__ import annotations

import logging
import math
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.data import HeteroData

from relhop.checkpoint import Task
from relhop.errors import PlanError, TrainingError
from relhop.loader import SeedLoader
from relhop.metrics import HORIZON, SMALLER_IS_BETTER, compute_metrics
from relhop.plan import ModelPlan
from relhop.predictor import to_scores, torch_threads
from relhop.training_table import TaskType
from relhop.transfer import copied_ahead

Loss = Callable[..., Tensor]

LOSSES: dict[str, tuple[tuple[TaskType, ...], Loss]] = {
    "binary_cross_entropy": (
        (TaskType.binary, TaskType.multilabel),
        functional.binary_cross_entropy_with_logits,
    ),
    "cross_entropy": ((TaskType.multiclass,), functional.cross_entropy),
    "l1": ((TaskType.regression, TaskType.forecasting), functional.l1_loss),
    "huber": ((TaskType.regression, TaskType.forecasting), functional.huber_loss),
    "mse": ((TaskType.regression, TaskType.forecasting), functional.mse_loss),
}
DEFAULT_LOSS = {
    TaskType.binary: "binary_cross_entropy",
    TaskType.multiclass: "cross_entropy",
    TaskType.multilabel: "binary_cross_entropy",
    TaskType.regression: "l1",
    TaskType.forecasting: "l1",
}
LAST_CHECKPOINT = Path("checkpoints") / "last.ckpt"
"""In a run's folder: the state after the last finished epoch."""

BEST_CHECKPOINT = Path("checkpoints") / "best.ckpt"
"""In a run's folder: the state after the best epoch so far."""

WARM_UP = 0.05
"""Share of all steps over which the learning rate rises from 0."""

LARGEST_GRADIENT_NORM = 1.0


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
    """

    plan: ModelPlan
    task: Task
    monitor: str
    folder: Path
    accelerator: str
    progress: bool
    callbacks: tuple[Callback, ...] = ()
    epochs: int | None = None

    @property
    def mode(self) -> Literal["min", "max"]:
        """Whether small or large values of the monitored metric are good."""
        return "min" if self.monitor in SMALLER_IS_BETTER else "max"


class Epochs(Protocol):
    """Batches to learn from, in epochs."""

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        ...

    def __iter__(self) -> Iterator[Any]:
        """The batches of an epoch."""
        ...

    def set_epoch(self, epoch: int) -> None:
        """Chooses order and draws."""
        ...


class LossFunction:
    """The loss of a plan and a task, of a model's outputs [B, out_channels] and labels [B], or [B,
    out_channels] for a multilabel task or a forecast.

    Raises:
        PlanError: If the plan's loss is for another kind of task.
    """

    def __init__(self, plan: ModelPlan, task: Task) -> None:
        name = plan.optimization.loss or DEFAULT_LOSS[task.task_type]
        kinds, self._loss = LOSSES[name]
        if task.task_type not in kinds:
            fitting = ", ".join(name for name, (kinds, _) in LOSSES.items() if task.task_type in kinds)
            raise PlanError(
                f"optimization.loss is {name}, but the task is {task.task_type}; choose one of {fitting}"
            )
        self._task = task

    def __call__(self, outputs: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """The mean loss, a scalar; weighted, where examples have weights [B]."""
        expected = (len(target), self._task.out_channels)
        if tuple(outputs.shape) != expected:
            raise TrainingError(
                f"the model gave outputs of shape {tuple(outputs.shape)} for a batch that needs {expected}"
            )
        if self._task.task_type == TaskType.multiclass:
            each = self._loss(outputs, target, reduction="none")
        else:
            scale = self._task.scale
            goal = target if scale is None else (target - scale.mean) / scale.std
            each = self._loss(outputs, goal.reshape(expected), reduction="none").mean(dim=1)
        if weight is None:
            return each.mean()
        return (each * weight).sum() / weight.sum().clamp(min=torch.finfo(weight.dtype).tiny)


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
        self._steps_per_epoch = min(len(train_loader), course.plan.optimization.max_steps_per_epoch)

    def on_train_epoch_start(self) -> None:
        """Keys the epoch's order, draws and dropout."""
        self._train_loader.set_epoch(self.current_epoch)
        key = np.random.SeedSequence([self._course.plan.training_job.seed, self.current_epoch])
        torch.manual_seed(int(key.generate_state(1)[0]))

    def log_training(self, loss: Tensor, batch_size: int) -> Tensor:
        """Logs the loss of a step and returns it.

        Raises:
            TrainingError: If it is not finite.
        """
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the training loss became {loss.item()} in epoch {self.current_epoch + 1}; try a smaller"
                " optimization.base_lr, and look for extreme labels"
            )
        self.log("train_loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=batch_size)
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
        total = settings.max_epochs * self._steps_per_epoch
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: learning_rate_factor(step, total, settings.lr_scheduler)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class Fitting(Fitted):
    """A network that maps a batch to [B, out_channels] while it is trained; see `Fitted`."""

    def __init__(self, model: nn.Module, course: Course, train_loader: SeedLoader) -> None:
        super().__init__(model, course, train_loader)
        self._loss = LossFunction(course.plan, course.task)
        self._seen: list[tuple[Tensor, Tensor]] = []

    def training_step(self, batch: HeteroData, _: int) -> Tensor:
        """The loss of one batch."""
        seeds = batch[self._course.task.entity_table]
        weight = seeds.weight if "weight" in seeds else None
        return self.log_training(self._loss(self.model(batch), seeds.y, weight), len(seeds.y))

    def validation_step(self, batch: HeteroData, _: int) -> None:
        """Keeps outputs and labels, for metrics are of the whole split."""
        self._seen.append((self.model(batch), batch[self._course.task.entity_table].y))

    def on_validation_epoch_end(self) -> None:
        """Logs loss and metrics of the validation split."""
        outputs, target = (torch.cat(parts) for parts in zip(*self._seen, strict=True))
        self._seen = []
        task = self._course.task
        scores = to_scores(outputs, task)
        metrics = compute_metrics(
            task.task_type, scores if task.has_columns else scores[:, 0], target.cpu().numpy()
        )
        self.log("val_loss", self._loss(outputs, target), batch_size=len(target))
        whole = {name: value for name, value in metrics.values.items() if HORIZON not in name}
        self.log_validation(whole, len(target))


def learning_rate_factor(step: int, total: int, scheduler: str) -> float:
    """What the base learning rate is multiplied by at a step of `total`, counted from 0."""
    warm = min(1.0, (step + 1) / max(1.0, WARM_UP * total))
    if scheduler == "constant":
        return warm
    return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, step / total)))


class History(Callback):  # type: ignore[misc]
    """The course of training, an entry an epoch; kept across interruptions, printed a line an epoch if asked.

    Attributes:
        entries: Per epoch `epoch` (from 1), `seconds`, `train_loss`, `val_loss` and `val_<metric>`.
    """

    def __init__(self, monitor: str, printed: bool) -> None:
        self.entries: list[dict[str, float]] = []
        self._monitor, self._printed = monitor, printed
        self._began = time.monotonic()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Starts the clock."""
        self._began = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Adds the epoch."""
        entry: dict[str, float] = {"epoch": trainer.current_epoch + 1}
        entry |= {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
        entry["seconds"] = time.monotonic() - self._began
        self.entries.append(entry)
        if self._printed:
            shown = (name for name in ("train_loss", "val_loss", self._monitor) if name in entry)
            values = ", ".join(f"{name.replace('_', ' ')} {entry[name]:.4f}" for name in shown)
            print(f"epoch {entry['epoch']}: {values} ({entry['seconds']:.1f} s)", flush=True)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"entries": self.entries}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes up from a checkpoint."""
        self.entries = list(state_dict["entries"])


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
    settings, is_validated = course.plan.optimization, course.epochs is None
    interactive = course.progress and sys.stdout.isatty()
    monitor = f"val_{course.monitor}"
    history = History(monitor, printed=course.progress and not interactive)
    checkpoint = ModelCheckpoint(
        dirpath=course.folder / BEST_CHECKPOINT.parent,
        filename=BEST_CHECKPOINT.stem,
        monitor=monitor if is_validated else None,
        mode=course.mode,
        save_last=True,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    callbacks: list[Callback] = [history, checkpoint, *course.callbacks]
    if settings.early_stopping is not None and is_validated:
        callbacks.append(EarlyStopping(monitor, mode=course.mode, patience=settings.early_stopping))
    if interactive:
        callbacks.append(RichProgressBar())
    with _quiet(), torch.random.fork_rng(), _interruptible(), torch_threads(course.plan):
        trainer = pl.Trainer(
            accelerator=course.accelerator,
            devices=1,
            max_epochs=course.epochs or settings.max_epochs,
            limit_train_batches=min(len(train_loader), settings.max_steps_per_epoch),
            limit_val_batches=1.0 if is_validated else 0,
            gradient_clip_val=LARGEST_GRADIENT_NORM,
            callbacks=callbacks,
            logger=[
                CSVLogger(course.folder, name="logs", version=""),
                TensorBoardLogger(course.folder, name="logs", version=""),
            ],
            log_every_n_steps=1,
            num_sanity_val_steps=0,
            enable_model_summary=False,
            enable_progress_bar=interactive,
        )
        last = course.folder / LAST_CHECKPOINT
        device = trainer.strategy.root_device
        trainer.fit(
            fitted,
            copied_ahead(train_loader, device) if isinstance(train_loader, SeedLoader) else train_loader,
            copied_ahead(val_loader, device),
            ckpt_path=last if last.exists() else None,
            weights_only=True,
        )
    best = torch.load(course.folder / BEST_CHECKPOINT, map_location="cpu", weights_only=True)["state_dict"]
    fitted.model.cpu().load_state_dict({name.removeprefix("model."): weight for name, weight in best.items()})
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
