"""One training: a plan, examples and a store -> a predictor, and a folder that holds it, not yet judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from torch import nn

from relhop.boosting import require_lightgbm
from relhop.checkpoint import Description, TargetScale, Task, read_weights, write_weights
from relhop.errors import PlanError, TrainingError
from relhop.fitting import Course
from relhop.judging import monitored
from relhop.loggers import require_loggers
from relhop.plan import ModelPlan, require_trainable
from relhop.predictor import Predictor
from relhop.query.findings import constant_label
from relhop.ranking.model import RankingModel
from relhop.ranking.predictor import RankingPredictor
from relhop.ranking.training import fit_ranking
from relhop.run_folder import under_way
from relhop.score_training import fit_aggregates, fit_scores, plan_model
from relhop.statistics import fit_statistics
from relhop.store.reader import Store
from relhop.training_result import Run
from relhop.training_table import TaskType, TrainingTable
from relhop.warm_start import check_start, take_over
from relhop.withholding import by_table

CLAMP_PERCENTILES = (2, 98)
"""Of the training labels: predictions of a regression stay between them, for no outlier is worth guessing."""


class Views(NamedTuple):
    """What the examples of each split see: the store, or views of it."""

    train: Store
    val: Store
    test: Store


@dataclass(frozen=True)
class Training:
    """What is trained, and where its model is kept.

    Attributes:
        plan: See `ModelPlan`.
        out: The model's folder; `None`: one in `runs`, by the task.
        accelerator: See `Trainer`.
        progress: See `Trainer`.
    """

    plan: ModelPlan
    out: Path | None
    accelerator: str
    progress: bool

    def folder_of(self, task: Task) -> Path:
        """Where the model will be."""
        return self.out or Path("runs") / f"{task.entity_table}-{task.task_type}"

    def run(
        self,
        table: TrainingTable,
        views: Views,
        *,
        model: nn.Module | None,
        resume: bool,
        callbacks: Sequence[Callback] = (),
        epochs: int | None = None,
        earlier: Predictor | RankingPredictor | None = None,
    ) -> tuple[Predictor | RankingPredictor, Run]:
        """Trains, and judges nothing; see `Trainer.fit`.

        Args:
            table: See `Trainer.fit`.
            views: What the splits see.
            model: See `Trainer.fit`.
            resume: See `Trainer.fit`.
            callbacks: What else hears of the training: callbacks of Lightning.
            epochs: See `Course`; `val` may then be empty.
            earlier: A model to start from.
        """
        splits = self.checked_splits(table, ("train", "val") if epochs is None else ("train",))
        described = self.describe(table, views.train, own_module=model is not None)
        if earlier is not None:
            check_start(earlier.described, described)
        notes: list[str] = []
        monitor = monitored(splits["val"], described.task, notes)
        with under_way(self.folder_of(described.task), described, resume=resume) as folder:
            course = Course(
                plan=self.plan,
                task=described.task,
                monitor=monitor,
                folder=folder,
                accelerator=self.accelerator,
                progress=self.progress,
                callbacks=tuple(callbacks),
                epochs=epochs,
            )
            network = self._network(described, splits, views, model)
            if earlier is not None:
                notes += [f"warm start: {note}" for note in take_over(network, earlier.model)]
            predictor, history = self._fit(described, course, splits, views, network)
            write_weights(folder, predictor.model.state_dict())
        return predictor, Run(described, folder, monitor, history, notes)

    def checked_splits(self, table: TrainingTable, needed: Sequence[str]) -> dict[str, TrainingTable]:
        """The splits of a table that can be trained on; refuses others with the reason."""
        require_trainable(table.task_type)
        self._require_possible(table.task_type)
        constant = constant_label(table)
        if constant is not None:
            raise TrainingError(constant)
        splits = table.splits
        for name in needed:
            if not len(splits[name]) or not table.has_labels:
                raise TrainingError(
                    f"the table has no labelled examples in its split '{name}'; training needs some"
                )
        return splits

    def describe(self, table: TrainingTable, store: Store, *, own_module: bool) -> Description:
        """The model that a table asks for, with the statistics of its training cut."""
        assert table.train_cut is not None
        hidden = by_table(table.withheld, store.schema)
        processing = self.plan.column_processing
        return Description(
            plan=self.plan,
            task=Task.of(table, _target_scale(table.splits["train"])),
            schema=store.schema,
            statistics=fit_statistics(store, table.train_cut, processing.encodings(store.schema)).without(
                hidden
            ),
            own_module=own_module,
            aggregates=fit_aggregates(self.plan, table, store) if processing.aggregates else None,
        )

    def _require_possible(self, task_type: TaskType) -> None:
        """Raises PlanError if the plan needs what this machine does not have."""
        job = self.plan.training_job
        if job.boosted_baseline:
            require_lightgbm()
        require_loggers(self.plan)
        if job.precision == "16" and device_of(self.accelerator) == "cpu":
            raise PlanError(
                "training_job.precision is 16, which is trained on a GPU alone, and this runs on a CPU;"
                " choose bf16 or 32"
            )
        if self.plan.column_processing.aggregates and task_type == TaskType.link_prediction:
            raise PlanError("column_processing.aggregates is true, but a ranking takes none; set it to false")
        if job.num_processes > 1 and task_type == TaskType.link_prediction:
            raise PlanError(
                f"training_job.num_processes is {job.num_processes}, but a ranking is trained by one process;"
                " leave it out"
            )
        if device_of(self.accelerator) == "cuda" and job.num_processes > torch.cuda.device_count():
            raise PlanError(
                f"training_job.num_processes is {job.num_processes}, but there are"
                f" {torch.cuda.device_count()} GPUs, one for each process; choose fewer"
            )

    def _network(
        self,
        described: Description,
        splits: dict[str, TrainingTable],
        views: Views,
        model: nn.Module | None,
    ) -> nn.Module:
        """What is trained: the plan's network, or a module of the user's."""
        if described.task.task_type != TaskType.link_prediction:
            return model if model is not None else plan_model(described)
        if model is not None:
            raise TrainingError("a link prediction has no place for a module of your own; leave out `model`")
        if views.val is not views.train:
            raise TrainingError("a ranking is validated on what it is trained on; leave out `val_store`")
        train_cut = int(splits["train"].anchor_times.max())
        return RankingModel.before_training(described, views.train, train_cut)

    def _fit(
        self,
        described: Description,
        course: Course,
        splits: dict[str, TrainingTable],
        views: Views,
        model: nn.Module,
    ) -> tuple[Predictor | RankingPredictor, list[dict[str, float]]]:
        """A predictor of trained scores or rankings, and the course of training."""
        device = device_of(self.accelerator)
        if isinstance(model, RankingModel):
            model.bind(described, views.train)
            history = fit_ranking(model, course, splits, views.train)
            return RankingPredictor(model, described, device), history
        history = fit_scores(model, described, course, splits, {"train": views.train, "val": views.val})
        return Predictor(model, described, device), history


def load_predictor(path: Path, model: nn.Module | None, accelerator: str) -> Predictor | RankingPredictor:
    """A trained model from its folder; see `Trainer.load`.

    Raises:
        TrainingError: If there is no model, it is of another version, or its own module is not given.
    """
    described = Description.read(path)
    if described.own_module != (model is not None):
        raise TrainingError(
            f"the model in {path} is a module of your own; give one of the same make:"
            " Trainer.load(path, model=...)"
            if described.own_module
            else f"the model in {path} is built by its plan; load it without `model`"
        )
    weights = read_weights(path)
    if described.task.task_type == TaskType.link_prediction:
        ranking = RankingModel.of_weights(described, weights)
        return RankingPredictor(ranking, described, device_of(accelerator))
    model = model if model is not None else plan_model(described)
    model.load_state_dict(weights)
    return Predictor(model, described, device_of(accelerator))


def _target_scale(train: TrainingTable) -> TargetScale | None:
    if train.task_type not in (TaskType.regression, TaskType.forecasting) or train.target is None:
        return None
    target = train.target.astype(np.float64)
    lowest, highest = np.percentile(target, CLAMP_PERCENTILES)
    return TargetScale(float(target.mean()), float(target.std()) or 1.0, float(lowest), float(highest))


def device_of(accelerator: str) -> str:
    """What torch calls the device of an accelerator."""
    return "cuda" if accelerator != "cpu" and torch.cuda.is_available() else "cpu"
