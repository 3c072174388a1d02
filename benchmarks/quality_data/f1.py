"""Formula 1: the three questions of `examples.f1`, under the frozen protocol.

Test anchors lie up to forty windows beyond 2010-01-01 and see nothing later. So training examples are delayed
by as much, and validation anchors see nothing after 2005-01-01.
"""

from __future__ import annotations

from pathlib import Path

import relhop as rh
from benchmarks.quality_data.question import Question
from examples.f1 import formula1

_WINDOW_DAYS = {"driver-dnf": 30, "driver-top3": 30, "driver-position": 60}
_TARGETS = {"driver-dnf": 0.80, "driver-top3": 0.86, "driver-position": 3.4}
_PLANS: dict[str, dict[str, object]] = {
    "driver-dnf": {},
    "driver-top3": {
        "column_processing.drop": ["races.year", "drivers.nationality", "constructors.nationality"],
    },
    "driver-position": {
        "neighbor_sampling.num_neighbors": [32, 2],
        "column_processing.drop": ["races.year"],
        "model_architecture.dropout": 0.3,
        "optimization.base_lr": 1e-3,
    },
}
_TRAIN_START = {"driver-dnf": "1980-01-01"}


def store(data: Path, folder: Path) -> rh.Store:
    """The example's."""
    return formula1.graph(data / "f1").snapshot(folder / "f1.rh", progress=False)


QUESTIONS = [
    Question(
        f"f1: {name}, frozen",
        asked.query,
        asked.metric,
        {
            "val_start": formula1.VALIDATION_START,
            "test_start": formula1.TEST_START,
            "max_eval_anchors": formula1.ANCHORS_PER_SPLIT,
            "train_start": _TRAIN_START.get(name),
        },
        plan={
            "neighbor_sampling.delay": f"0 to {formula1.ANCHORS_PER_SPLIT * _WINDOW_DAYS[name]} days",
            "training_job.refit": True,
            **_PLANS[name],
        },
        val_seen=formula1.VALIDATION_START,
        test_seen=formula1.TEST_START,
        published=asked.published,
        target=_TARGETS[name],
    )
    for name, asked in formula1.QUESTIONS.items()
]
