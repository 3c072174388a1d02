"""Every knob of a model and its training, with defaults, units and prices.

A `ModelPlan` is plain data, from Python or YAML; `suggest` fills one in for a store and a task. The resolved
plan is saved with the model. Knows nothing of torch, of how a model is built or of how a neighborhood is
drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_serializer, field_validator

from relhop.errors import PlanError, SchemaError, nearest
from relhop.hops import by_edge_type, read_num_neighbors, read_strategy, steps_by_name
from relhop.schema import EdgeType, Schema

RunMode = Literal["fast", "normal", "best"]
"""How much time training may take: minutes, tens of minutes, hours on a laptop and some hundred thousand
examples.
"""


class Part(BaseModel):
    """A group of settings that never change; unknown names are refused with the nearest known one."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, allow_inf_nan=False)
    section: ClassVar[str] = ""

    def __init__(self, **settings: Any) -> None:
        for name in settings:
            if name not in type(self).model_fields:
                raise PlanError(f"{self._place(name)} is no setting.{nearest(name, type(self).model_fields)}")
        settings = {name: self._only_candidate(name, value) for name, value in settings.items()}
        try:
            super().__init__(**settings)
        except ValidationError as error:
            raise self._explain(error) from None

    def __setattr__(self, name: str, value: Any) -> None:
        raise PlanError(
            f"a plan does not change; make another: plan.with_overrides({{'{self._place(name)}': {value!r}}})"
        )

    @classmethod
    def _place(cls, name: str) -> str:
        return f"{cls.section}.{name}" if cls.section else name

    @classmethod
    def _only_candidate(cls, name: str, value: Any) -> Any:
        """`[x]` means x, as in plans whose settings are lists of candidates to search among."""
        if not isinstance(value, list) or name in ("num_neighbors", "metapaths", "drop", "item_neighbors"):
            return value
        if len(value) != 1:
            raise PlanError(
                f"{cls._place(name)} has {len(value)} candidates, {value}; relhop does not search"
                " among settings yet, give one"
            )
        return value[0]

    @classmethod
    def _explain(cls, error: ValidationError) -> PlanError:
        first = error.errors()[0]
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, PlanError):
            return cause
        place = cls._place(".".join(str(step) for step in first["loc"]))
        return PlanError(f"{place} is {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}")


class NeighborSampling(Part):
    """Which part of the past a prediction sees.

    `A.x->B.y` names the step from a row of A to rows of B: `"drivers.driverId->results.driverId"` goes from
    a driver to its results. Several columns of a key are joined by `+`.
    """

    section = "neighbor_sampling"

    num_neighbors: tuple[dict[str, int | str], ...] = Field(
        default=({"default": 16}, {"default": 16}),
        description="Rows taken per hop, per row and per step, at most; 1 to 6 hops. `[16, 16]`, or"
        " `- hop1: {default: 16, 'A.x->B.y': 128}` with hop2 and so on beside hop1. 0: none; -1: all;"
        " inferred: what covers four of five rows, at most 64, 16, 4, 1 by hop. Price:"
        " time and memory of a batch grow with the product over the hops, times the links of each table.",
    )
    strategy: tuple[dict[str, str], ...] = Field(
        default=({"default": "recency"},),
        description="Which rows are taken where there are more: `recency` (all ages, the newest most), `last`"
        " (the newest), `uniform`, `weighted` (by `weight` of the link), `labor` (as uniform, but fewer"
        " different rows). `uniform` and `weighted` also `with replacement`, all also `within 30 days`. One"
        " text; or `{default: recency, 'A.x->B.y': last}` for all hops; or that per hop, `{hop1: {...},"
        " hop2: {...}}`.",
    )
    metapaths: tuple[tuple[str, ...], ...] = Field(
        default=(),
        description="Sequences of steps, `['A.x->B.y', 'B.z->C.w']`, from the entity's table on; nothing else"
        " is followed. None: every step is. Saves time.",
    )
    adaptive: bool = Field(
        default=False,
        description="Whether entities that have fewer rows than num_neighbors allows get more rows around"
        " these, up to four times. Price: larger batches where histories are short.",
    )

    @field_validator("num_neighbors", mode="before")
    @classmethod
    def _read_num_neighbors(cls, value: Any) -> tuple[dict[str, int | str], ...]:
        return read_num_neighbors(value)

    @field_validator("strategy", mode="before")
    @classmethod
    def _read_strategy(cls, value: Any) -> tuple[dict[str, str], ...]:
        return read_strategy(value)

    @field_serializer("num_neighbors")
    def _write_num_neighbors(self, hops: tuple[dict[str, int | str], ...]) -> list[Any]:
        if all(set(hop) == {"default"} for hop in hops):
            return [hop["default"] for hop in hops]
        return [{f"hop{n}": hop for n, hop in enumerate(hops, 1)}]

    @field_serializer("strategy")
    def _write_strategy(self, hops: tuple[dict[str, str], ...]) -> Any:
        if len(hops) > 1:
            return {f"hop{n}": hop for n, hop in enumerate(hops, 1)}
        return hops[0]["default"] if set(hops[0]) == {"default"} else hops[0]

    @property
    def num_hops(self) -> int:
        """How many steps away from the seed rows are taken."""
        return len(self.num_neighbors)

    def resolve_num_neighbors(self, schema: Schema) -> list[dict[EdgeType, int | str]]:
        """Per hop the count of every edge type, as `relhop.loader.SeedLoader` takes it.

        Raises:
            PlanError: If a step is named that the schema does not have; suggests the nearest.
        """
        steps = steps_by_name(schema)
        return [
            by_edge_type(hop, steps, f"num_neighbors, hop{n}") for n, hop in enumerate(self.num_neighbors, 1)
        ]

    def resolve_metapaths(self, schema: Schema) -> list[list[EdgeType]]:
        """The metapaths as edge types, as `relhop.loader.SeedLoader` takes them.

        Raises:
            PlanError: If a step is named that the schema does not have; suggests the nearest.
        """
        steps = steps_by_name(schema)
        for path in self.metapaths:
            for step in path:
                if step not in steps:
                    raise PlanError(
                        f"neighbor_sampling.metapaths: there is no step '{step}'.{nearest(step, steps)}"
                    )
        return [[steps[step] for step in path] for path in self.metapaths]

    def resolve_strategies(self, schema: Schema) -> list[dict[EdgeType, str]]:
        """Per hop the strategy of every edge type, as `relhop.loader.SeedLoader` takes it.

        Raises:
            PlanError: If a step is named that the schema does not have, or strategies name another number of
            hops.
        """
        by_hop = self.strategy * self.num_hops if len(self.strategy) == 1 else self.strategy
        if len(by_hop) != self.num_hops:
            raise PlanError(
                f"neighbor_sampling.strategy has {len(by_hop)} hops,"
                f" neighbor_sampling.num_neighbors {self.num_hops}"
            )
        steps = steps_by_name(schema)
        return [by_edge_type(hop, steps, f"strategy, hop{n}") for n, hop in enumerate(by_hop, 1)]


