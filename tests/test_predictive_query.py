from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest

from relhop.errors import QueryError, StoreError, TrainingError
from relhop.predictive_query import PredictiveQuery
from relhop.predictive_query import query as predictive_query
from relhop.schema import Link, Schema, Table
from relhop.times import to_micros
from relhop.training_table import labelling
from tests.query_store import MemoryStore

SCHEMA = Schema(
    [
        Table("users", pkey_col="id", stypes={"country": "categorical"}),
        Table("orders", time_col="at", stypes={"price": "numerical", "kind": "categorical"}),
        Table("holidays", time_col="day", stypes={"name": "text"}),
    ],
    [Link("orders", "user", "users")],
)
DAYS = pd.date_range("2020-01-01", "2020-04-10", freq="D")
FRAMES = {
    "users": pd.DataFrame({"id": ["ann", "bob", "cy"], "country": ["NO", "SE", "NO"]}),
    "orders": pd.DataFrame(
        {
            "user": ["ann" if d.day % 2 else "bob" for d in DAYS],
            "at": DAYS,
            "price": [float(d.day) for d in DAYS],
            "kind": ["early" if d.day <= 15 else "late" for d in DAYS],
        }
    ),
    "holidays": pd.DataFrame({"day": ["2020-05-01", "2020-12-25"], "name": ["a", "b"]}),
}
STORE = MemoryStore(SCHEMA, FRAMES)
DATES = {"val_start": "2020-03-01", "test_start": "2020-03-21"}


def query(text: str) -> PredictiveQuery:
    return PredictiveQuery(SCHEMA, text)


def test_training_table_has_labels_by_split():
    table = query("PREDICT SUM(orders.price, 0, 10) FOR EACH users.id").generate_training_table(
        STORE, **DATES
    )
    frame = table.to_pandas()
    assert frame.columns.tolist() == ["id", "anchor_time", "target", "split"]
    test = frame[frame["split"] == "test"]
    assert test["anchor_time"].astype(str).tolist() == ["2020-03-21"] * 3 + ["2020-03-31"] * 3
    assert test["target"].tolist() == [
        23.0 + 25 + 27 + 29 + 31,
        22.0 + 24 + 26 + 28 + 30,
        0.0,
        1.0 + 3 + 5 + 7 + 9,
        2.0 + 4 + 6 + 8 + 10,
        0.0,
    ]
    assert {name: len(part) for name, part in table.splits.items()} == {"train": 18, "val": 6, "test": 6}


def test_training_labels_never_use_what_happens_after_the_test_start():
    text = "PREDICT SUM(orders.price, 0, 10) FOR EACH users.id"
    changed = {
        **FRAMES,
        "orders": FRAMES["orders"].assign(price=lambda f: f["price"].where(f["at"] <= "2020-03-21", 999)),
    }
    before = query(text).generate_training_table(STORE, **DATES).splits
    after = query(text).generate_training_table(MemoryStore(SCHEMA, changed), **DATES).splits
    for split in ("train", "val"):
        assert before[split].target.tolist() == after[split].target.tolist()
    assert before["test"].target.tolist() != after["test"].target.tolist()


def test_a_calendar_of_coming_events_does_not_stretch_the_labels():
    table = query("PREDICT COUNT(orders.*, 0, 10) > 0 FOR EACH users.id").generate_training_table(STORE)
    assert table.splits["test"].to_pandas()["anchor_time"].max() == pd.Timestamp("2020-03-31")
    assert (
        query("PREDICT COUNT(orders.*, 0, 10) > 0 FOR EACH users.id")
        .generate_prediction_table(STORE)
        .anchor_times.tolist()
        == [to_micros("2020-04-10")] * 3
    )


