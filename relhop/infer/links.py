"""Foreign keys: columns whose names or values are those of another table's primary key."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from relhop.infer.names import (
    ends_with_table,
    is_bare_key_name,
    is_code_name,
    is_key_name,
    names_own_table,
    names_table,
)
from relhop.infer.profile import ColumnFacts, TableFacts, share_held
from relhop.schema import Link
from relhop.sources.binding import input_view

Keys = Mapping[str, tuple[str, ...]]
"""Primary keys by table; empty where a table has none."""

_LEAST_SHARE_NAMED = 0.5
_LEAST_SHARE_UNNAMED = 0.9
_LEAST_SHARE_SIBLING = 0.99
_LEAST_VALUES_UNNAMED = 3
_LONGEST_TEXT_KEY = 64
_SURE = 20.0  # Of e^20 columns of random numbers, one would be held so well.


@dataclass(frozen=True)
class GuessedLink:
    """A link, or a likely one that is not made, and why."""

    link: Link
    why: str
    made: bool = True


def single_links(tables: Mapping[str, TableFacts], keys: Keys) -> list[GuessedLink]:
    """Links to primary keys of one column, at most one per child column, in the order of the columns."""
    parents = {name: key[0] for name, key in keys.items() if len(key) == 1}
    found = []
    for child in tables.values():
        for column in child.columns.values():
            guess = _by_name(child, column, tables, parents, keys) or _by_values(
                child, column, tables, parents, keys
            )
            if guess is not None:
                found.append(guess)
    return found


def composite_links(tables: Mapping[str, TableFacts], keys: Keys) -> list[GuessedLink]:
    """Links to primary keys of several columns, by the same names in the child.

    Where all but one name are the same, and the remaining column's values agree, the link is told of but not
    made.
    """
    found = []
    for parent, key in keys.items():
        if len(key) < 2:
            continue
        for child in tables.values():
            if child.name == parent or not any(_same_name(child, column) for column in key):
                continue
            guess = _composite(child, tables[parent], key, keys[child.name])
            if guess is not None:
                found.append(guess)
    return found


def _by_name(
    child: TableFacts,
    column: ColumnFacts,
    tables: Mapping[str, TableFacts],
    parents: Mapping[str, str],
    keys: Keys,
) -> GuessedLink | None:
    """The link that a column's name speaks of, if the values do not contradict."""
    denied = None
    for parent, why in _named_parents(child, column, parents, keys):
        key = tables[parent].columns[parents[parent]]
        if column.key_kind != key.key_kind and column.values:
            continue
        link = Link(child.name, column.name, parent)
        if not column.values:
            return GuessedLink(link, f"{why}; it has no values that could contradict")
        total, held = share_held(child, [column.name], tables[parent], [key.name])
        if held < total * _LEAST_SHARE_NAMED:
            denied = denied or GuessedLink(
                link, f"{why}, but {parent}.{key.name} holds only {_share(held, total)}", False
            )
            continue
        return GuessedLink(link, f"{why}; {parent}.{key.name} holds {_share(held, total)}")
    return denied


def _named_parents(
    child: TableFacts, column: ColumnFacts, parents: Mapping[str, str], keys: Keys
) -> Iterable[tuple[str, str]]:
    own_key = keys[child.name] == (column.name,)
    same = [
        p for p, key in parents.items() if key.lower() == column.name.lower() and not is_bare_key_name(key)
    ]
    owners = [p for p in same if names_table(column.name, p)]
    if own_key and (child.name in owners or not owners):
        return
    for parent in owners or (same if len(same) == 1 else ()):
        if parent != child.name:
            yield parent, "the same name as its key"
    if own_key or (column.name in keys[child.name] and not is_code_name(column.name)):
        return
    if is_key_name(column.name):
        for parent in parents:
            if names_table(column.name, parent):
                yield parent, "named after the table"
        longest_first = sorted(parents, key=len, reverse=True)
        for parent in longest_first:
            if ends_with_table(column.name, parent):
                yield parent, "its name ends with the table's"
    if names_own_table(column.name) and child.name in parents:
        yield child.name, "named like a reference to another row of its own table"


