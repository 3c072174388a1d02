"""A trained model as a folder of plain files.

model.pt      weights; read with `weights_only=True`, so that loading runs no code
plan.yaml     the plan
task.json     what is predicted, the schema, column statistics
metrics.json  how good it is, by split, beside the baselines; the course of training
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from relhop.aggregate_features import AggregateFeatures
from relhop.errors import TrainingError
from relhop.plan import ModelPlan
from relhop.schema import Schema
from relhop.statistics import Statistics
from relhop.training_table import TaskType, TrainingTable

FORMAT_VERSION = 2


def partial_of(final: Path) -> Path:
    """Where a run is until its model is whole."""
    return final.with_name(final.name + ".partial")


@dataclass(frozen=True)
class TargetScale:
    """How a regression or forecasting target is standardised, and the range that predictions are kept in."""

    mean: float
    std: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class Task:
    """What a model predicts.

    Attributes:
        entity_table: For the rows of which table.
        task_type: What kind of label.
        classes: The values of a multiclass or multilabel target by index.
        scale: Of a regression or forecasting label.
        query: The query that asked, if any.
        withheld: Columns that the model must not see, as `table.column`.
        item_table: Of a link prediction: the table whose rows are ranked.
        target_links: Of a link prediction: see `TrainingTable`.
        timeframes: Of a forecast: how many windows follow one another.
        top_k: Of a ranking: how many items the query asked for, if it said so.
    """

    entity_table: str
    task_type: TaskType
    classes: tuple[Any, ...] | None = None
    scale: TargetScale | None = None
    query: str | None = None
    withheld: tuple[str, ...] = ()
    item_table: str | None = None
    target_links: tuple[str, str] | None = None
    timeframes: int | None = None
    top_k: int | None = None

    @classmethod
    def of(cls, table: TrainingTable, scale: TargetScale | None) -> Task:
        """The task of a training table. Class values that JSON does not have become text."""
        classes = None
        if table.classes is not None:
            classes = tuple(c if isinstance(c, (str, int, float)) else str(c) for c in table.classes)
        frames = table.target if table.task_type == TaskType.forecasting else None
        return cls(
            table.entity_table,
            table.task_type,
            classes,
            scale,
            table.query,
            table.withheld,
            timeframes=None if frames is None else frames.shape[1],
            item_table=table.item_table,
            target_links=table.target_links,
            top_k=table.top_k,
        )

    @property
    def out_channels(self) -> int:
        """How many numbers a model gives per seed."""
        return self.timeframes or (1 if self.classes is None else len(self.classes))

    @property
    def has_columns(self) -> bool:
        """Whether scores are [n, out_channels] rather than [n]."""
        return self.timeframes is not None or self.classes is not None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Task:
        """The inverse of `dataclasses.asdict`, also of what JSON made of it."""
        classes, scale = data["classes"], data["scale"]
        return cls(
            data["entity_table"],
            TaskType(data["task_type"]),
            None if classes is None else tuple(classes),
            None if scale is None else TargetScale(**scale),
            data["query"],
            tuple(data.get("withheld", ())),
            timeframes=data.get("timeframes"),
            item_table=data.get("item_table"),
            target_links=None if data.get("target_links") is None else tuple(data["target_links"]),
            top_k=data.get("top_k"),
        )


@dataclass(frozen=True)
class Description:
    """A model without its weights.

    Attributes:
        plan: How it is built and trained.
        task: What it predicts.
        schema: Of the stores that it reads.
        statistics: Of the columns at the training cut.
        own_module: Whether it is the user's module rather than the plan's network.
        aggregates: Those that it reads; `None`: none.
    """

    plan: ModelPlan
    task: Task
    schema: Schema
    statistics: Statistics
    own_module: bool
    aggregates: AggregateFeatures | None = None

    def write(self, folder: Path) -> None:
        """Writes `plan.yaml` and `task.json`."""
        self.plan.to_yaml(folder / "plan.yaml")
        (folder / "task.json").write_text(self._task_json(), encoding="utf-8")

    def matches(self, folder: Path) -> bool:
        """Whether that folder describes the same model."""
        plan, task = folder / "plan.yaml", folder / "task.json"
        if not plan.is_file() or not task.is_file():
            return False
        return (
            ModelPlan.from_yaml(plan) == self.plan and task.read_text(encoding="utf-8") == self._task_json()
        )

    def _task_json(self) -> str:
        described = {
            "format_version": FORMAT_VERSION,
            "task": asdict(self.task),
            "own_module": self.own_module,
            "schema": self.schema.to_dict(),
            "statistics": self.statistics.to_dict(),
            "aggregates": None if self.aggregates is None else asdict(self.aggregates),
        }
        return json.dumps(described, indent=1, ensure_ascii=False)

    @classmethod
    def read(cls, folder: Path) -> Description:
        """Reads `plan.yaml` and `task.json`.

        Raises:
            TrainingError: If the folder holds no model, or one of another version of the format.
        """
        for name in ("model.pt", "plan.yaml", "task.json"):
            if not (folder / name).is_file():
                partial = partial_of(folder)
                hint = f"; a training that is under way or was interrupted is in {partial}, to be resumed"
                raise TrainingError(
                    f"{folder} holds no trained model: there is no {name}{hint if partial.is_dir() else ''}"
                )
        described = json.loads((folder / "task.json").read_text(encoding="utf-8"))
        if described["format_version"] != FORMAT_VERSION:
            raise TrainingError(
                f"{folder} holds a model of format version {described['format_version']}; this relhop reads"
                f" {FORMAT_VERSION}, so train it again"
            )
        aggregates = described.get("aggregates")
        return cls(
            plan=ModelPlan.from_yaml(folder / "plan.yaml"),
            task=Task.from_dict(described["task"]),
            schema=Schema.from_dict(described["schema"]),
            statistics=Statistics.from_dict(described["statistics"]),
            own_module=described["own_module"],
            aggregates=None if aggregates is None else AggregateFeatures.from_dict(aggregates),
        )


def write_weights(folder: Path, weights: Mapping[str, Tensor]) -> None:
    """Writes `model.pt`."""
    torch.save(dict(weights), folder / "model.pt")


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Reads `model.pt`, onto the CPU."""
    weights: dict[str, Tensor] = torch.load(folder / "model.pt", map_location="cpu", weights_only=True)
    return weights


