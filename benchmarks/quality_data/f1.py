"""Formula 1: the three questions of `examples.f1`, under two protocols.

Frozen: test anchors lie up to forty windows beyond 2010-01-01 and see nothing later. Where it gains more on
questions of earlier years than seeds differ, training examples are delayed by as much, and validation anchors
see nothing after 2005-01-01. Rolling: each anchor sees all rows up to itself. Models learn from the years of
validation, too, before they are tested, as by questions of earlier years they should.
"""

from __future__ import annotations

from pathlib import Path

import relhop as rh
from benchmarks.quality_data.question import Question
from examples.f1 import formula1

_TARGETS = {"driver-dnf": 0.80, "driver-top3": 0.86, "driver-position": 3.4}
_FROZEN_PLANS: dict[str, dict[str, object]] = {
    "driver-dnf": {"column_processing.aggregates": False},
    "driver-top3": {"column_processing.aggregates": False},
    "driver-position": {"neighbor_sampling.delay": "0 to 2400 days"},
}


def store(data: Path, folder: Path) -> rh.Store:
    """The example's."""
    return formula1.graph(data / "f1").snapshot(folder / "f1.rh", progress=False)


def _question(name: str, asked: formula1.Question, *, frozen: bool) -> Question:
    plan = {"training_job.refit": True} | (_FROZEN_PLANS[name] if frozen else {})
    return Question(
        f"f1: {name}, {'frozen' if frozen else 'rolling'}",
        asked.query,
        asked.metric,
        {
            "val_start": formula1.VALIDATION_START,
            "test_start": formula1.TEST_START,
            "max_eval_anchors": formula1.ANCHORS_PER_SPLIT,
        },
        plan=plan,
        val_seen=formula1.VALIDATION_START if "neighbor_sampling.delay" in plan else None,
        test_seen=formula1.TEST_START if frozen else None,
        published=asked.published if frozen else {},
        target=_TARGETS[name] if frozen else None,
    )


QUESTIONS = [
    _question(name, asked, frozen=frozen)
    for frozen in (True, False)
    for name, asked in formula1.QUESTIONS.items()
]
