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
    lr_scheduler: Literal["cosine", "linear", "constant", "plateau"] = Field(
        default="cosine",
        description="Course of the learning rate after the warm-up: `cosine` and `linear` fall to 0 over all"
        " steps, `constant` stays, `plateau` halves after each 2 epochs without a better validation metric.",
    )
    warm_up: float = Field(
        default=0.05, ge=0, lt=1,
        description="Share of all steps over which the learning rate rises from 0.",
    )  # fmt: skip
    gradient_clip: float | None = Field(
        default=1.0, gt=0,
        description="Longer gradients are shortened to this norm, so that no batch throws the weights far;"
        " null: none is.",
    )  # fmt: skip
    weight_decay: float = Field(
        default=1e-2, ge=0, description="AdamW's pull of weights to 0, per unit of learning rate."
    )
    early_stopping: int | None = Field(
        default=5, ge=1,
        description="Epochs without a better validation metric after which training stops; null: never.",
    )  # fmt: skip
    loss: (
        Literal["binary_cross_entropy", "cross_entropy", "focal", "l1", "huber", "mse", "quantile"] | None
    ) = Field(
        default=None,
        description="What is minimised. null: by task, binary_cross_entropy (multilabel, too), cross_entropy"
        " (multiclass) or l1 (regression, forecasting). `focal` looks at what is still wrong; `huber` is l1"
        " with soft ends, `quantile` aims at the value that a share of the labels stays below.",
    )
    quantile: float = Field(
        default=0.5,
        gt=0,
        lt=1,
        description="The share of labels below the prediction, of the loss `quantile`.",
    )
    class_weight: Literal["none", "balanced"] = Field(
        default="none",
        description="`balanced`: every class of the training split counts alike, however rare. Price:"
        " probabilities are no longer frequencies.",
    )
