"""What the files of a store are called, how large they must be, and the manifest that lists them.

docs/format.md says the same in prose. Knows nothing of SQL and reads no file but the manifest.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from io import BufferedReader
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from relhop._native import width_of
from relhop.dtypes import FLOATS, NUMPY_DTYPES
from relhop.edge_table import EdgeTable
from relhop.errors import CorruptStore, SchemaError, StoreError
from relhop.schema import Link, Schema
from relhop.store import encoding
from relhop.store.packed import TIME_BLOCK, TIME_BLOCK_BYTES, packed_bytes
from relhop.store.precision import Grid, Precision
from relhop.store.records import checksums_bytes

FORMAT = "relhop-store"
VERSION = 6
MANIFEST = "manifest.json"
ROWS_ORDER = "rows"
"""The order of records in which each has its row's number, so that there is no slots.bin."""

RESERVED_PREFIX = "_rh_"
"""Columns of columns.parquet that begin so are the store's own."""

ROW_COLUMN = "_rh_row"
TIME_COLUMN = "_rh_time"
SRC_COLUMN = "_rh_src"
DST_COLUMN = "_rh_dst"

_MOST_DIMENSIONS = 16
"""Of an attribute's row."""

_Count = Annotated[int, Field(ge=0, lt=2**62)]
_Ratio = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
_Single = Annotated[float, Field(ge=-3.5e38, le=3.5e38, allow_inf_nan=False)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class FieldEntry(_Entry):
    """One field of a record, as `relhop.store.encoding.Field`, its types written out.

    Only int8 has `scale` and `zero`. `out_of_range` counts the numbers that are not kept nearly as they were.
    """

    column: str
    stype: str
    dtype: str
    offset: _Count
    scale: _Single | None = None
    zero: _Single | None = None
    out_of_range: _Count = 0


class AttributeEntry(_Entry):
    """What the manifest says of an attribute: the dtype, a key of `NUMPY_DTYPES`, and the shape of a row.

    `shortened` rows of a multicategorical column had more values than are kept.
    """

    dtype: str
    shape: list[_Count] = Field(max_length=_MOST_DIMENSIONS)
    shortened: _Count = 0

    @field_validator("dtype")
    @classmethod
    def _is_known(cls, dtype: str) -> str:
        if dtype not in NUMPY_DTYPES:
            raise ValueError(f"{dtype!r} is no dtype of an attribute")
        return dtype

    @property
    def is_vector(self) -> bool:
        """Whether a row is several floats: then a model reads it."""
        return bool(self.shape) and self.dtype in FLOATS

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return NUMPY_DTYPES[self.dtype].itemsize * math.prod(self.shape)

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]" if self.shape else self.dtype


class TableEntry(_Entry):
    """What the manifest says of a table: counts, and the layout and order of its records.

    `rows_per_block` has, for each order that was tried, how many rows wanted together a block holds.
    """

    rows: _Count
    null_times: _Count
    null_keys: _Count
    duplicate_keys: _Count
    categories: dict[str, _Count]
    fields: list[FieldEntry]
    record_size: _Count
    record_order: str
    rows_per_block: dict[str, _Ratio]
    attributes: dict[str, AttributeEntry]


class LinkEntry(_Entry):
    """What the manifest says of a link: edges + nulls + dangling = rows of the child.

    `null_weights` of these rows have no weight; 0 for a link without weights.
    """

    edges: _Count
    nulls: _Count
    dangling: _Count
    null_weights: _Count = 0


class EdgeTableEntry(_Entry):
    """What the manifest says of an edge table: edges + nulls + dangling = rows, one for each edge of the
    input.

    `nulls` have an end that is null, `dangling` one that no row has. `null_times` of the rows are at no time
    visible, these among them; `delayed` are visible later than their own time says, for an end is later.
    `edge_ids` and `columns` say whether there are files of them.
    """

    rows: _Count
    edges: _Count
    nulls: _Count
    dangling: _Count
    null_times: _Count = 0
    delayed: _Count = 0
    null_weights: _Count = 0
    edge_ids: bool
    columns: bool
    attributes: dict[str, AttributeEntry]


class FileEntry(_Entry):
    """Size of a file, and its BLAKE2b-256 checksum, hexadecimal; None where blocks have theirs beside it."""

    bytes: _Count
    blake2b: str | None


class Manifest(_Entry):
    """The content of manifest.json. `table_schema` is under the key `schema`.

    `text_embedder` is the identity of what made vectors of text; None where there are none.
    """

    fingerprint: str
    precision: Precision
    text_embedder: str | None
    table_schema: dict[str, Any] = Field(alias="schema")
    tables: dict[str, TableEntry]
    links: dict[str, LinkEntry]
    edge_tables: dict[str, EdgeTableEntry]
    files: dict[str, FileEntry]

    def schema_of_tables(self) -> Schema:
        """The tables and links that the store holds."""
        return Schema.from_dict(self.table_schema)


