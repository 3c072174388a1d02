"""A graph of papers100M's shape, synthetic: built out of core, opened and sampled, with the memory it takes.

    python -m benchmarks.large [--quick] [--folder FOLDER] [--json FILE]

111 M nodes and 1.6 G edges whose ends follow a power law, as in the Open Graph Benchmark's ogbn-papers100M
(Hu et al., NeurIPS 2020: 111,059,956 nodes, 1,615,685,872 edges). Needs 25 GB of disk; --quick takes a
hundredth of all. Every step is a process of its own, so that its memory is its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import Row, parser, publish, row
from relhop import _native

NODES, EDGES = 111_059_956, 1_615_685_872
FANOUTS, SEEDS, BATCHES = (12, 12, 12), 1152, 16
_PIECE = 1 << 24
_END = np.iinfo(np.int64).max


def make(folder: Path, num_nodes: int, num_edges: int) -> None:
    """Writes the ends of the edges, int32, piece by piece."""
    generator = np.random.default_rng(0)
    for name, prime in (("targets", 7_368_787), ("sources", 5_915_587_277)):
        with (folder / f"{name}.bin").open("wb") as file:
            for begin in range(0, num_edges, _PIECE):
                ranks = (num_nodes * generator.random(min(_PIECE, num_edges - begin)) ** 2.5).astype(np.int64)
                file.write((ranks * prime % num_nodes).astype(np.int32).data)


def build(folder: Path, num_nodes: int, memory_limit: int) -> dict[str, float]:
    """Sorts the edges into lists."""
    targets, sources = (np.memmap(folder / f"{name}.bin", np.int32, "r") for name in ("targets", "sources"))
    begin = time.perf_counter()
    built = _native.build_lists(
        targets,
        num_nodes,
        sources,
        num_nodes,
        None,
        _native.ListFiles(str(folder / "offsets.bin"), str(folder / "neighbors.bin")),
        sort_sources=True,
        memory_limit=memory_limit,
        num_threads=2,
        scratch_folder=str(folder),
    )
    seconds = time.perf_counter() - begin
    size = sum((folder / file).stat().st_size for file in ("offsets.bin", "neighbors.bin"))
    return {"edges/s": len(targets) / seconds, "bytes an edge": size / built.num_edges, **memory()}


def sample(folder: Path, num_nodes: int, num_edges: int) -> dict[str, float]:
    """Opens the lists and samples batches from them, on one thread and on two."""
    begin = time.perf_counter()
    offsets = packed(folder / "offsets.bin", num_nodes + 1, num_edges)
    neighbors = packed(folder / "neighbors.bin", num_edges, num_nodes)
    lists = _native.EdgeRows.lists("cites", 0, 0, offsets, neighbors)
    topology = _native.Topology([_native.TableRows("papers", num_nodes, None)], [lists])
    found = {"seconds to open": time.perf_counter() - begin}
    rules = [[_native.Rule(fanout, _native.Strategy.uniform)] for fanout in FANOUTS]
    seeds = np.random.default_rng(1).integers(0, num_nodes, (BATCHES + 2, SEEDS))
    tables, times = np.zeros(SEEDS, np.uint32), np.full(SEEDS, _END)

    def batch(number: int) -> int:
        options = _native.SampleOptions(rules, 0, number, [num_nodes], disjoint=False)
        return len(topology.sample(options, tables, seeds[number], times)["edges"][0]["source"])

    for threads in (1, 2):
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(batch, range(threads)))
            begin = time.perf_counter()
            edges = sum(pool.map(batch, range(2, BATCHES + 2)))
            found[f"edges/s, {threads} threads"] = edges / (time.perf_counter() - begin)
    return found | memory()


def packed(path: Path, size: int, count: int) -> _native.PackedRows:
    return _native.PackedRows(np.fromfile(path, np.uint8), size, _native.width_of(count))


def memory() -> dict[str, float]:
    """The most that this process had resident, mapped files with it and without (in MiB)."""
    status = dict(
        line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line
    )
    kib = {name: int(status[name].split()[0]) for name in ("VmHWM", "VmRSS", "RssFile")}
    return {
        "peak RSS, MiB": kib["VmHWM"] / 1024,
        "RSS at the end without mapped files, MiB": (kib["VmRSS"] - kib["RssFile"]) / 1024,
    }


def alone(work: Callable[..., Any], *arguments: Any) -> Any:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


def main() -> None:
    options = _options()
    shrink = 100 if options.quick else 1
    num_nodes, num_edges = NODES // shrink, EDGES // shrink
    configuration = f"{num_nodes:,} nodes, {num_edges:,} edges"
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        alone(make, folder, num_nodes, num_edges)
        rows = _rows("build", configuration, alone(build, folder, num_nodes, (6 << 30) // shrink))
        rows += _rows(
            "sample",
            f"{configuration}, {list(FANOUTS)} x {SEEDS}",
            alone(sample, folder, num_nodes, num_edges),
        )
    publish("A graph of papers100M's shape", rows, options.json)


def _rows(step: str, configuration: str, found: dict[str, float]) -> list[Row]:
    return [row("relhop", f"{step}, {configuration}", metric, [value]) for metric, value in found.items()]


def _options() -> argparse.Namespace:
    options = parser(__doc__)
    options.add_argument("--folder", type=Path, help="where 25 GB of scratch space are; default the system's")
    return options.parse_args()


if __name__ == "__main__":
    main()
