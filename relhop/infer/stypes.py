"""Semantic types of columns: what their values mean to a model."""

from __future__ import annotations

from relhop.infer.names import is_key_name, words
from relhop.infer.profile import SEPARATORS, ColumnFacts, TableFacts
from relhop.schema import Stype
from relhop.sources.binding import input_view
from relhop.sources.columns import is_number
from relhop.sources.quoting import literal

_CODES = (
    "type kind class category categories status state group level code flag mode label tier grade segment"
    " gender sex color colour month weekday dow"
)
_CODE_WORDS = frozenset(_CODES.split())
_MOST_CODES = 50
_MOST_CATEGORIES = 1_000
_LEAST_REPEATS = 2.0
_LONGEST_CATEGORY = 40
_LEAST_SEPARATED = 0.2
_MOST_PARTS = 1_000


def stype_of(table: TableFacts, column: ColumnFacts, *, is_reference: bool) -> tuple[Stype, str]:
    """The semantic type of a column, and why.

    Args:
        table: Its table.
        column: Its facts.
        is_reference: Whether it is part of a primary or foreign key.
    """
    if is_reference:
        return Stype.id, "part of a key"
    if column.is_time:
        return Stype.timestamp, "holds times" if not column.is_text else "holds text of times"
    if column.kind == "BOOLEAN":
        return Stype.categorical, "true or false"
    if column.kind == "UUID":
        return Stype.id, "holds UUIDs"
    if column.is_text and not column.values:
        return Stype.text, "holds no value"
    if is_number(column.kind) or (column.values == column.numbers and column.is_text):
        return _of_numbers(column)
    if column.is_text:
        return _of_text(table, column)
    return Stype.text, f"a {column.kind} is kept for queries, and no model sees it"


def _of_numbers(column: ColumnFacts) -> tuple[Stype, str]:
    if not column.is_whole:
        return Stype.numerical, "holds numbers"
    few = f"{column.distinct:,} different values"
    if (column.low, column.high) == (0, 1):
        return Stype.categorical, "holds 0 and 1 only"
    if is_key_name(column.name):
        if column.distinct <= _MOST_CODES:
            return Stype.categorical, f"named like a key, links to no table, and has {few}: a code"
        return Stype.id, "named like a key, and links to no table"
    if _CODE_WORDS.intersection(words(column.name)) and column.distinct <= _MOST_CODES:
        return Stype.categorical, f"named like a code, with {few}"
    return (
        Stype.numerical,
        "holds whole numbers, taken for amounts as its name does not say that they are codes",
    )


def _of_text(table: TableFacts, column: ColumnFacts) -> tuple[Stype, str]:
    if is_key_name(column.name) and column.distinct > _MOST_CODES:
        return Stype.id, "named like a key, and links to no table"
    for separator in SEPARATORS:
        if column.separated[separator] >= column.values * _LEAST_SEPARATED:
            parts = _parts(table, column, separator)
            if parts is not None:
                return (
                    Stype.multicategorical,
                    f"lists of {parts:,} different values, with '{separator}' between them",
                )
    repeats = column.values / max(column.distinct, 1)
    if (
        column.distinct <= _MOST_CATEGORIES
        and repeats >= _LEAST_REPEATS
        and column.mean_length <= _LONGEST_CATEGORY
    ):
        return Stype.categorical, f"{column.distinct:,} different texts, each {repeats:,.1f} times on average"
    if column.distinct > _MOST_CATEGORIES:
        return Stype.text, f"{column.distinct:,} different texts, too many for categories"
    if column.mean_length > _LONGEST_CATEGORY:
        return Stype.text, f"texts of {column.mean_length:,.0f} characters on average"
    return Stype.text, "its texts hardly repeat"


def _parts(table: TableFacts, column: ColumnFacts, separator: str) -> int | None:
    """How many different parts there are, if they are few enough to be categories rather than prose."""
    value = table.value(column.name)
    split = f"unnest(string_split({value}, {literal(separator)}))"
    parts = f"SELECT trim({split}) AS part FROM {input_view(table.name)}"
    query = f"SELECT count(*), count(DISTINCT part), avg(length(part)) FROM ({parts}) WHERE part <> ''"
    total, different, length = table.ask(query)
    few = different <= min(_MOST_PARTS, total / (5 * _LEAST_REPEATS)) and different < column.distinct
    return int(different) if few and length <= _LONGEST_CATEGORY / 2 else None
