"""Of link predictions: how items are scored and compared."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from relhop.plan.part import Part


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
