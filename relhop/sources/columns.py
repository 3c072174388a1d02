"""One column of a source as the SQL that gives it the type which its meaning asks for.

Empty text is null in every source, so that the same data mean the same whether they come as CSV or Parquet.
A value that is not of the asked type becomes null; `relhop.validation` counts those.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from relhop.errors import SchemaError
from relhop.schema import Stype, Table
from relhop.sources.quoting import literal, quoted, quoted_list
from relhop.times import MICROS_PER, TimeUnit

INTEGERS = frozenset(
    {
        "TINYINT",
        "SMALLINT",
        "INTEGER",
        "BIGINT",
        "UTINYINT",
        "USMALLINT",
        "UINTEGER",
        "UBIGINT",
        "HUGEINT",
        "UHUGEINT",
    }
)
_ZONED = frozenset({"TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS"})
TIMES = _ZONED | {"DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"}
FLOATS = frozenset({"FLOAT", "DOUBLE"})
TEXT = "VARCHAR"
_WIDE = frozenset({"HUGEINT", "UHUGEINT"})
_LAST_MICROS = 9_000_000_000_000_000_000


def is_number(kind: str) -> bool:
    """Whether a DuckDB type is of numbers."""
    return kind in INTEGERS or kind in FLOATS or kind.startswith("DECIMAL")


def is_list(kind: str) -> bool:
    """Whether a DuckDB type is of lists whose values can be categories."""
    element = kind[: kind.rfind("[")] if kind.endswith("]") else ""
    return element in (TEXT, "BOOLEAN", "DATE", "UUID") or element in INTEGERS or element.startswith("ENUM")


def parts_of(column: str, separator: str | None) -> str:
    """The values in a column, as SQL: a list of text; null stays null, empty values are left out.

    Args:
        column: Of text, or of lists.
        separator: What stands between the values of a text; `None`: the column holds lists.
    """
    if separator is None:
        parts = f"list_transform({quoted(column)}, lambda x: CAST(x AS {TEXT}))"
    else:
        parts = f"list_transform(string_split({quoted(column)}, {literal(separator)}), lambda x: trim(x))"
    return f"list_filter({parts}, lambda x: x <> '')"


def weight_of(column: str) -> str:
    """A column of weights as DOUBLE."""
    return f"CAST({quoted(column)} AS DOUBLE)"


def is_no_weight(column: str) -> str:
    """The condition that a weight is negative, NaN or infinite; null is none of them."""
    return f"NOT ({weight_of(column)} BETWEEN 0 AND {sys.float_info.max})"


def is_missing(key: Sequence[str]) -> str:
    """The condition that a key is null, in whole or in part."""
    return " OR ".join(f"{quoted(column)} IS NULL" for column in key)


def descents(key: Sequence[str], relation: str) -> str:
    """The query for how many rows have a null in their key, and how many a key that does not come after the
    one in the row before. Where both are 0 the keys are unique, which costs a fraction of grouping to find.
    """
    values = f"({quoted_list(key)})"
    counts = f"count(*) FILTER ({is_missing(key)}), count(*) FILTER ({values} <= _rh_before)"
    before = f"SELECT {quoted_list(key)}, lag({values}) OVER () AS _rh_before FROM {relation}"
    return f"SELECT {counts} FROM ({before})"


def value_of(column: str, kind: str) -> str:
    """A column with empty text as null."""
    return f"nullif({quoted(column)}, '')" if kind == TEXT else quoted(column)


def typed(table: Table, column: str, kind: str) -> str:
    """The SQL expression of a column as the graph has it.

    Times (the time column and those of type timestamp) become TIMESTAMP in UTC; text whose meaning is
    numerical becomes DOUBLE; floats that are ids become BIGINT; 128-bit integers become DOUBLE or, as ids,
    text; the rest stays.

    Args:
        table: Description of its table.
        column: Its name.
        kind: Its DuckDB type in the source.

    Raises:
        SchemaError: If a column of that type cannot be a time.
    """
    value = value_of(column, kind)
    stype = table.stypes.get(column)
    if column == table.time_col or stype == Stype.timestamp:
        return _timestamp(table, column, kind)
    if kind == TEXT and stype == Stype.numerical:
        return f"TRY_CAST({value} AS DOUBLE)"
    if kind in FLOATS and stype == Stype.id:
        # pandas makes floats of integers where one is missing; as keys they must equal the integers again.
        return f"CASE WHEN {value} = floor({value}) THEN TRY_CAST({value} AS BIGINT) END"
    if kind in _WIDE:
        return f"CAST({value} AS {'DOUBLE' if stype == Stype.numerical else TEXT})"
    return value


def _timestamp(table: Table, column: str, kind: str) -> str:
    value = value_of(column, kind)
    if kind == TEXT:
        if table.time_unit is not None:
            return _counted(f"TRY_CAST({value} AS DOUBLE)", "DOUBLE", table.time_unit)
        # Of text with a zone, a cast to TIMESTAMP would drop the zone.
        return f"make_timestamp(epoch_us(TRY_CAST({value} AS TIMESTAMPTZ)))"
    if kind == "TIMESTAMP":
        return value
    if kind in _ZONED:
        value = f"CAST({value} AS TIMESTAMPTZ)"
        return f"CASE WHEN isfinite({value}) THEN make_timestamp(epoch_us({value})) END"
    if kind in TIMES:
        return f"TRY_CAST({value} AS TIMESTAMP)"
    if not is_number(kind):
        raise SchemaError(
            f"table '{table.name}', column '{column}': a {kind} is no time; times are timestamps, dates,"
            " text of them, or numbers with a time_unit"
        )
    if table.time_unit is None:
        raise SchemaError(
            f"table '{table.name}', column '{column}' holds numbers ({kind}) as times; say in time_unit what"
            f" they count: {', '.join([*MICROS_PER, 'years'])}"
        )
    return _counted(value, kind, table.time_unit)


def _counted(value: str, kind: str, unit: TimeUnit) -> str:
    """Numbers of a unit since 1970 as TIMESTAMP; out of range: null."""
    if unit == "years":
        in_range = f"{value} BETWEEN 1 AND 9999 AND {value} = floor({value})"
        return f"CASE WHEN {in_range} THEN make_timestamp(CAST({value} AS BIGINT), 1, 1, 0, 0, 0) END"
    size = MICROS_PER[unit]
    last = _LAST_MICROS // size
    micros = (
        f"CAST({value} AS BIGINT) * {size}"
        if kind in INTEGERS
        else f"CAST(round({value} * {size}) AS BIGINT)"
    )
    return f"CASE WHEN {value} BETWEEN {-last} AND {last} THEN make_timestamp({micros}) END"


def types_of(description: Any) -> dict[str, str]:
    """Columns and DuckDB types of a cursor's description."""
    return {name: str(kind) for name, kind, *_ in description}
