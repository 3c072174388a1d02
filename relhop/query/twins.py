"""Columns that say what a static target is: the same value in other words, and so to be withheld, too."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from relhop.query.nodes import Column
from relhop.schema import Schema, Stype
from relhop.sources.quoting import quoted

SAMPLE_ROWS = 1_000_000
"""Of a larger table the first so many rows are compared."""

_SAME = 1 - 1e-9
"""Numbers that correlate so well are one computed from the other."""


@dataclass(frozen=True)
class Twins:
    """Feature columns that tell a target.

    Attributes:
        same: One to one with it.
        coarser: Each value of the target has one value of theirs: perhaps computed from it, perhaps not.
    """

    same: tuple[Column, ...]
    coarser: tuple[Column, ...]


def find_twins(connection: duckdb.DuckDBPyConnection, schema: Schema, target: Column) -> Twins:
    """Compares the feature columns of a target's table with it, where both have values.

    Values that repeat less than twice on average tell nothing of this kind; numbers may still be linear in
    each other.
    """
    found: dict[str, list[Column]] = {"same": [], "coarser": []}
    wide = schema.wide_columns(target.table).items()
    stypes = schema.feature_columns(target.table) | {c: s for c, s in wide if s != Stype.tensor}
    is_number = schema.tables[target.table].stypes[target.name] == Stype.numerical
    t = _value(target.name, is_number)
    for name, stype in stypes.items():
        if name == target.name:
            continue
        c = _value(name, stype == Stype.numerical)
        fit = "regr_r2(t, c)" if is_number and stype == Stype.numerical else "NULL"
        rows, targets, others, pairs, linear = connection.execute(
            f"SELECT count(*), count(DISTINCT t), count(DISTINCT c), count(DISTINCT (t, c)), {fit}"
            f" FROM (SELECT {t} AS t, {c} AS c FROM {quoted(target.table)} LIMIT {SAMPLE_ROWS})"
            " WHERE t IS NOT NULL AND c IS NOT NULL"
        ).fetchall()[0]
        column = Column(target.table, name, 0, 0)
        repeats = others > 1 and rows >= 2 * pairs
        is_linear = linear is not None and linear >= _SAME and rows > 2
        if is_linear or (repeats and targets == others == pairs):
            found["same"].append(column)
        elif repeats and targets == pairs:
            found["coarser"].append(column)
    return Twins(tuple(found["same"]), tuple(found["coarser"]))


def _value(column: str, is_number: bool) -> str:
    """A column as SQL; numbers that are not finite, or whose squares are not, count as missing."""
    if not is_number:
        return quoted(column)
    number = f"CAST({quoted(column)} AS DOUBLE)"
    return f"CASE WHEN abs({number}) < 1e100 THEN {number} END"
