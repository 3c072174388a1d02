"""What a store needs of RAM and SSD, by the sizes of its tables: checked on real stores, then stated.

    python -m benchmarks.capacity [--quick] [--spec FILE] [--json FILE]

A spec is YAML, like `SPEC` below; without one the relational graph of benchmarks/graphs.py is scaled to 10
and 30 billion rows, with records of 64 bytes. Formulas follow docs/format.md. Times are taken to come evenly
in whole units, and the bytes a row in columns.parquet are those of the largest real store. Modes, by what is
in memory for good:

- topology in RAM: offsets, lists, parents and times; records are read from the SSD as they are wanted.
- all in RAM: the records, too.
- all mapped: nothing; the system keeps what it can of either, and a hop waits for the SSD.

The order of the input and columns.parquet stay on the SSD in each.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

import relhop as rh
from benchmarks.graphs import relational
from benchmarks.report import Row, parser, publish, row

SERVER_BYTES = 10**12
TIME_BLOCK, TIME_BLOCK_BYTES = 128, 24
CHECKSUM_BLOCK = 4096
TOPOLOGY = ("time_blocks.bin", "time.bin", "offsets.bin", "children.bin", "parents.bin")

SPEC = """
tables:
  users: {rows: 1e6, record_bytes: 8}
  items: {rows: 2e5, record_bytes: 8}
  tx: {rows: 2e7, record_bytes: 8, time_units: 63072000}   # seconds in two years
links:
  - {child: tx, parent: users}
  - {child: tx, parent: items}
