"""What compact numbers cost and save: Formula 1's driver-dnf, trained on a store of each precision.

Bytes a row are those of records, over all tables: keys, times and categories take the same in each. The
ratio to peer is to float32: how often its bytes hold these, or this AUROC to its AUROC.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import relhop as rh
from benchmarks.report import Row, parser, publish, row
from examples.f1.formula1 import QUESTIONS, TEST_START, graph
from relhop.store.precision import PRECISIONS, Precision

QUESTION = QUESTIONS["driver-dnf"]


def scores(store: rh.Store, seeds: int, out: Path) -> list[float]:
    """Test AUROC under the frozen protocol, by seed."""
    query = rh.PredictiveQuery(store, QUESTION.query)
    table = QUESTION.training_table(store)
    found = []
    for seed in range(seeds):
        plan = query.suggest_model_plan(store).with_overrides({"training_job.seed": seed})
        result = rh.Trainer(plan, out=out / str(seed)).fit(table, store, test_store=store.as_of(TEST_START))
        found.append(result.metrics["test"][QUESTION.metric])
    return found


def bytes_a_row(store: rh.Store) -> float:
    """Of records."""
    tables = store.tables.values()
    return sum(t.record_size * t.num_rows for t in tables) / sum(t.num_rows for t in tables)


def measure(folder: Path, precision: Precision, seeds: int) -> list[Row]:
    """Builds a store of one precision and trains on it."""
    store = graph().snapshot(folder / f"{precision}.rh", precision=precision, progress=False)
    tables = store.describe().tables
    beyond = sum(count for table in tables for count in table.out_of_range.values())
    numbers = sum(table.rows * len(table.out_of_range) for table in tables)
    return [
        row("relhop", precision, "bytes a row", [bytes_a_row(store)]),
        row("relhop", precision, "numbers out of range, of a million", [1e6 * beyond / numbers]),
        row("relhop", precision, "test AUROC", scores(store, seeds, folder / precision)),
    ]


def _ratio(line: Row, of_float32: float) -> float | None:
    if line.metric == "test AUROC":
        return line.median / of_float32
    return of_float32 / line.median if line.metric == "bytes a row" else None


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--seeds", type=int, default=3, help="models to train of each; one with --quick")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            line
            for precision in PRECISIONS
            for line in measure(Path(folder), precision, 1 if chosen.quick else chosen.seeds)
        ]
    peer = {line.metric: line.median for line in rows[:3]}
    rows = [replace(line, ratio_to_peer=_ratio(line, peer[line.metric])) for line in rows]
    publish("Precision of numerical features", rows, chosen.json)


if __name__ == "__main__":
    main()
