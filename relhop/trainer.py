"""A plan, a training table and a store -> a trained model in a folder, judged beside baselines."""

from __future__ import annotations

import copy
import logging
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from numpy.typing import NDArray
from torch import nn

from relhop.baselines import baseline_scores
from relhop.boosting import BoostedTrees, require_lightgbm
from relhop.checkpoint import Description, TargetScale, Task, read_weights, write_metrics, write_weights
from relhop.errors import PlanError, TrainingError
from relhop.fitting import Course
from relhop.loggers import require_loggers
from relhop.metrics import FALLBACK_METRIC, TUNED_METRIC, Metrics, compute_metrics
from relhop.plan import ModelPlan, require_trainable
from relhop.predictor import Predictions, Predictor
from relhop.query.findings import constant_label
from relhop.ranking.model import RankingModel
from relhop.ranking.predictor import RankingPredictor, Rankings, judge_baselines, ranks_of
from relhop.ranking.training import fit_ranking
from relhop.resuming import LAST_CHECKPOINT
from relhop.score_training import fit_aggregates, fit_scores, plan_model
from relhop.statistics import fit_statistics
from relhop.store.reader import Store
from relhop.training_result import Experiment, Judgement, Run, TrainingResult
from relhop.training_table import TaskType, TrainingTable
from relhop.warm_start import check_start, take_over
from relhop.withholding import by_table

log = logging.getLogger(__name__)

STUDY = "study.db"
"""In the folder of a search: the SQLite file of its Optuna study."""

CLAMP_PERCENTILES = (2, 98)
"""Of the training labels: predictions of a regression stay between them, for no outlier is worth guessing."""


class Views(NamedTuple):
    """What the examples of each split see: the store, or views of it."""

    train: Store
    val: Store
    test: Store


