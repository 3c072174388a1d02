"""What the parts of a plan have in common: settings that never change, candidates, errors that name them."""

from __future__ import annotations

from types import UnionType
from typing import Any, ClassVar, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from relhop.errors import PlanError, nearest


class Part(BaseModel):
    """A group of settings that never change; unknown names are refused with the nearest known one.

    A list of several candidates for a setting is a search space: the first is the setting's value, and all
    are in `candidates`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, allow_inf_nan=False)
    section: ClassVar[str] = ""
    searchable: ClassVar[bool] = True
    """Whether settings of this part may have several candidates."""

    _candidates: dict[str, tuple[Any, ...]] = PrivateAttr(default={})

    def __init__(self, **settings: Any) -> None:
        for name in settings:
            if name not in type(self).model_fields:
                raise PlanError(f"{self._place(name)} is no setting.{nearest(name, type(self).model_fields)}")
        options = {name: self.read_candidates(name, value) for name, value in settings.items()}
        several = {name: values for name, values in options.items() if len(values) > 1}
        found = {name: self._validated(name, values) for name, values in several.items()}
        try:
            super().__init__(**{name: values[0] for name, values in options.items()})
        except ValidationError as error:
            raise self._explain(error) from None
        self._candidates = found

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__private_attributes__:
            super().__setattr__(name, value)
            return
        raise PlanError(
            f"a plan does not change; make another: plan.with_overrides({{'{self._place(name)}': {value!r}}})"
        )

    @property
    def candidates(self) -> dict[str, tuple[Any, ...]]:
        """By setting all of its candidates, the value first, where there are several."""
        return dict(self._candidates)

    @classmethod
    def read_candidates(cls, name: str, value: Any) -> list[Any]:
        """The candidates that were written for a setting; one, if it is no search space.

        A list holds candidates where it is nested deeper than a value of the setting is: `[x]` and `[x, y]`
        of a number, `[[x], [y]]` of a list.
        """
        depth = _depth_of_type(cls.model_fields[name].annotation)
        if not isinstance(value, list) or _depth_of_value(value) <= depth:
            return [value]
        if not value:
            raise PlanError(f"{cls._place(name)} has no candidates; give a value")
        return value

    @classmethod
    def _validated(cls, name: str, values: list[Any]) -> tuple[Any, ...]:
        """Candidates as values of the setting, each of which may be and none of which is there twice."""
        place = cls._place(name)
        if not cls.searchable:
            raise PlanError(
                f"{place} has {len(values)} candidates, {values}; it belongs to the run and is not searched,"
                " give one"
            )
        found: list[Any] = []
        for number, value in enumerate(values, 1):
            try:
                part = cls(**{name: value})
            except PlanError as error:
                raise PlanError(f"{error} (candidate {number} of {len(values)})") from None
            read = getattr(part, name)
            if part.candidates:
                raise PlanError(
                    f"{place}: candidate {number} of {len(values)} is a list of candidates, {value}"
                )
            if read in found:
                raise PlanError(f"{place} has the candidate {value!r} twice")
            found.append(read)
        return tuple(found)

    @model_serializer(mode="wrap")
    def _write_candidates(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = write(self)
        for name, values in self._candidates.items():
            each = [write(self.model_copy(update={name: value}))[name] for value in values]
            written[name] = [_without_list_of_one(value) for value in each]
        return written

    @classmethod
    def _place(cls, name: str) -> str:
        return f"{cls.section}.{name}" if cls.section else name

    @classmethod
    def _explain(cls, error: ValidationError) -> PlanError:
        first = error.errors()[0]
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, PlanError):
            return cause
        place = cls._place(".".join(str(step) for step in first["loc"]))
        return PlanError(f"{place} is {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}")


def _without_list_of_one(value: Any) -> Any:
    """`{hop1: ...}` of `[{hop1: ...}]`, for a list of candidates is a list already."""
    is_one = isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict)
    return value[0] if is_one else value


def _depth_of_type(annotation: Any) -> int:
    """How deep values of a type are nested: 2 of `tuple[tuple[str, ...], ...]`."""
    nested = max(map(_depth_of_type, get_args(annotation)), default=0)
    if get_origin(annotation) in (tuple, list):
        return 1 + nested
    return nested if get_origin(annotation) in (Union, UnionType) else 0


def _depth_of_value(value: Any) -> int:
    if not isinstance(value, (list, tuple)):
        return 0
    return 1 + max(map(_depth_of_value, value), default=0)
