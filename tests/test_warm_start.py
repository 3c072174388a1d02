"""What an earlier model learnt, in a new one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch_frame.nn.encoder import EmbeddingEncoder

from relhop.checkpoint import Description, Task
from relhop.errors import TrainingError
from relhop.ranking.items import ItemEmbedding
from relhop.score_training import plan_model
from relhop.statistics import fit_statistics
from relhop.trainer import Trainer
from relhop.training_table import TaskType
from relhop.warm_start import check_start, take_over
from tests import clicks
from tests.test_trainer import PLAN


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return clicks.build(tmp_path_factory.mktemp("warm") / "clicks.rh")


@pytest.fixture(scope="module")
def newer(tmp_path_factory):
    """Most users live in a city that the older store has not."""
    tables = clicks.frames()
    moved = tables["users"].assign(city=lambda users: users.city.where(users.user_id % 3 == 0, "Paris"))
    return clicks.build(tmp_path_factory.mktemp("newer") / "clicks.rh", tables=tables | {"users": moved})


def described(store, seed=0, task_type=TaskType.binary):
    table = clicks.training_table(store)
    return Description(
        plan=PLAN.with_overrides({"training_job.seed": seed}),
        task=Task("users", task_type),
        schema=store.schema,
        statistics=fit_statistics(store, table.train_cut),
        own_module=False,
    )


def cities(model):
    """By value the vectors of `users.city`, and that of null."""
    encoder = model.encoders["users"].table.columns.encoder_dict["categorical"]
    assert isinstance(encoder, EmbeddingEncoder)
    values = encoder.stats_list[0][next(iter(encoder.stats_list[0]))][0]
    return {value: encoder.emb.weight[place].tolist() for place, value in enumerate((None, *values))}


def test_columns_are_taken_over_by_name_and_categories_by_value(store, newer):
    earlier, model = plan_model(described(store, seed=1)), plan_model(described(newer))
    before, fresh = cities(earlier), cities(model)
    assert list(fresh)[1] == "Paris"
    assert take_over(model, earlier) == ["encoders.users.table.columns: of 'city' 1 values are new"]
    after = cities(model)
    assert set(after) == {*before, "Paris"}
    assert after == before | {"Paris": fresh["Paris"]}
    weights = dict(earlier.named_parameters())
    for name, weight in model.named_parameters():
        assert torch.equal(weight, weights[name]) == ("users.table.columns.encoder_dict.cat" not in name), (
            name
        )


def test_what_has_another_shape_is_told(store):
    plan = PLAN.with_overrides({"model_architecture.channels": 8})
    model = plan_model(described(store))
    narrow = described(store)
    earlier = plan_model(Description(plan, narrow.task, narrow.schema, narrow.statistics, False))
    notes = take_over(model, earlier)
    assert "encoders.users.table.columns: categorical columns are encoded in another way" in notes
    assert "encoders.users.table.constant has shape (16,), had (8,)" in notes


def test_items_are_taken_over_by_name():
    earlier, model = ItemEmbedding(3, 4), ItemEmbedding(4, 4)
    earlier.learn_names(np.array([7, 5, 9]))
    model.learn_names(np.array([5, 6, 7, 8]))
    fresh = model.vectors.detach().clone()
    holders = torch.nn.ModuleDict({"embedding": model}), torch.nn.ModuleDict({"embedding": earlier})
    assert take_over(*holders) == ["embedding: 2 items are new"]
    expected = torch.stack([earlier.vectors[1], fresh[1], earlier.vectors[0], fresh[3]])
    assert torch.equal(model.vectors, expected)


def test_a_model_of_another_task_is_no_start(store):
    with pytest.raises(TrainingError) as error:
        check_start(described(store), described(store, task_type=TaskType.regression))
    assert str(error.value) == (
        "the model of warm_start has the task type binary, the new one regression; start from a model of the"
        " same task, or without warm_start"
    )


def test_training_starts_from_the_earlier_model(store, tmp_path):
    table = clicks.training_table(store)
    plan = PLAN.with_overrides({"optimization.max_epochs": 2, "training_job.seed": 3})
    first = Trainer(plan, out=tmp_path / "first", accelerator="cpu", progress=False)
    result = first.fit(table, store)
    still = plan.with_overrides({"optimization.base_lr": 1e-12, "training_job.loggers": []})
    for start in (result.path, first):
        second = Trainer(still, out=tmp_path / "second", accelerator="cpu", progress=False)
        assert second.fit(table, store, warm_start=start).notes == []
        test = table.splits["test"]
        np.testing.assert_allclose(second.predict(test, store).scores, first.predict(test, store).scores)
    with pytest.raises(TrainingError) as error:
        first.fit(table, store, warm_start=Trainer(plan))
    assert str(error.value) == "the trainer of warm_start has no trained model; call its fit first"
