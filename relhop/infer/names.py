"""Words in names of tables and columns, as evidence of what they mean."""

from __future__ import annotations

import re

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_KEY_WORDS = frozenset({"id", "ids", "key", "uuid", "guid", "pk", "fk", "sk"})
_CODE_WORDS = frozenset({"code", "no", "nr", "num", "number"})
_SELF_WORDS = frozenset(
    {
        "parent",
        "reports",
        "manager",
        "supervisor",
        "boss",
        "reply",
        "previous",
        "predecessor",
        "root",
        "original",
    }
)


def words(name: str) -> tuple[str, ...]:
    """The words of a name in lower case: `LastEditorUserId` gives last, editor, user, id."""
    return tuple(word.lower() for word in _WORD.findall(name))


def stem(word: str) -> str:
    """What an English noun's singular and plural share: categor(y|ies) give category, movie(s) give movy."""
    if word.endswith(("ches", "shes", "xes", "sses", "zzes")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 2:
        word = word[:-1]
    return word[:-2] + "y" if word.endswith("ie") and len(word) > 3 else word


def joined(parts: tuple[str, ...]) -> str:
    """Words as one, the last by its stem, so that `race_results`, `RaceResults` and `raceresult` agree."""
    return "".join((*parts[:-1], stem(parts[-1]))) if parts else ""


def is_key_name(column: str) -> bool:
    """Whether a column is named like a key: `id`, `userId`, `id_student`, `customer_key`."""
    found = words(column)
    return bool(found) and (found[0] in _KEY_WORDS or found[-1] in _KEY_WORDS)


def is_bare_key_name(column: str) -> bool:
    """Whether a column's name is that of a key of whatever table: `id`, `Key`."""
    found = words(column)
    return bool(found) and all(word in _KEY_WORDS for word in found)


def is_code_name(column: str) -> bool:
    """Whether a column is named like a key or a code: `id_student`, `code_module`, `flight_no`."""
    found = words(column)
    return is_key_name(column) or (bool(found) and (found[0] in _CODE_WORDS or found[-1] in _CODE_WORDS))


def subject(column: str) -> str:
    """What a key's name is about, as one word: `OwnerUserId` gives owneruser, `id_student` gives student."""
    found = words(column)
    if len(found) > 1 and found[-1] in _KEY_WORDS | _CODE_WORDS:
        found = found[:-1]
    elif len(found) > 1 and found[0] in _KEY_WORDS | _CODE_WORDS:
        found = found[1:]
    return joined(found)


def names_table(column: str, table: str) -> bool:
    """Whether a column is named as the key of that table: `driverId` of drivers, `id_student` of student."""
    return not is_bare_key_name(column) and subject(column) == joined(words(table))


def ends_with_table(column: str, table: str) -> bool:
    """Whether a column's name ends with that table's, after other words: `OwnerUserId` of Users."""
    about, of = subject(column), joined(words(table))
    return len(of) > 2 and len(about) > len(of) and about.endswith(of)


def starts_with_table(column: str, table: str) -> bool:
    """Whether a column's name begins like that table's: `qualifyId` of qualifying."""
    about, of = subject(column), joined(words(table))
    return len(about) > 2 and of.startswith(about)


def names_own_table(column: str) -> bool:
    """Whether a column is named as a reference to another row of its own table: `ParentId`, `ReportsTo`."""
    return bool(_SELF_WORDS.intersection(words(column)))
