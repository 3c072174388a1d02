"""How weights are fitted."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from relhop.plan.part import Part


class Optimization(Part):
    """How weights are fitted: AdamW, best epoch of the validation split kept."""

    section = "optimization"

    max_epochs: int = Field(
        default=10, ge=1, description="Passes over the training split, at most. Price: time."
    )
    max_steps_per_epoch: int = Field(
        default=2000,
        ge=1,
        description="Batches a pass, at most; a new random order each pass reaches the others.",
    )
    min_steps_per_epoch: int = Field(
        default=10, ge=1,
        description="Batches a pass, at least: where the training split is small, its batches are smaller.",
    )  # fmt: skip
    batch_size: int = Field(
        default=512, ge=1, description="Seeds a batch. Price: memory; smaller ones take more steps."
    )
    base_lr: float = Field(
        default=3e-3, gt=0, description="Learning rate after warm-up. Lower it if the loss jumps."
    )
    lr_scheduler: Literal["cosine", "constant"] = Field(
        default="cosine",
        description="Course of the learning rate over all steps, after a warm-up of 5 % of them.",
    )
    weight_decay: float = Field(
        default=1e-2, ge=0, description="AdamW's pull of weights to 0, per unit of learning rate."
    )
    early_stopping: int | None = Field(
        default=5, ge=1,
        description="Epochs without a better validation metric after which training stops; null: never.",
    )  # fmt: skip
    loss: Literal["binary_cross_entropy", "cross_entropy", "l1", "huber", "mse"] | None = Field(
        default=None,
        description="What is minimised. null: by task, binary_cross_entropy (multilabel, too), cross_entropy"
        " (multiclass) or l1 (regression, forecasting).",
    )
