"""How columns become numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import Field

from relhop.errors import PlanError, nearest
from relhop.plan.part import Part
from relhop.schema import FEATURE_STYPES, WIDE_STYPES, Schema, Stype


class ColumnProcessing(Part):
    """How columns become numbers. Their semantic types are the graph's; see `rh.Table`."""

    section = "column_processing"

    drop: tuple[str, ...] = Field(
        default=(), description="Columns that the model does not see, as `table.column`. Costs nothing."
    )
    encode: dict[str, str] = Field(
        default={},
        description="Columns read as another semantic type than the graph's, `{'table.column': categorical}`:"
        " whole numbers as `categorical`, categories that are numbers as `numerical`, any as `none`, which"
        " drops it. Other changes need a new store, with `stypes` in rh.Table.",
    )

    aggregates: bool = Field(
        default=False,
        description="Whether the model also reads what one would write in SQL of each example's past: counts,"
        " means, shares, newest values over windows of 30, 90, 365 and all days. Helps where much of the past"
        " lies farther than the sampled hops, or is more than they hold. Price: a query of DuckDB on one"
        " thread for every 32,768 examples, again each epoch where delays are drawn; a ranking takes none.",
    )

    def dropped_columns(self, schema: Schema) -> dict[str, frozenset[str]]:
        """By table the columns not to be seen.

        Raises:
            PlanError: If one is no feature column of the schema; suggests the nearest.
        """
        known = _known(schema)
        dropped: dict[str, set[str]] = {table: set() for table in schema.tables}
        for setting, names in (("drop", self.drop), ("encode", self._dropped_by_encode())):
            for name in names:
                table, column, _ = _find(setting, name, known)
                dropped[table].add(column)
        return {table: frozenset(columns) for table, columns in dropped.items()}

    def unseen(self, withheld: Sequence[str], schema: Schema) -> tuple[str, ...]:
        """As `table.column`, the columns that are withheld and then those of `dropped_columns`."""
        dropped = self.dropped_columns(schema)
        names = (f"{table}.{column}" for table, columns in dropped.items() for column in sorted(columns))
        return (*withheld, *names)

    def encodings(self, schema: Schema) -> dict[str, dict[str, Stype]]:
        """By table and column the semantic types that are not the graph's.

        Raises:
            PlanError: If one is no feature column of the schema, or cannot be read so without a new store.
        """
        known = _known(schema)
        found: dict[str, dict[str, Stype]] = {table: {} for table in schema.tables}
        for name, wanted in self.encode.items():
            table, column, stype = _find("encode", name, known)
            if wanted in (stype, _NONE):
                continue
            if wanted not in (*FEATURE_STYPES, *WIDE_STYPES):
                choices = sorted({*FEATURE_STYPES, *WIDE_STYPES, _NONE})
                raise PlanError(
                    f"column_processing.encode: '{name}' cannot be {wanted!r}; choose one of"
                    f" {', '.join(choices)}.{nearest(wanted, choices)}"
                )
            if {stype, wanted} != {Stype.numerical, Stype.categorical}:
                raise PlanError(
                    f"column_processing.encode: '{name}' is {stype} in the store and cannot be read as"
                    f" {wanted}; set stypes={{'{column}': '{wanted}'}} in rh.Table and build the store anew"
                )
            found[table][column] = Stype(wanted)
        return found

    def _dropped_by_encode(self) -> list[str]:
        return [name for name, wanted in self.encode.items() if wanted == _NONE]


_NONE = "none"


def _known(schema: Schema) -> dict[str, tuple[str, str, Stype]]:
    """All feature columns by `table.column`."""
    return {
        f"{table}.{column}": (table, column, stype)
        for table in schema.tables
        for column, stype in (schema.feature_columns(table) | schema.wide_columns(table)).items()
    }


def _find(setting: str, name: str, known: Mapping[str, tuple[str, str, Stype]]) -> tuple[str, str, Stype]:
    if name not in known:
        raise PlanError(f"column_processing.{setting}: '{name}' is no feature column.{nearest(name, known)}")
    return known[name]
