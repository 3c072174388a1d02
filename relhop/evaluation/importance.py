"""What a model uses: how much worse it is when something is taken from it.

- A **column**: its values are permuted between the rows of its table, which leaves their distribution as it
  is and breaks what they tell (Breiman 2001; Fisher, Rudin and Dominici 2019, arXiv 1801.01489). A timestamp
  goes with its age; the time column stands for the age of the rows.
- A **table**: all of that together, so that rows stay whole. How many rows there are, and who is linked to
  whom, stays.
- The **aggregates** of the entities' past, where the model reads them: all of an example's together.
- A **step** along a link, and the **hops** from some number on: these rows are not sampled, and the model
  predicts anew.

Examples are shuffled before they are put into batches, so that values move between entities and anchor times
alike. What is told is what this model uses, not what could be known from the data: of two columns that say
the same, each may be permuted at no loss.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch_geometric.data import HeteroData

from relhop.errors import TrainingError
from relhop.evaluation.bootstrap import differences
from relhop.evaluation.permuted import Permutation, permutations
from relhop.evaluation.scored import Scored
from relhop.hops import steps_by_name
from relhop.metrics import FALLBACK_METRIC, TUNED_METRIC
from relhop.plan import ModelPlan
from relhop.predictor import Predictor, bind, check_asked, model_loader, to_scores, torch_threads
from relhop.schema import EdgeType, Schema
from relhop.store.progress import Steps
from relhop.store.reader import Store
from relhop.training_table import TrainingTable
from relhop.transfer import copied_ahead

MAX_EXAMPLES = 1000
"""Examples that are predicted for again and again."""

RESAMPLES = 300
"""Draws of entities for each interval: there are many intervals, and their ends need not be sharp."""

MIN_BATCH_SIZE = 256
"""Examples a batch, at least: values come from rows of the same batch, so it must hold many."""


def importance(
    predictor: Predictor,
    table: TrainingTable,
    store: Store,
    *,
    metric: str | None = None,
    max_examples: int = MAX_EXAMPLES,
    resamples: int = RESAMPLES,
    seed: int = 0,
    progress: bool = True,
) -> pd.DataFrame:
    """How much worse a metric becomes without each column, table, step and hop.

    Args:
        predictor: A trained model, of a plan or the user's own: both read the same batches.
        table: Labelled examples, such as `table.splits["test"]`.
        store: What the model sees of them.
        metric: By default the one by which the best epoch was chosen.
        max_examples: Of more, so many are drawn at random.
        resamples: Draws of entities for the intervals.
        seed: Key of all draws.
        progress: Whether to show a bar on a terminal.

    Returns:
        A row each: `kind` (`column`, `table`, `aggregates`, `step`, `hop`), `name` (`table.column`, the
        table, `A.x->B.y` as in a plan, `hop2` for hop 2 and all beyond), `metric`, `worse_by`, `low`, `high`;
        by kind, the most important first. Columns that a plan drops, and what no batch holds, are left out.

    Raises:
        TrainingError: If there are no labels, or table or store do not fit the model.
        ValueError: If there is no such metric.
    """
    if not table.has_labels or not len(table):
        raise TrainingError("the table has no labels to judge by, so nothing can be important")
    check_asked(predictor.described, table, store)
    chosen = np.random.default_rng(seed).permutation(len(table))[:max_examples]
    passes = _Passes(predictor, table.take(chosen), store, seed)
    with Steps(progress) as steps:
        found = passes.permuted(steps)
        found += passes.unsampled(steps)
    base = passes.base
    metric = metric or _metric(base)
    if metric not in base.metrics().values:
        raise ValueError(f"there is no metric {metric!r}; choose one of {', '.join(base.metrics().values)}")
    drops = differences(metric, base, [scored for _, _, scored in found], resamples=resamples, seed=seed)
    kinds = ["column", "table", "aggregates", "step", "hop"]
    frame = pd.DataFrame(
        [(kind, name, metric) for kind, name, _ in found], columns=["kind", "name", "metric"]
    )
    frame = pd.concat([frame, drops], axis=1)
    place = frame["kind"].map(kinds.index)
    order = np.lexsort((-frame["worse_by"].to_numpy(), place.to_numpy()))
    return frame.iloc[order].reset_index(drop=True)


class _Passes:
    """Predictions for the same examples, again and again.

    Attributes:
        base: Scores with nothing taken away.
    """

    base: Scored

    def __init__(self, predictor: Predictor, table: TrainingTable, store: Store, seed: int) -> None:
        self._predictor, self._table, self._store, self._seed = predictor, table, store, seed
        plan = predictor.described.plan
        size = max(plan.optimization.batch_size, MIN_BATCH_SIZE)
        settings = plan.optimization.model_copy(update={"batch_size": size})
        self._plan = plan.model_copy(update={"optimization": settings})
        self._edges: dict[EdgeType, int] = {}

    def permuted(self, steps: Steps) -> list[tuple[str, str, Scored]]:
        """Scores with the values of each column and table permuted; sets `base`."""
        predictor, described = self._predictor, self._predictor.described
        task, count = described.task, len(self._table)
        bind(predictor.model, described, self._store)
        predictor.model.to(predictor.device).eval()
        loader = model_loader(dataclasses.replace(described, plan=self._plan), self._store, self._table)
        base = np.empty((count, task.out_channels))
        scores: dict[Permutation, NDArray[np.float64]] = {}
        with torch.inference_mode(), torch_threads(described.plan):
            batches = zip(
                steps.over("Permuting columns", range(len(loader))),
                copied_ahead(loader, predictor.device),
                strict=False,
            )
            for number, batch in batches:
                ids = batch[task.entity_table].input_id.cpu().numpy()
                base[ids] = to_scores(predictor.model(batch), task)
                for edge_type in batch.edge_types:
                    self._edges[edge_type] = (
                        self._edges.get(edge_type, 0) + batch[edge_type].edge_index.shape[1]
                    )
                for permutation in self._asked(batch):
                    if batch[permutation.table].num_nodes < 2:
                        continue
                    given = scores.setdefault(permutation, np.full_like(base, np.nan))
                    changed = permutation.of(batch, task.entity_table, (self._seed, number))
                    given[ids] = to_scores(predictor.model(changed), task)
        self.base = self._scored(base)
        return [
            (p.kind, p.name, self._scored(np.where(np.isnan(given), base, given)))
            for p, given in scores.items()
        ]

    def unsampled(self, steps: Steps) -> list[tuple[str, str, Scored]]:
        """Scores without the rows that each step leads to, and without those from each hop on."""
        plans = reduced_plans(self._plan, self._store.schema, self._edges)
        found = []
        for kind, name in steps.over("Leaving out steps", list(plans)):
            described = dataclasses.replace(self._predictor.described, plan=plans[kind, name])
            less = Predictor(self._predictor.model, described, self._predictor.device)
            scores = less.predict(self._table, self._store).scores
            found.append((kind, name, Scored.of_scores(self._table, scores)))
        return found

    def _asked(self, batch: HeteroData) -> Iterator[Permutation]:
        """What is permuted of a batch; no columns that the plan's network does not read."""
        described = self._predictor.described
        dropped = described.plan.column_processing.dropped_columns(described.schema)
        for permutation in permutations(batch, described.schema):
            unread = dropped[permutation.table] if not described.own_module else frozenset()
            if permutation.ages or permutation.aggregates or not permutation.columns <= unread:
                yield permutation

    def _scored(self, scores: NDArray[np.float64]) -> Scored:
        has_columns = self._predictor.described.task.has_columns
        return Scored.of_scores(self._table, scores if has_columns else scores[:, 0])


