"""All that is to be said of how good a trained model is, in one call."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from relhop.baselines import baseline_scores
from relhop.checkpoint import Description, read_metrics
from relhop.errors import TrainingError, nearest
from relhop.evaluation.bootstrap import differences, metric_intervals
from relhop.evaluation.calibration import Calibration, calibration
from relhop.evaluation.explanation import Explanation, explain_example
from relhop.evaluation.importance import MAX_EXAMPLES, importance
from relhop.evaluation.rows import columns_of_rows
from relhop.evaluation.scored import Scored
from relhop.evaluation.slices import by_slice, over_time
from relhop.metrics import FALLBACK_METRIC, TUNED_METRIC
from relhop.predictor import Predictions, Predictor
from relhop.ranking.predictor import Rankings, baseline_rankings
from relhop.store.reader import Store
from relhop.times import TimeLike, to_micros
from relhop.trainer import Trainer
from relhop.training_table import SPLIT_NAMES, TaskType, TrainingTable
from relhop.withholding import by_table

MAX_SLICED_COLUMNS = 6
"""Columns of the entity's table by which metrics are sliced unless others are named."""

MODEL = "model"
"""The model's name beside baselines."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How good a model is on one split, where, and why.

    Attributes:
        table: The whole table, with all splits.
        split: The split that is judged.
        store: What the model sees of it.
        described: The model's plan, task and schema.
        history: The course of training, an entry an epoch; empty where it is not known.
        metric: The one that stands for the others in pictures.
        metrics: A row for each metric of the model (`name` "model") and of each baseline: `name`, `metric`,
            `value`, `low`, `high`.
        baselines: How much worse than the model each baseline is, by `metric`: `name`, `worse_by`, `low`,
            `high`.
        calibration: `None` of rankings.
        over_time: See `relhop.evaluation.slices.over_time`.
        slices: By column; see `relhop.evaluation.slices.by_slice`.
        importance: See `relhop.evaluation.importance`; `None` of rankings.
        explanations: By what is special about it (`highest`, `lowest`, `most wrong`); empty of rankings.
        notes: What could not be told, and why.
    """

    table: TrainingTable
    split: str
    store: Store
    described: Description
    history: list[dict[str, float]]
    metric: str
    metrics: pd.DataFrame
    baselines: pd.DataFrame
    calibration: Calibration | None
    over_time: pd.DataFrame
    slices: dict[str, pd.DataFrame]
    importance: pd.DataFrame | None
    explanations: dict[str, Explanation]
    notes: list[str]

    def to_html(self, path: str | os.PathLike[str]) -> Path:
        """Writes all of it as one HTML page, which holds its pictures and fetches nothing; returns its
        path.
        """
        from relhop.evaluation.page import evaluation_page

        return evaluation_page(self).write(path)


def evaluate(
    trainer: Trainer,
    table: TrainingTable,
    store: Store,
    *,
    split: str = "test",
    slices: Sequence[str] | pd.DataFrame | None = None,
    max_examples: int = MAX_EXAMPLES,
    seed: int = 0,
    progress: bool = True,
) -> Evaluation:
    """Judges a trained model on one split: metrics with intervals, calibration, slices, importance, explained
    scores.

    Args:
        trainer: After `fit`, or loaded.
        table: The examples, with all splits: baselines know the labels of those before.
        store: What the model sees; `store.as_of(time)` for a frozen protocol.
        split: `train`, `val` or `test`.
        slices: Columns of the entity's table by which metrics are sliced, by default the first that the model
            sees; or a frame whose rows are the split's examples, in their order.
        max_examples: Importance is measured on so many examples, drawn at random; 0: not at all.
        seed: Key of all draws.
        progress: Whether to show bars on a terminal.

    Raises:
        TrainingError: If the split has no labelled examples, table or store do not fit the model, or there is
            no such split or column.
    """
    if split not in SPLIT_NAMES:
        raise TrainingError(f"there is no split '{split}'.{nearest(split, SPLIT_NAMES)}")
    asked = table.splits[split]
    if not len(asked) or not table.has_labels:
        raise TrainingError(f"the table has no labelled examples in its split '{split}' to judge by")
    predictor, notes = trainer.predictor, []
    predictions = trainer.predict(asked, store)
    scored = Scored.of(predictions)
    judged = scored.metrics()
    notes += judged.notes
    trained = read_metrics(trainer.path)
    metric = trained.get("metric") or TUNED_METRIC.get(asked.task_type, next(iter(judged.values)))
    if np.isnan(judged.values[metric]):
        metric = FALLBACK_METRIC.get(asked.task_type, metric)
    rivals = _baselines(predictor.described, table, split, predictions, store, notes)
    frames = [
        _named(name, metric_intervals(its, seed=seed)) for name, its in {MODEL: scored, **rivals}.items()
    ]
    worse = differences(metric, scored, list(rivals.values()), seed=seed)
    worse.insert(0, "name", list(rivals))
    is_ranking = isinstance(predictions, Rankings)
    if is_ranking:
        notes.append("a ranking has no calibration, importance or explained scores: it has no single score")
    return Evaluation(
        table=table,
        split=split,
        store=store,
        described=predictor.described,
        history=trained.get("history", []),
        metric=metric,
        metrics=pd.concat(frames, ignore_index=True),
        baselines=worse,
        calibration=None if is_ranking else calibration(scored, seed=seed),
        over_time=over_time(scored, seed=seed),
        slices=_slices(scored, _slice_values(slices, asked, store, predictor.described), seed),
        importance=None
        if not isinstance(predictor, Predictor) or not max_examples
        else importance(
            predictor, asked, store, metric=metric, max_examples=max_examples, seed=seed, progress=progress
        ),
        explanations=_explanations(predictor, predictions, scored, store),
        notes=notes,
    )


