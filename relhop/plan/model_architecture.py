"""The network."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from relhop.errors import PlanError
from relhop.plan.part import Part

Aggregation = Literal["mean", "sum", "max", "attention"]
Normalization = Literal["layer", "batch", "none"]


class ModelArchitecture(Part):
    """The network: column encoders, a body over the neighborhood, a head of two layers."""

    section = "model_architecture"

    body: Literal["sage", "transformer"] = Field(
        default="sage",
        description="What makes a seed's vector of its neighborhood. `sage`: one GraphSAGE layer a hop."
        " `transformer`: attention among all rows of the neighborhood. Price of transformer: two or three"
        " times the time and memory.",
    )
    channels: int = Field(
        default=64, ge=2, le=1024, multiple_of=2,
        description="Width of every layer. Price: time grows with its square, memory in proportion.",
    )  # fmt: skip
    aggregation: Aggregation = Field(
        default="mean",
        description="How the messages along one edge type become one. `sum` tells how many neighbors there"
        " are, and is thrown by those with very many. `attention` learns which count (GATv2). Price of"
        " attention: a quarter more time.",
    )
    residual: bool = Field(
        default=False,
        description="Whether a GraphSAGE layer adds to a vector instead of replacing it. Helps from three"
        " hops on.",
    )  # fmt: skip
    normalization: Normalization = Field(
        default="layer",
        description="What keeps the size of a GraphSAGE layer's vectors: each row by itself (`layer`), each"
        " channel over a batch's rows (`batch`), or nothing.",
    )
    dropout: float = Field(
        default=0.1, ge=0, lt=1,
        description="Share of activations set to 0 in training. More helps small tables; too much"
        " learns slowly.",
    )  # fmt: skip
    num_layers: int = Field(
        default=2, ge=1, le=16, description="Layers of the transformer. Price: time and memory."
    )
    num_heads: int = Field(
        default=4, ge=1, le=64,
        description="Heads of attention, of the transformer and of `aggregation: attention`; a divisor of"
        " channels. Costs nothing.",
    )  # fmt: skip
    max_tokens: int = Field(
        default=300, ge=1,
        description="Rows of a neighborhood that the transformer sees, at most: those nearest to the seed,"
        " and of a hop the newest. Price: time and memory in proportion.",
    )  # fmt: skip

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        attends = self.body == "transformer" or self.aggregation == "attention"
        if attends and self.channels % self.num_heads:
            raise PlanError(
                f"model_architecture.num_heads is {self.num_heads}, which does not divide the"
                f" {self.channels} channels; choose a divisor"
            )
        return self
