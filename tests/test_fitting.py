from __future__ import annotations

import math

import pytest
import torch

from relhop.checkpoint import TargetScale, Task
from relhop.errors import PlanError
from relhop.fitting import LossFunction, learning_rate_factor
from relhop.plan import ModelPlan
from relhop.training_table import TaskType


def test_the_learning_rate_warms_up_and_falls_as_a_cosine():
    factors = [learning_rate_factor(step, 100, "cosine") for step in (0, 4, 50, 100, 200)]
    assert factors == pytest.approx([0.2, 0.5 * (1 + math.cos(0.04 * math.pi)), 0.5, 0, 0])


def test_a_constant_learning_rate_only_warms_up():
    assert [learning_rate_factor(step, 100, "constant") for step in (0, 4, 99)] == [0.2, 1, 1]
    assert learning_rate_factor(0, 1, "constant") == 1


@pytest.mark.parametrize(("loss", "expected"), [(None, 1.5), ("mse", 2.5), ("huber", 1.0)])
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
        "optimization.loss is cross_entropy, but the task is regression; choose one of l1, huber, mse"
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
