"""Gradient-boosted trees on what a table says at first glance: a baseline that a network should beat.

Of each example they see the columns of the entity, and of each table that points at it how many rows there
are by the anchor time, how old the newest is, and the mean of each numerical column: nothing later.
Needs LightGBM.
"""

from __future__ import annotations

from contextlib import closing
from importlib.util import find_spec
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from relhop.errors import TrainingError
from relhop.schema import Stype
from relhop.sources.quoting import quoted
from relhop.store.reader import Store
from relhop.training_table import TaskType, TrainingTable

MAX_COLUMNS = 100
"""Multilabel tasks and forecasts need trees for each class or timeframe; of more than this none are grown."""

ROUNDS = 200
"""How many trees are grown for a number."""

_SETTINGS: dict[str, Any] = {
    "learning_rate": 0.05,
    "deterministic": True,
    "num_threads": 1,
    "seed": 0,
    "verbosity": -1,
}
_DAY = 86_400_000_000


def require_lightgbm() -> None:
    """Raises TrainingError if LightGBM is not installed."""
    if find_spec("lightgbm") is None:
        raise TrainingError(
            "training_job.boosted_baseline needs LightGBM: pip install 'relhop[lightgbm]', or set it to false"
        )


def boosted_scores(known: TrainingTable, asked: TrainingTable, store: Store) -> NDArray[np.float64] | None:
    """Scores of trees that were grown on `known`, shaped as those of `relhop.baselines.baseline_scores`.

    `None` where the task has more than `MAX_COLUMNS` classes or timeframes of its own.

    Args:
        known: Examples whose labels may be used, all earlier than `asked`.
        asked: Examples to score.
        store: What both see.
    """
    features = example_features([known, asked], store)
    seen, unseen = features.iloc[: len(known)], features.iloc[len(known) :]
    labels: NDArray[Any] = np.asarray(known.labels(np.arange(len(known))))
    if known.task_type == TaskType.multiclass:
        count = len(known.classes or ())
        return _grown(seen, labels, unseen, {"objective": "multiclass", "num_class": count})
    is_class = known.task_type in (TaskType.binary, TaskType.multilabel)
    objective = {"objective": "binary" if is_class else "l1"}
    if labels.ndim == 1:
        return _grown(seen, labels, unseen, objective)
    if labels.shape[1] > MAX_COLUMNS:
        return None
    return np.stack([_grown(seen, column.copy(), unseen, objective) for column in labels.T], axis=1)


def _grown(
    seen: pd.DataFrame, labels: NDArray[Any], unseen: pd.DataFrame, objective: dict[str, Any]
) -> NDArray[np.float64]:
    """Probabilities or values [n], or probabilities of classes [n, num_class]."""
    import lightgbm

    if labels.min() == labels.max() and "num_class" not in objective:
        return np.full(len(unseen), float(labels[0]))
    trees = lightgbm.train({**_SETTINGS, **objective}, lightgbm.Dataset(seen, labels), num_boost_round=ROUNDS)
    scores: NDArray[np.float64] = trees.predict(unseen)
    return scores


def example_features(tables: list[TrainingTable], store: Store) -> pd.DataFrame:
    """One row an example of all tables, in order; categories are of pandas' type `category`."""
    examples = pa.table(
        {
            "example": np.arange(sum(map(len, tables))),
            "entity": np.concatenate([table.rows for table in tables]),
            "anchor": pa.array(np.concatenate([table.anchor_times for table in tables]), pa.timestamp("us")),
        }
    )
    entity, withheld = tables[0].entity_table, set(tables[0].withheld)
    with closing(store.connect()) as connection:
        connection.register("_rh_given_examples", examples)
        connection.execute("CREATE TEMP TABLE _rh_examples AS FROM _rh_given_examples")
        found = [_own(connection, store, entity, withheld)]
        for link in store.schema.links:
            if link.parent == entity:
                found.append(_pointing(connection, store, link.child, link.fkey_name))
    return pd.concat(found, axis=1)


def _own(
    connection: duckdb.DuckDBPyConnection, store: Store, entity: str, withheld: set[str]
) -> pd.DataFrame:
    """The columns of the entity: numbers, the age of times in days, categories."""
    columns, categories = ["x.example"], []
    for name, stype in store.schema.feature_columns(entity).items():
        if f"{entity}.{name}" in withheld:
            continue
        value = f"e.{quoted(name)}"
        if stype == Stype.numerical:
            columns.append(f"CAST({value} AS DOUBLE) AS {quoted(name)}")
        elif stype == Stype.timestamp:
            columns.append(f"(epoch_us(x.anchor) - epoch_us({value})) / {_DAY} AS {quoted(name)}")
        elif stype == Stype.categorical:
            columns.append(f"CAST({value} AS VARCHAR) AS {quoted(name)}")
            categories.append(name)
    frame: pd.DataFrame = connection.sql(
        f"SELECT {', '.join(columns)} FROM _rh_examples x JOIN {quoted(entity)} e ON e._rh_row = x.entity"
        " ORDER BY x.example"
    ).df()
    frame = frame.drop(columns="example").astype(dict.fromkeys(categories, "category"))
    return frame.set_axis([f"c{place}" for place in range(frame.shape[1])], axis=1)


def _pointing(connection: duckdb.DuckDBPyConnection, store: Store, child: str, fkey: str) -> pd.DataFrame:
    """Of the rows of `child` that point at the entity by the anchor time: count, age of the newest, means."""
    timed = store.schema.tables[child].time_col is not None
    columns = ["count(c._rh_row) AS n"]
    if timed:
        columns.append(f"(epoch_us(any_value(x.anchor)) - epoch_us(max(c._rh_time))) / {_DAY} AS age")
    columns += [
        f"avg(CAST(c.{quoted(name)} AS DOUBLE)) AS m{place}"
        for place, (name, stype) in enumerate(store.schema.feature_columns(child).items())
        if stype == Stype.numerical
    ]
    visible = " AND c._rh_time <= x.anchor" if timed else ""
    frame: pd.DataFrame = connection.sql(
        f"SELECT {', '.join(columns)} FROM _rh_examples x LEFT JOIN {quoted(child)} c"
        f" ON c.{quoted('_rh_' + fkey)} = x.entity{visible} GROUP BY x.example ORDER BY x.example"
    ).df()
    return frame.add_prefix(f"{child}_{fkey}_".replace("+", "_"))
