"""Recommends circuits, films, posts and airports: trains, judges beside baselines, writes rankings.

    python examples/ranking/demo.py [QUESTION ...] [--data FOLDER] [--seed N]

The circuits' data is part of relhop; of the others `--data` names the folder that holds `movielens`,
`travel_se` and `nycflights13`. Writes stores, models and rankings/*.parquet to
examples/ranking/out, and prints a table.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table as Grid

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

import relhop as rh
from examples.f1 import formula1
from examples.ranking.questions import QUESTIONS, Question

OUT = Path(__file__).parent / "out"
console = Console(width=None if sys.stdout.isatty() else 120)


def run(name: str, question: Question, data: Path, seed: int) -> rh.TrainingResult:
    """Trains one question, shows how good the model is, and ranks as of the newest data."""
    store = question.graph(data).snapshot(OUT / f"{name}.rh")
    query = rh.PredictiveQuery(store, question.query)
    table = question.training_table(store)
    console.print(f"\n[bold]{name}[/] · {question.words}")
    console.print(table.explain(), highlight=False, markup=False)
    plan = question.suggested_plan(store).with_overrides({"training_job.seed": seed})
    began = time.perf_counter()
    trainer = rh.Trainer(plan, out=OUT / "models" / name)
    seen = store.as_of(question.test_start) if question.frozen else store
    result = trainer.fit(table, store, test_store=seen)
    console.print(f"{time.perf_counter() - began:.0f} s")
    show(result)
    rankings = OUT / "rankings" / f"{name}.parquet"
    trainer.predict(query.generate_prediction_table(store), store).to_parquet(rankings)
    return result


def show(result: rh.TrainingResult) -> None:
    """Prints the metrics of the test split, the model's first."""
    test = {"relhop": result.metrics["test"], **result.baselines["test"]}
    grid = Grid("test", *result.metrics["test"])
    for name, metrics in test.items():
        grid.add_row(name, *(f"{value:.4f}" for value in metrics.values()))
    console.print(grid)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("questions", nargs="*", default=["circuits"], help=", ".join(QUESTIONS))
    parser.add_argument("--data", type=Path, help="the folder of the databases")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for name in arguments.questions:
        question = QUESTIONS[name]
        data = formula1.DATA if arguments.data is None else arguments.data / question.folder
        run(name, question, data, arguments.seed)


if __name__ == "__main__":
    main()
