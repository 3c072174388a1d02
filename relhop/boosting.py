"""Gradient-boosted trees on windowed aggregates: a baseline that a network should beat, and a fair one.

They see what `relhop.aggregates` says of each example, and learn under the delays of the plan, as the network
does. Needs LightGBM.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from relhop.aggregates import Seen, aggregates, frequent_values
from relhop.delays import NO_DELAY, Delay
from relhop.errors import TrainingError
from relhop.store.reader import Store
from relhop.training_table import TaskType, TrainingTable

MAX_COLUMNS = 100
"""Multilabel tasks and forecasts need trees for each class or timeframe; of more than this none are grown."""

ROUNDS = 200
"""How many trees are grown for a number."""

DRAWS = 3
"""How often each example is learnt from where delays are drawn, each time with another."""

MAX_CATEGORIES = 200
"""A column with more different texts is left out: trees would learn its values by heart."""

_SETTINGS: dict[str, Any] = {
    "learning_rate": 0.05,
    "deterministic": True,
    "num_threads": 1,
    "seed": 0,
    "verbosity": -1,
}


def require_lightgbm() -> None:
    """Raises TrainingError if LightGBM is not installed."""
    if find_spec("lightgbm") is None:
        raise TrainingError(
            "training_job.boosted_baseline needs LightGBM: pip install 'relhop[lightgbm]', or set it to false"
        )


def boosted_scores(
    known: TrainingTable, asked: TrainingTable, store: Store, delay: Delay = NO_DELAY
) -> NDArray[np.float64] | None:
    """Scores of trees that were grown on `known`, shaped as those of `relhop.baselines.baseline_scores`.

    `None` where the task has more than `MAX_COLUMNS` classes or timeframes of its own.

    Args:
        known: Examples whose labels may be used, all earlier than `asked`.
        asked: Examples to score.
        store: What both see.
        delay: How much later than it happens `known` sees a row; `asked`, too, where it is fixed.
    """
    drawn = not delay.is_fixed
    learnt = np.tile(np.arange(len(known)), DRAWS if drawn else 1)
    delays = [delay.draw(len(known), 0, n) for n in range(DRAWS if drawn else 1)]
    delays.append(delay.when_asked.draw(len(asked), 0, 0))
    features = example_features([known.take(learnt), asked], store, np.concatenate(delays), known)
    seen, unseen = features.iloc[: len(learnt)], features.iloc[len(learnt) :]
    labels: NDArray[Any] = np.asarray(known.labels(learnt))
    return grown(known, seen, labels, unseen)


def example_features(
    tables: list[TrainingTable], store: Store, delays: NDArray[np.int64], known: TrainingTable
) -> pd.DataFrame:
    """`relhop.aggregates.aggregates` of the examples of all tables, in order.

    Args:
        tables: Examples.
        store: What they see.
        delays: How much later than it happens they see a row, int64 microseconds [n].
        known: Examples whose labels are used: what is fitted sees rows up to the newest of them.
    """
    rows = np.concatenate([table.rows for table in tables])
    seen = Seen.of(store, rows, np.concatenate([table.anchor_times for table in tables]), delays)
    cut = int(known.anchor_times.max())
    frequent = frequent_values(store, cut, known.withheld)
    found = aggregates(store, known.entity_table, seen, frequent, known.withheld)
    texts = found.select_dtypes("category")
    return found.drop(columns=[c for c in texts if len(texts[c].cat.categories) > MAX_CATEGORIES])


def grown(
    known: TrainingTable,
    seen: pd.DataFrame,
    labels: NDArray[Any],
    unseen: pd.DataFrame,
    settings: dict[str, Any] | None = None,
    rounds: int = ROUNDS,
) -> NDArray[np.float64] | None:
    """Scores of `unseen` by trees that were grown on `seen` and its labels; see `boosted_scores`.

    Args:
        known: The task.
        seen: Features of examples to learn from.
        labels: Of these, as `TrainingTable.labels` gives them.
        unseen: Features of examples to score.
        settings: LightGBM's, beside this module's own.
        rounds: How many trees.
    """
    settings = {**_SETTINGS, **(settings or {})}
    if known.task_type == TaskType.multiclass:
        count = len(known.classes or ())
        return _grown(
            seen, labels, unseen, {**settings, "objective": "multiclass", "num_class": count}, rounds
        )
    is_class = known.task_type in (TaskType.binary, TaskType.multilabel)
    settings["objective"] = "binary" if is_class else "l1"
    if labels.ndim == 1:
        return _grown(seen, labels, unseen, settings, rounds)
    if labels.shape[1] > MAX_COLUMNS:
        return None
    return np.stack([_grown(seen, column.copy(), unseen, settings, rounds) for column in labels.T], axis=1)


def _grown(
    seen: pd.DataFrame, labels: NDArray[Any], unseen: pd.DataFrame, settings: dict[str, Any], rounds: int
) -> NDArray[np.float64]:
    """Probabilities or values [n], or probabilities of classes [n, num_class]."""
    import lightgbm

    if labels.min() == labels.max() and "num_class" not in settings:
        return np.full(len(unseen), float(labels[0]))
    trees = lightgbm.train(settings, lightgbm.Dataset(seen, labels), num_boost_round=rounds)
    scores: NDArray[np.float64] = trees.predict(unseen)
    return scores
