"""Facts of a table's columns, counted by DuckDB in one pass; exact counts of distinct keys where asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb

from relhop.errors import SourceError
from relhop.sources.binding import input_types, input_view
from relhop.sources.columns import FLOATS, INTEGERS, TEXT, TIMES, is_number, value_of
from relhop.sources.quoting import first_line, literal, quoted

SEPARATORS = ("|", ";", ",")
"""What may stand between the values of a multicategorical text."""


@dataclass(frozen=True)
class ColumnFacts:
    """What the values of a column are.

    Attributes:
        name: Its name.
        kind: Its DuckDB type in the source.
        values: How many are neither null nor empty text.
        distinct: About how many different ones.
        whole: How many are whole numbers, or texts of them without leading zeros.
        numbers: How many are numbers, or texts of them without leading zeros.
        times: How many are times, or texts of them.
        low: The least number; `None` where there is none.
        high: The greatest number.
        mean_length: Characters of a text, on average.
        separated: How many texts have each separator in them.
    """

    name: str
    kind: str
    values: int
    distinct: int
    whole: int = 0
    numbers: int = 0
    times: int = 0
    low: float | None = None
    high: float | None = None
    mean_length: float = 0.0
    separated: dict[str, int] = field(default_factory=dict)

    @property
    def is_text(self) -> bool:
        """Whether it is text in the source."""
        return self.kind == TEXT

    @property
    def is_whole(self) -> bool:
        """Whether all values are whole numbers, however they are written."""
        return (self.values > 0 and self.whole == self.values) or self.kind in INTEGERS

    @property
    def is_time(self) -> bool:
        """Whether all values are times."""
        return (self.values > 0 and self.times == self.values) or self.kind in TIMES

    @property
    def key_kind(self) -> str | None:
        """Columns of the same key kind can be compared as keys; `None`: no key."""
        if self.is_time:
            return "time"
        if self.is_whole:
            return "integer"
        return "text" if self.kind in (TEXT, "UUID") else None


class TableFacts:
    """What a table holds.

    Attributes:
        name: The table's name.
        rows: How many rows.
        columns: Facts by column, in the table's order.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, name: str) -> None:
        self.name = name
        self._connection = connection
        self._distinct: dict[tuple[str, ...], int] = {}
        types = input_types(connection, name)
        aggregates = ["count(*)", *(a for column, kind in types.items() for a in _aggregates(column, kind))]
        try:
            counted = iter(self.ask(f"SELECT {', '.join(aggregates)} FROM {input_view(name)}"))
        except duckdb.Error as error:
            raise SourceError(f"table '{name}' cannot be read: {first_line(error)}") from error
        self.rows = int(next(counted))
        self.columns = {
            c: _facts(c, kind, [next(counted) for _ in _aggregates(c, kind)]) for c, kind in types.items()
        }

    def ask(self, query: str) -> tuple[Any, ...]:
        """The one row that a query gives."""
        row: tuple[Any, ...] | None = self._connection.execute(query).fetchone()
        return row or ()

    def value(self, column: str) -> str:
        """A column as SQL, empty text as null."""
        return value_of(column, self.columns[column].kind)

    def is_key(self, columns: Sequence[str]) -> bool:
        """Whether these columns name every row: none null, no two alike."""
        if any(self.columns[column].values < self.rows for column in columns) or not self.rows:
            return False
        # The estimate is off by a few per cent; far below the rows it settles the matter.
        possible = 1.0
        for column in columns:
            possible *= self.columns[column].distinct * 1.5
        if possible < self.rows:
            return False
        key = tuple(columns)
        if key not in self._distinct:
            row = ", ".join(self.value(column) for column in columns)
            query = f"SELECT count(*) FROM (SELECT DISTINCT {row} FROM {input_view(self.name)})"
            self._distinct[key] = int(self.ask(query)[0])
        return self._distinct[key] == self.rows


def _aggregates(column: str, kind: str) -> list[str]:
    """Counts of a column; `_facts` reads them in this order."""
    value = value_of(column, kind)
    if kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION")):
        return [f"count({value})", "0"]
    counts = [f"count({value})", f"approx_count_distinct({value})"]
    if kind == TEXT:
        padded = f"regexp_matches({value}, '^\\s*[+-]?0\\d')"
        number = f"TRY_CAST({value} AS DOUBLE)"
        counts += [
            f"count_if(NOT {padded} AND {number} = floor({number}) AND {value} NOT LIKE '%.%')",
            f"count_if(NOT {padded} AND {number} IS NOT NULL)",
            f"count(TRY_CAST({value} AS TIMESTAMPTZ))",
            f"min({number})",
            f"max({number})",
            f"avg(length({value}))",
            *(f"count_if(contains({value}, {literal(separator)}))" for separator in SEPARATORS),
        ]
    elif is_number(kind):
        whole = f"count({value})" if kind in INTEGERS else f"count_if({value} = floor({value}))"
        counts += [whole, f"CAST(min({value}) AS DOUBLE)", f"CAST(max({value}) AS DOUBLE)"]
    return counts


def _facts(column: str, kind: str, counted: list[Any]) -> ColumnFacts:
    values, distinct = int(counted[0]), int(counted[1])
    if kind == TEXT:
        whole, numbers, times, low, high, length, *separated = counted[2:]
        return ColumnFacts(
            column, kind, values, distinct, whole, numbers, times, low, high, length or 0.0,
            dict(zip(SEPARATORS, separated, strict=True)),
        )  # fmt: skip
    if is_number(kind):
        whole, low, high = counted[2:]
        return ColumnFacts(column, kind, values, distinct, whole, values, 0, low, high)
    return ColumnFacts(column, kind, values, distinct, times=values if kind in TIMES else 0)


def share_held(
    child: TableFacts, columns: Sequence[str], parent: TableFacts, keys: Sequence[str]
) -> tuple[int, int]:
    """How many different values of a child's columns there are, and how many of them a parent's keys hold.

    Values are compared as text where their types differ.
    """
    names = [f"v{i}" for i in range(len(columns))]
    as_text = [child.columns[c].kind != parent.columns[k].kind for c, k in zip(columns, keys, strict=True)]
    values = [_comparable(child, c, text) for c, text in zip(columns, as_text, strict=True)]
    held = [_comparable(parent, k, text) for k, text in zip(keys, as_text, strict=True)]
    present = " AND ".join(f"{value} IS NOT NULL" for value in values)
    child_rows = _distinct_rows(values, names, child.name, present)
    parent_rows = _distinct_rows(held, names, parent.name, "true")
    using = ", ".join(map(quoted, names))
    joined = f"({child_rows}) LEFT JOIN (SELECT *, 1 AS found FROM ({parent_rows})) USING ({using})"
    total, found = child.ask(f"SELECT count(*), count(found) FROM {joined}")
    return int(total), int(found)


def _distinct_rows(values: Sequence[str], names: Sequence[str], table: str, where: str) -> str:
    selected = ", ".join(f"{value} AS {quoted(name)}" for value, name in zip(values, names, strict=True))
    return f"SELECT DISTINCT {selected} FROM {input_view(table)} WHERE {where}"


def _comparable(facts: TableFacts, column: str, as_text: bool) -> str:
    value = facts.value(column)
    if not as_text:
        return value
    kind = facts.columns[column].kind
    if kind in FLOATS and facts.columns[column].is_whole:
        value = f"CAST({value} AS BIGINT)"
    return f"CAST({value} AS {TEXT})"
