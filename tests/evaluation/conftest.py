"""A trained model that several modules of tests ask about."""

from __future__ import annotations

import pytest

import relhop as rh
from tests import clicks

PLAN = rh.ModelPlan().with_overrides(
    {
        "neighbor_sampling.num_neighbors": [8, 2],
        "model_architecture.channels": 16,
        "optimization.max_epochs": 3,
        "optimization.base_lr": 0.01,
    }
)


@pytest.fixture(scope="package")
def store(tmp_path_factory: pytest.TempPathFactory) -> rh.Store:
    return clicks.build(tmp_path_factory.mktemp("evaluation") / "clicks.rh")


@pytest.fixture(scope="package")
def table(store: rh.Store) -> rh.TrainingTable:
    return clicks.training_table(store)


@pytest.fixture(scope="package")
def trainer(store: rh.Store, table: rh.TrainingTable, tmp_path_factory: pytest.TempPathFactory) -> rh.Trainer:
    out = tmp_path_factory.mktemp("evaluation") / "model"
    trainer = rh.Trainer(PLAN, out=out, accelerator="cpu", progress=False)
    trainer.fit(table, store)
    return trainer
