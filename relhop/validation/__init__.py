"""Checks of data against their schema: each finding says what, where, how often, an example, and what to do.

Errors make a store wrong and are refused by `Graph.snapshot`; warnings are for people to judge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import duckdb

from relhop.errors import SourceError
from relhop.schema import Link, Schema, Stype
from relhop.sources.binding import input_types, input_view
from relhop.sources.columns import (
    FLOATS,
    TEXT,
    descents,
    is_missing,
    is_no_weight,
    is_number,
    typed,
    value_of,
)
from relhop.sources.quoting import quoted, quoted_list
from relhop.validation.data import MOST_EXAMPLES, Data, Finding, Severity, family, shown
from relhop.validation.edges import delayed_edges, end_types, missing_ends, unused_times
from relhop.validation.names import near_keys, near_numbers, unread_times
from relhop.validation.times import far_times, integer_dates

__all__ = ["Finding", "Severity", "ValidationReport", "refuse_errors", "validate"]


@dataclass(frozen=True)
class ValidationReport:
    """All findings, errors first."""

    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What `Graph.snapshot` refuses."""
        return tuple(f for f in self.findings if f.severity == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What people should look at."""
        return tuple(f for f in self.findings if f.severity == "warning")

    def __str__(self) -> str:
        if not self.findings:
            return "nothing wrong found"
        total = f"{len(self.errors)} errors, {len(self.warnings)} warnings"
        return "\n".join([*map(str, self.findings), total])


def validate(connection: duckdb.DuckDBPyConnection, schema: Schema) -> ValidationReport:
    """Runs every check.

    Args:
        connection: Has the views that `relhop.sources.binding.bind` makes for the schema's tables.
        schema: With everything resolved.
    """
    findings = _run(connection, schema, [*_ERROR_CHECKS, *_WARNING_CHECKS])
    return ValidationReport(tuple(sorted(findings, key=lambda f: f.severity != "error")))


def refuse_errors(connection: duckdb.DuckDBPyConnection, schema: Schema) -> None:
    """Runs the checks that find errors.

    Raises:
        SourceError: If there are any; names them all.
    """
    report = ValidationReport(tuple(_run(connection, schema, _ERROR_CHECKS)))
    if report.errors:
        raise SourceError("\n".join(str(f).removeprefix("error: ") for f in report.errors))


def _run(
    connection: duckdb.DuckDBPyConnection,
    schema: Schema,
    checks: Iterable[Callable[[Data], Iterator[Finding]]],
) -> list[Finding]:
    data = Data(connection, schema)
    return [finding for check in checks for finding in check(data)]


def _keys(data: Data) -> Iterator[Finding]:
    for table in data.schema.tables.values():
        if not table.pkey:
            continue
        columns, view = quoted_list(table.pkey), quoted(table.name)
        nulls, descending = data.ask(descents(table.pkey, view))[0]
        if nulls:
            advice = "fill the key, leave these rows out with sql, or choose another pkey_col"
            yield data.finding("error", (table.name, table.pkey), "null primary key", nulls, advice)
        if not nulls and not descending:
            continue
        groups = (
            f"SELECT {columns}, count(*) AS n FROM {view} WHERE NOT ({is_missing(table.pkey)})"
            " GROUP BY ALL HAVING n > 1"
        )
        repeated = data.ask(f"SELECT coalesce(sum(n - 1), 0) FROM ({groups})")[0][0]
        if repeated:
            examples = [shown(row[:-1]) for row in data.ask(f"{groups} ORDER BY ALL LIMIT {MOST_EXAMPLES}")]
            advice = "remove the repeated rows with sql, or choose another pkey_col"
            yield data.finding(
                "error", (table.name, table.pkey), "duplicate primary key", int(repeated), advice, examples
            )


def _parsing(data: Data) -> Iterator[Finding]:
    """Values that became null because they are not of the type that their meaning asks for."""
    for table in data.tables.values():
        raw_types = input_types(data.connection, table.name)
        for column, kind in raw_types.items():
            is_time = column == table.time_col or table.stypes.get(column) == Stype.timestamp
            is_number_text = kind == TEXT and table.stypes.get(column) == Stype.numerical
            is_float_id = kind in FLOATS and table.stypes.get(column) == Stype.id
            if not (is_time or is_number_text or is_float_id):
                continue
            value, expression = value_of(column, kind), typed(table, column, kind)
            lost = (
                f"SELECT CAST({value} AS VARCHAR) FROM {input_view(table.name)}"
                f" WHERE {value} IS NOT NULL AND ({expression}) IS NULL"
            )
            count = data.ask(f"SELECT count(*) FROM ({lost})")[0][0]
            if count:
                examples = [repr(v) for (v,) in data.ask(f"{lost} LIMIT {MOST_EXAMPLES}")]
                what = (
                    "time column that does not parse"
                    if column == table.time_col
                    else f"no {table.stypes[column]}"
                )
                advice = "parse it with sql (strptime, TRY_CAST), or give it another stype"
                yield data.finding("error", (table.name, [column]), what, count, advice, examples)


def _rounded_keys(data: Data) -> Iterator[Finding]:
    """Keys and ends kept as floats that may have been other integers: different ones became one."""
    keys = [(name, column) for name, table in data.schema.tables.items() for column in table.pkey]
    keys += [(link.child, column) for link in data.schema.links for column in link.columns]
    keys += [(name, end) for name in data.schema.edge_tables for end in data.tables[name].stypes]
    for name, column in dict.fromkeys(keys):
        kind = input_types(data.connection, name)[column]
        if kind not in FLOATS:
            continue
        digits = 53 if kind == "DOUBLE" else 24
        lost = f"FROM {input_view(name)} WHERE abs({quoted(column)}) >= {1 << digits}"
        count = data.ask(f"SELECT count(*) {lost}")[0][0]
        if count:
            examples = [v for (v,) in data.ask(f"SELECT {quoted(column)} {lost} LIMIT {MOST_EXAMPLES}")]
            problem = f"key of type {kind}, which from 2^{digits} on makes different integers one"
            advice = "read it as integers (pandas: Int64), or cast it with sql if these are the keys"
            yield data.finding("error", (name, [column]), problem, count, advice, examples)


def _key_types(data: Data) -> Iterator[Finding]:
    for link in data.schema.links:
        for column, key in zip(link.columns, data.schema.table(link.parent).pkey, strict=True):
            ours, theirs = data.types[link.child][column], data.types[link.parent][key]
            if family(ours) == family(theirs) or (TEXT in (ours, theirs) and not data.rows(link.child)):
                continue
            problem = f"key type mismatch: {ours} here, {theirs} in {link.parent}.{key}"
            rows = data.rows(link.child)
            if TEXT in (ours, theirs):
                advice = "the keys are compared as text; cast one with sql if that is not meant"
                yield data.finding("warning", (link.child, [column]), problem, rows, advice)
            else:
                advice = "cast one with sql, or remove the link"
                yield data.finding("error", (link.child, [column]), problem, rows, advice)


def _weights(data: Data) -> Iterator[Finding]:
    for table, column in _weight_columns(data):
        kind = data.types[table][column]
        if not is_number(kind):
            advice = "cast it with sql, or name another column"
            problem = f"column of weights, but {kind} and no number"
            yield data.finding("error", (table, [column]), problem, data.rows(table), advice)
            continue
        numbered = f"SELECT {quoted(column)}, row_number() OVER () - 1 FROM {quoted(table)}"
        wrong = f"SELECT * FROM ({numbered}) t({quoted(column)}, _rh_row) WHERE {is_no_weight(column)}"
        count = data.ask(f"SELECT count(*) FROM ({wrong})")[0][0]
        if count:
            found = data.ask(f"{wrong} ORDER BY _rh_row LIMIT {MOST_EXAMPLES}")
            examples = [f"{value} in row {row}" for value, row in found]
            advice = "weights are finite and at least 0, null counts as 0; mend them with sql"
            problem = "weight that is negative, infinite or NaN"
            yield data.finding("error", (table, [column]), problem, count, advice, examples)


def _null_weights(data: Data) -> Iterator[Finding]:
    for table, column in _weight_columns(data):
        count = data.ask(f"SELECT count(*) FROM {quoted(table)} WHERE {quoted(column)} IS NULL")[0][0]
        if count:
            advice = "it counts as 0: such rows are never drawn by weight; fill it with sql if they should be"
            yield data.finding("warning", (table, [column]), "null weight", count, advice)


def _dangling(data: Data) -> Iterator[Finding]:
    for link in data.schema.links:
        if not _comparable(data, link):
            continue
        columns = [f"c.{quoted(c)}" for c in link.columns]
        present = " AND ".join(f"{c} IS NOT NULL" for c in columns)
        lost = (
            f"SELECT {', '.join(columns)} FROM {quoted(link.child)} c ANTI JOIN {quoted(link.parent)} p"
            f" ON {_equal(data, link)} WHERE {present}"
        )
        count = data.ask(f"SELECT count(*) FROM ({lost})")[0][0]
        if count:
            examples = [
                shown(row)
                for row in data.ask(f"SELECT DISTINCT * FROM ({lost}) ORDER BY ALL LIMIT {MOST_EXAMPLES}")
            ]
            advice = "they are kept as null"
            problem = f"dangling foreign key: no such row in {link.parent}"
            yield data.finding("warning", (link.child, link.columns), problem, count, advice, examples)


def _null_times(data: Data) -> Iterator[Finding]:
    for table in data.tables.values():
        if table.time_col is None:
            continue
        query = f"SELECT count(*) FROM {quoted(table.name)} WHERE {quoted(table.time_col)} IS NULL"
        count = data.ask(query)[0][0]
        if count:
            advice = (
                "rows without a time are never visible at any anchor time; fill it with sql if they should be"
            )
            yield data.finding("warning", (table.name, [table.time_col]), "null time", count, advice)


def _empty_columns(data: Data) -> Iterator[Finding]:
    for table in data.tables.values():
        columns = [c for c in data.types[table.name] if c not in table.exclude]
        rows = data.rows(table.name)
        if rows < 2 or not columns:
            continue
        counts = ", ".join(
            f"count({quoted(c)}), min({quoted(c)}) = max({quoted(c)}), CAST(min({quoted(c)}) AS VARCHAR)"
            for c in columns
        )
        (found,) = data.ask(f"SELECT {counts} FROM {quoted(table.name)}")
        for i, column in enumerate(columns):
            values, is_constant, value = found[3 * i : 3 * i + 3]
            if not values:
                yield data.finding(
                    "warning", (table.name, [column]), "all null", rows, "exclude it, or look at the source"
                )
            elif is_constant and values == rows:
                advice = "it says nothing; exclude it"
                yield data.finding("warning", (table.name, [column]), "constant", rows, advice, [value])


def _links_into_the_future(data: Data) -> Iterator[Finding]:
    for link in data.schema.links:
        child, parent = data.schema.table(link.child), data.schema.table(link.parent)
        if child.time_col is None or parent.time_col is None or not _comparable(data, link):
            continue
        query = (
            f"SELECT count(*) FROM {quoted(link.child)} c JOIN {quoted(link.parent)} p"
            f" ON {_equal(data, link)} WHERE c.{quoted(child.time_col)} < p.{quoted(parent.time_col)}"
        )
        count = data.ask(query)[0][0]
        if count:
            problem = f"points to a later row of {link.parent}"
            advice = (
                "a key filled in after the row's own time tells of the future; leave the link out if it is"
            )
            yield data.finding("warning", (link.child, link.columns), problem, count, advice)


def _timeless_children(data: Data) -> Iterator[Finding]:
    for table in data.schema.tables.values():
        parents = [data.schema.table(link.parent) for link in data.schema.links if link.child == table.name]
        timed = [p.name for p in parents if p.time_col is not None and p.name != table.name]
        if table.time_col is None and timed:
            problem = f"no time, though rows of {timed[0]} have one"
            advice = f"they are visible before what they point at in {timed[0]}; take over its time with sql"
            yield data.finding("warning", (table.name, ()), problem, data.rows(table.name), advice)


def _filled_later(data: Data) -> Iterator[Finding]:
    for table in data.schema.tables.values():
        if table.time_col is None:
            continue
        for column, stype in data.schema.feature_columns(table.name).items():
            if stype != Stype.timestamp:
                continue
            query = (
                f"SELECT count(*) FROM {quoted(table.name)} WHERE {quoted(column)} > {quoted(table.time_col)}"
            )
            count = data.ask(query)[0][0]
            if count:
                problem = f"later than the row's own time ({table.time_col})"
                advice = "if it was not known then, exclude it"
                yield data.finding("warning", (table.name, [column]), problem, count, advice)


_ERROR_CHECKS: tuple[Callable[[Data], Iterator[Finding]], ...] = (
    _keys,
    _parsing,
    _rounded_keys,
    _key_types,
    _weights,
    end_types,
)
_WARNING_CHECKS: tuple[Callable[[Data], Iterator[Finding]], ...] = (
    _dangling, _null_times, _null_weights, _empty_columns, _links_into_the_future, _timeless_children,
    _filled_later, near_keys, near_numbers, unread_times, far_times, missing_ends, delayed_edges,
    integer_dates, unused_times,
)  # fmt: skip


def _weight_columns(data: Data) -> Iterable[tuple[str, str]]:
    of_links = [(k.child, k.weight) for k in data.schema.links if k.weight is not None]
    of_edges = [(e.name, e.weight_col) for e in data.schema.edge_tables.values() if e.weight_col is not None]
    return dict.fromkeys(of_links + of_edges)


def _comparable(data: Data, link: Link) -> bool:
    pairs = zip(link.columns, data.schema.table(link.parent).pkey, strict=True)
    kinds = [(data.types[link.child][c], data.types[link.parent][k]) for c, k in pairs]
    return all(family(a) == family(b) or TEXT in (a, b) for a, b in kinds)


def _equal(data: Data, link: Link) -> str:
    """The condition that child c points at parent p."""
    conditions = []
    for column, key in zip(link.columns, data.schema.table(link.parent).pkey, strict=True):
        left, right = f"c.{quoted(column)}", f"p.{quoted(key)}"
        if family(data.types[link.child][column]) != family(data.types[link.parent][key]):
            left, right = f"CAST({left} AS VARCHAR)", f"CAST({right} AS VARCHAR)"
        conditions.append(f"{left} = {right}")
    return " AND ".join(conditions)
