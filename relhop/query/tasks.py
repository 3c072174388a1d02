"""Which task a target asks for, and what the words after it may ask of it."""

from __future__ import annotations

from dataclasses import dataclass

from relhop.errors import QueryError
from relhop.query.nodes import Aggregation, Column, Query, Spec, aggregations, operands
from relhop.query.resolve import entity_link, item_link, require_column, stype_of
from relhop.schema import Link, Schema, Stype
from relhop.training_table import TaskType

MAX_TIMEFRAMES = 10_000

_FORECAST = ("SUM", "COUNT", "COUNT_DISTINCT")
_CLASSES = frozenset({Stype.numerical, Stype.categorical, Stype.text})


@dataclass(frozen=True)
class QueryTask:
    """What a query asks for.

    Attributes:
        type: The kind of label.
        is_static: Whether the label is a value that a row has or lacks, rather than what happens in a window.
        timeframes: Of a forecast: how many windows follow one another.
        top_k: Of a ranking: how many items are asked for; `None`: no number was given.
        item_link: Of a link prediction: the link whose parents are listed.
    """

    type: TaskType
    is_static: bool = False
    timeframes: int | None = None
    top_k: int | None = None
    item_link: Link | None = None

    @property
    def is_list(self) -> bool:
        """Whether a label is a list of values."""
        return self.type in (TaskType.multilabel, TaskType.link_prediction)


def task_of(query: Query, schema: Schema) -> QueryTask:
    """The task of a query whose names and windows are checked.

    Raises:
        QueryError: If target and words after it do not go together, or its values cannot be predicted.
    """
    target, spec, is_static = query.target, query.spec, is_static_target(query, schema)
    if spec is not None and spec.count is not None and spec.count < 1:
        raise QueryError(f"{spec.word} needs a number of at least 1", query.text, spec.count_position)
    if spec is not None and spec.word == "FORECAST":
        return _forecast(query, spec)
    if isinstance(target, Aggregation) and target.function == "LIST_DISTINCT":
        return _list(query, schema, target, is_static=is_static)
    if isinstance(target, Aggregation | Column):
        found = _value_task(query, schema, target)
        column = target.column if isinstance(target, Aggregation) else target
        what = f"{target.function}({column})" if isinstance(target, Aggregation) else str(column)
    else:
        found, what = TaskType.binary, "a condition"
    if spec is not None and found != TaskType.multiclass:
        problem = "a truth value" if found == TaskType.binary else "a number"
        reason = f"{spec.word} needs a list or a category, as in LIST_DISTINCT(...), but {what} is {problem}"
        raise QueryError(reason, query.text, spec.position)
    return QueryTask(found, is_static, top_k=None if spec is None else spec.count)


def is_static_target(query: Query, schema: Schema) -> bool:
    """Whether the target holds columns of the entity, or all rows of tables without time.

    Raises:
        QueryError: If it mixes these with windows of time, or names what no model can be asked for.
    """
    found = [operand for operand, _ in operands(query.target)]
    columns = [operand for operand in found if isinstance(operand, Column)]
    timeless = [a for a in aggregations(query.target) if a.window is None]
    if not columns and not timeless:
        return False
    if len(columns) + len(timeless) < len(found):
        named = columns[0] if columns else timeless[0]
        what = f"the column {named}" if isinstance(named, Column) else "one without a window"
        with_what = "aggregations over time" if columns else "one over time"
        raise QueryError(f"a target cannot mix {what} with {with_what}", query.text, named.position)
    for column in columns:
        _check_static_column(query, schema, column)
    for aggregation in timeless:
        _check_timeless(query, schema, aggregation)
    return True


