"""Gradient-boosted trees on windowed aggregates: a baseline that a network should beat, and a fair one.

They see what `relhop.aggregates` says of each example, and learn under the delays of the plan, as the network
does. What was grown can score other examples later. Needs LightGBM.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

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

FILE = "trees.json"
"""In the folder of a model, whose predictions they are half of."""

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


def require_lightgbm(asked_by: str) -> None:
    """Raises TrainingError if LightGBM is not installed, which names the setting that asks for it."""
    if find_spec("lightgbm") is None:
        raise TrainingError(f"{asked_by} needs LightGBM: pip install 'relhop[lightgbm]', or set it to false")


@dataclass(frozen=True)
class BoostedTrees:
    """Trees that were grown, with what they need to score other examples.

    Attributes:
        task_type: Of the labels.
        entity_table: The table that examples are rows of.
        unseen: Columns that no feature is made of, as `table.column`.
        left_out: See `relhop.aggregates.aggregates`.
        frequent: See `relhop.aggregates.frequent_values`.
        features: Names of what the trees see, in order.
        models: By column of the labels LightGBM's text of the trees, or the one value that it has; of classes
            one text.
    """

    task_type: TaskType
    entity_table: str
    unseen: tuple[str, ...]
    left_out: tuple[str, ...]
    frequent: Mapping[str, tuple[str, ...]]
    features: tuple[str, ...]
    models: tuple[str | float, ...]

    @classmethod
    def grow(cls, known: TrainingTable, store: Store, delay: Delay = NO_DELAY) -> Self | None:
        """Trees on the examples of a table; `None` where the task has more than `MAX_COLUMNS` classes or
        timeframes of its own.

        Args:
            known: Examples whose labels may be used.
            store: What they see.
            delay: How much later than it happens they see a row.
        """
        times = 1 if delay.is_fixed else DRAWS
        learnt = np.tile(np.arange(len(known)), times)
        labels: NDArray[Any] = np.asarray(known.labels(learnt))
        columns = _columns(known, labels)
        if columns is None:
            return None
        delays = np.concatenate([delay.draw(len(known), 0, n) for n in range(times)])
        seen = example_features([known] * times, store, delays, known)
        frequent = frequent_values(store, int(known.anchor_times.max()), known.withheld)
        settings = {**_SETTINGS, **_objective(known)}
        return cls(
            known.task_type,
            known.entity_table,
            tuple(known.withheld),
            seen.attrs["left_out"],
            frequent,
            tuple(str(name) for name in seen),
            tuple(_grow(seen, column, settings, ROUNDS) for column in columns),
        )

    def scores(self, asked: TrainingTable, store: Store, delay: Delay = NO_DELAY) -> NDArray[np.float64]:
        """Scores shaped as those of `relhop.baselines.baseline_scores`.

        Args:
            asked: Examples.
            store: What they see.
            delay: How much later than it happens they see a row; of a range, nothing.
        """
        delays = delay.when_asked.draw(len(asked), 0, 0)
        seen = Seen.of(store, asked.rows, asked.anchor_times, delays)
        found = aggregates(store, self.entity_table, seen, self.frequent, self.unseen, self.left_out)
        return _of_columns(self.task_type, [_score(model, found[[*self.features]]) for model in self.models])

    def write(self, folder: Path) -> None:
        """Writes `trees.json`."""
        (folder / FILE).write_text(json.dumps(asdict(self), ensure_ascii=False), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """What `write` wrote; `None` where there is nothing."""
        if not (folder / FILE).is_file():
            return None
        data = json.loads((folder / FILE).read_text(encoding="utf-8"))
        return cls(
            TaskType(data["task_type"]),
            data["entity_table"],
            tuple(data["unseen"]),
            tuple(data["left_out"]),
            {name: tuple(values) for name, values in data["frequent"].items()},
            tuple(data["features"]),
            tuple(data["models"]),
        )


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
    """Scores of `unseen` by trees that were grown on `seen` and its labels, as `BoostedTrees`
    gives them.

    Args:
        known: The task.
        seen: Features of examples to learn from.
        labels: Of these, as `TrainingTable.labels` gives them.
        unseen: Features of examples to score.
        settings: LightGBM's, beside this module's own.
        rounds: How many trees.
    """
    columns = _columns(known, labels)
    if columns is None:
        return None
    settings = {**_SETTINGS, **(settings or {}), **_objective(known)}
    found = [_score(_grow(seen, column, settings, rounds), unseen) for column in columns]
    return _of_columns(known.task_type, found)


def _objective(known: TrainingTable) -> dict[str, Any]:
    """What LightGBM minimises."""
    if known.task_type == TaskType.multiclass:
        return {"objective": "multiclass", "num_class": len(known.classes or ())}
    is_class = known.task_type in (TaskType.binary, TaskType.multilabel)
    return {"objective": "binary" if is_class else "l1"}


def _columns(known: TrainingTable, labels: NDArray[Any]) -> list[NDArray[Any]] | None:
    """What trees are grown for, each [n]; `None` where that is too many."""
    if labels.ndim == 1:
        return [labels]
    return [column.copy() for column in labels.T] if labels.shape[1] <= MAX_COLUMNS else None


def _of_columns(task_type: TaskType, scores: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Scores of all columns of the labels as the task has them."""
    has_columns = task_type in (TaskType.multilabel, TaskType.forecasting)
    return np.stack(scores, axis=1) if has_columns else scores[0]


def _grow(seen: pd.DataFrame, labels: NDArray[Any], settings: Mapping[str, Any], rounds: int) -> str | float:
    """LightGBM's text of the trees, or the one value that the labels have."""
    import lightgbm

    if labels.min() == labels.max() and "num_class" not in settings:
        return float(labels[0])
    trees = lightgbm.train(dict(settings), lightgbm.Dataset(seen, labels), num_boost_round=rounds)
    text: str = trees.model_to_string()
    return text


def _score(model: str | float, unseen: pd.DataFrame) -> NDArray[np.float64]:
    """Probabilities or values [n], or probabilities of classes [n, num_class]."""
    import lightgbm

    if isinstance(model, float):
        return np.full(len(unseen), model)
    scores: NDArray[np.float64] = lightgbm.Booster(model_str=model).predict(unseen, num_threads=1)
    return scores