def _by_values(
    child: TableFacts,
    column: ColumnFacts,
    tables: Mapping[str, TableFacts],
    parents: Mapping[str, str],
    keys: Keys,
) -> GuessedLink | None:
    """The link that a column's values speak of, where chance would hardly make them the keys of one table."""
    if keys[child.name] == (column.name,) or is_bare_key_name(column.name):
        return None
    if column.distinct < _LEAST_VALUES_UNNAMED or column.key_kind not in ("integer", "text"):
        return None
    if (
        column.key_kind == "integer" and not is_key_name(column.name)
    ) or column.mean_length > _LONGEST_TEXT_KEY:
        return None
    found = []
    for parent, key_name in parents.items():
        key = tables[parent].columns[key_name]
        if key.key_kind != column.key_kind:
            continue
        total, held = share_held(child, [column.name], tables[parent], [key_name])
        if held < total * _LEAST_SHARE_UNNAMED:
            continue
        surprise = _surprise(column, tables[parent], key, total, held)
        if surprise >= _SURE:
            found.append((surprise, parent, key_name, total, held))
    if not found:
        return None
    _, parent, key_name, total, held = max(found)
    return GuessedLink(
        Link(child.name, column.name, parent),
        f"{parent}.{key_name} holds {_share(held, total)}, more than chance allows",
    )


def _surprise(column: ColumnFacts, parent: TableFacts, key: ColumnFacts, total: int, held: int) -> float:
    """How unlikely it is that so many of the values are keys by chance: -log of about its probability.

    Random numbers in the key's range are keys as often as the range is filled; random text hardly ever.
    """
    if column.key_kind == "text":
        return _SURE * held / _LEAST_VALUES_UNNAMED
    if None in (key.low, key.high, column.low, column.high):
        return 0.0
    low, high = max(key.low or 0, column.low or 0), min(key.high or 0, column.high or 0)
    span = high - low + 1
    within = parent.ask(
        f"SELECT count(*) FROM {_keys_of(parent, key)} WHERE key BETWEEN {int(low)} AND {int(high)}"
    )[0]
    chance = min(within / span, 1.0) if span > 0 else 1.0
    share = held / total
    if share <= chance:
        return 0.0
    missed = 0.0 if share == 1 else (1 - share) * math.log((1 - share) / (1 - chance))
    return total * (share * math.log(share / max(chance, 1e-9)) + missed)


def _keys_of(parent: TableFacts, key: ColumnFacts) -> str:
    return f"(SELECT TRY_CAST({parent.value(key.name)} AS DOUBLE) AS key FROM {input_view(parent.name)})"


def _composite(
    child: TableFacts, parent: TableFacts, key: tuple[str, ...], own_key: tuple[str, ...]
) -> GuessedLink | None:
    same = [_same_name(child, column) for column in key]
    missing = [i for i, column in enumerate(same) if column is None]
    if not missing:
        columns = tuple(column for column in same if column is not None)
        is_owner = any(names_table(column, parent.name) for column in key)
        if set(columns) == set(own_key) and not is_owner:
            return None
        if any(
            child.columns[c].key_kind != parent.columns[k].key_kind for c, k in zip(columns, key, strict=True)
        ):
            return None
        link = Link(child.name, columns, parent.name)
        total, held = share_held(child, columns, parent, key)
        if not total:
            return GuessedLink(link, "the same names as its key; they have no values that could contradict")
        if held < total * (_LEAST_SHARE_NAMED if is_owner else _LEAST_SHARE_SIBLING):
            return GuessedLink(
                link, f"the same names as its key, but it holds only {_share(held, total)}", False
            )
        return GuessedLink(link, f"the same names as its key; it holds {_share(held, total)}")
    if len(missing) > 1:
        return None
    place = missing[0]
    if parent.columns[key[place]].key_kind == "integer":
        return None  # Small integers agree by chance.
    for column in child.columns.values():
        if column.name in same or column.key_kind != parent.columns[key[place]].key_kind or not column.values:
            continue
        columns = tuple(column.name if c is None else c for c in same)
        total, held = share_held(child, columns, parent, key)
        if total >= _LEAST_VALUES_UNNAMED and held >= total * _LEAST_SHARE_UNNAMED:
            unlike = f"{column.name} is not named {key[place]}"
            why = f"the key holds {_share(held, total)}, but {unlike}; link them if meant"
            return GuessedLink(Link(child.name, columns, parent.name), why, False)
    return None


def _same_name(child: TableFacts, column: str) -> str | None:
    return next((c for c in child.columns if c.lower() == column.lower()), None)


def _share(held: int, total: int) -> str:
    if held == total:
        return f"all of {total:,} values"
    return f"{held / total:.1%} of {total:,} values"
