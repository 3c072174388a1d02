"""Whether a query fits the way in which a store holds its columns: text, numbers, truth values, times.

A semantic type does not say this: a categorical column may hold text or integers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum

import duckdb

from relhop.errors import QueryError
from relhop.query.checker import TEXT_OPERATORS
from relhop.query.nodes import Aggregation, Column, Comparison, Condition, Constant, Query, operands
from relhop.query.tasks import QueryTask
from relhop.sources.quoting import quoted
from relhop.training_table import TaskType


class Holds(StrEnum):
    """What the values of a column are."""

    number = "numbers"
    truth = "truth values"
    text = "text"
    time = "times"
    other = "values of another kind"


def check_storage(query: Query, connection: duckdb.DuckDBPyConnection) -> None:
    """Checks the arguments of aggregations, and constants against the columns that they are compared with.

    Raises:
        QueryError: At the first that does not fit.
    """
    parts = (query.target, query.where, query.assuming, _named_entities(query))
    kinds = _column_kinds(connection, {column.table for part in parts for column, _ in _uses(part)})
    for part in parts:
        for column, use in _uses(part):
            held = kinds[column.table, column.name]
            if isinstance(use, Aggregation):
                _check_argument(query, use, held)
            else:
                _check_constants(query, column, use, held)


def settled_task(task: QueryTask, query: Query, connection: duckdb.DuckDBPyConnection) -> TaskType:
    """The task's type as the data has it: a category that holds truth values, or 0 and 1 alone, is binary."""
    target = query.target.column if isinstance(query.target, Aggregation) else query.target
    if task.type != TaskType.multiclass or query.spec is not None or not isinstance(target, Column):
        return task.type
    held = _column_kinds(connection, {target.table})[target.table, target.name]
    if held == Holds.number:
        column, table = quoted(target.name), quoted(target.table)
        found = connection.execute(f"SELECT bool_and({column} IN (0, 1)) FROM {table}").fetchall()
        held = Holds.truth if found[0][0] else held
    return TaskType.binary if held == Holds.truth else task.type


def _named_entities(query: Query) -> Condition | None:
    """The entities of `FOR t.key IN (...)`, as a condition."""
    entity = query.entity
    if query.keys is None:
        return None
    column = Column(entity.table, entity.columns[0], entity.position, entity.column_positions[0])
    return Comparison(column, "IN", False, query.keys, query.keys[0].position)


def _uses(condition: Condition | None) -> Iterator[tuple[Column, Aggregation | Comparison]]:
    """Every column of a condition, with the aggregation or the comparison that takes its values."""
    for operand, comparison in operands(condition):
        if isinstance(operand, Aggregation):
            yield from _uses(operand.where)
            if not operand.column.is_star:
                yield operand.column, operand
            if comparison is not None and operand.function in ("FIRST", "LAST"):
                yield operand.column, comparison
            if comparison is not None and operand.function == "LIST_DISTINCT":
                yield operand.column, replace(comparison, operator="=")
        elif comparison is not None:
            yield operand, comparison


def _column_kinds(connection: duckdb.DuckDBPyConnection, tables: set[str]) -> dict[tuple[str, str], Holds]:
    kinds = {}
    for table in tables:
        for name, sql_type, *_ in connection.execute(f"DESCRIBE {quoted(table)}").fetchall():
            kinds[table, name] = _holds(str(sql_type))
    return kinds


def _holds(sql_type: str) -> Holds:
    if sql_type.startswith("DECIMAL") or sql_type in ("FLOAT", "DOUBLE"):
        return Holds.number
    if sql_type.endswith("INT") or sql_type.endswith("INTEGER"):
        return Holds.number
    if sql_type == "BOOLEAN":
        return Holds.truth
    if sql_type == "VARCHAR" or sql_type.startswith("ENUM"):
        return Holds.text
    return Holds.time if sql_type.startswith(("TIMESTAMP", "DATE")) else Holds.other


def _check_argument(query: Query, aggregation: Aggregation, held: Holds) -> None:
    allowed = set(Holds)
    if aggregation.function in ("SUM", "AVG"):
        allowed = {Holds.number, Holds.truth}
    elif aggregation.function in ("MIN", "MAX"):
        allowed = {Holds.number, Holds.truth, Holds.time}
    if held not in allowed:
        wanted = "numbers or times" if Holds.time in allowed else "numbers"
        reason = f"{aggregation.function} needs {wanted}, but {aggregation.column} holds {held}"
        raise QueryError(reason, query.text, aggregation.column.position)


def _check_constants(query: Query, column: Column, comparison: Comparison, held: Holds) -> None:
    if comparison.operator in TEXT_OPERATORS and held != Holds.text:
        reason = f"{comparison.operator} looks into text, but {column} holds {held}"
        raise QueryError(reason, query.text, comparison.position)
    for constant in comparison.constants:
        given = _constant_holds(constant)
        if given != held and (given, held) != (Holds.text, Holds.time):
            reason = f"{column} holds {held}, so it cannot be compared with {_SHOWN[given]}"
            raise QueryError(reason, query.text, constant.position)


_SHOWN = {
    Holds.number: "a number",
    Holds.truth: "TRUE or FALSE",
    Holds.text: "quoted text",
    Holds.time: "a time",
}


def _constant_holds(constant: Constant) -> Holds:
    if constant.is_time:
        return Holds.time
    if isinstance(constant.value, bool):
        return Holds.truth
    return Holds.text if isinstance(constant.value, str) else Holds.number
