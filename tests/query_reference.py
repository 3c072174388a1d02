"""What a predictive query means, written as slowly and plainly as possible: loops over Python dicts.

Takes a syntax tree and tables as lists of rows in row order; knows no SQL and no schema. Times are datetimes or
None. Every table is `{"key": ..., "time": ..., "rows": [...]}`; links are `(child, fkey) -> parent`.
"""

from __future__ import annotations

import calendar
import datetime as dt
import math
import re
from collections.abc import Callable
from typing import Any

from relhop.query.nodes import Aggregation, Column, Comparison, Either, Every, Not, Query, operands

Row = dict[str, Any]
EPOCH = dt.datetime(1970, 1, 1)


class Database:
    def __init__(self, tables: dict[str, dict[str, Any]], links: dict[tuple[str, str], str]) -> None:
        self.tables, self.links = tables, links

    def rows(self, table: str) -> list[Row]:
        return self.tables[table]["rows"]

    def time(self, table: str, row: Row) -> dt.datetime | None:
        return row[self.tables[table]["time"]]

    def is_timed(self, table: str) -> bool:
        return self.tables[table]["time"] is not None

    def is_visible(self, table: str, row: Row, anchor: dt.datetime) -> bool:
        if not self.is_timed(table):
            return True
        time = self.time(table, row)
        return time is not None and time <= anchor

    def parent(self, child: str, parent: str, row: Row) -> Row | None:
        (fkey,) = [f for (c, f), p in self.links.items() if c == child and p == parent]
        found = [r for r in self.rows(parent) if r[self.tables[parent]["key"]] == row[fkey]]
        return found[0] if found and row[fkey] is not None else None


def examples(
    query: Query, database: Database, anchors: list[dt.datetime], *, is_training: bool = True
) -> list[tuple]:
    """(anchor index, entity row, target) of every example that counts; no target when predicting.

    Of a static query one anchor is given: the time at which its rows are looked for.
    """
    table = query.entity.table
    target_columns = [o for o, _ in operands(query.target) if isinstance(o, Column)]
    own_time = bool(target_columns) and database.is_timed(table)
    found = []
    for i, given in enumerate(anchors):
        for number, entity in enumerate(database.rows(table)):
            if not database.is_visible(table, entity, given):
                continue
            anchor = database.time(table, entity) if own_time else given

            def value(operand: Any, entity: Row = entity, anchor: dt.datetime = anchor) -> Any:
                if isinstance(operand, Aggregation):
                    return aggregate(operand, database, table, entity, anchor)
                return cell(operand, table, database, entity, anchor)

            if query.where is not None and not holds(query.where, value):
                continue
            needed = [o for o, c in operands(query.target) if c is None or c.operator != "IS NULL"]
            if not is_training:
                named = query.keys is None or entity[query.entity.columns[0]] in [c.value for c in query.keys]
                columns = [o for o in needed if isinstance(o, Column)]
                if named and (not columns or any(value(column) is None for column in columns)):
                    found.append((i, number, None))
                continue
            if query.assuming is not None and not holds(query.assuming, value):
                continue
            if any(value(operand) is None for operand in needed):
                continue
            found.append((i, number, label(query, database, entity, anchor, value)))
    return found


def label(query: Query, database: Database, entity: Row, anchor: dt.datetime, value: Callable) -> Any:
    target, table = query.target, query.entity.table
    if not isinstance(target, Aggregation | Column):
        return int(holds(target, value))
    if query.spec is not None and query.spec.word == "FORECAST":
        length = target.window.end - target.window.start
        return [
            float(aggregate(target, database, table, entity, anchor, moved=k * length))
            for k in range(query.spec.count)
        ]
    return value(target)


def ranked_items(query: Query, database: Database) -> tuple[str, str] | None:
    """Table and key of the items that a query ranks by their links; `None` if it does not."""
    target = query.target
    if not isinstance(target, Aggregation) or target.function != "LIST_DISTINCT":
        return None
    parent = database.links.get((target.column.table, target.column.name))
    if parent is None or query.spec.word != "RANK":
        return None
    return parent, database.tables[parent]["key"]


