"""Examples of a query about windows of time: each visible entity at each anchor time."""

from __future__ import annotations

import pyarrow as pa

from relhop.errors import TrainingError
from relhop.predictive_query.asked import Asked
from relhop.predictive_query.fates import fates_of, unsplit
from relhop.predictive_query.stretched import early_anchors_note, refuse_far_end
from relhop.query.anchors import Dates, all_anchors, place_anchors
from relhop.query.duration import Duration
from relhop.training_table import TrainingTable


def temporal_examples(
    asked: Asked, stride: Duration, dates: Dates, memory_limit: str | None, *, splits: bool
) -> tuple[TrainingTable, pa.ChunkedArray]:
    """The examples, and what becomes their labels.

    Args:
        asked: The query and the data.
        stride: How far anchors lie apart.
        dates: Where splits begin, or which parts they are.
        memory_limit: Of the statement, as DuckDB has it.
        splits: Whether anchors are split; else all are for training, until a column says otherwise.

    Raises:
        TrainingError: If there are no labels, or the data cannot fill the splits.
    """
    compiled, store = asked.compiled, asked.store
    oldest, newest = store.oldest_time, asked.newest_label_time()
    if oldest is None or newest is None:
        raise TrainingError(
            f"no row of {', '.join(compiled.label_tables)} has a time, so there are no labels"
        )
    refuse_far_end(asked)
    place = place_anchors if splits else all_anchors
    anchors = place(compiled, oldest, newest, stride, dates)
    found, task_type = asked.evaluate(compiled.training_sql, anchors.times, memory_limit)
    fates = fates_of(found, anchors)
    notes = (*anchors.notes, *early_anchors_note(asked, anchors), *(fates if splits else unsplit(fates)))
    times, split = found.by_anchor(anchors.times), found.by_anchor(anchors.split)
    return asked.table(found, task_type, times, split, notes), found.target
