"""All tables of a graph as views in a DuckDB connection.

Each table has two views: `relhop_inputs."<table>"` with the columns as the source has them, and `"<table>"`
with the types that the schema asks for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import duckdb

from relhop.errors import SchemaError, SourceError, nearest
from relhop.schema import Table
from relhop.sources.columns import typed, types_of
from relhop.sources.names import renamed
from relhop.sources.quoting import first_line, quoted, quoted_list
from relhop.sources.reading import Relation, normalized, relation

INPUTS = "relhop_inputs"
"""The schema of the views whose columns are as the sources have them."""


def input_view(table: str) -> str:
    """The name of the view of a table's columns as its source has them."""
    return f"{INPUTS}.{quoted(table)}"


def all_sources(tables: Iterable[Table], sources: Mapping[str, Any]) -> dict[str, Any]:
    """The sources by name: those given, and the tables' own, which come first where both have a name.

    Raises:
        SchemaError: If two names differ in upper and lower case only.
    """
    found = {**sources, **{table.name: table.source for table in tables if table.source is not None}}
    by_lower: dict[str, str] = {}
    for name in found:
        twin = by_lower.setdefault(name.lower(), name)
        if twin != name:
            raise SchemaError(
                f"the sources '{twin}' and '{name}' differ in upper and lower case only; rename one"
            )
    return found


def bind_inputs(
    connection: duckdb.DuckDBPyConnection, tables: Iterable[Table], sources: Mapping[str, Any]
) -> dict[str, tuple[str, ...]]:
    """Makes the views `relhop_inputs."<table>"`: rows in the order of the source.

    Args:
        connection: An in-memory connection of its own.
        tables: Descriptions; nothing need be resolved.
        sources: By name, for SQL and for tables that bring none.

    Returns:
        Notes on the reading by table, where there are any.

    Raises:
        SchemaError: If a table has no source.
        SourceError: If a source cannot be read, or SQL cannot be run.
    """
    tables = list(tables)
    found = all_sources(tables, sources)
    _configure(connection)
    connection.execute(f"CREATE SCHEMA {INPUTS}")
    for table in tables:
        if table.sql is None and table.name not in found:
            raise SchemaError(
                f"table '{table.name}' has neither a source nor sql, and no source is named so."
                f"{nearest(table.name, found)}"
            )
    has_sql = any(table.sql is not None for table in tables)
    used = found if has_sql else {table.name: found[table.name] for table in tables}
    relations = {
        name: relation(connection, normalized(source, name), f"_rh_source_{i}")
        for i, (name, source) in enumerate(used.items())
    }
    notes = {t.name: relations[t.name].notes for t in tables if t.sql is None}
    for table in tables:
        query = (
            f"SELECT * FROM {relations[table.name].sql}" if table.sql is None else _query(table, relations)
        )
        try:
            connection.execute(f"CREATE VIEW {input_view(table.name)} AS {query}")
            if table.sql is not None:
                asked = connection.execute(f"DESCRIBE {_with(relations)}{_bare(table)}").fetchall()
                written = [name for name, *_ in asked]
                notes[table.name] = tuple(renamed(written, input_types(connection, table.name)))
        except duckdb.Error as error:
            if table.sql is None:
                raise SourceError(f"table '{table.name}' cannot be read: {first_line(error)}") from error
            known = f"sources that it may use: {', '.join(relations) or 'none'}"
            raise SourceError(
                f"table '{table.name}': its SQL cannot be run: {first_line(error)}; {known}"
            ) from error
    return {name: found for name, found in notes.items() if found}


def bind(connection: duckdb.DuckDBPyConnection, tables: Iterable[Table], sources: Mapping[str, Any]) -> None:
    """Makes the views of `bind_inputs`, and `"<table>"` with the types that `relhop.sources.columns` gives.

    Args:
        connection: An in-memory connection of its own.
        tables: Descriptions with times and semantic types resolved.
        sources: As `bind_inputs` takes them.

    Raises:
        SchemaError: If a table has no source, or a column that is to be a time cannot be.
        SourceError: If a source cannot be read, or SQL cannot be run.
    """
    tables = list(tables)
    bind_inputs(connection, tables, sources)
    for table in tables:
        types = input_types(connection, table.name)
        if table.time_col is not None and table.time_col not in types:
            raise SchemaError(
                f"table '{table.name}' has no column '{table.time_col}' for a time."
                f"{nearest(table.time_col, types)}"
            )
        columns = ", ".join(f"{typed(table, c, kind)} AS {quoted(c)}" for c, kind in types.items())
        connection.execute(
            f"CREATE VIEW {quoted(table.name)} AS SELECT {columns} FROM {input_view(table.name)}"
        )


def input_types(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    """The columns of a table and their DuckDB types, as its source has them."""
    try:
        return types_of(connection.execute(f"SELECT * FROM {input_view(table)} LIMIT 0").description)
    except duckdb.Error as error:
        raise SourceError(f"table '{table}' cannot be read: {first_line(error)}") from error


def _configure(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET preserve_insertion_order = true")
    connection.execute("SET enable_progress_bar = false")
    # A cast of a column of CSV would be of its text: '21/07/2020' as a TIMESTAMP, whatever the file's format.
    connection.execute("SET disabled_optimizers = 'type_pushdown'")
    connection.execute(
        "SET python_enable_replacements = false"
    )  # SQL must not find variables of this program.


def _query(table: Table, relations: Mapping[str, Relation]) -> str:
    """The user's SELECT with the sources under their names, in an order that does not depend on threads."""
    sql = _bare(table)
    query = f"{_with(relations)}SELECT * FROM ({sql}\n)"
    if not re.search(r"\border\s+by\b", sql, re.IGNORECASE):
        query += f" ORDER BY {quoted_list(table.pkey) if table.pkey else 'ALL'}"
    return query


def _bare(table: Table) -> str:
    return (table.sql or "").strip().rstrip(";")


def _with(relations: Mapping[str, Relation]) -> str:
    """The sources under their names, for a SELECT to follow."""
    named = (f"{quoted(n)} AS NOT MATERIALIZED (SELECT * FROM {r.sql})" for n, r in relations.items())
    return f"WITH {', '.join(named)} " if relations else ""
