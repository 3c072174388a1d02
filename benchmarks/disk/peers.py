"""Other ways to rows of a matrix that may not fit memory. They are found, never required.

- NumPy memmap: an index into a mapped file; the system's page cache is the pool, which is told that accesses
  are random: faults would else read megabytes ahead.
- Kùzu (kuzu 0.3.2, the last whose remote backend for PyTorch Geometric works): a node table with an INT64 key
  and a FLOAT[] property. COPY does not keep the rows' order, so they are matched by keys that are read once.
- GraphBolt (DGL): `DiskBasedFeature` behind `CPUCachedFeature`.
"""

from __future__ import annotations

import importlib
import mmap
import shutil
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from benchmarks.disk.matrix import Matrix, drop_cached
from benchmarks.graphs import Array

KUZU, MEMMAP, GRAPHBOLT = "Kùzu", "NumPy memmap", "GraphBolt"


class Peer(Protocol):
    """A matrix, opened by another system."""

    def rows(self, wanted: Array) -> Array:
        """Rows [N] of the matrix, float32 [N, width]."""


class Memmap:
    """A file that is mapped; it has no pool of its own."""

    @staticmethod
    def check() -> None:
        """NumPy is always here."""

    @staticmethod
    def prepare(matrix: Matrix, folder: Path) -> None:
        """Nothing to do: the matrix is what is mapped."""

    @staticmethod
    def drop_cached(matrix: Matrix, folder: Path) -> None:
        """Takes its file out of the page cache, where nobody has it mapped."""
        drop_cached(matrix.path)

    def __init__(self, matrix: Matrix, folder: Path, pool_bytes: int) -> None:
        self._values = np.memmap(matrix.path, np.float32, "r", shape=(matrix.rows, matrix.width))
        self._values._mmap.madvise(mmap.MADV_RANDOM)  # type: ignore[attr-defined]

    def rows(self, wanted: Array) -> Array:
        """See `Peer`."""
        return np.asarray(self._values[wanted])


class Kuzu:
    """Kùzu's feature store."""

    @staticmethod
    def check() -> None:
        """Raises ImportError where it is not to be had."""
        database = importlib.import_module("kuzu").Database
        if not hasattr(database, "get_torch_geometric_remote_backend"):
            raise ImportError("it has no remote backend for PyTorch Geometric")

    @staticmethod
    def prepare(matrix: Matrix, folder: Path) -> None:
        """Makes the database; a second time it finds it."""
        home = folder / f"{matrix.path.stem}.kuzu"
        if home.exists():
            return
        kuzu = importlib.import_module("kuzu")
        unfinished, keys, values = (home.with_suffix(end) for end in (".part", ".keys.npy", ".values.npy"))
        shutil.rmtree(unfinished, ignore_errors=True)
        np.save(keys, np.arange(matrix.rows, dtype=np.int64))
        np.save(values, np.memmap(matrix.path, np.float32, "r", shape=(matrix.rows, matrix.width)))
        database = kuzu.Database(str(unfinished), buffer_pool_size=2 * matrix.num_bytes + (1 << 30))
        connection = kuzu.Connection(database)
        connection.execute(f"CREATE NODE TABLE item (id INT64, x FLOAT[{matrix.width}], PRIMARY KEY (id))")
        connection.execute(f'COPY item FROM ("{keys}", "{values}") BY COLUMN')
        del connection, database
        keys.unlink()
        values.unlink()
        unfinished.rename(home)

    @staticmethod
    def drop_cached(matrix: Matrix, folder: Path) -> None:
        """Takes its files out of the page cache."""
        for file in (folder / f"{matrix.path.stem}.kuzu").rglob("*"):
            if file.is_file():
                drop_cached(file)

    def __init__(self, matrix: Matrix, folder: Path, pool_bytes: int) -> None:
        kuzu, attributes = (
            importlib.import_module(name) for name in ("kuzu", "torch_geometric.data.feature_store")
        )
        self._torch = importlib.import_module("torch")
        self._attribute = attributes.TensorAttr
        database = kuzu.Database(str(folder / f"{matrix.path.stem}.kuzu"), buffer_pool_size=pool_bytes)
        self._store: Any = database.get_torch_geometric_remote_backend()[0]
        self._place = np.empty(matrix.rows, np.int64)
        for begin in range(0, matrix.rows, 1 << 20):
            places = np.arange(begin, min(begin + (1 << 20), matrix.rows))
            self._place[self._read("id", places)] = places

    def rows(self, wanted: Array) -> Array:
        """See `Peer`."""
        return self._read("x", self._place[wanted])

    def _read(self, column: str, places: Array) -> Array:
        attribute = self._attribute("item", column, index=self._torch.from_numpy(places))
        found: Array = self._store.get_tensor(attribute).numpy()
        return found


class GraphBolt:
    """DGL GraphBolt's direct reads of a .npy file behind its cache in memory."""

    @staticmethod
    def check() -> None:
        """Raises ImportError where it is not to be had."""
        graphbolt = importlib.import_module("dgl.graphbolt")
        if not hasattr(graphbolt, "DiskBasedFeature"):
            raise ImportError("this version has no DiskBasedFeature")

    @staticmethod
    def prepare(matrix: Matrix, folder: Path) -> None:
        """Writes the .npy file; a second time it finds it."""
        file = folder / f"{matrix.path.stem}.npy"
        if not file.exists():
            np.save(file, np.memmap(matrix.path, np.float32, "r", shape=(matrix.rows, matrix.width)))

    @staticmethod
    def drop_cached(matrix: Matrix, folder: Path) -> None:
        """Takes its file out of the page cache."""
        drop_cached(folder / f"{matrix.path.stem}.npy")

    def __init__(self, matrix: Matrix, folder: Path, pool_bytes: int) -> None:
        graphbolt, self._torch = (importlib.import_module(name) for name in ("dgl.graphbolt", "torch"))
        disk = graphbolt.DiskBasedFeature(str(folder / f"{matrix.path.stem}.npy"))
        self._feature: Any = graphbolt.CPUCachedFeature(disk, pool_bytes)

    def rows(self, wanted: Array) -> Array:
        """See `Peer`."""
        found: Array = self._feature.read(self._torch.from_numpy(wanted)).numpy()
        return found


PEERS: dict[str, type[Memmap] | type[Kuzu] | type[GraphBolt]] = {
    MEMMAP: Memmap,
    KUZU: Kuzu,
    GRAPHBOLT: GraphBolt,
}


def absence(name: str) -> str | None:
    """Why a peer cannot be run here; `None` if it can."""
    try:
        PEERS[name].check()
    except (ImportError, OSError) as error:
        return f"{name} is absent: {error}"
    return None
