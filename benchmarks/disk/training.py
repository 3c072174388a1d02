"""A three-layer GraphSAGE trained out of a pool: slowdown against all rows in memory, and the memory taken.

The floor of a step is the longer of two times: that of a step with all rows in memory, and that of the device
for what Belady's optimum does not have in a pool of that size (benchmarks/disk/device.py has the cost model).
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import policies
from benchmarks.disk.device import FAST_DRIVE, Device, floor
from benchmarks.disk.graph_rows import WIDTH, GraphFiles, stream
from benchmarks.disk.process import Process, alone, forget_peak, peak_bytes
from benchmarks.disk.relhop_rows import LOOK_AHEAD, in_memory, on_disk
from benchmarks.report import Row, row

RELHOP = "relhop"
HIDDEN, CLASSES = 64, 16
MEMORY = 1 << 30
"""Bytes of rows that a window of the floor may hold."""


@dataclass(frozen=True)
class Trained:
    """What some steps took.

    Attributes:
        seconds: Of each step, with waiting for its batch.
        waited: For its batch, of each.
        hit_rate: Of the pool, from when it was empty; 1 where all rows are in memory.
        rows_per_read: Rows that the pool did not have, for each read of the device.
        read_amplification: Bytes read for each byte of a row that the pool did not have.
    """

    seconds: list[float]
    waited: list[float]
    hit_rate: float = 1
    rows_per_read: float = 0
    read_amplification: float = 0


def training_rows(
    files: GraphFiles, warm: int, timed: int, shares: Iterable[float], device: Device
) -> Iterator[Row]:
    """Steps with each pool, and with all rows in memory."""
    with Process() as process:
        records = [files.records(rows) for rows in process.call(GraphFiles.trace, files, warm + timed)]
        in_ram = process.call(train, files, None, warm, timed, device)
    configuration = f"{files.case}, float32[{WIDTH}], SAGE with {HIDDEN} hidden"
    yield row(
        RELHOP, f"{configuration}, all in memory", "ms a step", [1e3 * value for value in in_ram.seconds]
    )
    for share in shares:
        with Process() as process:
            trained = process.call(train, files, share, warm, timed, device)
        missed = policies.misses("Belady", records, files.num_nodes, int(share * files.num_nodes))[warm:]
        least = {
            of.source: floor(missed, files.matrix.row_bytes, of, look_ahead=LOOK_AHEAD, memory=MEMORY) / timed
            for of in (device, FAST_DRIVE)
        }
        yield from lines(f"{configuration}, a pool of {share:.0%}", trained, _mean(in_ram.seconds), least)


def lines(configuration: str, trained: Trained, in_ram: float, least: dict[str, float]) -> list[Row]:
    """What a pool costs.

    Args:
        configuration: What was done.
        trained: With a pool.
        in_ram: Seconds of a step with all rows in memory.
        least: By the device's source, its seconds for the reads of a step, at the least.
    """
    floors = {source: max(1.0, seconds / in_ram) for source, seconds in least.items()}
    of_device = next(iter(floors.values()))
    slowdown = _mean(trained.seconds) / in_ram
    return [
        row(RELHOP, configuration, "ms a step", [1e3 * value for value in trained.seconds]),
        row(RELHOP, configuration, "ms waited for a batch", [1e3 * value for value in trained.waited]),
        row(RELHOP, configuration, "slowdown", [slowdown], ratio_to_limit=of_device / slowdown),
        *(
            row("floor", f"{configuration}, {source}", "slowdown", [value])
            for source, value in floors.items()
        ),
        row(RELHOP, configuration, "hit rate", [trained.hit_rate]),
        row(RELHOP, configuration, "rows a read", [trained.rows_per_read]),
        row(RELHOP, configuration, "bytes read a byte wanted", [trained.read_amplification]),
    ]


def train(files: GraphFiles, share: float | None, warm: int, timed: int, device: Device) -> Trained:
    """Steps over the first batches, of which `warm` are not timed; rows in memory or behind a pool."""
    import torch

    records = None
    if share is None:
        table = in_memory(files.matrix, mapped=False)[1]
    else:
        records, table = on_disk(files.matrix, int(share * files.matrix.num_bytes), device)
    torch.manual_seed(0)
    step = _stepper()
    ends, waited = [], []
    begin = time.perf_counter()
    for batch in stream(files, files.topology(), table, warm + timed):
        waited.append(time.perf_counter() - begin)
        step(batch)
        begin = time.perf_counter()
        ends.append(begin)
    seconds = np.diff(ends)[warm - 1 :].tolist()
    if records is None:
        return Trained(seconds, waited[warm:])
    done = records.stats()
    missed = max(done["records"], 1)
    return Trained(
        seconds,
        waited[warm:],
        hit_rate=1 - done["records"] / done["rows"],
        rows_per_read=missed / max(done["reads"], 1),
        read_amplification=done["bytes"] / (missed * files.matrix.row_bytes),
    )


def _stepper() -> Any:
    """What makes one step of training from a batch."""
    import torch
    from torch_geometric.nn import SAGEConv
    from torch_geometric.utils import trim_to_layer

    widths = (WIDTH, HIDDEN, HIDDEN, CLASSES)
    layers = torch.nn.ModuleList([SAGEConv(*ends) for ends in itertools.pairwise(widths)])
    optimizer = torch.optim.Adam(layers.parameters())

    def step(batch: dict[str, Any]) -> None:
        nodes, edges = batch["nodes"][0], batch["edges"][0]
        x = torch.from_numpy(batch["features"][0]["numerical"])
        edge_index = torch.from_numpy(np.stack([edges["source"], edges["target"]]))
        labels = torch.from_numpy(nodes["rows"][: nodes["num_per_hop"][0]] % CLASSES)
        for number, layer in enumerate(layers):
            x, edge_index, _ = trim_to_layer(
                number, list(nodes["num_per_hop"]), list(edges["num_per_hop"]), x, edge_index
            )
            x = layer(x if number == 0 else x.relu(), edge_index)
        loss = torch.nn.functional.cross_entropy(x[: len(labels)], labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def memory_rows(files: GraphFiles, count: int, shares: Iterable[float], device: Device) -> Iterator[Row]:
    """The most memory while batches come and go, beside what a pool of no bytes takes plus the pool."""
    constant = alone(peak_of_pass, files, 0, count, device)
    configuration = f"{files.case}, {count} batches"
    yield row(RELHOP, f"{configuration}, no pool: the constant", "peak RSS, MiB", [constant / 2**20])
    for share in shares:
        pool = int(share * files.matrix.num_bytes)
        peak = alone(peak_of_pass, files, pool, count, device)
        yield row(
            RELHOP,
            f"{configuration}, a pool of {share:.0%}, {pool >> 20} MiB",
            "peak RSS, MiB",
            [peak / 2**20],
            ratio_to_limit=(constant + pool) / peak,
        )


def peak_of_pass(files: GraphFiles, pool_bytes: int, count: int, device: Device) -> int:
    """Bytes, with the topology in memory."""
    topology, table = files.topology(), on_disk(files.matrix, pool_bytes, device)[1]
    forget_peak()
    for _ in stream(files, topology, table, count):
        pass
    return peak_bytes()


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