def write_metrics(folder: Path, metrics: Mapping[str, Any]) -> None:
    """Writes `metrics.json`, NaN as null."""
    (folder / "metrics.json").write_text(
        json.dumps(_without_nan(metrics), indent=1, allow_nan=False), encoding="utf-8"
    )


def read_metrics(folder: Path) -> dict[str, Any]:
    """Reads `metrics.json`, null as NaN; empty where there is none, as in a folder that is not whole."""
    file = folder / "metrics.json"
    if not file.is_file():
        return {}
    found: dict[str, Any] = _with_nan(json.loads(file.read_text(encoding="utf-8")))
    return found


def schema_difference(trained: Schema, given: Schema) -> str | None:
    """The first difference between the schema a model was trained on and another, in words; `None` if there
    is none.
    """
    return _difference(trained.to_dict(), given.to_dict(), "")


def _difference(trained: Any, given: Any, place: str) -> str | None:
    if isinstance(trained, dict) and isinstance(given, dict):
        for key in [*trained, *given]:
            where = f"{place}.{key}" if place else str(key)
            if key not in given:
                return f"{where} is missing from the store"
            if key not in trained:
                return f"{where} is new in the store"
            found = _difference(trained[key], given[key], where)
            if found is not None:
                return found
        return None
    return None if trained == given else f"{place} was {trained!r}, in the store it is {given!r}"


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _with_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_nan(item) for item in value]
    return math.nan if value is None else value
