from __future__ import annotations

import json
import math

import numpy as np
import optuna
import pytest
import torch
from torch import nn

from relhop.errors import PlanError, TrainingError
from relhop.plan import ModelPlan
from relhop.run_folder import STUDY
from relhop.search.space import Space
from relhop.search.study import Study
from relhop.trainer import Trainer
from relhop.training import Training
from relhop.training_result import Run
from tests import clicks

PLAN = ModelPlan().with_overrides(
    {
        "neighbor_sampling.num_neighbors": [[4], [2]],
        "model_architecture.channels": 8,
        "optimization.max_epochs": 2,
        "optimization.base_lr": [0.0001, 0.01, 0.02],
        "training_job.num_experiments": 3,
    }
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return clicks.build(tmp_path_factory.mktemp("search") / "clicks.rh")


@pytest.fixture(scope="module")
def table(store):
    return clicks.training_table(store)


def trainer(out, plan=PLAN):
    return Trainer(plan, out=out, accelerator="cpu", progress=False)


@pytest.fixture(scope="module")
def searched(store, table, tmp_path_factory):
    asked = trainer(tmp_path_factory.mktemp("searched") / "model")
    return asked, asked.fit(table, store)


def weights(path):
    return torch.load(path / "model.pt", weights_only=True)


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, weight in expected.items():
        assert torch.equal(found[name], weight), name


def test_the_best_experiment_is_kept_with_the_weights_of_a_training_of_its_own(
    searched, store, table, tmp_path
):
    asked, result = searched
    assert [found.number for found in result.experiments] == [1, 2, 3]
    assert result.experiments[0].settings == {
        "neighbor_sampling.num_neighbors": [4],
        "optimization.base_lr": 0.0001,
    }
    assert len({json.dumps(found.settings) for found in result.experiments}) == 3
    best = max(result.experiments, key=lambda found: found.metric)
    kept = ModelPlan.from_yaml(result.path / "plan.yaml")
    assert (best.state, kept.candidates) == ("finished", {})
    assert kept.optimization.base_lr == best.settings["optimization.base_lr"]
    assert kept.training_job.num_experiments == 1
    assert best.metric == pytest.approx(result.metrics["val"]["auroc"])
    alone = trainer(tmp_path / "alone", kept).fit(table, store)
    assert_same(weights(result.path), weights(alone.path))
    assert (result.metrics, result.baselines) == (alone.metrics, alone.baselines)
    assert (result.notes, alone.experiments) == (alone.notes, [])
    scores = asked.predict(table.splits["test"], store).scores
    np.testing.assert_array_equal(
        scores, Trainer.load(alone.path, accelerator="cpu").predict(table.splits["test"], store).scores
    )


def test_the_model_s_folder_holds_the_study_and_what_was_tried(searched):
    _, result = searched
    names = {path.name for path in result.path.iterdir()}
    assert names == {"model.pt", "plan.yaml", "task.json", "metrics.json", "logs", STUDY}
    assert not result.path.with_name("model.partial").exists()
    written = json.loads((result.path / "metrics.json").read_text())
    assert [found["state"] for found in written["experiments"]] == [
        found.state for found in result.experiments
    ]
    study = optuna.load_study(study_name="search", storage=f"sqlite:///{result.path / STUDY}")
    assert study.best_value == max(found.metric for found in result.experiments)


class Killed(Exception):
    pass


def test_a_search_that_is_broken_off_goes_on_with_what_is_finished(
    searched, store, table, tmp_path, monkeypatch
):
    trained = []
    train = Training.run

    def counting(self, *arguments, **settings):
        trained.append(self.out.name)
        return train(self, *arguments, **settings)

    monkeypatch.setattr(Training, "run", counting)
    with monkeypatch.context() as patch:
        from relhop.fitting import Fitting

        begin = Fitting.on_train_epoch_start

        def dying(self):
            if trained == ["1", "2"] and self.current_epoch == 1:
                raise Killed
            begin(self)

        patch.setattr(Fitting, "on_train_epoch_start", dying)
        with pytest.raises(Killed):
            trainer(tmp_path / "model").fit(table, store)
    assert (tmp_path / "model.partial" / STUDY).is_file()
    result = trainer(tmp_path / "model").fit(table, store, resume=True)
    assert trained == ["1", "2", "2", "3"]
    _, unbroken = searched

    def told(result):
        return [(found.settings, found.state, found.metric, found.best_epoch) for found in result.experiments]

    assert told(result) == told(unbroken)
    assert_same(weights(result.path), weights(unbroken.path))


def test_another_search_is_not_resumed(store, table, tmp_path, monkeypatch):
    def dying(self, *arguments, **settings):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Training, "run", dying)
        with pytest.raises(Killed):
            trainer(tmp_path / "model").fit(table, store)
    other = PLAN.with_overrides({"optimization.base_lr": [0.5, 0.1]})
    with pytest.raises(TrainingError, match=r"has another plan \(.*plan\.yaml\) or other data"):
        trainer(tmp_path / "model", other).fit(table, store, resume=True)


