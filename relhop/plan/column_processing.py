"""How columns become numbers."""

from __future__ import annotations

from pydantic import Field

from relhop.errors import PlanError, nearest
from relhop.plan.part import Part
from relhop.schema import Schema


class ColumnProcessing(Part):
    """How columns become numbers. Their semantic types are the graph's; see `rh.Table`."""

    section = "column_processing"

    drop: tuple[str, ...] = Field(
        default=(), description="Columns that the model does not see, as `table.column`. Costs nothing."
    )

    def dropped_columns(self, schema: Schema) -> dict[str, frozenset[str]]:
        """By table the columns not to be seen.

        Raises:
            PlanError: If one is no feature column of the schema; suggests the nearest.
        """
        known = {
            f"{table}.{column}": (table, column)
            for table in schema.tables
            for column in schema.feature_columns(table)
        }
        dropped: dict[str, set[str]] = {table: set() for table in schema.tables}
        for name in self.drop:
            if name not in known:
                raise PlanError(
                    f"column_processing.drop: '{name}' is no feature column.{nearest(name, known)}"
                )
            table, column = known[name]
            dropped[table].add(column)
        return {table: frozenset(columns) for table, columns in dropped.items()}
