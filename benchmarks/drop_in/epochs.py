"""Epochs of a three-layer GraphSAGE fed by a loader, and what of them is sampling, rows and training.

Each round has three passes over batches of its own: the loader without attributes (sampling), the loader (and
rows), the loader and training. Shares are the differences, as a part of the third: what a user would gain if
that part were free. Work that is done ahead, behind the model, is so counted as training.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch_geometric.data import Data
from torch_geometric.loader import NeighborLoader as PyGNeighborLoader
from torch_geometric.nn import GraphSAGE

from benchmarks.disk.process import peak_bytes
from benchmarks.drop_in.files import CLASSES, WIDTH, GraphFiles
from benchmarks.peers import PEERS, absence
from relhop.loader import NeighborLoader

HIDDEN, LAYERS = 64, 3


@dataclass(frozen=True)
class Shape:
    """Of a round: fanouts, seeds a batch, batches a pass, rounds."""

    num_neighbors: tuple[int, ...]
    batch_size: int
    num_batches: int
    rounds: int


@dataclass(frozen=True)
class Source:
    """A loader and its data.

    Args:
        name: The system.
        configuration: What is said of it.
        pool: The size of the buffer pool as a share of the features; 0: a store in memory, None: no store.
        num_workers: Worker processes of PyG's loader.
    """

    name: str
    configuration: str
    pool: float | None = None
    num_workers: int = 0


@dataclass(frozen=True)
class Epochs:
    """Seconds a batch of each round's three passes, and the peak of resident memory in bytes."""

    sampling: list[float]
    loading: list[float]
    training: list[float]
    peak: int


def operators() -> str | None:
    """Whose operators PyG's own loader runs on; None without any. Makes them known."""
    for name, peer in PEERS.items():
        if absence(name) is None:
            peer.load()
            if name == "torch-sparse":
                # The package itself would want torch-scatter beside it; the sampler does not.
                import torch_geometric.typing

                torch_geometric.typing.WITH_TORCH_SPARSE = True
            return name
    return None


def epochs(files: GraphFiles, source: Source, shape: Shape) -> Epochs:
    """What the loader takes; to be called in a process of its own, whose memory is measured."""
    make = _loaders(files, source, shape)
    torch.manual_seed(0)
    model = GraphSAGE(WIDTH, HIDDEN, LAYERS, CLASSES)
    optimizer = torch.optim.Adam(model.parameters())

    def train(batch: Data) -> None:
        optimizer.zero_grad()
        # torch-sparse counts nothing by hop, so that its layers are not trimmed.
        out = model(
            batch.x,
            batch.edge_index,
            num_sampled_nodes_per_hop=getattr(batch, "num_sampled_nodes", None),
            num_sampled_edges_per_hop=getattr(batch, "num_sampled_edges", None),
        )[: batch.batch_size]
        torch.nn.functional.cross_entropy(out, batch.y[: batch.batch_size].flatten()).backward()
        optimizer.step()

    passes: list[list[float]] = [[], [], []]
    for number in range(shape.rounds + 1):
        for part, (rows, work) in enumerate(((False, None), (True, None), (True, train))):
            seeds = files.seeds(3 * number + part, shape.batch_size, shape.num_batches)
            passes[part].append(_seconds(make(torch.from_numpy(seeds), rows), work))
    # The first round warms pools and allocators up.
    sampling, loading, training = (of_part[1:] for of_part in passes)
    return Epochs(sampling, loading, training, peak_bytes())


Make = Callable[[torch.Tensor, bool], Any]


def _loaders(files: GraphFiles, source: Source, shape: Shape) -> Make:
    """What makes a loader of some seeds, with attributes or without."""
    fanouts = list(shape.num_neighbors)
    size: dict[str, Any] = {"batch_size": shape.batch_size}
    if source.pool is not None:
        pool = {"buffer_pool_size": int(source.pool * files.feature_bytes)}
        store = files.open(**(pool if source.pool else {"memory": "ram"}))
        return lambda seeds, rows: NeighborLoader(
            store, fanouts, seeds, node_attrs=["x", "y"] if rows else [], **size
        )
    edge_index = torch.from_numpy(files.edge_index())
    bare = Data(edge_index=edge_index, num_nodes=files.num_nodes)
    full = Data(
        edge_index=edge_index, x=torch.from_numpy(files.array("x")), y=torch.from_numpy(files.array("y"))
    )
    kind = NeighborLoader
    if source.name != "relhop":
        kind = PyGNeighborLoader
        operators()
        if source.num_workers:
            # A process that was spawned would spawn its workers, too, which would know no operators.
            size |= {"num_workers": source.num_workers, "multiprocessing_context": "fork"}
    sampler = kind(full, fanouts).node_sampler
    return lambda seeds, rows: kind(full if rows else bare, fanouts, seeds, neighbor_sampler=sampler, **size)


def _seconds(loader: Any, work: Callable[[Data], None] | None) -> float:
    begin, batches = time.perf_counter(), 0
    for batch in loader:
        batches += 1
        if work is not None:
            work(batch)
    return (time.perf_counter() - begin) / batches