def test_a_refit_learns_from_validation_rows_for_the_best_number_of_epochs(searched, store, table, tmp_path):
    _, result = searched
    plan = ModelPlan.from_yaml(result.path / "plan.yaml").with_overrides({"training_job.refit": True})
    refitted = trainer(tmp_path / "model", plan).fit(table, store)
    described = json.loads((refitted.path / "task.json").read_text())
    assert described["statistics"]["cut"] == table.anchor_times[table.split == 1].max() > table.train_cut
    best = max(result.experiments, key=lambda found: found.metric).best_epoch
    assert refitted.notes == [
        f"trained again on train and val, for {best} epochs; metrics of val are from before"
    ]
    assert refitted.metrics["val"] == result.metrics["val"]
    assert refitted.metrics["test"] != result.metrics["test"]
    assert refitted.experiments == []
    assert [entry["epoch"] for entry in refitted.history] == [1, 2]
    assert ModelPlan.from_yaml(refitted.path / "plan.yaml") == plan
    assert not (refitted.path / STUDY).exists()


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.line = nn.Linear(1, 1)

    def forward(self, batch):
        return self.line(torch.ones(len(batch["users"].y), 1))


def test_a_module_of_the_user_s_is_copied_for_each_experiment_and_ends_with_the_best_weights(
    store, table, tmp_path
):
    own = Own()
    result = trainer(tmp_path / "model").fit(table, store, model=own)
    assert_same(weights(result.path), own.state_dict())


def test_an_experiment_that_fails_is_told_and_another_one_wins(store, table, tmp_path):
    plan = PLAN.with_overrides(
        {
            "neighbor_sampling.num_neighbors": [4],
            "optimization.loss": ["l1", "binary_cross_entropy"],
            "optimization.base_lr": 0.01,
            "training_job.num_experiments": 9,
        }
    )
    result = trainer(tmp_path / "model", plan).fit(table, store)
    assert [found.state for found in result.experiments] == ["failed", "finished"]
    assert result.experiments[0].error == (
        "optimization.loss is l1, but the task is binary; choose one of binary_cross_entropy, focal"
    )


def test_a_refit_cannot_wait_for_a_plateau(store, table, tmp_path):
    plan = ModelPlan(optimization={"lr_scheduler": "plateau"}, training_job={"refit": True})
    with pytest.raises(PlanError, match=r"^optimization\.lr_scheduler is plateau, but the training of"):
        trainer(tmp_path / "model", plan).fit(table, store)


def test_there_must_be_something_to_search():
    with pytest.raises(PlanError) as error:
        Space(ModelPlan(training_job={"num_experiments": 2}))
    assert str(error.value) == (
        "training_job.num_experiments is 2, but no setting has several candidates; give some a list, such as"
        " optimization.base_lr: [0.003, 0.001]"
    )


def test_a_candidate_that_does_not_fit_the_schema_is_named_before_anything_is_trained(store, table, tmp_path):
    plan = PLAN.with_overrides({"column_processing.drop": [[], ["users.agee"]]})
    with pytest.raises(PlanError) as error:
        trainer(tmp_path / "model", plan).fit(table, store)
    assert str(error.value) == (
        "column_processing.drop: 'users.agee' is no feature column. Did you mean 'users.age'?"
        " (column_processing.drop, candidate 2 of 2)"
    )


def histories(study, values):
    """Lets a study go on, with these metrics of what it proposes; what it proposed."""
    proposed = []
    while (trial := study.propose()) is not None:
        choice = study.space.settings_of(trial.params)
        proposed.append(tuple(choice.values()))
        value = values(choice)
        trial.report(value, 1)
        study.finish(trial, Run(None, None, "auroc", [{"epoch": 1, "val_auroc": value}], []), 1.0)
    return proposed


def test_every_combination_is_tried_once_where_there_is_time_for_all(tmp_path):
    space = Space(PLAN.with_overrides({"training_job.num_experiments": 100}))
    study = Study(space, tmp_path / STUDY, "auroc")
    proposed = histories(study, lambda choice: choice["optimization.base_lr"])
    study.close()
    assert len(proposed) == len({repr(choice) for choice in proposed}) == 6
    assert proposed[0] == ([4], 0.0001)


def test_what_falls_behind_the_median_is_given_up(tmp_path):
    study = Study(Space(PLAN.with_overrides({"training_job.num_experiments": 6})), tmp_path / STUDY, "auroc")
    for level in (0.7, 0.8):
        trial = study.propose()
        trial.report(level, 1)
        study.finish(trial, Run(None, None, "auroc", [{"epoch": 1, "val_auroc": level}], []), 1.0)
    behind = study.propose()
    behind.report(0.6, 1)
    assert behind.should_prune()
    study.give_up(behind, 2.0)
    found = study.experiments[-1]
    assert (found.state, found.metric, found.epochs) == ("pruned", 0.6, 1)
    assert study.best.number == 2
    assert study.latest_in_words == (
        "experiment 3 pruned, val auroc 0.6000 (2.0 s); the best is 2 with 0.8000"
    )
    study.close()
    assert math.isclose(study.best.metric, 0.8)
