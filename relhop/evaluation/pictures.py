"""Pictures of an evaluation, by matplotlib."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from relhop.evaluation.calibration import Calibration
from relhop.report import BLUE, GREY, ORANGE, tidy
from relhop.training_table import TaskType

MAX_BARS = 15
"""Of more columns, the most important ones are drawn."""


def draw_intervals(
    names: Sequence[str], frame: pd.DataFrame, label: str, *, whole: float | None = None
) -> Figure:
    """A value and its interval for each name, one below the other.

    Args:
        names: What each row of the frame is of.
        frame: `value`, `low` and `high`.
        label: What the values are.
        whole: A value to compare with, as a dashed line.
    """
    figure = Figure(figsize=(6.5, 0.6 + 0.3 * max(2, len(names))))
    axes = figure.add_subplot()
    place = np.arange(len(names))[::-1]
    if whole is not None:
        axes.axvline(whole, color=GREY, linewidth=0.8, linestyle="--")
    axes.hlines(place, frame["low"], frame["high"], color=BLUE, linewidth=1.6, alpha=0.5)
    axes.plot(frame["value"], place, "o", color=BLUE, markersize=5)
    axes.set_yticks(place, names, fontsize=8)
    axes.set(xlabel=label, ylim=(-0.6, len(names) - 0.4))
    tidy(axes)
    return figure


def draw_bars(names: Sequence[str], frame: pd.DataFrame, label: str) -> Figure:
    """A bar with its interval for each name: `worse_by`, `low`, `high`."""
    figure = Figure(figsize=(6.5, 0.6 + 0.24 * max(2, len(names))))
    axes = figure.add_subplot()
    place = np.arange(len(names))[::-1]
    axes.barh(place, frame["worse_by"], color=BLUE, alpha=0.75, height=0.7)
    axes.hlines(place, frame["low"], frame["high"], color="#222222", linewidth=1)
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set_yticks(place, names, fontsize=8)
    axes.set(xlabel=label, ylim=(-0.6, len(names) - 0.4))
    tidy(axes)
    return figure


def draw_over_time(frame: pd.DataFrame, metric: str) -> Figure:
    """A metric and its interval by anchor time, above the number of examples.

    Args:
        frame: See `relhop.evaluation.slices.over_time`.
        metric: Which one.
    """
    part = frame[frame["metric"] == metric]
    figure = Figure(figsize=(8, 3.2))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    middle = part["first"] + (part["last"] - part["first"]) / 2
    above.vlines(middle, part["low"], part["high"], color=BLUE, linewidth=1.6, alpha=0.5)
    above.plot(middle, part["value"], color=BLUE, marker="o", markersize=4, linewidth=0.8)
    above.set(ylabel=metric)
    below.vlines(middle, 0, part["examples"], color=GREY, linewidth=6)
    below.set(ylabel="examples", ylim=(0, None))
    for axes in (above, below):
        tidy(axes)
    figure.autofmt_xdate(rotation=0, ha="center")
    return figure


def draw_reliability(found: Calibration, task_type: TaskType) -> Figure:
    """What came by what was said, in bins with their intervals, beside the diagonal."""
    figure = Figure(figsize=(3.8, 3.5))
    axes = figure.add_subplot()
    table = found.table
    known = table[["predicted", "came"]].to_numpy()
    values = task_type in (TaskType.regression, TaskType.forecasting)
    low, high = (float(known.min()), float(known.max())) if values else (0.0, 1.0)
    axes.plot([low, high], [low, high], color=GREY, linewidth=0.8, linestyle="--")
    axes.vlines(table["predicted"], table["low"], table["high"], color=ORANGE, linewidth=1.6, alpha=0.5)
    axes.plot(table["predicted"], table["came"], color=ORANGE, marker="o", markersize=4, linewidth=0.8)
    axes.set(xlabel=found.of, ylabel="mean of what came" if values else "share that happened")
    tidy(axes)
    return figure
