"""Whether what is said to happen in 30 % of the cases does.

Of probabilities: the reliability table, the expected calibration error (Naeini et al. 2015; of classes that
of the likeliest one, Guo et al. 2017, arXiv 1706.04599) and the Brier score with its decomposition (Murphy
1973). Of predicted values: what came, by what was predicted, and the bias. It measures only: nothing is
recalibrated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from relhop.errors import TrainingError
from relhop.evaluation.bootstrap import LEVEL, MIN_ENTITIES, RESAMPLES, Draws, interval
from relhop.evaluation.scored import Scored
from relhop.training_table import TaskType

BINS = 10


@dataclass(frozen=True, eq=False)
class Calibration:
    """How well scores agree with what came.

    Attributes:
        of: What `predicted` is, in words.
        table: A row a bin: `examples`, `predicted` and `came` (means), `low` and `high` (the interval of
            `came`).
        values: Of probabilities `ece`, `brier` and its parts, brier = `reliability` - `resolution` +
            `uncertainty` + `within_bins`; of predicted values `bias`, the mean of predicted - came.
    """

    of: str
    table: pd.DataFrame
    values: dict[str, float]


def calibration(
    scored: Scored,
    *,
    bins: int = BINS,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> Calibration:
    """The calibration of scores in bins that hold equally many, but for equal scores, which share one.

    Args:
        scored: Of any task but a ranking. Of a multilabel task or a forecast each column counts as an
            example.
        bins: How many, at most.
        resamples: Draws of entities for the intervals.
        level: The share of draws that an interval holds.
        seed: Key of the draws.

    Raises:
        TrainingError: If there are no examples, or they are rankings.
    """
    if scored.task_type == TaskType.link_prediction:
        raise TrainingError("scores of a ranking are no probabilities, so they have no calibration")
    if not len(scored):
        raise TrainingError("there are no examples to measure the calibration of")
    said, came, entities, words = _pairs(scored)
    index = _bins(said, bins)
    counts = np.bincount(index)
    predicted, happened = (np.bincount(index, values) / counts for values in (said, came))
    low, high = _intervals(came, index, Draws(entities, resamples, seed), level)
    table = pd.DataFrame(
        {"examples": counts, "predicted": predicted, "came": happened, "low": low, "high": high}
    )
    if scored.task_type in (TaskType.regression, TaskType.forecasting):
        return Calibration(words, table, {"bias": float((said - came).mean())})
    shares = counts / counts.sum()
    values = {"ece": float(shares @ np.abs(predicted - happened))}
    values |= _brier(said, came, index, shares)
    if scored.task_type == TaskType.multiclass:
        values["brier_all_classes"] = _brier_of_classes(scored)
    return Calibration(words, table, values)


def _pairs(
    scored: Scored,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], str]:
    """What was said [m], what came [m], of which entity [m], and what is said, in words."""
    scores, target = np.asarray(scored.scores, np.float64), np.asarray(scored.target)
    if scored.task_type == TaskType.multiclass:
        likeliest = scores.argmax(axis=1)
        said = scores[np.arange(len(scores)), likeliest]
        return (
            said,
            (likeliest == target).astype(np.float64),
            scored.entities,
            "probability of the likeliest class",
        )
    columns = scores[:, None] if scores.ndim == 1 else scores
    came = target.reshape(columns.shape).astype(np.float64)
    entities = np.repeat(scored.entities, columns.shape[1])
    words = {
        TaskType.binary: "probability",
        TaskType.multilabel: "probability of each class",
    }.get(scored.task_type, "predicted value")
    return columns.ravel(), came.ravel(), entities, words


def _bins(said: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    """Which of at most so many bins each is in, numbered without gaps; equal values share one."""
    edges = np.unique(np.quantile(said, np.linspace(0, 1, bins + 1)[1:-1], method="inverted_cdf"))
    return np.unique(np.searchsorted(edges, said, side="left"), return_inverse=True)[1]


def _intervals(
    came: NDArray[np.float64], index: NDArray[np.int64], draws: Draws, level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The ends of the interval of the mean of what came, by bin."""
    count = int(index.max()) + 1
    ends = np.full((2, count), np.nan)
    if len(np.unique(draws.entities)) >= MIN_ENTITIES:
        inside = np.eye(count)[index]
        parts = []
        for weights in draws.weights():
            examples, happened = weights @ inside, weights @ (inside * came[:, None])
            parts.append(
                np.divide(happened, examples, out=np.full(happened.shape, np.nan), where=examples > 0)
            )
        means = np.concatenate(parts)
        ends = np.array([interval(column, level) for column in means.T]).T
    return ends[0], ends[1]


def _brier(
    said: NDArray[np.float64],
    came: NDArray[np.float64],
    index: NDArray[np.int64],
    shares: NDArray[np.float64],
) -> dict[str, float]:
    """The Brier score and its parts.

    Murphy's three parts are those of forecasts that are equal within a bin; what their differences add is
    `within_bins` (Stephenson, Coelho and Jolliffe 2008), so that the sum is exact.
    """
    counts = np.bincount(index)
    predicted, happened = (np.bincount(index, values) / counts for values in (said, came))
    base = float(came.mean())
    brier = float(((said - came) ** 2).mean())
    parts = {
        "reliability": float(shares @ (predicted - happened) ** 2),
        "resolution": float(shares @ (happened - base) ** 2),
        "uncertainty": float(((came - base) ** 2).mean()),
    }
    rest = brier - (parts["reliability"] - parts["resolution"] + parts["uncertainty"])
    return {"brier": brier, **parts, "within_bins": rest}


def _brier_of_classes(scored: Scored) -> float:
    """The mean over examples of the sum over classes of (probability - 1 or 0) squared: from 0 to 2."""
    scores = np.asarray(scored.scores, np.float64)
    truth: NDArray[Any] = np.eye(scores.shape[1])[np.asarray(scored.target).astype(np.int64)]
    return float(((scores - truth) ** 2).sum(axis=1).mean())
