"""A plan, a training table and a store -> a trained model in a folder, judged beside baselines."""

from __future__ import annotations

import logging
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from relhop.baselines import baseline_scores
from relhop.boosting import boosted_scores, require_lightgbm
from relhop.checkpoint import Description, TargetScale, Task, read_weights, write_metrics, write_weights
from relhop.errors import TrainingError
from relhop.fitting import LAST_CHECKPOINT, Course, Fitting, fit_weights
from relhop.metrics import FALLBACK_METRIC, TUNED_METRIC, Metrics, compute_metrics
from relhop.nn.model import build_model
from relhop.plan import ModelPlan, require_trainable
from relhop.predictor import Predictions, Predictor, bind, seed_loader
from relhop.query.findings import constant_label
from relhop.ranking.model import RankingModel
from relhop.ranking.predictor import RankingPredictor, Rankings, judge_baselines, ranks_of
from relhop.ranking.training import fit_ranking
from relhop.statistics import fit_statistics
from relhop.store.reader import Store
from relhop.training_table import TRAIN, VAL, TaskType, TrainingTable
from relhop.withholding import by_table

log = logging.getLogger(__name__)

CLAMP_PERCENTILES = (2, 98)
"""Of the training labels: predictions of a regression stay between them, for no outlier is worth guessing."""


