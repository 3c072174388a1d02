"""Checks of edge tables: their ends, and their times against those of the ends."""

from __future__ import annotations

from collections.abc import Iterator

from relhop.edge_table import EdgeTable
from relhop.sources.columns import INTEGERS, TEXT, TIMES
from relhop.sources.quoting import quoted
from relhop.validation.data import MOST_EXAMPLES, Data, Finding, family


def end_types(data: Data) -> Iterator[Finding]:
    """Ends that cannot be compared with the keys of their tables, and positions that are no integers."""
    for edges in data.schema.edge_tables.values():
        for column, table in _ends(edges):
            ours, key = data.types[edges.name][column], data.schema.table(table).pkey
            if not key and ours not in INTEGERS:
                problem = f"{ours} for rows of {table}, which has no primary key"
                advice = "ends are then positions, which are integers; name the key of the table in pkey_col"
                yield data.finding("error", (edges.name, [column]), problem, data.rows(edges.name), advice)
            elif key and not _are_comparable(data, edges, column, table):
                problem = f"key type mismatch: {ours} here, {data.types[table][key[0]]} in {table}.{key[0]}"
                advice = "cast one with sql"
                yield data.finding("error", (edges.name, [column]), problem, data.rows(edges.name), advice)


def missing_ends(data: Data) -> Iterator[Finding]:
    """Ends that are null or that no row has."""
    advice = "such edges are left out"
    for edges in data.schema.edge_tables.values():
        for column, table in _ends(edges):
            end, view = f"e.{quoted(column)}", quoted(edges.name)
            nulls = data.ask(f"SELECT count(*) FROM {view} e WHERE {end} IS NULL")[0][0]
            if nulls:
                yield data.finding("warning", (edges.name, [column]), "null end", nulls, advice)
            if not _are_comparable(data, edges, column, table):
                continue
            lost = f"SELECT {end} FROM {view} e WHERE {end} NOT BETWEEN 0 AND {data.rows(table) - 1}"
            if data.schema.table(table).pkey:
                on = _equal(data, edges, column, table, "n")
                lost = (
                    f"SELECT {end} FROM {view} e ANTI JOIN {quoted(table)} n ON {on} WHERE {end} IS NOT NULL"
                )
            count = data.ask(f"SELECT count(*) FROM ({lost})")[0][0]
            if count:
                distinct = f"SELECT DISTINCT * FROM ({lost}) ORDER BY ALL LIMIT {MOST_EXAMPLES}"
                examples = [value for (value,) in data.ask(distinct)]
                problem = f"dangling end: no such row in {table}"
                yield data.finding("warning", (edges.name, [column]), problem, count, advice, examples)


def delayed_edges(data: Data) -> Iterator[Finding]:
    """Edges that are older than a row that they lead to."""
    for edges in data.schema.edge_tables.values():
        for column, table in _ends(edges):
            time = data.schema.table(table).time_col
            if edges.time_col is None or time is None:
                continue
            if not _are_comparable(data, edges, column, table):
                continue
            rows = f"SELECT row_number() OVER () - 1 AS _rh_row, * FROM {quoted(table)}"
            on = f"n._rh_row = e.{quoted(column)}"
            if data.schema.table(table).pkey:
                on = _equal(data, edges, column, table, "n")
            query = (
                f"SELECT count(*) FROM {quoted(edges.name)} e JOIN ({rows}) n ON {on}"
                f" WHERE e.{quoted(edges.time_col)} < n.{quoted(time)}"
            )
            count = data.ask(query)[0][0]
            if count:
                problem = f"older than its row of {table}"
                advice = "such edges are visible from the time of that row on"
                yield data.finding("warning", (edges.name, [edges.time_col]), problem, count, advice)


def unused_times(data: Data) -> Iterator[Finding]:
    """Edge tables without a time that have a column of times."""
    for edges in data.schema.edge_tables.values():
        times = [column for column, kind in data.types[edges.name].items() if kind in TIMES]
        if edges.time_col is None and times:
            problem = "a time that is not time_col"
            advice = f"such edges are visible when their ends are; say time_col='{times[0]}' if they are not"
            yield data.finding("warning", (edges.name, times[:1]), problem, data.rows(edges.name), advice)


def _ends(edges: EdgeTable) -> tuple[tuple[str, str], tuple[str, str]]:
    """Each end's column and table."""
    assert edges.src_col is not None, "the edge table is resolved"
    assert edges.dst_col is not None, "the edge table is resolved"
    return ((edges.src_col, edges.src), (edges.dst_col, edges.dst))


def _are_comparable(data: Data, edges: EdgeTable, column: str, table: str) -> bool:
    """Whether an end can be found among its table's keys or, where it has none, positions."""
    if not data.schema.table(table).pkey:
        return data.types[edges.name][column] in INTEGERS
    ours, theirs = _types(data, edges, column, table)
    return family(ours) == family(theirs) or TEXT in (ours, theirs)


def _equal(data: Data, edges: EdgeTable, column: str, table: str, row: str) -> str:
    """The condition that an end of edge `e` is the key of `row`."""
    end, key = f"e.{quoted(column)}", f"{row}.{quoted(data.schema.table(table).pkey[0])}"
    ours, theirs = _types(data, edges, column, table)
    if family(ours) != family(theirs):
        end, key = f"CAST({end} AS VARCHAR)", f"CAST({key} AS VARCHAR)"
    return f"{end} = {key}"


def _types(data: Data, edges: EdgeTable, column: str, table: str) -> tuple[str, str]:
    return data.types[edges.name][column], data.types[table][data.schema.table(table).pkey[0]]