def test_table_explains_what_was_dropped_and_why():
    text = (
        "PREDICT AVG(orders.price WHERE orders.price > 30, 0, 10)\n  FOR EACH users.id"
        " WHERE users.country = 'NO' ASSUMING COUNT(orders.*, 0, 10) > 0"
    )
    assert query(text).generate_training_table(STORE, **DATES).explain() == (
        "regression table of 'users': 2 examples\n"
        "query: PREDICT AVG(orders.price WHERE orders.price > 30, 0, 10) FOR EACH users.id"
        " WHERE users.country = 'NO' ASSUMING COUNT(orders.*, 0, 10) > 0\n"
        "train: 1 example of 1 entity at the anchor 2020-01-21; target mean 31, from 31 to 31\n"
        "val: no examples\n"
        "test: 1 example of 1 entity at the anchor 2020-03-21; target mean 31, from 31 to 31\n"
        "considered for train: 18 visible entities at 6 anchors; 6 fail WHERE, 6 fail ASSUMING,"
        " 5 have no value to predict\n"
        "considered for val: 6 visible entities at 2 anchors; 2 fail WHERE, 2 fail ASSUMING,"
        " 2 have no value to predict\n"
        "considered for test: 6 visible entities at 2 anchors; 2 fail WHERE, 2 fail ASSUMING,"
        " 1 have no value to predict\n"
        "all training labels are 31, so there is nothing to learn"
    )


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("COUNT(orders.* WHERE orders.price > 99, 0, 10)", "0"),
        ("COUNT(orders.* WHERE orders.price > 99, 0, 10) > 0", "0"),
        ("LAST(orders.kind WHERE orders.kind = 'early', 0, 20)", "early"),
        ("LIST_DISTINCT(orders.kind WHERE orders.kind = 'late', 0, 20) CLASSIFY", "the list of 1 items"),
        ("SUM(orders.price WHERE orders.price > 99, 0, 5) FORECAST 2 TIMEFRAMES", "the same row of numbers"),
    ],
)
def test_labels_that_are_constant_are_named_before_training(target, shown):
    table = query(f"PREDICT {target} FOR EACH users.id").generate_training_table(STORE)
    assert table.notes[-1] == f"all training labels are {shown}, so there is nothing to learn"


def test_windows_without_data_are_named_before_training():
    with pytest.raises(TrainingError) as caught:
        query(
            "PREDICT AVG(orders.price WHERE orders.price > 99, 0, 10) FOR EACH users.id"
        ).generate_training_table(STORE, **DATES)
    assert str(caught.value) == (
        "no example is left to train on. considered for train: 18 visible entities at 6 anchors;"
        " 18 have no value to predict"
    )


def test_multiclass_targets_are_indices_of_classes():
    table = query("PREDICT LAST(orders.kind, 0, 10) FOR EACH users.id").generate_training_table(
        STORE, **DATES
    )
    assert (table.task_type, table.classes) == ("multiclass", ("early", "late"))
    assert table.splits["test"].to_pandas()["target"].tolist() == ["late", "late", "early", "early"]
    assert table.splits["test"].target.tolist() == [1, 1, 0, 0]


def test_lists_of_values_are_indices_of_classes():
    table = query(
        "PREDICT LIST_DISTINCT(orders.kind, 0, 10) CLASSIFY FOR EACH users.id"
    ).generate_training_table(STORE, **DATES)
    assert (table.task_type, table.classes, table.target) == ("multilabel", ("early", "late"), None)
    test = table.splits["test"]
    assert test.lists.to_pylist() == [[1], [1], [0], [0]]
    assert test.to_pandas()["target"].tolist() == [["late"], ["late"], ["early"], ["early"]]
    assert "; 1 items an example; 2 classes: early 50.0%, late 50.0%" in table.explain().splitlines()[4]


def test_values_of_lists_that_training_never_sees_are_left_out():
    frame = FRAMES["orders"].assign(kind=lambda f: f["kind"].where(f["at"] != "2020-03-25", "new"))
    frame = frame.assign(kind=lambda f: f["kind"].where(f["at"] < "2020-04-01", "newer"))
    table = query(
        "PREDICT LIST_DISTINCT(orders.kind, 0, 10) CLASSIFY FOR EACH users.id"
    ).generate_training_table(MemoryStore(SCHEMA, {**FRAMES, "orders": frame}), **DATES)
    assert table.splits["test"].to_pandas()["target"].tolist() == [["late"], ["late"]]
    assert table.notes[-1] == (
        "3 labels of val and test left out: training has none of these classes; 2 examples dropped that had no"
        " other"
    )


