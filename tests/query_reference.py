"""What a predictive query means, written as slowly and plainly as possible: loops over Python dicts.

Takes a syntax tree and tables as lists of rows in row order; knows no SQL. Times are datetimes or None. Every
table is `{"key": ..., "time": ..., "rows": [...]}`; links are `(child, fkey) -> parent`. LIKE is read without
wildcards.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from typing import Any

import pandas as pd

from relhop.query.nodes import Aggregation, Column, Comparison, Either, Every, Not, Query, operands

Row = dict[str, Any]


class Database:
    def __init__(self, tables: dict[str, dict[str, Any]], links: dict[tuple[str, str], str]) -> None:
        self.tables, self.links = tables, links

    def rows(self, table: str) -> list[Row]:
        return self.tables[table]["rows"]

    def time(self, table: str, row: Row) -> dt.datetime | None:
        return row[self.tables[table]["time"]]

    def is_visible(self, table: str, row: Row, anchor: dt.datetime) -> bool:
        if self.tables[table]["time"] is None:
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
    """(anchor index, entity row, target) of every example that counts; no target when predicting."""
    found = []
    for i, anchor in enumerate(anchors):
        for number, entity in enumerate(database.rows(query.entity.table)):
            if not database.is_visible(query.entity.table, entity, anchor):
                continue

            def value(
                operand: Aggregation | Column, entity: Row = entity, anchor: dt.datetime = anchor
            ) -> Any:
                if isinstance(operand, Aggregation):
                    return aggregate(operand, query, database, entity, anchor)
                return cell(operand, query.entity.table, database, entity, anchor)

            if query.where is not None and not holds(query.where, value):
                continue
            if not is_training:
                found.append((i, number, None))
                continue
            if query.assuming is not None and not holds(query.assuming, value):
                continue
            needed = [o for o, c in operands(query.target) if c is None or c.operator != "IS NULL"]
            if any(value(operand) is None for operand in needed):
                continue
            if isinstance(query.target, Aggregation):
                found.append((i, number, value(query.target)))
            else:
                found.append((i, number, int(holds(query.target, value))))
    return found


def aggregate(a: Aggregation, query: Query, database: Database, entity: Row, anchor: dt.datetime) -> Any:
    table, entity_table = a.column.table, query.entity.table
    start = dt.datetime.min if a.window.start is None else shifted(anchor, a.window.start, a.window.unit)
    end = shifted(anchor, a.window.end, a.window.unit)
    fkeys = [f for (c, f), p in database.links.items() if c == table and p == entity_table]
    fkey = fkeys[0] if a.via is None else a.via[0]
    values = []
    for row in database.rows(table):
        time = database.time(table, row)
        if time is None or not start < time <= end:
            continue
        if row[fkey] is None or row[fkey] != entity[database.tables[entity_table]["key"]]:
            continue
        if a.where is None or holds(a.where, lambda column, row=row: cell(column, table, database, row, end)):
            values.append(1 if a.column.is_star else row[a.column.name])
    values = [v for v in values if v is not None]
    match a.function:
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
        case _:
            return values[-1]


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
    epoch = dt.datetime(1970, 1, 1)
    rights = [
        epoch + dt.timedelta(microseconds=c.value) if c.is_time else c.value for c in condition.constants
    ]
    right = rights[0]
    truth = {
        "=": lambda: left == right,
        "!=": lambda: left != right,
        "<": lambda: left < right,
        "<=": lambda: left <= right,
        ">": lambda: left > right,
        ">=": lambda: left >= right,
        "LIKE": lambda: left == right,
        "IN": lambda: left in rights,
        "CONTAINS": lambda: right in left,
        "STARTS WITH": lambda: left.startswith(right),
        "ENDS WITH": lambda: left.endswith(right),
    }[condition.operator]()
    return truth != condition.negated


def shifted(anchor: dt.datetime, count: int, unit: str) -> dt.datetime:
    unit = unit if unit.endswith("s") else unit + "s"
    if unit == "months":
        return (pd.Timestamp(anchor) + pd.DateOffset(months=count)).to_pydatetime()
    return anchor + dt.timedelta(**{unit: count})
