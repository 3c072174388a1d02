"""Names and values as DuckDB and SQLite write them in SQL."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def quoted(identifier: str) -> str:
    """An identifier in quotes."""
    return '"' + identifier.replace('"', '""') + '"'


def quoted_list(identifiers: Iterable[str]) -> str:
    """Identifiers in quotes, with commas between them."""
    return ", ".join(map(quoted, identifiers))


def literal(value: str) -> str:
    """A string literal."""
    return "'" + value.replace("'", "''") + "'"


def path_literal(path: Path | str) -> str:
    """A path as a literal that is no glob."""
    return literal("".join(f"[{c}]" if c in "*?[" else c for c in str(path)))


def first_line(error: Exception) -> str:
    """What a database says went wrong, without its advice and drawings."""
    return str(error).strip().split("\n")[0]
