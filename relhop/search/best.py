"""The trainings of a search: one for each experiment, each in a folder, and the best one's model kept.

Each experiment is trained as a plan with its values is trained on its own, to the same weights. In the run's
folder: `study.db`, `experiments/<number>` with weights, plan and logs, and `refit` for the last training.
"""

from __future__ import annotations

import copy
import shutil
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import optuna
from lightning.pytorch.callbacks import Callback
from torch import nn

from relhop.checkpoint import Description
from relhop.errors import PlanError, TrainingError
from relhop.judging import judge, monitored
from relhop.plan import ModelPlan
from relhop.predictor import Predictor
from relhop.ranking.predictor import RankingPredictor
from relhop.run_folder import STUDY, discard_checkpoints, publish, under_way
from relhop.search.space import Space
from relhop.search.study import Reporter, Study
from relhop.training import Training, Views, load_predictor
from relhop.training_result import Run, TrainingResult
from relhop.training_table import TRAIN, VAL, TrainingTable


def fit_best(
    training: Training,
    table: TrainingTable,
    views: Views,
    *,
    model: nn.Module | None,
    resume: bool,
    callbacks: Sequence[Callback],
) -> tuple[Predictor | RankingPredictor, TrainingResult]:
    """Trains `training_job.num_experiments` combinations of candidates and keeps the best by validation; with
    `training_job.refit` trains it once more, on `train` and `val`.

    Arguments and errors are those of `Trainer.fit`, which hands over to this; a module of the user's is not
    changed. The test split is judged once, by the model that is kept.

    Raises:
        PlanError: If there is nothing to search, or a candidate does not fit the schema.
        TrainingError: If every experiment failed.
    """
    space = Space(training.plan)
    space.check(views.train.schema)
    _require_known_rates(training.plan)
    splits = training.checked_splits(table, ("train", "val"))
    described = training.describe(table, views.train, own_module=model is not None)
    metric = monitored(splits["val"], described.task, [])
    final = training.folder_of(described.task)
    with under_way(final, described, resume=resume) as folder:
        trainings = _Trainings(training, folder, table, views, model, callbacks)
        with closing(Study(space, folder / STUDY, metric)) as study:
            _run_experiments(trainings, study)
            experiments, best = study.experiments, study.best
            if best is None:
                raise TrainingError(f"no experiment came to an end; the first: {experiments[0].error}")
            plan = space.plan_of(study.choice_of(best))
            run = trainings.finished(f"experiments/{best.number}", plan, metric, *study.course_of(best))
        chosen = trainings.load(run)
        judged = {"val": judge(chosen, "val", run, table, views.val)}
        if plan.training_job.refit:
            chosen, run = _refit(trainings, plan, run, best.best_epoch)
        judged["test"] = judge(chosen, "test", run, table, views.test)
        searched = training.plan.training_job.num_experiments > 1
        if searched:
            shutil.copyfile(folder / STUDY, run.folder / STUDY)
        result = publish(run, final, judged, experiments if searched else ())
        shutil.rmtree(folder)
    return chosen, result


def _require_known_rates(plan: ModelPlan) -> None:
    """Raises PlanError if a training without validation would wait for a plateau of it."""
    name = "optimization.lr_scheduler"
    schedules = plan.candidates.get(name, (plan.optimization.lr_scheduler,))
    if plan.training_job.refit and "plateau" in schedules:
        raise PlanError(
            f"{name} is plateau, but the training of training_job.refit has no validation split to watch;"
            " choose cosine, linear or constant"
        )


def _run_experiments(trainings: _Trainings, study: Study) -> None:
    """Trains what the study proposes, until it has seen enough."""
    while (trial := study.propose()) is not None:
        number, name = study.num_over + 1, f"experiments/{study.num_over + 1}"
        trainings.say(
            f"experiment {number} of {study.space.num_experiments}: {study.space.words(trial.params)}"
        )
        began = time.monotonic()
        try:
            plan = study.space.plan_of(trial.params)
            run = trainings.train(name, plan, reporter=Reporter(trial, study.metric))
        except optuna.TrialPruned:
            study.give_up(trial, time.monotonic() - began)
        except (PlanError, TrainingError) as error:
            study.fail(trial, time.monotonic() - began, error)
        else:
            study.finish(trial, run, time.monotonic() - began)
        trainings.say(study.latest_in_words)


def _refit(
    trainings: _Trainings, plan: ModelPlan, run: Run, epochs: int
) -> tuple[Predictor | RankingPredictor, Run]:
    """The plan trained on the training and the validation split, with the history of the training before."""
    table = trainings.table
    trainings.say(f"training again on train and val: {epochs} epochs")
    merged = replace(table, split=np.where(table.split == VAL, np.int8(TRAIN), table.split))
    again = trainings.train("refit", plan, table=merged, epochs=epochs)
    note = f"trained again on train and val, for {epochs} epochs; metrics of val are from before"
    run = replace(again, metric=run.metric, history=run.history, notes=[*run.notes, note])
    return trainings.load(run), run


@dataclass(frozen=True)
class _Trainings:
    """The trainings of one search.

    Attributes:
        training: The one that was asked for.
        folder: Of the search; each training has one in it.
        table: The examples.
        views: What the splits see.
        model: The user's own module, of which each training gets a copy.
        callbacks: What else hears of every training.
    """

    training: Training
    folder: Path
    table: TrainingTable
    views: Views
    model: nn.Module | None
    callbacks: Sequence[Callback]

    def train(
        self,
        name: str,
        plan: ModelPlan,
        *,
        reporter: Reporter | None = None,
        table: TrainingTable | None = None,
        epochs: int | None = None,
    ) -> Run:
        """Trains in the folder of that name, from where an interrupted training there was."""
        training = replace(self.training, plan=plan, out=self.folder / name)
        _, run = training.run(
            table or self.table,
            self.views,
            model=copy.deepcopy(self.model),
            resume=True,
            callbacks=[*self.callbacks] if reporter is None else [*self.callbacks, reporter],
            epochs=epochs,
        )
        discard_checkpoints(run.folder)
        if (self.folder / name).exists():  # from before an interruption, and in no study
            shutil.rmtree(self.folder / name)
        return replace(run, folder=run.folder.rename(self.folder / name))

    def finished(
        self, name: str, plan: ModelPlan, metric: str, history: list[dict[str, float]], notes: list[str]
    ) -> Run:
        """A training that came to an end earlier; it is done again if its folder is gone."""
        folder = self.folder / name
        if not (folder / "model.pt").is_file():
            return self.train(name, plan)
        return Run(Description.read(folder), folder, metric, history, notes)

    def load(self, run: Run) -> Predictor | RankingPredictor:
        """The model of a run."""
        return load_predictor(run.folder, copy.deepcopy(self.model), self.training.accelerator)

    def say(self, words: str) -> None:
        """Shows how far the search is, if progress is shown."""
        if self.training.progress:
            print(words, flush=True)
