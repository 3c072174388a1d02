"""The columns of array sources that only tensors can hold: guesses are made without them."""

from __future__ import annotations

from collections.abc import Mapping

from relhop.dtypes import FLOATS
from relhop.errors import SchemaError
from relhop.infer.guess import Explanation
from relhop.schema import Schema, Stype, Table, replace
from relhop.sources.arrays import POSITION_COLUMN, ArraySource


def without_tensors(table: Table, source: ArraySource | None) -> Table:
    """A description of a table's ordinary columns alone.

    Raises:
        SchemaError: If it calls a column a tensor that is none, or a tensor something else.
    """
    tensors = {} if source is None else source.tensors
    for column, stype in table.stypes.items():
        if (column in tensors) != (stype == Stype.tensor):
            what = "whose rows are tensors" if column in tensors else "which has one value a row"
            raise SchemaError(
                f"table '{table.name}', column '{column}', {what}, cannot be of the semantic type {stype}"
            )
    stypes = {column: stype for column, stype in table.stypes.items() if column not in tensors}
    if source is None or source.plain is not None or len(tensors) < len(source.columns):
        return replace(table, stypes=stypes)
    # All that is left is the rows' numbers, which nobody has to look at.
    pkey = () if table.pkey_col is None else table.pkey_col
    return replace(table, stypes={POSITION_COLUMN: Stype.id, **stypes}, pkey_col=pkey)


def with_tensors(schema: Schema, sources: Mapping[str, ArraySource]) -> tuple[Schema, list[Explanation]]:
    """A schema with the tensors of some tables, and a word on each."""
    explanations = []
    for name, source in sources.items():
        stypes = dict.fromkeys(source.tensors, Stype.tensor)
        table = schema.table(name)
        schema = schema.replace_table(replace(table, stypes={**table.stypes, **stypes}))
        for column, found in source.tensors.items():
            why = f"rows of shape {found.shape} and dtype {found.dtype}"
            if found.dtype not in FLOATS:
                why += ", which no model sees: only floats are features"
            explanations.append(Explanation(name, column, str(Stype.tensor), why))
    return schema, explanations
