"""Streams of batches with seeds on both sides: entities, and the items that they are compared with.

Both come from the same sampler, each item at the anchor time of the entities that it is compared for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache, partial
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import HeteroData

from relhop.plan import ModelPlan
from relhop.predictor import seed_loader
from relhop.ranking.candidates import Candidates, CandidateSampler
from relhop.ranking.visits import Visits
from relhop.ranking.withheld_visits import targets_of, without_visits
from relhop.training_table import PREDICTION, TaskType, TrainingTable
from relhop.withholding import WithholdingLoader

ITEM_BATCH = 2048
"""Items a batch where all are looked at."""

_ANCHORS_KEPT = 256
"""Anchor times whose counts of visits are kept in memory."""


@dataclass(frozen=True)
class Step:
    """What one training step compares.

    Attributes:
        entities: Neighborhoods of b examples.
        items: Neighborhoods of at least c items; the first c are the candidates.
        activity: float32 [items, windows], see `Visits.activity`.
        groups: int64 [b], number of each example's anchor time.
        keys: int64 [c], ascending: group * num_items + row of each candidate.
        log_chance: float32 [c], see `Candidates`.
        positives: int64 [2, p]: examples, and candidates that came.
        num_items: Rows of the item table.
    """

    entities: HeteroData
    items: HeteroData
    activity: Tensor
    groups: Tensor
    keys: Tensor
    log_chance: Tensor
    positives: Tensor
    num_items: int

    def to(self, device: torch.device | str, **how: Any) -> Self:
        """The same on a device."""
        moved = {f.name: getattr(self, f.name) for f in fields(self)}
        moved = {name: v.to(device, **how) if hasattr(v, "to") else v for name, v in moved.items()}
        return replace(self, **moved)


class Activity:
    """Counts of visits at anchor times, kept for those asked last."""

    def __init__(self, visits: Visits) -> None:
        self.of = lru_cache(_ANCHORS_KEPT)(visits.activity)
        self.counts = lru_cache(_ANCHORS_KEPT)(lambda time: visits.item_counts(None, time))

    def of_pairs(self, items: NDArray[np.int64], times: NDArray[np.int64]) -> Tensor:
        """`Visits.activity` of items [n] at times [n]: float32 [n, windows]."""
        out = np.empty((len(items), self.of(int(times[0])).shape[1]), np.float32)
        for time in np.unique(times):
            here = times == time
            out[here] = self.of(int(time))[items[here]]
        return torch.from_numpy(out)


class VisitsLoader(WithholdingLoader):
    """A loader whose batches show no hidden visits.

    Attributes:
        visits: What may be shown.
    """

    visits: Visits

    def __iter__(self) -> Iterator[HeteroData]:
        """One epoch; see `SeedLoader`."""
        hidden = self.visits.hidden
        for batch in super().__iter__():
            if hidden is not None:
                seed_table = self.table.entity_table
                without_visits(batch, seed_table, self.visits.table, torch.from_numpy(hidden))
            yield batch


class ByAnchor(WithholdingLoader):
    """A loader that goes through the anchor times in random order, and through the examples of each in
    random order: so few different anchor times meet in a batch, and share candidates.
    """

    def order(self) -> NDArray[np.int64]:
        """The examples of an epoch, int64 [n]."""
        rng = np.random.default_rng([self.seed, self._epoch])
        anchors, index = np.unique(self.table.anchor_times, return_inverse=True)
        order = np.lexsort((rng.random(len(index)), rng.permutation(len(anchors))[index]))
        return order[: self.num_examples]


class TrainingSteps:
    """The steps of an epoch.

    Where visits have no times, an epoch asks for half of each example's items, chosen anew, and a step shows
    no visit that it asks for.

    Args:
        entities: Batches of examples.
        visits: What the store holds, and what no step shows.
        plan: How items are sampled and compared.
    """

    def __init__(self, entities: ByAnchor, visits: Visits, plan: ModelPlan) -> None:
        self._entities, self._visits, self._plan = entities, visits, plan
        self._activity = Activity(visits)
        self._epoch, self._start = 0, 0
        self._seconds: dict[str, float] = {}
        lists = entities.table.lists
        assert lists is not None
        shares = np.bincount(lists.values, minlength=visits.num_items) / max(1, len(lists.values))
        self._sampler = CandidateSampler(plan.ranking.negatives, plan.ranking.num_candidates, shares)

    def __len__(self) -> int:
        return len(self._entities)

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Chooses the order of the examples and all draws; an epoch always gives the same steps.

        Args:
            epoch: Key of the order and the draws.
            start: The step that comes first.
        """
        self._epoch, self._start = epoch, start
        self._entities.set_epoch(epoch, start)

    def seconds(self) -> dict[str, float]:
        """Seconds so far, as of `SeedLoader.seconds`, of entities and, once an epoch is over, of items."""
        return _added(self._seconds, self._entities.seconds())

    def __iter__(self) -> Iterator[Step]:
        """One epoch, from the step that `set_epoch` named."""
        table = self._entities.table
        if not self._visits.is_timed:
            table = targets_of(table, self._epoch + 1)
        steps = list(self._candidates(table))
        width = max(len(candidates.items) for candidates, _ in steps)
        padded = [np.resize(c.items, width) for c, _ in steps]
        times = [np.resize(anchors[c.groups], width) for c, anchors in steps]
        items = item_loader(
            self._visits, np.concatenate(padded), np.concatenate(times), self._plan, batch_size=width
        )
        items.set_epoch(self._epoch, self._start)
        steps = steps[self._start :]
        for entities, neighborhoods, (candidates, anchors) in zip(self._entities, items, steps, strict=True):
            activity = self._activity
            seeds = neighborhoods[self._visits.item_table]
            if not self._visits.is_timed:
                examples = entities[self._visits.entity_table].input_id.numpy()
                shown = self._visits.hiding(table.take(examples))
                activity = Activity(shown)
                hidden = torch.from_numpy(shown.hidden)
                without_visits(entities, shown.entity_table, shown.table, hidden)
                without_visits(neighborhoods, shown.item_table, shown.table, hidden)
            seed_time = entities[self._visits.entity_table].seed_time.numpy()
            yield Step(
                entities=entities,
                items=neighborhoods,
                activity=activity.of_pairs(seeds.row[:width].numpy(), seeds.seed_time.numpy()),
                groups=torch.from_numpy(np.searchsorted(anchors, seed_time)),
                keys=torch.from_numpy(candidates.groups * self._visits.num_items + candidates.items),
                log_chance=torch.from_numpy(candidates.log_chance),
                positives=torch.from_numpy(candidates.positives),
                num_items=self._visits.num_items,
            )
        self._seconds = _added(self._seconds, items.seconds())

    def _candidates(self, table: TrainingTable) -> Iterator[tuple[Candidates, NDArray[np.int64]]]:
        """Of each step the candidates and the anchor times, ascending."""
        size = self._entities.batch_size
        assert table.lists is not None
        rng = np.random.default_rng([self._plan.training_job.seed, self._epoch, 1])
        order = self._entities.order()
        for begin in range(0, len(order), size):
            examples = order[begin : begin + size]
            anchors, groups = np.unique(table.anchor_times[examples], return_inverse=True)
            visible = np.array([self._visits.num_visible_items(int(t)) for t in anchors], np.int64)
            counts = [self._activity.counts(int(t)) for t in anchors]
            yield self._sampler.draw(table.lists.take(examples), groups, visible, counts, rng), anchors


