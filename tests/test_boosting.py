from __future__ import annotations

import numpy as np
import pytest

from relhop import boosting, trainer
from relhop.boosting import BoostedTrees, example_features
from relhop.delays import parse_delay
from relhop.errors import PlanError, TrainingError
from relhop.metrics import compute_metrics
from relhop.plan import ModelPlan
from relhop.predictive_query import PredictiveQuery
from relhop.trainer import Trainer
from tests import clicks


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return clicks.build(tmp_path_factory.mktemp("boosting") / "clicks.rh")


@pytest.fixture(scope="module")
def table(store):
    return clicks.training_table(store)


def test_trees_learn_what_the_past_tells(store, table):
    pytest.importorskip("lightgbm", reason="LightGBM is not installed: pip install 'relhop[lightgbm]'")
    splits = table.splits
    scores = BoostedTrees.grow(splits["train"], store).scores(splits["test"], store)
    assert compute_metrics("binary", scores, splits["test"].target).values["auroc"] > 0.95


def test_trees_see_under_a_delay_what_was_known_by_then(store, table):
    pytest.importorskip("lightgbm", reason="LightGBM is not installed: pip install 'relhop[lightgbm]'")
    splits, delay = table.splits, parse_delay("0 to 20 days")
    frozen = store.as_of("2020-01-31")
    scores = BoostedTrees.grow(splits["train"], frozen, delay).scores(splits["test"], frozen, delay)
    assert compute_metrics("binary", scores, splits["test"].target).values["auroc"] > 0.95
    found = example_features(
        [splits["test"]], frozen, np.zeros(len(splits["test"]), np.int64), splits["train"]
    )
    stale = (splits["test"].anchor_times - frozen.as_of_time) / 86_400_000_000
    assert found["delay"].tolist() == stale.tolist()


@pytest.mark.parametrize(
    ("target", "columns"),
    [
        ("LIST_DISTINCT(clicks.device, 0, 3) CLASSIFY", 2),
        ("SUM(clicks.score, 0, 3) FORECAST 3 TIMEFRAMES", 3),
        ("FIRST(clicks.device, 0, 3) RANK TOP 2", 2),
    ],
)
def test_trees_score_each_class_and_timeframe(target, columns, store, monkeypatch):
    pytest.importorskip("lightgbm", reason="LightGBM is not installed: pip install 'relhop[lightgbm]'")
    query = PredictiveQuery(store, f"PREDICT {target} FOR EACH users.user_id")
    splits = query.generate_training_table(store, val_start="2020-01-31", test_start="2020-02-12").splits
    scores = BoostedTrees.grow(splits["train"], store).scores(splits["val"], store)
    assert scores.shape == (len(splits["val"]), columns)
    assert np.isfinite(scores).all()
    monkeypatch.setattr(boosting, "MAX_COLUMNS", 1)
    if query.task_type != "multiclass":
        assert BoostedTrees.grow(splits["train"], store) is None


def test_without_lightgbm_the_error_says_so_before_training(store, table, tmp_path, monkeypatch):
    monkeypatch.setattr(boosting, "find_spec", lambda name: None)
    plan = ModelPlan().with_overrides({"training_job.boosted_baseline": True})
    with pytest.raises(TrainingError, match=r"^training_job\.boosted_baseline needs LightGBM: "):
        Trainer(plan, out=tmp_path / "model").fit(table, store)


def test_trees_beside_a_model_see_no_column_that_its_plan_drops(store, table, tmp_path, monkeypatch):
    withheld = []
    monkeypatch.setattr(trainer, "require_lightgbm", lambda _: None)
    monkeypatch.setattr(trainer.BoostedTrees, "grow", lambda known, *_: withheld.append(known.withheld))
    plan = ModelPlan().with_overrides(
        {
            "training_job.boosted_baseline": True,
            "column_processing.drop": ["clicks.score"],
            "column_processing.encode": {"users.age": "none"},
            "optimization.max_epochs": 1,
        }
    )
    Trainer(plan, out=tmp_path / "model", progress=False).fit(table, store)
    assert withheld == [("users.age", "clicks.score")] * 2


HALF = {"training_job.boosted_half": True, "optimization.max_epochs": 1}


def test_trees_that_are_half_of_a_model_are_kept_with_it(store, table, tmp_path):
    pytest.importorskip("lightgbm", reason="LightGBM is not installed: pip install 'relhop[lightgbm]'")
    fitted = Trainer(ModelPlan().with_overrides(HALF), out=tmp_path / "model", progress=False)
    result = fitted.fit(table, store)
    test = table.splits["test"]
    parts = fitted.predictor.parts(test, store)
    both = (parts["network"] + parts["trees"]) / 2
    assert list(parts) == ["network", "trees"]
    assert np.array_equal(fitted.predict(test, store).scores, both)
    assert np.array_equal(Trainer.load(tmp_path / "model").predict(test, store).scores, both)
    auroc = compute_metrics("binary", both, test.target).values["auroc"]
    assert result.metrics["test"]["auroc"] == auroc
    assert {"network alone", "trees alone"} <= set(result.baselines["test"])
    assert len(fitted.predict(test.take(np.arange(0)), store)) == 0


def test_after_a_refit_trees_know_the_validation_split_too(store, table, tmp_path, monkeypatch):
    pytest.importorskip("lightgbm", reason="LightGBM is not installed: pip install 'relhop[lightgbm]'")
    known, grow = [], BoostedTrees.grow
    monkeypatch.setattr(
        trainer.BoostedTrees, "grow", lambda table, *rest: known.append(len(table)) or grow(table, *rest)
    )
    plan = ModelPlan().with_overrides({**HALF, "training_job.refit": True})
    Trainer(plan, out=tmp_path / "model", progress=False).fit(table, store)
    sizes = {name: len(split) for name, split in table.splits.items()}
    assert known == [sizes["train"], sizes["train"] + sizes["val"]]


def test_trees_are_no_half_of_a_ranking(store, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "require_lightgbm", lambda _: None)
    query = PredictiveQuery(
        store, "PREDICT LIST_DISTINCT(clicks.item_id, 0, 3) RANK TOP 2 FOR EACH users.user_id"
    )
    splits = query.generate_training_table(store, val_start="2020-01-31", test_start="2020-02-12")
    with pytest.raises(PlanError, match=r"^training_job\.boosted_half is true, but trees rank nothing"):
        Trainer(ModelPlan().with_overrides(HALF), out=tmp_path / "model").fit(splits, store)