def test_lists_of_keys_are_rows_of_their_table():
    schema = Schema(
        [*SCHEMA.tables.values(), Table("kinds", pkey_col="kind")],
        [*SCHEMA.links, Link("orders", "kind", "kinds")],
    )
    store = MemoryStore(schema, {**FRAMES, "kinds": pd.DataFrame({"kind": ["late", "early"]})})
    asked = PredictiveQuery(schema, "PREDICT LIST_DISTINCT(orders.kind, 0, 10) RANK TOP 1 FOR EACH users.id")
    table = asked.generate_training_table(store, **DATES)
    assert (table.task_type, table.item_table, table.top_k, table.classes) == (
        "link_prediction",
        "kinds",
        1,
        None,
    )
    assert table.splits["test"].lists.to_pylist() == [[0], [0], [1], [1]]
    assert asked.generate_prediction_table(store).item_table == "kinds"
    assert (
        explained("PREDICT COUNT(orders.*, 0, 10) FOR EACH users.id")[1]
        == "label: COUNT(orders.*, 0, 10, days)"
    )
    assert table.target_links == ("orders.user", "orders.kind")
    assert asked.suggest_model_plan(store).optimization.loss is None


def test_forecasts_have_a_column_for_each_timeframe():
    asked = query("PREDICT SUM(orders.price, 0, 5) FORECAST 2 TIMEFRAMES FOR EACH users.id")
    table = asked.generate_training_table(STORE, **DATES)
    frame = table.splits["test"].to_pandas()
    assert frame.columns.tolist() == ["id", "anchor_time", "target_1", "target_2", "split"]
    assert frame[frame["id"] == "ann"][["target_1", "target_2"]].iloc[0].tolist() == [
        23.0 + 25,
        27.0 + 29 + 31,
    ]
    assert table.target.shape == (len(table), 2)
    # The second window must end by the start of the next split, too.
    assert table.splits["train"].to_pandas()["anchor_time"].max() == pd.Timestamp("2020-02-20")
    assert "; 2 timeframes; target mean" in table.explain()


def test_classes_of_a_list_have_a_limit(monkeypatch):
    monkeypatch.setattr(labelling, "MAX_LABELS", 1)
    with pytest.raises(TrainingError) as caught:
        query("PREDICT LIST_DISTINCT(orders.kind, 0, 10) CLASSIFY FOR EACH users.id").generate_training_table(
            STORE
        )
    assert str(caught.value) == (
        "a multilabel task has at most 1 classes, but training has 2; write RANK TOP k instead of CLASSIFY"
    )


def test_some_entities_are_predicted_for_and_all_are_trained_on():
    asked = query("PREDICT COUNT(orders.*, 0, 10) FOR users.id IN ('cy', 'ann')")
    assert asked.generate_prediction_table(STORE).to_pandas()["id"].tolist() == ["ann", "cy"]
    assert set(asked.generate_training_table(STORE, **DATES).to_pandas()["id"]) == {"ann", "bob", "cy"}
    asked = query("PREDICT COUNT(orders.*, 0, 10) FOR users.id IN ('cy', 'dan', 'dan', 'eve')")
    explained = asked.generate_prediction_table(STORE).explain()
    assert "2 of 3 entities asked for are not there at that time" in explained


def test_what_bounds_a_table_and_means_nothing_is_refused():
    asked = query("PREDICT COUNT(orders.*, 0, 10) FOR EACH users.id")
    with pytest.raises(TrainingError, match=r"^stride is 5; write such as '30 days'$"):
        asked.generate_training_table(STORE, stride=5)
    with pytest.raises(ValueError, match=r"^'10XB' is no size; give bytes, or a number with kB, MB, GB"):
        asked.generate_training_table(STORE, memory_limit="10XB", **DATES)
    with pytest.raises(StoreError, match=r"^the labels cannot be found: DuckDB ran out of memory"):
        asked.generate_training_table(STORE, memory_limit="1kB", **DATES)
    with pytest.raises(TrainingError, match=r"examples dropped: id is none of train, val, test$"):
        asked.generate_training_table(STORE, split="id")


