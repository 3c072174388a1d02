"""Time columns: when a row came to be, as far as names and types tell."""

from __future__ import annotations

from relhop.infer.names import words
from relhop.infer.profile import ColumnFacts, TableFacts
from relhop.sources.columns import is_number
from relhop.times import TimeUnit

_PLAIN = frozenset({"date", "time", "timestamp", "datetime", "ts"})
_TIME_WORDS = _PLAIN | {"day", "hour", "at", "on", "when"}
_CREATION_WORDS = (
    "created creation create added inserted posted order ordered purchase purchased invoice transaction event"
    " start started begin began registered registration submitted joined signup opened hire hired issued sent"
)
_CREATION = frozenset(_CREATION_WORDS.split())
_LATER_WORDS = (
    "updated update modified last edit edited closed close end ended expire expires expiry due deadline"
    " deleted unregistration unregistered cancelled canceled until valid access accessed finished shipped"
    " delivered delivery returned paid left death died"
)
_LATER = frozenset(_LATER_WORDS.split())
_BIRTH = frozenset({"birth", "birthdate", "birthday", "born", "dob"})
_LEAST_FILLED = 0.5


def looks_like_time(column: str) -> bool:
    """Whether a column is named like a time: `date`, `created_at`, `InvoiceDate`."""
    return bool(_TIME_WORDS.intersection(words(column)))


def time_candidates(table: TableFacts) -> list[tuple[str, TimeUnit | None, str]]:
    """The columns that may say when a row came to be, the likeliest first: name, unit of integers, why."""
    ranked = []
    for place, column in enumerate(table.columns.values()):
        unit = unit_of(column) if not column.is_time else None
        if not column.is_time and unit is None:
            continue
        score, why = _score(column)
        filled = column.values / table.rows if table.rows else 1.0
        if score < 0 or filled < _LEAST_FILLED:
            continue
        if unit is not None:
            why += f"; its numbers ({column.low:.0f} to {column.high:.0f}) are taken for {_UNITS[unit]}"
        ranked.append((-score - filled, place, column.name, unit, why))
    return [(name, unit, why) for _, _, name, unit, why in sorted(ranked, key=lambda r: r[:2])]


def unit_of(column: ColumnFacts) -> TimeUnit | None:
    """What the whole numbers of a column named like a time count since 1970, by their size.

    `None` where the name speaks of no time, or the size of no unit (such as 20130131).
    """
    named = set(words(column.name))
    if not (is_number(column.kind) and column.is_whole and named & _PLAIN) or column.high is None:
        return None
    size = abs(column.high)
    if "date" in named and size < 1e5:
        return "days"
    for unit, least in (("us", 1e14), ("ms", 1e11), ("s", 1e8)):
        if least <= size < least * 1e2:
            return unit  # type: ignore[return-value]
    return None


_UNITS = {"us": "microseconds", "ms": "milliseconds", "s": "seconds", "days": "days"}


def _score(column: ColumnFacts) -> tuple[float, str]:
    named = set(words(column.name))
    if named & _BIRTH:
        return -2.0, "a birthday"
    if named & _LATER:
        return -1.0, "named like a later event"
    if named & _CREATION:
        return 3.0, "named like the row's beginning"
    if named <= _PLAIN:
        return 4.0, "named plainly as a time"
    if named & _TIME_WORDS:
        return 1.0, "a time"
    return 0.0, "a time, though its name does not say of what"