class Trainer:
    """Trains the model of a plan, and predicts with it.

    Args:
        plan: See `ModelPlan`.
        out: The model's folder; an older model there is replaced once the new one is whole. Until then the
            run is in `<out>.partial`. By default `runs/<entity table>-<task type>`.
        accelerator: `auto` (a GPU where there is one), `cpu` or `gpu`.
        progress: Whether to show it: a bar on a terminal, else a line an epoch.
    """

    def __init__(
        self,
        plan: ModelPlan,
        *,
        out: str | Path | None = None,
        accelerator: str = "auto",
        progress: bool = True,
    ) -> None:
        self.plan, self._out = plan, None if out is None else Path(out)
        self._accelerator, self._progress = accelerator, progress
        self._predictor: Predictor | RankingPredictor | None = None

    def fit(
        self,
        table: TrainingTable,
        store: Store,
        *,
        model: nn.Module | None = None,
        resume: bool = False,
        val_store: Store | None = None,
        test_store: Store | None = None,
        callbacks: Sequence[Callback] = (),
        warm_start: str | Path | Trainer | None = None,
    ) -> TrainingResult:
        """Trains on the `train` split, keeps the best epoch of `val`, judges by `val` and `test`.

        Args:
            table: Examples with labels.
            store: What the model sees; of it each example sees what is visible at its anchor time.
            model: A module of your own that maps a batch of `SeedLoader` to [B, 1] (binary: logits;
                regression: standardised values), [B, classes] (logits) or [B, timeframes] (standardised
                values), instead of the plan's network.
                Trained in place.
            resume: Goes on with an interrupted run of the same plan and data, to the same weights; where
                there is none, starts one.
            val_store: What the validation split sees, if not `store`: a view of it, `store.as_of(time)`, so
                that the best epoch is chosen under the protocol of a frozen test.
            test_store: What the test split sees, if not `store`: `store.as_of(time)` for a frozen protocol.
            callbacks: What else hears of the training: callbacks of Lightning.
            warm_start: An earlier model, or its folder, to start from: of the same task and schema, maybe of
                an older store. What is not taken over is told in `TrainingResult.notes`.

        Raises:
            TrainingError: If `train` or `val` is empty, an interrupted run was another one, or the earlier
                model does not fit.
            PlanError: If the plan does not fit the schema or the task.
            KeyboardInterrupt: If the user stops it; `resume=True` goes on at the last checkpoint.
        """
        views = Views(store, _view_of(store, val_store), test_store or store)
        if self.plan.training_job.num_experiments > 1 or self.plan.training_job.refit:
            from relhop.search import fit_best

            if warm_start is not None:
                raise TrainingError("a search starts anew; leave out warm_start, or search without it first")
            return fit_best(self, table, views, model=model, resume=resume, callbacks=callbacks)
        earlier = self._earlier(warm_start, model)
        run = self._train(table, views, model=model, resume=resume, callbacks=callbacks, earlier=earlier)
        judged = {
            "val": self._judge("val", run, table, views.val),
            "test": self._judge("test", run, table, views.test),
        }
        return self._publish(run, judged)

    def _train(
        self,
        table: TrainingTable,
        views: Views,
        *,
        model: nn.Module | None,
        resume: bool,
        callbacks: Sequence[Callback] = (),
        epochs: int | None = None,
        earlier: Predictor | RankingPredictor | None = None,
    ) -> Run:
        """Trains, and judges nothing; see `fit`.

        Args:
            table: See `fit`.
            views: What the splits see.
            model: See `fit`.
            resume: See `fit`.
            callbacks: What else hears of the training: callbacks of Lightning.
            epochs: See `Course`; `val` may then be empty.
            earlier: A model to start from.
        """
        splits = self._checked_splits(table, ("train", "val") if epochs is None else ("train",))
        described = self._describe(table, views.train, own_module=model is not None)
        if earlier is not None:
            check_start(earlier.described, described)
        notes: list[str] = []
        course = Course(
            plan=self.plan,
            task=described.task,
            monitor=monitored(splits["val"], described.task, notes),
            folder=self._open_run(described, resume),
            accelerator=self._accelerator,
            progress=self._progress,
            callbacks=tuple(callbacks),
            epochs=epochs,
        )
        network = self._network(described, splits, views, model)
        if earlier is not None:
            notes += [f"warm start: {note}" for note in take_over(network, earlier.model)]
        fit = self._fit_ranking if table.task_type == TaskType.link_prediction else self._fit_scores
        self._predictor, history = fit(described, course, splits, views, network)
        if isinstance(self._predictor, Predictor) and self._predictor.trees is not None:
            self._predictor.trees.write(course.folder)
        write_weights(course.folder, self._predictor.model.state_dict())
        return Run(described, course.folder, course.monitor, history, notes)

    def _checked_splits(self, table: TrainingTable, needed: Sequence[str]) -> dict[str, TrainingTable]:
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

    def _describe(self, table: TrainingTable, store: Store, *, own_module: bool) -> Description:
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

    def _judge(self, split: str, run: Run, table: TrainingTable, store: Store) -> Judgement:
        """How good the model is on a split, beside baselines that know all earlier ones; notes are added to
        the run's.
        """
        asked = table.splits[split]
        baselines = _judge_baselines(table.before(split), asked, store, run.described)
        predictor = self.predictor
        if isinstance(predictor, RankingPredictor):
            return Judgement(predictor.predict(asked, store).metrics(), baselines)
        parts = predictor.parts(asked, store)
        if len(parts) > 1:
            alone = {f"{name} alone": _metrics_of(scores, asked).values for name, scores in parts.items()}
            baselines = {**alone, **baselines}
        judged = _metrics_of(np.mean(list(parts.values()), axis=0), asked)
        run.notes.extend(f"{split}: {note}" for note in judged.notes)
        return Judgement(judged.values, baselines)

    def _publish(
        self, run: Run, judged: Mapping[str, Judgement], experiments: Sequence[Experiment] = ()
    ) -> TrainingResult:
        """Makes the folder of a run the model's."""
        result = TrainingResult(
            self._final_folder(run.described.task),
            run.metric,
            {split: judgement.metrics for split, judgement in judged.items()},
            {split: judgement.baselines for split, judgement in judged.items()},
            run.history,
            run.notes,
            list(experiments),
        )
        written = {name: value for name, value in asdict(result).items() if name != "path"}
        write_metrics(run.folder, written)
        discard_checkpoints(run.folder)
        _replace_folder(run.folder, result.path)
        return result

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        model: nn.Module | None = None,
        accelerator: str = "auto",
        progress: bool = True,
    ) -> Trainer:
        """A trainer whose model is trained. On a CPU it predicts the same bits as the one that trained it.

        Args:
            path: `TrainingResult.path`.
            model: Needed where `fit` was given a module of your own: one of the same make, which gets the
            weights.
            accelerator: See `Trainer`.
            progress: See `Trainer`.

        Raises:
            TrainingError: If there is no model, it is of another version, or its own module is not given.
        """
        path = Path(path)
        described = Description.read(path)
        if described.own_module != (model is not None):
            raise TrainingError(
                f"the model in {path} is a module of your own; give one of the same make:"
                " Trainer.load(path, model=...)"
                if described.own_module
                else f"the model in {path} is built by its plan; load it without `model`"
            )
        weights = read_weights(path)
        trainer = cls(described.plan, out=path, accelerator=accelerator, progress=progress)
        if described.task.task_type == TaskType.link_prediction:
            ranking = RankingModel.of_weights(described, weights)
            trainer._predictor = RankingPredictor(ranking, described, _device(accelerator))
            return trainer
        model = model if model is not None else plan_model(described)
        model.load_state_dict(weights)
        trainer._predictor = Predictor(model, described, _device(accelerator), BoostedTrees.read(path))
        return trainer

    @property
    def query(self) -> str | None:
        """The query that the trained model answers; `None` if there is no model or no query."""
        return None if self._predictor is None else self._predictor.described.task.query

    @property
    def predictor(self) -> Predictor | RankingPredictor:
        """The trained model with all that it needs to score examples.

        Raises:
            TrainingError: If nothing is trained yet.
        """
        if self._predictor is None:
            raise TrainingError("there is no trained model yet; call fit, or Trainer.load(path)")
        return self._predictor

    @property
    def path(self) -> Path:
        """The folder of the trained model; see `predictor`."""
        return self._final_folder(self.predictor.described.task)

    def predict(self, table: TrainingTable, store: Store) -> Predictions | Rankings:
        """Scores of all examples of a table, or of a link prediction the best items of each; see
        `Predictor.predict` and `RankingPredictor.predict`.

        Raises:
            TrainingError: If nothing is trained yet, or table or store do not fit the model.
        """
        return self.predictor.predict(table, store)

    def evaluate(self, table: TrainingTable, store: Store) -> dict[str, float]:
        """Metrics of the model on labelled examples; NaN where these cannot tell one.

        Args:
            table: Examples with labels, such as `table.splits["test"]`.
            store: What the model sees; `store.as_of(time)` for a frozen protocol.

        Raises:
            TrainingError: If the table has no labels, or see `predict`.
        """
        if not table.has_labels:
            raise TrainingError("the table has no labels to judge by; use predict")
        predictions = self.predict(table, store)
        if isinstance(predictions, Rankings):
            return predictions.metrics()
        if Task.of(table, None).classes != predictions.task.classes:
            raise TrainingError(
                f"the table's classes are {table.classes}, the model's {predictions.task.classes}; make the"
                " table from the query and the splits that the model was trained on"
            )
        return _metrics_of(predictions.scores, table).values

    def _require_possible(self, task_type: TaskType) -> None:
        """Raises PlanError if the plan needs what this machine does not have."""
        job = self.plan.training_job
        for setting in ("boosted_baseline", "boosted_half"):
            if getattr(job, setting):
                require_lightgbm(f"training_job.{setting}")
        if job.boosted_half and task_type == TaskType.link_prediction:
            raise PlanError("training_job.boosted_half is true, but trees rank nothing; set it to false")
        require_loggers(self.plan)
        if job.precision == "16" and _device(self._accelerator) == "cpu":
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
        if _device(self._accelerator) == "cuda" and job.num_processes > torch.cuda.device_count():
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

    def _earlier(
        self, warm_start: str | Path | Trainer | None, model: nn.Module | None
    ) -> Predictor | RankingPredictor | None:
        """The model to start from, with the weights that it has now."""
        if warm_start is None:
            return None
        if not isinstance(warm_start, Trainer):
            warm_start = Trainer.load(warm_start, model=copy.deepcopy(model), accelerator="cpu")
        if warm_start._predictor is None:
            raise TrainingError("the trainer of warm_start has no trained model; call its fit first")
        return warm_start._predictor

    def _fit_scores(
        self,
        described: Description,
        course: Course,
        splits: dict[str, TrainingTable],
        views: Views,
        model: nn.Module,
    ) -> tuple[Predictor, list[dict[str, float]]]:
        """A predictor of trained scores, and the course of training."""
        history = fit_scores(model, described, course, splits, {"train": views.train, "val": views.val})
        trees = None
        if self.plan.training_job.boosted_half:
            trees = _trees(splits["train"], views.train, self.plan)
        return Predictor(model, described, _device(self._accelerator), trees), history

    def _fit_ranking(
        self,
        described: Description,
        course: Course,
        splits: dict[str, TrainingTable],
        views: Views,
        model: nn.Module,
    ) -> tuple[RankingPredictor, list[dict[str, float]]]:
        """A predictor of trained rankings, and the course of training."""
        assert isinstance(model, RankingModel)
        model.bind(described, views.train)
        history = fit_ranking(model, course, splits, views.train)
        return RankingPredictor(model, described, _device(self._accelerator)), history

    def _alike(self, plan: ModelPlan, out: Path) -> Trainer:
        """A trainer of another plan that is otherwise as this one."""
        return Trainer(plan, out=out, accelerator=self._accelerator, progress=self._progress)

    def _take_over(self, other: Trainer, model: nn.Module | None) -> None:
        """Predicts with the model of another trainer from now on; a module of the user's gets its weights."""
        assert other._predictor is not None
        self._predictor = other._predictor
        if model is not None:
            model.load_state_dict(other._predictor.model.state_dict())

    def _final_folder(self, task: Task) -> Path:
        return self._out or Path("runs") / f"{task.entity_table}-{task.task_type}"

    def _open_run(self, described: Description, resume: bool) -> Path:
        """The folder of the run under way, with the description of its model in it."""
        final = self._final_folder(described.task)
        if final.is_file():
            raise TrainingError(f"{final} is a file, so no model is written there; choose another out")
        if final.is_dir() and any(final.iterdir()) and not (final / "task.json").is_file():
            raise TrainingError(
                f"{final} is not empty and holds no model, so no model is written there; choose another out"
            )
        folder = final.with_name(final.name + ".partial")
        is_interrupted = (folder / LAST_CHECKPOINT).is_file() or (folder / STUDY).is_file()
        if is_interrupted and resume:
            if not described.matches(folder):
                raise TrainingError(
                    f"the interrupted run in {folder} has another plan or other data; resume it with these,"
                    " or start anew with resume=False"
                )
            return folder
        if is_interrupted:
            log.warning(
                "the interrupted run in %s is discarded; resume=True would have gone on with it", folder
            )
        if (folder / "task.json").is_file():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        described.write(folder)
        return folder