def test_prediction_table_takes_assuming_as_given():
    asked = query(
        "PREDICT SUM(orders.price, 0, 10) > 1 FOR EACH users.id WHERE users.country = 'NO'"
        " ASSUMING COUNT(orders.*, 0, 10) > 99"
    )
    table = asked.generate_prediction_table(STORE, "2020-02-01")
    assert table.to_pandas().to_dict("list") == {
        "id": ["ann", "cy"],
        "anchor_time": [pd.Timestamp("2020-02-01")] * 2,
    }
    assert table.target is None
    assert table.explain() == (
        "binary table of 'users': 2 examples\n"
        "query: PREDICT SUM(orders.price, 0, 10) > 1 FOR EACH users.id WHERE users.country = 'NO'"
        " ASSUMING COUNT(orders.*, 0, 10) > 99\n"
        "to predict: 2 examples of 2 entities at the anchor 2020-02-01\n"
        "1 of 3 visible entities fail WHERE\n"
        "ASSUMING is taken as given"
    )


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("COUNT(orders.*, 0, 10) = 0", "binary"),
        ("NOT COUNT(orders.*, 0, 10) = 0", "binary"),
        ("COUNT(orders.*, 0, 10)", "regression"),
        ("COUNT_DISTINCT(orders.kind, 0, 10)", "regression"),
        ("MAX(orders.price, 0, 10)", "regression"),
        ("FIRST(orders.price, 0, 10)", "regression"),
        ("FIRST(orders.kind, 0, 10)", "multiclass"),
        ("FIRST(orders.kind, 0, 10) = 'late'", "binary"),
    ],
)
def test_task_follows_from_the_target(text, task):
    assert query(f"PREDICT {text} FOR EACH users.id").task_type == task


@pytest.mark.parametrize("stride", ["5 days", dt.timedelta(days=5)])
def test_stride_can_be_given(stride):
    asked = query("PREDICT COUNT(orders.*, 0, 10) FOR EACH users.id")
    times = (
        asked.generate_training_table(STORE, stride=stride, **DATES).to_pandas()["anchor_time"].astype(str)
    )
    assert sorted(set(times[-9:])) == ["2020-03-21", "2020-03-26", "2020-03-31"]


def test_default_stride_is_the_longest_window_of_the_target():
    assert (
        "every 1 month unless"
        in query(
            "PREDICT COUNT(orders.*, 0, 10) > 0 OR COUNT(orders.*, 0, 1, month) > 0 FOR EACH users.id"
        ).explain()
    )


def explained(text: str) -> list[str]:
    words, sql = query(text).explain().split("\nSQL:\n")
    assert sql == query(text).sql()
    return words.split("\n")


def test_query_explains_itself():
    assert explained(
        "PREDICT COUNT(orders.*, 5, 30) > 0 FOR EACH users.id WHERE users.country = 'NO'"
        " ASSUMING COUNT(orders.*, 0, 7) > 0"
    ) == [
        "task: binary classification; one example for each users.id at each anchor time",
        "label: 1 if COUNT(orders.*, 5, 30, days) > 0, else 0",
        "window: rows of orders with anchor + 5 days < time <= anchor + 30 days",
        "entities: rows of users, of which users.country = 'NO'",
        "assumed: COUNT(orders.*, 0, 7, days) > 0; only such examples are trained on; taken as given when"
        " predicting",
        "links followed: orders.user -> users",
        "anchor times: every 25 days unless a stride is given",
    ]


def test_explanation_of_a_static_query():
    assert explained("PREDICT users.country FOR users.id IN ('ann', 'cy')") == [
        "task: multiclass classification; one example for each users.id",
        "label: users.country, where it is known",
        "entities: rows of users",
        "predicted for: 'ann', 'cy' only",
        "withheld from the model: users.country, and what goes one to one with it",
        "anchor times: one, the newest time of the data",
    ]


