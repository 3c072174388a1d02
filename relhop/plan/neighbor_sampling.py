"""Which part of the past a prediction sees."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_serializer, field_validator

from relhop.delays import NO_DELAY, Delay, parse_delay
from relhop.errors import PlanError, nearest
from relhop.hops import by_edge_type, read_num_neighbors, read_strategy, settings_of_hops, steps_by_name
from relhop.plan.part import Part
from relhop.schema import EdgeType, Schema


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
    delay: str | None = Field(
        default=None,
        description="How much later than they happen rows can be seen. `2 days`: as where data arrives late;"
        " training and predictions see nothing newer. `0 to 1200 days`: training draws one an example and"
        " epoch, predictions see all there is; for a model whose data will be that old when it is asked.",
    )

    @classmethod
    def read_candidates(cls, name: str, value: Any) -> list[Any]:
        """The candidates of a setting; those of counts per hop are told by their notation."""
        if name == "num_neighbors":
            return settings_of_hops(value)
        if name == "strategy" and isinstance(value, list) and value:
            return value
        return super().read_candidates(name, value)

    @field_validator("num_neighbors", mode="before")
    @classmethod
    def _read_num_neighbors(cls, value: Any) -> tuple[dict[str, int | str], ...]:
        return read_num_neighbors(value)

    @field_validator("strategy", mode="before")
    @classmethod
    def _read_strategy(cls, value: Any) -> tuple[dict[str, str], ...]:
        return read_strategy(value)

    @field_validator("delay")
    @classmethod
    def _check_delay(cls, value: str | None) -> str | None:
        if value is not None:
            parse_delay(value)
        return value

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

    def resolve_delay(self, *, training: bool) -> Delay:
        """What examples are delayed by, as `relhop.loader.SeedLoader` takes it."""
        delay = NO_DELAY if self.delay is None else parse_delay(self.delay)
        return delay if training else delay.when_asked

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