class ColumnProcessing(Part):
    """How columns become numbers. Their semantic types are the graph's; see `rh.Table`."""

    section = "column_processing"

    drop: tuple[str, ...] = Field(
        default=(), description="Columns that the model does not see, as `table.column`. Costs nothing."
    )

    def dropped_columns(self, schema: Schema) -> dict[str, frozenset[str]]:
        """By table the columns not to be seen.

        Raises:
            PlanError: If one is no feature column of the schema; suggests the nearest.
        """
        known = {
            f"{table}.{column}": (table, column)
            for table in schema.tables
            for column in schema.feature_columns(table)
        }
        dropped: dict[str, set[str]] = {table: set() for table in schema.tables}
        for name in self.drop:
            if name not in known:
                raise PlanError(
                    f"column_processing.drop: '{name}' is no feature column.{nearest(name, known)}"
                )
            table, column = known[name]
            dropped[table].add(column)
        return {table: frozenset(columns) for table, columns in dropped.items()}


class ModelArchitecture(Part):
    """The network: column encoders, one GraphSAGE layer a hop, a head of two layers."""

    section = "model_architecture"

    channels: int = Field(
        default=64, ge=2, le=1024, multiple_of=2,
        description="Width of every layer. Price: time grows with its square, memory in proportion.",
    )  # fmt: skip
    aggregation: Literal["mean", "sum", "max"] = Field(
        default="mean",
        description="How the messages along one edge type become one. `sum` tells how many neighbors there"
        " are, and is thrown by those with very many.",
    )
    dropout: float = Field(
        default=0.1, ge=0, lt=1,
        description="Share of activations set to 0 in training. More helps small tables; too much"
        " learns slowly.",
    )  # fmt: skip


class Optimization(Part):
    """How weights are fitted: AdamW, best epoch of the validation split kept."""

    section = "optimization"

    max_epochs: int = Field(
        default=10, ge=1, description="Passes over the training split, at most. Price: time."
    )
    max_steps_per_epoch: int = Field(
        default=2000,
        ge=1,
        description="Batches a pass, at most; a new random order each pass reaches the others.",
    )
    min_steps_per_epoch: int = Field(
        default=10, ge=1,
        description="Batches a pass, at least: where the training split is small, its batches are smaller.",
    )  # fmt: skip
    batch_size: int = Field(
        default=512, ge=1, description="Seeds a batch. Price: memory; smaller ones take more steps."
    )
    base_lr: float = Field(
        default=3e-3, gt=0, description="Learning rate after warm-up. Lower it if the loss jumps."
    )
    lr_scheduler: Literal["cosine", "constant"] = Field(
        default="cosine",
        description="Course of the learning rate over all steps, after a warm-up of 5 % of them.",
    )
    weight_decay: float = Field(
        default=1e-2, ge=0, description="AdamW's pull of weights to 0, per unit of learning rate."
    )
    early_stopping: int | None = Field(
        default=5, ge=1,
        description="Epochs without a better validation metric after which training stops; null: never.",
    )  # fmt: skip
    loss: Literal["binary_cross_entropy", "cross_entropy", "l1", "huber", "mse"] | None = Field(
        default=None,
        description="What is minimised. null: by task, binary_cross_entropy (multilabel, too), cross_entropy"
        " (multiclass) or l1 (regression, forecasting).",
    )


