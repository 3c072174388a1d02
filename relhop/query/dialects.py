"""The statement of a query in the SQL of another system, over the tables as users have them there.

A store numbers the rows of its tables in the order of time, and knows of each key the row that it points at.
Elsewhere these numbers are made first, by the statement itself:

    _rh_rows_<table>     the table, with `_rh_row` and `_rh_time`
    _rh_table_<table>    the same, with `_rh_<fkey>`: the row that each key points at
    _rh_found            the statement as DuckDB runs it on a store
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, get_args

from relhop.errors import QueryError, nearest
from relhop.query.compiler import CompiledQuery
from relhop.schema import Link, Schema
from relhop.sources.quoting import quoted
from relhop.training_table import TaskType

if TYPE_CHECKING:
    from sqlglot import exp

Dialect = Literal["duckdb", "spark", "snowflake", "bigquery"]
"""What a statement can be written for."""

DIALECTS: tuple[str, ...] = get_args(Dialect)

_PLAIN = {"FSUM": "SUM", "FAVG": "AVG"}
"""Sums that do not depend on the order of rows are DuckDB's alone."""

_LISTS = {
    "spark": "SORT_ARRAY(COLLECT_SET({value}))",
    "snowflake": "ARRAY_SORT(ARRAY_AGG(DISTINCT {value}))",
    "bigquery": "ARRAY_AGG(DISTINCT {value} IGNORE NULLS ORDER BY {value})",
}
"""The different values in order, without nulls."""


def statement_in(compiled: CompiledQuery, schema: Schema, dialect: str) -> str:
    """The statement for training examples: key columns, `anchor_time` and `target`, of those that count.

    It reads the tables under their names in the schema, and `_rh_anchors (anchor_id, anchor_time)`. Rows of
    equal time, which a store keeps in the order of its input, are ordered by their primary key.

    Raises:
        QueryError: If the dialect is unknown, sqlglot is not installed, or the query is a forecast.
    """
    reason = None
    if dialect not in DIALECTS:
        near = nearest(dialect, DIALECTS)
        reason = f"there is no dialect '{dialect}'; choose one of {', '.join(DIALECTS)}.{near}"
    elif compiled.task_type == TaskType.forecasting:
        reason = "a forecast is written for DuckDB on a store alone; ask for each timeframe by its own window"
    elif find_spec("sqlglot") is None:
        reason = "other dialects need sqlglot: pip install 'relhop[warehouse]'"
    if reason is not None:
        raise QueryError(reason, compiled.query.text, 0)
    import sqlglot

    found = sqlglot.parse_one(compiled.training_sql, read="duckdb")
    tables = _tables_in(found, schema)
    for table in found.find_all(sqlglot.exp.Table):
        if table.name in schema.tables:
            table.set("this", sqlglot.exp.to_identifier(_linked(table.name), quoted=True))
    parts = {**_numbered(schema, tables), **{cte.alias: cte.this for cte in found.ctes}}
    for clause in found.find_all(sqlglot.exp.With):
        clause.pop()
    whole = sqlglot.parse_one(_examples(compiled), read="duckdb")
    for name, part in {**parts, "_rh_found": found}.items():
        # Only names that are quoted where they are used: Snowflake takes others for upper case.
        given = sqlglot.exp.to_identifier(name, quoted=name.startswith(("_rh_rows_", "_rh_table_")))
        whole = whole.with_(given, as_=part, dialect="duckdb")
    for change in (_value, _aggregate):
        whole = whole.transform(change, dialect)
    return str(whole.sql(dialect=dialect, pretty=True))


def _linked(table: str) -> str:
    return f"_rh_table_{table}"


def _tables_in(statement: exp.Expr, schema: Schema) -> list[str]:
    """The schema's tables that a statement reads, in the schema's order."""
    from sqlglot import exp

    named = {table.name for table in statement.find_all(exp.Table)}
    return [name for name in schema.tables if name in named]


