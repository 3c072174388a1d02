from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
import torch

from relhop.checkpoint import TargetScale, Task
from relhop.errors import PlanError
from relhop.lists import Lists
from relhop.losses import LossFunction, balanced_weights, focal_loss, quantile_loss
from relhop.plan import ModelPlan
from relhop.training_table import TaskType, TrainingTable


@pytest.mark.parametrize(
    ("loss", "expected"), [(None, 1.5), ("mse", 2.5), ("huber", 1.0), ("quantile", 0.75)]
)
def test_a_regression_s_loss_is_of_standardised_labels(loss, expected):
    task = Task("t", TaskType.regression, scale=TargetScale(10.0, 2.0, 0.0, 20.0))
    got = LossFunction(ModelPlan(optimization={"loss": loss}), task)(
        torch.tensor([[0.0], [0.0]]), torch.tensor([12.0, 14.0])
    )
    assert float(got) == expected


def test_a_multiclass_loss_is_of_class_indices():
    task = Task("t", TaskType.multiclass, ("a", "b"))
    got = LossFunction(ModelPlan(), task)(torch.zeros(3, 2), torch.tensor([0, 1, 1]))
    assert float(got) == pytest.approx(math.log(2))


def test_a_loss_for_another_task_is_refused():
    with pytest.raises(PlanError) as error:
        LossFunction(ModelPlan(optimization={"loss": "cross_entropy"}), Task("t", TaskType.regression))
    assert str(error.value) == (
        "optimization.loss is cross_entropy, but the task is regression; choose one of l1, huber, mse, quantile"
    )


def test_multilabel_and_forecasting_losses_are_means_over_columns():
    labels = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    got = LossFunction(ModelPlan(), Task("t", TaskType.multilabel, ("a", "b")))(torch.zeros(2, 2), labels)
    assert float(got) == pytest.approx(math.log(2))
    task = Task("t", TaskType.forecasting, scale=TargetScale(1.0, 2.0, 0.0, 9.0), timeframes=2)
    got = LossFunction(ModelPlan(), task)(torch.zeros(1, 2), torch.tensor([[3.0, 5.0]]))
    assert float(got) == 1.5


def test_weights_say_how_much_an_example_counts():
    task = Task("t", TaskType.regression, scale=TargetScale(0.0, 1.0, 0.0, 9.0))
    loss, labels = LossFunction(ModelPlan(), task), torch.tensor([1.0, 5.0])
    assert float(loss(torch.zeros(2, 1), labels, torch.tensor([3.0, 1.0]))) == 2
    assert float(loss(torch.zeros(2, 1), labels, torch.tensor([0.0, 0.0]))) == 0


def test_focal_loss_is_cross_entropy_times_the_square_of_what_is_missing():
    logits = torch.tensor([[0.0], [2.0], [-3.0]])
    labels = torch.tensor([[1.0], [1.0], [1.0]])
    p = torch.sigmoid(logits)
    torch.testing.assert_close(focal_loss(logits, labels), -((1 - p) ** 2) * p.log())
    of_classes = torch.tensor([[1.0, 2.0, 0.0], [0.5, -1.0, 3.0]])
    target = torch.tensor([1, 0])
    p = torch.softmax(of_classes, 1)[[0, 1], target]
    torch.testing.assert_close(focal_loss(of_classes, target), -((1 - p) ** 2) * p.log())


def test_the_quantile_loss_is_least_at_the_quantile():
    labels = torch.arange(100.0)
    losses = [float(quantile_loss(torch.tensor(guess), labels, 0.9).mean()) for guess in range(100)]
    assert losses.index(min(losses)) in (89, 90)
    assert float(quantile_loss(torch.tensor(0.0), torch.tensor(2.0), 0.9)) == pytest.approx(1.8)


def test_a_plan_says_which_quantile():
    task = Task("t", TaskType.regression, scale=TargetScale(0.0, 1.0, 0.0, 9.0))
    loss = LossFunction(ModelPlan(optimization={"loss": "quantile", "quantile": 0.9}), task)
    assert float(loss(torch.zeros(1, 1), torch.tensor([2.0]))) == pytest.approx(1.8)


def examples(task_type, target, **more):
    count = len(target) if target is not None else len(more["lists"])
    return TrainingTable(
        entity_table="t",
        task_type=task_type,
        rows=np.arange(count),
        anchor_times=np.zeros(count, np.int64),
        target=target,
        split=np.zeros(count, np.int8),
        keys_of=lambda rows: pa.table({}),
        **more,
    )


BALANCED = ModelPlan(optimization={"class_weight": "balanced"})


def test_balanced_classes_count_alike_in_the_training_split():
    labels = np.array([1, 0, 0, 0, 0, 0, 0, 0], np.float32)
    task = Task("t", TaskType.binary)
    loss = LossFunction(BALANCED, task, examples(TaskType.binary, labels))
    each = loss.each(torch.zeros(8, 1), torch.from_numpy(labels))
    assert float(each[0]) == pytest.approx(float(each[1:].sum()))
    assert float(each.mean()) == pytest.approx(math.log(2))


def test_balanced_weights_of_classes_are_those_of_scikit_learn():
    target = np.array([0, 0, 0, 1, 2, 2])  # n / (classes * count); the last class has no examples
    task = Task("t", TaskType.multiclass, ("a", "b", "c", "d"))
    weights = balanced_weights(examples(TaskType.multiclass, target), task)
    assert weights.tolist() == pytest.approx([6 / 9, 6 / 3, 6 / 6, 0])
    once = np.array([1, 1, 1, 3, 1, 0.5], np.float32)
    weighted = balanced_weights(examples(TaskType.multiclass, target, weight=once), task)
    assert weighted.tolist() == pytest.approx([7.5 / 9, 7.5 / 9, 7.5 / 4.5, 0])


def test_balanced_weights_of_lists_are_by_class():
    lists = Lists.from_lengths(np.array([1, 2, 0, 1]), np.array([0, 0, 1, 0]))
    task = Task("t", TaskType.multilabel, ("a", "b"))
    weights = balanced_weights(examples(TaskType.multilabel, None, lists=lists), task)
    assert weights.tolist() == [pytest.approx([4 / 2, 4 / 6]), pytest.approx([4 / 6, 4 / 2])]


def test_values_have_no_class_weights():
    with pytest.raises(PlanError) as error:
        LossFunction(BALANCED, Task("t", TaskType.forecasting))
    assert str(error.value) == (
        "optimization.class_weight is balanced, but a forecasting has no classes; leave it out"
    )
