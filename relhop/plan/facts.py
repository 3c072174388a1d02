"""What a suggestion looks at: numbers about a store and a task, and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from relhop.schema import EdgeType, Schema

_Place = tuple[str, EdgeType | None]
"""A table, and by which step its rows were found; `None`: as seeds."""


@dataclass(frozen=True)
class Degree:
    """How many neighbors rows have along a step: of those with any.

    Attributes:
        mean: On average.
        covering: As many as four of five have, or fewer.
    """

    mean: float
    covering: int


@dataclass(frozen=True)
class Facts:
    """Numbers about a store and a task.

    Attributes:
        schema: The tables and links.
        task_type: What kind of label is predicted.
        entity_table: The table whose rows are predicted for.
        num_rows: Of each table.
        num_examples: Labelled ones to train on; `None` where they are not counted.
        degrees: By step; where one is missing, it leads to one row.
    """

    schema: Schema
    task_type: str
    entity_table: str
    num_rows: Mapping[str, int]
    num_examples: int | None
    degrees: Mapping[EdgeType, Degree] = field(default_factory=dict)

    @property
    def total_rows(self) -> int:
        """Of all tables."""
        return sum(self.num_rows.values())

    def hops(self, most: int) -> int:
        """After how many hops there is nothing new to find, at most `most`, at least 1.

        A step from a row's children straight back along the same key leads to that row alone.
        """
        found = 0
        reached: set[_Place] = {(self.entity_table, None)}
        while found < most and (reached := self._next(reached)):
            found += 1
        return max(1, found)

    def rows_per_seed(self, fanouts: Sequence[int]) -> int:
        """How many rows a seed's neighborhood has, about, itself included; with so many rows a hop, row and
        step at most.
        """
        total = 1.0
        rows: dict[_Place, float] = {(self.entity_table, None): 1.0}
        for fanout in fanouts:
            following: dict[_Place, float] = {}
            for (table, came), count in rows.items():
                for step in self._steps(table, came):
                    degree = self.degrees.get(step)
                    taken = 1.0 if degree is None else min(fanout, degree.mean)
                    place: _Place = (step[0], step)
                    following[place] = following.get(place, 0) + count * taken
            rows = following
            total += sum(rows.values())
        return round(total)

    def _next(self, reached: set[_Place]) -> set[_Place]:
        return {(step[0], step) for table, came in reached for step in self._steps(table, came)}

    def _steps(self, table: str, came: EdgeType | None) -> list[EdgeType]:
        """The steps on from a row of a table that was found by a step, `None` of a seed."""
        back = None if came is None else self._ways_back.get(came)
        return [step for step in self._steps_from.get(table, ()) if step != back]

    @cached_property
    def _steps_from(self) -> dict[str, list[EdgeType]]:
        found: dict[str, list[EdgeType]] = {}
        for step in self.schema.edge_types:
            found.setdefault(step[2], []).append(step)
        return found

    @cached_property
    def _ways_back(self) -> dict[EdgeType, EdgeType]:
        return {link.to_parent: link.to_child for link in self.schema.links}
