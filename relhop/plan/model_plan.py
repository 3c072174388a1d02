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
    """Everything that decides what model comes out, beside the data; see the parts for their settings.

    A setting that is given as a list of several values is searched: see `candidates` and
    `training_job.num_experiments`.
    """

    neighbor_sampling: NeighborSampling = NeighborSampling()
    column_processing: ColumnProcessing = ColumnProcessing()
    model_architecture: ModelArchitecture = ModelArchitecture()
    optimization: Optimization = Optimization()
    ranking: Ranking = Ranking()
    training_job: TrainingJob = TrainingJob()
    reasons: dict[str, str] = Field(
        default={},
        exclude=True,
        description="Why `suggest` chose a setting, by dotted name. Has no effect: YAML has it as comments,"
        " and plans that differ in it are equal.",
    )

    @property
    def parts(self) -> dict[str, Part]:
        """The parts by name."""
        found = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: part for name, part in found.items() if isinstance(part, Part)}

    @property
    def candidates(self) -> dict[str, tuple[Any, ...]]:
        """The search space: by dotted name of a setting its candidates, the plan's own value first."""
        return {
            f"{part}.{name}": values
            for part, settings in self.parts.items()
            for name, values in settings.candidates.items()
        }

    @classmethod
    def read_candidates(cls, name: str, value: Any) -> list[Any]:
        """A part has settings that may have candidates, and none itself."""
        return [value]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ModelPlan) and self.parts == other.parts

    def with_overrides(self, overrides: Mapping[str, Any]) -> ModelPlan:
        """A plan with some settings changed, by dotted name: `{"optimization.max_epochs": 3}`.

        A list of several values makes candidates of them, another value ends the search for that setting.

        Raises:
            PlanError: On an unknown name, with the nearest, or a value that cannot be.
        """
        settings = self.model_dump()
        known = [f"{part}.{name}" for part, fields in settings.items() for name in fields]
        for place, value in overrides.items():
            if place not in known:
                raise PlanError(f"{place} is no setting.{nearest(place, known)}")
            part, name = place.split(".")
            settings[part][name] = value
        reasons = {place: why for place, why in self.reasons.items() if place not in overrides}
        return ModelPlan(**settings, reasons=reasons)

    def to_yaml(self, path: str | Path | None = None) -> str:
        """The plan as YAML, which is also written to `path` if one is given.

        Reasons are comments on the lines of their settings.
        """
        lines = []
        for part, settings in self.model_dump(mode="json").items():
            lines.append(f"{part}:")
            for name, value in settings.items():
                lines += _lines(name, value, self.reasons.get(f"{part}.{name}"))
        text = "\n".join(lines) + "\n"
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
                f" {', '.join(cls().parts)}"
            )
        return cls(**{str(part): {} if value is None else value for part, value in settings.items()})


def _lines(name: str, value: Any, reason: str | None) -> list[str]:
    """A setting as indented lines of YAML, the first of which tells the reason."""
    flow = None if isinstance(value, (list, dict)) else False
    written = yaml.safe_dump(
        {name: value}, sort_keys=False, default_flow_style=flow, width=10_000, allow_unicode=True
    )
    first, *others = written.rstrip("\n").split("\n")
    comment = "" if reason is None else f"  # {' '.join(reason.split())}"
    return [f"  {first}{comment}", *(f"  {line}" for line in others)]
