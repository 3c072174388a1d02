"""Targets that are columns: which entities, at which time, in which split, and what the model may not see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import relhop as rh
from relhop.errors import PlanError, TrainingError
from relhop.predictive_query import PredictiveQuery
from relhop.predictor import seed_loader
from relhop.schema import Link, Schema, Table, replace
from relhop.times import format_time
from relhop.trainer import Trainer
from relhop.withholding import check_strategies
from tests.query_store import MemoryStore

SCHEMA = Schema(
    [
        Table(
            "users",
            pkey_col="id",
            stypes={
                "age": "numerical",
                "months": "numerical",
                "group": "categorical",
                "label": "categorical",
                "city": "categorical",
            },
        ),
        Table("orders", pkey_col="id", time_col="at", stypes={"price": "numerical", "paid": "categorical"}),
    ],
    [Link("orders", "user", "users", weight="price")],
)
AGES = [20 + i % 10 for i in range(40)]
FRAMES = {
    "users": pd.DataFrame(
        {
            "id": range(40),
            "age": pd.array([*AGES[:-2], None, None], dtype="Float64"),
            "months": [12.0 * age + 3 for age in AGES],
            "group": ["young" if age < 25 else "old" for age in AGES],
            "label": [i // 10 % 2 for i in range(40)],
            "city": ["Rome" if i % 3 else "Oslo" for i in range(40)],
        }
    ),
    "orders": pd.DataFrame(
        {
            "id": range(20),
            "user": range(20),
            "at": pd.date_range("2020-01-01", periods=20),
            "price": [float(i) for i in range(20)],
            "paid": pd.array([i % 4 == 0 for i in range(19)] + [None], dtype="boolean"),
        }
    ),
}
STORE = MemoryStore(SCHEMA, FRAMES)


def table_of(text: str, **options: str) -> rh.TrainingTable:
    return PredictiveQuery(SCHEMA, text).generate_training_table(STORE, **options)


def test_entities_without_times_are_split_at_random_and_seen_at_the_newest_time():
    table = table_of("PREDICT users.age FOR EACH users.id")
    assert (table.task_type, len(table)) == ("regression", 38)
    assert {name: len(part) for name, part in table.splits.items()} == {"train": 32, "val": 3, "test": 3}
    assert {format_time(int(t)) for t in table.anchor_times} == {"2020-01-20"}
    again = table_of("PREDICT users.age FOR EACH users.id")
    assert again.split.tolist() == table.split.tolist()
    assert sorted(table.rows[table.split != 0].tolist()) != list(range(32, 38))


def test_entities_with_times_are_seen_at_these_and_split_by_them():
    table = table_of("PREDICT orders.paid FOR EACH orders.id")
    assert (table.task_type, len(table)) == ("binary", 19)
    assert [format_time(int(t)) for t in table.anchor_times[:2]] == ["2020-01-01", "2020-01-02"]
    assert {name: part.rows.tolist() for name, part in table.splits.items()} == {
        "train": list(range(15)),
        "val": [15, 16],
        "test": [17, 18],
    }
    dated = table_of(
        "PREDICT orders.paid FOR EACH orders.id", val_start="2020-01-05", test_start="2020-01-10"
    )
    assert [len(part) for part in dated.splits.values()] == [4, 5, 10]


def test_examples_of_the_same_time_share_a_split():
    orders = FRAMES["orders"].assign(
        at=pd.to_datetime(["2020-01-01"] * 14 + ["2020-01-02"] * 4 + ["2020-01-03"] * 2)
    )
    store = MemoryStore(SCHEMA, {**FRAMES, "orders": orders})
    table = PredictiveQuery(SCHEMA, "PREDICT orders.price FOR EACH orders.id").generate_training_table(store)
    assert [len(part) for part in table.splits.values()] == [14, 4, 2]


def test_those_whose_value_is_missing_are_predicted():
    query = PredictiveQuery(SCHEMA, "PREDICT users.age FOR EACH users.id")
    table = query.generate_prediction_table(STORE)
    assert (table.rows.tolist(), table.notes) == (
        [38, 39],
        ("38 of 40 visible entities have the value already",),
    )
    timed = PredictiveQuery(SCHEMA, "PREDICT orders.paid FOR EACH orders.id").generate_prediction_table(STORE)
    assert (timed.task_type, timed.rows.tolist()) == ("binary", [19])
    assert format_time(int(timed.anchor_times[0])) == "2020-01-20"


def test_zero_and_one_are_a_binary_task():
    table = table_of("PREDICT users.label FOR EACH users.id")
    assert (table.task_type, set(table.target.tolist())) == ("binary", {0.0, 1.0})
    query = PredictiveQuery(SCHEMA, "PREDICT users.label FOR EACH users.id")
    assert (query.task_type, query.suggest_model_plan(STORE).optimization.loss) == (
        "multiclass",
        "binary_cross_entropy",
    )


def test_what_goes_one_to_one_with_the_target_is_withheld_and_what_may_be_computed_is_named():
    table = table_of("PREDICT users.age FOR EACH users.id")
    assert table.withheld == ("users.age", "users.months")
    assert table.notes == (
        "considered: 40 visible entities at 1 anchor; 2 have no value to predict",
        "users.group follows from the target in every row; if it is computed from it, drop it:"
        " column_processing.drop",
    )
    assert "withheld from the model: users.age, users.months" in table.explain()
    assert table_of("PREDICT users.city FOR EACH users.id").withheld == ("users.city",)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("users.age FOR EACH users.id", {"stride": "3 days"},
         "a static query has no windows: give no stride, no max_eval_anchors and no max_train_anchors"),
        ("users.age FOR EACH users.id", {"val_start": "2020-01-01", "test_start": "2020-01-02"},
         "the rows of 'users' have no times, so no dates can split them"),
        ("orders.paid FOR EACH orders.id", {"val_start": "2020-01-02"},
         "give both val_start and test_start, or neither"),
        ("orders.paid FOR EACH orders.id", {"val_start": "2020-01-02", "test_start": "2021-01-02"},
         "19 examples leave none for test from 2020-01-02 and 2021-01-02 on; choose other dates"),
        ("users.age FOR EACH users.id WHERE users.city = 'Bern'", {},
         "no example is left to train on. considered: 40 visible entities at 1 anchor; 40 fail WHERE"),
        ("users.age > 100 FOR EACH users.id WHERE users.label = 5", {},
         "no example is left to train on. considered: 40 visible entities at 1 anchor; 40 fail WHERE"),
        ("users.age FOR EACH users.id WHERE users.months = 243 AND COUNT(orders.*, -INF, 0) > 0", {},
         None),
    ],
)  # fmt: skip
def test_what_cannot_be_split_or_has_no_examples_is_refused(text, options, message):
    if message is None:
        with pytest.raises(TrainingError, match="2 examples leave none for train"):
            table_of(f"PREDICT {text}", **options)
        return
    with pytest.raises(TrainingError) as caught:
        table_of(f"PREDICT {text}", **options)
    assert str(caught.value) == message


def test_a_target_is_withheld_from_batches_and_statistics(tmp_path: Path) -> None:
    tables = [
        rh.Table(name, source=FRAMES[name], pkey_col="id", time_col=t.time_col, stypes=t.stypes)
        for name, t in SCHEMA.tables.items()
    ]
    graph = rh.Graph(tables=tables, links=[rh.Link("orders", "user", "users")])
    store = graph.snapshot(tmp_path / "store.rh", progress=False)
    query = rh.PredictiveQuery(store, "PREDICT users.age FOR EACH users.id")
    table = query.generate_training_table(store)
    plan = query.suggest_model_plan(store).with_overrides({"optimization.max_epochs": 1})
    frame = next(iter(seed_loader(store, table, plan, table.withheld)))["users"].tf
    assert sorted(name for names in frame.col_names_dict.values() for name in names) == [
        "city",
        "group",
        "label",
    ]
    result = Trainer(plan, out=tmp_path / "model", progress=False).fit(table, store)
    trainer = Trainer.load(result.path)
    described = trainer._predictor.described
    assert described.task.withheld == ("users.age", "users.months")
    assert sorted(described.statistics.columns["users"]) == ["city", "group", "label"]
    scores = trainer.predict(query.generate_prediction_table(store), store).scores
    assert scores.shape == (2,)
    everything = trainer.predict(table, store).scores
    changed = FRAMES["users"].assign(age=99.0, months=0.0)
    other = rh.Graph(
        tables=[replace(tables[0], source=changed) if t.name == "users" else t for t in tables],
        links=[rh.Link("orders", "user", "users")],
    ).snapshot(tmp_path / "other.rh", progress=False)
    assert trainer.predict(table, other).scores.tolist() == everything.tolist()


def test_neighbors_are_not_drawn_by_what_is_to_be_predicted():
    hops = [{("orders", "f2p_user", "users"): "weighted"}]
    check_strategies(hops, ["orders.paid"], SCHEMA)
    check_strategies([{("orders", "f2p_user", "users"): "recency"}], ["orders.price"], SCHEMA)
    with pytest.raises(PlanError) as caught:
        check_strategies(hops, ["orders.price"], SCHEMA)
    assert str(caught.value) == (
        "neighbor_sampling.strategy is weighted, but the weight of orders.user is orders.price, which is to be"
        " predicted; choose another strategy"
    )


def test_labels_that_are_all_the_same_are_not_trained_on(tmp_path: Path) -> None:
    table = table_of("PREDICT users.age > 5 FOR EACH users.id")
    assert table.notes[-1] == "all training labels are 1, so there is nothing to learn"
    with pytest.raises(TrainingError, match="all training labels are 1, so there is nothing to learn"):
        Trainer(rh.ModelPlan(), out=tmp_path).fit(table, STORE)
    assert np.ptp(table.target) == 0