def _folder(title: str) -> str:
    """A name as a folder: "/" and NUL, which a folder cannot have, and "%" as %2F, %00 and %25."""
    return title.replace("%", "%25").replace("/", "%2F").replace("\0", "%00")


def table_file(table: str, file: str) -> str:
    """Path of a table's file, relative to the store."""
    return f"tables/{_folder(table)}/{file}"


def link_file(link: Link, file: str) -> str:
    """Path of a link's file, relative to the store."""
    return f"links/{_folder(link.name)}/{file}"


def edge_file(name: str, file: str) -> str:
    """Path of an edge table's file, relative to the store; those of lists are in "in/" or "out/"."""
    return f"edges/{_folder(name)}/{file}"


def directions(edges: EdgeTable) -> tuple[tuple[str, str, str], ...]:
    """The directions in which a store has lists: (folder, table that has the lists, table that is listed)."""
    outgoing = (("out", edges.src, edges.dst),) if edges.reverse else ()
    return (("in", edges.dst, edges.src), *outgoing)


def attribute_files(name: str) -> tuple[str, str]:
    """An attribute's rows and their checksums, relative to the table's folder."""
    return f"attributes/{_folder(name)}.bin", f"attributes/{_folder(name)}.crc"


def is_attribute(file: str) -> bool:
    """Whether a file holds the rows of an attribute."""
    return file.split("/")[2:3] == ["attributes"] and file.endswith(".bin")


def is_topology(file: str) -> bool:
    """Whether all that is sampled needs a file: of links, times, where records are, or edges' numbers."""
    if file.startswith("edges/") and file.endswith("/order.bin"):
        return True
    return is_link(file) or file.endswith(("/time_blocks.bin", "/time.bin", "/slots.bin"))


def is_placed_with_links(file: str) -> bool:
    """Whether a file is read row by row as links are: sampling needs it, or it has places in the input."""
    return is_topology(file) or file.endswith("/order.bin")


def is_link(file: str) -> bool:
    """Whether a file says who is connected to whom: a link's, or a list of an edge table."""
    return file.startswith("links/") or (file.startswith("edges/") and file.split("/")[2] in ("in", "out"))


def parent_column(link: Link) -> str:
    """The column of columns.parquet that holds the parent's row."""
    return RESERVED_PREFIX + link.fkey_name


def field_entries(
    fields: Sequence[encoding.Field], out_of_range: Mapping[str, int] = MappingProxyType({})
) -> list[FieldEntry]:
    """A record's fields as the manifest writes them; `out_of_range` is by column."""
    return [
        FieldEntry(
            column=field.column,
            stype=field.stype,
            dtype=field.kind,
            offset=field.offset,
            scale=field.grid.scale if field.grid else None,
            zero=field.grid.zero if field.grid else None,
            out_of_range=out_of_range.get(field.column, 0),
        )
        for field in fields
    ]


def stored_fields(manifest: Manifest, schema: Schema, table: str) -> tuple[tuple[encoding.Field, ...], int]:
    """The fields of a table's record as its schema demands them, on the manifest's grids; and their size."""
    entries = manifest.tables[table].fields
    grids = {e.column: Grid(e.scale, e.zero) for e in entries if e.scale is not None and e.zero is not None}
    return encoding.record_layout(schema.feature_columns(table), manifest.precision, grids)


def file_sizes(
    schema: Schema,
    tables: dict[str, TableEntry],
    links: dict[str, LinkEntry],
    edge_tables: dict[str, EdgeTableEntry],
) -> dict[str, int | None]:
    """Every file but the manifest, with the size that the counts demand; None where they demand none."""
    sizes: dict[str, int | None] = {}
    width = {title: width_of(tables[title].rows) for title in schema.tables}
    for title, table in schema.tables.items():
        entry = tables[title]
        sizes[table_file(title, "columns.parquet")] = None
        if table.time_col is not None:
            sizes |= {table_file(title, file): size for file, size in _time_sizes(entry.rows).items()}
        if entry.record_order != ROWS_ORDER:
            sizes[table_file(title, "slots.bin")] = packed_bytes(entry.rows, width[title])
        # Before the records: what checks them is itself checked first.
        sizes[table_file(title, "rows.crc")] = checksums_bytes(entry.record_size * entry.rows)
        sizes[table_file(title, "rows.bin")] = entry.record_size * entry.rows
        if entry.categories:
            sizes[table_file(title, "categories.parquet")] = None
        of_attributes = _attribute_sizes(entry.attributes, entry.rows)
        sizes |= {table_file(title, file): size for file, size in of_attributes.items()}
    for link in schema.links:
        edges = links[link.name].edges
        sizes[link_file(link, "parents.bin")] = packed_bytes(tables[link.child].rows, width[link.parent])
        sizes[link_file(link, "offsets.bin")] = packed_bytes(tables[link.parent].rows + 1, width_of(edges))
        sizes[link_file(link, "children.bin")] = packed_bytes(edges, width[link.child])
        if link.weight is not None:
            sizes[link_file(link, "weights.bin")] = 8 * edges
    rows = {title: tables[title].rows for title in schema.tables}
    for name, edge_table in schema.edge_tables.items():
        sizes |= {
            edge_file(name, f): size for f, size in _edge_sizes(edge_table, edge_tables[name], rows).items()
        }
    return sizes


