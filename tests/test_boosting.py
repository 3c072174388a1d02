from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from relhop import boosting
from relhop.boosting import boosted_scores, example_features
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


def test_features_are_own_columns_and_aggregates_of_what_is_visible(store, table):
    found = example_features([table.take(np.array([5, 700 % len(table)]))], store)
    seen, row = table.to_pandas().iloc[5], found.iloc[0]
    frames = clicks.frames()
    past = frames["clicks"].query("user_id == @seen.user_id and at <= @seen.anchor_time")
    user = frames["users"].set_index("user_id").loc[seen.user_id]
    assert row["clicks_user_id_n"] == len(past)
    assert row["clicks_user_id_age"] == pytest.approx(
        (seen.anchor_time - past["at"].max()) / pd.Timedelta(days=1)
    )
    means = [value for name, value in row.items() if str(name).startswith("clicks_user_id_m")]
    assert means == [pytest.approx(past["score"].mean())]
    assert user["age"] in row.tolist() or np.isnan(user["age"])


def test_trees_learn_what_the_past_tells(store, table):
    pytest.importorskip("lightgbm", reason="LightGBM is not installed: pip install 'relhop[lightgbm]'")
    splits = table.splits
    scores = boosted_scores(splits["train"], splits["test"], store)
    assert compute_metrics("binary", scores, splits["test"].target).values["auroc"] > 0.95


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
