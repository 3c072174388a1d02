from __future__ import annotations

import numpy as np
import pytest

from relhop import boosting, judging, training
from relhop.boosting import boosted_scores, example_features
from relhop.delays import parse_delay
from relhop.errors import TrainingError
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
    scores = boosted_scores(splits["train"], splits["test"], store)
    assert compute_metrics("binary", scores, splits["test"].target).values["auroc"] > 0.95


def test_trees_see_under_a_delay_what_was_known_by_then(store, table):
    pytest.importorskip("lightgbm", reason="LightGBM is not installed: pip install 'relhop[lightgbm]'")
    splits, delay = table.splits, parse_delay("0 to 20 days")
    frozen = store.as_of("2020-01-31")
    scores = boosted_scores(splits["train"], splits["test"], frozen, delay)
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
    scores = boosted_scores(splits["train"], splits["val"], store)
    assert scores.shape == (len(splits["val"]), columns)
    assert np.isfinite(scores).all()
    monkeypatch.setattr(boosting, "MAX_COLUMNS", 1)
    if query.task_type != "multiclass":
        assert boosted_scores(splits["train"], splits["val"], store) is None


def test_without_lightgbm_the_error_says_so_before_training(store, table, tmp_path, monkeypatch):
    monkeypatch.setattr(boosting, "find_spec", lambda name: None)
    plan = ModelPlan().with_overrides({"training_job.boosted_baseline": True})
    with pytest.raises(TrainingError, match=r"^training_job\.boosted_baseline needs LightGBM: "):
        Trainer(plan, out=tmp_path / "model").fit(table, store)


def test_trees_beside_a_model_see_no_column_that_its_plan_drops(store, table, tmp_path, monkeypatch):
    withheld = []
    monkeypatch.setattr(training, "require_lightgbm", lambda: None)
    monkeypatch.setattr(judging, "boosted_scores", lambda known, *_: withheld.append(known.withheld))
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