def _added(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {name: one.get(name, 0.0) + value for name, value in other.items()}


def visits_loader(table: TrainingTable, visits: Visits, plan: ModelPlan) -> VisitsLoader:
    """The neighborhoods of examples, in the table's order, without hidden visits."""
    loader = seed_loader(visits.store, table, plan, table.withheld, kind=VisitsLoader)
    assert isinstance(loader, VisitsLoader)
    loader.visits = visits
    return loader


@dataclass(frozen=True)
class AllItems:
    """All items that exist at a time, in ascending blocks.

    Attributes:
        visits: What the store holds.
        plan: How items are sampled.
        time: The anchor time, in microseconds.
    """

    visits: Visits
    plan: ModelPlan
    time: int

    def __iter__(self) -> Iterator[tuple[HeteroData, Tensor]]:
        """Neighborhoods of a block of items, and their `Visits.activity`."""
        rows = np.arange(self.visits.num_visible_items(self.time))
        times = np.full(len(rows), self.time)
        loader = item_loader(self.visits, rows, times, self.plan, batch_size=ITEM_BATCH)
        activity = torch.from_numpy(self._activity[rows])
        for number, batch in enumerate(loader):
            yield batch, activity[number * ITEM_BATCH : (number + 1) * ITEM_BATCH]

    @cached_property
    def _activity(self) -> NDArray[np.float32]:
        return self.visits.activity(self.time)


def item_loader(
    visits: Visits,
    rows: NDArray[np.int64],
    times: NDArray[np.int64],
    plan: ModelPlan,
    *,
    batch_size: int,
) -> VisitsLoader:
    """The neighborhoods of items at times, in the order given, without hidden visits."""
    table = TrainingTable(
        entity_table=visits.item_table,
        task_type=TaskType.link_prediction,
        rows=rows,
        anchor_times=times,
        target=None,
        split=np.full(len(rows), PREDICTION, np.int8),
        keys_of=partial(visits.store.keys_of, visits.item_table),
    )
    loader = VisitsLoader(
        visits.store, table, plan.ranking.item_neighbors, batch_size=batch_size, seed=plan.training_job.seed
    )
    loader.visits, loader.withheld = visits, {}
    return loader