def reduced_plans(
    plan: ModelPlan, schema: Schema, edges: Mapping[EdgeType, int]
) -> dict[tuple[str, str], ModelPlan]:
    """By kind and name the plans without each step that finds edges, and without each hop and those beyond
    it.
    """
    hops = plan.neighbor_sampling.num_neighbors
    plans = {
        ("step", name): _with_hops(plan, [{**hop, name: 0} for hop in hops])
        for name, edge_type in steps_by_name(schema).items()
        if edges.get(edge_type)
    }
    for number in range(len(hops), 0, -1):
        kept = hops[: number - 1]
        plans["hop", f"hop{number}"] = _with_hops(plan, [*kept, *[{"default": 0}] * (len(hops) - len(kept))])
    return plans


def _with_hops(plan: ModelPlan, hops: Sequence[Mapping[str, int | str]]) -> ModelPlan:
    sampling = plan.neighbor_sampling.model_copy(update={"num_neighbors": tuple(hops)})
    return plan.model_copy(update={"neighbor_sampling": sampling})


def _metric(base: Scored) -> str:
    """The metric by which the best epoch is chosen, or another that any split can tell."""
    tuned = TUNED_METRIC[base.task_type]
    return FALLBACK_METRIC[base.task_type] if np.isnan(base.metrics().values[tuned]) else tuned
