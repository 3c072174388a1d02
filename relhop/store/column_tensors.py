"""The step of a build that makes attributes of columns: codes of lists, and vectors of texts.

An attribute has rows of one size, so they are read as any other's: in memory, mapped, or behind the pool.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from relhop.errors import SourceError
from relhop.schema import Stype, Table
from relhop.sources.columns import TEXT, parts_of
from relhop.store import encoding, layout, lookup, sql
from relhop.store.attributes import as_bytes
from relhop.store.manifest import AttributeEntry
from relhop.store.records import RecordWriter
from relhop.store.tables import Build
from relhop.text import TextEmbedder

MOST_LISTED = 32
"""Of a longer list so many different values are kept: those that appear first in the table."""

_LARGEST_HALF = float(np.finfo(np.float16).max)

_Codes: TypeAlias = npt.NDArray[np.int32]


def write_column_tensors(build: Build, table: str, embedder: TextEmbedder) -> None:
    """Writes an attribute for each multicategorical column, and for each column of text that is VARCHAR.

    The categories of lists are in categories.parquet already.

    Raises:
        SourceError: If the embedder fails, or gives what are no vectors.
    """
    types = build.types(sql.parquet(build.file(layout.table_file(table, "columns.parquet"))))
    for column, stype in build.schema.wide_columns(table).items():
        if stype == Stype.multicategorical:
            _write_lists(build, table, column)
        elif stype == Stype.text and types[column] == TEXT:
            _write_vectors(build, table, column, embedder)


def list_expression(table: Table, column: str) -> str:
    """The SQL for a multicategorical column's values: a list of text."""
    return parts_of(column, table.separators.get(column))


def _write_lists(build: Build, table: str, column: str) -> None:
    """Codes int32 [k] of each row, ascending, then `NO_CODE`; of null `NULL_LIST` first.

    k is the length of the longest list, but 1 at least and `MOST_LISTED` at most.
    """
    values = list_expression(build.schema.table(table), column)
    source = sql.parquet(build.folder / layout.table_file(table, "columns.parquet"))
    [(longest,)] = build.connection.execute(
        f"SELECT max(len(list_distinct({values}))) FROM {source}"
    ).fetchall()
    width = min(max(1, longest or 0), MOST_LISTED)
    known = lookup.categories(build.folder / layout.table_file(table, "categories.parquet"), column)
    vocabulary = pa.array(known, pa.string())
    shortened = 0

    def coded() -> Iterator[_Codes]:
        nonlocal shortened
        for batch in build.batches(f"SELECT {values} FROM {source}"):
            codes, beyond = _codes(batch.column(0), vocabulary, width)
            shortened += beyond
            yield codes

    _write(build, table, column, coded(), AttributeEntry(dtype="int32", shape=[width]))
    entry = build.attributes[table][column]
    build.attributes[table][column] = entry.model_copy(update={"shortened": shortened})


def _codes(lists: pa.ListArray, vocabulary: pa.Array, width: int) -> tuple[_Codes, int]:
    """The codes of some rows, [rows, width], and of how many rows some are left out."""
    rows = pc.list_parent_indices(lists).to_numpy()
    found = pc.index_in(lists.flatten(), vocabulary).to_numpy().astype(np.int64)
    size = max(1, len(vocabulary))
    pairs = np.unique(rows.astype(np.int64) * size + found)
    rows, found = pairs // size, pairs % size
    first = np.searchsorted(rows, np.arange(len(lists) + 1))
    place = np.arange(len(rows)) - first[rows]
    codes = np.full((len(lists), width), encoding.NO_CODE, np.int32)
    kept = place < width
    codes[rows[kept], place[kept]] = found[kept]
    codes[lists.is_null().to_numpy(zero_copy_only=False), 0] = encoding.NULL_LIST
    return codes, int(np.count_nonzero(np.diff(first) > width))


def _write_vectors(build: Build, table: str, column: str, embedder: TextEmbedder) -> None:
    """Vectors float16 [dim] of each row; of null NaN."""
    source = sql.parquet(build.folder / layout.table_file(table, "columns.parquet"))
    what = f"table '{table}', column '{column}'"

    def vectors() -> Iterator[npt.NDArray[np.float16]]:
        for batch in build.batches(f"SELECT {sql.name(column)} FROM {source}"):
            yield _vectors(batch.column(0), embedder, what)

    entry = AttributeEntry(dtype="float16", shape=[embedder.dim])
    _write(build, table, column, vectors(), entry)
    build.text_embedder = embedder.identity


def _vectors(texts: pa.Array, embedder: TextEmbedder, what: str) -> npt.NDArray[np.float16]:
    """Each different text is embedded once."""
    encoded = texts.dictionary_encode()
    different = encoded.dictionary.to_pylist()
    found = np.asarray(embedder.embed(different), np.float32)
    if found.shape != (len(different), embedder.dim):
        raise SourceError(
            f"{what}: the text embedder gave an array of shape {found.shape} for {len(different)} texts; it"
            f" must give one of {(len(different), embedder.dim)}"
        )
    null = np.full((1, embedder.dim), np.nan, np.float32)
    known = np.concatenate([np.clip(found, -_LARGEST_HALF, _LARGEST_HALF), null]).astype(np.float16)
    rows: npt.NDArray[np.float16] = known[encoded.indices.fill_null(len(different)).to_numpy()]
    return rows


def _write(
    build: Build, table: str, column: str, pieces: Iterator[npt.NDArray[Any]], entry: AttributeEntry
) -> None:
    paths = [build.file(layout.table_file(table, file)) for file in layout.attribute_files(column)]
    with RecordWriter(*paths) as writer:
        for piece in pieces:
            writer.write(as_bytes(piece))
    build.attributes[table][column] = entry
