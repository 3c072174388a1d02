"""From a checked query to one SQL statement over all anchor times at once.

The statement reads the tables that `Store.connect()` shows and `_rh_anchors (anchor_id, anchor_time)`. It
yields a row for every entity visible at an anchor: `anchor_id`, `entity` (its row), `dropped` and `target`.

    _rh_agg_0, ...   one value per (entity, anchor) that has rows in the window
    SELECT           every visible entity at every anchor, LEFT JOIN those values

Comparisons know two truth values: one with a missing value is false, and NOT makes it true.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from relhop.query.checker import check, label_aggregations
from relhop.query.duration import Duration, unit_named
from relhop.query.nodes import (
    Aggregation,
    Column,
    Comparison,
    Condition,
    Constant,
    Either,
    Every,
    Not,
    Query,
    aggregations,
    operands,
)
from relhop.query.resolve import entity_link, row_link, stype_of
from relhop.schema import Link, Schema, Stype
from relhop.times import format_time
from relhop.training_table import TaskType


class Drop(IntEnum):
    """Why an example does not count."""

    kept = 0
    where = 1
    assuming = 2
    no_value = 3


@dataclass(frozen=True)
class CompiledQuery:
    """What a query asks of a store.

    Attributes:
        query: The syntax tree.
        task_type: What kind of labels it yields.
        training_sql: The statement for training examples.
        prediction_sql: The statement for examples to predict: without ASSUMING, and with a null target.
        stride: The length of the target's longest window: by default anchors lie this far apart.
        horizons: How far after an anchor the windows of target and ASSUMING end.
        label_tables: The tables whose rows make labels.
    """

    query: Query
    task_type: TaskType
    training_sql: str
    prediction_sql: str
    stride: Duration
    horizons: tuple[Duration, ...]
    label_tables: tuple[str, ...]

    def aggregations(self) -> list[Aggregation]:
        """All aggregations of the query: of the target, of WHERE, of ASSUMING."""
        query = self.query
        return [a for part in (query.target, query.where, query.assuming) for a in aggregations(part)]

    def label_end(self, anchor: int) -> int:
        """The time up to which the label of an anchor needs data, in microseconds since 1970."""
        return max(horizon.after(anchor) for horizon in self.horizons)


def compile_query(query: Query, schema: Schema) -> CompiledQuery:
    """Checks a query and translates it.

    Raises:
        QueryError: See `checker.check`.
    """
    task_type = check(query, schema)
    lengths = [_length(aggregation) for aggregation in aggregations(query.target)]
    labels = label_aggregations(query)
    return CompiledQuery(
        query=query,
        task_type=task_type,
        training_sql=_Writer(query, schema, is_training=True).statement(),
        prediction_sql=_Writer(query, schema, is_training=False).statement(),
        stride=max(lengths, key=lambda length: length.seconds),
        horizons=tuple(dict.fromkeys(_bounds(aggregation)[1] for aggregation in labels)),
        label_tables=tuple(dict.fromkeys(aggregation.column.table for aggregation in labels)),
    )


def _bounds(aggregation: Aggregation) -> tuple[Duration | None, Duration]:
    window = aggregation.window
    assert window is not None
    unit = unit_named(window.unit)
    return None if window.start is None else Duration(window.start, unit), Duration(window.end, unit)


def _length(aggregation: Aggregation) -> Duration:
    start, end = _bounds(aggregation)
    assert start is not None
    return Duration(end.count - start.count, end.unit)


class _Writer:
    def __init__(self, query: Query, schema: Schema, *, is_training: bool) -> None:
        self.query, self.schema, self.is_training = query, schema, is_training
        parts = [query.where, *([query.target, query.assuming] if is_training else [])]
        needed = (aggregation for part in parts for aggregation in aggregations(part))
        self.values = {aggregation: f"_rh_agg_{i}" for i, aggregation in enumerate(dict.fromkeys(needed))}

    def statement(self) -> str:
        entity = self.query.entity.table
        values = [f"{name} AS (\n{self.aggregate(a)}\n)" for a, name in self.values.items()]
        visible = "e._rh_time <= a.anchor_time" if self.schema.tables[entity].time_col is not None else "TRUE"
        lines = [
            *(["WITH " + ",\n".join(values)] if values else []),
            "SELECT a.anchor_id, e._rh_row AS entity,",
            f"    {self.dropped()} AS dropped,",
            f"    {self.target() if self.is_training else 'NULL'} AS target",
            f"FROM {_quoted(entity)} e JOIN _rh_anchors a ON {visible}",
            *(
                f"LEFT JOIN {name} ON {name}.entity = e._rh_row AND {name}.anchor_id = a.anchor_id"
                for name in self.values.values()
            ),
            *self.parent_joins(self.query.where, entity, "e", "a.anchor_time"),
        ]
        return "\n".join(lines)

    def aggregate(self, aggregation: Aggregation) -> str:
        table = aggregation.column.table
        link = entity_link(self.query, self.schema, aggregation)
        parent = f"s.{_quoted('_rh_' + link.fkey_name)}"
        start, end = _bounds(aggregation)
        end_time = _shifted(end)
        inside = [f"s._rh_time <= {end_time}"]
        if start is not None:
            inside.insert(0, f"s._rh_time > {_shifted(start)}")
        where = [f"{parent} IS NOT NULL"]
        if aggregation.where is not None:
            where.append(self.condition(aggregation.where, table, "s"))
        lines = [
            f"SELECT {parent} AS entity, a.anchor_id, {self.function(aggregation)} AS value",
            f"FROM {_quoted(table)} s JOIN _rh_anchors a ON {' AND '.join(inside)}",
            *self.parent_joins(aggregation.where, table, "s", end_time),
            f"WHERE {' AND '.join(where)}",
            f"GROUP BY {parent}, a.anchor_id",
        ]
        return "\n".join("    " + line for line in lines)

    def function(self, aggregation: Aggregation) -> str:
        column = aggregation.column
        if column.is_star:
            return "count(*)"
        value = self.value("s", column)
        is_category = stype_of(self.schema, column) == Stype.categorical
        match aggregation.function:
            case "COUNT":
                return f"count({value})"
            case "COUNT_DISTINCT":
                return f"count(DISTINCT {value})"
            # Compensated sums do not depend on the order in which threads add, up to the last bit.
            case "SUM":
                return f"fsum(CAST({value} AS DOUBLE))"
            case "AVG":
                return f"favg(CAST({value} AS DOUBLE))"
            case "MIN" | "MAX":
                return (
                    f"{aggregation.function.lower()}({f'CAST({value} AS DOUBLE)' if is_category else value})"
                )
            case "FIRST":
                return f"arg_min({value}, s._rh_row)"
            case _:
                return f"arg_max({value}, s._rh_row)"

    def dropped(self) -> str:
        cases = []
        if self.query.where is not None:
            cases.append((self.condition(self.query.where, self.query.entity.table, "e"), Drop.where))
        if self.is_training:
            if self.query.assuming is not None:
                cases.append(
                    (self.condition(self.query.assuming, self.query.entity.table, "e"), Drop.assuming)
                )
            cases += [(f"{value} IS NOT NULL", Drop.no_value) for value in self.required_values()]
        whens = " ".join(f"WHEN NOT ({condition}) THEN {reason.value}" for condition, reason in cases)
        return f"CASE {whens} ELSE {Drop.kept.value} END" if cases else str(Drop.kept.value)

    def required_values(self) -> list[str]:
        """The aggregations of the target that an example needs a value of."""
        found = operands(self.query.target)
        needed = (operand for operand, comparison in found if comparison is None or not comparison.tests_null)
        return list(dict.fromkeys(self.operand(operand) for operand in needed))

    def target(self) -> str:
        if isinstance(self.query.target, Aggregation):
            return self.operand(self.query.target)
        return f"CAST({self.condition(self.query.target, self.query.entity.table, 'e')} AS INTEGER)"

    def condition(self, condition: Condition, table: str, alias: str) -> str:
        """A condition as SQL that is never NULL; columns of `table` are taken from `alias`."""
        match condition:
            case Not():
                return f"(NOT {self.condition(condition.condition, table, alias)})"
            case Every():
                return f"({' AND '.join(self.condition(c, table, alias) for c in condition.conditions)})"
            case Either():
                return f"({' OR '.join(self.condition(c, table, alias) for c in condition.conditions)})"
            case Comparison(operand=Column() as column):
                link = row_link(self.query, self.schema, table, column)
                source = alias if link is None else _quoted(f"_rh_{link.fkey_name}_parent")
                return _comparison(self.value(source, column), condition)
            case _:
                assert isinstance(condition, Comparison), "the checker refuses bare operands"
                return _comparison(self.operand(condition.operand), condition)

    def value(self, source: str, column: Column) -> str:
        """A column of `source`; NaN, which some files use for a missing number, becomes NULL."""
        name = f"{source}.{_quoted(column.name)}"
        if stype_of(self.schema, column) != Stype.numerical:
            return name
        return f"CASE WHEN CAST({name} AS DOUBLE) <> 'nan'::DOUBLE THEN {name} END"

    def operand(self, operand: Aggregation | Column) -> str:
        assert isinstance(operand, Aggregation)
        value = f"{self.values[operand]}.value"
        return f"coalesce({value}, 0)" if operand.function in ("COUNT", "COUNT_DISTINCT", "SUM") else value

    def parents(self, condition: Condition | None, table: str) -> list[Link]:
        columns = (operand for operand, _ in operands(condition) if isinstance(operand, Column))
        links = (row_link(self.query, self.schema, table, column) for column in columns)
        return list(dict.fromkeys(link for link in links if link is not None))

    def parent_joins(self, condition: Condition | None, table: str, alias: str, time: str) -> list[str]:
        """Joins to the parents whose columns a condition on rows of `table` uses, if visible at `time`."""
        joins = []
        for link in self.parents(condition, table):
            name = _quoted(f"_rh_{link.fkey_name}_parent")
            visible = (
                "" if self.schema.tables[link.parent].time_col is None else f" AND {name}._rh_time <= {time}"
            )
            key = f"{alias}.{_quoted('_rh_' + link.fkey_name)}"
            joins.append(f"LEFT JOIN {_quoted(link.parent)} {name} ON {name}._rh_row = {key}{visible}")
        return joins


def _comparison(value: str, comparison: Comparison) -> str:
    constants = [_constant(constant) for constant in comparison.constants]
    if comparison.tests_null:
        return f"({value} IS {'NOT ' if comparison.negated else ''}NULL)"
    match comparison.operator:
        case "IN":
            test = f"{value} IN ({', '.join(constants)})"
        case "LIKE":
            test = f"{value} LIKE {constants[0]}"
        case "CONTAINS":
            test = f"contains({value}, {constants[0]})"
        case "STARTS WITH":
            test = f"starts_with({value}, {constants[0]})"
        case "ENDS WITH":
            test = f"ends_with({value}, {constants[0]})"
        case operator:
            test = f"{value} {operator} {constants[0]}"
    return f"coalesce({f'NOT ({test})' if comparison.negated else test}, FALSE)"


def _constant(constant: Constant) -> str:
    if constant.is_time:
        assert isinstance(constant.value, int)
        return f"TIMESTAMP '{format_time(constant.value)}'"
    if isinstance(constant.value, str):
        return "'" + constant.value.replace("'", "''") + "'"
    return str(constant.value).upper() if isinstance(constant.value, bool) else repr(constant.value)


def _shifted(duration: Duration) -> str:
    if duration.count == 0:
        return "a.anchor_time"
    return f"a.anchor_time + INTERVAL '{duration.count} {duration.unit}'"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
