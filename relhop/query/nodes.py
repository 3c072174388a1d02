"""The syntax tree of a predictive query. Positions are offsets in the text and do not count in comparisons.

Knows nothing of schemas: a tree may name tables that no graph has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True)
class Column:
    """`table.name`, or all columns: `table.*`."""

    table: str
    name: str
    position: int = field(compare=False)
    name_position: int = field(compare=False)

    @property
    def is_star(self) -> bool:
        """Whether it stands for whole rows."""
        return self.name == "*"

    def __str__(self) -> str:
        return f"{self.table}.{self.name}"


@dataclass(frozen=True)
class Constant:
    """A number, text, truth value or time (`is_time`: microseconds since 1970)."""

    value: int | float | str | bool
    position: int = field(compare=False)
    is_time: bool = False


@dataclass(frozen=True)
class Window:
    """`start, end, unit`: the rows in (anchor + start, anchor + end]. A start of `None` is -INF."""

    start: int | None
    end: int
    unit: str
    position: int = field(compare=False)
    end_position: int = field(compare=False)
    unit_position: int = field(compare=False)


@dataclass(frozen=True)
class Aggregation:
    """`FUNCTION(column VIA link WHERE condition, start, end, unit)`; `function` is in upper case."""

    function: str
    column: Column
    via: tuple[str, ...] | None
    where: Condition | None
    window: Window | None
    position: int = field(compare=False)
    via_position: int = field(compare=False)


Operand: TypeAlias = Aggregation | Column


@dataclass(frozen=True)
class Comparison:
    """`operand operator constant`.

    Operators are `= != < <= > >=`, and `IN`, `LIKE`, `CONTAINS`, `STARTS WITH`, `ENDS WITH`, `IS NULL`, each
    of which `negated` turns round. `constants` has several members for IN, none for IS NULL, else one.
    """

    operand: Operand
    operator: str
    negated: bool
    constants: tuple[Constant, ...]
    position: int = field(compare=False)

    @property
    def tests_null(self) -> bool:
        """Whether it asks if there is a value at all."""
        return self.operator == "IS NULL"


@dataclass(frozen=True)
class Not:
    """`NOT condition`."""

    condition: Condition
    position: int = field(compare=False)


@dataclass(frozen=True)
class Every:
    """`a AND b AND ...`."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True)
class Either:
    """`a OR b OR ...`."""

    conditions: tuple[Condition, ...]


Condition: TypeAlias = Comparison | Not | Every | Either | Aggregation | Column
"""A truth value. A bare operand parses as one, so that the checker can say what is missing."""


def key_text(columns: tuple[str, ...]) -> str:
    """Key columns as a query names them: `a`, or `(a, b)` where there are several."""
    return columns[0] if len(columns) == 1 else f"({', '.join(columns)})"


@dataclass(frozen=True)
class Entity:
    """`table.key`, or `table.(a, b)` where the key has several columns."""

    table: str
    columns: tuple[str, ...]
    position: int = field(compare=False)
    column_positions: tuple[int, ...] = field(compare=False)

    def __str__(self) -> str:
        return f"{self.table}.{key_text(self.columns)}"


@dataclass(frozen=True)
class Spec:
    """What becomes of the target: `FORECAST count TIMEFRAMES`, `CLASSIFY` or `RANK`, with `TOP count`."""

    word: str
    count: int | None
    position: int = field(compare=False)
    count_position: int = field(compare=False)


@dataclass(frozen=True)
class Query:
    """A whole query. `keys` are the only entities to predict for: `FOR t.key IN (1, 2)`; `None`: all."""

    text: str
    target: Condition
    entity: Entity
    where: Condition | None
    assuming: Condition | None
    spec: Spec | None
    keys: tuple[Constant, ...] | None = None


def operands(condition: Condition | None) -> Iterator[tuple[Operand, Comparison | None]]:
    """The aggregations and columns of a condition, left to right, each with the comparison that holds it."""
    match condition:
        case None:
            return
        case Comparison():
            yield condition.operand, condition
        case Not():
            yield from operands(condition.condition)
        case Every() | Either():
            for part in condition.conditions:
                yield from operands(part)
        case _:
            yield condition, None


def aggregations(condition: Condition | None) -> Iterator[Aggregation]:
    """The aggregations of a condition, left to right, repeated ones too; not those in filters of others."""
    return (operand for operand, _ in operands(condition) if isinstance(operand, Aggregation))


def nested_aggregations(condition: Condition | None) -> Iterator[Aggregation]:
    """The aggregations of a condition and of all filters inside, each after those that its filter holds."""
    for aggregation in aggregations(condition):
        yield from nested_aggregations(aggregation.where)
        yield aggregation
