"""Whether a query means something on a schema, and what kind of task it is.

Judges by semantic types; what depends on how the store holds a column is judged by `storage_types.py`.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from relhop.errors import QueryError, nearest
from relhop.query.constant_conditions import refuse_constant_conditions
from relhop.query.duration import Duration, unit_named
from relhop.query.nodes import (
    Aggregation,
    Column,
    Comparison,
    Condition,
    Operand,
    Query,
    Window,
    key_text,
    operands,
)
from relhop.query.resolve import entity_link, require_column, require_table, row_link, stype_of
from relhop.query.tasks import QueryTask, task_of
from relhop.schema import Schema, Stype
from relhop.times import to_micros

FUNCTIONS: tuple[str, ...] = (
    "COUNT",
    "COUNT_DISTINCT",
    "SUM",
    "AVG",
    "MIN",
    "MAX",
    "FIRST",
    "LAST",
    "LIST_DISTINCT",
)
"""The aggregations of the language."""

TEXT_OPERATORS = frozenset({"LIKE", "CONTAINS", "STARTS WITH", "ENDS WITH"})
"""Comparisons that look inside a text."""

_NUMBERS_ONLY = frozenset({"SUM", "AVG"})
_ORDERED = frozenset({"MIN", "MAX"})


class Clause(StrEnum):
    """The parts of a query that hold aggregations, each with its own rule for windows."""

    target = "PREDICT"
    where = "WHERE"
    assuming = "ASSUMING"


def check(query: Query, schema: Schema) -> QueryTask:
    """The task that a query asks for.

    Raises:
        QueryError: At the first thing that has no meaning.
    """
    return _Checker(query, schema).check()


class _Checker:
    def __init__(self, query: Query, schema: Schema) -> None:
        self.query, self.schema = query, schema

    def check(self) -> QueryTask:
        self.entity()
        target = self.query.target
        if isinstance(target, Aggregation):
            self.aggregation(target, Clause.target, self.query.entity.table)
        elif not isinstance(target, Column):
            self.condition(target, Clause.target)
            refuse_constant_conditions(self.query)
        task = task_of(self.query, self.schema)
        self.condition(self.query.where, Clause.where)
        if task.is_static:
            self.static()
        self.condition(self.query.assuming, Clause.assuming)
        return task

    def static(self) -> None:
        """Checks what a query without windows of the future may not say."""
        assumed = next(operands(self.query.assuming), None)
        if assumed is not None:
            reason = "ASSUMING looks at the future, but this target has no window; write WHERE"
            raise self.error(reason, assumed[0].position)
        targets = [operand for operand, _ in operands(self.query.target)]
        for operand, _ in operands(self.query.where):
            if isinstance(operand, Column) and operand in targets:
                reason = f"WHERE uses {operand}, the target, which is missing where it is to be predicted"
                raise self.error(reason, operand.position)

    def error(self, reason: str, position: int) -> QueryError:
        return QueryError(reason, self.query.text, position)

    def entity(self) -> None:
        entity = self.query.entity
        require_table(self.query, self.schema, entity.table, entity.position)
        pkey = self.schema.tables[entity.table].pkey
        if not pkey:
            raise self.error(
                f"'{entity.table}' has no primary key, so FOR EACH cannot name its rows; set pkey_col",
                entity.position,
            )
        if set(entity.columns) == set(pkey):
            if self.query.keys is not None and len(pkey) > 1:
                reason = "entities with keys of several columns cannot be named one by one; use WHERE"
                raise self.error(reason, self.query.keys[0].position)
            return
        wrong = next((i for i, c in enumerate(entity.columns) if c not in pkey), 0)
        reason = f"FOR EACH needs the primary key of '{entity.table}': {entity.table}.{key_text(pkey)}"
        raise self.error(reason, entity.column_positions[wrong])

    def condition(self, condition: Condition | None, clause: Clause) -> None:
        """Checks a condition on entities; in ASSUMING it may not use columns."""
        for operand, comparison in operands(condition):
            if isinstance(operand, Column) and clause == Clause.assuming:
                reason = f"{operand} does not change with time; put it in WHERE, before ASSUMING"
                raise self.error(reason, operand.position)
            self.comparison(operand, comparison, self.query.entity.table, clause)

    def comparison(
        self,
        operand: Operand,
        comparison: Comparison | None,
        owner: str,
        clause: Clause,
        *,
        inside: bool = False,
    ) -> None:
        """Checks one comparison of a condition on rows of `owner`."""
        if isinstance(operand, Column):
            self.row_column(operand, comparison, owner)
            return
        self.aggregation(operand, clause, owner, inside=inside)
        value = f"{operand.function}(...)"
        if comparison is None:
            reason = f"{value} is a value, not a condition; compare it, as in {value} > 0"
            raise self.error(reason, operand.position)
        stype = self.result_stype(operand)
        if operand.function == "LIST_DISTINCT":
            self.list_comparison(comparison, stype, str(operand.column))
        else:
            self.constants(comparison, stype, value)

    def row_column(self, column: Column, comparison: Comparison | None, table: str) -> None:
        """Checks one column of a condition on rows of `table`."""
        require_column(self.query, self.schema, column)
        row_link(self.query, self.schema, table, column)
        if column.is_star:
            raise self.error("* stands for whole rows; name a column to compare", column.name_position)
        if comparison is None:
            raise self.error(
                f"{column} is a value, not a condition; compare it, as in {column} = 1", column.position
            )
        self.constants(comparison, stype_of(self.schema, column), str(column))

    def aggregation(
        self, aggregation: Aggregation, clause: Clause, owner: str, *, inside: bool = False
    ) -> None:
        """Checks an aggregation over rows that belong to rows of `owner`.

        Args:
            aggregation: What to check.
            clause: The part of the query that holds it.
            owner: The entity's table, or that of the aggregation whose filter holds it.
            inside: Whether it stands in a filter of another.
        """
        self.function(aggregation)
        column = aggregation.column
        require_column(self.query, self.schema, column)
        self.argument(aggregation)
        entity_link(self.query, self.schema, aggregation, owner)
        for operand, comparison in operands(aggregation.where):
            self.comparison(operand, comparison, column.table, clause, inside=True)
        is_timed = self.schema.tables[column.table].time_col is not None
        if aggregation.window is not None and not is_timed:
            reason = f"'{column.table}' has no time column, so no window of time holds its rows; set time_col"
            raise self.error(reason, column.position)
        if aggregation.window is not None:
            self.window(aggregation.window, clause, aggregation, inside=inside)
        elif is_timed:
            window = "-INF, 0" if clause == Clause.where else "0, 30, days"
            reason = f"an aggregation needs a window, as in {aggregation.function}({column}, {window})"
            raise self.error(reason, aggregation.position)
        elif clause == Clause.assuming and not inside:
            reason = f"all rows of '{column.table}' are always known; put it in WHERE, before ASSUMING"
            raise self.error(reason, aggregation.position)

    def function(self, aggregation: Aggregation) -> None:
        if aggregation.function not in FUNCTIONS:
            hint = nearest(aggregation.function, FUNCTIONS)
            known = ", ".join(FUNCTIONS)
            reason = f"there is no aggregation '{aggregation.function}'; choose one of {known}.{hint}"
            raise self.error(reason, aggregation.position)

    def argument(self, aggregation: Aggregation) -> None:
        function, column = aggregation.function, aggregation.column
        if column.is_star:
            if function != "COUNT":
                raise self.error(f"{function} needs a column; only COUNT takes *", column.name_position)
            return
        stype = stype_of(self.schema, column)
        allowed = {Stype.numerical, Stype.categorical} if function in _NUMBERS_ONLY else set(Stype)
        if function in _ORDERED:
            allowed = {Stype.numerical, Stype.categorical, Stype.timestamp}
        if stype not in allowed:
            what = "a key" if stype == Stype.id else f"of type {stype}"
            wanted = "numbers" if function in _NUMBERS_ONLY else "numbers or times"
            reason = f"{function} needs {wanted}, but {column} is {what}"
            raise self.error(reason, column.position)

    def window(self, window: Window, clause: Clause, aggregation: Aggregation, *, inside: bool) -> None:
        try:
            unit = unit_named(window.unit)
        except ValueError as error:
            raise self.error(str(error), window.unit_position) from None
        for count, position in ((window.start, window.position), (window.end, window.end_position)):
            if count is not None and not Duration(count, unit).is_sane:
                raise self.error(
                    f"{count} {unit} is more than a thousand years; write -INF for all history", position
                )
        if window.start is not None and window.start >= window.end:
            reason = f"a window must start before it ends, but {window.start} >= {window.end}"
            raise self.error(reason, window.position)
        if clause == Clause.where:
            if window.end > 0:
                raise self.error(
                    "WHERE looks at the past, but this window ends in the future;"
                    f" for a condition on the future write ASSUMING {aggregation.function}(...)",
                    window.end_position,
                )
        elif not inside and (window.start is None or window.start < 0):
            where = "a target" if clause == Clause.target else "ASSUMING"
            hint = "" if clause == Clause.target else "; for a condition on the past write WHERE"
            raise self.error(f"the window of {where} must start at 0 or later{hint}", window.position)

    def result_stype(self, aggregation: Aggregation) -> Stype:
        if aggregation.function in ("FIRST", "LAST", "LIST_DISTINCT"):
            return stype_of(self.schema, aggregation.column)
        if aggregation.function in _ORDERED and stype_of(self.schema, aggregation.column) == Stype.timestamp:
            return Stype.timestamp
        return Stype.numerical

    def list_comparison(self, comparison: Comparison, stype: Stype, column: str) -> None:
        """Checks a comparison of a list with one of its values."""
        if comparison.tests_null:
            return
        if comparison.operator != "CONTAINS":
            reason = "LIST_DISTINCT(...) is a list; compare it by CONTAINS, IS NULL or IS NOT NULL"
            raise self.error(reason, comparison.position)
        self.constants(replace(comparison, operator="="), stype, column)

    def constants(self, comparison: Comparison, stype: Stype, what: str) -> None:
        """Checks the right side of a comparison with a value of that type."""
        if comparison.operator in TEXT_OPERATORS and stype in (Stype.numerical, Stype.timestamp):
            raise self.error(
                f"{comparison.operator} looks into text, but {what} is {stype}", comparison.position
            )
        for constant in comparison.constants:
            is_number = isinstance(constant.value, int | float) and not isinstance(constant.value, bool)
            is_number = is_number and not constant.is_time
            if stype == Stype.numerical and not is_number:
                raise self.error(f"{what} is a number; compare it with a number", constant.position)
            if stype == Stype.text and not isinstance(constant.value, str):
                raise self.error(f"{what} is text; compare it with quoted text", constant.position)
            if stype == Stype.timestamp and not (constant.is_time or _is_time(constant.value)):
                raise self.error(
                    f"{what} is a time; compare it with a time such as 2020-01-31", constant.position
                )
            if comparison.operator in TEXT_OPERATORS and not isinstance(constant.value, str):
                raise self.error(f"{comparison.operator} needs quoted text", constant.position)


def _is_time(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        to_micros(value)
    except ValueError:
        return False
    return True
