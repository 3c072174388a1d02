"""Sampling on power-law graphs, a relational one and Formula 1: relhop, its peers and the machine's limits.

    python -m benchmarks.sampling [--quick] [--data FOLDER] [--only TEXT] [--rounds N] [--json FILE]

Peers (pyg-lib, torch-sparse) are found, not required. Each runs as it comes and with the C library's huge
pages; the better one is what relhop is compared with. The limits: random loads, and a replay of relhop's own
samples. Rounds of all systems take turns. Two threads sample a batch each (a peer's are two processes with
one graph); "one batch split" is one batch over both.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.cases import FOREVER, Case, cases, seeds
from benchmarks.f1 import f1_rows
from benchmarks.graphs import load
from benchmarks.limits import dependent_load_ns, random_loads
from benchmarks.measure import HUGE_PAGES, LIMIT, Round, Worker, percentile
from benchmarks.native import Relhop
from benchmarks.peers import PEERS, absence
from benchmarks.report import Row, parser, publish, row

RELHOP = "relhop"
PEERS_SHARE = 4
"""Peers, which are slow, take one of so many batches; enough to overflow the caches."""

Systems = dict[str, Worker]


def main() -> None:
    options = _options()
    chosen = [case for case in cases(quick=options.quick) if options.only in str(case)]
    notes = [text for text in map(absence, PEERS) if text is not None]
    rows = _memory_rows(quick=options.quick)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        data = options.data or Path(folder)
        rows += _labor_rows(chosen, data)
        rows += _temporal_rows(chosen, data, options.rounds)
        systems = _systems(stack, data)
        for case in chosen:
            print(case, file=sys.stderr, flush=True)
            rows += measure(systems, case, 2 if options.quick else 16, options.rounds)
    if options.only in ("", "F1"):
        with tempfile.TemporaryDirectory() as folder:
            rows += f1_rows(Path(folder), options.rounds)
    publish("Sampling", rows, options.json, notes)


def measure(systems: Systems, case: Case, num_batches: int, rounds: int) -> list[Row]:
    """All systems at one case; the rows of those that do it."""
    rows = []
    modes = [(1, False), (2, False)] + [(2, True)] * case.disjoint
    for num_threads, split in modes:
        measured: dict[str, list[Round]] = {name: [] for name in systems if not split or name == RELHOP}
        for _ in range(rounds):
            for name, results in measured.items():
                batches = num_batches if name in (RELHOP, LIMIT) else max(2, num_batches // PEERS_SHARE)
                result = systems[name].round(case, batches, num_threads, split=split)
                if result is not None:
                    results.append(result)
        configuration = f"{case}, " + ("one batch split over 2" if split else f"{num_threads}") + " thread"
        rows += _rows({k: v for k, v in measured.items() if v}, configuration + "s" * (num_threads > 1))
    return rows


def _rows(measured: dict[str, list[Round]], configuration: str) -> list[Row]:
    """Each system's metrics; relhop's beside the best peer's and the limit's."""
    values = {name: _metrics(rounds) for name, rounds in measured.items()}
    peers = [name for name in values if name not in (RELHOP, LIMIT)]
    best = max(peers, key=lambda name: statistics.median(values[name]["edges/s"]), default=None)
    rows = []
    for name, metrics in values.items():
        for metric, of_rounds in metrics.items():
            line = row(name, configuration, metric, of_rounds)
            if name == RELHOP and best is not None:
                line = replace(line, ratio_to_peer=_ratio(line.median, values[best][metric], metric))
            if name != LIMIT and LIMIT in values and metric in values[LIMIT]:
                line = replace(line, ratio_to_limit=_ratio(line.median, values[LIMIT][metric], metric))
            rows.append(line)
    return rows


def _metrics(rounds: list[Round]) -> dict[str, list[float]]:
    metrics = {
        "seeds/s": [r.seeds / r.seconds for r in rounds],
        "edges/s": [r.edges / r.seconds for r in rounds],
        "ns/edge": [r.seconds / r.edges * 1e9 for r in rounds],
    }
    if all(r.batches for r in rounds):
        metrics["batch p50, ms"] = [percentile(r.batches, 50) * 1e3 for r in rounds]
        metrics["batch p99, ms"] = [percentile(r.batches, 99) * 1e3 for r in rounds]
        metrics["peak RSS, MiB"] = [r.peak_bytes / 2**20 for r in rounds]
    return metrics


def _ratio(median: float, other: list[float], metric: str) -> float:
    ratio = median / statistics.median(other)
    return ratio if metric.endswith("/s") else 1 / ratio


def _temporal_rows(chosen: list[Case], data: Path, rounds: int) -> list[Row]:
    """What time costs: seconds of a sample as of just before the newest row, beside those of all rows.

    Both find the same neighborhoods but for that row; only the first has to look where the past ends, in the
    times and in every list.
    """
    rows = []
    for case in chosen:
        if not case.timed:
            continue
        graph = load(case.graph, data)
        relhop = Relhop(graph)
        newest = max(int(table.times[-1]) for table in graph.tables if table.times is not None)
        seconds: dict[int, list[float]] = {newest - 1: [], FOREVER: []}
        for number in range(16 * rounds):
            drawn = seeds(case, graph, number)
            for anchor, measured in seconds.items():
                times = np.full(len(drawn.rows), anchor)
                begin = time.perf_counter()
                relhop.sample(case, replace(drawn, times=times), number)
                measured.append(time.perf_counter() - begin)
        ratios = [timed / static for timed, static in zip(*seconds.values(), strict=True)]
        rows.append(row(RELHOP, f"{case}, 1 thread", "seconds, temporal : static, same sample", ratios))
    return rows


def _labor_rows(chosen: list[Case], data: Path) -> list[Row]:
    """How many different nodes `labor` finds, as a share of those of `uniform`, at as many edges."""
    rows = []
    for case in chosen:
        if case.disjoint:
            continue
        graph = load(case.graph, data)
        relhop, drawn = Relhop(graph), seeds(case, graph, 0)
        found = [
            len(relhop.sample(replace(case, strategy=strategy), drawn, 0)["nodes"][0]["rows"])
            for strategy in ("labor", "uniform")
        ]
        rows.append(row(RELHOP, str(case), "different nodes, labor : uniform", [found[0] / found[1]]))
    return rows


def _memory_rows(*, quick: bool) -> list[Row]:
    num_bytes, loads = (1 << 26, 1 << 20) if quick else (1 << 30, 1 << 24)
    rows = []
    for huge in (True, False):
        pages = f"{num_bytes >> 20} MiB on {'huge' if huge else '4 KiB'} pages"
        for threads in (1, 2):
            rates = random_loads(num_bytes, loads, threads, huge=huge)
            rows.append(
                row("memory", f"{pages}, {threads} thread{'s' * (threads > 1)}", "random loads/s", rates)
            )
        rows.append(
            row(
                "memory",
                f"{pages}, 1 thread",
                "ns/dependent load",
                dependent_load_ns(num_bytes, loads >> 3, huge=huge),
            )
        )
    return rows


def _systems(stack: ExitStack, data: Path) -> Systems:
    found = [name for name in PEERS if absence(name) is None]
    starts: dict[str, tuple[str, dict[str, str]]] = {RELHOP: (RELHOP, {}), LIMIT: (LIMIT, {})}
    for name in found:
        starts[name] = (name, {})
        starts[f"{name}, huge pages"] = (name, HUGE_PAGES)
    return {
        title: stack.enter_context(Worker(name, data, variables))
        for title, (name, variables) in starts.items()
    }


def _options() -> argparse.Namespace:
    options = parser(__doc__)
    options.add_argument("--data", type=Path, help="keeps the graphs in this folder for the next run")
    options.add_argument("--only", default="", help="only the cases whose name has this text, or F1")
    options.add_argument("--rounds", type=int, help="rounds of batches a system and case; default 7, quick 2")
    result = options.parse_args()
    result.rounds = result.rounds or (2 if result.quick else 7)
    return result


if __name__ == "__main__":
    main()
