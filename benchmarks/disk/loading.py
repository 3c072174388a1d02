"""Neighborhoods and their rows with everything in memory: relhop's pipeline beside PyTorch Geometric's way.

PyG's loader needs pyg-lib, or torch-sparse and torch-scatter. Where only torch-sparse is, its operator and an
index_select of the rows that it found are what the loader would call. Systems take turns, a process each.
"""

from __future__ import annotations

import time
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.cases import seeds
from benchmarks.disk.device import Device
from benchmarks.disk.graph_rows import GraphFiles, stream
from benchmarks.disk.matrix import drop_cached
from benchmarks.disk.process import Process, alone, peak_bytes
from benchmarks.disk.relhop_rows import in_memory, on_disk
from benchmarks.graphs import Graph, TableArrays, load
from benchmarks.peers import TorchGraph, TorchSparse, absence
from benchmarks.report import Row, row

RELHOP, PEER = "relhop", "torch-sparse and PyTorch"
QUOTED = {False: 0.732, True: 0.918}
"""Seconds a batch of PyG with pyg-lib on two cores, rows in memory and over a NumPy memmap, for QUOTED_CASE:
as relhop's issue 4 states them, not measured here."""
QUOTED_CASE = "10 M / 150 M, [12, 12, 12] × 1152"


def loading_rows(files: GraphFiles, data: Path, count: int, rounds: int) -> tuple[list[Row], list[str]]:
    """Milliseconds a batch, rows loaded and mapped; and what is absent."""
    missing = absence("torch-sparse")
    notes = [
        "pyg-lib, which PyG's loader uses, is not measured: its figures are quoted",
        *filter(None, [missing]),
    ]
    rows = []
    for mapped in (False, True):
        seconds: dict[str, list[float]] = {RELHOP: []}
        with Process() as ours, Process() as theirs:
            for _ in range(rounds):
                seconds[RELHOP].append(ours.call(relhop_seconds, files, mapped, count))
                if not missing:
                    seconds.setdefault(PEER, []).append(
                        theirs.call(peer_seconds, files, data, mapped, max(2, count // 4))
                    )
        rows += lines(
            f"{files.case}, rows {'mapped and warm' if mapped else 'loaded'}, 2 threads", mapped, seconds
        )
    return rows, notes


def lines(configuration: str, mapped: bool, seconds: dict[str, list[float]]) -> list[Row]:
    """A line a system; where the case is the quoted one, another that says so."""
    ours = median(seconds[RELHOP])
    rows = [
        row(
            system,
            configuration,
            "ms a batch",
            [1e3 * value for value in values],
            ratio_to_peer=median(seconds[PEER]) / ours if system == RELHOP and PEER in seconds else None,
        )
        for system, values in seconds.items()
    ]
    if configuration.startswith(QUOTED_CASE):
        quoted = QUOTED[mapped]
        rows += [
            row("PyG with pyg-lib (quoted, not measured)", configuration, "ms a batch", [1e3 * quoted]),
            row(
                RELHOP,
                configuration,
                "times as fast as PyG with pyg-lib (quoted)",
                [quoted / value for value in seconds[RELHOP]],
                ratio_to_peer=quoted / ours,
            ),
        ]
    return rows


def relhop_seconds(files: GraphFiles, mapped: bool, count: int) -> float:
    """Seconds a batch of one pass."""
    topology, table = _opened(files, mapped)
    begin = time.perf_counter()
    for _ in stream(files, topology, table, count):
        pass
    return (time.perf_counter() - begin) / count


@lru_cache(maxsize=1)
def _opened(files: GraphFiles, mapped: bool) -> tuple[Any, Any]:
    values, table = in_memory(files.matrix, mapped=mapped)
    values[:, 0].sum()  # all pages are there
    topology = files.topology()
    for number, batch in enumerate(stream(files, topology, table, 4)):
        if number == 0:
            files.matrix.check(batch["nodes"][0]["rows"], batch["features"][0]["numerical"])
    return topology, table


def peer_seconds(files: GraphFiles, data: Path, mapped: bool, count: int) -> float:
    """The same of torch-sparse's operator and an index into a tensor or a NumPy memmap."""
    import torch

    graph, values = _peer(files, data, mapped)
    offsets, neighbors = next(iter(graph.offsets.values())), next(iter(graph.neighbors.values()))
    table = Graph([TableArrays("nodes", files.num_nodes)], [])
    begin = time.perf_counter()
    for number in range(count):
        rows = torch.from_numpy(seeds(files.case, table, number).rows)
        found = torch.ops.torch_sparse.neighbor_sample(
            offsets, neighbors, rows, list(files.case.num_neighbors), False, True
        )
        _ = values[found[0].numpy()] if mapped else torch.index_select(values, 0, found[0])
    return (time.perf_counter() - begin) / count


@lru_cache(maxsize=1)
def _peer(files: GraphFiles, data: Path, mapped: bool) -> tuple[TorchGraph, Any]:
    import torch

    TorchSparse.load()
    torch.set_num_threads(2)
    matrix = files.matrix
    mapping = np.memmap(matrix.path, np.float32, "r", shape=(matrix.rows, matrix.width))
    mapping[:, 0].sum()
    return TorchGraph(load(files.case.graph, data)), mapping if mapped else torch.from_numpy(
        np.array(mapping)
    )


def first_rows(files: GraphFiles, pool_share: float, device: Device) -> list[Row]:
    """From opening files that nothing has cached to the first batch."""
    rows = []
    for title, share in ((f"rows on disk, a pool of {pool_share:.0%}", pool_share), ("rows mapped", None)):
        for path in (*(column[0] for column in files.columns), files.matrix.path):
            drop_cached(path)
        opened, first, peak = alone(first_batch, files, share, device)
        configuration = f"{files.case}, links loaded, {title}"
        rows += [
            row(RELHOP, configuration, "seconds to open", [opened]),
            row(RELHOP, configuration, "seconds to the first batch, with opening", [first]),
            row(RELHOP, configuration, "peak RSS, MiB", [peak / 2**20]),
        ]
    return rows


def first_batch(files: GraphFiles, pool_share: float | None, device: Device) -> tuple[float, float, int]:
    """Seconds until all is open and until the first batch is there; and the most memory."""
    begin = time.perf_counter()
    topology = files.topology()
    if pool_share is None:
        table = in_memory(files.matrix, mapped=True)[1]
    else:
        table = on_disk(files.matrix, int(pool_share * files.matrix.num_bytes), device)[1]
    opened = time.perf_counter() - begin
    for _ in stream(files, topology, table, 1):
        pass
    return opened, time.perf_counter() - begin, peak_bytes()