"""


@dataclass(frozen=True)
class TableSize:
    """A table.

    Attributes:
        rows: How many.
        record_bytes: Of a row in rows.bin, see `relhop inspect`.
        time_units: How many units of time (seconds, if all times are whole ones) lie between the first row
            and the last; `None` for a table without time.
        parquet_bytes: Of a row in columns.parquet.
    """

    rows: int
    record_bytes: int
    time_units: int | None = None
    parquet_bytes: float = 0.0


@dataclass(frozen=True)
class LinkSize:
    """A foreign key of `child`; `linked` is the share of its rows that has a parent."""

    child: str
    parent: str
    linked: float = 1.0


@dataclass(frozen=True)
class Sizes:
    """All tables and links of a store."""

    tables: dict[str, TableSize]
    links: list[LinkSize]

    @classmethod
    def from_yaml(cls, text: str) -> Sizes:
        """Reads a spec."""
        content: dict[str, Any] = yaml.safe_load(text)
        tables = {
            name: TableSize(
                **{key: float(v) if key == "parquet_bytes" else int(float(v)) for key, v in of.items()}
            )
            for name, of in content["tables"].items()
        }
        return cls(tables, [LinkSize(**link) for link in content["links"]])

    def scaled_to(self, rows: int, record_bytes: int) -> Sizes:
        """The same shape and span of time, with so many rows in all and records of that size."""
        factor = rows / sum(table.rows for table in self.tables.values())
        scaled = {
            name: replace(t, rows=round(t.rows * factor), record_bytes=record_bytes)
            for name, t in self.tables.items()
        }
        return replace(self, tables=scaled)

    @property
    def num_edges(self) -> int:
        """Of both directions."""
        return sum(2 * round(self.tables[link.child].rows * link.linked) for link in self.links)


def width(count: int) -> int:
    """Bits of a row number of `count`, and of the one that stands for no row."""
    bits = max(1, count.bit_length())
    return bits if bits <= 57 else 64


def packed(size: int, bits: int) -> int:
    """Bytes of a packed array."""
    return 8 * -(-size * bits // 64) + 8


def times(rows: int, units: int) -> tuple[int, int]:
    """Bytes of the blocks and of the stream of a time column."""
    blocks = -(-rows // TIME_BLOCK)
    of_block = (TIME_BLOCK - 1) * units / max(rows, 1)
    bits = 0 if rows <= 1 else max(1, int(of_block)).bit_length()
    return TIME_BLOCK_BYTES * blocks, -(-rows * bits // 8) + 8


def files(sizes: Sizes) -> dict[str, float]:
    """Bytes of a store by kind of file."""
    kinds = (*TOPOLOGY, "order.bin", "rows.bin", "rows.crc", "columns.parquet")
    total: dict[str, float] = dict.fromkeys(kinds, 0)
    for table in sizes.tables.values():
        if table.time_units is not None:
            blocks, stream = times(table.rows, table.time_units)
            total["time_blocks.bin"] += blocks
            total["time.bin"] += stream
            total["order.bin"] += packed(table.rows, width(table.rows))
        total["rows.bin"] += table.rows * table.record_bytes
        total["rows.crc"] += 4 * -(-table.rows * table.record_bytes // CHECKSUM_BLOCK)
        total["columns.parquet"] += table.rows * table.parquet_bytes
    for link in sizes.links:
        child, parent = sizes.tables[link.child].rows, sizes.tables[link.parent].rows
        edges = round(child * link.linked)
        total["parents.bin"] += packed(child, width(parent))
        total["offsets.bin"] += packed(parent + 1, width(edges))
        total["children.bin"] += packed(edges, width(child))
    return total


def topology_bytes(of_kind: dict[str, float]) -> float:
    """What sampling reads."""
    return sum(of_kind[kind] for kind in TOPOLOGY)


def files_of(store: Path) -> dict[str, float]:
    """Bytes of a real store by kind of file, as `files` gives them."""
    total: dict[str, float] = {}
    for path in store.rglob("*"):
        if path.is_file():
            total[path.name] = total.get(path.name, 0) + path.stat().st_size
    return total


def build(num_transactions: int, folder: Path) -> tuple[Path, Sizes]:
    """A real store of the relational graph, and the sizes that predict it, all but the bytes of Parquet."""
    users, items = num_transactions // 20, num_transactions // 100
    graph = relational(users, items, num_transactions)
    rng = np.random.default_rng(0)
    at = graph.tables[2].times
    assert at is not None
    frames = {
        "users": pd.DataFrame({"user": np.arange(users), **_features(rng, users)}),
        "items": pd.DataFrame({"item": np.arange(items), **_features(rng, items)}),
        "tx": pd.DataFrame(
            {
                "id": np.arange(num_transactions),
                "user": graph.edge_types[1].neighbors.astype(np.int64),
                "item": graph.edge_types[3].neighbors.astype(np.int64),
                "at": at.astype("datetime64[us]"),
                **_features(rng, num_transactions),
            }
        ),
    }
    stypes: Any = {"number": "numerical", "kind": "categorical"}
    tables = [
        rh.Table("users", source=frames["users"], pkey_col="user", stypes=stypes),
        rh.Table("items", source=frames["items"], pkey_col="item", stypes=stypes),
        rh.Table("tx", source=frames["tx"], pkey_col="id", time_col="at", stypes=stypes),
    ]
    links = [rh.Link("tx", "user", "users"), rh.Link("tx", "item", "items")]
    path = folder / f"{num_transactions}.rh"
    rh.Graph(tables=tables, links=links).snapshot(path, progress=False)
    spec = Sizes.from_yaml(SPEC)
    counts = {name: replace(spec.tables[name], rows=len(frame)) for name, frame in frames.items()}
    return path, replace(spec, tables=counts)


def with_parquet_of(store: Path, sizes: Sizes) -> Sizes:
    """The bytes a row in columns.parquet, measured."""
    measured = {
        name: replace(t, parquet_bytes=(store / "tables" / name / "columns.parquet").stat().st_size / t.rows)
        for name, t in sizes.tables.items()
    }
    return replace(sizes, tables=measured)


def check(num_transactions: int, folder: Path) -> tuple[list[Row], Sizes]:
    """Predicts a store, builds it and compares; returns the sizes with the measured bytes of Parquet, too."""
    store, sizes = build(num_transactions, folder)
    predicted, real = files(sizes), files_of(store)
    title = f"{num_transactions:,} transactions"
    rows = []
    for metric, kinds in (("topology, MB", TOPOLOGY), ("order and records, MB", ("order.bin", "rows.bin"))):
        for system, of_kind in (("predicted", predicted), ("real store", real)):
            rows.append(row(system, title, metric, [sum(of_kind.get(kind, 0) for kind in kinds) / 1e6]))
    rows.append(
        row("predicted : real", title, "topology", [topology_bytes(predicted) / topology_bytes(real)])
    )
    rows.append(_bytes_an_edge("real store", title, real, sizes))
    return rows, with_parquet_of(store, sizes)


def needs(title: str, sizes: Sizes) -> list[Row]:
    """What a store of these sizes needs in each mode, in gigabytes; the ratio is the server's RAM to it."""
    of_kind = files(sizes)
    disk, topology = sum(of_kind.values()), topology_bytes(of_kind)
    rows = [
        Row("predicted", title, f"RAM, GB, {mode}", *[need / 1e9] * 3, ratio_to_limit=_share(need))
        for mode, need in (
            ("topology in RAM", topology),
            ("all in RAM", topology + of_kind["rows.bin"]),
            ("all mapped", 0.0),
        )
    ]
    return [
        *rows,
        row("predicted", title, "SSD, GB", [disk / 1e9]),
        _bytes_an_edge("predicted", title, of_kind, sizes),
    ]


def _share(need: float) -> float | None:
    return SERVER_BYTES / need if need else None


def _bytes_an_edge(system: str, title: str, of_kind: dict[str, float], sizes: Sizes) -> Row:
    return row(
        system, title, "topology, bytes an edge and direction", [topology_bytes(of_kind) / sizes.num_edges]
    )


def _features(rng: np.random.Generator, rows: int) -> dict[str, Any]:
    return {"number": rng.random(rows, np.float32), "kind": rng.integers(0, 100, rows).astype(str)}


def main() -> None:
    options = _options()
    rows: list[Row] = []
    counts: Iterable[int] = (2_000, 20_000) if options.quick else (20_000, 200_000, 2_000_000)
    with tempfile.TemporaryDirectory() as folder:
        for count in counts:
            of_store, sizes = check(count, Path(folder))
            rows += of_store
    if options.spec is not None:
        rows += needs(options.spec.name, Sizes.from_yaml(options.spec.read_text()))
    else:
        for billions in (10, 30):
            large = sizes.scaled_to(billions * 10**9, record_bytes=64)
            rows += needs(f"{billions} billion rows, {large.num_edges / 2e9:.0f} billion edges", large)
    publish("Capacity, on a server of 1 TB", rows, options.json)


def _options() -> argparse.Namespace:
    options = parser(__doc__)
    options.add_argument("--spec", type=Path, help="YAML: tables and links to compute the needs of")
    return options.parse_args()


if __name__ == "__main__":
    main()
