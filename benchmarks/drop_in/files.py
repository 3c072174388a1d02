"""The graph that is trained on, as the files that a user has: npy by column of nodes, CSV of edges."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

import relhop as rh
from benchmarks.graphs import Array, load

WIDTH, CLASSES = 128, 16


@dataclass(frozen=True)
class GraphFiles:
    """A static graph of `benchmarks.graphs` with a float32[128] and a label a node; edges in random order.

    Args:
        graph: The graph's name.
        folder: Where its files are, or will be.
    """

    graph: str
    folder: Path

    @property
    def home(self) -> Path:
        """The folder of this graph."""
        return self.folder / f"drop_in-{self.graph.replace(' ', '').replace('/', '-')}"

    @property
    def columns(self) -> dict[str, str]:
        """The .npy file of each column of the nodes."""
        return {name: str(self.home / f"{name}.npy") for name in ("id", "x", "y")}

    @property
    def edges(self) -> Path:
        """The edges, CSV: source, target."""
        return self.home / "edges.csv"

    @property
    def num_bytes(self) -> int:
        """Of all files."""
        return sum(Path(file).stat().st_size for file in (*self.columns.values(), self.edges))

    @property
    def feature_bytes(self) -> int:
        """Of all nodes' features."""
        return self.num_nodes * WIDTH * 4

    @property
    def num_nodes(self) -> int:
        """How many there are."""
        return len(np.load(self.columns["id"], mmap_mode="r"))

    def array(self, column: str) -> Array:
        """A column of the nodes, in memory."""
        found: Array = np.load(self.columns[column])
        return found

    def edge_index(self) -> Array:
        """The edges, int64 [2, E]."""
        table = pyarrow.csv.read_csv(self.edges)
        return np.stack([table["source"].to_numpy(), table["target"].to_numpy()])

    def seeds(self, number: int, batch_size: int, num_batches: int) -> Array:
        """The nodes that round `number` trains on."""
        rng = np.random.default_rng(number)
        return rng.choice(self.num_nodes, min(self.num_nodes, batch_size * num_batches), replace=False)

    def prepare(self) -> None:
        """Makes the files; a second time they are there. What names them complete comes last."""
        if self.edges.exists():
            return
        lists = load(self.graph, self.folder).edge_types[0]
        assert lists.offsets is not None
        num_nodes, rng = len(lists.offsets) - 1, np.random.default_rng(0)
        self.home.mkdir(parents=True, exist_ok=True)
        columns: dict[str, Array] = {
            "id": np.arange(num_nodes),
            "x": rng.standard_normal((num_nodes, WIDTH), np.float32),
            "y": rng.integers(0, CLASSES, num_nodes),
        }
        for name, file in self.columns.items():
            np.save(file, columns[name])
        order = rng.permutation(lists.num_edges)
        targets = np.repeat(np.arange(num_nodes), np.diff(lists.offsets))
        ends = {"source": lists.neighbors[order], "target": targets[order]}
        unfinished = self.edges.with_suffix(".part")
        pyarrow.csv.write_csv(pa.table(ends), unfinished)
        unfinished.rename(self.edges)

    @property
    def store(self) -> Path:
        """Where `build` puts the store."""
        return self.home / "graph.rh"

    def build(self) -> None:
        """Makes relhop's store anew."""
        shutil.rmtree(self.store, ignore_errors=True)
        graph = rh.Graph(
            tables=[rh.Table("node", source=self.columns, pkey_col="id")],
            edges=[rh.EdgeTable("edge", src="node", dst="node", source=str(self.edges))],
        )
        graph.snapshot(self.store, memory="mmap", progress=False)

    def open(self, **options: Any) -> rh.Store:
        """The store."""
        return rh.Store.open(self.store, **options)
