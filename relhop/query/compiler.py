"""From a syntax tree to what a store is asked: one SQL statement, and how far labels reach."""

from __future__ import annotations

from dataclasses import dataclass

from relhop.query.checker import check
from relhop.query.duration import Duration, unit_named
from relhop.query.nodes import Aggregation, Column, Query, aggregations, nested_aggregations, operands
from relhop.query.statement import StatementWriter, bounds
from relhop.query.tasks import QueryTask
from relhop.schema import Schema
from relhop.training_table import TaskType


@dataclass(frozen=True)
class CompiledQuery:
    """What a query asks of a store.

    Attributes:
        query: The syntax tree.
        task: What kind of labels it yields.
        training_sql: The statement for training examples.
        prediction_sql: The statement for examples to predict: without ASSUMING, and with a null target.
        stride: The length of the target's longest window: by default anchors lie this far apart. Of a static
            query, which has no windows, `None`.
        horizons: How far after an anchor the windows of target and ASSUMING end.
        tables: The tables whose rows are read, but for parents that a condition looks at.
        label_tables: Those whose rows make labels.
        targets: The columns of the entity that a static label is made of.
        uses_row_times: Whether each entity is seen at the time of its own row.
        history: How far before an anchor the longest window on the past begins; `None`: there is none.
    """

    query: Query
    task: QueryTask
    training_sql: str
    prediction_sql: str
    stride: Duration | None
    horizons: tuple[Duration, ...]
    tables: tuple[str, ...]
    label_tables: tuple[str, ...]
    targets: tuple[Column, ...]
    uses_row_times: bool
    history: Duration | None

    @property
    def task_type(self) -> TaskType:
        """What kind of labels it yields."""
        return self.task.type

    @property
    def entity_table(self) -> str:
        """The table of FOR EACH."""
        return self.query.entity.table

    def label_end(self, anchor: int) -> int:
        """The time up to which the label of an anchor needs data, in microseconds since 1970."""
        return max(horizon.after(anchor) for horizon in self.horizons)


def compile_query(query: Query, schema: Schema) -> CompiledQuery:
    """Checks a query and translates it.

    Raises:
        QueryError: See `checker.check`.
    """
    task = check(query, schema)
    frames = task.timeframes or 1
    lengths = [length for length in map(_length, aggregations(query.target)) if length is not None]
    labels = [a for part in (query.target, query.assuming) for a in nested_aggregations(part)]
    ahead = [(a, _end(a, frames)) for a in labels]
    future = [(a, end) for a, end in ahead if end is not None and end.count > 0]
    read = [a for part in (query.target, query.where, query.assuming) for a in nested_aggregations(part)]
    starts = (bounds(a.window)[0] for a in read if a.window is not None)
    back = [Duration(-start.count, start.unit) for start in starts if start is not None and start.count < 0]
    targets = [operand for operand, _ in operands(query.target) if isinstance(operand, Column)]
    label_tables = [a.column.table for a, _ in future] or [a.column.table for a in labels]
    uses_row_times = bool(targets) and schema.tables[query.entity.table].time_col is not None
    training, prediction = (
        StatementWriter(
            query, schema, task, is_training=is_training, uses_row_times=uses_row_times
        ).statement()
        for is_training in (True, False)
    )
    return CompiledQuery(
        query=query,
        task=task,
        training_sql=training,
        prediction_sql=prediction,
        stride=max(lengths, key=lambda length: length.seconds, default=None),
        horizons=tuple(dict.fromkeys(end for _, end in future)),
        tables=tuple(dict.fromkeys([query.entity.table, *(a.column.table for a in read)])),
        label_tables=tuple(dict.fromkeys(label_tables or [query.entity.table])),
        targets=tuple(dict.fromkeys(targets)),
        uses_row_times=uses_row_times,
        history=max(back, key=lambda length: length.seconds, default=None),
    )


def _end(aggregation: Aggregation, frames: int) -> Duration | None:
    """How far after an anchor the last window of an aggregation ends."""
    length = _length(aggregation)
    if aggregation.window is None:
        return None
    _, end = bounds(aggregation.window)
    return end if length is None else Duration(end.count + (frames - 1) * length.count, end.unit)


def _length(aggregation: Aggregation) -> Duration | None:
    window = aggregation.window
    if window is None or window.start is None:
        return None
    return Duration(window.end - window.start, unit_named(window.unit))
