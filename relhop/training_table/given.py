"""What the user's own labels say: which entities, at which times, in which splits, for which task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from relhop.errors import TrainingError
from relhop.sources.quoting import first_line
from relhop.times import END_OF_TIME, NULL_TIME, format_time
from relhop.training_table.tasks import SPLIT_NAMES, TaskType

if TYPE_CHECKING:
    from relhop.store.reader import Store


def rows_of(store: Store, entity_table: str, keys: pd.DataFrame) -> NDArray[np.int64]:
    """The row of each key [n] in the entity's table.

    Raises:
        TrainingError: If a key is not there; names some.
    """
    rows: NDArray[np.int64] = np.asarray(store.rows_of(entity_table, keys), np.int64)
    unknown = np.flatnonzero(rows < 0)
    if len(unknown):
        examples = keys.iloc[unknown[:3]].itertuples(index=False, name=None)
        shown = ", ".join(str(key if len(key) > 1 else key[0]) for key in examples)
        shown += ", ..." if len(unknown) > 3 else ""
        raise TrainingError(
            f"{len(unknown):,} of {len(rows):,} keys are not in '{entity_table}': {shown}; remove these rows"
        )
    return rows


def times_of(column: pd.Series[Any]) -> NDArray[np.int64]:
    """Anchor times [n], int64 microseconds since 1970, of timestamps, ISO text or such integers.

    Raises:
        TrainingError: If a value is no time, or missing.
    """
    try:
        if pd.api.types.is_integer_dtype(column):
            return column.to_numpy(np.int64)
        times = pd.to_datetime(column, utc=True, format="ISO8601")
    except (ValueError, TypeError) as error:
        raise TrainingError(
            f"column '{column.name}' holds something that is no time: {first_line(error)}"
        ) from None
    if times.isna().any():
        raise TrainingError(
            f"{int(times.isna().sum()):,} of {len(times):,} anchor times in '{column.name}' are missing"
        )
    micros: NDArray[np.int64] = times.dt.tz_localize(None).to_numpy("datetime64[us]").view(np.int64)
    return np.minimum(micros, END_OF_TIME)


def early_note(
    store: Store, entity_table: str, keys: pd.DataFrame, rows: NDArray[np.int64], times: NDArray[np.int64]
) -> tuple[str, ...]:
    """What is said of examples [n] whose entity is not there yet at their anchor time."""
    own = store.tables[entity_table].time
    begin = times if own is None else own[rows]
    early = np.flatnonzero(times < begin)
    if not len(early):
        return ()
    first = early[0]
    key = keys.iloc[first].tolist()
    shown = f"{key[0] if len(key) == 1 else tuple(key)} at {format_time(int(times[first]))}"
    since = int(begin[first])
    there = "has no time" if since == NULL_TIME else f"is of {format_time(since)}"
    return (
        f"{len(early):,} of {len(rows):,} examples are older than the row of {entity_table} that they ask"
        f" about, such as {shown}, whose row {there}: a model sees what is in that row all the same; leave"
        " them out, or ask later",
    )


def splits_of(column: pd.Series[Any]) -> NDArray[np.int8]:
    """The codes of splits [n], by name.

    Raises:
        TrainingError: If a name is none of them.
    """
    codes = column.map(lambda value: SPLIT_NAMES.get(value, -1))
    unknown = column[codes < 0]
    if len(unknown):
        raise TrainingError(
            f"{len(unknown):,} rows have a split that is none of {', '.join(SPLIT_NAMES)},"
            f" such as {unknown.iloc[0]!r}"
        )
    return codes.to_numpy(np.int8)


def weights_of(column: pd.Series[Any]) -> NDArray[np.float32]:
    """Weights [n] in the loss.

    Raises:
        TrainingError: If a value is no number.
    """
    try:
        weights: NDArray[np.float32] = pd.to_numeric(column).to_numpy(np.float32)
    except (ValueError, TypeError) as error:
        raise TrainingError(f"the weights in '{column.name}' must be numbers: {first_line(error)}") from None
    return weights


def labels_of(column: pd.Series[Any], task_type: TaskType) -> pa.Array:
    """Labels [n] as users see them.

    Raises:
        TrainingError: If they are of several types, or lists where the task has single values.
    """
    try:
        labels = pa.array(column, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise TrainingError(
            f"the labels in '{column.name}' must be of one type: {first_line(error)}"
        ) from None
    lists = (TaskType.multilabel, TaskType.forecasting)
    if pa.types.is_nested(labels.type) != (task_type in lists):
        raise TrainingError(
            f"the labels in '{column.name}' are {labels.type}, which do not make a {task_type} task; lists"
            " are for task_type='multilabel' or 'forecasting', single values for the others"
        )
    return labels


def task_of(target: pd.Series[Any]) -> TaskType:
    """The task that labels suggest: binary of 0 and 1, regression of other numbers, else multiclass."""
    if not pd.api.types.is_numeric_dtype(target):
        return TaskType.multiclass
    return TaskType.binary if target.isin([0, 1]).all() else TaskType.regression
