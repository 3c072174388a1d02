"""What training minimises: a loss by name, of a model's outputs and the labels of a task."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from relhop.checkpoint import Task
from relhop.errors import PlanError, TrainingError
from relhop.plan import ModelPlan
from relhop.training_table import TaskType, TrainingTable

Loss = Callable[[Tensor, Tensor], Tensor]
"""Outputs and labels, both [B, out_channels], or outputs [B, classes] and class indices [B] -> the loss of
each.
"""

FOCUS = 2.0
"""The exponent gamma of the focal loss that its authors found best."""


def focal_loss(outputs: Tensor, target: Tensor) -> Tensor:
    """Cross entropy times (1 - p)^2, where p is the probability of the true label: what is right already
    counts little (Lin et al. 2017, Focal Loss for Dense Object Detection, arXiv 1708.02002).

    Args:
        outputs: Logits, [B, columns] of columns that are true or not, or [B, classes].
        target: 0 or 1, [B, columns], or class indices, int64 [B].

    Returns:
        [B, columns], or [B].
    """
    if target.dim() == 1:
        surprise = functional.cross_entropy(outputs, target, reduction="none")
    else:
        surprise = functional.binary_cross_entropy_with_logits(outputs, target, reduction="none")
    return surprise * (1 - torch.exp(-surprise)) ** FOCUS


def quantile_loss(outputs: Tensor, target: Tensor, quantile: float) -> Tensor:
    """The pinball loss of each value, least where a share `quantile` of the labels is below the output
    (Koenker and Bassett 1978, Regression Quantiles).
    """
    missing = target - outputs
    return torch.maximum(quantile * missing, (quantile - 1) * missing)


_COLUMNS = (TaskType.binary, TaskType.multilabel)
_VALUES = (TaskType.regression, TaskType.forecasting)
LOSSES: dict[str, tuple[tuple[TaskType, ...], Loss]] = {
    "binary_cross_entropy": (
        _COLUMNS,
        partial(functional.binary_cross_entropy_with_logits, reduction="none"),
    ),
    "cross_entropy": ((TaskType.multiclass,), partial(functional.cross_entropy, reduction="none")),
    "focal": ((*_COLUMNS, TaskType.multiclass), focal_loss),
    "l1": (_VALUES, partial(functional.l1_loss, reduction="none")),
    "huber": (_VALUES, partial(functional.huber_loss, reduction="none")),
    "mse": (_VALUES, partial(functional.mse_loss, reduction="none")),
    "quantile": (_VALUES, partial(quantile_loss, quantile=0.5)),
}
DEFAULT_LOSS = {
    TaskType.binary: "binary_cross_entropy",
    TaskType.multiclass: "cross_entropy",
    TaskType.multilabel: "binary_cross_entropy",
    TaskType.regression: "l1",
    TaskType.forecasting: "l1",
}


class LossFunction:
    """The loss of a plan and a task, of a model's outputs [B, out_channels] and labels [B], or [B,
    out_channels] for a multilabel task or a forecast.

    Args:
        plan: Which loss, and how classes count.
        task: What is predicted.
        train: The training split, of whose labels class weights are made.

    Raises:
        PlanError: If the plan's loss or its class weights are for another kind of task.
    """

    def __init__(self, plan: ModelPlan, task: Task, train: TrainingTable | None = None) -> None:
        settings = plan.optimization
        name = settings.loss or DEFAULT_LOSS[task.task_type]
        kinds, self._loss = LOSSES[name]
        if task.task_type not in kinds:
            fitting = ", ".join(name for name, (kinds, _) in LOSSES.items() if task.task_type in kinds)
            raise PlanError(
                f"optimization.loss is {name}, but the task is {task.task_type}; choose one of {fitting}"
            )
        if name == "quantile":
            self._loss = partial(quantile_loss, quantile=settings.quantile)
        self._task = task
        self._class_weights: Tensor | None = None
        if settings.class_weight == "balanced":
            if task.task_type in _VALUES:
                raise PlanError(
                    f"optimization.class_weight is balanced, but a {task.task_type} has no classes; leave it"
                    " out"
                )
            assert train is not None, "class weights are made of labels"
            self._class_weights = balanced_weights(train, task)

    def __call__(self, outputs: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """The mean loss, a scalar; weighted, where examples have weights [B].

        Raises:
            TrainingError: If the outputs have another shape.
        """
        each = self.each(outputs, target)
        if weight is None:
            return each.mean()
        return (each * weight).sum() / weight.sum().clamp(min=torch.finfo(weight.dtype).tiny)

    def each(self, outputs: Tensor, target: Tensor) -> Tensor:
        """The loss of each example, float32 [B].

        Raises:
            TrainingError: If the outputs have another shape.
        """
        expected = (len(target), self._task.out_channels)
        if tuple(outputs.shape) != expected:
            raise TrainingError(
                f"the model gave outputs of shape {tuple(outputs.shape)} for a batch that needs {expected}"
            )
        outputs = outputs.float()
        if self._task.task_type == TaskType.multiclass:
            return self._weighted(self._loss(outputs, target), target)
        scale = self._task.scale
        goal = (target if scale is None else (target - scale.mean) / scale.std).reshape(expected)
        return self._weighted(self._loss(outputs, goal), goal).mean(dim=1)

    def _weighted(self, losses: Tensor, target: Tensor) -> Tensor:
        """Losses, each times the weight of its label's class."""
        if self._class_weights is None:
            return losses
        weights = self._class_weights.to(losses.device)
        if target.dim() == 1:
            return losses * weights[target]
        return losses * torch.where(target > 0.5, weights[1], weights[0])


def balanced_weights(train: TrainingTable, task: Task) -> Tensor:
    """What a label counts so that all classes count alike: the number of examples / (classes * the number of
    examples of the class). Examples count by their weights. The mean over the training split is 1.

    Args:
        train: The training split; no other label is looked at.
        task: What is predicted.

    Returns:
        float32 [classes] of a multiclass task; [2, columns], of labels 0 and 1, of others. A class without
        examples counts 0.
    """
    weight = np.ones(len(train)) if train.weight is None else train.weight.astype(np.float64)
    if train.lists is not None:
        positive = np.bincount(train.lists.values, weight[train.lists.owners], task.out_channels)
    elif task.task_type == TaskType.multiclass:
        positive = np.bincount(np.asarray(train.target), weight, task.out_channels)
    else:
        positive = weight @ np.asarray(train.target).reshape(len(train), -1)
    shares = positive / weight.sum()
    if task.task_type != TaskType.multiclass:
        shares = np.stack([1 - shares, shares])
    seen = (shares > 0).sum(axis=0)
    weights = np.divide(1, seen * shares, out=np.zeros_like(shares), where=shares > 0)
    return torch.from_numpy(weights).float()
