"""A question, how it is split, and what it is judged beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

import relhop as rh

Simple = Callable[[pd.DataFrame], "pd.Series[float]"]
"""A score by one line, of the features that `relhop.aggregates` gives."""


@dataclass(frozen=True)
class Question:
    """One question about one data set.

    Attributes:
        name: Data set and question.
        query: The predictive query.
        metric: By which it is judged.
        split: Arguments of `generate_training_table`.
        plan: Settings other than those that are suggested; chosen on validation alone.
        val_seen: What validation sees, `store.as_of`; `None`: each example all up to its anchor time.
        test_seen: The same of test.
        simple: Scores by one line.
        published: What others reached.
        target: What relhop wants to reach.
    """

    name: str
    query: str
    metric: str
    split: Mapping[str, Any]
    plan: Mapping[str, Any] = field(default_factory=dict)
    val_seen: str | None = None
    test_seen: str | None = None
    simple: Mapping[str, Simple] = field(default_factory=dict)
    published: Mapping[str, float] = field(default_factory=dict)
    target: float | None = None

    def table(self, store: rh.Store) -> rh.TrainingTable:
        """The examples."""
        return rh.PredictiveQuery(store, self.query).generate_training_table(store, **self.split)

    def years_ago(self, years: int) -> Question:
        """The question as it would have been asked so many years earlier, for which nobody has published
        anything.
        """
        times = {name: value for name, value in self.split.items() if name in ("val_start", "test_start")}
        earlier = {name: _years_before(time, years) for name, time in times.items()}
        return replace(
            self,
            name=f"{self.name}, asked in {earlier['test_start'][:4]}",
            split={**self.split, **earlier},
            val_seen=None if self.val_seen is None else _years_before(self.val_seen, years),
            test_seen=None if self.test_seen is None else _years_before(self.test_seen, years),
            published={},
            target=None,
        )

    def seen_by(self, split: str, store: rh.Store) -> rh.Store:
        """What the examples of a split see."""
        time = {"val": self.val_seen, "test": self.test_seen}.get(split)
        return store if time is None else store.as_of(time)


def _years_before(date: str, years: int) -> str:
    return f"{int(date[:4]) - years:04}{date[4:]}"
