"""The step of a build that indexes primary keys: each key with its first row, for joins."""

from __future__ import annotations

from relhop.sources.columns import descents, is_missing
from relhop.store import sql
from relhop.store.tables import Build


def index_keys(build: Build, table: str) -> None:
    """Counts null and repeated keys of a table whose rows were sorted, and makes what `keyed_rows` reads.

    Keys that ascend in the rows' order are each of one row, and the sorted rows themselves are the index.
    """
    pkey = build.schema.table(table).pkey
    build.keys[table] = (0, 0)
    if not pkey:
        return
    source = sql.parquet(build.scratch_file("sorted", table))
    [(nulls, descending)] = build.connection.execute(descents(pkey, source)).fetchall()
    if nulls or descending:
        columns = ", ".join(f"{sql.name(column)} AS k{i}" for i, column in enumerate(pkey))
        found = f"SELECT {columns}, min(_rh_row) AS parent FROM {source} WHERE NOT ({is_missing(pkey)})"
        distinct = build.copy(f"{found} GROUP BY {sql.names(pkey)}", build.scratch_file("keys", table))
        build.keys[table] = (nulls, build.rows[table] - nulls - distinct)


def keyed_rows(build: Build, table: str) -> str:
    """Something to select from: the columns k0, k1, … of each key, and `parent`, its first row.

    Args:
        build: The table's keys are indexed, its columns not yet written.
        table: Has a primary key.
    """
    index = build.scratch_file("keys", table)
    if index.exists():
        return sql.parquet(index)
    columns = ", ".join(f"{sql.name(c)} AS k{i}" for i, c in enumerate(build.schema.table(table).pkey))
    return f"(SELECT {columns}, _rh_row AS parent FROM {sql.parquet(build.scratch_file('sorted', table))})"
