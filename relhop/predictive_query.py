"""A predictive query bound to a schema: text in, training and prediction tables out."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Protocol

import numpy as np

from relhop.errors import TrainingError
from relhop.plan import ModelPlan, suggest
from relhop.query.anchors import Anchors, Dates, place_anchors
from relhop.query.compiler import Drop, compile_query
from relhop.query.duration import Duration
from relhop.query.evaluation import Examples, evaluate
from relhop.query.resolve import entity_link
from relhop.query.storage_types import check_storage
from relhop.query.syntax import parse
from relhop.schema import Schema
from relhop.times import END_OF_TIME, TimeLike, to_micros
from relhop.training_table import PREDICTION, SPLIT_NAMES, TaskType, TrainingTable, labelled

if TYPE_CHECKING:
    from relhop.store.reader import Store


class HasSchema(Protocol):
    """A graph or a store."""

    @property
    def schema(self) -> Schema:
        """Its tables and links."""
        ...


class PredictiveQuery:
    """A question about the future of each entity.

    Args:
        source: A graph, a store or a schema.
        text: The query; see docs/query.md.

    Attributes:
        text: The query.
        task_type: What kind of label it asks for.

    Raises:
        QueryError: If the text has no meaning on that schema; shows the place.
    """

    def __init__(self, source: HasSchema | Schema, text: str) -> None:
        self.schema: Schema = source if isinstance(source, Schema) else source.schema
        self.text = text
        self._compiled = compile_query(parse(text), self.schema)

    @property
    def task_type(self) -> TaskType:
        """What kind of label the query asks for."""
        return self._compiled.task_type

    @property
    def entity_table(self) -> str:
        """The table of FOR EACH."""
        return self._compiled.query.entity.table

    @property
    def sql(self) -> str:
        """The statement that finds training examples; `_rh_anchors` holds the anchor times."""
        return self._compiled.training_sql

    def explain(self) -> str:
        """How the query was understood, in words."""
        compiled, query = self._compiled, self._compiled.query
        links = dict.fromkeys(
            entity_link(query, self.schema, aggregation).name for aggregation in compiled.aggregations()
        )
        horizon = max(compiled.horizons, key=lambda h: h.seconds)
        lines = [
            f"task: {compiled.task_type}, one example for each {query.entity} at each anchor time",
            f"label: from rows of {', '.join(compiled.label_tables)} up to {horizon} after the anchor time",
            f"links followed: {', '.join(links)} -> {query.entity.table}",
        ]
        if query.where is not None:
            lines.append("WHERE: only entities that pass it, judged by what is known at the anchor time")
        if query.assuming is not None:
            lines.append("ASSUMING: only training examples that pass it; taken as given when predicting")
        lines.append(f"anchor times: every {compiled.stride} unless a stride is given")
        return "\n".join(lines)

    def generate_training_table(
        self,
        store: Store,
        *,
        stride: str | dt.timedelta | None = None,
        val_start: TimeLike | None = None,
        test_start: TimeLike | None = None,
        max_eval_anchors: int | None = None,
    ) -> TrainingTable:
        """Examples with labels, split by time.

        Args:
            store: The data.
            stride: How far anchors lie apart, such as `"30 days"`; by default the target's window length.
            val_start: First validation anchor; training anchors step back from it. Give both dates or
                neither; without, anchors step back from the newest complete window, in 80/10/10 parts.
            test_start: First test anchor. Labels of training and validation use nothing later.
            max_eval_anchors: At most so many validation and so many test anchors.

        Raises:
            QueryError: If a constant does not fit the column that it is compared with.
            TrainingError: If the data cannot fill the three splits.
        """
        compiled = self._compiled
        oldest, newest = store.oldest_time, self._newest_label_time(store)
        if oldest is None or newest is None:
            raise TrainingError(
                f"no row of {', '.join(compiled.label_tables)} has a time, so there are no labels"
            )
        dates = Dates(
            None if val_start is None else _micros(val_start),
            None if test_start is None else _micros(test_start),
            max_eval_anchors,
        )
        anchors = place_anchors(compiled, oldest, newest, _stride(stride, compiled.stride), dates)
        examples = self._evaluate(store, compiled.training_sql, anchors.times)
        table = TrainingTable(
            entity_table=self.entity_table,
            task_type=self.task_type,
            rows=examples.rows,
            anchor_times=anchors.times[examples.anchor_ids],
            target=None,
            split=anchors.split[examples.anchor_ids],
            keys=store.keys_of(self.entity_table, examples.rows),
            query=self.text,
            notes=(*anchors.notes, *_fates(examples, anchors)),
        )
        return labelled(table, examples.target)

    def generate_prediction_table(self, store: Store, anchor_time: TimeLike | None = None) -> TrainingTable:
        """The entities to predict for at one time: all visible ones that pass WHERE.

        ASSUMING is taken as given.

        Args:
            store: The data.
            anchor_time: By default the newest time of the tables that make labels.

        Raises:
            QueryError: If a constant does not fit the column that it is compared with.
            TrainingError: If there is no anchor time.
        """
        newest = self._newest_label_time(store)
        anchor = newest if anchor_time is None else _micros(anchor_time)
        if anchor is None:
            raise TrainingError(
                f"no row of {', '.join(self._compiled.label_tables)} has a time; give an anchor_time"
            )
        examples = self._evaluate(store, self._compiled.prediction_sql, np.array([anchor], np.int64))
        failed = int(examples.counts[0, Drop.where])
        notes = [f"{failed:,} of {examples.counts.sum():,} visible entities fail WHERE"] if failed else []
        if self._compiled.query.assuming is not None:
            notes.append("ASSUMING is taken as given")
        return TrainingTable(
            entity_table=self.entity_table,
            task_type=self.task_type,
            rows=examples.rows,
            anchor_times=np.full(len(examples.rows), anchor, np.int64),
            target=None,
            split=np.full(len(examples.rows), PREDICTION, np.int8),
            keys=store.keys_of(self.entity_table, examples.rows),
            query=self.text,
            notes=tuple(notes),
        )

    def suggest_model_plan(self, store: Store, run_mode: str = "fast") -> ModelPlan:
        """A plan that suits the task and the store; see `relhop.ModelPlan`.

        Args:
            store: The data.
            run_mode: How much time to spend: `fast`, `normal` or `best`.
        """
        return suggest(store, self.task_type, self.entity_table, run_mode)

    def _newest_label_time(self, store: Store) -> int | None:
        """Up to when labels are known. A calendar of coming events in another table must not stretch it."""
        newest = []
        for name in self._compiled.label_tables:
            time, visible = store.tables[name].time, store.cut(name, END_OF_TIME)
            if time is not None and visible > 0:
                newest.append(int(time[visible - 1]))
        return max(newest, default=None)

    def _evaluate(self, store: Store, sql: str, anchors: np.ndarray) -> Examples:
        connection = store.connect()
        try:
            check_storage(self._compiled.query, connection)
            return evaluate(connection, sql, anchors)
        finally:
            connection.close()

    def __repr__(self) -> str:
        return f"PredictiveQuery({self.text!r})"


def _micros(time: TimeLike) -> int:
    try:
        return to_micros(time)
    except ValueError as error:
        raise TrainingError(str(error)) from None


def _stride(given: str | dt.timedelta | None, default: Duration) -> Duration:
    if given is None:
        return default
    if isinstance(given, dt.timedelta):
        return Duration(round(given.total_seconds()), "seconds")
    try:
        return Duration.parse(given)
    except ValueError as error:
        raise TrainingError(f"stride: {error}") from None


def _fates(examples: Examples, anchors: Anchors) -> list[str]:
    """What became of the visible entities, one sentence a split."""
    notes = []
    for name, code in SPLIT_NAMES.items():
        counts = examples.counts[anchors.split == code].sum(axis=0)
        times = anchors.times[anchors.split == code]
        dropped = [
            f"{int(counts[reason]):,} {why}"
            for reason, why in (
                (Drop.where, "fail WHERE"),
                (Drop.assuming, "fail ASSUMING"),
                (Drop.no_value, "have no value in the target's window"),
            )
            if counts[reason]
        ]
        fate = f"; {', '.join(dropped)}" if dropped else ""
        notes.append(
            f"considered for {name}: {int(counts.sum()):,} visible entities at {len(times):,}"
            f" anchor{'s' if len(times) > 1 else ''}{fate}"
        )
    return notes
