"""The step of a build that packs a table's features: categories numbered, numbers in few bytes, records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import duckdb
import numpy as np
import numpy.typing as npt

from relhop.errors import SourceError
from relhop.schema import Stype
from relhop.store import encoding, layout, order, sql
from relhop.store.column_tensors import list_expression
from relhop.store.manifest import field_entries
from relhop.store.precision import Grid, Spread, fit_grid
from relhop.store.records import RecordWriter
from relhop.store.tables import Build

_SPREAD_ROWS = 1 << 18
"""Rows whose quantiles stand for all."""


def write_records(build: Build, table: str) -> None:
    """Writes categories.parquet, rows.bin and rows.crc from columns.parquet.

    Raises:
        SourceError: If a value cannot be read as the semantic type of its column.
    """
    features = build.schema.feature_columns(table)
    source = sql.parquet(build.file(layout.table_file(table, "columns.parquet")))
    types = build.types(source)
    coded = [column for column, stype in features.items() if stype == Stype.categorical]
    lists = build.schema.list_columns(table)
    build.categories[table] = _write_categories(build, table, coded, lists, types) if coded or lists else {}
    try:
        grids = _fit_grids(build, table, features, source) if build.precision == "int8" else {}
        fields, record_size = encoding.record_layout(features, build.precision, grids)
        out_of_range = _write_packed(build, table, fields, record_size, _values(build, table, fields, types))
    except (duckdb.ConversionException, duckdb.BinderException):
        _name_bad_column(build, table, features)
        raise
    build.fields[table] = field_entries(fields, out_of_range)
    build.record_sizes[table] = record_size


def _write_packed(
    build: Build, table: str, fields: Sequence[encoding.Field], record_size: int, query: str
) -> dict[str, int]:
    """Writes the records of a query's rows; returns by column how many numbers were out of range."""
    paths = [build.file(layout.table_file(table, file)) for file in ("rows.bin", "rows.crc")]
    out_of_range = np.zeros(len(fields), np.int64)

    def packed() -> Iterator[npt.NDArray[np.uint8]]:
        for batch in build.stream(query) if fields else ():
            records, beyond = encoding.pack(batch, fields, record_size)
            out_of_range[:] += beyond
            yield records

    with RecordWriter(*paths) as writer:
        for records in order.by_slot(build, table, record_size, packed()):
            writer.write(records)
    return dict(zip((field.column for field in fields), out_of_range.tolist(), strict=True))


def _values(build: Build, table: str, fields: Sequence[encoding.Field], types: dict[str, str]) -> str:
    """The query for a table's features in row order, nulls in their coded form."""
    relations = [f"{sql.parquet(build.folder / layout.table_file(table, 'columns.parquet'))} t"]
    categories = sql.parquet(build.folder / layout.table_file(table, "categories.parquet"))
    values = []
    for i, field in enumerate(fields):
        kind = types[field.column]
        if field.stype == Stype.categorical:
            values.append(f"coalesce(c{i}.code, {encoding.NULL_CODE})")
            known = (
                f"SELECT code, value FROM {categories} WHERE {sql.name('column')} = {sql.text(field.column)}"
            )
            relations.append(f"LEFT JOIN ({known}) c{i} ON c{i}.value = {_category(field.column, kind)}")
        elif field.stype == Stype.numerical:
            values.append(f"coalesce({_number(field.column)}, 'nan'::DOUBLE)")
        else:
            column = "t." + sql.name(field.column)
            stamp = column if kind == "TIMESTAMP WITH TIME ZONE" else f"CAST({column} AS TIMESTAMP)"
            values.append(f"coalesce(epoch_us({stamp}), {encoding.NULL_TIMESTAMP})")
    by_row = " ORDER BY t._rh_row" if len(relations) > 1 else ""
    return f"SELECT {', '.join(values)} FROM {' '.join(relations)}{by_row}"


def _number(column: str) -> str:
    return f"CAST(t.{sql.name(column)} AS DOUBLE)"


