"""What the parts of a plan have in common: settings that never change, and errors that name them."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from relhop.errors import PlanError, nearest


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
        if not isinstance(value, list) or name in (
            "num_neighbors",
            "metapaths",
            "drop",
            "item_neighbors",
            "loggers",
        ):
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
