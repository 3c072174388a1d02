from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from relhop.checkpoint import Description, TargetScale, Task
from relhop.errors import TrainingError
from relhop.plan import ModelPlan
from relhop.predictor import Predictions, Predictor, seed_loader, to_scores, torch_threads
from relhop.schema import Table
from relhop.statistics import Statistics
from relhop.training_table import TaskType, TrainingTable
from tests import clicks


class SeedRow(torch.nn.Module):
    """A module of the user's: the store row of each seed, and its negative."""

    def __init__(self, out_channels: int = 1) -> None:
        super().__init__()
        self.out_channels = out_channels

    def forward(self, batch):
        users = batch["users"]
        row = users.row[: users.batch_size].float()
        return torch.stack([row, -row, row - 1000], dim=1)[:, : self.out_channels]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return clicks.build(tmp_path_factory.mktemp("predictor") / "clicks.rh")


def predictor(task, schema=clicks.SCHEMA):
    plan = ModelPlan().with_overrides({"optimization.batch_size": 3, "neighbor_sampling.num_neighbors": [2]})
    described = Description(plan, task, schema, Statistics(0, {}, {}), own_module=True)
    return Predictor(SeedRow(task.out_channels), described)


def asked(store, users, task_type="binary"):
    frame = pd.DataFrame({"user_id": users, "anchor_time": pd.Timestamp("2020-02-01 10:00")})
    return TrainingTable.from_pandas(frame, store, entity_table="users", task_type=task_type)


def test_scores_come_in_the_order_of_the_table(store):
    got = predictor(Task("users", TaskType.binary)).predict(asked(store, [5, 0, 39, 2, 5]), store)
    assert len(got) == 5
    frame = got.to_pandas()
    assert frame.columns.tolist() == ["user_id", "anchor_time", "score", "class"]
    assert frame["user_id"].tolist() == [5, 0, 39, 2, 5]
    assert set(frame["anchor_time"]) == {pd.Timestamp("2020-02-01 10:00")}
    rows = torch.tensor([5.0, 0, 39, 2, 5], dtype=torch.float64)
    assert frame["score"].tolist() == torch.sigmoid(rows).tolist()
    assert frame["class"].tolist() == [1, 1, 1, 1, 1]
    assert (
        predictor(Task("users", TaskType.binary)).predict(asked(store, [5]), store).scores == got.scores[0]
    ).all()


def test_of_a_binary_task_the_class_is_one_from_a_half_on(store):
    table = asked(store, [1, 2, 3])
    got = Predictions(table, Task("users", TaskType.binary), np.array([0.49, 0.5, 0.51]))
    assert got.to_pandas()["class"].tolist() == [0, 1, 1]


def test_of_a_multiclass_task_the_class_is_the_likeliest_and_the_score_its_probability(store):
    task = Task("users", TaskType.multiclass, ("high", "low", "odd"))
    got = predictor(task).predict(asked(store, [0, 7], "multiclass"), store)
    assert got.scores.shape == (2, 3)
    assert got.scores.sum(axis=1) == pytest.approx([1, 1])
    frame = got.to_pandas()
    assert frame["class"].tolist() == ["high", "high"]
    assert frame["score"].tolist() == pytest.approx([0.5, 1 / (1 + np.exp(-14))])


def test_a_regression_s_score_is_in_the_label_s_unit_and_range(store):
    task = Task("users", TaskType.regression, scale=TargetScale(mean=10.0, std=2.0, lowest=0.0, highest=20.0))
    got = predictor(task).predict(asked(store, [1, 4, 30], "regression"), store).to_pandas()
    assert got.columns.tolist() == ["user_id", "anchor_time", "score"]
    assert got["score"].tolist() == [12.0, 18.0, 20.0]


def test_torch_computes_with_the_plan_s_threads_and_then_as_before():
    before = torch.get_num_threads()
    with torch_threads(ModelPlan(training_job={"num_threads": before + 1})):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
    with torch_threads(ModelPlan(training_job={"num_threads": None})):
        assert torch.get_num_threads() == before


def test_very_sure_probabilities_keep_their_order():
    scores = to_scores(torch.tensor([[17.0], [20.0]]), Task("users", TaskType.binary))
    assert scores[0, 0] < scores[1, 0] < 1


def test_parquet_holds_the_same_table(store, tmp_path):
    got = predictor(Task("users", TaskType.binary)).predict(asked(store, [3, 1]), store)
    got.to_parquet(tmp_path / "deep" / "scores.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "deep" / "scores.parquet"), got.to_pandas())
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["scores.parquet"]


def test_an_empty_table_has_no_scores(store):
    table = asked(store, [3]).take(np.zeros(0, np.int64))
    assert predictor(Task("users", TaskType.binary)).predict(table, store).to_pandas().shape == (0, 4)


def test_a_table_of_another_task_is_refused(store):
    with pytest.raises(TrainingError) as error:
        predictor(Task("users", TaskType.binary)).predict(asked(store, [1], "regression"), store)
    assert str(error.value) == (
        "the table asks for a regression label of 'users', the model gives a binary label of 'users'"
    )


def test_a_store_of_another_schema_is_refused(store):
    trained = clicks.SCHEMA.replace_table(
        dataclasses.replace(Table("items", pkey_col="item_id"), exclude=("x",))
    )
    with pytest.raises(TrainingError) as error:
        predictor(Task("users", TaskType.binary), trained).predict(asked(store, [1]), store)
    assert str(error.value) == (
        "the store is not of the schema that the model was trained on: tables.items.exclude was ['x'], in"
        " the store it is []"
    )


def test_few_examples_make_smaller_batches_in_training_only(store):
    table = clicks.training_table(store).splits["train"]
    plan = ModelPlan()
    assert seed_loader(store, table, plan).batch_size == 512
    loader = seed_loader(store, table, plan, training=True)
    assert (loader.batch_size, loader.shuffle) == (len(table) // 10, True)
    assert seed_loader(store, table.take(np.arange(3)), plan, training=True).batch_size == 1
