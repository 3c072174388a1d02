from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from relhop import loggers
from relhop.errors import PlanError
from relhop.loggers import open_loggers, require_loggers
from relhop.plan import ModelPlan


class FakeMLFlow:
    """What Lightning's logger does, as far as relhop asks for it."""

    opened: ClassVar[list[dict[str, Any]]] = []

    def __init__(self, **settings: Any) -> None:
        self.opened.append(settings)
        self.run_id = settings["run_id"] or f"run {len(self.opened)}"

    def log_hyperparams(self, plan: dict[str, Any]) -> None:
        self.opened[-1]["plan"] = plan


def test_loggers_have_names(tmp_path):
    assert [type(logger).__name__ for logger in open_loggers(ModelPlan(), tmp_path)] == [
        "CSVLogger",
        "TensorBoardLogger",
    ]
    assert open_loggers(ModelPlan(training_job={"loggers": []}), tmp_path) == []


def test_a_resumed_run_goes_on_in_its_mlflow_run(tmp_path, monkeypatch):
    monkeypatch.setattr(loggers, "MLFlowLogger", FakeMLFlow)
    server = SimpleNamespace(get_tracking_uri=lambda: "http://mlflow:5000")
    monkeypatch.setitem(sys.modules, "mlflow", server)
    plan, folder = ModelPlan(training_job={"loggers": ["mlflow"]}), tmp_path / "churn.partial"
    folder.mkdir()
    open_loggers(plan, folder)
    open_loggers(plan, folder)
    first, second = FakeMLFlow.opened
    assert (first["experiment_name"], first["run_name"]) == ("relhop", "churn")
    assert first["tracking_uri"] == "http://mlflow:5000"
    assert first["run_id"] is None
    assert first["plan"]["training_job"]["loggers"] == ["mlflow"]
    assert second["run_id"] == "run 1"
    assert "plan" not in second


def test_mlflow_that_is_not_installed_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr(loggers.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PlanError) as error:
        require_loggers(ModelPlan(training_job={"loggers": ["csv", "mlflow"]}))
    assert str(error.value) == (
        "training_job.loggers names mlflow, which is not installed; run pip install 'relhop[mlflow]', or leave"
        " it out"
    )
    require_loggers(ModelPlan())