def aggregate(
    a: Aggregation, database: Database, owner: str, row: Row, anchor: dt.datetime, moved: int = 0
) -> Any:
    """The value of an aggregation over the rows that point at `row` of `owner`."""
    table = a.column.table
    fkeys = [f for (c, f), p in database.links.items() if c == table and p == owner]
    fkey = fkeys[0] if a.via is None else a.via[0]
    end = anchor if a.window is None else shifted(anchor, a.window.end + moved, a.window.unit)
    values = []
    for child in database.rows(table):
        if child[fkey] is None or child[fkey] != row[database.tables[owner]["key"]]:
            continue
        if a.window is not None:
            start = a.window.start
            after = dt.datetime.min if start is None else shifted(anchor, start + moved, a.window.unit)
            time = database.time(table, child)
            if time is None or not after < time <= end:
                continue

        def value(operand: Any, child: Row = child) -> Any:
            if isinstance(operand, Aggregation):
                return aggregate(operand, database, table, child, anchor)
            return cell(operand, table, database, child, end)

        if a.where is None or holds(a.where, value):
            values.append(1 if a.column.is_star else child[a.column.name])
    return summary(a.function, [v for v in values if v is not None])


def summary(function: str, values: list) -> Any:
    match function:
        case "COUNT":
            return len(values)
        case "COUNT_DISTINCT":
            return len(set(values))
        case "SUM":
            return math.fsum(values)
        case _ if not values:
            return None
        case "AVG":
            return math.fsum(values) / len(values)
        case "MIN":
            return min(values)
        case "MAX":
            return max(values)
        case "FIRST":
            return values[0]
        case "LAST":
            return values[-1]
        case _:
            return sorted(set(values))


def cell(column: Column, table: str, database: Database, row: Row, until: dt.datetime) -> Any:
    if column.table == table:
        return row[column.name]
    parent = database.parent(table, column.table, row)
    if parent is None or not database.is_visible(column.table, parent, until):
        return None
    return parent[column.name]


def holds(condition: Any, value: Callable[[Any], Any]) -> bool:
    match condition:
        case Not():
            return not holds(condition.condition, value)
        case Every():
            return all(holds(part, value) for part in condition.conditions)
        case Either():
            return any(holds(part, value) for part in condition.conditions)
    assert isinstance(condition, Comparison)
    left = value(condition.operand)
    if condition.operator == "IS NULL":
        return (left is None) != condition.negated
    if left is None:
        return False
    rights = [
        EPOCH + dt.timedelta(microseconds=c.value) if c.is_time else c.value for c in condition.constants
    ]
    right = rights[0]
    truth = {
        "=": lambda: left == right,
        "!=": lambda: left != right,
        "<": lambda: left < right,
        "<=": lambda: left <= right,
        ">": lambda: left > right,
        ">=": lambda: left >= right,
        "LIKE": lambda: re.fullmatch(pattern(right), left, re.DOTALL) is not None,
        "IN": lambda: left in rights,
        "CONTAINS": lambda: right in left,
        "STARTS WITH": lambda: left.startswith(right),
        "ENDS WITH": lambda: left.endswith(right),
    }[condition.operator]()
    return truth != condition.negated


def pattern(like: str) -> str:
    return "".join({"%": ".*", "_": "."}.get(letter, re.escape(letter)) for letter in like)


def shifted(anchor: dt.datetime, count: int, unit: str) -> dt.datetime:
    unit = unit.lower() if unit.lower().endswith("s") else unit.lower() + "s"
    if unit != "months":
        return anchor + dt.timedelta(**{unit: count})
    months = anchor.year * 12 + anchor.month - 1 + count
    year, month = divmod(months, 12)
    day = min(anchor.day, calendar.monthrange(year, month + 1)[1])
    return anchor.replace(year=year, month=month + 1, day=day)