def _fit_grids(build: Build, table: str, features: Mapping[str, Stype], source: str) -> dict[str, Grid]:
    """A grid for each numerical column; the quantiles are those of evenly spaced rows."""
    grids = {}
    step = max(1, -(-build.rows[table] // _SPREAD_ROWS))
    for column, stype in features.items():
        if stype == Stype.numerical:
            [found] = build.connection.execute(
                "SELECT min(v), max(v), quantile_disc(v, [0.001, 0.999]) FILTER (_rh_row % $1 = 0),"
                " bool_and(v = floor(v))"
                f" FROM (SELECT {_number(column)} AS v, t._rh_row FROM {source} t) WHERE isfinite(v)",
                [step],
            ).fetchall()
            least, most, quantiles, whole = found
            # A sample without a number says nothing of how the others are spread.
            low, high = quantiles or (least, most)
            grids[column] = fit_grid(None if least is None else Spread(least, most, low, high, whole))
    return grids


def _category(column: str, kind: str) -> str:
    quoted = "t." + sql.name(column)
    if kind in ("FLOAT", "DOUBLE"):
        return f"CASE WHEN NOT isnan({quoted}) THEN CAST({quoted} AS VARCHAR) END"
    return f"CAST({quoted} AS VARCHAR)"


def _write_categories(
    build: Build, table: str, columns: Sequence[str], lists: Sequence[str], types: dict[str, str]
) -> dict[str, int]:
    """Numbers the values of each column by first appearance, so that later rows change no code; those of a
    list in its order.
    """
    source = sql.parquet(build.folder / layout.table_file(table, "columns.parquet"))
    parts = []
    column_name = sql.name("column")  # A keyword.
    for number, column in enumerate([*columns, *lists]):
        if column in lists:
            values = list_expression(build.schema.table(table), column)
            values = f"SELECT _rh_row, {values} AS list FROM {source}"
            each = "unnest(list) AS value, generate_subscripts(list, 1) AS place"
            values = f"SELECT _rh_row, {each} FROM ({values})"
            seen = f"SELECT value, min((_rh_row, place)) AS first FROM ({values}) GROUP BY 1"
        else:
            value = _category(column, types[column])
            present = f"FROM {source} t WHERE {value} IS NOT NULL"
            seen = f"SELECT {value} AS value, min(t._rh_row) AS first {present} GROUP BY 1"
        code = "CAST(row_number() OVER (ORDER BY first) - 1 AS INTEGER)"
        parts.append(
            f"SELECT {number} AS number, {sql.text(column)} AS title, {code} AS code, value FROM ({seen})"
        )
    path = build.file(layout.table_file(table, "categories.parquet"))
    every = " UNION ALL ".join(parts)
    build.copy(f"SELECT title AS {column_name}, code, value FROM ({every}) ORDER BY number, code", path)
    counts = build.connection.execute(
        f"SELECT {column_name}, count(*) FROM {sql.parquet(path)} GROUP BY {column_name}"
    ).fetchall()
    return {column: dict(counts).get(column, 0) for column in [*columns, *lists]}


def _name_bad_column(build: Build, table: str, features: Mapping[str, Stype]) -> None:
    """Raises a SourceError that names the column and the value that cannot be read."""
    source = sql.parquet(build.folder / layout.table_file(table, "columns.parquet"))
    for title, stype in features.items():
        if stype == Stype.categorical:
            continue
        column, wanted = sql.name(title), "DOUBLE" if stype == Stype.numerical else "TIMESTAMP"
        where = f"table '{table}', column '{title}'"
        advice = f"it is declared {stype}; declare another stype or exclude it"
        bad = build.connection.execute(
            f"SELECT CAST({column} AS VARCHAR) FROM {source}"
            f" WHERE {column} IS NOT NULL AND TRY_CAST({column} AS {wanted}) IS NULL LIMIT 1"
        ).fetchall()
        if bad:
            raise SourceError(f"{where}: the value {bad[0][0]!r} cannot be read as {wanted}; {advice}")