def _metrics_of(scores: NDArray[np.float64], table: TrainingTable) -> Metrics:
    labels = table.labels(np.arange(len(table)))
    assert labels is not None
    return compute_metrics(table.task_type, scores, labels)


def _view_of(store: Store, view: Store | None) -> Store:
    """The view that is asked for, by default the store itself; its categories must be numbered alike."""
    if view is None:
        return store
    if view.path != store.path:
        raise TrainingError(
            f"val_store is {view.path}, but training reads {store.path}; give a view of it: store.as_of(time)"
        )
    return view


def _target_scale(train: TrainingTable) -> TargetScale | None:
    if train.task_type not in (TaskType.regression, TaskType.forecasting) or train.target is None:
        return None
    target = train.target.astype(np.float64)
    lowest, highest = np.percentile(target, CLAMP_PERCENTILES)
    return TargetScale(float(target.mean()), float(target.std()) or 1.0, float(lowest), float(highest))


def monitored(val: TrainingTable, task: Task, notes: list[str]) -> str:
    """The metric to choose the best epoch by."""
    if task.task_type == TaskType.link_prediction:
        return f"map@{ranks_of(task)}"
    tuned = TUNED_METRIC[val.task_type]
    if val.task_type == TaskType.binary and len(np.unique(np.asarray(val.target))) < 2:
        fallback = FALLBACK_METRIC[val.task_type]
        notes.append(
            f"val: all labels are the same, so the best epoch is chosen by {fallback} instead of {tuned}"
        )
        return fallback
    return tuned


