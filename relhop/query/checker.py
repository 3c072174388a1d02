"""Whether a query means something on a schema, and what kind of task it is.

Judges by semantic types; what depends on how the store holds a column is judged by `storage_types.py`.
"""

from __future__ import annotations

from enum import StrEnum

from relhop.errors import QueryError, nearest
from relhop.query.duration import Duration, unit_named
from relhop.query.nodes import (
    Aggregation,
    Column,
    Comparison,
    Condition,
    Query,
    Window,
    aggregations,
    key_text,
    operands,
)
from relhop.query.resolve import entity_link, require_column, require_table, row_link, stype_of
from relhop.schema import Schema, Stype
from relhop.times import to_micros
from relhop.training_table import TaskType

FUNCTIONS: tuple[str, ...] = ("COUNT", "COUNT_DISTINCT", "SUM", "AVG", "MIN", "MAX", "FIRST", "LAST")
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


def check(query: Query, schema: Schema) -> TaskType:
    """The task that a query asks for.

    Raises:
        QueryError: At the first thing that has no meaning, or that is not supported yet.
    """
    return _Checker(query, schema).check()


class _Checker:
    def __init__(self, query: Query, schema: Schema) -> None:
        self.query, self.schema = query, schema

    def check(self) -> TaskType:
        if self.query.spec is not None:
            word, position = self.query.spec
            raise self.error(f"{word} is not supported yet", position)
        self.entity()
        self.static_target()
        if isinstance(self.query.target, Aggregation):
            self.aggregation(self.query.target, Clause.target)
            task_type = self.value_task(self.query.target)
        else:
            self.condition(self.query.target, Clause.target)
            task_type = TaskType.binary
        self.condition(self.query.where, Clause.where)
        self.condition(self.query.assuming, Clause.assuming)
        return task_type

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
            return
        wrong = next((i for i, c in enumerate(entity.columns) if c not in pkey), 0)
        reason = f"FOR EACH needs the primary key of '{entity.table}': {entity.table}.{key_text(pkey)}"
        raise self.error(reason, entity.column_positions[wrong])

    def static_target(self) -> None:
        """Refuses targets that are columns rather than aggregations over time."""
        found = [operand for operand, _ in operands(self.query.target)]
        columns = [operand for operand in found if isinstance(operand, Column)]
        if not columns:
            return
        require_column(self.query, self.schema, columns[0])
        if len(columns) < len(found):
            reason = f"a target cannot mix the column {columns[0]} with aggregations over time"
        else:
            reason = f"predicting a column is not supported yet; aggregate {columns[0]} over a window of time"
        raise self.error(reason, columns[0].position)

    def value_task(self, target: Aggregation) -> TaskType:
        if target.function not in ("FIRST", "LAST", "MIN", "MAX"):
            return TaskType.regression
        match stype_of(self.schema, target.column):
            case Stype.numerical:
                return TaskType.regression
            case Stype.categorical:
                return TaskType.regression if target.function in _ORDERED else TaskType.multiclass
            case stype:
                what = "a key" if stype == Stype.id else f"of type {stype}"
                reason = (
                    f"{target.column} is {what}, which cannot be predicted yet; compare it with a constant"
                )
                raise self.error(reason, target.column.position)

    def condition(self, condition: Condition | None, clause: Clause) -> None:
        """Checks a condition on entities: comparisons of aggregations, and in WHERE of columns."""
        for operand, comparison in operands(condition):
            if isinstance(operand, Aggregation):
                self.aggregation(operand, clause)
                if comparison is None:
                    value = f"{operand.function}(...)"
                    reason = f"{value} is a value, not a condition; compare it, as in {value} > 0"
                    raise self.error(reason, operand.position)
                self.constants(comparison, self.result_stype(operand), f"{operand.function}(...)")
            elif clause == Clause.assuming:
                reason = f"{operand} does not change with time; put it in WHERE, before ASSUMING"
                raise self.error(reason, operand.position)
            else:
                self.row_column(operand, comparison, self.query.entity.table)

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

    def aggregation(self, aggregation: Aggregation, clause: Clause) -> None:
        self.function(aggregation)
        column = aggregation.column
        require_column(self.query, self.schema, column)
        self.argument(aggregation)
        entity_link(self.query, self.schema, aggregation)
        for operand, comparison in operands(aggregation.where):
            if isinstance(operand, Aggregation):
                raise self.error(
                    "an aggregation inside the filter of another is not supported yet", operand.position
                )
            self.row_column(operand, comparison, column.table)
        if aggregation.window is None:
            reason = f"an aggregation needs a window, as in {aggregation.function}({column}, 0, 30, days)"
            raise self.error(f"{reason}; one without is not supported yet", aggregation.position)
        if self.schema.tables[column.table].time_col is None:
            reason = f"'{column.table}' has no time column, so no window of time holds its rows; set time_col"
            raise self.error(reason, column.position)
        self.window(aggregation.window, clause, aggregation)

    def function(self, aggregation: Aggregation) -> None:
        if aggregation.function == "LIST_DISTINCT":
            raise self.error("LIST_DISTINCT is not supported yet", aggregation.position)
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

    def window(self, window: Window, clause: Clause, aggregation: Aggregation) -> None:
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
        elif window.start is None or window.start < 0:
            where = "a target" if clause == Clause.target else "ASSUMING"
            hint = "" if clause == Clause.target else "; for a condition on the past write WHERE"
            raise self.error(f"the window of {where} must start at 0 or later{hint}", window.position)

    def result_stype(self, aggregation: Aggregation) -> Stype:
        if aggregation.function in ("FIRST", "LAST"):
            return stype_of(self.schema, aggregation.column)
        if aggregation.function in _ORDERED and stype_of(self.schema, aggregation.column) == Stype.timestamp:
            return Stype.timestamp
        return Stype.numerical

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


def label_aggregations(query: Query) -> list[Aggregation]:
    """The aggregations over the future: those of the target, then those of ASSUMING."""
    return [*aggregations(query.target), *aggregations(query.assuming)]
