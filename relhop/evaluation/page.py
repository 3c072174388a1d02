"""An evaluation as sections of an HTML page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from relhop.evaluation.bootstrap import LEVEL, RESAMPLES, is_smaller_better
from relhop.evaluation.evaluation import MODEL, Evaluation
from relhop.evaluation.pictures import MAX_BARS, draw_bars, draw_intervals, draw_over_time, draw_reliability
from relhop.metrics import HORIZON
from relhop.report import Report, draw_history, draw_schema
from relhop.times import format_time

_MOST_METRICS = 12
"""Of a forecast with many timeframes, the metrics by timeframe are left out of the table."""


def evaluation_page(evaluation: Evaluation) -> Report:
    """A whole page."""
    task = evaluation.described.task
    report = Report(f"{task.entity_table}: {task.task_type.replace('_', ' ')}")
    report.heading("Data").figure(
        draw_schema(evaluation.store),
        "Blue: tables with a time column. Arrows lead from a foreign key to its parent.",
    )
    return add_evaluation(report, evaluation)


def add_evaluation(report: Report, evaluation: Evaluation) -> Report:
    """Adds the sections of an evaluation to a page."""
    report.heading("Question and examples", 3).code(evaluation.table.explain())
    _add_plan(report, evaluation)
    _add_metrics(report, evaluation)
    _add_calibration(report, evaluation)
    _add_slices(report, evaluation)
    _add_importance(report, evaluation)
    _add_explanations(report, evaluation)
    return _add_limits(report, evaluation)


def _add_plan(report: Report, evaluation: Evaluation) -> None:
    report.heading("Model and training", 3)
    kind = "a module of the user's own" if evaluation.described.own_module else "the network of its plan"
    report.text(f"The model is {kind}.").folded("The plan", evaluation.described.plan.to_yaml())
    metric = evaluation.metric
    if evaluation.history and f"val_{metric}" in evaluation.history[0]:
        report.figure(
            draw_history(evaluation.history, metric),
            "The course of training; the dashed line marks the epoch that was kept.",
        )


def _add_metrics(report: Report, evaluation: Evaluation) -> None:
    metrics, metric = evaluation.metrics, evaluation.metric
    store = evaluation.store
    seen = "" if store.as_of_time is None else f" of a store as of {format_time(store.as_of_time)}"
    report.heading(f"How good: {evaluation.split} split{seen}", 3)
    names = list(dict.fromkeys(metrics["metric"]))
    if len(names) > _MOST_METRICS:
        names = [name for name in names if not name.split(HORIZON)[-1].isdigit()] or names[:_MOST_METRICS]
    whos = list(dict.fromkeys(metrics["name"]))
    told = {(row["metric"], row["name"]): _with_interval(row) for row in metrics.to_dict("records")}
    rows = [[name, *(told[name, who] for who in whos)] for name in names]
    report.table(["", *whos], rows)
    part = metrics[metrics["metric"] == metric]
    whole, better = float(part["value"].iloc[0]), "smaller" if is_smaller_better(metric) else "larger"
    report.figure(
        draw_intervals(part["name"].tolist(), part, metric, whole=whole),
        f"{metric}, of which {better} is better, with {LEVEL:.0%} intervals.",
    )
    if len(evaluation.baselines):
        best = min(evaluation.baselines.to_dict("records"), key=lambda row: row["worse_by"])
        report.text(
            f"The best baseline by {metric} is {best['name']}; it is worse than the model by"
            f" {best['worse_by']:.3f}{_interval(best)}, told by the same draws of both."
        )


def _add_calibration(report: Report, evaluation: Evaluation) -> None:
    found = evaluation.calibration
    if found is None:
        return
    report.heading("Calibration", 3).figure(
        draw_reliability(found, evaluation.described.task.task_type),
        f"What came, by {found.of}, in bins that hold equally many, with {LEVEL:.0%} intervals.",
    )
    report.table(("", "value"), [(name.replace("_", " "), value) for name, value in found.values.items()])


def _add_slices(report: Report, evaluation: Evaluation) -> None:
    metric = evaluation.metric
    report.heading("Over time and by slice", 3).figure(
        draw_over_time(evaluation.over_time, metric),
        f"{metric} by anchor time; neighboring times share a point where one alone has few examples.",
    )
    model = evaluation.metrics[
        (evaluation.metrics["name"] == MODEL) & (evaluation.metrics["metric"] == metric)
    ]
    for column, frame in evaluation.slices.items():
        part = frame[frame["metric"] == metric]
        names = [f"{row['slice']} (n = {row['examples']:,})" for row in part.to_dict("records")]
        report.figure(
            draw_intervals(names, part, metric, whole=float(model["value"].iloc[0])),
            f"By {column}; the dashed line is the whole split.",
        )


def _add_importance(report: Report, evaluation: Evaluation) -> None:
    found = evaluation.importance
    if found is None:
        return
    report.heading("What the model uses", 3)
    captions = {
        "column": "Columns: values permuted between the rows of their table.",
        "table": "Tables: rows permuted as wholes.",
        "aggregates": "Aggregates of the past, permuted between examples as wholes.",
        "step": "Steps: what lies there is not sampled.",
        "hop": "Hops: nothing from that hop on is sampled.",
    }
    for kind, caption in captions.items():
        part = found[found["kind"] == kind].head(MAX_BARS)
        if len(part):
            label = f"{evaluation.metric} becomes worse by"
            report.figure(draw_bars(part["name"].tolist(), part, label), caption)


def _add_explanations(report: Report, evaluation: Evaluation) -> None:
    if not evaluation.explanations:
        return
    report.heading("Three scores explained", 3)
    for name, explanation in evaluation.explanations.items():
        caption = (
            f"The {name}: {explanation.entity} at {format_time(explanation.anchor_time)},"
            f" {explanation.of} {explanation.score:.4g}; from its own row alone {explanation.alone:.4g}."
        )
        report.drawing(explanation.to_svg(), caption)
        parts = explanation.parts.to_dict("records")
        rows = [(part["step"], f"{part['rows']:,}", f"{part['influence']:+.4f}") for part in parts]
        report.table(("all rows found by", "rows", "influence together"), rows)
        report.folded("In words", str(explanation))


def _add_limits(report: Report, evaluation: Evaluation) -> Report:
    report.heading("Limits and notes", 3)
    limits = [
        f"Intervals hold {LEVEL:.0%} of {RESAMPLES:,} draws of entities, each with all its examples."
        " They tell nothing of the chance of training, nor of a future that differs from the past.",
    ]
    if evaluation.importance is not None:
        limits.append(
            "Importance is what this model uses: of two columns that say the same, each may be permuted at"
            " no loss."
        )
    if evaluation.explanations:
        limits.append(
            "Influence is the score minus the score without a row and what only it led to. Rows that say the"
            " same share it; it is no cause in the world."
        )
    for text in [*limits, *evaluation.notes]:
        report.text(text)
    return report


def _with_interval(row: Mapping[Any, Any]) -> str:
    return "–" if math.isnan(row["value"]) else f"{row['value']:.3f}{_interval(row)}"


def _interval(row: Mapping[Any, Any]) -> str:
    return "" if math.isnan(row["low"]) else f" ({row['low']:.3f}–{row['high']:.3f})"
