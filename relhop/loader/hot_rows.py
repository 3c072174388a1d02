"""The rows that batches find most often, kept on a device: of these, batches bring only numbers.

Of columns of text and tensors, whose rows are wide; those of records are hardly wider than a number. Which
rows is learnt by sampling some batches without their features (Yang et al., GNNLab, EuroSys 2022).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
import torch_frame
from torch_frame import TensorFrame
from torch_geometric.data import HeteroData

from relhop._native import HeldRows
from relhop.dtypes import NUMPY_DTYPES
from relhop.loader.frames import as_vectors, is_vector, side_by_side
from relhop.loader.seeds import SeedLoader
from relhop.pyg.columns import tensor_of
from relhop.store.attributes import AttributeReader

_MOST_PRESAMPLED = 1 << 24
"""Rows that are looked at to learn which are hot: 16 bytes of memory each, for a while."""

_PIECE = 64 << 20
"""Bytes that are copied to the device at once."""


class HotRows:
    """Some rows of a store's text and tensors on a device.

    Args:
        loader: Whose batches find them. Its epoch is not changed.
        device: Where they are kept.
        size: Bytes that they take at most.

    Attributes:
        held: Which rows, by table and column; see `SeedLoader.leave_out`. A table's columns have the same.
        found: By table and column, rows of the batches that were completed so far.
        missing: Those of them that were not here.
    """

    held: Mapping[tuple[str, str], HeldRows]

    def __init__(self, loader: SeedLoader, device: torch.device | str, size: int) -> None:
        readers = {name: reader for name, reader in loader.wide.items() if is_vector(reader)}
        rows = {table: hot for table, hot in _hottest(loader, readers, size).items() if len(hot)}
        held = {table: HeldRows(hot, loader.store.tables[table].num_rows) for table, hot in rows.items()}
        self.held = {name: held[name[0]] for name in readers if name[0] in held}
        self._values = {name: _load(readers[name], rows[name[0]], device) for name in self.held}
        self.found, self.missing = Counter[tuple[str, str]](), Counter[tuple[str, str]]()

    @property
    def num_bytes(self) -> int:
        """Memory of the device that the rows take."""
        return sum(values.nbytes for values in self._values.values())

    def complete(self, batch: HeteroData) -> HeteroData:
        """A batch that is on the device, with the columns that its loader left out; changes it."""
        for table in {name for name, _ in self.held}:
            rest = batch[table].rest
            del batch[table].rest
            vectors = [as_vectors(self._whole((table, column), *rest[column])) for column in rest]
            if vectors:
                tensors, names = {}, {}
                if "tf" in batch[table]:
                    tensors, names = batch[table].tf.feat_dict, batch[table].tf.col_names_dict
                embedding = side_by_side(vectors).to(vectors[0].device)
                batch[table].tf = TensorFrame(
                    {**tensors, torch_frame.embedding: embedding},
                    {**names, torch_frame.embedding: list(rest)},
                )
        return batch

    def _whole(
        self, name: tuple[str, str], slots: torch.Tensor, places: torch.Tensor, others: torch.Tensor
    ) -> torch.Tensor:
        self.found[name] += len(slots)
        self.missing[name] += len(places)
        return self._values[name].index_select(0, slots).index_copy_(0, places, others)


def _hottest(
    loader: SeedLoader, readers: Mapping[tuple[str, str], AttributeReader], size: int
) -> dict[str, npt.NDArray[np.int64]]:
    """By table the rows that are found most often, ascending, of which all columns together have room."""
    row_bytes: dict[str, int] = {}
    for (table, _), reader in readers.items():
        row_bytes[table] = row_bytes.get(table, 0) + reader.row_bytes
    num_rows = {table: loader.store.tables[table].num_rows for table in row_bytes}
    if sum(row_bytes[table] * num_rows[table] for table in row_bytes) <= size:
        return {table: np.arange(count) for table, count in num_rows.items()}
    found = _presampled(loader, list(row_bytes))
    tables = np.repeat(np.arange(len(found)), [len(rows) for rows, _ in found.values()])
    rows, counts = (np.concatenate(parts) for parts in zip(*found.values(), strict=True))
    hottest = np.argsort(-counts, kind="stable")
    taken = np.cumsum(np.array(list(row_bytes.values()))[tables[hottest]])
    hottest = hottest[: np.searchsorted(taken, size, "right")]
    return {table: np.sort(rows[hottest[tables[hottest] == i]]) for i, table in enumerate(found)}


def _presampled(
    loader: SeedLoader, tables: list[str]
) -> dict[str, tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """By table the rows that batches found, and how often each was."""
    found: dict[str, list[npt.NDArray[np.int64]]] = {table: [] for table in tables}
    total = 0
    for batch in loader.presample():
        for table in tables:
            found[table].append(batch[table])
        total += sum(map(len, batch.values()))
        if total >= _MOST_PRESAMPLED:
            break
    empty = np.empty(0, np.int64)
    return {
        table: np.unique(np.concatenate([empty, *rows]), return_counts=True) for table, rows in found.items()
    }


def _load(reader: AttributeReader, rows: npt.NDArray[np.int64], device: torch.device | str) -> torch.Tensor:
    """Some rows of a column on a device, [n, *shape] as they are stored."""
    like = tensor_of(np.empty(0, NUMPY_DTYPES[reader.dtype]), reader.dtype)
    values = like.new_empty((len(rows), *reader.shape), device=device)
    length = max(1, _PIECE // max(1, reader.row_bytes))
    for begin in range(0, len(rows), length):
        piece = tensor_of(reader.gather(rows[begin : begin + length]), reader.dtype)
        values[begin : begin + len(piece)] = piece
    return values
