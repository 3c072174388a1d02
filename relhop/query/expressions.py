"""Pieces of SQL: names, constants, times, comparisons.

Comparisons know two truth values: one with a missing value is false, and NOT makes it true.
"""

from __future__ import annotations

from relhop.query.duration import Duration
from relhop.query.nodes import Aggregation, Comparison, Constant
from relhop.schema import Link
from relhop.sources.quoting import literal, quoted
from relhop.times import format_time


def key_of(alias: str, link: Link) -> str:
    """The row that a row of `alias` points at by a link."""
    return f"{alias}.{quoted('_rh_' + link.fkey_name)}"


def shifted(time: str, duration: Duration) -> str:
    """A time some duration later."""
    return time if duration.count == 0 else f"{time} + INTERVAL '{duration.count} {duration.unit}'"


def comparison_of(value: str, comparison: Comparison) -> str:
    """A comparison of a value with constants; never NULL."""
    constants = [constant_of(constant) for constant in comparison.constants]
    if comparison.tests_null:
        return f"({value} IS {'NOT ' if comparison.negated else ''}NULL)"
    operand = comparison.operand
    is_list = isinstance(operand, Aggregation) and operand.function == "LIST_DISTINCT"
    match comparison.operator:
        case "IN":
            test = f"{value} IN ({', '.join(constants)})"
        case "LIKE":
            test = f"{value} LIKE {constants[0]}"
        case "CONTAINS":
            test = f"{'list_contains' if is_list else 'contains'}({value}, {constants[0]})"
        case "STARTS WITH":
            test = f"starts_with({value}, {constants[0]})"
        case "ENDS WITH":
            test = f"ends_with({value}, {constants[0]})"
        case operator:
            test = f"{value} {operator} {constants[0]}"
    return f"coalesce({f'NOT ({test})' if comparison.negated else test}, FALSE)"


def constant_of(constant: Constant) -> str:
    """A constant."""
    if constant.is_time:
        assert isinstance(constant.value, int)
        return f"TIMESTAMP '{format_time(constant.value)}'"
    if isinstance(constant.value, str):
        return literal(constant.value)
    return str(constant.value).upper() if isinstance(constant.value, bool) else repr(constant.value)
