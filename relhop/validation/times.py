"""Times that lie far from all others, as dates that stand for no end; dates that are written as integers."""

from __future__ import annotations

from collections.abc import Iterator

from relhop.schema import Stype
from relhop.sources.columns import INTEGERS
from relhop.sources.quoting import quoted
from relhop.validation.data import MOST_EXAMPLES, Data, Finding, read_as

_LEAST_YEARS = 20
_MICROS_PER_YEAR = 31_556_952_000_000


def far_times(data: Data) -> Iterator[Finding]:
    """Rows beyond a gap of decades, of more than half of the time between the oldest row and the newest."""
    for table in data.tables.values():
        if table.time_col is None:
            continue
        times = f"SELECT epoch_us({quoted(table.time_col)}) AS t FROM {quoted(table.name)}"
        oldest, newest = data.ask(f"SELECT min(t), max(t) FROM ({times})")[0]
        if oldest is None or newest - oldest < _LEAST_YEARS * _MICROS_PER_YEAR:
            continue
        # A gap of more than half has the middle in it.
        early = f"t <= {(oldest + newest) // 2}"
        sides = f"max(t) FILTER ({early}), min(t) FILTER (NOT {early}), count(t) FILTER ({early}), count(t)"
        begin, end, before, rows = data.ask(f"SELECT {sides} FROM ({times})")[0]
        if end - begin <= max((newest - oldest) / 2, _LEAST_YEARS * _MICROS_PER_YEAR):
            continue
        side = f"NOT {early}" if 2 * before > rows else early
        shown = f"SELECT DISTINCT make_timestamp(t) FROM ({times}) WHERE {side} ORDER BY 1 LIMIT 3"
        examples = [time for (time,) in data.ask(f"SELECT CAST(#1 AS VARCHAR) FROM ({shown})")]
        problem = f"{(end - begin) // _MICROS_PER_YEAR:,} years from all others"
        advice = "anchor times stretch so far; if such a time stands for none, make it null with sql"
        count = min(before, rows - before)
        yield data.finding("warning", (table.name, [table.time_col]), problem, count, advice, examples)


def integer_dates(data: Data) -> Iterator[Finding]:
    """Columns of integers that are all dates of about our time, written as 20240131."""
    for table in data.schema.tables.values():
        for column, kind in data.types[table.name].items():
            if kind not in INTEGERS or table.stypes[column] != Stype.numerical:
                continue
            name, view = quoted(column), quoted(table.name)
            query = f"SELECT count({name}), min({name}), max({name}), count(DISTINCT {name}) FROM {view}"
            values, low, high, different = data.ask(query)[0]
            if different < MOST_EXAMPLES or low < 1900_01_01 or high > 2099_12_31:
                continue
            read = f"CAST(try_strptime(CAST({name} AS VARCHAR), '%Y%m%d') AS DATE)"
            if data.ask(f"SELECT count({read}) FROM {view}")[0][0] < values:
                continue
            problem = "integers that look like dates, taken for amounts"
            advice = f"read them with sql if they are: {read_as(table, column, read)}"
            examples = [v for (v,) in data.ask(f"SELECT {name} FROM {view} LIMIT {MOST_EXAMPLES}")]
            yield data.finding("warning", (table.name, [column]), problem, values, advice, examples)
