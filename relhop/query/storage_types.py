"""Whether a query fits the way in which a store holds its columns: text, numbers, truth values, times.

A semantic type does not say this: a categorical column may hold text or integers.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

import duckdb

from relhop.errors import QueryError
from relhop.query.checker import TEXT_OPERATORS
from relhop.query.nodes import Aggregation, Column, Comparison, Condition, Constant, Query, operands


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
    parts = (query.target, query.where, query.assuming)
    kinds = _column_kinds(connection, {column.table for part in parts for column, _ in _uses(part)})
    for part in parts:
        for column, use in _uses(part):
            held = kinds[column.table, column.name]
            if isinstance(use, Aggregation):
                _check_argument(query, use, held)
            else:
                _check_constants(query, column, use, held)


def _uses(condition: Condition | None) -> Iterator[tuple[Column, Aggregation | Comparison]]:
    """Every column of a condition, with the aggregation or the comparison that takes its values."""
    for operand, comparison in operands(condition):
        if isinstance(operand, Aggregation):
            yield from _uses(operand.where)
            if not operand.column.is_star:
                yield operand.column, operand
            if comparison is not None and operand.function in ("FIRST", "LAST"):
                yield operand.column, comparison
        elif comparison is not None:
            yield operand, comparison


def _column_kinds(connection: duckdb.DuckDBPyConnection, tables: set[str]) -> dict[tuple[str, str], Holds]:
    kinds = {}
    for table in tables:
        quoted = '"' + table.replace('"', '""') + '"'
        for name, sql_type, *_ in connection.execute(f"DESCRIBE {quoted}").fetchall():
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