def test_explanation_of_lists_and_forecasts():
    assert explained("PREDICT LIST_DISTINCT(orders.kind, 0, 10) RANK TOP 2 FOR EACH users.id")[:3] == [
        "task: temporal multilabel classification; one example for each users.id at each anchor time",
        "label: LIST_DISTINCT(orders.kind, 0, 10, days); the best 2 are asked for",
        "window: rows of orders with anchor < time <= anchor + 10 days",
    ]
    assert explained("PREDICT SUM(orders.price, 0, 7) FORECAST 4 TIMEFRAMES FOR EACH users.id")[:3] == [
        "task: forecasting; one example for each users.id at each anchor time",
        "label: SUM(orders.price, 0, 7, days), and the same for 4 windows that follow one another",
        "window: rows of orders with anchor < time <= anchor + 7 days, then the next 7 days, 4 times in all",
    ]


def test_query_takes_anything_with_a_schema_and_shows_its_sql():
    asked = PredictiveQuery(STORE, "PREDICT COUNT(orders.*, 0, 10) FOR EACH users.id")
    assert asked.entity_table == "users"
    assert repr(asked) == "PredictiveQuery('PREDICT COUNT(orders.*, 0, 10) FOR EACH users.id')"
    assert asked.sql() == (
        "WITH\n"
        "-- COUNT(orders.*, 0, 10, days)\n"
        "_rh_agg_0 AS (\n"
        '    SELECT s."_rh_user" AS entity, a.anchor_id, count(*) AS value\n'
        '    FROM "orders" s\n'
        "    JOIN _rh_anchors a ON s._rh_time > a.anchor_time"
        " AND s._rh_time <= a.anchor_time + INTERVAL '10 days'\n"
        '    WHERE s."_rh_user" IS NOT NULL\n'
        '    GROUP BY s."_rh_user", a.anchor_id\n'
        ")\n"
        "SELECT a.anchor_id AS anchor_id, e._rh_row AS entity,\n"
        "    0 AS dropped,\n"
        "    coalesce(_rh_agg_0.value, 0) AS target\n"
        'FROM "users" e\n'
        "JOIN _rh_anchors a ON TRUE\n"
        "LEFT JOIN _rh_agg_0 ON _rh_agg_0.entity = e._rh_row AND _rh_agg_0.anchor_id = a.anchor_id"
    )


def test_constants_are_checked_against_the_store():
    asked = query("PREDICT COUNT(orders.*, 0, 10) FOR EACH users.id WHERE users.country = 3")
    with pytest.raises(QueryError) as caught:
        asked.generate_prediction_table(STORE)
    assert str(caught.value) == (
        "users.country holds text, so it cannot be compared with a number\n"
        "    PREDICT COUNT(orders.*, 0, 10) FOR EACH users.id WHERE users.country = 3\n"
        "                                                                           ^"
    )


def test_plan_is_suggested_for_the_task_and_the_examples(monkeypatch):
    monkeypatch.setattr(predictive_query, "suggest", lambda *arguments: arguments)
    asked = query("PREDICT COUNT(orders.*, 0, 10) FOR EACH users.id")
    facts, run_mode = asked.suggest_model_plan(STORE, run_mode="best")
    assert (facts.task_type, facts.entity_table, run_mode) == ("regression", "users", "best")
    assert facts.num_rows == {name: table.num_rows for name, table in STORE.tables.items()}
    assert facts.num_examples is None
    table = asked.generate_training_table(STORE, **DATES)
    facts, run_mode = asked.suggest_model_plan(STORE, table=table)
    assert (facts.num_examples, run_mode) == (len(table.splits["train"]), "fast")


