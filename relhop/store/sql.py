"""Small pieces of DuckDB SQL that building and reading a store share."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb

from relhop.errors import SourceError, StoreError
from relhop.sources.quoting import literal, path_literal, quoted

name, text = quoted, literal
_INTEGERS = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
)
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)


def parquet(path: Path) -> str:
    """A Parquet file as something to select from; its path is no glob."""
    return f"read_parquet({path_literal(path)}, hive_partitioning = false)"


def names(identifiers: Sequence[str], prefix: str = "") -> str:
    """Identifiers, quoted and joined by commas, each after the prefix."""
    return ", ".join(prefix + name(identifier) for identifier in identifiers)


def keys_equal(left: Sequence[str], right: Sequence[str], types: Sequence[tuple[str, str]]) -> str:
    """The condition that two keys are equal.

    Text equals a value of another type if the value is written so. All other types compare as DuckDB does.

    Args:
        left: Expressions.
        right: Expressions, as many.
        types: Both sides' DuckDB types, as many.
    """
    conditions = []
    for a, b, (a_type, b_type) in zip(left, right, types, strict=True):
        if a_type != b_type and "VARCHAR" in (a_type, b_type):
            a, b = f"CAST({a} AS VARCHAR)", f"CAST({b} AS VARCHAR)"
        conditions.append(f"{a} = {b}")
    return " AND ".join(conditions)


def compare_exactly(types: Sequence[tuple[str, str]]) -> bool:
    """Whether a key of the left types can equal at most one of distinct keys of the right types.

    False where, as with BIGINT and DOUBLE, comparing means rounding.
    """
    return all(a == b or "VARCHAR" in (a, b) or {a, b} <= _INTEGERS for a, b in types)


def translate(error: duckdb.Error, doing: str) -> Exception:
    """DuckDB's error as ours: a full disk is an OSError, too little memory a StoreError, the rest a
    SourceError.

    Args:
        error: What DuckDB raised.
        doing: What failed, the message's beginning: "table 'results' cannot be read".
    """
    message = str(error).split("\n\n")[0].strip()
    if isinstance(error, duckdb.OutOfMemoryException):
        return StoreError(
            f"{doing}: DuckDB ran out of memory or of room to spill; raise memory_limit. {message}"
        )
    for number in _DISK_ERRORS:
        if isinstance(error, duckdb.IOException) and os.strerror(number) in message:
            return OSError(number, f"{os.strerror(number)}: {doing}: {message}")
    return SourceError(f"{doing}: {message}")


@contextlib.contextmanager
def failing(doing: str) -> Iterator[None]:
    """Turns DuckDB's errors in the block into relhop's or the system's, as `translate`."""
    try:
        yield
    except duckdb.Error as error:
        raise translate(error, doing) from error
