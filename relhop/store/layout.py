"""What the files of a store are called, and how large they must be.

docs/format.md says the same in prose.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from io import BufferedReader

from relhop._native import width_of
from relhop.edge_table import EdgeTable
from relhop.schema import Link, Schema
from relhop.store.manifest import AttributeEntry, EdgeTableEntry, LinkEntry, TableEntry
from relhop.store.packed import TIME_BLOCK, TIME_BLOCK_BYTES, packed_bytes
from relhop.store.records import checksums_bytes

ROWS_ORDER = "rows"
"""The order of records in which each has its row's number, so that there is no slots.bin."""

RESERVED_PREFIX = "_rh_"
"""Columns of columns.parquet that begin so are the store's own."""

ROW_COLUMN = "_rh_row"
TIME_COLUMN = "_rh_time"
SRC_COLUMN = "_rh_src"
DST_COLUMN = "_rh_dst"


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


def checksum_of(file: BufferedReader) -> str:
    """The checksum of a file's content, read piece by piece."""
    return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=32)).hexdigest()
