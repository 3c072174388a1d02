"""Semantic types of columns: what their values mean to a model."""

from __future__ import annotations

from relhop.infer.names import is_key_name, words
from relhop.infer.profile import SEPARATORS, ColumnFacts, TableFacts
from relhop.schema import Stype
from relhop.sources.binding import input_view
from relhop.sources.columns import is_list, is_number, parts_of

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
_LEAST_WORDS = 2.0


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
        return Stype.categorical, "holds no value"
    if is_number(column.kind) or (column.values == column.numbers and column.is_text):
        return _of_numbers(column)
    if column.is_text:
        return _of_text(table, column)
    if is_list(column.kind):
        parts = _parts(table, column, None)
        if parts is not None:
            return Stype.multicategorical, f"lists of {parts:,} different values"
    hint = "; give it as an array if it is a vector" if column.kind.startswith(("FLOAT[", "DOUBLE[")) else ""
    return Stype.text, f"a {column.kind} is kept for queries, and no model sees it{hint}"


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
    found = _separated(table, column)
    if found is not None:
        separator, parts = found
        return Stype.multicategorical, f"lists of {parts:,} different values, with '{separator}' between them"
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


def why_unseen(table: TableFacts, column: ColumnFacts) -> str | None:
    """Why a text is not shown to models by default, though it could be embedded; `None`: it is shown.

    Names tell rows apart and say little of rows to come; to learn them by heart costs space and harms.
    """
    if not column.is_text:
        return None  # What is no text is not embedded.
    if column.values >= _LEAST_REPEATS * column.distinct:
        return None
    if column.distinct < _MOST_CATEGORIES:
        texts = min(column.distinct, column.values)
        return f"about {texts:,} texts that hardly repeat are too few to learn from"
    value = table.value(column.name)
    [words] = table.ask(f"SELECT avg(len(string_split({value}, ' '))) FROM {input_view(table.name)}")
    return f"{words:.1f} words on average that hardly repeat: names" if words < _LEAST_WORDS else None


def separator_of(table: TableFacts, column: ColumnFacts) -> str:
    """What stands between the values of a text that is multicategorical: what makes lists of few different
    values, or else what most texts have in them.
    """
    found = _separated(table, column)
    return found[0] if found is not None else max(SEPARATORS, key=lambda s: column.separated[s])


def _separated(table: TableFacts, column: ColumnFacts) -> tuple[str, int] | None:
    """The separator that makes lists of few different values, and how many."""
    for separator in SEPARATORS:
        if column.separated[separator] >= column.values * _LEAST_SEPARATED:
            parts = _parts(table, column, separator)
            if parts is not None:
                return separator, parts
    return None


def _parts(table: TableFacts, column: ColumnFacts, separator: str | None) -> int | None:
    """How many different parts there are, if they are few enough to be categories rather than prose."""
    query = (
        "SELECT count(*), count(DISTINCT part), avg(length(part))"
        f" FROM (SELECT unnest({parts_of(column.name, separator)}) AS part FROM {input_view(table.name)})"
    )
    total, different, length = table.ask(query)
    few = different <= min(_MOST_PARTS, total / (5 * _LEAST_REPEATS))
    few &= separator is None or different < column.distinct
    return int(different) if few and total and length <= _LONGEST_CATEGORY / 2 else None
