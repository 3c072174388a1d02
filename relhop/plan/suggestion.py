"""A plan that suits a store and a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from relhop.errors import PlanError, SchemaError, nearest
from relhop.plan.model_architecture import ModelArchitecture
from relhop.plan.model_plan import ModelPlan
from relhop.plan.neighbor_sampling import NeighborSampling
from relhop.plan.optimization import Optimization
from relhop.schema import Schema

RunMode = Literal["fast", "normal", "best"]
"""How much time training may take: minutes, tens of minutes, hours on a laptop and some hundred thousand
examples.
"""


class HasSize(Protocol):
    """A table of a store."""

    @property
    def num_rows(self) -> int:
        """How many rows it has."""
        ...


class HasTables(Protocol):
    """A store, as far as a suggestion looks at it."""

    @property
    def schema(self) -> Schema:
        """Its tables and links."""
        ...

    @property
    def tables(self) -> Mapping[str, HasSize]:
        """Its tables by name."""
        ...


_LOSSES = {
    "binary": "binary_cross_entropy",
    "multiclass": "cross_entropy",
    "multilabel": "binary_cross_entropy",
    "regression": "l1",
    "forecasting": "l1",
    "link_prediction": None,
}


def require_trainable(task_type: str) -> None:
    """Raises PlanError if there is no model for that type of task yet."""
    if task_type not in _LOSSES:
        raise PlanError(
            f"a {task_type} task has a training table, but there is no model for it yet; trained are"
            f" {', '.join(_LOSSES)}"
        )


def suggest(store: HasTables, task_type: str, entity_table: str, run_mode: str = "fast") -> ModelPlan:
    """A plan that suits a store and a task, with its reasons.

    Args:
        store: The data.
        task_type: what kind of label is predicted; `link_prediction` is not trained yet.
        entity_table: The table whose rows are predicted for.
        run_mode: How much time training may take: `fast`, `normal` or `best`.

    Raises:
        PlanError: On an unknown run mode or table, or a task for which there is no model yet.
    """
    require_trainable(task_type)
    widths = {"fast": (16, 64, 10), "normal": (16, 128, 15), "best": (24, 128, 20)}
    if run_mode not in widths:
        raise PlanError(
            f"run_mode is {run_mode!r}; choose one of {', '.join(widths)}.{nearest(run_mode, widths)}"
        )
    try:
        store.schema.table(entity_table)
    except SchemaError as error:
        raise PlanError(str(error)) from None
    fanout, channels, epochs = widths[run_mode]
    hops = 2 if store.schema.edge_types else 1
    rows = sum(table.num_rows for table in store.tables.values())
    dropout = 0.1 if rows >= 10_000 else 0.3
    loss: Any = _LOSSES[task_type]
    fanouts = [fanout] * hops
    settings: dict[str, Any] = {"max_epochs": epochs, "loss": loss}
    if task_type == "link_prediction":  # what an entity visited is most of what there is to know
        fanouts = [4 * fanout, *fanouts[1:]]
        settings["batch_size"] = 64
    return ModelPlan(
        neighbor_sampling=NeighborSampling(num_neighbors=tuple({"default": count} for count in fanouts)),
        model_architecture=ModelArchitecture(channels=channels, dropout=dropout),
        optimization=Optimization(**settings),
        reasons={
            "neighbor_sampling.num_neighbors": f"run mode {run_mode}: {fanouts} rows per step; two hops reach"
            f" '{entity_table}''s rows and what these point at"
            if hops == 2
            else "there are no links to follow",
            "model_architecture.channels": f"run mode {run_mode}",
            "model_architecture.dropout": f"{rows:,} rows in {len(store.tables)} tables",
            "optimization.max_epochs": f"run mode {run_mode}; early stopping ends it sooner",
            "optimization.loss": f"the task is {task_type}",
        },
    )
