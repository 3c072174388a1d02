"""What came out of a training: of one run, of its judgement, of a search."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from relhop.checkpoint import Description


@dataclass(frozen=True)
class Experiment:
    """One combination of candidates that was tried.

    Attributes:
        number: From 1, in the order of trial; the first is the plan's own values.
        settings: Dotted name -> value, of the settings that are searched; as in YAML.
        state: `finished`, `pruned` (given up, for the others were better) or `failed`.
        metric: The best validation metric; `None` if there is none.
        epochs: How many it was trained for.
        best_epoch: The one with the best metric, from 1; 0 if there is none.
        seconds: How long it took.
        error: Why it failed.
    """

    number: int
    settings: dict[str, Any]
    state: Literal["finished", "pruned", "failed"]
    metric: float | None
    epochs: int
    best_epoch: int
    seconds: float
    error: str | None = None


@dataclass(frozen=True)
class TrainingResult:
    """What came out of a training run.

    Attributes:
        path: The model's folder, for `Trainer.load`.
        metric: The one by which the best epoch was chosen.
        metrics: Of the model: split (`val`, `test`) -> metric -> value; NaN where the split cannot tell it.
        baselines: Split -> baseline -> metric -> value. Fitted on the labels of all earlier splits.
        history: Per epoch the losses and the validation metrics; see `relhop.history.History`.
        notes: Why some metric is unknown, or another one was tuned.
        experiments: What a search tried; empty if there was none.
    """

    path: Path
    metric: str
    metrics: dict[str, dict[str, float]]
    baselines: dict[str, dict[str, dict[str, float]]]
    history: list[dict[str, float]]
    notes: list[str] = field(default_factory=list)
    experiments: list[Experiment] = field(default_factory=list)


@dataclass(frozen=True)
class Run:
    """A training that is over and not judged.

    Attributes:
        described: What was trained.
        folder: Its description, weights and logs.
        metric: The one by which the best epoch was chosen.
        history: See `TrainingResult`.
        notes: See `TrainingResult`.
    """

    described: Description
    folder: Path
    metric: str
    history: list[dict[str, float]]
    notes: list[str]


@dataclass(frozen=True)
class Judgement:
    """Metrics on one split: of the model by name, of each baseline by name."""

    metrics: dict[str, float]
    baselines: dict[str, dict[str, float]]
