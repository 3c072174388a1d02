"""The notations of settings per hop: `[16, 8]`, or `hop1: {default: 16, "A.x->B.y": 128}` and so on.

`A.x->B.y` names the step from a row of A to rows of B.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from relhop.errors import PlanError, nearest
from relhop.schema import EdgeType, Schema
from relhop.strategies import STRATEGIES, parse_strategy

MAX_HOPS = 6

T = TypeVar("T")


def read_num_neighbors(value: Any) -> tuple[dict[str, int | str], ...]:
    """Counts (or `inferred`) per hop, with `default` and by step, from any notation of one setting.

    Raises:
        PlanError: On something else, on other than 1 to 6 hops, or on what is no count.
    """
    hops = read_hops(value)
    if not 1 <= len(hops) <= MAX_HOPS:
        raise PlanError(f"neighbor_sampling.num_neighbors has {len(hops)} hops; give 1 to {MAX_HOPS}")
    return tuple(_counts(number, hop) for number, hop in enumerate(hops, 1))


def _counts(number: int, hop: Any) -> dict[str, int | str]:
    place = f"neighbor_sampling.num_neighbors, hop{number}"
    counts = dict(hop) if isinstance(hop, Mapping) else {"default": hop}
    if "default" not in counts:
        raise PlanError(f"{place}: there is no `default` for the steps that are not named")
    for step, count in counts.items():
        if count != "inferred" and (isinstance(count, bool) or not isinstance(count, int) or count < -1):
            raise PlanError(f"{place}: {step} is {count!r}; give 0 (none), -1 (all), a count or 'inferred'")
    return counts


def read_strategy(value: Any) -> tuple[dict[str, str], ...]:
    """Strategies with `default` and by step, for all hops (one item) or per hop, from any notation.

    Raises:
        PlanError: On something else, or an unknown strategy.
    """
    if isinstance(value, Mapping) and any(hop_number(key) for key in value):
        value = _consecutive([value])
    hops = [value] if isinstance(value, (str, Mapping)) else value
    if not isinstance(hops, (list, tuple)) or not all(isinstance(hop, (str, Mapping)) for hop in hops):
        raise PlanError(f"neighbor_sampling.strategy is {value!r}; choose one of {', '.join(STRATEGIES)}")
    settings = [{"default": h} if isinstance(h, str) else {"default": "recency", **h} for h in hops]
    for hop in settings:
        for step, name in hop.items():
            try:
                parse_strategy(str(name))
            except ValueError as error:
                raise PlanError(f"neighbor_sampling.strategy: {step}: {error}") from None
    return tuple(settings)


def settings_of_hops(value: Any) -> list[Any]:
    """The settings per hop in a list of them: `[[16, 16], [32, 16]]`, or `- hop1: ...` twice. One, if it is
    a single setting in any of its notations, such as `[16, 16]`.
    """
    if not isinstance(value, (list, tuple)):
        return [value]
    if any(isinstance(item, (list, tuple)) for item in value):
        return list(value)
    keys = [key for item in value if isinstance(item, Mapping) for key in item if hop_number(key)]
    return list(value) if len(set(keys)) < len(keys) else [value]


def steps_by_name(schema: Schema) -> dict[str, EdgeType]:
    """The edge type behind each step `A.x->B.y`: from a row of A to rows of B, hence messages from B to A.

    A step along an edge type (B, name, A) of an edge table is `A.name->B`.
    """
    steps = {}
    for link in schema.links:
        child = f"{link.child}.{link.fkey_name}"
        parent = f"{link.parent}.{'+'.join(schema.table(link.parent).pkey)}"
        steps[f"{parent}->{child}"] = link.to_parent
        steps[f"{child}->{parent}"] = link.to_child
    for edges in schema.edge_tables.values():
        steps |= {
            f"{target}.{name}->{source}": (source, name, target) for source, name, target in edges.edge_types
        }
    return steps


def by_edge_type(hop: Mapping[str, T], steps: Mapping[str, EdgeType], place: str) -> dict[EdgeType, T]:
    """A setting of every edge type, from one of a hop by step.

    Args:
        hop: `default` and, for some steps, another value.
        steps: See `steps_by_name`.
        place: Where the setting stands in the plan, for the error.

    Raises:
        PlanError: If a step is not known; suggests the nearest.
    """
    resolved = dict.fromkeys(steps.values(), hop["default"])
    for step, value in hop.items():
        if step == "default":
            continue
        if step not in steps:
            raise PlanError(f"neighbor_sampling.{place}: there is no step '{step}'.{nearest(step, steps)}")
        resolved[steps[step]] = value
    return resolved


def hop_number(key: Any) -> int | None:
    """2 of `hop2`; `None` of any other key."""
    digits = str(key).removeprefix("hop")
    return int(digits) if str(key).startswith("hop") and digits.isdecimal() else None


def read_hops(value: Any) -> list[Any]:
    """The hops of one setting in any of its notations, in order.

    `[16, 8]`, `{hop1: ..., hop2: ...}`, a list of one such setting, or a list with an item per hop.

    Raises:
        PlanError: If it is none of these, or its hops have gaps.
    """
    place = "neighbor_sampling.num_neighbors"
    if isinstance(value, Mapping):
        return _consecutive([value])
    if not isinstance(value, (list, tuple)) or not value:
        raise PlanError(f"{place} is {value!r}; write [16, 16], or hop1: {{default: 16}} and so on")
    if len(value) == 1 and isinstance(value[0], (list, tuple)):
        return list(value[0])
    if all(isinstance(item, Mapping) and any(hop_number(key) for key in item) for item in value):
        return _consecutive(value)
    return list(value)


def _consecutive(items: Iterable[Mapping[Any, Any]]) -> list[Any]:
    """Hops written `hop1: ..., hop2: ...`, in one item or, as some do, in an item each."""
    hops: dict[int, Any] = {}
    for item in items:
        for key, hop in item.items():
            number = hop_number(key)
            if number is None:
                raise PlanError(f"neighbor_sampling: {key!r} is no hop; write hop1, hop2 and so on")
            hops[number] = hop
    if sorted(hops) != list(range(1, len(hops) + 1)):
        raise PlanError(
            f"neighbor_sampling names {', '.join(f'hop{n}' for n in sorted(hops))}; hops count from"
            " hop1 without gaps"
        )
    return [hops[number] for number in sorted(hops)]