@dataclass(frozen=True)
class TrainingResult:
    """What came out of a training run.

    Attributes:
        path: The model's folder, for `Trainer.load`.
        metric: The one by which the best epoch was chosen.
        metrics: Of the model: split (`val`, `test`) -> metric -> value; NaN where the split cannot tell it.
        baselines: Split -> baseline -> metric -> value. Fitted on the labels of all earlier splits.
        history: Per epoch the losses and the validation metrics; see `relhop.fitting.History`.
        notes: Why some metric is unknown, or another one was tuned.
    """

    path: Path
    metric: str
    metrics: dict[str, dict[str, float]]
    baselines: dict[str, dict[str, dict[str, float]]]
    history: list[dict[str, float]]
    notes: list[str] = field(default_factory=list)


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
        test_store: Store | None = None,
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
            test_store: What the test split sees, if not `store`: `store.as_of(time)` for a frozen protocol.

        Raises:
            TrainingError: If `train` or `val` is empty, or an interrupted run was another one.
            PlanError: If the plan does not fit the schema or the task.
            KeyboardInterrupt: If the user stops it; `resume=True` goes on after the last finished epoch.
        """
        require_trainable(table.task_type)
        if self.plan.training_job.boosted_baseline:
            require_lightgbm()
        splits = table.splits
        constant = constant_label(table)
        if constant is not None:
            raise TrainingError(constant)
        for name in ("train", "val"):
            if not len(splits[name]) or not table.has_labels:
                raise TrainingError(
                    f"the table has no labelled examples in its split '{name}'; training needs some"
                )
        assert table.train_cut is not None
        hidden = by_table(table.withheld, store.schema)
        described = Description(
            plan=self.plan,
            task=Task.of(table, _target_scale(splits["train"])),
            schema=store.schema,
            statistics=fit_statistics(
                store, table.train_cut, self.plan.column_processing.encodings(store.schema)
            ).without(hidden),
            own_module=model is not None,
        )
        notes: list[str] = []
        course = Course(
            plan=self.plan,
            task=described.task,
            monitor=_monitor(splits["val"], described.task, notes),
            folder=self._open_run(described, resume),
            accelerator=self._accelerator,
            progress=self._progress,
        )
        fit = self._fit_ranking if table.task_type == TaskType.link_prediction else self._fit_scores
        self._predictor, history = fit(described, course, splits, store, model)
        metrics, baselines = {}, {}
        for name, seen in (("val", store), ("test", test_store or store)):
            earlier = table.take(
                np.flatnonzero(np.isin(table.split, [TRAIN] if name == "val" else [TRAIN, VAL]))
            )
            metrics[name] = self._judge(name, splits[name], seen, notes)
            baselines[name] = _judge_baselines(earlier, splits[name], seen, described)
        result = TrainingResult(
            self._final_folder(described.task), course.monitor, metrics, baselines, history, notes
        )
        write_weights(course.folder, self._predictor.model.state_dict())
        write_metrics(
            course.folder,
            {
                "metric": result.metric,
                "metrics": metrics,
                "baselines": baselines,
                "notes": notes,
                "history": history,
            },
        )
        shutil.rmtree((course.folder / LAST_CHECKPOINT).parent)
        _replace_folder(course.folder, result.path)
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
        model = model if model is not None else _plan_model(described)
        model.load_state_dict(weights)
        trainer._predictor = Predictor(model, described, _device(accelerator))
        return trainer

    @property
    def query(self) -> str | None:
        """The query that the trained model answers; `None` if there is no model or no query."""
        return None if self._predictor is None else self._predictor.described.task.query

    def predict(self, table: TrainingTable, store: Store) -> Predictions | Rankings:
        """Scores of all examples of a table, or of a link prediction the best items of each; see
        `Predictor.predict` and `RankingPredictor.predict`.

        Raises:
            TrainingError: If nothing is trained yet, or table or store do not fit the model.
        """
        if self._predictor is None:
            raise TrainingError("there is no trained model yet; call fit, or Trainer.load(path)")
        return self._predictor.predict(table, store)

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

    def _fit_scores(
        self,
        described: Description,
        course: Course,
        splits: dict[str, TrainingTable],
        store: Store,
        model: nn.Module | None,
    ) -> tuple[Predictor, list[dict[str, float]]]:
        """A predictor of trained scores, and the course of training."""
        withheld = described.task.withheld
        model = model if model is not None else _plan_model(described)
        bind(model, described, store)
        train_loader = seed_loader(store, splits["train"], self.plan, withheld, training=True)
        val_loader = seed_loader(store, splits["val"], self.plan, withheld)
        history = fit_weights(Fitting(model, course, train_loader), course, train_loader, val_loader)
        return Predictor(model, described, _device(self._accelerator)), history

    def _fit_ranking(
        self,
        described: Description,
        course: Course,
        splits: dict[str, TrainingTable],
        store: Store,
        model: nn.Module | None,
    ) -> tuple[RankingPredictor, list[dict[str, float]]]:
        """A predictor of trained rankings, and the course of training."""
        if model is not None:
            raise TrainingError("a link prediction has no place for a module of your own; leave out `model`")
        train_cut = int(splits["train"].anchor_times.max())
        ranking = RankingModel.before_training(described, store, train_cut)
        ranking.bind(described, store)
        history = fit_ranking(ranking, course, splits, store)
        return RankingPredictor(ranking, described, _device(self._accelerator)), history

    def _judge(self, split: str, table: TrainingTable, store: Store, notes: list[str]) -> dict[str, float]:
        predictions = self.predict(table, store)
        if isinstance(predictions, Rankings):
            return predictions.metrics()
        metrics = _metrics_of(predictions.scores, table)
        notes += [f"{split}: {note}" for note in metrics.notes]
        return metrics.values

    def _final_folder(self, task: Task) -> Path:
        return self._out or Path("runs") / f"{task.entity_table}-{task.task_type}"

    def _open_run(self, described: Description, resume: bool) -> Path:
        """The folder of the run under way, with the description of its model in it."""
        final = self._final_folder(described.task)
        if final.is_dir() and any(final.iterdir()) and not (final / "task.json").is_file():
            raise TrainingError(
                f"{final} is not empty and holds no model, so no model is written there; choose another out"
            )
        folder = final.with_name(final.name + ".partial")
        if (folder / LAST_CHECKPOINT).is_file() and resume:
            if not described.matches(folder):
                raise TrainingError(
                    f"the interrupted run in {folder} has another plan or other data; resume it with these,"
                    " or start anew with resume=False"
                )
            return folder
        if (folder / LAST_CHECKPOINT).is_file():
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


def _plan_model(described: Description) -> nn.Module:
    return build_model(
        described.plan,
        described.schema,
        described.statistics,
        entity_table=described.task.entity_table,
        out_channels=described.task.out_channels,
    )


def _target_scale(train: TrainingTable) -> TargetScale | None:
    if train.task_type not in (TaskType.regression, TaskType.forecasting) or train.target is None:
        return None
    target = train.target.astype(np.float64)
    lowest, highest = np.percentile(target, CLAMP_PERCENTILES)
    return TargetScale(float(target.mean()), float(target.std()) or 1.0, float(lowest), float(highest))


def _monitor(val: TrainingTable, task: Task, notes: list[str]) -> str:
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
    boosted = described.plan.training_job.boosted_baseline and len(asked)
    trees = boosted_scores(known, asked, store) if boosted else None
    if trees is not None:
        found["boosted trees"] = trees
    return {name: _metrics_of(scores, asked).values for name, scores in found.items()}


def _device(accelerator: str) -> str:
    import torch

    return "cuda" if accelerator != "cpu" and torch.cuda.is_available() else "cpu"


def _replace_folder(new: Path, final: Path) -> None:
    """Puts a whole folder in the place of an older one, which is lost only then."""
    if not final.exists():
        new.rename(final)
        return
    with tempfile.TemporaryDirectory(dir=final.parent, prefix=f".{final.name}-") as old:
        final.rename(Path(old) / final.name)
        new.rename(final)
