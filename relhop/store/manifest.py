"""The manifest of a store: what it holds, counted and described, and every file with its size.

docs/format.md says the same in prose.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from relhop.dtypes import FLOATS, NUMPY_DTYPES
from relhop.errors import CorruptStore, SchemaError, StoreError
from relhop.schema import Schema
from relhop.store import encoding
from relhop.store.precision import Grid, Precision

FORMAT = "relhop-store"
VERSION = 6
MANIFEST = "manifest.json"

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


def content_checksum(content: dict[str, Any]) -> str:
    """Of what a manifest says, but for its own checksum."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    return hashlib.blake2b(canonical, digest_size=32).hexdigest()


def manifest_text(manifest: Manifest) -> str:
    """The manifest as JSON, with format, version and its own checksum."""
    content = {"format": FORMAT, "version": VERSION, **manifest.model_dump(by_alias=True)}
    return json.dumps({**content, "checksum": content_checksum(content)}, indent=1) + "\n"


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
    if checksum != content_checksum(content):
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
