"""Several processes that train one model. Each is started once, for all tests that need it."""

from __future__ import annotations

import json

import pytest
import torch

from relhop.errors import PlanError, TrainingError
from relhop.loader import SeedLoader
from relhop.processes import beside, require_importable
from relhop.trainer import Trainer
from tests import clicks, ranking_store
from tests.test_trainer import PLAN, ByParity

SHARED = PLAN.with_overrides({"model_architecture.dropout": 0.0, "optimization.max_epochs": 2})


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return clicks.build(tmp_path_factory.mktemp("processes") / "clicks.rh")


def fit(store, out, num_processes):
    plan = SHARED.with_overrides({"training_job.num_processes": num_processes})
    trainer = Trainer(plan, out=out, accelerator="cpu", progress=False)
    return trainer.fit(clicks.training_table(store), store)


def test_two_processes_train_what_one_trains(store, tmp_path):
    one, two = (fit(store, tmp_path / f"{count}", count) for count in (1, 2))
    for split, metrics in one.metrics.items():
        assert two.metrics[split] == pytest.approx(metrics, abs=1e-4)
    for left, right in zip(one.history, two.history, strict=True):
        for name in ("train_loss", "val_loss", "val_auroc"):
            assert right[name] == pytest.approx(left[name], abs=1e-4), name
    weights = torch.load(one.path / "model.pt", weights_only=True)
    for name, weight in torch.load(two.path / "model.pt", weights_only=True).items():
        torch.testing.assert_close(weight, weights[name], atol=1e-3, rtol=1e-3)
    assert json.loads((two.path / "metrics.json").read_text())["metrics"] == two.metrics


@pytest.mark.parametrize("count", [2, 3, 8])
def test_the_shares_of_a_batch_are_the_batch(store, count):
    table = clicks.training_table(store).splits["train"]
    loaders = [SeedLoader(store, table, [4], batch_size=57, shuffle=True) for _ in range(count + 1)]
    for number, loader in enumerate(loaders[1:]):
        loader.share = (number, count)
    assert len(table) % 57 == 1  # the last batch has one seed alone
    for whole, *parts in zip(*loaders, strict=True):
        ids = whole["users"].input_id.tolist()
        weighed = [part["users"] for part in parts if "weight" not in part["users"]]
        assert sorted(i for part in weighed for i in part.input_id.tolist()) == sorted(ids)
        for part in parts[len(weighed) :]:
            assert part["users"].input_id.tolist() == ids[:1]
            assert part["users"].weight.tolist() == [0]


def fail(number):
    raise ValueError(f"there is no room for number {number}")


def test_a_process_that_fails_is_told_with_its_last_words():
    with pytest.raises(TrainingError) as error, beside(fail, 2):
        pass
    assert str(error.value) == ("process 1 of the training failed: ValueError: there is no room for number 1")


def test_a_module_of_the_script_is_refused_before_anything_starts():
    require_importable(ByParity())
    own = type("Own", (ByParity,), {"__module__": "__main__"})
    with pytest.raises(TrainingError) as error:
        require_importable(torch.nn.Sequential(own()))
    assert str(error.value) == (
        "training_job.num_processes is more than 1, but Own is defined in the script that runs, where other"
        " processes do not find it; move it to a file of its own and import it"
    )


def test_rankings_are_trained_by_one_process(tmp_path):
    import relhop as rh

    store = ranking_store.build(tmp_path)
    table = rh.PredictiveQuery(store, ranking_store.ORDERS).generate_training_table(store)
    with pytest.raises(PlanError) as error:
        Trainer(ranking_store.plan(**{"training_job.num_processes": 2}), out=tmp_path / "m").fit(table, store)
    assert str(error.value) == (
        "training_job.num_processes is 2, but a ranking is trained by one process; leave it out"
    )
