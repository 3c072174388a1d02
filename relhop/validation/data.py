"""What checks of data ask, and what they find."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import duckdb

from relhop.schema import Schema, Table
from relhop.sources.columns import TIMES, is_number, types_of
from relhop.sources.edges import as_table
from relhop.sources.quoting import quoted

Severity: TypeAlias = Literal["error", "warning"]

MOST_EXAMPLES = 3


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or looks so.

    Attributes:
        severity: "error" or "warning".
        table: Where.
        column: The column, or several joined by `+`; `None`: the whole table.
        problem: What is wrong, in a few words without numbers.
        count: How many rows have it; of how many stands in `rows`.
        rows: How many rows the table has.
        examples: A few of the values, as text.
        advice: What to do.
    """

    severity: Severity
    table: str
    column: str | None
    problem: str
    count: int
    rows: int
    examples: tuple[str, ...]
    advice: str

    def __str__(self) -> str:
        where = self.table if self.column is None else f"{self.table}.{self.column}"
        shown = f", such as {', '.join(self.examples)}" if self.examples else ""
        counted = f"{self.count:,} of {self.rows:,} rows{shown}"
        return f"{self.severity}: {where}: {self.problem}: {counted}; {self.advice}"


def read_as(table: Table, column: str, read: str) -> str:
    """The SQL of a table that reads one of its columns by another expression."""
    source = quoted(table.name) if table.sql is None else "(...)"
    return f"SELECT * REPLACE ({read} AS {quoted(column)}) FROM {source}"


class Data:
    """The views of a schema's tables and edge tables, and what is asked of them often.

    Attributes:
        connection: Has the views.
        schema: Of the tables.
        tables: All that is read as a table, by name.
        types: Of their columns, as DuckDB calls them.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, schema: Schema) -> None:
        self.connection, self.schema = connection, schema
        edge_tables = {name: as_table(edges) for name, edges in schema.edge_tables.items()}
        self.tables = {**schema.tables, **edge_tables}
        self.types = {
            name: types_of(connection.execute(f"SELECT * FROM {quoted(name)} LIMIT 0").description)
            for name in self.tables
        }
        self._rows: dict[str, int] = {}

    def rows(self, table: str) -> int:
        """How many rows a table has; they are counted when they are first asked for."""
        if table not in self._rows:
            self._rows[table] = int(self.ask(f"SELECT count(*) FROM {quoted(table)}")[0][0])
        return self._rows[table]

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        found: list[tuple[Any, ...]] = self.connection.execute(query).fetchall()
        return found

    def finding(
        self,
        severity: Severity,
        place: tuple[str, Sequence[str]],
        problem: str,
        count: int,
        advice: str,
        examples: Iterable[Any] = (),
    ) -> Finding:
        """What a check found in `place`, a table and its columns."""
        table, columns = place
        texts = tuple(str(e) for e in examples)
        return Finding(
            severity, table, "+".join(columns) or None, problem, count, self.rows(table), texts, advice
        )


def family(kind: str) -> str:
    """Types of one family compare with each other."""
    return "number" if is_number(kind) else "time" if kind in TIMES else kind


def shown(key: Sequence[Any]) -> str:
    """A key as text."""
    return str(key[0]) if len(key) == 1 else f"({', '.join(map(str, key))})"
