"""The graphs of the examples, of any size: as .npy files, as relhop's store, as PyG's data.

Labels can be learned: a node's features are those of its class, with noise, and edges prefer their own class.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch_geometric.data import Data, HeteroData

import relhop as rh

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

NUM_FEATURES, NUM_CLASSES = 128, 172
"""As of ogbn-papers100M."""


def make_papers(folder: Path, num_papers: int = 50_000) -> None:
    """Papers that cite papers, in ogbn-papers100M's shape: 15 citations a paper, some far more."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, NUM_CLASSES, num_papers)
    np.save(folder / "paper_x.npy", _features(rng, label, NUM_FEATURES))
    np.save(folder / "paper_y.npy", label)
    np.save(folder / "cites.npy", _edges(rng, label, label, 15 * num_papers))
    np.save(folder / "train.npy", rng.permutation(num_papers)[: num_papers // 10])
    papers_graph(folder).snapshot(folder / "papers.rh", progress=False)


def papers_graph(folder: Path) -> rh.Graph:
    """The papers for a store."""
    return rh.Graph(tables=[_papers(folder)], edges=[_cites(folder)])


def papers_in_memory(folder: Path) -> Data:
    """The papers for PyG."""
    return Data(
        x=_tensor(folder / "paper_x.npy"),
        y=_tensor(folder / "paper_y.npy"),
        edge_index=_tensor(folder / "cites.npy"),
    )


def make_library(folder: Path, num_papers: int = 10_000) -> None:
    """The papers, and half as many authors who write them; authors have fewer features."""
    make_papers(folder, num_papers)
    rng = np.random.default_rng(1)
    field = rng.integers(0, NUM_CLASSES, num_papers // 2)
    np.save(folder / "author_x.npy", _features(rng, field, 32))
    writes = _edges(rng, field, np.load(folder / "paper_y.npy"), 3 * num_papers)
    np.save(folder / "writes.npy", writes)
    library_graph(folder).snapshot(folder / "library.rh", progress=False)


def library_graph(folder: Path) -> rh.Graph:
    """Papers and authors for a store; from papers to their authors, too."""
    authors = rh.Table("author", source={"x": folder / "author_x.npy"})
    writes = rh.EdgeTable("writes", src="author", dst="paper", source=folder / "writes.npy", reverse=True)
    return rh.Graph(tables=[_papers(folder), authors], edges=[_cites(folder), writes])


def library_in_memory(folder: Path) -> HeteroData:
    """Papers and authors for PyG."""
    data = HeteroData()
    data["paper"].x, data["paper"].y = _tensor(folder / "paper_x.npy"), _tensor(folder / "paper_y.npy")
    data["author"].x = _tensor(folder / "author_x.npy")
    data["paper", "cites", "paper"].edge_index = _tensor(folder / "cites.npy")
    writes = _tensor(folder / "writes.npy")
    data["author", "writes", "paper"].edge_index = writes
    data["paper", "rev_writes", "author"].edge_index = writes.flip(0)
    return data


def _papers(folder: Path) -> rh.Table:
    return rh.Table("paper", source={"x": folder / "paper_x.npy", "y": folder / "paper_y.npy"})


def _cites(folder: Path) -> rh.EdgeTable:
    return rh.EdgeTable("cites", src="paper", dst="paper", source=folder / "cites.npy")


def _features(rng: np.random.Generator, label: Array, width: int) -> Array:
    centers = rng.standard_normal((NUM_CLASSES, width), np.float32)
    return centers[label] + rng.standard_normal((len(label), width), np.float32)


def _edges(rng: np.random.Generator, sources: Array, targets: Array, num_edges: int) -> Array:
    """Ends [2, E] of edges, half of which stay within a class; sources follow a power law."""
    source = (len(sources) * rng.random(num_edges) ** 2).astype(np.int64)
    target = rng.integers(0, len(targets), num_edges)
    by_class = np.argsort(targets, kind="stable")
    begins = np.searchsorted(targets[by_class], np.arange(NUM_CLASSES + 1))
    begin, end = begins[sources[source]], begins[sources[source] + 1]
    stays = (rng.random(num_edges) < 0.5) & (begin < end)
    place = begin + (rng.random(num_edges) * (end - begin)).astype(np.int64)
    target[stays] = by_class[place[stays]]
    return np.stack([source, target])


def _tensor(file: Path) -> torch.Tensor:
    return torch.from_numpy(np.load(file))
