"""The training loop, from the plan's settings to the weights."""

from __future__ import annotations

import pytest
import torch

from relhop.checkpoint import Task
from relhop.errors import PlanError
from relhop.fitting import Course
from relhop.loader import SeedLoader
from relhop.timing import PHASES
from relhop.trainer import Trainer
from relhop.training_table import TaskType
from tests import clicks
from tests.test_trainer import PLAN


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return clicks.build(tmp_path_factory.mktemp("fitting") / "clicks.rh")


def fit(store, out, **changes):
    plan = PLAN.with_overrides({name.replace("__", "."): value for name, value in changes.items()})
    return Trainer(plan, out=out, accelerator="cpu", progress=False).fit(clicks.training_table(store), store)


def test_another_number_of_loader_threads_trains_the_same_weights(store, tmp_path, monkeypatch):
    weights = []
    for threads in (1, 3):
        monkeypatch.setitem(SeedLoader.__init__.__kwdefaults__, "num_threads", threads)
        result = fit(store, tmp_path / f"{threads}", optimization__max_epochs=1)
        weights.append(torch.load(result.path / "model.pt", weights_only=True))
    assert all(torch.equal(weight, weights[1][name]) for name, weight in weights[0].items())


def test_a_model_learns_in_bf16_with_a_focal_loss_of_balanced_classes(store, tmp_path):
    result = fit(
        store,
        tmp_path / "model",
        training_job__precision="bf16",
        training_job__loggers=["csv"],
        optimization__loss="focal",
        optimization__class_weight="balanced",
        optimization__lr_scheduler="linear",
        optimization__gradient_clip=None,
    )
    assert result.metrics["test"]["auroc"] > 0.95
    assert [path.name for path in (result.path / "logs").iterdir() if "events" in path.name] == []
    for entry in result.history:
        parts = [entry[f"seconds_{phase}"] for phase in PHASES]
        assert 0 < min(parts) < sum(parts) <= entry["seconds"]
        assert {"seconds_sampling", "seconds_rows", "seconds_idle"} <= set(entry)


def test_sixteen_bits_need_a_gpu(store, tmp_path):
    with pytest.raises(PlanError) as error:
        fit(store, tmp_path / "model", training_job__precision=16)
    assert str(error.value) == (
        "training_job.precision is 16, which is trained on a GPU alone, and this runs on a CPU; choose bf16 or"
        " 32"
    )


@pytest.mark.parametrize(("quantile", "best_by"), [(0.5, "val_mae"), (0.9, "val_loss")])
def test_the_best_epoch_of_a_quantile_is_the_one_of_the_least_loss(tmp_path, quantile, best_by):
    plan = PLAN.with_overrides({"optimization.loss": "quantile", "optimization.quantile": quantile})
    course = Course(plan, Task("users", TaskType.regression), "mae", tmp_path, "cpu", False)
    assert (course.best_by, course.mode) == (best_by, "min")