def test_empty_data_is_refused_with_a_reason():
    empty = MemoryStore(SCHEMA, {**FRAMES, "orders": FRAMES["orders"][:0]})
    asked = query("PREDICT COUNT(orders.*, 0, 10) FOR EACH users.id")
    with pytest.raises(TrainingError, match=r"^no row of orders has a time, so there are no labels$"):
        asked.generate_training_table(empty)
    with pytest.raises(TrainingError, match=r"^no row of orders has a time; give an anchor_time$"):
        asked.generate_prediction_table(empty)
    assert len(asked.generate_prediction_table(empty, "2020-01-01")) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stride": "often"}, "stride: 'often' is no length of time; write it like '30 days' or '1 month'"),
        ({"val_start": "soon", "test_start": "2020-01-01"},
         "'soon' is no time; write it like '2010-01-01' or '2010-01-01 12:30:00'"),
    ],
)  # fmt: skip
def test_options_that_mean_nothing_are_refused(options, message):
    with pytest.raises(TrainingError) as caught:
        query("PREDICT COUNT(orders.*, 0, 10) FOR EACH users.id").generate_training_table(STORE, **options)
    assert str(caught.value) == message


COUNTS = "PREDICT COUNT(orders.*, 0, 10) FOR EACH users.id"
WITH_PARTS = MemoryStore(
    SCHEMA, {**FRAMES, "users": FRAMES["users"].assign(part=["train", "val", "test"], weight=[1.0, 2.0, 3.0])}
)


def anchors_of(table, split: str) -> list[str]:
    return sorted(set(table.splits[split].to_pandas()["anchor_time"].dt.strftime("%m-%d")))


def test_training_anchors_can_be_bounded_in_time_and_number():
    table = query(COUNTS).generate_training_table(STORE, **DATES, train_start="2020-02-01")
    assert anchors_of(table, "train") == ["02-10", "02-20"]
    few = query(COUNTS).generate_training_table(STORE, **DATES, max_train_anchors=1)
    assert anchors_of(few, "train") == anchors_of(table, "train")[-1:]
    assert min(anchors_of(table, "train")) >= "02-01"
    assert (anchors_of(few, "val"), anchors_of(few, "test")) == (["03-01", "03-11"], ["03-21", "03-31"])


def test_splits_can_be_other_parts_of_the_anchors():
    table = query(COUNTS).generate_training_table(STORE, split=(0.4, 0.4, 0.2))
    assert [len(anchors_of(table, name)) for name in ("train", "val", "test")] == [4, 4, 2]


def test_splits_and_weights_can_be_columns_of_the_entity():
    table = query(COUNTS).generate_training_table(WITH_PARTS, split="part", weight="users.weight")
    assert {name: part.to_pandas()["id"].unique().tolist() for name, part in table.splits.items()} == {
        "train": ["ann"],
        "val": ["bob"],
        "test": ["cy"],
    }
    assert anchors_of(table, "train") == anchors_of(table, "test")
    assert {name: set(part.weight.tolist()) for name, part in table.splits.items()} == {
        "train": {1.0},
        "val": {2.0},
        "test": {3.0},
    }


def test_entities_whose_column_names_no_split_are_dropped_and_counted():
    users = FRAMES["users"].assign(part=["train", "none", None])
    table = query(COUNTS).generate_training_table(
        MemoryStore(SCHEMA, {**FRAMES, "users": users}), split="part"
    )
    assert table.to_pandas()["id"].unique().tolist() == ["ann"]
    assert table.notes[-1] == "20 of 30 examples dropped: part is none of train, val, test"


def test_static_targets_take_parts_and_columns_too():
    static = "PREDICT orders.price > 20 FOR EACH orders.id"
    schema = Schema(
        [
            SCHEMA.tables["users"],
            Table("orders", pkey_col="id", time_col="at", stypes={"price": "numerical"}),
        ],
        SCHEMA.links,
    )
    orders = FRAMES["orders"].assign(id=range(len(DAYS)))
    store = MemoryStore(schema, {"users": FRAMES["users"], "orders": orders})
    table = PredictiveQuery(schema, static).generate_training_table(store, split=(0.5, 0.25, 0.25))
    assert [len(part) for part in table.splits.values()] == [50, 25, 26]
    late = PredictiveQuery(schema, static).generate_training_table(store, train_start="2020-02-01")
    assert late.to_pandas()["anchor_time"].min() == pd.Timestamp("2020-02-01")