def _judge_baselines(
    known: TrainingTable, asked: TrainingTable, store: Store, described: Description
) -> dict[str, dict[str, float]]:
    if asked.task_type == TaskType.link_prediction:
        return judge_baselines(asked, store, described)
    found = baseline_scores(known, asked)
    plan = described.plan
    if plan.training_job.boosted_baseline and len(asked):
        trees = _trees(known, store, plan)
        if trees is not None:
            delay = plan.neighbor_sampling.resolve_delay(training=False)
            found["boosted trees"] = trees.scores(asked, store, delay)
    return {name: _metrics_of(scores, asked).values for name, scores in found.items()}


def _trees(known: TrainingTable, store: Store, plan: ModelPlan) -> BoostedTrees | None:
    """Trees on the examples of a table that see what the plan's network may see."""
    unseen = plan.column_processing.unseen(known.withheld, store.schema)
    delay = plan.neighbor_sampling.resolve_delay(training=True)
    return BoostedTrees.grow(replace(known, withheld=unseen), store, delay)


def _device(accelerator: str) -> str:
    return "cuda" if accelerator != "cpu" and torch.cuda.is_available() else "cpu"


def discard_checkpoints(folder: Path) -> None:
    """Takes what a run could be resumed from out of its folder."""
    checkpoints = (folder / LAST_CHECKPOINT).parent
    if checkpoints.exists():
        shutil.rmtree(checkpoints)


def _replace_folder(new: Path, final: Path) -> None:
    """Puts a whole folder in the place of an older one, which is lost only then."""
    if not final.exists():
        new.rename(final)
        return
    with tempfile.TemporaryDirectory(dir=final.parent, prefix=f".{final.name}-") as old:
        final.rename(Path(old) / final.name)
        new.rename(final)