def explain(
    trainer: Trainer, store: Store, key: Any, anchor_time: TimeLike, *, output: int | None = None
) -> Explanation:
    """The rows behind one score, and how much each of them moved it.

    Args:
        trainer: After `fit`, or loaded.
        store: What the model sees.
        key: The entity's primary key; of several columns a tuple.
        anchor_time: The time of the prediction; nothing later is seen.
        output: See `relhop.evaluation.explanation.explain_example`.

    Raises:
        TrainingError: If there is no such entity, the model ranks, or the store does not fit it.
    """
    predictor = trainer.predictor
    if not isinstance(predictor, Predictor):
        raise TrainingError("a ranking has no single score to explain")
    task = predictor.described.task
    pkey = list(store.schema.table(task.entity_table).pkey)
    asked = pd.DataFrame([key if isinstance(key, tuple) else (key,)], columns=pkey)
    asked["anchor_time"] = np.array([to_micros(anchor_time)])
    table = TrainingTable.from_pandas(asked, store, entity_table=task.entity_table, task_type=task.task_type)
    return explain_example(predictor, table, store, 0, output=output)


def _named(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    frame.insert(0, "name", name)
    return frame


def _baselines(
    described: Description,
    table: TrainingTable,
    split: str,
    predictions: Predictions | Rankings,
    store: Store,
    notes: list[str],
) -> dict[str, Scored]:
    """Baselines of the examples that were predicted, by name; they know the labels of earlier splits."""
    if isinstance(predictions, Rankings):
        asked, rankings = baseline_rankings(table.splits[split], store, described)
        return {name: Scored.of_scores(asked, items) for name, items in rankings.items()}
    earlier = table.before(split)
    if not len(earlier):
        notes.append(f"the table has no examples before its split '{split}', so no baselines")
        return {}
    found = baseline_scores(earlier, predictions.table)
    return {name: Scored.of_scores(predictions.table, scores) for name, scores in found.items()}


def _slice_values(
    slices: Sequence[str] | pd.DataFrame | None, asked: TrainingTable, store: Store, described: Description
) -> pd.DataFrame:
    """A column for each slicing, aligned with the examples."""
    if isinstance(slices, pd.DataFrame):
        return slices
    table = asked.entity_table
    known = store.schema.feature_columns(table)
    withheld = by_table(described.task.withheld, store.schema)[table]
    if slices is None:
        slices = [column for column in known if column not in withheld][:MAX_SLICED_COLUMNS]
    described_columns = store.schema.table(table).stypes
    for column in slices:
        if column not in described_columns:
            raise TrainingError(
                f"table '{table}' has no column '{column}'.{nearest(column, described_columns)}"
            )
    return columns_of_rows(store, table, asked.rows, slices)


def _slices(scored: Scored, values: pd.DataFrame, seed: int) -> dict[str, pd.DataFrame]:
    return {str(column): by_slice(scored, values[column], seed=seed) for column in values}


def _explanations(
    predictor: object, predictions: Predictions | Rankings, scored: Scored, store: Store
) -> dict[str, Explanation]:
    """The highest and the lowest score, and the most wrong one; of classes the surest and least sure."""
    if not isinstance(predictor, Predictor) or isinstance(predictions, Rankings):
        return {}
    scores = np.asarray(scored.scores, np.float64)
    if scores.ndim == 2:
        scores = scores.mean(axis=1) if scored.task_type == TaskType.forecasting else scores.max(axis=1)
    chosen = {
        "highest": int(scores.argmax()),
        "lowest": int(scores.argmin()),
        "most wrong": int(scored.wrongness().argmax()),
    }
    return {
        name: explain_example(predictor, predictions.table, store, example)
        for name, example in chosen.items()
    }
