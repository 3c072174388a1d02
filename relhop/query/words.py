"""Syntax trees as text again, on one line, as a query would say them."""

from __future__ import annotations

from relhop.query.nodes import (
    Aggregation,
    Column,
    Comparison,
    Condition,
    Constant,
    Either,
    Every,
    Not,
    Window,
    key_text,
)
from relhop.times import format_time


def in_words(condition: Condition) -> str:
    """The text of a condition, an aggregation or a column."""
    match condition:
        case Column():
            return str(condition)
        case Aggregation():
            via = "" if condition.via is None else f" VIA {key_text(condition.via)}"
            where = "" if condition.where is None else f" WHERE {in_words(condition.where)}"
            window = "" if condition.window is None else f", {_window(condition.window)}"
            return f"{condition.function}({condition.column}{via}{where}{window})"
        case Comparison():
            return f"{in_words(condition.operand)} {_comparison(condition)}"
        case Not():
            return f"NOT {_part(condition.condition)}"
        case Every():
            return " AND ".join(map(_part, condition.conditions))
        case Either():
            return " OR ".join(map(_part, condition.conditions))


def constant_in_words(constant: Constant) -> str:
    """The text of a constant."""
    if constant.is_time:
        assert isinstance(constant.value, int)
        return format_time(constant.value)
    if isinstance(constant.value, str):
        return "'" + constant.value.replace("\\", "\\\\").replace("'", "''") + "'"
    return str(constant.value).upper() if isinstance(constant.value, bool) else repr(constant.value)


def _part(condition: Condition) -> str:
    text = in_words(condition)
    return f"({text})" if isinstance(condition, Every | Either | Not) else text


def _comparison(comparison: Comparison) -> str:
    if comparison.tests_null:
        return "IS NOT NULL" if comparison.negated else "IS NULL"
    constants = ", ".join(map(constant_in_words, comparison.constants))
    right = f"({constants})" if comparison.operator == "IN" else constants
    return f"{'NOT ' if comparison.negated else ''}{comparison.operator} {right}"


def _window(window: Window) -> str:
    return f"{'-INF' if window.start is None else window.start}, {window.end}, {window.unit.lower()}"
