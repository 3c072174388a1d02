"""Future rows never reach a model: relhop's most important promise, from the store to the metrics.

`tests/test_canary.py` holds the sampler to it on real data; `tests/test_mutants.py` breaks the rule on purpose.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

import relhop as rh
from relhop.aggregates import Seen, aggregates, frequent_values
from relhop.loader import SeedLoader
from tests.test_canary import ANCHORS, TRAVEL_TIMES, travel_store


def test_features_of_a_neighborhood_are_the_same_bytes_without_the_future(tmp_path: Path) -> None:
    travel = travel_store(tmp_path / "full.rh")
    anchor = ANCHORS[1]
    micros = rh.to_micros(anchor)
    users = np.random.default_rng(1).integers(0, travel.cut("Users", micros), 500)
    frame = pd.DataFrame(
        {"Id": travel.keys_of("Users", users)["Id"].to_numpy(), "anchor_time": pd.Timestamp(anchor)}
    )
    batches, described = [], []
    for store in (travel, travel_store(tmp_path / "past.rh", until=anchor)):
        times = np.full(len(users), micros)
        described.append(
            aggregates(store, "Users", Seen(users, times, times), frequent_values(store, micros))
        )
        table = rh.TrainingTable.from_pandas(frame, store, entity_table="Users", task_type="binary")
        batches.append(next(iter(SeedLoader(store, table, [8, 8], batch_size=500))))
    pd.testing.assert_frame_equal(*described, check_exact=True)
    full, past = batches
    for name in TRAVEL_TIMES:
        assert full[name].n_id.tolist() == past[name].n_id.tolist()
        assert full[name].time.tolist() == past[name].time.tolist()
        assert (full[name].time <= micros).all()
        assert ("tf" in full[name]) == ("tf" in past[name])
        if "tf" in full[name]:
            for stype, values in full[name].tf.feat_dict.items():
                np.testing.assert_array_equal(values.numpy(), past[name].tf.feat_dict[stype].numpy())


def coin_store(path: Path) -> tuple[rh.Store, pd.DataFrame]:
    """Users with events every day or so whose value is a fair coin; the label is the coin of the next event."""
    rng = np.random.default_rng(3)
    num_users, days = 60, 240
    user, day = np.nonzero(rng.random((num_users, days)) < 0.8)
    events = pd.DataFrame({"user_id": user, "coin": rng.integers(0, 2, len(user)).astype(float)})
    events["at"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(day, unit="D")
    events["event_id"] = np.arange(len(events))
    users = pd.DataFrame({"user_id": np.arange(num_users), "group": [f"g{i % 5}" for i in range(num_users)]})
    graph = rh.Graph(
        tables=[
            rh.Table("users", source=users, pkey_col="user_id"),
            rh.Table(
                "events", source=events, pkey_col="event_id", time_col="at", stypes={"coin": "numerical"}
            ),
        ],
        links=[rh.Link("events", "user_id", "users")],
    )
    return graph.snapshot(path, progress=False), events


SMALL = {"neighbor_sampling.num_neighbors": [8], "model_architecture.channels": 32}


def test_a_label_made_of_future_rows_alone_cannot_be_learnt(tmp_path: Path) -> None:
    store, _ = coin_store(tmp_path / "coin.rh")
    query = rh.PredictiveQuery(store, "PREDICT FIRST(events.coin, 0, 1, days) = 1 FOR EACH users.user_id")
    table = query.generate_training_table(store, val_start="2020-06-01", test_start="2020-07-01")
    assert len(table.splits["train"]) > 3000
    assert len(table.splits["test"]) > 1000
    plan = query.suggest_model_plan(store).with_overrides({**SMALL, "optimization.max_epochs": 3})
    result = rh.Trainer(plan, out=tmp_path / "run").fit(table, store)
    # 1,000 fair coins or more: a standard error of 0.018 on the area.
    assert abs(result.metrics["test"]["auroc"] - 0.5) < 0.07


def test_the_same_label_is_learnt_where_the_past_tells_it(tmp_path: Path) -> None:
    """The control of the test above: the same set-up finds a label that the newest visible row gives away."""
    store, events = coin_store(tmp_path / "coin.rh")
    newest = events.sort_values(["user_id", "at"])
    newest = newest.assign(until=newest.groupby("user_id")["at"].shift(-1)).dropna()
    months = newest["at"].dt.month
    frame = pd.DataFrame(
        {
            "user_id": newest.user_id,
            "anchor_time": newest["at"] + pd.Timedelta(hours=1),
            "target": newest.coin,
            "split": np.where(months < 6, "train", np.where(months < 7, "val", "test")),
        }
    )
    table = rh.TrainingTable.from_pandas(frame, store, entity_table="users", task_type="binary")
    query = rh.PredictiveQuery(store, "PREDICT FIRST(events.coin, 0, 1, days) = 1 FOR EACH users.user_id")
    plan = query.suggest_model_plan(store).with_overrides({**SMALL, "optimization.max_epochs": 10})
    result = rh.Trainer(plan, out=tmp_path / "run").fit(table, store)
    assert result.metrics["test"]["auroc"] > 0.9
