"""Splits and weights that columns of the entity's table give to examples."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import numpy as np
import pyarrow as pa

from relhop.predictive_query.asked import Asked
from relhop.query.entity_columns import split_of_rows, weight_of_rows
from relhop.training_table import PREDICTION, SPLIT_NAMES, TrainingTable


def marked(
    asked: Asked,
    table: TrainingTable,
    target: pa.ChunkedArray,
    split: str | None,
    weight: str | None,
) -> tuple[TrainingTable, pa.ChunkedArray]:
    """The examples with the split and the weight that columns of their entities give them."""
    notes = []
    with closing(asked.store.connect()) as connection:
        if split is not None:
            codes = split_of_rows(connection, asked.compiled.entity_table, split)[table.rows]
            kept = codes != PREDICTION
            if not kept.all():
                notes.append(
                    f"{np.count_nonzero(~kept):,} of {len(codes):,} examples dropped: {split} is none of"
                    f" {', '.join(SPLIT_NAMES)}"
                )
            table = replace(table, split=codes).take(np.flatnonzero(kept))
            target = target.filter(pa.array(kept))
        if weight is not None:
            weights = weight_of_rows(connection, asked.compiled.entity_table, weight)[table.rows]
            table = table.with_weight(weights, weight)
    return replace(table, notes=(*table.notes, *notes)), target