def test_data_that_is_too_young_for_the_past_is_said():
    text = f"{COUNTS} WHERE COUNT(orders.*, -30, 0) > 0"
    table = query(text).generate_training_table(STORE, **DATES)
    assert table.notes[0] == (
        "at 3 of 6 training anchors the data is younger than the 30 days that the query looks back;"
        " train_start='2020-01-31' leaves them out"
    )
    table = query(text).generate_training_table(STORE, **DATES, train_start="2020-01-31")
    assert anchors_of(table, "train")[0] >= "01-31"
    assert table.notes[0].startswith("considered")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": (0.5, 0.5, 0.5)}, "split is (0.5, 0.5, 0.5); give three positive parts, for train, val and"
         " test, that add up to 1"),
        ({"split": "part", **DATES}, "give either split, or val_start and test_start"),
        ({"split": "prt"}, "table 'users' has no column 'prt'. Did you mean 'part'?"),
        ({"weight": "country"}, "the weights in users.country must be numbers"),
        ({"max_train_anchors": 0}, "max_train_anchors must be at least 1, not 0"),
        ({"train_start": "2020-03-02", **DATES}, "train_start 2020-03-02 must lie before val_start 2020-03-01"),
        ({"split": "part", "train_start": "2020-04-09"}, "no label window fits between 2020-04-09 and"
         " 2020-04-10; choose a shorter window or an earlier train_start"),
    ],
)  # fmt: skip
def test_splits_and_weights_that_cannot_be_are_refused(options, message):
    with pytest.raises(TrainingError) as caught:
        query(COUNTS).generate_training_table(WITH_PARTS, **options)
    assert str(caught.value) == message


def with_times(**added: list[str]) -> MemoryStore:
    """The store with orders of cy, or holidays, at more times."""
    orders = pd.DataFrame({"user": "cy", "at": added.get("orders", []), "price": 1.0, "kind": "late"})
    holidays = pd.DataFrame({"day": added.get("holidays", []), "name": "x"})
    more = {"orders": orders, "holidays": holidays}
    return MemoryStore(
        SCHEMA, {name: pd.concat([f, more[name]]) if name in more else f for name, f in FRAMES.items()}
    )


@pytest.mark.parametrize("options", [{}, DATES])
def test_a_few_labels_far_behind_all_others_are_refused(options):
    store = with_times(orders=["9999-12-31", "9999-12-31"])
    asked = query("PREDICT COUNT(orders.*, 0, 10) > 0 FOR EACH users.id")
    message = (
        "^2 of 103 rows of orders lie at 9999-12-31 or later, and none after 2020-04-10 until then, so most"
        " anchors would look at a time without rows; if that time stands for none, make it null with sql, or"
        r" use store.as_of\('2020-04-10'\), which leaves these rows out$"
    )
    with pytest.raises(TrainingError, match=message):
        asked.generate_training_table(store, **options)
    with pytest.raises(TrainingError, match=message):
        asked.generate_prediction_table(store)
    assert len(asked.generate_prediction_table(store, anchor_time="2020-04-10")) == 3


def test_a_far_label_is_named_by_its_key():
    schema = Schema(
        [Table("users", pkey_col="id"), Table("orders", pkey_col=("user", "at"), time_col="at")],
        [Link("orders", "user", "users")],
    )
    asked = PredictiveQuery(schema, "PREDICT COUNT(orders.*, 0, 10) > 0 FOR EACH users.id")
    store = MemoryStore(schema, with_times(orders=["9999-12-31"]).frames)
    with pytest.raises(TrainingError, match=r"rows of orders lie at 9999-12-31 \(user cy, at 9999-12-31 "):
        asked.generate_training_table(store)


def test_anchors_before_the_first_label_are_told_of():
    asked = query("PREDICT COUNT(orders.*, 0, 10) > 0 FOR EACH users.id")
    table = asked.generate_training_table(with_times(holidays=["2019-10-01", "2019-12-01"]))
    assert (
        "at 8 of 15 training anchors there is no row of orders yet, of which the first is at 2020-01-01;"
        " train_start='2020-01-01' leaves them out"
    ) in table.notes
    later = asked.generate_training_table(STORE, train_start="2020-01-01")
    assert not any("there is no row of" in note for note in later.notes)
