"""PyTorch Geometric's loaders and relhop's: training of a GraphSAGE, and ingest.

    python -m benchmarks.pyg [--quick] [--data FOLDER] [--only SECTION] [--rounds N] [--json FILE]

- ingest: seconds from npy and CSV to a store, beside Kùzu's COPY.
- epochs: ms a batch, with training and without; the shares of sampling, rows and training (as defined in
  benchmarks/drop_in/epochs.py); peak resident memory. Of PyG's loader in memory, of relhop's in memory, from
  a store in memory, and with a buffer pool of 100, 50, 25 and 10 % of the features. Each in a process of its
  own. An epoch of the whole graph is 868 batches.

The graph has 1 M nodes, 10 M edges that follow a power law, float32[128] and a label a node; the model three
layers, fanouts 12, 12, 12 and 1,152 seeds a batch. Peers (Kùzu; pyg-lib, else torch-sparse, for PyG's loader)
are found, not required.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.disk.process import alone
from benchmarks.drop_in.epochs import Epochs, Shape, Source, epochs, operators
from benchmarks.drop_in.files import WIDTH, GraphFiles
from benchmarks.drop_in.ingest import ingest_rows
from benchmarks.report import Row, parser, publish, row

SECTIONS = ("ingest", "epochs")
SHARES = (1.0, 0.5, 0.25, 0.1)
RELHOP = "relhop"
SOURCES = [
    Source(RELHOP, "data in memory"),
    Source(RELHOP, "store in memory", 0),
    *(Source(RELHOP, f"pool of {share:.0%} of the features", share) for share in SHARES),
]


def main() -> None:
    options = _options()
    shape = Shape((4, 4, 4), 32, 4, 1) if options.quick else Shape((12, 12, 12), 1152, 16, options.rounds)
    rows: list[Row] = []
    notes: list[str] = []
    with tempfile.TemporaryDirectory(dir="/var/tmp") as scratch:
        files = GraphFiles("small" if options.quick else "1 M / 10 M", options.data or Path(scratch))
        alone(files.prepare)
        if "ingest" in options.only:
            rows, notes = ingest_rows(files, options.rounds)
        elif not files.store.exists():
            alone(files.build)
        if "epochs" in options.only:
            measured = {}
            for source in [*_peers(notes), *SOURCES]:
                print(source, file=sys.stderr, flush=True)
                measured[source] = alone(epochs, files, source, shape)
            rows += epoch_rows(measured, files, shape)
    publish("PyTorch Geometric", rows, options.json, notes)


def epoch_rows(measured: dict[Source, Epochs], files: GraphFiles, shape: Shape) -> list[Row]:
    """Each system's metrics; relhop's time beside that of PyG's faster loader."""
    peers = [found for source, found in measured.items() if source.name != RELHOP]
    case = (
        f"{files.graph}, float32[{WIDTH}], {list(shape.num_neighbors)} × {shape.batch_size},"
        f" {shape.num_batches} batches"
    )
    rows = []
    for source, found in measured.items():
        configuration = f"{source.configuration}; {case}"
        for metric, seconds in {
            "ms a batch": lambda e: e.training,
            "ms a batch without training": lambda e: e.loading,
        }.items():
            ratio = None
            if source.name == RELHOP and peers:
                best = min(statistics.median(seconds(peer)) for peer in peers)
                ratio = best / statistics.median(seconds(found))
            times = [1e3 * value for value in seconds(found)]
            rows.append(row(source.name, configuration, metric, times, ratio_to_peer=ratio))
        for part, shares in shares_of(found).items():
            rows.append(row(source.name, configuration, f"share of {part}, %", shares))
        if source.num_workers == 0:
            rows.append(row(source.name, configuration, "peak RSS, MiB", [found.peak / 2**20]))
    return rows


def shares_of(found: Epochs) -> dict[str, list[float]]:
    """Percent of a batch's time that each part takes, by round."""
    shares: dict[str, list[float]] = {"sampling": [], "rows": [], "training": []}
    for sampling, loading, training in zip(found.sampling, found.loading, found.training, strict=True):
        begin, middle = min(sampling, training), min(max(loading, sampling), training)
        for part, seconds in zip(shares, (begin, middle - begin, training - middle), strict=True):
            shares[part].append(100 * seconds / training)
    return shares


def _peers(notes: list[str]) -> list[Source]:
    """PyG's loader as it comes, and with workers."""
    below = operators()
    if below is None:
        notes.append("PyG's own NeighborLoader needs pyg-lib or torch-sparse, and neither is here")
        return []
    if below != "pyg-lib":
        notes.append(f"pyg-lib is absent; PyG's own NeighborLoader runs on {below}")
    name = f"PyG with {below}"
    return [
        Source(name, "data in memory"),
        Source(name, "data in memory, two workers", num_workers=2),
    ]


def _options() -> argparse.Namespace:
    options = parser(__doc__)
    options.add_argument("--data", type=Path, help="keeps the graph and its store in this folder")
    options.add_argument("--only", choices=SECTIONS, help="one section; default both")
    options.add_argument("--rounds", type=int, help="rounds a system; default 5, quick 1")
    result = options.parse_args()
    result.rounds = result.rounds or (1 if result.quick else 5)
    result.only = (result.only,) if result.only else SECTIONS
    return result


if __name__ == "__main__":
    main()
