"""From tables to scores in one go, small enough to run before every commit."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

import relhop as rh
from tests import shop

QUERY = "PREDICT COUNT(orders.*, 0, 1, days) > 0 FOR EACH users.user_id"


def test_a_shop_of_eight_orders_gets_scores(tmp_path: Path) -> None:
    store = shop.store(tmp_path)
    query = rh.PredictiveQuery(store, QUERY)
    table = query.generate_training_table(store)
    # One anchor a day, backwards from the last complete window: 01-01 to 01-06, of four users each.
    assert {name: len(split) for name, split in table.splits.items()} == {"train": 16, "val": 4, "test": 4}
    assert table.splits["train"].target.sum() == 3  # zoe has no row, and one order names no user
    plan = query.suggest_model_plan(store).with_overrides({"optimization.max_epochs": 1})
    result = rh.Trainer(plan, out=tmp_path / "model", progress=False).fit(table, store)
    scores = rh.Trainer.load(result.path).predict(query.generate_prediction_table(store), store).to_pandas()
    assert scores.user_id.tolist() == ["ann", "bob", "cy", "dee"]
    assert (scores.anchor_time == pd.Timestamp("2020-01-07")).all()
    assert scores.score.between(0, 1).all()
