"""The network."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from relhop.plan.part import Part


class ModelArchitecture(Part):
    """The network: column encoders, one GraphSAGE layer a hop, a head of two layers."""

    section = "model_architecture"

    channels: int = Field(
        default=64, ge=2, le=1024, multiple_of=2,
        description="Width of every layer. Price: time grows with its square, memory in proportion.",
    )  # fmt: skip
    aggregation: Literal["mean", "sum", "max"] = Field(
        default="mean",
        description="How the messages along one edge type become one. `sum` tells how many neighbors there"
        " are, and is thrown by those with very many.",
    )
    dropout: float = Field(
        default=0.1, ge=0, lt=1,
        description="Share of activations set to 0 in training. More helps small tables; too much"
        " learns slowly.",
    )  # fmt: skip
