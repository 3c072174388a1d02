"""From a checked query to one SQL statement over all anchor times at once.

The statement reads the tables that `Store.connect()` shows and `_rh_anchors (anchor_id, anchor_time)`. It
yields a row for every entity visible at an anchor: `anchor_id`, `entity` (its row), `dropped` and `target`.

    _rh_own          where each entity is seen at the time of its own row: that time, as an anchor of its own
    _rh_agg_0, ...   one value per (entity, anchor) that has rows in the window; those that filters need first
    SELECT           every visible entity at every anchor, LEFT JOIN those values
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from relhop.query.duration import Duration, unit_named
from relhop.query.expressions import comparison_of, constant_of, key_of, shifted
from relhop.query.nodes import (
    Aggregation,
    Column,
    Comparison,
    Condition,
    Either,
    Every,
    Not,
    Operand,
    Query,
    Window,
    aggregations,
    operands,
)
from relhop.query.resolve import entity_link, row_link, stype_of
from relhop.query.tasks import QueryTask
from relhop.query.words import in_words
from relhop.schema import Link, Schema, Stype
from relhop.sources.quoting import quoted
from relhop.training_table import TaskType

_ZERO_OF_NOTHING = frozenset({"COUNT", "COUNT_DISTINCT", "SUM"})

Use = Literal["value", "items", "frames"]
"""What an aggregation gives: a value, rows of a linked table, or a value for each window of a forecast."""


class Drop(IntEnum):
    """Why an example does not count."""

    kept = 0
    where = 1
    assuming = 2
    no_value = 3
    known = 4


@dataclass(frozen=True)
class _Scope:
    """Rows that a condition is on: their table, its alias, and the links by which they lead to the entity."""

    table: str
    alias: str
    links: tuple[Link, ...] = ()


def bounds(window: Window) -> tuple[Duration | None, Duration]:
    """Where a window starts and ends, from the anchor on; a start of `None` is -INF."""
    unit = unit_named(window.unit)
    return None if window.start is None else Duration(window.start, unit), Duration(window.end, unit)


class StatementWriter:
    """Writes one statement.

    Args:
        query: A checked query.
        schema: What it was checked on.
        task: What it asks for.
        is_training: Whether labels are wanted; else the entities to predict for.
        uses_row_times: Whether each entity is seen at the time of its own row.
    """

    def __init__(
        self, query: Query, schema: Schema, task: QueryTask, *, is_training: bool, uses_row_times: bool
    ) -> None:
        self.query, self.schema, self.task = query, schema, task
        self.is_training, self.uses_row_times = is_training, uses_row_times
        self.anchors = "_rh_own" if uses_row_times else "_rh_anchors"
        self.entity = _Scope(query.entity.table, "e")
        self.names: dict[tuple[Aggregation, tuple[Link, ...], Use], str] = {}
        self.parts: list[str] = []
        self.joined: list[str] = []

    def statement(self) -> str:
        """The whole statement."""
        if self.uses_row_times:
            self.parts.append(self._own_times())
        target = self._target() if self.is_training else "NULL"
        dropped = self._dropped()
        select = [
            f"SELECT {'0' if self.uses_row_times else 'a.anchor_id'} AS anchor_id, e._rh_row AS entity,",
            f"    {dropped} AS dropped,",
            f"    {target} AS target",
            f"FROM {quoted(self.entity.table)} e",
            f"JOIN {self.anchors} a ON {self._visible()}",
            *(
                f"LEFT JOIN {name} ON {name}.entity = e._rh_row AND {name}.anchor_id = a.anchor_id"
                for name in dict.fromkeys(self.joined)
            ),
            *self._parent_joins(self.query.where, self.entity, "a.anchor_time"),
        ]
        if self.query.keys is not None and not self.is_training:
            keys = ", ".join(map(constant_of, self.query.keys))
            select.append(f"WHERE e.{quoted(self.query.entity.columns[0])} IN ({keys})")
        return "\n".join([*(["WITH", ",\n".join(self.parts)] if self.parts else []), *select])

    def _own_times(self) -> str:
        return (
            "-- the time of each row\n_rh_own AS (\n"
            "    SELECT e._rh_row AS anchor_id, e._rh_time AS anchor_time\n"
            f"    FROM {quoted(self.entity.table)} e JOIN _rh_anchors a ON e._rh_time <= a.anchor_time\n)"
        )

    def _visible(self) -> str:
        if self.uses_row_times:
            return "a.anchor_id = e._rh_row"
        is_timed = self.schema.tables[self.entity.table].time_col is not None
        return "e._rh_time <= a.anchor_time" if is_timed else "TRUE"

    def _target(self) -> str:
        target = self.query.target
        if isinstance(target, Column):
            return self._value("e", target)
        if not isinstance(target, Aggregation):
            return f"CAST({self._condition(target, self.entity)} AS INTEGER)"
        if self.task.type == TaskType.forecasting:
            zeros = f"list_resize([]::DOUBLE[], {self.task.timeframes}, 0)"
            return f"coalesce({self._operand(target, self.entity, 'frames')}, {zeros})"
        is_items = self.task.type == TaskType.link_prediction
        return self._operand(target, self.entity, "items" if is_items else "value")

    def _dropped(self) -> str:
        cases = []
        if self.query.where is not None:
            cases.append((f"NOT {self._condition(self.query.where, self.entity)}", Drop.where))
        required = self._required_values() if self.is_training or self.task.is_static else []
        if self.is_training:
            if self.query.assuming is not None:
                cases.append((f"NOT {self._condition(self.query.assuming, self.entity)}", Drop.assuming))
            cases += [(f"{value} IS NULL", Drop.no_value) for value in required]
        elif required:
            cases.append((" AND ".join(f"{value} IS NOT NULL" for value in required), Drop.known))
        whens = "".join(f"\n        WHEN {condition} THEN {reason.value}" for condition, reason in cases)
        return f"CASE{whens}\n        ELSE {Drop.kept.value} END" if cases else str(Drop.kept.value)

    def _required_values(self) -> list[str]:
        """The values of the target that an example needs; of a static target, those it is predicted from."""
        found = []
        for operand, comparison in operands(self.query.target):
            if comparison is not None and comparison.tests_null:
                continue
            if isinstance(operand, Column):
                found.append(self._value("e", operand))
            elif self.is_training and operand.function not in _ZERO_OF_NOTHING:
                is_items = self.task.type == TaskType.link_prediction
                found.append(self._operand(operand, self.entity, "items" if is_items else "value"))
        return list(dict.fromkeys(found))

    def _condition(self, condition: Condition, scope: _Scope) -> str:
        """A condition on rows as SQL that is never NULL."""
        match condition:
            case Not():
                return f"(NOT {self._condition(condition.condition, scope)})"
            case Every():
                return f"({' AND '.join(self._condition(c, scope) for c in condition.conditions)})"
            case Either():
                return f"({' OR '.join(self._condition(c, scope) for c in condition.conditions)})"
            case Comparison(operand=Column() as column):
                link = row_link(self.query, self.schema, scope.table, column)
                source = scope.alias if link is None else _parent_alias(link)
                return comparison_of(self._value(source, column), condition)
            case _:
                assert isinstance(condition, Comparison), "the checker refuses bare operands"
                return comparison_of(self._operand(condition.operand, scope), condition)

    def _value(self, source: str, column: Column) -> str:
        """A column of `source`; NaN, which some files use for a missing number, becomes NULL."""
        name = f"{source}.{quoted(column.name)}"
        if stype_of(self.schema, column) != Stype.numerical:
            return name
        return f"CASE WHEN CAST({name} AS DOUBLE) <> 'nan'::DOUBLE THEN {name} END"

    def _operand(self, operand: Operand, scope: _Scope, use: Use = "value") -> str:
        """The value of an aggregation for a row of the scope."""
        assert isinstance(operand, Aggregation)
        value = f"{self._named(operand, scope, use)}.value"
        return f"coalesce({value}, 0)" if operand.function in _ZERO_OF_NOTHING and use == "value" else value

    def _named(self, aggregation: Aggregation, scope: _Scope, use: Use = "value") -> str:
        """The part of the statement that computes an aggregation; written when it is first asked for."""
        links = (entity_link(self.query, self.schema, aggregation, scope.table), *scope.links)
        # Anchors that are not the entity's own do not depend on the way to the entity.
        key = (aggregation, links if self.uses_row_times else links[:1], use)
        if key not in self.names:
            body = self._aggregate(aggregation, links, use)
            self.names[key] = f"_rh_agg_{len(self.names)}"
            comment = " ".join(in_words(aggregation).split())
            self.parts.append(f"-- {comment}\n{self.names[key]} AS (\n{body}\n)")
        if scope == self.entity:
            self.joined.append(self.names[key])
        return self.names[key]

    def _aggregate(self, aggregation: Aggregation, links: tuple[Link, ...], use: Use) -> str:
        scope, parent = _Scope(aggregation.column.table, "s", links), key_of("s", links[0])
        after, until = self._window(aggregation.window, use)
        joins, on = self._way_to_anchor(links)
        if aggregation.window is not None:
            on += [*([f"s._rh_time > {after}"] if after else []), f"s._rh_time <= {until}"]
        kept = [f"{parent} IS NOT NULL"]
        filters = aggregation.where
        if filters is not None:
            kept.append(self._condition(filters, scope))
        inner = dict.fromkeys(self._named(a, scope) for a in aggregations(filters))
        frame = ", a.frame" if use == "frames" else ""
        anchors = f"({self._frames(aggregation)})" if use == "frames" else self.anchors
        lines = [
            f"SELECT {parent} AS entity, a.anchor_id{frame}, {self._function(aggregation, use)} AS value",
            f"FROM {quoted(scope.table)} s",
            *joins,
            f"JOIN {anchors} a ON {' AND '.join(on) or 'TRUE'}",
            *(f"LEFT JOIN {n} ON {n}.entity = s._rh_row AND {n}.anchor_id = a.anchor_id" for n in inner),
            *self._parent_joins(filters, scope, until),
            f"WHERE {' AND '.join(kept)}",
            f"GROUP BY {parent}, a.anchor_id{frame}",
        ]
        if use == "frames":
            lines = self._one_list(lines)
        return "\n".join("    " + line for line in lines)

    def _window(self, window: Window | None, use: Use) -> tuple[str | None, str]:
        """Between which times rows count, as SQL; the second is also when their parents must be visible."""
        if window is None:
            return None, "a.anchor_time"
        if use == "frames":
            return "a.after", "a.until"
        start, end = bounds(window)
        return None if start is None else shifted("a.anchor_time", start), shifted("a.anchor_time", end)

    def _way_to_anchor(self, links: tuple[Link, ...]) -> tuple[list[str], list[str]]:
        """Joins from rows up to the entity whose own time is the anchor, and the condition that it is."""
        if not self.uses_row_times:
            return [], []
        joins, key = [], key_of("s", links[0])
        for depth, link in enumerate(links[1:], 1):
            joins.append(f"JOIN {quoted(link.child)} p{depth} ON p{depth}._rh_row = {key}")
            key = key_of(f"p{depth}", link)
        return joins, [f"a.anchor_id = {key}"]

    def _frames(self, aggregation: Aggregation) -> str:
        """The windows of a forecast: `anchor_id`, `frame` from 0, `after` and `until`."""
        window = aggregation.window
        assert window is not None
        assert window.start is not None
        length, unit = window.end - window.start, unit_named(window.unit)
        after, until = (
            f"anchor_time + ({first} + {length} * frame) * INTERVAL '1 {unit}'"
            for first in (window.start, window.end)
        )
        return (
            f"SELECT anchor_id, CAST(frame AS INTEGER) AS frame, {after} AS after, {until} AS until"
            f" FROM _rh_anchors, range({self.task.timeframes}) frames(frame)"
        )

    def _one_list(self, lines: list[str]) -> list[str]:
        """From a value for each window that has rows to the list of all; the others are 0."""
        return [
            f"SELECT entity, anchor_id, list_transform(range({self.task.timeframes}),"
            " lambda frame: CAST(coalesce(by_frame[frame], 0) AS DOUBLE)) AS value",
            "FROM (",
            "    SELECT entity, anchor_id, map(list(frame), list(value)) AS by_frame",
            "    FROM (",
            *("        " + line for line in lines),
            "    ) GROUP BY entity, anchor_id",
            ")",
        ]

    def _function(self, aggregation: Aggregation, use: Use) -> str:
        column = aggregation.column
        if column.is_star:
            return "count(*)"
        value = self._value("s", column)
        if use == "items":
            assert self.task.item_link is not None
            value = key_of("s", self.task.item_link)
        number = f"CAST({value} AS DOUBLE)"
        is_category = stype_of(self.schema, column) == Stype.categorical
        match aggregation.function:
            case "COUNT":
                return f"count({value})"
            case "COUNT_DISTINCT":
                return f"count(DISTINCT {value})"
            # Compensated sums do not depend on the order in which threads add, up to the last bit.
            case "SUM":
                return f"fsum({number})"
            case "AVG":
                return f"favg({number})"
            case "MIN" | "MAX":
                return f"{aggregation.function.lower()}({number if is_category else value})"
            case "FIRST":
                return f"arg_min({value}, s._rh_row)"
            case "LAST":
                return f"arg_max({value}, s._rh_row)"
            case _:
                return f"list_sort(list(DISTINCT {value}) FILTER (WHERE {value} IS NOT NULL))"

    def _parent_joins(self, condition: Condition | None, scope: _Scope, time: str) -> list[str]:
        """Joins to the parents whose columns a condition on rows uses, if visible at `time`."""
        columns = (operand for operand, _ in operands(condition) if isinstance(operand, Column))
        links = (row_link(self.query, self.schema, scope.table, column) for column in columns)
        joins = []
        for link in dict.fromkeys(link for link in links if link is not None):
            name = _parent_alias(link)
            is_timed = self.schema.tables[link.parent].time_col is not None
            visible = f" AND {name}._rh_time <= {time}" if is_timed else ""
            joins.append(
                f"LEFT JOIN {quoted(link.parent)} {name}"
                f" ON {name}._rh_row = {key_of(scope.alias, link)}{visible}"
            )
        return joins


def _parent_alias(link: Link) -> str:
    return quoted(f"_rh_{link.fkey_name}_parent")
