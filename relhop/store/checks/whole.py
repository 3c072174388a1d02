"""Everything in a store, read and compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import duckdb

from relhop.errors import CorruptStore
from relhop.schema import Schema
from relhop.store import layout, lookup, records
from relhop.store.checks.edges import check_edge_columns, check_edge_weights, check_edges
from relhop.store.checks.links import check_link, check_weights
from relhop.store.checks.tables import check_attributes, check_columns, check_table
from relhop.store.manifest import Manifest
from relhop.store.progress import Steps
from relhop.store.stored import StoredEdges, StoredLink, StoredTable


def check_whole(
    folder: Path,
    manifest: Manifest,
    schema: Schema,
    stored: tuple[Mapping[str, StoredTable], Mapping[str, StoredLink], Mapping[str, StoredEdges]],
    connect: Callable[[], duckdb.DuckDBPyConnection],
    *,
    progress: bool,
) -> None:
    """Compares all files with their checksums, then the numbers in them with each other.

    Args:
        folder: The store.
        manifest: Of the store; sound.
        schema: The manifest's.
        stored: Its tables, links and edge tables.
        connect: Opens a connection to read files with, or raises if the store was replaced.
        progress: Show bars on a terminal.

    Raises:
        CorruptStore: Naming the first file that is damaged.
    """
    tables, links, edge_tables = stored
    with Steps(progress) as steps:
        for file in steps.over("Checking files", manifest.files):
            check_file(folder, manifest, file)
        for title in steps.over("Checking tables", tables):
            check_table(folder, manifest, schema, tables[title])
            check_attributes(folder / layout.table_file(title, ""), tables[title].attributes)
        for name in steps.over("Checking links", links):
            link = links[name]
            check_link(folder, link, tables[link.link.child].num_rows)
            if link.link.weight is not None:
                path = folder / layout.table_file(link.link.child, "columns.parquet")
                check_weights(folder, link, lookup.weights(connect(), path, link.link.weight))
        for name in steps.over("Checking edges", edge_tables):
            edges = edge_tables[name]
            digest = check_edges(folder, edges, tables)
            if manifest.edge_tables[name].columns:
                path = folder / layout.edge_file(name, "columns.parquet")
                check_edge_columns(path, edges, digest)
                if edges.table.weight_col is not None:
                    weights = lookup.weights(connect(), path, edges.table.weight_col)
                    check_edge_weights(folder, edges, weights)
            check_attributes(folder / layout.edge_file(name, ""), edges.attributes)
        for title in steps.over("Checking columns", tables):
            own = [link for link in links.values() if link.link.child == title]
            check_columns(folder, tables[title], own)


def check_file(folder: Path, manifest: Manifest, file: str) -> None:
    """Compares a file with its checksum in the manifest, or its blocks with theirs beside it."""
    path, entry = folder / file, manifest.files[file]
    try:
        if entry.blake2b is None:
            record_sizes = layout.record_sizes(manifest.tables, manifest.edge_tables)
            records.check_file(path, entry.bytes, record_sizes[file])
            return
        with path.open("rb") as opened:
            checksum = layout.checksum_of(opened)
    except FileNotFoundError:
        raise CorruptStore(f"{path} is missing; build the store again") from None
    if checksum != entry.blake2b:
        raise CorruptStore(f"{path} is damaged: its checksum does not fit; build the store again")
