"""A plan that suits a store and a task, and how much time there is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from relhop.errors import PlanError, SchemaError, nearest
from relhop.plan.facts import Facts
from relhop.plan.model_plan import ModelPlan

RunMode = Literal["debug", "fast", "normal", "best"]
"""How much time training may take: seconds, minutes, tens of minutes, hours on a laptop and some hundred
thousand examples.
"""


@dataclass(frozen=True)
class _Effort:
    """What a run mode allows.

    Attributes:
        fanout: Rows a hop, row and step.
        most_hops: How far neighborhoods reach.
        channels: Width of the network.
        epochs: At most.
        steps: Of an epoch, at most.
        rows_per_batch: What a batch may hold, about.
        experiments: Combinations of candidates that are tried.
    """

    fanout: int
    most_hops: int
    channels: int
    epochs: int
    steps: int
    rows_per_batch: int
    experiments: int


_EFFORTS = {
    "debug": _Effort(4, 2, 16, 1, 10, 20_000, 1),
    "fast": _Effort(16, 2, 64, 10, 300, 400_000, 1),
    "normal": _Effort(16, 2, 128, 15, 1000, 400_000, 6),
    "best": _Effort(24, 2, 128, 20, 2000, 400_000, 24),
}

_LOSSES = {
    "binary": "binary_cross_entropy",
    "multiclass": "cross_entropy",
    "multilabel": "binary_cross_entropy",
    "regression": "l1",
    "forecasting": "l1",
    "link_prediction": None,
}
_MANY_ROWS = 10_000
_FEW_EXAMPLES = 1_000
_LARGEST_BATCH, _SMALLEST_BATCH = 512, 16
_LARGEST_BATCH_OF_RANKINGS = 64  # each of its examples is compared with all items of the batch
_VISITS = 4  # times the fanout, in the first hop of a ranking: they are most of what there is to know
_NARROWEST = 16
_MOST_AGGREGATED = 20_000_000  # rows; a query over more would take longer than the training
_AT_THE_END = 4  # rows per row and step of a hop more


def require_trainable(task_type: str) -> None:
    """Raises PlanError if there is no model for that type of task yet."""
    if task_type not in _LOSSES:
        raise PlanError(
            f"a {task_type} task has a training table, but there is no model for it yet; trained are"
            f" {', '.join(_LOSSES)}"
        )


def suggest(facts: Facts, run_mode: str = "fast") -> ModelPlan:
    """A plan that suits a store and a task, with its reasons.

    Args:
        facts: Numbers about both.
        run_mode: How much time training may take: `debug`, `fast`, `normal` or `best`; the latter two search.

    Raises:
        PlanError: On an unknown run mode or table, or a task for which there is no model yet.
    """
    require_trainable(facts.task_type)
    if run_mode not in _EFFORTS:
        raise PlanError(
            f"run_mode is {run_mode!r}; choose one of {', '.join(_EFFORTS)}.{nearest(run_mode, _EFFORTS)}"
        )
    try:
        facts.schema.table(facts.entity_table)
    except SchemaError as error:
        raise PlanError(str(error)) from None
    return _Suggestion(facts, run_mode).plan()


class _Suggestion:
    """Settings and their reasons, for one store, task and run mode."""

    def __init__(self, facts: Facts, run_mode: str) -> None:
        self._facts, self._mode, self._effort = facts, run_mode, _EFFORTS[run_mode]
        self._is_ranking = facts.task_type == "link_prediction"
        self._fanouts = self._affordable_fanouts()
        self._rows = facts.rows_per_seed(self._fanouts)
        self._settings: dict[str, Any] = {}
        self._reasons: dict[str, str] = {}

    def plan(self) -> ModelPlan:
        """The plan of these settings."""
        self._choose_sampling()
        self._choose_columns()
        self._choose_network()
        self._choose_optimization()
        self._choose_search()
        plan = ModelPlan().with_overrides(self._settings)
        return plan.model_copy(update={"reasons": self._reasons})

    def _choose(self, place: str, value: Any, why: str) -> None:
        self._settings[place], self._reasons[place] = value, why

    def _by_mode(self, value: Any, **candidates: list[Any]) -> Any:
        """A value, or the candidates of the run mode."""
        return candidates.get(self._mode, value)

    def _affordable_fanouts(self) -> list[int]:
        """The run mode's, halved from the last hop on while the smallest batch is larger than it may be."""
        facts, effort = self._facts, self._effort
        fanouts = [effort.fanout] * facts.hops(effort.most_hops)
        if self._is_ranking:
            fanouts[0] *= _VISITS
        while facts.rows_per_seed(fanouts) * _SMALLEST_BATCH > effort.rows_per_batch and max(fanouts) > 1:
            last = max(hop for hop, fanout in enumerate(fanouts) if fanout > 1)
            fanouts[last] //= 2
        return fanouts

    def _choose_sampling(self) -> None:
        facts, fanouts = self._facts, self._fanouts
        place, hops = "neighbor_sampling.num_neighbors", len(fanouts)
        if not facts.schema.edge_types:
            self._choose(place, fanouts, "there are no links to follow")
            return
        why = f"run mode {self._mode}: {self._effort.fanout} a hop, about {self._rows:,} rows a seed"
        if self._is_ranking:
            why += f"; {_VISITS} times as many of what an entity visited"
        if hops < self._effort.most_hops:
            why += f"; nothing new is found after hop {hops}"
        candidates: list[Any] = [fanouts]
        if self._mode == "best":
            why += "; or as many as four of five rows have"
            candidates.append(["inferred"] * hops)
            if facts.hops(hops + 1) > hops:
                why += "; or a hop more"
                candidates.append([*fanouts, _AT_THE_END])
        self._choose(place, candidates, why)

    def _choose_network(self) -> None:
        facts, width = self._facts, self._effort.channels
        why = f"run mode {self._mode}"
        if facts.num_examples is not None and facts.num_examples < _FEW_EXAMPLES and width > _NARROWEST:
            width, why = width // 2, f"{why}, halved: {facts.num_examples:,} examples are few"
        widths = self._by_mode(width, normal=[width, width // 2], best=[width, width // 2, 2 * width])
        self._choose("model_architecture.channels", widths, why)
        is_large = facts.total_rows >= _MANY_ROWS
        drops = [0.1, 0.3] if is_large else [0.3, 0.1]
        self._choose(
            "model_architecture.dropout",
            self._by_mode(drops[0], normal=drops, best=drops),
            f"{facts.total_rows:,} rows in {len(facts.num_rows)} tables",
        )
        if self._mode == "best":
            self._choose(
                "model_architecture.aggregation",
                ["mean", "sum", "max", "attention"],
                "sum tells how many rows there are, max whether one is of a kind, attention weighs them",
            )
        if self._mode == "best" and not self._is_ranking:
            self._choose(
                "model_architecture.body",
                ["sage", "transformer"],
                "attention finds what no step leads to; where it does not help, it costs a few experiments",
            )

    def _choose_columns(self) -> None:
        facts, place = self._facts, "column_processing.aggregates"
        if self._is_ranking or self._mode == "debug" or facts.total_rows > _MOST_AGGREGATED:
            return
        if self._effort.experiments > 1:
            self._choose(
                place, [True, False], "they tell what lies farther than the hops, for the time of a query"
            )
        elif facts.num_examples is not None and facts.num_examples < _FEW_EXAMPLES:
            self._choose(place, False, f"{facts.num_examples:,} examples are few for so many numbers")
        else:
            self._choose(place, True, "they tell what lies farther than the hops, for the time of a query")

    def _choose_optimization(self) -> None:
        facts, effort = self._facts, self._effort
        largest = _LARGEST_BATCH_OF_RANKINGS if self._is_ranking else _LARGEST_BATCH
        batch = max(_SMALLEST_BATCH, min(largest, effort.rows_per_batch // self._rows))
        self._choose("optimization.batch_size", batch, f"about {batch * self._rows:,} rows a batch")
        why = f"run mode {self._mode}"
        if facts.num_examples is not None:
            why += f"; {facts.num_examples:,} examples make {math.ceil(facts.num_examples / batch):,}"
        self._choose("optimization.max_steps_per_epoch", effort.steps, why)
        self._choose(
            "optimization.max_epochs", effort.epochs, f"run mode {self._mode}; early stopping ends it sooner"
        )
        self._choose(
            "optimization.base_lr",
            self._by_mode(0.003, normal=[0.003, 0.001], best=[0.003, 0.001, 0.0003]),
            "bold, which normalized layers bear",
        )
        if effort.epochs > 1:
            self._choose("optimization.lr_scheduler", "cosine", "how many steps there are is known")
        else:
            self._choose("optimization.lr_scheduler", "constant", "one epoch is a trial, not a training")
        loss = _LOSSES[facts.task_type]
        self._choose("optimization.loss", loss, f"the task is {facts.task_type}")

    def _choose_search(self) -> None:
        if self._effort.experiments > 1:
            self._choose(
                "training_job.num_experiments",
                self._effort.experiments,
                f"run mode {self._mode}; of the settings with several values the best by validation is kept",
            )
