"""How good the models are: each question of each data set, beside boosted trees, simple scores and what
others published.

    python -m benchmarks.quality --data FOLDER [--only f1] [--seeds 3] [--years-ago N] [--quick]
        [--json FILE]

FOLDER holds the data sets, a folder each; by default the environment variable RELHOP_DATA says which. Plans
are those that are suggested, but for the settings written beside each question, which were chosen on
validation alone. Trees are tried with each of TRIALS, and the best on validation is judged. Both learn under
the same delays, and where the plan says `refit`, both learn again from training and validation together. Test
is scored once, at the end.

With --years-ago each question is asked as it would have been so many years earlier, on what was known when
today's test begins: past questions by which settings can be chosen where validation is small.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import relhop as rh
from benchmarks.quality_data.question import Question
from benchmarks.report import digits, machine
from relhop.baselines import baseline_scores
from relhop.boosting import DRAWS, example_features, grown
from relhop.delays import Delay
from relhop.metrics import SMALLER_IS_BETTER, compute_metrics
from relhop.training_table import TaskType

DATA_SETS = ("f1", "travel", "flights", "oulad", "movielens", "citation")

TRIALS: tuple[dict[str, Any], ...] = tuple(
    {
        "num_leaves": leaves,
        "min_data_in_leaf": least,
        "feature_fraction": share,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "lambda_l2": 5.0,
        "rounds": rounds,
    }
    for leaves, least in ((4, 20), (15, 40), (31, 100))
    for share in (0.2, 0.6)
    for rounds in (60, 200)
)
"""Settings of LightGBM that are tried on validation."""


@dataclass(frozen=True)
class Line:
    """One system's answer to one question; `values` has one number a seed."""

    question: str
    metric: str
    system: str
    values: list[float]
    val: float | None = None


def lines_of(question: Question, store: rh.Store, seeds: int, folder: Path, quick: bool) -> Iterator[Line]:
    """All systems' answers."""
    table = question.table(store)
    splits = table.splits
    seen = {name: question.seen_by(name, store) for name in splits}
    query = rh.PredictiveQuery(store, question.query)
    plan = query.suggest_model_plan(store, table=table).with_overrides(question.plan)
    if quick:
        plan = plan.with_overrides({"optimization.max_epochs": 1, "optimization.max_steps_per_epoch": 5})

    def judged(scores: NDArray[np.float64], split: str = "test") -> float:
        target = splits[split].target
        assert target is not None
        return compute_metrics(table.task_type, np.array(scores), target).values[question.metric]

    def line(system: str, values: list[float], val: float | None = None) -> Line:
        return Line(question.name, question.metric, system, values, val)

    vals, tests, scores = [], [], []
    for seed in range(seeds):
        trainer = rh.Trainer(
            plan.with_overrides({"training_job.seed": seed}), out=folder / f"{seed}", progress=False
        )
        result = trainer.fit(table, store, val_store=seen["val"], test_store=seen["test"])
        vals.append(result.metrics["val"][question.metric])
        tests.append(result.metrics["test"][question.metric])
        scores.append(trainer.predict(splits["test"], seen["test"]).scores)
    yield line("relhop", tests, statistics.median(vals))
    if seeds > 1:
        yield line(f"relhop, mean score of {seeds} seeds", [judged(np.mean(scores, axis=0))])

    delay = plan.neighbor_sampling.resolve_delay(training=True)
    hidden = replace(table, withheld=plan.column_processing.unseen(table.withheld, store.schema))
    features = _features(hidden, seen, delay)
    best, settings = _tuned(table, features, question, quick)
    learnt = ("train", "val") if plan.training_job.refit else ("train",)
    trees = [
        _scores_of_trees(table, features, "test", learnt, {**settings, "seed": seed}) for seed in range(seeds)
    ]
    yield line("LightGBM on windowed aggregates", [judged(score) for score in trees], best)
    both = (np.mean(scores, axis=0) + np.mean(trees, axis=0)) / 2
    yield line("relhop and LightGBM, mean score", [judged(both)])

    for name, simple in question.simple.items():
        found = simple(features["asked_test"]).to_numpy(np.float64)
        if table.task_type == TaskType.binary:
            found = (found - found.min()) / (found.max() - found.min())
        yield line(name, [judged(found)])
    for name, score in baseline_scores(table.before("test"), splits["test"]).items():
        yield line(f"baseline: {name}", [judged(score)])
    for name, value in question.published.items():
        yield line(f"published: {name}", [value])
    if question.target is not None:
        yield line("target", [question.target])


