"""A plan and examples -> a trained model of scores, in one process or several."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from torch import nn

from relhop.aggregate_features import AggregateFeatures
from relhop.aggregates import Seen
from relhop.checkpoint import Description
from relhop.fitting import Course, Fitting, fit_weights
from relhop.nn.model import RelationalModel, seeded
from relhop.plan import ModelPlan
from relhop.predictor import bind, model_loader
from relhop.processes import READY, beside, require_importable
from relhop.store.reader import Store
from relhop.training_table import TrainingTable


def plan_model(described: Description) -> nn.Module:
    """The network of a plan, with the weights that its seed gives."""
    aggregates = described.aggregates
    with seeded(described.plan):
        return RelationalModel(
            described.plan,
            described.schema,
            described.statistics,
            entity_table=described.task.entity_table,
            out_channels=described.task.out_channels,
            num_aggregates=0 if aggregates is None else aggregates.width,
            num_ranks=0 if aggregates is None else len(aggregates.numbers),
        )


def fit_aggregates(plan: ModelPlan, table: TrainingTable, store: Store) -> AggregateFeatures:
    """The aggregates that a plan's model reads, fitted on the training split.

    Args:
        plan: Delays, columns to drop.
        table: Has training examples.
        store: What they see.
    """
    assert table.train_cut is not None
    train = table.splits["train"]
    delays = plan.neighbor_sampling.resolve_delay(training=True).draw(len(train), plan.training_job.seed, 0)
    return AggregateFeatures.fit(
        store,
        table.entity_table,
        Seen.of(store, train.rows, train.anchor_times, delays),
        table.train_cut,
        plan.column_processing.unseen(table.withheld, store.schema),
    )


def fit_scores(
    model: nn.Module,
    described: Description,
    course: Course,
    splits: Mapping[str, TrainingTable],
    stores: Mapping[str, Store],
) -> list[dict[str, float]]:
    """Trains a model and leaves it with the weights of its best epoch.

    Args:
        model: Changed in place.
        described: What it is.
        course: How the run goes.
        splits: Examples to learn from (`train`) and to choose the best epoch by (`val`).
        stores: What each of these splits sees.

    Returns:
        An entry per epoch; see `relhop.history.History`.

    Raises:
        TrainingError: If one of several processes failed, or they could not find the model's class.
    """
    tables = {split: splits[split] for split in ("train", "val")}
    work = _Work(described, course, tables, stores, model if described.own_module else None)
    count = course.plan.training_job.num_processes
    if count == 1:
        return work.train(model)
    require_importable(model)
    with beside(work.elsewhere(), count):
        return work.train(model)


@dataclass(frozen=True)
class _Work:
    """All that a process needs to know to train its share."""

    described: Description
    course: Course
    tables: Mapping[str, TrainingTable]
    stores: Mapping[str, Store]
    module: nn.Module | None

    def elsewhere(self) -> Callable[[int], Any]:
        """The same for another process, which shows nothing and tells nobody."""
        course = replace(self.course, progress=False, callbacks=())
        tables = {split: replace(table, keys_of=_no_keys) for split, table in self.tables.items()}
        return replace(self, course=course, tables=tables)

    def __call__(self, number: int) -> None:
        """Trains the share of a process that was started for it."""
        model = self.module if self.module is not None else plan_model(self.described)
        print(READY, flush=True)
        replace(self, course=replace(self.course, number=number)).train(model)

    def train(self, model: nn.Module) -> list[dict[str, float]]:
        """Trains this process's share; see `fit_scores`."""
        described = self.described
        bind(model, described, self.stores["train"])
        loaders = {
            split: model_loader(described, self.stores[split], table, training=split == "train")
            for split, table in self.tables.items()
        }
        for loader in loaders.values():
            loader.share = (self.course.number, described.plan.training_job.num_processes)
        fitting = Fitting(model, self.course, loaders["train"])
        return fit_weights(fitting, self.course, loaders["train"], loaders["val"])


def _no_keys(rows: NDArray[np.int64]) -> pa.Table:
    """Training asks for no keys."""
    return pa.table({})
