"""A predictive query bound to a schema: text in, training and prediction tables out."""

from __future__ import annotations

import datetime as dt
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from relhop.errors import TrainingError
from relhop.fanouts import degree_of
from relhop.plan import Facts, ModelPlan, suggest
from relhop.predictive_query.arguments import micros_of, shares_of, stride_of
from relhop.predictive_query.asked import Asked
from relhop.predictive_query.marked import marked
from relhop.predictive_query.static import static_examples
from relhop.predictive_query.stretched import refuse_far_end
from relhop.predictive_query.temporal import temporal_examples
from relhop.query.anchors import Dates
from relhop.query.compiler import compile_query
from relhop.query.dialects import Dialect, statement_in
from relhop.query.explanation import explain_query
from relhop.query.findings import constant_label, require_examples
from relhop.query.statement import Drop
from relhop.query.storage_types import settled_task
from relhop.query.syntax import parse
from relhop.schema import Schema
from relhop.times import TimeLike
from relhop.training_table import PREDICTION, TRAIN, TaskType, TrainingTable, labelled

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
        """What kind of label the query asks for. Tables of a multiclass query may turn out binary: where the
        column holds truth values, or 0 and 1 alone.
        """
        return self._compiled.task_type

    @property
    def entity_table(self) -> str:
        """The table of FOR EACH."""
        return self._compiled.entity_table

    def sql(self, dialect: Dialect | None = None) -> str:
        """The statement that finds training examples.

        Args:
            dialect: `None`: for DuckDB, over the views of `Store.connect()`. Else one that stands alone, over
                the tables as they are in a warehouse: `spark`, `snowflake`, `bigquery` or `duckdb`. It gives
                the key columns, `anchor_time` and `target`. Needs sqlglot.

        Both read the anchor times from a table `_rh_anchors (anchor_id, anchor_time)`.

        Raises:
            QueryError: If the dialect is unknown or cannot say it, or sqlglot is not installed.
        """
        if dialect is None:
            return self._compiled.training_sql
        return statement_in(self._compiled, self.schema, dialect)

    def explain(self) -> str:
        """How the query was understood, in words, and its SQL."""
        return explain_query(self._compiled, self.schema)

    def generate_training_table(  # noqa: PLR0913
        self,
        store: Store,
        *,
        stride: str | dt.timedelta | None = None,
        val_start: TimeLike | None = None,
        test_start: TimeLike | None = None,
        max_eval_anchors: int | None = None,
        train_start: TimeLike | None = None,
        max_train_anchors: int | None = None,
        split: str | tuple[float, float, float] | None = None,
        weight: str | None = None,
        memory_limit: str | None = None,
    ) -> TrainingTable:
        """Examples with labels, split by time.

        Args:
            store: The data.
            stride: How far anchors lie apart, such as `"30 days"`; by default the target's window length.
            val_start: First validation anchor; training anchors step back from it. Give both dates or
                neither; without, anchors step back from the newest complete window, in 80/10/10 parts.
            test_start: First test anchor. Labels of training and validation use nothing later.
            max_eval_anchors: At most so many validation and so many test anchors.
            train_start: No training anchor is earlier: for data that is too young for the query's windows
                on the past, or too old to matter.
            max_train_anchors: At most so many training anchors: the newest.
            split: Other parts than 80/10/10, such as `(0.7, 0.15, 0.15)`; or a column of the entity's table
                that holds `train`, `val` or `test`. Then anchors are not split, and entities without one of
                these are dropped and counted.
            weight: A column of the entity's table that says how much an example weighs in the loss.
            memory_limit: Of the statement that finds the examples, such as `"4GB"`; what does not fit is
                written to a temporary folder. Examples themselves take some 25 bytes each besides.

        A static query has an example for each entity whose target is known. Where the entity's table has a
        time column, each is seen at the time of its row, and the newest tenth is for test, the tenth before
        for validation, or what the dates say. Without, all are seen at the newest time, and the splits are
        drawn at random.

        Raises:
            QueryError: If a constant does not fit the column that it is compared with.
            TrainingError: If the data cannot fill the three splits, a few rows lie far behind all others in
                time, or no example is left to train on.
        """
        dated = val_start is not None or test_start is not None
        if split is not None and dated:
            raise TrainingError("give either split, or val_start and test_start")
        dates = Dates(
            None if val_start is None else micros_of(val_start),
            None if test_start is None else micros_of(test_start),
            max_eval_anchors,
            None if train_start is None else micros_of(train_start),
            max_train_anchors,
            shares_of(split) if isinstance(split, tuple) else Dates.shares,
        )
        asked, column = self._of(store), split if isinstance(split, str) else None
        if self._compiled.stride is not None:
            apart = stride_of(stride, self._compiled.stride)
            table, target = temporal_examples(asked, apart, dates, memory_limit, splits=column is None)
        elif stride is not None or dates != replace(dates, max_eval_anchors=None, max_train_anchors=None):
            raise TrainingError(
                "a static query has no windows: give no stride, no max_eval_anchors and no max_train_anchors"
            )
        else:
            table, target = static_examples(asked, dates, memory_limit, splits=column is None)
        if column is not None or weight is not None:
            table, target = marked(asked, table, target, column, weight)
        require_examples(table)
        table = labelled(table, target)
        require_examples(table)
        constant = constant_label(table)
        return table if constant is None else replace(table, notes=(*table.notes, constant))

    def generate_prediction_table(self, store: Store, anchor_time: TimeLike | None = None) -> TrainingTable:
        """The entities to predict for at one time: all visible ones that pass WHERE.

        ASSUMING is taken as given. Of a static query they are those whose value is missing, each seen as when
        training; the time says which rows are there.

        Args:
            store: The data.
            anchor_time: By default the newest time of the tables that make labels.

        Raises:
            QueryError: If a constant does not fit the column that it is compared with.
            TrainingError: If there is no anchor time, or the newest lies far behind all other times.
        """
        asked = self._of(store)
        if anchor_time is None:
            refuse_far_end(asked)
        newest = asked.newest_time() if self._compiled.task.is_static else asked.newest_label_time()
        anchor = newest if anchor_time is None else micros_of(anchor_time)
        if anchor is None:
            raise TrainingError(
                f"no row of {', '.join(self._compiled.label_tables)} has a time; give an anchor_time"
            )
        found, task_type = asked.evaluate(self._compiled.prediction_sql, np.array([anchor]))
        seen = found.counts.sum()
        notes = [
            f"{int(found.counts[0, reason]):,} of {seen:,} visible entities {why}"
            for reason, why in ((Drop.where, "fail WHERE"), (Drop.known, "have the value already"))
            if found.counts[0, reason]
        ]
        if self._compiled.query.keys is not None:
            named = len({constant.value for constant in self._compiled.query.keys})
            if named > seen:
                notes.append(f"{named - seen:,} of {named:,} entities asked for are not there at that time")
        if self._compiled.query.assuming is not None:
            notes.append("ASSUMING is taken as given")
        split = np.full(len(found.rows), PREDICTION, np.int8)
        return asked.table(found, task_type, asked.times(found.rows, anchor), split, tuple(notes))

    def suggest_model_plan(
        self, store: Store, run_mode: str = "fast", *, table: TrainingTable | None = None
    ) -> ModelPlan:
        """A plan that suits the task, the store and the time there is; see `relhop.ModelPlan`.

        Args:
            store: The data.
            run_mode: How much time to spend: `debug` (seconds), `fast` (minutes), `normal` (tens of minutes,
                with a small search) or `best` (hours, with a large one).
            table: The training table, whose examples are counted: few are given a narrower network.

        Raises:
            PlanError: On an unknown run mode, or a task for which there is no model.
        """
        compiled = self._compiled
        with closing(store.connect()) as connection:
            task_type = settled_task(compiled.task, compiled.query, connection)
        facts = Facts(
            schema=store.schema,
            task_type=task_type,
            entity_table=self.entity_table,
            num_rows={name: stored.num_rows for name, stored in store.tables.items()},
            num_examples=None if table is None else int((table.split == TRAIN).sum()),
            degrees={edge_type: degree_of(store, edge_type) for edge_type in store.schema.edge_types},
        )
        return suggest(facts, run_mode)

    def _of(self, store: Store) -> Asked:
        return Asked(self.text, self._compiled, self.schema, store)

    def __repr__(self) -> str:
        return f"PredictiveQuery({self.text!r})"
