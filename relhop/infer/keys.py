"""Primary keys: columns that name every row, and look as if they were meant to."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from relhop.infer.names import is_bare_key_name, is_code_name, is_key_name, names_table, starts_with_table
from relhop.infer.profile import ColumnFacts, TableFacts
from relhop.infer.times import looks_like_time
from relhop.sources.columns import FLOATS

_LONGEST_KEY = 64
_MOST_KEY_COLUMNS = 6


def single_key(table: TableFacts) -> tuple[str, str] | None:
    """The column that is a table's primary key, and why; `None` if none is.

    A column named `id`, then one named after the table, then the first column, then the only unique column
    with a key's name. Empty tables are judged by names alone.
    """
    candidates = [column for column in table.columns.values() if _can_be_key(column)]
    ranked: list[tuple[ColumnFacts, str]] = []
    ranked += [(c, "named as a key") for c in candidates if is_bare_key_name(c.name)]
    ranked += [(c, "named after the table") for c in candidates if names_table(c.name, table.name)]
    first = next(iter(table.columns.values()), None)
    if first in candidates and first is not None and (table.rows or is_key_name(first.name)):
        begins = is_key_name(first.name) and starts_with_table(first.name, table.name)
        ranked.append((first, "the first column, named like the table" if begins else "the first column"))
    for column, why in ranked:
        if not table.rows or table.is_key([column.name]):
            return (
                column.name,
                f"{why}; unique and never null" if table.rows else f"{why}; the table is empty",
            )
    unique = [c.name for c in candidates if is_key_name(c.name) and table.is_key([c.name])]
    return (unique[0], "the only unique column with a key's name") if len(unique) == 1 else None


def composite_key(
    table: TableFacts, linked: Iterable[str], times: Sequence[str]
) -> tuple[tuple[str, ...], str] | None:
    """Two or three columns that name every row together, and why; `None` if there are none.

    Columns that are foreign keys or named like keys and codes are tried, then each with a time.

    Args:
        table: A table without a key of one column.
        linked: Its columns that are foreign keys.
        times: Its columns that may be its time, the likeliest first.
    """
    references = set(linked)
    parts = [c for c in table.columns.values() if c.name in references or is_code_name(c.name)]
    parts = [c for c in parts if c.name in references or _can_be_key(c)][:_MOST_KEY_COLUMNS]
    names = [c.name for c in parts]
    for size in (2, 3):
        for columns in itertools.combinations(names, size):
            if table.is_key(columns):
                return columns, "each looks like a key of another table; together unique and never null"
    for time in times:
        for name in names:
            if name in references and name != time and table.is_key((name, time)):
                return (name, time), "a key of another table and a time; together unique and never null"
    return None


def _can_be_key(column: ColumnFacts) -> bool:
    if column.key_kind not in ("integer", "text") or column.kind in FLOATS:
        return False
    if looks_like_time(column.name) and not is_key_name(column.name):
        return False
    return not (column.is_text and column.mean_length > _LONGEST_KEY)
