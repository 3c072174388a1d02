"""The exceptions that relhop raises.

    RelhopError
    ├── SchemaError       the description of tables and links contradicts itself
    ├── SourceError       a source cannot be read, or does not hold what the schema says
    ├── StoreError        a store is absent, foreign or of another version
    │   └── CorruptStore  a store's file is damaged: missing, of the wrong size or checksum
    ├── QueryError        a predictive query has no meaning; shows the place with a caret
    ├── PlanError         a model plan asks for what cannot be
    └── TrainingError     the data at hand cannot be trained on or predicted for

All but StoreError are ValueErrors too: what they name is mended by changing an argument.
Failed system calls stay OSErrors, with the path.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RelhopError(Exception):
    """Every error that relhop raises on purpose."""


class SchemaError(RelhopError, ValueError):
    """The description of tables and links contradicts itself."""


class SourceError(RelhopError, ValueError):
    """A source cannot be read, or does not hold what the schema says of it."""


class StoreError(RelhopError):
    """A store is absent, foreign, of another version, or in use by another build."""


class CorruptStore(StoreError):
    """A file of a store is missing, of the wrong size, or fails its checksum."""


class PlanError(RelhopError, ValueError):
    """A model plan asks for what cannot be."""


class TrainingError(RelhopError, ValueError):
    """The data at hand cannot be trained on or predicted for."""


class QueryError(RelhopError, ValueError):
    """A predictive query has no meaning; the message shows the place with a caret.

    Attributes:
        query: The whole text.
        position: Offset of the offending character in `query`.
        reason: The message without the drawing.
    """

    def __init__(self, reason: str, query: str, position: int) -> None:
        self.reason, self.query, self.position = reason, query, position
        start = query.rfind("\n", 0, position) + 1
        end = query.find("\n", position)
        line = query[start : end if end >= 0 else len(query)]
        super().__init__(f"{reason}\n    {line}\n    {' ' * (position - start)}^")


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for a misspelt name, to be appended to a message: `" Did you mean 'drivers'?"` or `""`."""
    names = list(known)
    matches = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if not matches:
        folded = {n.lower(): n for n in names}
        matches = [folded[name.lower()]] if name.lower() in folded else []
    return f" Did you mean '{matches[0]}'?" if matches else ""
