"""Whether the files of an edge table fit together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from relhop.errors import CorruptStore
from relhop.store import layout, lookup
from relhop.store.checks.common import CHUNK_ROWS, check_ascending, check_sums, chunks, is_permutation
from relhop.store.checks.parquet import check_own_columns
from relhop.store.stored import StoredEdges, StoredLists, StoredTable


def check_edges(folder: Path, stored: StoredEdges, tables: Mapping[str, StoredTable]) -> int:
    """Lists lead to rows that are there and are in their order; both directions have the same edges.

    An edge with a time is visible no earlier than its ends: what hides the future from the sampler.

    Returns:
        A digest of the edges and their numbers, whatever their order.
    """
    name = stored.table.name
    if stored.time is not None:
        check_ascending(folder / layout.edge_file(name, "time.bin"), "times", stored.time)
    if stored.order is not None and not is_permutation(stored.order):
        raise CorruptStore(f"{folder / layout.edge_file(name, 'order.bin')}: not a permutation of rows")
    digests = []
    for direction, owner, listed in layout.directions(stored.table):
        where = folder / layout.edge_file(name, f"{direction}/neighbors.bin")
        lists = stored.lists[direction]
        check_ascending(where.with_name("offsets.bin"), "offsets", lists.offsets)
        digest, seen = 0, np.zeros(stored.num_rows if lists.edge_ids is not None else 0, bool)
        last = _Piece.none()
        for piece in _pieces(lists):
            _check_piece(where, stored, piece, (tables[owner], tables[listed]))
            _check_order(where, last, piece, stored.time is not None)
            ends = (piece.neighbors, piece.owners) if direction == "in" else (piece.owners, piece.neighbors)
            digest += _digest(*ends, piece.ids)
            if piece.ids is not None:
                seen[piece.ids] = True
            last = piece
        if lists.edge_ids is not None and np.count_nonzero(seen) != stored.num_edges:
            raise CorruptStore(f"{where.with_name('edge_ids.bin')}: an edge is there twice")
        digests.append(digest % 2**64)
    if len(set(digests)) > 1:
        raise CorruptStore(f"{folder / layout.edge_file(name, 'out')}: not the edges of {name}/in")
    return digests[0]


def check_edge_columns(path: Path, stored: StoredEdges, digest: int) -> None:
    """The store's own columns of columns.parquet say what the arrays say; `digest` is `check_edges`'s."""
    times = {} if stored.time is None else {layout.TIME_COLUMN: stored.time}
    check_own_columns(path, stored.num_rows, times)
    found = 0
    with lookup.reading(path), pq.ParquetFile(path) as file:
        own = [layout.SRC_COLUMN, layout.DST_COLUMN, layout.ROW_COLUMN]
        for batch in file.iter_batches(CHUNK_ROWS, columns=own):
            whole = batch.drop_null()
            src, dst, ids = (whole.column(i).cast(pa.int64()).to_numpy() for i in range(3))
            found += _digest(src, dst, ids)
    if found % 2**64 != digest:
        raise CorruptStore(f"{path}: the ends of edges contradict the store's arrays")


def check_edge_weights(folder: Path, stored: StoredEdges, weights: npt.NDArray[np.float64]) -> None:
    """The sums of weights are those of the edges' own, which are given."""
    for direction, lists in stored.lists.items():
        assert lists.weights is not None, "the edge table has weights"
        assert lists.edge_ids is not None, "an edge table with columns has edge ids"
        where = folder / layout.edge_file(stored.table.name, f"{direction}/weights.bin")
        column = f"the column '{stored.table.weight_col}'"
        check_sums(where, column, lists.offsets, lists.weights, lists.edge_ids, weights)


@dataclass(frozen=True)
class _Piece:
    """Some places of lists: whose list, which neighbor, which edge; `ids` is None where none are known."""

    owners: npt.NDArray[np.int64]
    neighbors: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int64] | None

    @classmethod
    def none(cls) -> _Piece:
        """Comes before the first."""
        empty = np.empty(0, np.int64)
        return cls(empty, empty, empty)


def _pieces(lists: StoredLists) -> Iterator[_Piece]:
    """All of the lists, whose offsets ascend."""
    for of_owners in chunks(len(lists.offsets) - 1):
        bounds = lists.offsets[of_owners.start : of_owners.stop + 1]
        for part in chunks(int(bounds[-1]), begin=int(bounds[0])):
            places = np.arange(part.start, part.stop)
            owners = of_owners.start + np.searchsorted(bounds, places, side="right") - 1
            yield _Piece(
                owners, lists.neighbors[part], None if lists.edge_ids is None else lists.edge_ids[part]
            )


def _check_piece(
    where: Path, stored: StoredEdges, piece: _Piece, ends: tuple[StoredTable, StoredTable]
) -> None:
    """Rows and edges exist; no edge is visible before its ends (in the tables of owners and neighbors)."""
    if np.any((piece.neighbors < 0) | (piece.neighbors >= ends[1].num_rows)):
        raise CorruptStore(f"{where}: a neighbor beyond the last row")
    if piece.ids is None:
        return
    if np.any((piece.ids < 0) | (piece.ids >= stored.num_rows)):
        raise CorruptStore(f"{where.with_name('edge_ids.bin')}: an edge beyond the last one")
    if stored.time is not None:
        visible = stored.time[piece.ids]
        for table, rows in zip(ends, (piece.owners, piece.neighbors), strict=True):
            if table.time is not None and np.any(visible < table.time[rows]):
                raise CorruptStore(
                    f"{where}: an edge is visible before a row of '{table.name}' that it leads to"
                )


def _check_order(where: Path, last: _Piece, piece: _Piece, timed: bool) -> None:
    """Edges with a time ascend in each list, others by neighbor, then by edge; `last` is the piece before."""

    def steps(before: npt.NDArray[np.int64], now: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return np.diff(np.concatenate([before[-1:], now]))

    inside = steps(last.owners, piece.owners) == 0
    by_neighbor = steps(last.neighbors, piece.neighbors)
    by_edge = None if last.ids is None or piece.ids is None else steps(last.ids, piece.ids)
    if not timed and np.any(inside & (by_neighbor < 0)):
        raise CorruptStore(f"{where}: the neighbors in a list do not ascend")
    if by_edge is not None and np.any(inside & (by_edge <= 0) & (timed | (by_neighbor == 0))):
        raise CorruptStore(f"{where.with_name('edge_ids.bin')}: the edges in a list do not ascend")


def _digest(src: npt.NDArray[np.int64], dst: npt.NDArray[np.int64], ids: npt.NDArray[np.int64] | None) -> int:
    """A sum of hashes of edges: the same for the same edges in any order."""
    mixed = np.zeros(len(src), np.uint64)
    for numbers in (src, dst) if ids is None else (src, dst, ids):
        mixed = _mix(mixed + numbers.astype(np.uint64))
    return int(mixed.sum(dtype=np.uint64))


def _mix(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """A bijection that scatters neighboring numbers (SplitMix64; Steele et al., OOPSLA 2014)."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
