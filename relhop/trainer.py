"""A plan, a training table and a store -> a trained model in a folder, judged beside baselines."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

from lightning.pytorch.callbacks import Callback
from torch import nn

from relhop.checkpoint import Task
from relhop.errors import TrainingError
from relhop.judging import judge, metrics_of
from relhop.plan import ModelPlan
from relhop.predictor import Predictions, Predictor
from relhop.ranking.predictor import RankingPredictor, Rankings
from relhop.run_folder import publish
from relhop.search import fit_best
from relhop.store.reader import Store
from relhop.training import Training, Views, load_predictor
from relhop.training_result import TrainingResult
from relhop.training_table import TrainingTable


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
        self._training = Training(plan, None if out is None else Path(out), accelerator, progress)
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
            if warm_start is not None:
                raise TrainingError("a search starts anew; leave out warm_start, or search without it first")
            self._predictor, result = fit_best(
                self._training, table, views, model=model, resume=resume, callbacks=callbacks
            )
            if model is not None:
                model.load_state_dict(self._predictor.model.state_dict())
            return result
        earlier = self._earlier(warm_start, model)
        self._predictor, run = self._training.run(
            table, views, model=model, resume=resume, callbacks=callbacks, earlier=earlier
        )
        judged = {
            "val": judge(self._predictor, "val", run, table, views.val),
            "test": judge(self._predictor, "test", run, table, views.test),
        }
        return publish(run, self._training.folder_of(run.described.task), judged)

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
        predictor = load_predictor(path, model, accelerator)
        trainer = cls(predictor.described.plan, out=path, accelerator=accelerator, progress=progress)
        trainer._predictor = predictor
        return trainer

    @property
    def plan(self) -> ModelPlan:
        """What it trains."""
        return self._training.plan

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
        return self._training.folder_of(self.predictor.described.task)

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
        return metrics_of(predictions.scores, table).values

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


def _view_of(store: Store, view: Store | None) -> Store:
    """The view that is asked for, by default the store itself; its categories must be numbered alike."""
    if view is None:
        return store
    if view.path != store.path:
        raise TrainingError(
            f"val_store is {view.path}, but training reads {store.path}; give a view of it: store.as_of(time)"
        )
    return view
