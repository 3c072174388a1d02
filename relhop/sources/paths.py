"""Which tables a folder or file holds. Looks at names only, those of a SQLite file's tables included."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from relhop.errors import SourceError
from relhop.sources.sqlite import SqliteTable, table_names

CSV_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
PARQUET_SUFFIXES = (".parquet",)
SQLITE_SUFFIXES = (".sqlite", ".sqlite3", ".db")


def suffix_of(path: Path) -> str | None:
    """The file's suffix if it is one that can be read, such as `.csv.gz`; else `None`."""
    name = path.name.lower()
    known = (*CSV_SUFFIXES, *PARQUET_SUFFIXES, *SQLITE_SUFFIXES)
    return next((suffix for suffix in known if name.endswith(suffix) and len(name) > len(suffix)), None)


def sources_in(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The tables of a folder, or of a single file, by name.

    A CSV or Parquet file is a table named as the file is without its suffix; a SQLite file gives all its
    tables. Other files and folders within are not looked at.

    Returns:
        Sources by name, in the order of their files' names: a `Path` or a `SqliteTable` each.

    Raises:
        SourceError: If there is nothing at `path`, no table in it, or two tables of one name.
    """
    root = Path(path)
    if not root.exists():
        raise SourceError(f"there is nothing at {root}")
    files = sorted(root.iterdir()) if root.is_dir() else [root]
    found: dict[str, Any] = {}
    for file in files:
        suffix = suffix_of(file)
        if suffix is None or not file.is_file():
            continue
        for name, source in _tables_of(file, suffix).items():
            twin = next((other for other in found if other.lower() == name.lower()), None)
            if twin is not None:
                raise SourceError(
                    f"two sources give a table '{name}': {_origin(found[twin])} and {_origin(source)};"
                    " rename or move one"
                )
            found[name] = source
    if not found:
        known = ", ".join((*CSV_SUFFIXES, *PARQUET_SUFFIXES, *SQLITE_SUFFIXES))
        raise SourceError(f"{root} holds no table; files that can be read end in {known}")
    return found


def _tables_of(file: Path, suffix: str) -> Mapping[str, Any]:
    if suffix in SQLITE_SUFFIXES:
        return {name: SqliteTable(file, name) for name in table_names(file)}
    return {file.name[: -len(suffix)]: file}


def _origin(source: Any) -> str:
    return str(source.path if isinstance(source, SqliteTable) else source)
