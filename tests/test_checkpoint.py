from __future__ import annotations

import dataclasses
import json
import math

import pytest
import torch

from relhop.checkpoint import (
    Description,
    TargetScale,
    Task,
    read_weights,
    schema_difference,
    write_metrics,
    write_weights,
)
from relhop.errors import TrainingError
from relhop.plan import ModelPlan
from relhop.schema import Link, Schema, Table
from relhop.statistics import CategoricalStatistics, Statistics
from relhop.training_table import TaskType

SCHEMA = Schema(
    [Table("users", pkey_col="id", stypes={"city": "categorical"}), Table("orders", time_col="at")],
    [Link("orders", "user", "users")],
)


@pytest.fixture
def described():
    return Description(
        plan=ModelPlan(),
        task=Task(
            "users", TaskType.multiclass, ("a", 2, True), TargetScale(1.5, 2.0, 0.0, 3.0), "PREDICT ..."
        ),
        schema=SCHEMA,
        statistics=Statistics(
            7, {"users": 3}, {"users": {"city": CategoricalStatistics(("Rome", "Zürich"))}}
        ),
        own_module=False,
    )


def test_a_folder_gives_back_the_same_description(described, tmp_path):
    described.write(tmp_path)
    write_weights(tmp_path, {"w": torch.ones(2)})
    assert Description.read(tmp_path) == described
    assert described.matches(tmp_path)
    assert read_weights(tmp_path)["w"].tolist() == [1.0, 1.0]


def test_another_plan_does_not_match(described, tmp_path):
    assert not described.matches(tmp_path)
    described.write(tmp_path)
    other = dataclasses.replace(described, plan=ModelPlan(training_job={"seed": 1}))
    assert not other.matches(tmp_path)


def test_a_binary_task_gives_one_number_and_a_multiclass_one_per_class(described):
    assert described.task.out_channels == 3
    assert Task("users", TaskType.binary).out_channels == 1


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(TrainingError) as error:
        Description.read(tmp_path)
    assert str(error.value) == f"{tmp_path} holds no trained model: there is no model.pt"


def test_a_model_of_another_version_is_refused(described, tmp_path):
    described.write(tmp_path)
    write_weights(tmp_path, {})
    task = json.loads((tmp_path / "task.json").read_text())
    (tmp_path / "task.json").write_text(json.dumps({**task, "format_version": 99}))
    with pytest.raises(TrainingError) as error:
        Description.read(tmp_path)
    assert str(error.value) == (
        f"{tmp_path} holds a model of format version 99; this relhop reads 2, so train it again"
    )


def test_metrics_are_json_with_null_for_nan(tmp_path):
    write_metrics(
        tmp_path, {"metrics": {"val": {"auroc": math.nan}}, "history": ({"epoch": 1, "seconds": 0.5},)}
    )
    assert json.loads((tmp_path / "metrics.json").read_text()) == {
        "metrics": {"val": {"auroc": None}},
        "history": [{"epoch": 1, "seconds": 0.5}],
    }


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (SCHEMA, None),
        (Schema([SCHEMA.tables["users"]]), "tables.orders is missing from the store"),
        (
            Schema([*SCHEMA.tables.values(), Table("new")], SCHEMA.links),
            "tables.new is new in the store",
        ),
        (
            SCHEMA.replace_table(Table("users", pkey_col="id", stypes={"city": "text"})),
            "tables.users.stypes.city was 'categorical', in the store it is 'text'",
        ),
        (
            Schema(SCHEMA.tables.values()),
            "links was [{'child': 'orders', 'fkey': ['user'], 'parent': 'users'}], in the store it is []",
        ),
    ],
)
def test_the_first_difference_of_two_schemas_is_named(other, difference):
    assert schema_difference(SCHEMA, other) == difference