def _check_static_column(query: Query, schema: Schema, column: Column) -> None:
    require_column(query, schema, column)
    table = query.entity.table
    reason = None
    if column.is_star:
        raise QueryError(
            "* stands for whole rows; name a column to predict", query.text, column.name_position
        )
    if column.table != table:
        reason = f"only columns of '{table}' can be predicted for its rows, and {column} is none"
    elif stype_of(schema, column) == Stype.id:
        reason = f"{column} is a key, which cannot be predicted: the model follows it"
    elif column.name == schema.tables[table].time_col:
        reason = f"{column} says when a row is visible, so it cannot be predicted"
    if reason is not None:
        raise QueryError(reason, query.text, column.position)


def _check_timeless(query: Query, schema: Schema, aggregation: Aggregation) -> None:
    """All rows of a table are known to the model; only links can be withheld one by one."""
    column, spec = aggregation.column, query.spec
    lists_links = aggregation.function == "LIST_DISTINCT" and item_link(schema, column) is not None
    if schema.tables[column.table].time_col is not None:
        reason = f"an aggregation needs a window, as in {aggregation.function}({column}, 0, 30, days)"
    elif not lists_links or spec is None or spec.word != "RANK":
        reason = (
            f"a label made of all rows of '{column.table}' would leak: the model sees these rows;"
            " without a window only LIST_DISTINCT(...) RANK TOP k of a foreign key is withheld"
        )
    else:
        return
    raise QueryError(reason, query.text, aggregation.position)


def _forecast(query: Query, spec: Spec) -> QueryTask:
    target = query.target
    if not isinstance(target, Aggregation) or target.function not in _FORECAST or target.window is None:
        reason = f"FORECAST needs one of {', '.join(_FORECAST)} over a window, whose empty windows are 0"
        raise QueryError(reason, query.text, spec.position)
    assert spec.count is not None
    if spec.count > MAX_TIMEFRAMES:
        raise QueryError(f"at most {MAX_TIMEFRAMES:,} timeframes", query.text, spec.count_position)
    for inner in aggregations(target.where):
        reason = "FORECAST moves the window, so the filter inside cannot have a window of its own"
        raise QueryError(reason, query.text, inner.position)
    return QueryTask(TaskType.forecasting, timeframes=spec.count)


def _list(query: Query, schema: Schema, target: Aggregation, *, is_static: bool) -> QueryTask:
    spec, link, column = query.spec, item_link(schema, target.column), target.column
    if spec is None:
        choice = "RANK TOP 10" if link is not None else "CLASSIFY or RANK TOP 10"
        reason = f"a list needs to be told what it is for: write {choice} after it"
        raise QueryError(reason, query.text, target.position)
    if link is not None and link == entity_link(query, schema, target, query.entity.table):
        reason = f"{column} is the link to the entity itself, so the list would be constant"
        raise QueryError(reason, query.text, column.position)
    if link is None and stype_of(schema, column) not in _CLASSES:
        raise QueryError(
            f"{column} {_what(schema, column)}, which cannot be listed", query.text, column.position
        )
    if link is not None and spec.word == "RANK":
        return QueryTask(TaskType.link_prediction, is_static, top_k=spec.count, item_link=link)
    return QueryTask(TaskType.multilabel, is_static, top_k=spec.count)


def _value_task(query: Query, schema: Schema, target: Aggregation | Column) -> TaskType:
    column = target if isinstance(target, Column) else target.column
    function = None if isinstance(target, Column) else target.function
    if function not in (None, "FIRST", "LAST", "MIN", "MAX"):
        return TaskType.regression
    match stype_of(schema, column):
        case Stype.numerical:
            return TaskType.regression
        case Stype.categorical:
            return TaskType.regression if function in ("MIN", "MAX") else TaskType.multiclass
        case _:
            reason = (
                f"{column} {_what(schema, column)}, which cannot be predicted; compare it with a constant"
            )
            raise QueryError(reason, query.text, column.position)


def _what(schema: Schema, column: Column) -> str:
    stype = stype_of(schema, column)
    return "is a key" if stype == Stype.id else f"is of type {stype}"
