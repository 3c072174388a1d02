"""What there is to try: the candidates of a plan, by texts that name them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from relhop.errors import PlanError
from relhop.plan import ModelPlan
from relhop.schema import Schema


class Space:
    """The combinations of a plan's candidates.

    A choice is a text for each setting with several candidates: the candidate as JSON.

    Attributes:
        choices: By dotted name of a setting the texts of its candidates, the plan's own value first.
        num_experiments: How many combinations are to be tried: no more than there are.

    Raises:
        PlanError: If several experiments are asked for, and no setting has several candidates.
    """

    def __init__(self, plan: ModelPlan) -> None:
        self.plan = plan
        written = plan.model_dump(mode="json")
        self.choices: dict[str, list[str]] = {}
        for name in plan.candidates:
            part, setting = name.split(".")
            self.choices[name] = [json.dumps(value) for value in written[part][setting]]
        asked = plan.training_job.num_experiments
        if asked > 1 and not self.choices:
            raise PlanError(
                f"training_job.num_experiments is {asked}, but no setting has several candidates; give some a"
                " list, such as optimization.base_lr: [0.003, 0.001]"
            )
        self.num_experiments = min(asked, math.prod(len(texts) for texts in self.choices.values()))

    @property
    def own(self) -> dict[str, str]:
        """The choice of the plan's own values."""
        return {name: texts[0] for name, texts in self.choices.items()}

    def plan_of(self, choice: Mapping[str, str]) -> ModelPlan:
        """The plan with a choice's values, and nothing to search."""
        chosen = {
            name: self.plan.candidates[name][texts.index(choice[name])]
            for name, texts in self.choices.items()
        }
        return self.plan.with_overrides({**chosen, "training_job.num_experiments": 1})

    def settings_of(self, choice: Mapping[str, str]) -> dict[str, Any]:
        """A choice as YAML would have it."""
        return {name: json.loads(choice[name]) for name in self.choices}

    def words(self, choice: Mapping[str, str]) -> str:
        """A choice in a line."""
        return ", ".join(f"{name} {choice[name]}" for name in self.choices) or "the plan"

    def draw(self, generator: np.random.Generator) -> dict[str, str]:
        """Any choice, each as likely as the others."""
        return {name: texts[int(generator.integers(len(texts)))] for name, texts in self.choices.items()}

    def check(self, schema: Schema) -> None:
        """Raises PlanError if a candidate does not fit the schema; says which."""
        for name, values in self.plan.candidates.items():
            for number, value in enumerate(values, 1):
                plan = self.plan.with_overrides({name: value})
                try:
                    plan.neighbor_sampling.resolve_num_neighbors(schema)
                    plan.neighbor_sampling.resolve_strategies(schema)
                    plan.neighbor_sampling.resolve_metapaths(schema)
                    plan.column_processing.dropped_columns(schema)
                    plan.column_processing.encodings(schema)
                except PlanError as error:
                    raise PlanError(f"{error} ({name}, candidate {number} of {len(values)})") from None
