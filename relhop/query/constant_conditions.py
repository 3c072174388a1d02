"""Targets that are the same for every entity, as the query alone tells: `COUNT(...) >= 0`."""

from __future__ import annotations

from relhop.errors import QueryError
from relhop.query.nodes import Aggregation, Comparison, Query, operands


def refuse_constant_conditions(query: Query) -> None:
    """Raises QueryError at a comparison of the target that is always true or always false."""
    for operand, comparison in operands(query.target):
        if not isinstance(operand, Aggregation) or comparison is None:
            continue
        truth = _truth(operand.function, comparison)
        if truth is not None:
            reason = (
                f"{operand.function}(...) is never {'negative' if not comparison.tests_null else 'missing'},"
                f" so this is always {str(truth).lower()} and there is nothing to predict"
            )
            raise QueryError(reason, query.text, comparison.position)


def _truth(function: str, comparison: Comparison) -> bool | None:
    if comparison.tests_null:
        return comparison.negated if function in ("COUNT", "COUNT_DISTINCT", "SUM") else None
    numbers = [c.value for c in comparison.constants if isinstance(c.value, int | float)]
    if function not in ("COUNT", "COUNT_DISTINCT") or len(numbers) < len(comparison.constants):
        return None
    match comparison.operator:
        case "<" | ">=" if numbers[0] <= 0:
            return comparison.operator == ">="
        case "<=" | ">" if numbers[0] < 0:
            return comparison.operator == ">"
        case "=" | "IN" if all(number < 0 for number in numbers):
            return comparison.negated
        case "!=" if numbers[0] < 0:
            return True
    return None
