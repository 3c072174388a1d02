"""Names of columns that DuckDB had to change: of two alike, in upper or lower case, one goes by another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def renamed(written: Iterable[str | None], read: Iterable[str]) -> Iterator[str]:
    """A sentence on each column that does not go by the name that its source has.

    Args:
        written: As the source has them, in order; blanks around a name are no part of it.
        read: As DuckDB has them.
    """
    seen: dict[str, int] = {}
    for place, (name, ours) in enumerate(zip(written, read, strict=False), 1):
        theirs = (name or "").strip()
        first = seen.setdefault(theirs.lower(), place)
        if not theirs:
            yield f"column {place} has no name; it is read as '{ours}'"
        elif theirs != ours:
            twin = f", as column {first} is" if first < place else ""
            yield f"column {place} is named '{theirs}'{twin}; it is read as '{ours}'"
