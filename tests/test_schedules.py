from __future__ import annotations

import math

import pytest
import torch

from relhop.plan import ModelPlan
from relhop.schedules import learning_rate_factor, plateau, step_schedule


def test_the_learning_rate_warms_up_and_falls_as_a_cosine():
    factors = [learning_rate_factor(step, 100, "cosine", 0.05) for step in (0, 4, 50, 100, 200)]
    assert factors == pytest.approx([0.2, 0.5 * (1 + math.cos(0.04 * math.pi)), 0.5, 0, 0])


def test_a_constant_learning_rate_only_warms_up():
    assert [learning_rate_factor(step, 100, "constant", 0.05) for step in (0, 4, 99)] == [0.2, 1, 1]
    assert learning_rate_factor(0, 1, "constant", 0.05) == 1


def test_a_linear_learning_rate_falls_evenly():
    factors = [learning_rate_factor(step, 100, "linear", 0.0) for step in (0, 50, 75, 100)]
    assert factors == pytest.approx([1, 0.5, 0.25, 0])


def test_a_plateau_warms_up_and_then_halves_after_two_epochs_without_a_better_metric():
    plan = ModelPlan(optimization={"lr_scheduler": "plateau", "warm_up": 0.2})
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    by_step, by_epoch = step_schedule(optimizer, plan, 20), plateau(optimizer, plan, "max")
    rates = []
    for epoch, metric in enumerate([0.5, 0.6, 0.6, 0.6, 0.7]):
        for _ in range(4):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            by_step.step()
        by_epoch.step(metric)
        assert epoch < 3 or optimizer.param_groups[0]["lr"] == pytest.approx(0.5)
    assert rates == pytest.approx([0.25, 0.5, 0.75, *[1.0] * 13, *[0.5] * 4])


def test_other_schedules_look_at_no_metric():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    assert plateau(optimizer, ModelPlan(), "max") is None
