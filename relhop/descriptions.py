"""Checks that the descriptions of tables and of edge tables share."""

from __future__ import annotations

from typing import get_args

from relhop.errors import SchemaError
from relhop.times import TimeUnit


def check_name(what: str, name: str) -> None:
    """Refuses a name that cannot be a folder of a store.

    Raises:
        SchemaError: If it cannot.
    """
    if not name or any(c in name for c in "/\\\0") or name.startswith("."):
        raise SchemaError(
            f"{what} name {name!r} cannot name a folder; choose one without '/' and leading '.'"
        )


def check_origin(what: str, has_source: bool, sql: str | None, unit: TimeUnit | None) -> None:
    """Refuses two origins of the same rows, and a unit that is none.

    Args:
        what: Begins the message: "table 'results'".
        has_source: Whether a source is given.
        sql: The query, if one is given.
        unit: Of integer times, if one is given.

    Raises:
        SchemaError: If they make no sense.
    """
    if has_source and sql is not None:
        raise SchemaError(f"{what} has both a source and sql; give one")
    if unit is not None and unit not in get_args(TimeUnit):
        raise SchemaError(f"{what}: time_unit {unit!r} is not one of {', '.join(get_args(TimeUnit))}")
