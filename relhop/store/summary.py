"""What `relhop inspect` says of a store: counts, time ranges, degrees and bytes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from relhop.schema import Link, Stype
from relhop.store import layout
from relhop.store.manifest import MANIFEST, VERSION, Manifest
from relhop.store.stored import Rows, StoredEdges, StoredLink, StoredTable


@dataclass(frozen=True)
class TableSummary:
    """One table. Times are microseconds since 1970, None where no row has one.

    `out_of_range` counts, by numerical column, what its precision could not hold: finite numbers that became
    infinite, and those beyond the grid of an int8; `shortened`, by multicategorical column, the rows that had
    more values than are kept. `attributes` has dtypes and shapes of rows. `bytes` is by
    file; `bits_per_row` by what is in them: `time`, `order`, `rows`, `slots`. `record_order` is where records
    lie, `rows_per_block` what was measured of each order that was tried.
    """

    name: str
    rows: int
    oldest_time: int | None
    newest_time: int | None
    null_times: int
    null_keys: int
    duplicate_keys: int
    features: dict[str, str]
    attributes: dict[str, str]
    out_of_range: dict[str, int]
    shortened: dict[str, int]
    categories: dict[str, int]
    record_order: str
    rows_per_block: dict[str, float]
    bytes: dict[str, int]
    bits_per_row: dict[str, float]


@dataclass(frozen=True)
class LinkSummary:
    """One link. Degrees count the children of a parent row; `weight` is a column of the child.

    `bytes` is by file; `bits_per_row` by what is in them: `parents`, `offsets`, `children`, `weights`.
    `bytes_per_edge` is of an edge in one of its two directions; None without edges.
    """

    name: str
    child: str
    parent: str
    edges: int
    nulls: int
    dangling: int
    weight: str | None
    null_weights: int
    degree_mean: float
    degree_max: int
    bytes: dict[str, int]
    bits_per_row: dict[str, int]
    bytes_per_edge: float | None


@dataclass(frozen=True)
class EdgeTableSummary:
    """One edge table. Counts are those of `relhop.store.arrays.StoredEdges`; times are when edges are
    visible.

    Degrees count the neighbors of a row, by direction: "in" of a row of `dst`, "out" of one of `src`.
    `attributes` has dtypes and shapes of rows.
    `bytes` is by file. `bytes_per_edge` is of an edge in one direction; None without edges.
    """

    name: str
    src: str
    dst: str
    rows: int
    edges: int
    nulls: int
    dangling: int
    oldest_time: int | None
    newest_time: int | None
    null_times: int
    delayed: int
    weight: str | None
    null_weights: int
    attributes: dict[str, str]
    degree_mean: dict[str, float]
    degree_max: dict[str, int]
    bytes: dict[str, int]
    bytes_per_edge: float | None


@dataclass(frozen=True)
class StoreSummary:
    """A whole store. `bytes_per_edge`: of links, lists, times, by edge and direction; None without edges."""

    path: str
    version: int
    fingerprint: str
    precision: str
    text_embedder: str | None
    tables: list[TableSummary]
    links: list[LinkSummary]
    edge_tables: list[EdgeTableSummary]
    total_bytes: int
    bytes_per_edge: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return dataclasses.asdict(self)


def summarize(
    path: Path,
    manifest: Manifest,
    tables: Mapping[str, StoredTable],
    links: Mapping[str, StoredLink],
    edge_tables: Mapping[str, StoredEdges],
) -> StoreSummary:
    """Describes an open store; reads its offsets once, piece by piece."""
    sizes = {file: entry.bytes for file, entry in manifest.files.items()}
    edges = 2 * sum(len(link.children) for link in links.values())
    edges += sum(len(stored.lists) * stored.num_edges for stored in edge_tables.values())
    return StoreSummary(
        path=str(path),
        version=VERSION,
        fingerprint=manifest.fingerprint,
        precision=manifest.precision,
        text_embedder=manifest.text_embedder,
        tables=[_table(table, manifest, sizes) for table in tables.values()],
        links=[_link(link, sizes) for link in links.values()],
        edge_tables=[_edges(stored, manifest, sizes) for stored in edge_tables.values()],
        total_bytes=sum(sizes.values()) + (path / MANIFEST).stat().st_size,
        bytes_per_edge=_per_edge(sum(s for f, s in sizes.items() if layout.is_topology(f)), edges),
    )


def _table(table: StoredTable, manifest: Manifest, sizes: Mapping[str, int]) -> TableSummary:
    entry = manifest.tables[table.name]
    timed = entry.rows - entry.null_times if table.time is not None else 0
    files = (
        "columns.parquet",
        "rows.bin",
        "rows.crc",
        "slots.bin",
        "time_blocks.bin",
        "time.bin",
        "order.bin",
        "categories.parquet",
        *(file for name in entry.attributes for file in layout.attribute_files(name)),
    )
    sizes = {f: sizes[p] for f in files if (p := layout.table_file(table.name, f)) in sizes}
    bits = {"rows": 8.0 * table.record_size}
    if table.time is not None and table.order is not None:
        bits["time"] = 8 * (sizes["time_blocks.bin"] + sizes["time.bin"]) / max(1, table.num_rows)
        bits["order"] = float(table.order.native.width)
    if table.slots is not None:
        bits["slots"] = float(table.slots.native.width)
    return TableSummary(
        name=table.name,
        rows=entry.rows,
        oldest_time=table.time[0] if table.time is not None and timed else None,
        newest_time=table.time[timed - 1] if table.time is not None and timed else None,
        null_times=entry.null_times,
        null_keys=entry.null_keys,
        duplicate_keys=entry.duplicate_keys,
        out_of_range={f.column: f.out_of_range for f in entry.fields if f.stype == Stype.numerical},
        features={field.column: str(field.stype) for field in table.fields}
        | {column: str(stype) for column, stype in table.wide_columns.items()},
        shortened={
            column: entry.attributes[column].shortened
            for column, stype in table.wide_columns.items()
            if stype == Stype.multicategorical
        },
        attributes={name: str(attribute) for name, attribute in entry.attributes.items()},
        categories=dict(entry.categories),
        record_order=entry.record_order,
        rows_per_block=dict(entry.rows_per_block),
        bytes=sizes,
        bits_per_row=bits,
    )


def _link(stored: StoredLink, sizes: Mapping[str, int]) -> LinkSummary:
    link: Link = stored.link
    arrays = {"parents": stored.parents, "offsets": stored.offsets, "children": stored.children}
    bits = {name: array.native.width for name, array in arrays.items()}
    if stored.weights is not None:
        bits["weights"] = 64
    sizes = {f"{name}.bin": sizes[layout.link_file(link, f"{name}.bin")] for name in bits}
    parents = len(stored.offsets) - 1
    return LinkSummary(
        name=link.name,
        child=link.child,
        parent=link.parent,
        edges=len(stored.children),
        nulls=stored.nulls,
        dangling=stored.dangling,
        weight=link.weight,
        null_weights=stored.null_weights,
        degree_mean=len(stored.children) / parents if parents else 0.0,
        degree_max=_largest_degree(stored.offsets),
        bytes=sizes,
        bits_per_row=bits,
        bytes_per_edge=_per_edge(sum(sizes.values()), 2 * len(stored.children)),
    )


def _edges(stored: StoredEdges, manifest: Manifest, sizes: Mapping[str, int]) -> EdgeTableSummary:
    table, folder = stored.table, layout.edge_file(stored.table.name, "")
    sizes = {file.removeprefix(folder): size for file, size in sizes.items() if file.startswith(folder)}
    timed = stored.num_rows - stored.null_times if stored.time is not None else 0
    rows = {direction: len(lists.offsets) - 1 for direction, lists in stored.lists.items()}
    per_direction = sum(size for file, size in sizes.items() if file.startswith(("in/", "out/")))
    return EdgeTableSummary(
        name=table.name,
        src=table.src,
        dst=table.dst,
        rows=stored.num_rows,
        edges=stored.num_edges,
        nulls=stored.nulls,
        dangling=stored.dangling,
        oldest_time=stored.time[0] if stored.time is not None and timed else None,
        newest_time=stored.time[timed - 1] if stored.time is not None and timed else None,
        null_times=stored.null_times,
        delayed=stored.delayed,
        weight=table.weight_col,
        null_weights=stored.null_weights,
        attributes={n: str(a) for n, a in manifest.edge_tables[table.name].attributes.items()},
        degree_mean={d: stored.num_edges / count if count else 0.0 for d, count in rows.items()},
        degree_max={d: _largest_degree(lists.offsets) for d, lists in stored.lists.items()},
        bytes=sizes,
        bytes_per_edge=_per_edge(per_direction, len(rows) * stored.num_edges),
    )


def _largest_degree(offsets: Rows) -> int:
    pieces = range(0, len(offsets) - 1, 1 << 20)
    return max((int(np.diff(offsets[s : s + (1 << 20) + 1]).max()) for s in pieces), default=0)


def _per_edge(size: int, edges: int) -> float | None:
    return size / edges if edges else None
