"""A training table as a Parquet file, written and read a piece at a time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from relhop.errors import TrainingError
from relhop.sources.quoting import first_line
from relhop.training_table.given import rows_of
from relhop.training_table.tasks import SPLIT_NAMES, TaskType
from relhop.whole_file import whole_file

if TYPE_CHECKING:
    from relhop.store.reader import Store
    from relhop.training_table.table import TrainingTable

_PIECE_ROWS = 1 << 20

_METADATA = b"relhop.training_table"
_TOLD = ("entity_table", "task_type", "query", "notes", "item_table", "top_k", "withheld")
"""What a file says of the whole table."""


def write(table: TrainingTable, path: Path) -> None:
    """Writes the examples, and the task beside. The file appears when it is whole."""
    told = {name: getattr(table, name) for name in _TOLD}
    schema = _columns(table.take(slice(0, 0))).schema
    metadata = {_METADATA: json.dumps(told)}
    with whole_file(path) as file, pq.ParquetWriter(file, schema.with_metadata(metadata)) as writer:
        for begin in range(0, max(1, len(table)), _PIECE_ROWS):
            writer.write_table(_columns(table.take(slice(begin, begin + _PIECE_ROWS))))


def _columns(part: TrainingTable) -> pa.Table:
    """Some examples as columns of Parquet."""
    keys = part.keys
    found = {name: keys[name] for name in keys.column_names}
    found["anchor_time"] = pa.array(part.anchor_times, pa.timestamp("us"))
    classes = None if part.classes is None else pa.array(part.classes)
    if part.lists is not None:
        values = pa.array(part.lists.values)
        values = values if classes is None else classes.take(values)
        found["target"] = pa.LargeListArray.from_arrays(pa.array(part.lists.offsets), values)
    elif part.target is not None and part.target.ndim == 2:
        flat = pa.array(part.target.ravel())
        found["target"] = pa.FixedSizeListArray.from_arrays(flat, part.target.shape[1])
    elif part.target is not None:
        found["target"] = pa.array(part.target) if classes is None else classes.take(pa.array(part.target))
    if part.has_labels:
        names = pa.array(list(SPLIT_NAMES))
        found["split"] = pa.DictionaryArray.from_arrays(pa.array(part.split), names)
    if part.weight is not None:
        found["weight"] = pa.array(part.weight)
    return pa.table(found)


def read(path: str | Path, store: Store) -> tuple[dict[str, Any], pa.Table, NDArray[np.int64]]:
    """What `write` wrote of the whole table, the columns besides the keys, and the rows of the entities.

    Raises:
        TrainingError: If the file is none of `write`'s, or the store lacks entities of it.
    """
    try:
        opened = pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise TrainingError(f"{path} is no Parquet file: {first_line(error)}") from None
    with opened as file:
        metadata = file.schema_arrow.metadata or {}
        if _METADATA not in metadata:
            raise TrainingError(f"{path} was not written by TrainingTable.to_parquet; use from_pandas")
        told = json.loads(metadata[_METADATA])
        for name in ("notes", "withheld"):
            told[name] = tuple(told[name])
        told["task_type"] = TaskType(told["task_type"])
        entity_table = told["entity_table"]
        pkey = list(store.schema.table(entity_table).pkey)
        rows, pieces = [np.empty(0, np.int64)], [file.schema_arrow.empty_table().drop_columns(pkey)]
        for batch in file.iter_batches(_PIECE_ROWS):
            piece = pa.Table.from_batches([batch])
            rows.append(rows_of(store, entity_table, piece.select(pkey).to_pandas()))
            pieces.append(piece.drop_columns(pkey))
    return told, pa.concat_tables(pieces), np.concatenate(rows)


def splits_of(names: pa.ChunkedArray) -> NDArray[np.int8]:
    """The codes of splits, by name."""
    found = pc.index_in(names.cast(pa.string()), pa.array(list(SPLIT_NAMES)))
    codes: NDArray[np.int8] = found.to_numpy().astype(np.int8)
    return codes
