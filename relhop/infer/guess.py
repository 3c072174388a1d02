"""A graph's whole schema from what the user says and what the data say. The user's word always stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import duckdb

from relhop.errors import SchemaError, nearest
from relhop.infer.keys import composite_key, single_key
from relhop.infer.links import GuessedLink, Keys, composite_links, single_links
from relhop.infer.profile import ColumnFacts, TableFacts
from relhop.infer.stypes import separator_of, stype_of, why_unseen
from relhop.infer.times import time_candidates, unit_of
from relhop.schema import Link, Schema, Stype, Table, replace
from relhop.sources.sqlite import DeclaredKeys
from relhop.times import TimeUnit


class Explanation(NamedTuple):
    """One guess.

    Attributes:
        table: The table that it is about.
        column: The column or columns, joined by `+`; `None` where it is about the whole table.
        guess: What was guessed: a role (`primary key`, `time`, `-> parent`) or a semantic type.
        why: The reason.
    """

    table: str
    column: str | None
    guess: str
    why: str


GIVEN = "given"
"""The reason of what the user said."""


def complete(
    connection: duckdb.DuckDBPyConnection,
    tables: Sequence[Table],
    links: Iterable[Link] | None,
    declared: Mapping[str, DeclaredKeys],
) -> tuple[Schema, list[Explanation]]:
    """Fills in what the descriptions leave open.

    Args:
        connection: Has the views of `relhop.sources.binding.bind_inputs` for the tables.
        tables: Descriptions; `None` in a field, and columns without a semantic type, are guessed. An empty
            `pkey_col` or `time_col` means that there is none.
        links: All links; `None`: guessed.
        declared: Keys that databases declare, by table. They come before guesses.

    Returns:
        The schema with everything resolved, and the reasons.

    Raises:
        SchemaError: If a description names a column or table that is not there.
        SourceError: If a table cannot be read.
    """
    facts = {table.name: TableFacts(connection, table.name) for table in tables}
    for table in tables:
        _check_columns(table, facts[table.name])
    given = None if links is None else list(links)
    _check_links(given or [], facts)
    guess = _Guess(facts, {table.name: table for table in tables}, declared)
    keys = guess.single_keys()
    made = guess.declared_links(keys) if given is None else given
    if given is None:
        made += guess.taken(single_links(facts, keys), made)
    keys = guess.composite_keys(keys, made)
    if given is None:
        made += guess.taken(composite_links(facts, keys), made)
    else:
        guess.explain_given(made)
    resolved = [guess.resolved(table, keys[table.name], made) for table in tables]
    return Schema(resolved, made), guess.explanations


class _Guess:
    """The state of one `complete`."""

    def __init__(
        self,
        facts: Mapping[str, TableFacts],
        tables: Mapping[str, Table],
        declared: Mapping[str, DeclaredKeys],
    ) -> None:
        self.facts, self.tables, self.declared = facts, tables, declared
        self.explanations: list[Explanation] = []

    def note(self, table: str, columns: Sequence[str] | None, guess: str, why: str) -> None:
        self.explanations.append(Explanation(table, "+".join(columns) if columns else None, guess, why))

    def single_keys(self) -> dict[str, tuple[str, ...]]:
        """Primary keys that are given, declared, or of one column."""
        keys: dict[str, tuple[str, ...]] = {}
        for name, table in self.tables.items():
            pkey = self.declared[name].pkey if name in self.declared else ()
            found = single_key(self.facts[name]) if table.pkey_col is None and not pkey else None
            if table.pkey_col is not None:
                keys[name] = table.pkey
                self.note(name, table.pkey, "primary key" if table.pkey else "no primary key", GIVEN)
            elif pkey:
                keys[name] = pkey
                self.note(name, pkey, "primary key", "declared by the database")
            elif found is not None:
                keys[name] = (found[0],)
                self.note(name, [found[0]], "primary key", found[1])
            else:
                keys[name] = ()
        return keys

    def composite_keys(self, keys: Keys, links: Iterable[Link]) -> dict[str, tuple[str, ...]]:
        """The keys, with those of several columns for tables that have none yet."""
        completed = dict(keys)
        for name, table in self.tables.items():
            if keys[name] or table.pkey_col is not None:
                continue
            linked = {column for link in links if link.child == name for column in link.columns}
            times = [column for column, _, _ in time_candidates(self.facts[name])]
            found = composite_key(self.facts[name], linked, times)
            if found is not None:
                completed[name] = found[0]
                self.note(name, found[0], "primary key", found[1])
            else:
                self.note(
                    name, None, "no primary key", "no column, and no few that look like keys, name every row"
                )
        return completed

    def declared_links(self, keys: Keys) -> list[Link]:
        """The foreign keys that databases declare to the primary keys of tables of the graph."""
        links = []
        names = {name.lower(): name for name in self.tables}
        for child, declared in self.declared.items():
            for key in declared.links:
                parent = names.get(key.parent.lower())
                if parent is None:
                    self.note(
                        child,
                        key.columns,
                        f"no link to {key.parent}",
                        "declared, but the graph has no such table",
                    )
                    continue
                pkey = keys[parent]
                to = key.parent_columns or pkey
                if len(to) != len(key.columns) or {c.lower() for c in to} != {c.lower() for c in pkey}:
                    why = "declared to columns that are not its key"
                    self.note(child, key.columns, f"no link to {parent}", why)
                    continue
                order = [c.lower() for c in pkey]
                pairs = sorted(
                    zip(key.columns, to, strict=True), key=lambda pair: order.index(pair[1].lower())
                )
                columns = tuple(column for column, _ in pairs)
                links.append(Link(child, columns, parent))
                self.note(child, columns, f"-> {parent}", "declared by the database")
        return links

    def taken(self, guesses: Iterable[GuessedLink], made: Sequence[Link]) -> list[Link]:
        """Those guessed links whose columns are not linked yet; notes them, and those that are not made."""
        names = {link.name for link in made}
        links = []
        for guess in guesses:
            link = guess.link
            if link.name in names:
                continue
            self.note(
                link.child,
                link.columns,
                f"-> {link.parent}" if guess.made else f"no link to {link.parent}",
                guess.why,
            )
            if guess.made:
                links.append(link)
        return links

    def explain_given(self, links: Iterable[Link]) -> None:
        """Notes the links that the user gave."""
        for link in links:
            self.note(link.child, link.columns, f"-> {link.parent}", GIVEN)
            if link.weight is not None:
                self.note(link.child, [link.weight], f"weight of {link.name}", GIVEN)

    def resolved(self, table: Table, pkey: tuple[str, ...], links: Iterable[Link]) -> Table:
        """A table's description with nothing left open."""
        facts = self.facts[table.name]
        time_col, unit = self._time(table, facts)
        references = {*pkey, *(c for link in links if link.child == table.name for c in link.columns)}
        stypes: dict[str, Stype] = {}
        separators, exclude = dict(table.separators), list(table.exclude)
        for column in facts.columns.values():
            if column.name in table.stypes:
                stypes[column.name] = table.stypes[column.name]
                why = GIVEN
            elif column.name in separators:
                stypes[column.name], why = Stype.multicategorical, "its separator is given"
            elif column.name == time_col:
                stypes[column.name], why = Stype.timestamp, "the time"
            elif _counts_like(column, unit):
                stypes[column.name], why = (
                    Stype.timestamp,
                    "named like a time, and counts as the table's time does",
                )
            else:
                is_reference = column.name in references
                stypes[column.name], why = stype_of(facts, column, is_reference=is_reference)
            if stypes[column.name] == Stype.multicategorical and column.is_text:
                separators.setdefault(column.name, separator_of(facts, column))
            self.note(table.name, [column.name], str(stypes[column.name]), why)
            if stypes[column.name] == Stype.text and why != GIVEN and column.name not in exclude:
                unseen = why_unseen(facts, column)
                if not column.is_text:
                    self.note(table.name, [column.name], "left out", why)
                elif unseen is not None:
                    exclude.append(column.name)
                    hint = f"; with stypes={{'{column.name}': 'text'}} models see it"
                    self.note(table.name, [column.name], "left out", unseen + hint)
        return replace(
            table,
            pkey_col=pkey or None,
            time_col=time_col,
            time_unit=unit,
            stypes=stypes,
            separators=separators,
            exclude=tuple(exclude),
        )

    def _time(self, table: Table, facts: TableFacts) -> tuple[str | None, TimeUnit | None]:
        if table.time_col is not None:
            self.note(
                table.name,
                [table.time_col] if table.time_col else None,
                "time" if table.time_col else "no time",
                GIVEN,
            )
            if not table.time_col:
                return None, table.time_unit
            column = facts.columns[table.time_col]
            return table.time_col, table.time_unit or unit_of(column)
        candidates = time_candidates(facts)
        if not candidates:
            self.note(
                table.name,
                None,
                "no time",
                "no column says when a row came to be: its rows are always visible",
            )
            return None, table.time_unit
        time_col, unit, why = candidates[0]
        others = [name for name, _, _ in candidates[1:]]
        self.note(
            table.name, [time_col], "time", why + (f"; preferred to {', '.join(others)}" if others else "")
        )
        return time_col, table.time_unit or unit


def _counts_like(column: ColumnFacts, unit: TimeUnit | None) -> bool:
    return unit is not None and not column.is_text and unit_of(column) == unit


def _check_columns(table: Table, facts: TableFacts) -> None:
    named = {
        "pkey_col": table.pkey,
        "time_col": (table.time_col,) if table.time_col else (),
        "stypes": table.stypes,
        "exclude": table.exclude,
        "separators": table.separators,
    }
    for field, columns in named.items():
        for column in columns:
            if column not in facts.columns:
                hint = nearest(column, facts.columns)
                raise SchemaError(
                    f"table '{table.name}' has no column '{column}', which {field} names.{hint}"
                )


def _check_links(links: Iterable[Link], facts: Mapping[str, TableFacts]) -> None:
    for link in links:
        for column in (*link.columns, *([link.weight] if link.weight is not None else [])):
            if link.child in facts and column not in facts[link.child].columns:
                hint = nearest(column, facts[link.child].columns)
                raise SchemaError(
                    f"table '{link.child}' has no column '{column}', which the link {link.name} names.{hint}"
                )
