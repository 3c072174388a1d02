"""All parts together, as Python or YAML."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field

from relhop.errors import PlanError, nearest
from relhop.plan.column_processing import ColumnProcessing
from relhop.plan.model_architecture import ModelArchitecture
from relhop.plan.neighbor_sampling import NeighborSampling
from relhop.plan.optimization import Optimization
from relhop.plan.part import Part
from relhop.plan.ranking import Ranking
from relhop.plan.training_job import TrainingJob


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
