"""Columns that promise what they do not keep: keys that repeat, times and numbers that do not parse."""

from __future__ import annotations

from collections.abc import Iterator

from relhop.infer.names import is_bare_key_name, names_table
from relhop.infer.times import looks_like_time
from relhop.schema import Stype
from relhop.sources.columns import TEXT
from relhop.sources.quoting import literal, quoted
from relhop.validation.data import MOST_EXAMPLES, Data, Finding, read_as

_FEW = 0.1
_MOST_WORDS = 3
_NUMBER = r"\s*[+-]?([1-9]\d*|0)(\.\d*)?([eE][+-]?\d+)?\s*"  # Zeros in front are of codes.
_DECIMAL_COMMA = r"\s*[+-]?\d+,\d+\s*"
_MONTH = "(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
_DATE = rf"(?i)\d{{1,4}}[-/.]\d{{1,2}}[-/.]\d{{1,4}}|\d{{1,2}}[-/. ]*{_MONTH}|{_MONTH}[a-z]*[. ]+\d"


def near_keys(data: Data) -> Iterator[Finding]:
    """Columns named as the key of a table that has none, of which a few rows are null or repeat another."""
    linked = {(link.child, column) for link in data.schema.links for column in link.columns}
    for table in data.schema.tables.values():
        for column in data.types[table.name]:
            named = is_bare_key_name(column) or names_table(column, table.name)
            if table.pkey or not named or (table.name, column) in linked:
                continue
            name, view = quoted(column), quoted(table.name)
            spare = data.rows(table.name) - data.ask(f"SELECT count(DISTINCT {name}) FROM {view}")[0][0]
            if not 0 < spare <= _FEW * data.rows(table.name):
                continue
            repeated = f"SELECT {name} FROM {view} GROUP BY 1 HAVING count(*) > 1 OR {name} IS NULL"
            examples = [value for (value,) in data.ask(f"{repeated} ORDER BY 1 LIMIT {MOST_EXAMPLES}")]
            problem = "named like a primary key, but null or repeated, so the table has none"
            advice = "remove these rows with sql, and name it in pkey_col, if it is the key"
            yield data.finding("warning", (table.name, [column]), problem, spare, advice, examples)


def unread_times(data: Data) -> Iterator[Finding]:
    """Text named like a time, and looking like one, that does not parse, in a table without a time."""
    for table in data.schema.tables.values():
        for column, kind in data.types[table.name].items():
            if table.time_col is not None or kind != TEXT or not looks_like_time(column):
                continue
            name, view = quoted(column), quoted(table.name)
            dates = f"count(*) FILTER (regexp_matches({name}, {literal(_DATE)}))"
            values, like_dates = data.ask(f"SELECT count({name}), {dates} FROM {view}")[0]
            lost = f"FROM {view} WHERE {name} IS NOT NULL AND TRY_CAST({name} AS TIMESTAMPTZ) IS NULL"
            count = data.ask(f"SELECT count(*) {lost}")[0][0]
            if not count or 2 * like_dates < values:
                continue
            examples = [repr(value) for (value,) in data.ask(f"SELECT {name} {lost} LIMIT {MOST_EXAMPLES}")]
            problem = "named like a time, but does not parse, so its rows are always visible"
            advice = "parse it with sql (strptime), and name it in time_col, if it says when a row came to be"
            yield data.finding("warning", (table.name, [column]), problem, count, advice, examples)


def near_numbers(data: Data) -> Iterator[Finding]:
    """Text that is numbers with decimal commas, or numbers but for a few words, as for no value."""
    for table in data.schema.tables.values():
        for column, kind in data.types[table.name].items():
            if kind != TEXT or table.stypes[column] == Stype.numerical:
                continue
            name, view = quoted(column), quoted(table.name)
            number = f"regexp_full_match({name}, {literal(_NUMBER)})"
            comma = f"regexp_full_match({name}, {literal(_DECIMAL_COMMA)})"
            point = f"{number} AND contains({name}, '.')"
            counts = ", ".join(f"count(*) FILTER ({condition})" for condition in (number, comma, point))
            values, numbers, commas, broken = data.ask(f"SELECT count({name}), {counts} FROM {view}")[0]
            if commas and numbers + commas == values:
                lost, read = comma, f"TRY_CAST(replace({name}, ',', '.') AS DOUBLE)"
                problem, advice = "numbers with decimal commas, taken for text", "if they are numbers"
            elif values <= 2 * numbers < 2 * values and _are_words(data, name, view, number, values):
                lost, read = f"NOT {number}", f"TRY_CAST({name} AS {'DOUBLE' if broken else 'BIGINT'})"
                problem, advice = "no number, in a column of numbers but for these", "if they mean no value"
            else:
                continue
            numbered = f"SELECT {name}, row_number() OVER () - 1 AS _rh_row FROM {view}"
            found = data.ask(f"FROM ({numbered}) WHERE {lost} ORDER BY _rh_row LIMIT {MOST_EXAMPLES}")
            examples = [f"{value!r} in row {row}" for value, row in found]
            advice += f", read them with sql: {read_as(table, column, read)}"
            count = commas or values - numbers
            yield data.finding("warning", (table.name, [column]), problem, count, advice, examples)


def _are_words(data: Data, name: str, view: str, number: str, values: int) -> bool:
    """Whether what is no number is little, or a few words, as for no value, and no other way of writing."""
    counts = f"count({name}), count(DISTINCT {name}), count(*) FILTER (regexp_matches({name}, '\\d'))"
    others, different, with_digits = data.ask(f"SELECT {counts} FROM {view} WHERE NOT {number}")[0]
    return others <= _FEW * values or (different <= _MOST_WORDS and not with_digits)
