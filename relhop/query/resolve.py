"""Names in a query, looked up in the schema: tables, columns, links. Each error points at the name."""

from __future__ import annotations

from relhop.errors import QueryError, nearest
from relhop.query.nodes import Aggregation, Column, Query, key_text
from relhop.schema import Link, Schema, Stype


def require_table(query: Query, schema: Schema, table: str, position: int) -> None:
    """Raises QueryError if the schema has no such table."""
    if table not in schema.tables:
        raise QueryError(f"there is no table '{table}'.{nearest(table, schema.tables)}", query.text, position)


def require_column(query: Query, schema: Schema, column: Column) -> None:
    """Raises QueryError if the table or the column does not exist; `table.*` always does."""
    require_table(query, schema, column.table, column.position)
    known = _columns(schema, column.table)
    if not column.is_star and column.name not in known:
        reason = f"table '{column.table}' has no column '{column.name}'.{nearest(column.name, known)}"
        raise QueryError(reason, query.text, column.name_position)


def stype_of(schema: Schema, column: Column) -> Stype:
    """What a column means; keys are `id` and the time column is `timestamp`, whatever is declared."""
    table = schema.tables[column.table]
    keys = {c for link in schema.links if link.child == column.table for c in link.columns}
    if column.name in keys or column.name in table.pkey:
        return Stype.id
    if column.name == table.time_col:
        return Stype.timestamp
    return table.stypes[column.name]


def entity_link(query: Query, schema: Schema, aggregation: Aggregation, owner: str) -> Link:
    """The link by which the rows of an aggregation belong to rows of `owner`: the entity's table, or the one
    whose rows are filtered.

    Raises:
        QueryError: If there is none, several without VIA, or VIA names none of them.
    """
    child = aggregation.column.table
    links = schema.links_between(child, owner)
    if aggregation.via is not None:
        return _named_link(query, aggregation, links, owner)
    if len(links) == 1:
        return links[0]
    if links:
        choices = ", ".join(key_text(link.columns) for link in links)
        reason = (
            f"'{child}' points at '{owner}' by several links; choose one of {choices},"
            f" as in {aggregation.function}({aggregation.column} VIA {key_text(links[0].columns)}, ...)"
        )
        raise QueryError(reason, query.text, aggregation.column.position)
    holders = [link.child for link in schema.links if link.parent == owner]
    known = f"the tables that do are {', '.join(dict.fromkeys(holders))}" if holders else "no table does"
    belong = "to no entity" if owner == query.entity.table else f"to no row of '{owner}'"
    reason = f"'{child}' does not point at '{owner}', so its rows belong {belong}; {known}"
    raise QueryError(reason, query.text, aggregation.column.position)


def _named_link(query: Query, aggregation: Aggregation, links: list[Link], owner: str) -> Link:
    via = aggregation.via or ()
    for link in links:
        if via in (link.columns, (link.fkey_name,)):
            return link
    choices = ", ".join(key_text(link.columns) for link in links)
    reason = (
        f"'{aggregation.column.table}' has no link '{'+'.join(via)}' to '{owner}';"
        f" {f'choose one of {choices}' if links else 'it has none at all'}."
        f"{nearest('+'.join(via), [link.fkey_name for link in links])}"
    )
    raise QueryError(reason, query.text, aggregation.via_position)


def item_link(schema: Schema, column: Column) -> Link | None:
    """The link that a column is the key of; `None` if it is none, or one of several columns of a key."""
    links = (link for link in schema.links if link.child == column.table)
    return next((link for link in links if link.columns == (column.name,)), None)


def row_link(query: Query, schema: Schema, table: str, column: Column) -> Link | None:
    """How a condition on rows of `table` reaches a column: `None` for its own, else one link to its table.

    Raises:
        QueryError: If the column's table is not exactly one link away.
    """
    if column.table == table:
        return None
    links = schema.links_between(table, column.table)
    if len(links) == 1:
        return links[0]
    problem = "by several links, which is ambiguous" if links else "by no link"
    reason = (
        f"a condition on rows of '{table}' cannot use {column}:"
        f" '{table}' points at '{column.table}' {problem}"
    )
    raise QueryError(reason, query.text, column.position)


def _columns(schema: Schema, table: str) -> list[str]:
    described = schema.tables[table]
    keys = [c for link in schema.links if link.child == table for c in link.columns]
    times = [described.time_col] if described.time_col is not None else []
    ordinary = [column for column, stype in described.stypes.items() if stype != Stype.tensor]
    return list(dict.fromkeys([*described.pkey, *keys, *times, *ordinary]))