def _features(table: rh.TrainingTable, seen: dict[str, rh.Store], delay: Delay) -> dict[str, pd.DataFrame]:
    """Aggregates of `train` and `val` to learn from, and of `asked_val` and `asked_test` to score.

    What is learnt from is there several times, where delays are drawn.
    """
    splits, found = table.splits, {}
    times = 1 if delay.is_fixed else DRAWS
    for name in ("train", "val"):
        part = splits[name]
        delays = np.concatenate([delay.draw(len(part), 0, n) for n in range(times)])
        found[name] = example_features([part] * times, seen["train"], delays, splits["train"])
    for name in ("val", "test"):
        part = splits[name]
        delays = delay.when_asked.draw(len(part), 0, 0)
        found[f"asked_{name}"] = example_features([part], seen[name], delays, splits["train"])
    kept = [c for c in found["train"] if all(c in frame for frame in found.values())]
    for column in found["train"][kept].select_dtypes("category"):
        known = found["train"][column].cat.categories
        for frame in found.values():
            frame[column] = frame[column].cat.set_categories(known)
    return {name: frame[kept] for name, frame in found.items()}


def _tuned(
    table: rh.TrainingTable, features: dict[str, pd.DataFrame], question: Question, quick: bool
) -> tuple[float, dict[str, Any]]:
    """The best of TRIALS on validation, and its settings."""
    target = table.splits["val"].target
    assert target is not None
    found = []
    for settings in TRIALS[:1] if quick else TRIALS:
        scores = _scores_of_trees(table, features, "val", ("train",), settings)
        found.append(compute_metrics(table.task_type, scores, target).values[question.metric])
    best = int((np.argmin if question.metric in SMALLER_IS_BETTER else np.argmax)(found))
    return found[best], TRIALS[best]


def _scores_of_trees(
    table: rh.TrainingTable,
    features: dict[str, pd.DataFrame],
    asked: str,
    learnt: tuple[str, ...],
    settings: dict[str, Any],
) -> NDArray[np.float64]:
    """Scores of the split `asked` by trees that were grown on the splits `learnt`."""
    labels = []
    for name in learnt:
        target = table.splits[name].target
        assert target is not None
        labels.append(np.tile(target, len(features[name]) // len(target)))
    given = {name: value for name, value in settings.items() if name != "rounds"}
    seen = pd.concat([features[name] for name in learnt], ignore_index=True)
    unseen = features[f"asked_{asked}"]
    scores = grown(table, seen, np.concatenate(labels), unseen, given, settings["rounds"])
    assert scores is not None
    return scores


def _citation(folder: Path, seeds: int, quick: bool) -> Iterator[Line]:
    from benchmarks.quality_data.citation import accuracies

    for name, values, target in accuracies(folder, seeds, quick):
        yield Line(name, "accuracy", "relhop, GCN", values)
        yield Line(name, "accuracy", "target", [target])


def run(
    names: Iterable[str], data: Path, seeds: int, quick: bool, years_ago: int | None = None
) -> Iterator[Line]:
    """All lines of some data sets, asked as so many years earlier."""
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            if name == "citation":
                yield from _citation(Path(folder), seeds, quick)
                continue
            module = importlib.import_module(f"benchmarks.quality_data.{name}")
            store = module.store(data, Path(folder))
            for number, question in enumerate(module.QUESTIONS):
                known, asked = store, question
                if years_ago is not None:
                    known, asked = store.as_of(question.split["test_start"]), question.years_ago(years_ago)
                yield from lines_of(asked, known, seeds, Path(folder) / f"{name}-{number}", quick)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("RELHOP_DATA"))
    parser.add_argument("--only", choices=DATA_SETS, help="one data set; default all")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--years-ago", type=int, help="ask as so many years earlier; needs --only")
    parser.add_argument("--quick", action="store_true", help="a few steps and one trial: to see that it runs")
    parser.add_argument("--json", type=Path, help="write the same numbers to this file")
    options = parser.parse_args()
    if options.data is None:
        parser.error("say where the data sets are: --data FOLDER, or RELHOP_DATA in the environment")
    if options.years_ago is not None and options.only in (None, "citation"):
        parser.error("--years-ago shifts the dates of one data set: say which, --only f1")
    facts = machine()
    print("## How good the models are\n\n" + " · ".join(f"{k} {v}" for k, v in facts.items()) + "\n")
    print("| question | metric | system | test, median | min–max | validation |")
    print("| --- | --- | --- | ---: | ---: | ---: |", flush=True)
    found = []
    names = (options.only,) if options.only else DATA_SETS
    for line in run(names, options.data, options.seeds, options.quick, options.years_ago):
        span = f"{digits(min(line.values))}–{digits(max(line.values))}" if len(line.values) > 1 else ""
        val = "" if line.val is None else f"{line.val:.3f}"
        median = f"{statistics.median(line.values):.3f}"
        print(f"| {line.question} | {line.metric} | {line.system} | {median} | {span} | {val} |", flush=True)
        found.append(line)
    if options.json is not None:
        options.json.write_text(
            json.dumps({"machine": facts, "rows": [vars(line) for line in found]}, indent=1)
        )


if __name__ == "__main__":
    main()
