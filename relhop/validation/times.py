"""Times that lie far from all others, as dates that stand for no end or for an unknown time."""

from __future__ import annotations

from collections.abc import Iterator

from relhop.sources.quoting import quoted
from relhop.validation.data import Data, Finding

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
        yield data.finding(
            "warning", (table.name, [table.time_col]), problem, min(before, rows - before), advice, examples
        )