def _examples(compiled: CompiledQuery) -> str:
    """From what is found to what the user reads."""
    entity = compiled.query.entity
    keys = ", ".join(f"e.{quoted(column)}" for column in entity.columns)
    time = "e._rh_time" if compiled.uses_row_times else "a.anchor_time"
    return (
        f"SELECT {keys}, {time} AS anchor_time, f.target FROM _rh_found AS f"
        f" JOIN {quoted(_linked(entity.table))} AS e ON e._rh_row = f.entity"
        " JOIN _rh_anchors AS a ON a.anchor_id = f.anchor_id WHERE f.dropped = 0"
    )


def _numbered(schema: Schema, tables: list[str]) -> dict[str, str]:
    """The tables that a statement reads, as a store shows them, and what they are made of."""
    links = {name: [link for link in schema.links if link.child == name] for name in tables}
    needed = {link.parent for found in links.values() for link in found} | set(tables)
    rows = {f"_rh_rows_{name}": _rows(schema, name) for name in schema.tables if name in needed}
    return rows | {_linked(name): _table(schema, name, links[name]) for name in tables}


def _rows(schema: Schema, name: str) -> str:
    """A table with the number and the time of each row."""
    table = schema.tables[name]
    order = [f"{quoted(table.time_col)} NULLS LAST"] if table.time_col is not None else []
    order += [quoted(column) for column in table.pkey]
    over = f"ORDER BY {', '.join(order)}" if order else "ORDER BY 1"
    time = f", CAST({quoted(table.time_col)} AS TIMESTAMP) AS _rh_time" if table.time_col is not None else ""
    return f"SELECT *, row_number() OVER ({over}) - 1 AS _rh_row{time} FROM {quoted(name)}"


def _table(schema: Schema, name: str, links: list[Link]) -> str:
    """A table with the rows that its keys point at."""
    columns, joins = ["c.*"], []
    for number, link in enumerate(links):
        parent = f"p{number}"
        columns.append(f"{parent}._rh_row AS {quoted('_rh_' + link.fkey_name)}")
        pairs = zip(link.columns, schema.tables[link.parent].pkey, strict=True)
        equal = " AND ".join(f"c.{quoted(fkey)} = {parent}.{quoted(pkey)}" for fkey, pkey in pairs)
        joins.append(f" LEFT JOIN {quoted('_rh_rows_' + link.parent)} AS {parent} ON {equal}")
    return f"SELECT {', '.join(columns)} FROM {quoted('_rh_rows_' + name)} AS c{''.join(joins)}"


def _value(node: exp.Expr, dialect: str) -> exp.Expr:
    """Pieces of conditions that BigQuery understands otherwise: NaN, and whether a text has a part."""
    from sqlglot import exp

    if dialect != "bigquery":
        return node
    if isinstance(node, exp.NEQ) and isinstance(node.expression, exp.Cast) and node.expression.name == "nan":
        return exp.IsNan(this=node.this.copy()).not_()
    if isinstance(node, exp.Contains):
        place = exp.StrPosition(this=node.this.copy(), substr=node.expression.copy())
        return exp.GT(this=place, expression=exp.Literal.number(0))
    return node


def _aggregate(node: exp.Expr, dialect: str) -> exp.Expr:
    """Aggregations as other systems name them, and with the nulls of DuckDB's: they pass over values that are
    null, and a list of nothing is null.
    """
    import sqlglot
    from sqlglot import exp

    if isinstance(node, exp.Anonymous) and node.name.upper() in _PLAIN:
        return exp.func(_PLAIN[node.name.upper()], *node.expressions)
    if dialect == "duckdb":
        return node
    if isinstance(node, exp.ArgMin | exp.ArgMax):
        known = exp.case().when(node.this.copy().is_(exp.null()).not_(), node.expression.copy())
        return type(node)(this=node.this.copy(), expression=known)
    if isinstance(node, exp.ArraySort):
        value = node.find(exp.Distinct).expressions[0].sql(dialect=dialect)
        values = _LISTS[dialect].format(value=value)
        return sqlglot.parse_one(f"CASE WHEN COUNT({value}) > 0 THEN {values} END", read=dialect)
    return node
