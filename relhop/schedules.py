"""The learning rate over the steps of a run."""

from __future__ import annotations

import math
from typing import Literal

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LinearLR, LRScheduler, ReduceLROnPlateau

from relhop.plan import ModelPlan

PLATEAU_EPOCHS = 2
"""Epochs without a better metric after which a `plateau` lowers the learning rate."""


def step_schedule(optimizer: Optimizer, plan: ModelPlan, total: int) -> LRScheduler:
    """The course of the learning rate by steps, of which there are `total`; of `plateau` its warm-up."""
    settings = plan.optimization
    if settings.lr_scheduler == "plateau":  # which multiplies the rate, so that the warm-up must, too
        steps = max(1, round(settings.warm_up * total))
        return LinearLR(optimizer, start_factor=1 / steps, total_iters=steps - 1)
    return LambdaLR(
        optimizer,
        lambda step: learning_rate_factor(step, total, settings.lr_scheduler, settings.warm_up),
    )


def plateau(optimizer: Optimizer, plan: ModelPlan, mode: Literal["min", "max"]) -> ReduceLROnPlateau | None:
    """What lowers the learning rate by the validation metric of an epoch; `None` where the plan has none."""
    if plan.optimization.lr_scheduler != "plateau":
        return None
    return ReduceLROnPlateau(optimizer, mode=mode, factor=0.5, patience=PLATEAU_EPOCHS - 1, threshold=0.0)


def learning_rate_factor(step: int, total: int, scheduler: str, warm_up: float) -> float:
    """What the base learning rate is multiplied by at a step of `total`, counted from 0."""
    warm = min(1.0, (step + 1) / max(1.0, warm_up * total))
    done = min(1.0, step / total)
    if scheduler == "cosine":
        return warm * 0.5 * (1 + math.cos(math.pi * done))
    return warm * (1 - done) if scheduler == "linear" else warm
