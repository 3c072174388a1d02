"""A predictive query bound to a schema: text in, training and prediction tables out."""

from __future__ import annotations

import datetime as dt
import math
from contextlib import closing
from dataclasses import replace
from functools import partial
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from relhop.errors import TrainingError
from relhop.fanouts import degree_of
from relhop.plan import Facts, ModelPlan, suggest
from relhop.query.anchors import Anchors, Dates, all_anchors, place_anchors
from relhop.query.compiler import compile_query
from relhop.query.dialects import Dialect, statement_in
from relhop.query.duration import Duration
from relhop.query.entity_columns import split_of_rows, weight_of_rows
from relhop.query.evaluation import Examples, evaluate
from relhop.query.explanation import explain_query
from relhop.query.findings import constant_label, require_examples
from relhop.query.nodes import Aggregation
from relhop.query.resolve import entity_link
from relhop.query.statement import Drop
from relhop.query.static_splits import split_at_random, split_by_time
from relhop.query.storage_types import check_storage, settled_task
from relhop.query.syntax import parse
from relhop.query.twins import Twins, find_twins
from relhop.schema import Link, Schema
from relhop.store.placement import parse_size
from relhop.store.sql import failing
from relhop.times import END_OF_TIME, TimeLike, to_micros
from relhop.training_table import PREDICTION, SPLIT_NAMES, TRAIN, TaskType, TrainingTable, labelled

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
        return self._compiled.query.entity.table

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
            TrainingError: If the data cannot fill the three splits, or no example is left to train on.
        """
        dated = val_start is not None or test_start is not None
        if split is not None and dated:
            raise TrainingError("give either split, or val_start and test_start")
        dates = Dates(
            None if val_start is None else _micros(val_start),
            None if test_start is None else _micros(test_start),
            max_eval_anchors,
            None if train_start is None else _micros(train_start),
            max_train_anchors,
            _shares(split) if isinstance(split, tuple) else Dates.shares,
        )
        named = split if isinstance(split, str) else None
        if not self._compiled.task.is_static:
            table, found = self._temporal_examples(store, stride, dates, named, memory_limit)
        elif stride is not None or dates != replace(dates, max_eval_anchors=None, max_train_anchors=None):
            raise TrainingError(
                "a static query has no windows: give no stride, no max_eval_anchors and no max_train_anchors"
            )
        else:
            table, found = self._static_examples(store, dates, named, memory_limit)
        if named is not None or weight is not None:
            table, found = self._marked(store, table, found, named, weight)
        return self._labelled(table, found)

    def _temporal_examples(
        self,
        store: Store,
        stride: str | dt.timedelta | None,
        dates: Dates,
        named: str | None,
        memory_limit: str | None,
    ) -> tuple[TrainingTable, pa.ChunkedArray]:
        compiled = self._compiled
        oldest, newest = store.oldest_time, self._newest_label_time(store)
        if oldest is None or newest is None:
            raise TrainingError(
                f"no row of {', '.join(compiled.label_tables)} has a time, so there are no labels"
            )
        assert compiled.stride is not None
        place = place_anchors if named is None else all_anchors
        anchors = place(compiled, oldest, newest, _stride(stride, compiled.stride), dates)
        found, task_type = self._evaluate(store, compiled.training_sql, anchors.times, memory_limit)
        fates = _fates(found, anchors)
        notes = (*anchors.notes, *(fates if named is None else _unsplit(fates)))
        times, split = found.by_anchor(anchors.times), found.by_anchor(anchors.split)
        return self._table(store, found, task_type, times, split, notes), found.target

    def _static_examples(
        self, store: Store, dates: Dates, named: str | None, memory_limit: str | None
    ) -> tuple[TrainingTable, pa.ChunkedArray]:
        anchor = self._newest_time(store)
        found, task_type = self._evaluate(
            store, self._compiled.training_sql, np.array([anchor]), memory_limit
        )
        twins = self._twins(store)
        times = self._times(store, found.rows, anchor)
        if named is not None:
            split = np.full(len(times), TRAIN, np.int8)
        elif self._compiled.uses_row_times:
            split = split_by_time(times, dates)
        elif dates.val_start is not None or dates.test_start is not None or dates.train_start is not None:
            raise TrainingError(
                f"the rows of '{self.entity_table}' have no times, so no dates can split them"
            )
        else:
            split = split_at_random(found.rows, dates.shares)
        one_anchor = Anchors(np.array([anchor]), np.array([TRAIN], np.int8), ())
        notes = _unsplit(_fates(found, one_anchor))
        notes += [
            f"{column} follows from the target in every row; if it is computed from it, drop it:"
            " column_processing.drop"
            for column in twins.coarser
        ]
        withheld = tuple(str(column) for column in (*self._compiled.targets, *twins.same))
        table = self._table(store, found, task_type, times, split, tuple(notes))
        table = replace(table, withheld=withheld)
        if dates.train_start is None:
            return table, found.target
        kept = times >= dates.train_start
        return table.take(np.flatnonzero(kept)), found.target.filter(pa.array(kept))

    def _marked(
        self,
        store: Store,
        table: TrainingTable,
        target: pa.ChunkedArray,
        split: str | None,
        weight: str | None,
    ) -> tuple[TrainingTable, pa.ChunkedArray]:
        """The examples with the split and the weight that columns of their entities give them."""
        notes = []
        with closing(store.connect()) as connection:
            if split is not None:
                codes = split_of_rows(connection, self.entity_table, split)[table.rows]
                kept = codes != PREDICTION
                if not kept.all():
                    notes.append(
                        f"{np.count_nonzero(~kept):,} of {len(codes):,} examples dropped: {split} is none of"
                        f" {', '.join(SPLIT_NAMES)}"
                    )
                table = replace(table, split=codes).take(np.flatnonzero(kept))
                target = target.filter(pa.array(kept))
            if weight is not None:
                weights = weight_of_rows(connection, self.entity_table, weight)[table.rows]
                table = table.with_weight(weights, weight)
        return replace(table, notes=(*table.notes, *notes)), target

    def _table(
        self,
        store: Store,
        found: Examples,
        task_type: TaskType,
        times: NDArray[np.int64],
        split: NDArray[np.int8],
        notes: tuple[str, ...],
    ) -> TrainingTable:
        task = self._compiled.task
        return TrainingTable(
            entity_table=self.entity_table,
            task_type=task_type,
            rows=found.rows,
            anchor_times=times,
            target=None,
            split=split,
            keys_of=partial(store.keys_of, self.entity_table),
            query=self.text,
            notes=notes,
            item_table=None if task.item_link is None else task.item_link.parent,
            top_k=task.top_k,
            target_links=None if task.item_link is None else self._target_links(task.item_link),
        )

    def _target_links(self, item_link: Link) -> tuple[str, str]:
        """How the rows that a ranking lists point at the entity, and at the item."""
        query = self._compiled.query
        assert isinstance(query.target, Aggregation)
        return entity_link(query, self.schema, query.target, self.entity_table).name, item_link.name

    def _labelled(self, table: TrainingTable, target: pa.ChunkedArray) -> TrainingTable:
        require_examples(table)
        whole = labelled(table, target)
        require_examples(whole)
        constant = constant_label(whole)
        return whole if constant is None else replace(whole, notes=(*whole.notes, constant))

    def generate_prediction_table(self, store: Store, anchor_time: TimeLike | None = None) -> TrainingTable:
        """The entities to predict for at one time: all visible ones that pass WHERE.

        ASSUMING is taken as given. Of a static query they are those whose value is missing, each seen as when
        training; the time says which rows are there.

        Args:
            store: The data.
            anchor_time: By default the newest time of the tables that make labels.

        Raises:
            QueryError: If a constant does not fit the column that it is compared with.
            TrainingError: If there is no anchor time.
        """
        static = self._compiled.task.is_static
        newest = self._newest_time(store) if static else self._newest_label_time(store)
        anchor = newest if anchor_time is None else _micros(anchor_time)
        if anchor is None:
            raise TrainingError(
                f"no row of {', '.join(self._compiled.label_tables)} has a time; give an anchor_time"
            )
        found, task_type = self._evaluate(store, self._compiled.prediction_sql, np.array([anchor]))
        seen = found.counts.sum()
        notes = [
            f"{int(found.counts[0, reason]):,} of {seen:,} visible entities {why}"
            for reason, why in ((Drop.where, "fail WHERE"), (Drop.known, "have the value already"))
            if found.counts[0, reason]
        ]
        if self._compiled.query.keys is not None:
            asked = len({constant.value for constant in self._compiled.query.keys})
            if asked > seen:
                notes.append(f"{asked - seen:,} of {asked:,} entities asked for are not there at that time")
        if self._compiled.query.assuming is not None:
            notes.append("ASSUMING is taken as given")
        times = self._times(store, found.rows, anchor)
        split = np.full(len(found.rows), PREDICTION, np.int8)
        return self._table(store, found, task_type, times, split, tuple(notes))

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

    def _newest_label_time(self, store: Store) -> int | None:
        """Up to when labels are known. A calendar of coming events in another table must not stretch it."""
        newest = []
        for name in self._compiled.label_tables:
            time, visible = store.tables[name].time, store.cut(name, END_OF_TIME)
            if time is not None and visible > 0:
                newest.append(int(time[visible - 1]))
        return max(newest, default=None)

    def _newest_time(self, store: Store) -> int:
        """The time at which all is seen; any, where no table has times."""
        newest = store.newest_time
        return 0 if newest is None else newest

    def _times(self, store: Store, rows: NDArray[np.int64], anchor: int) -> NDArray[np.int64]:
        """The anchor time of each row: its own, or the one given."""
        own = store.tables[self.entity_table].time
        if not self._compiled.uses_row_times or own is None:
            return np.full(len(rows), anchor, np.int64)
        times: NDArray[np.int64] = own[rows]
        return times

    def _evaluate(
        self, store: Store, sql: str, anchors: NDArray[np.int64], memory_limit: str | None = None
    ) -> tuple[Examples, TaskType]:
        """What a statement finds, and the task as the data has it."""
        compiled = self._compiled
        with (
            TemporaryDirectory(prefix="relhop-", ignore_cleanup_errors=True) as spill,
            closing(store.connect()) as connection,
            failing("the labels cannot be found"),
        ):
            connection.execute("SET temp_directory = ?", [spill])
            if memory_limit is not None:
                connection.execute("SET memory_limit = ?", [f"{parse_size(memory_limit)}B"])
            check_storage(compiled.query, connection)
            task_type = settled_task(compiled.task, compiled.query, connection)
            return evaluate(connection, sql, anchors, self._rows_per_anchor(store, len(anchors))), task_type

    def _rows_per_anchor(self, store: Store, num_anchors: int) -> int:
        """About how many rows an anchor needs: all entities, and its share of those that come and go."""
        rows = {name: store.tables[name].num_rows for name in self._compiled.tables}
        entities = rows.pop(self.entity_table)
        return entities + sum(rows.values()) // max(1, num_anchors)

    def _twins(self, store: Store) -> Twins:
        """What tells the columns of a static target."""
        with closing(store.connect()) as connection:
            found = [find_twins(connection, self.schema, column) for column in self._compiled.targets]
        same = dict.fromkeys(column for twins in found for column in twins.same)
        coarser = dict.fromkeys(column for twins in found for column in twins.coarser)
        return Twins(tuple(same), tuple(coarser))

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
    if not isinstance(given, str):
        raise TrainingError(f"stride is {given!r}; write such as '30 days'")
    try:
        return Duration.parse(given)
    except ValueError as error:
        raise TrainingError(f"stride: {error}") from None


def _shares(split: tuple[float, float, float]) -> tuple[float, float]:
    if len(split) != 3 or min(split) <= 0 or not math.isclose(sum(split), 1):
        raise TrainingError(
            f"split is {split}; give three positive parts, for train, val and test, that add up to 1"
        )
    return split[1], split[2]


def _unsplit(fates: list[str]) -> list[str]:
    return [note.replace("considered for train", "considered") for note in fates]


def _fates(examples: Examples, anchors: Anchors) -> list[str]:
    """What became of the visible entities, one sentence a split."""
    notes = []
    for name, code in SPLIT_NAMES.items():
        counts = examples.counts[anchors.split == code].sum(axis=0)
        times = anchors.times[anchors.split == code]
        if not len(times):
            continue
        dropped = [
            f"{int(counts[reason]):,} {why}"
            for reason, why in (
                (Drop.where, "fail WHERE"),
                (Drop.assuming, "fail ASSUMING"),
                (Drop.no_value, "have no value to predict"),
            )
            if counts[reason]
        ]
        fate = f"; {', '.join(dropped)}" if dropped else ""
        notes.append(
            f"considered for {name}: {int(counts.sum()):,} visible entities at {len(times):,}"
            f" anchor{'s' if len(times) > 1 else ''}{fate}"
        )
    return notes
