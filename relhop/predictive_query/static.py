"""Examples of a query about a column of the entity: each entity once."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import numpy as np
import pyarrow as pa

from relhop.errors import TrainingError
from relhop.predictive_query.asked import Asked
from relhop.predictive_query.fates import fates_of, unsplit
from relhop.query.anchors import Anchors, Dates
from relhop.query.static_splits import split_at_random, split_by_time
from relhop.query.twins import Twins, find_twins
from relhop.training_table import TRAIN, TrainingTable


def static_examples(
    asked: Asked, dates: Dates, memory_limit: str | None, *, splits: bool
) -> tuple[TrainingTable, pa.ChunkedArray]:
    """The examples, and what becomes their labels.

    Args:
        asked: The query and the data.
        dates: Where splits begin, or which parts they are.
        memory_limit: Of the statement, as DuckDB has it.
        splits: Whether examples are split; else all are for training, until a column says otherwise.

    Raises:
        TrainingError: If there are dates, and the rows have no times.
    """
    anchor = asked.newest_time()
    found, task_type = asked.evaluate(asked.compiled.training_sql, np.array([anchor]), memory_limit)
    twins = _twins(asked)
    times = asked.times(found.rows, anchor)
    if not splits:
        split = np.full(len(times), TRAIN, np.int8)
    elif asked.compiled.uses_row_times:
        split = split_by_time(times, dates)
    elif dates.val_start is not None or dates.test_start is not None or dates.train_start is not None:
        raise TrainingError(
            f"the rows of '{asked.compiled.entity_table}' have no times, so no dates can split them"
        )
    else:
        split = split_at_random(found.rows, dates.shares)
    one_anchor = Anchors(np.array([anchor]), np.array([TRAIN], np.int8), ())
    notes = unsplit(fates_of(found, one_anchor))
    notes += [
        f"{column} follows from the target in every row; if it is computed from it, drop it:"
        " column_processing.drop"
        for column in twins.coarser
    ]
    withheld = tuple(str(column) for column in (*asked.compiled.targets, *twins.same))
    table = asked.table(found, task_type, times, split, tuple(notes))
    table = replace(table, withheld=withheld)
    if dates.train_start is None:
        return table, found.target
    kept = times >= dates.train_start
    return table.take(np.flatnonzero(kept)), found.target.filter(pa.array(kept))


def _twins(asked: Asked) -> Twins:
    """What tells the columns of a static target."""
    with closing(asked.store.connect()) as connection:
        found = [find_twins(connection, asked.schema, column) for column in asked.compiled.targets]
    same = dict.fromkeys(column for twins in found for column in twins.same)
    coarser = dict.fromkeys(column for twins in found for column in twins.coarser)
    return Twins(tuple(same), tuple(coarser))