class Ranking(Part):
    """Of link predictions: how items are scored and compared."""

    section = "ranking"

    head: Literal["hybrid", "two_tower"] = Field(
        default="hybrid",
        description="`two_tower`: entity and item each have a vector, and their product is the score."
        " `hybrid`: items within the entity's neighborhood have a score of their own beside it, made along"
        " the paths that lead to them. Price of hybrid: some time.",
    )
    item_neighbors: tuple[int, ...] = Field(
        default=(4,), max_length=6,
        description="Rows taken per hop, per row and per step around an item. Price: time, above all of"
        " predictions: each item is looked at once per anchor time.",
    )  # fmt: skip
    item_embedding: bool = Field(
        default=False,
        description="Whether each item known in training has a vector of its own, beside what its columns and"
        " rows say. Helps where there are many visits an item and items stay the same; where they come and go"
        " it remembers what was popular. Price: memory of items x channels.",
    )
    negatives: Literal["uniform", "popular", "in_batch"] = Field(
        default="uniform",
        description="What items that came are compared with: all alike, the often visited more often, or what"
        " came to the other entities of the batch alone.",
    )
    num_candidates: int = Field(
        default=1024, ge=2,
        description="Items compared in a batch, at most: those that came, and as many negatives. Price:"
        " time.",
    )  # fmt: skip
    exclude_visited: bool = Field(
        default=False,
        description="Whether items that the entity visited before are left out of rankings.",
    )


class TrainingJob(Part):
    """What belongs to the run rather than to the model."""

    section = "training_job"

    seed: int = Field(
        default=0, ge=0, lt=2**31,
        description="Key of weights, order, dropout and sampling. The same seed gives the same model on a"
        " CPU.",
    )  # fmt: skip
    num_threads: int | None = Field(
        default=1, ge=1,
        description="Threads that torch computes with on a CPU; null: torch's own choice. More help wide"
        " models on idle cores; where other programs need the cores, they wait for each other and are many"
        " times slower. Another number changes the last bits of a model.",
    )  # fmt: skip
    boosted_baseline: bool = Field(
        default=False,
        description="Whether gradient-boosted trees on the entity's columns and simple aggregates stand"
        " beside the model. Needs LightGBM. Price: time, some seconds for a hundred thousand examples.",
    )


class ModelPlan(Part):
    """Everything that decides what model comes out, beside the data; see the parts for their settings."""

    neighbor_sampling: NeighborSampling = NeighborSampling()
    column_processing: ColumnProcessing = ColumnProcessing()
    model_architecture: ModelArchitecture = ModelArchitecture()
    optimization: Optimization = Optimization()
    ranking: Ranking = Ranking()
    training_job: TrainingJob = TrainingJob()
    reasons: dict[str, str] = Field(default={}, description="Why `suggest` chose a setting. Has no effect.")

    def with_overrides(self, overrides: Mapping[str, Any]) -> ModelPlan:
        """A plan with some settings changed, by dotted name: `{"optimization.max_epochs": 3}`.

        Raises:
            PlanError: On an unknown name, with the nearest, or a value that cannot be.
        """
        settings = self.model_dump()
        known = [
            f"{part}.{name}" for part, fields in settings.items() if part != "reasons" for name in fields
        ]
        for place, value in overrides.items():
            if place not in known:
                raise PlanError(f"{place} is no setting.{nearest(place, known)}")
            part, name = place.split(".")
            settings[part][name] = value
            settings["reasons"].pop(place, None)
        return ModelPlan(**settings)

    def to_yaml(self, path: str | Path | None = None) -> str:
        """The plan as YAML, which is also written to `path` if one is given."""
        settings = self.model_dump(mode="json")
        if not settings["reasons"]:
            del settings["reasons"]
        text: str = yaml.safe_dump(
            settings, sort_keys=False, default_flow_style=None, width=120, allow_unicode=True
        )
        if path is not None:
            Path(path).write_text(text, encoding="utf-8")
        return text

    @classmethod
    def from_yaml(cls, source: str | Path) -> ModelPlan:
        """Reads a plan; what it does not name gets its default.

        Args:
            source: A file (a `Path`, or text of one line that ends in `.yaml` or `.yml`), or YAML itself.

        Raises:
            PlanError: If it is no YAML mapping or asks for what cannot be.
        """
        is_file = isinstance(source, Path) or ("\n" not in source and source.endswith((".yaml", ".yml")))
        text = Path(source).read_text(encoding="utf-8") if is_file else str(source)
        try:
            settings = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise PlanError(f"the plan is no YAML: {error}") from None
        if settings is None:
            settings = {}
        if not isinstance(settings, dict):
            raise PlanError(
                f"the plan is a {type(settings).__name__}, not a mapping with the keys"
                f" {', '.join(cls.model_fields)}"
            )
        return cls(**{str(part): {} if value is None else value for part, value in settings.items()})


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
