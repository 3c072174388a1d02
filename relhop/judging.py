"""How good a model is, in metrics, beside what needs none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from relhop.baselines import baseline_scores
from relhop.boosting import boosted_scores
from relhop.checkpoint import Description, Task
from relhop.metrics import FALLBACK_METRIC, TUNED_METRIC, Metrics, compute_metrics
from relhop.predictor import Predictor
from relhop.ranking.predictor import RankingPredictor, judge_baselines, ranks_of
from relhop.store.reader import Store
from relhop.training_result import Judgement, Run
from relhop.training_table import TaskType, TrainingTable


def judge(
    predictor: Predictor | RankingPredictor, split: str, run: Run, table: TrainingTable, store: Store
) -> Judgement:
    """How good a model is on a split, beside baselines that know all earlier ones; notes are added to the
    run's.

    Args:
        predictor: The model.
        split: Which examples are asked.
        run: Its training.
        table: All examples.
        store: What those of the split see.
    """
    asked = table.splits[split]
    baselines = _baselines(table.before(split), asked, store, run.described)
    if isinstance(predictor, RankingPredictor):
        return Judgement(predictor.predict(asked, store).metrics(), baselines)
    judged = metrics_of(predictor.predict(asked, store).scores, asked)
    run.notes.extend(f"{split}: {note}" for note in judged.notes)
    return Judgement(judged.values, baselines)


def metrics_of(scores: NDArray[np.float64], table: TrainingTable) -> Metrics:
    """Metrics of scores of all examples of a table, which have labels."""
    labels = table.labels(np.arange(len(table)))
    assert labels is not None
    return compute_metrics(table.task_type, scores, labels)


def monitored(val: TrainingTable, task: Task, notes: list[str]) -> str:
    """The metric to choose the best epoch by; `notes` get a reason if it is not the usual one."""
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


def _baselines(
    known: TrainingTable, asked: TrainingTable, store: Store, described: Description
) -> dict[str, dict[str, float]]:
    if asked.task_type == TaskType.link_prediction:
        return judge_baselines(asked, store, described)
    found = baseline_scores(known, asked)
    plan = described.plan
    if plan.training_job.boosted_baseline and len(asked):
        unseen = plan.column_processing.unseen(known.withheld, store.schema)
        delay = plan.neighbor_sampling.resolve_delay(training=True)
        trees = boosted_scores(replace(known, withheld=unseen), asked, store, delay)
        if trees is not None:
            found["boosted trees"] = trees
    return {name: metrics_of(scores, asked).values for name, scores in found.items()}
