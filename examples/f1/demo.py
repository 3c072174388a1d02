"""Seventy-five years of Formula 1, from raw CSV to scores: builds the store, asks three questions, trains,
predicts, reports.

    python examples/f1/demo.py [--seeds N]

Writes to examples/f1/out: f1.rh (the store), models/, predictions/*.parquet, report.html and metrics.json.
With several seeds, metrics are medians and the models are those of the median's seed; three seeds give the
numbers of the README.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as Grid

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

import relhop as rh
from examples.f1.formula1 import QUESTIONS, TEST_START, Question, graph
from relhop.evaluation.page import add_evaluation
from relhop.report import Report, draw_schema

OUT = Path(__file__).parent / "out"
JUDGED_EXAMPLES = 250  # of which the importance of columns, tables, steps and hops is measured
console = Console(width=None if sys.stdout.isatty() else 120)


def run(name: str, question: Question, store: rh.Store, seeds: int, report: Report) -> dict[str, Any]:
    """Trains one question with each seed; returns what metrics.json holds of it."""
    query = rh.PredictiveQuery(store, question.query)
    table = question.training_table(store)
    splits = table.splits
    counts = tuple(len(split) for split in splits.values())
    assert counts == question.label_rows, (
        f"{name}: {counts} label rows, the benchmark has {question.label_rows}"
    )
    frozen = store.as_of(TEST_START)
    metric, runs = question.metric, []
    for seed in range(seeds):
        console.print(f"\n[bold]{name}[/] · {question.words} (seed {seed})")
        # Aggregates that were up to date in training mislead where data is years old, as in the frozen test.
        # The test begins where validation ends, by when its labels are known.
        chosen = {
            "training_job.seed": seed,
            "training_job.refit": True,
            "column_processing.aggregates": False,
        }
        plan = query.suggest_model_plan(store).with_overrides(chosen)
        trainer = rh.Trainer(plan, out=OUT / "models" / f"{name}-{seed}")
        result = trainer.fit(table, store, test_store=frozen)
        runs.append((result.metrics["test"][metric], trainer.evaluate(splits["test"], store)[metric], result))
    score = statistics.median(run[0] for run in runs)
    rolling = statistics.median(run[1] for run in runs)
    result = min(runs, key=lambda run: abs(run[0] - score))[2]
    baselines = {baseline: values[metric] for baseline, values in result.baselines["test"].items()}

    trainer = rh.Trainer.load(result.path)
    predictions = OUT / "predictions" / f"{name}.parquet"
    trainer.predict(query.generate_prediction_table(store), store).to_parquet(predictions)

    report.heading(f"{name}: {question.words}").code(question.query)
    report.table(
        ("", f"test {metric}, frozen"), _ranking(question, score, rolling, baselines), emphasized=(0,)
    )
    judged = rh.evaluate(trainer, table, frozen, max_examples=JUDGED_EXAMPLES)
    add_evaluation(report, judged)
    return {
        metric: score,
        f"{metric}_rolling": rolling,
        "baselines": baselines,
        "published": question.published,
    }


def _ranking(
    question: Question, score: float, rolling: float, baselines: dict[str, float]
) -> list[tuple[str, float]]:
    """The model first, then baselines and published figures, best first."""
    others = [(f"baseline: {name}", value) for name, value in baselines.items()]
    others += [(f"published: {name}", value) for name, value in question.published.items()]
    others.sort(key=lambda row: row[1], reverse=question.metric == "auroc")
    return [("relhop", score), ("relhop, rolling protocol", rolling), *others]


def show(metrics: dict[str, Any]) -> None:
    """Prints the table of results."""
    grid = Grid(
        "question", "metric", "relhop", "rolling", "best baseline", "GraphSAGE, published", "best published"
    )
    for name, values in metrics.items():
        question = QUESTIONS[name]
        best = max if question.metric == "auroc" else min
        baselines = values["baselines"]
        leader = best(baselines, key=baselines.__getitem__)
        champion = best(question.published, key=question.published.__getitem__)
        grid.add_row(
            name,
            question.metric,
            f"[bold]{values[question.metric]:.3f}",
            f"{values[question.metric + '_rolling']:.3f}",
            f"{baselines[leader]:.3f} ({leader})",
            f"{question.published['GraphSAGE']:.3f}",
            f"{question.published[champion]:.3f} ({champion})",
        )
    console.print(grid)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1, help="train each question with so many random seeds")
    seeds = parser.parse_args().seeds
    began = time.perf_counter()
    store = graph().snapshot(OUT / "f1.rh")
    console.print(store)
    report = Report("Formula 1, 1950-2025: three questions")
    report.text(
        "Trained before 2005, validated to 2010, tested from 2010. Frozen: test examples see nothing after"
        " 2010-01-01, as in the benchmark. Rolling: each sees all up to its anchor time, as in production."
    )
    report.heading("The tables").figure(
        draw_schema(store), "Blue: tables with a time column. Arrows lead from a foreign key to its parent."
    )
    metrics = {name: run(name, question, store, seeds, report) for name, question in QUESTIONS.items()}
    (OUT / "metrics.json").write_text(json.dumps(metrics, indent=1))
    page = report.write(OUT / "report.html")
    show(metrics)
    console.print(f"{time.perf_counter() - began:.0f} s; see {page}")


if __name__ == "__main__":
    main()