def _edge_sizes(edges: EdgeTable, entry: EdgeTableEntry, rows: Mapping[str, int]) -> dict[str, int | None]:
    """The files of an edge table between tables of so many rows."""
    sizes: dict[str, int | None] = {}
    if entry.columns:
        sizes["columns.parquet"] = None
    if edges.time_col is not None:
        sizes |= _time_sizes(entry.rows)
    for folder, owner, listed in directions(edges):
        sizes[f"{folder}/offsets.bin"] = packed_bytes(rows[owner] + 1, width_of(entry.edges))
        sizes[f"{folder}/neighbors.bin"] = packed_bytes(entry.edges, width_of(rows[listed]))
        if entry.edge_ids:
            sizes[f"{folder}/edge_ids.bin"] = packed_bytes(entry.edges, width_of(entry.rows))
        if edges.weight_col is not None:
            sizes[f"{folder}/weights.bin"] = 8 * entry.edges
    return sizes | _attribute_sizes(entry.attributes, entry.rows)


def _attribute_sizes(attributes: Mapping[str, AttributeEntry], rows: int) -> dict[str, int]:
    """The files of attributes of so many rows."""
    sizes = {}
    for name, attribute in attributes.items():
        content, checksums = attribute_files(name)
        # Before the rows: what checks them is itself checked first.
        sizes[checksums] = checksums_bytes(attribute.row_bytes * rows)
        sizes[content] = attribute.row_bytes * rows
    return sizes


def _time_sizes(rows: int) -> dict[str, int | None]:
    """The files of a table, or edge table, with a time column."""
    return {
        "time_blocks.bin": TIME_BLOCK_BYTES * -(-rows // TIME_BLOCK),
        "time.bin": None,
        "order.bin": packed_bytes(rows, width_of(rows)),
    }


def record_sizes(
    tables: Mapping[str, TableEntry], edge_tables: Mapping[str, EdgeTableEntry]
) -> dict[str, int]:
    """The files whose blocks have checksums beside them, with the bytes of a record."""
    sizes = {}
    for title, entry in tables.items():
        sizes[table_file(title, "rows.bin")] = entry.record_size
        for name, attribute in entry.attributes.items():
            sizes[table_file(title, attribute_files(name)[0])] = attribute.row_bytes
    for title, edges in edge_tables.items():
        for name, attribute in edges.attributes.items():
            sizes[edge_file(title, attribute_files(name)[0])] = attribute.row_bytes
    return sizes


def _checksum(content: dict[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    return hashlib.blake2b(canonical, digest_size=32).hexdigest()


def checksum_of(file: BufferedReader) -> str:
    """The checksum of a file's content, read piece by piece."""
    return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=32)).hexdigest()


def manifest_text(manifest: Manifest) -> str:
    """The manifest as JSON, with format, version and its own checksum."""
    content = {"format": FORMAT, "version": VERSION, **manifest.model_dump(by_alias=True)}
    return json.dumps({**content, "checksum": _checksum(content)}, indent=1) + "\n"


def is_store(folder: Path) -> bool:
    """Whether a folder holds a store of any version, damaged or not beyond its manifest."""
    try:
        content = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("format") == FORMAT


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a store.

    Raises:
        StoreError: If there is no such folder, it is no store, or it is of another format version.
        CorruptStore: If the manifest is damaged.
    """
    path = folder / MANIFEST
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        if not os.path.lexists(folder):
            raise StoreError(f"there is no store at {folder}; graph.snapshot makes one") from None
        raise StoreError(f"{folder} is not a relhop store: it has no {MANIFEST}") from None
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CorruptStore(f"{path} is damaged: it is not JSON ({error}); build the store again") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise StoreError(f'{folder} is not a relhop store: {MANIFEST} does not say "format": "{FORMAT}"')
    version = content.get("version")
    if version != VERSION:
        newer = isinstance(version, int) and version > VERSION
        advice = "use a newer relhop" if newer else "build the store again"
        raise StoreError(
            f"{folder} has format version {version!r}, this relhop reads version {VERSION}; {advice}"
        )
    checksum = content.pop("checksum", None)
    if checksum != _checksum(content):
        raise CorruptStore(f"{path} is damaged: its checksum does not fit; build the store again")
    try:
        return Manifest.model_validate({k: v for k, v in content.items() if k not in ("format", "version")})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise CorruptStore(f"{path} contradicts the format at '{place}': {first['msg']}") from None


def schema_of(manifest: Manifest, folder: Path) -> Schema:
    """The schema in a manifest.

    Raises:
        CorruptStore: If it contradicts itself.
    """
    try:
        return manifest.schema_of_tables()
    except (SchemaError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise CorruptStore(f"{folder / MANIFEST}: the schema has no meaning: {error!r}") from None
