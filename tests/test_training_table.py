from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from relhop.errors import TrainingError
from relhop.schema import Schema, Table
from relhop.times import to_micros
from relhop.training_table import PREDICTION, TEST, TRAIN, VAL, TaskType, TrainingTable, labelled, parquet
from tests.query_store import MemoryStore

SCHEMA = Schema(
    [
        Table("users", pkey_col="id", time_col="joined", stypes={"age": "numerical"}),
        Table("seats", pkey_col=("row", "number")),
    ]
)
STORE = MemoryStore(
    SCHEMA,
    {
        "users": pd.DataFrame(
            {"id": ["bob", "ann", "eve"], "joined": ["2020-02-01", "2020-01-01", "2020-02-05"], "age": 1.0}
        ),
        "seats": pd.DataFrame({"row": [1, 1, 2], "number": ["a", "b", "a"]}),
    },
)
"""Rows of users by time: ann 0, bob 1, eve 2."""


def labels(**columns) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "id": ["ann", "bob", "ann", "eve"],
            "anchor_time": pd.to_datetime(
                ["2020-03-01", "2020-03-01", "2020-04-01", "2020-05-01T12"], format="ISO8601"
            ),
            "target": [1, 0, 0, 1],
            "split": ["train", "train", "val", "test"],
        }
    )
    return frame.assign(**columns)


def read(frame: pd.DataFrame, **options) -> TrainingTable:
    return TrainingTable.from_pandas(frame, STORE, **{"entity_table": "users", **options})


@pytest.mark.parametrize(("split", "expected"), [("train", []), ("val", [0, 1]), ("test", [0, 1, 3])])
def test_what_comes_before_a_split_are_the_examples_of_earlier_ones(split, expected):
    table = read(labels(split=["train", "train", "test", "val"]))
    assert table.before(split).rows.tolist() == table.rows[expected].tolist()
    assert table.before(split).split.tolist() == table.split[expected].tolist()


def test_labels_of_the_user_become_a_table():
    table = read(labels())
    assert table.task_type == TaskType.binary
    assert table.rows.tolist() == [0, 1, 0, 2]
    assert table.rows.dtype == table.anchor_times.dtype == np.int64
    assert table.anchor_times[3] == to_micros("2020-05-01 12:00")
    assert (table.target.tolist(), table.target.dtype) == ([1.0, 0.0, 0.0, 1.0], np.float32)
    assert (table.split.tolist(), table.split.dtype) == ([TRAIN, TRAIN, VAL, TEST], np.int8)
    assert table.keys.to_pydict() == {"id": ["ann", "bob", "ann", "eve"]}
    assert len(table) == 4


def test_table_survives_the_way_through_pandas():
    table = read(labels(target=["x", "y", "y", "x"]))
    again = read(table.to_pandas())
    pd.testing.assert_frame_equal(again.to_pandas(), table.to_pandas())
    assert again.classes == ("x", "y")


def test_keys_of_several_columns_are_looked_up_together():
    frame = labels(row=[2, 1, 1, 2], number=["a", "b", "a", "a"])
    table = read(frame, entity_table="seats")
    assert table.rows.tolist() == [2, 1, 0, 2]
    assert list(table.to_pandas().columns) == ["row", "number", "anchor_time", "target", "split"]


@pytest.mark.parametrize(
    ("target", "task_type", "values"),
    [
        ([True, False, True, False], TaskType.binary, [1, 0, 1, 0]),
        ([1.5, 0, 2, -3], TaskType.regression, [1.5, 0, 2, -3]),
        ([3, 4, 5, 3], TaskType.regression, [3, 4, 5, 3]),
        (["no", "yes", "yes", "no"], TaskType.multiclass, [0, 1, 1, 0]),
    ],
)
def test_task_follows_from_the_labels(target, task_type, values):
    table = read(labels(target=target))
    assert (table.task_type, table.target.tolist()) == (task_type, values)


def test_task_can_be_given():
    table = read(labels(target=[3, 4, 4, 3]), task_type="multiclass")
    assert (table.classes, table.target.tolist(), table.target.dtype) == ((3, 4), [0, 1, 1, 0], np.int64)
    assert table.to_pandas()["target"].tolist() == [3, 4, 4, 3]


def test_columns_can_have_other_names():
    frame = labels().rename(columns={"anchor_time": "when", "target": "churned", "split": "part"})
    table = read(frame, time_col="when", target_col="churned", split_col="part")
    assert table.target.tolist() == [1, 0, 0, 1]


def test_without_labels_the_table_is_for_prediction():
    table = read(labels().drop(columns=["target", "split"]), task_type="binary")
    assert table.target is None
    assert set(table.split.tolist()) == {PREDICTION}
    assert list(table.to_pandas().columns) == ["id", "anchor_time"]
    assert table.train_cut is None


def test_anchor_times_with_a_zone_become_utc():
    frame = labels(anchor_time=pd.to_datetime(["2020-03-01 01:00+01:00"] * 4))
    assert set(read(frame).anchor_times.tolist()) == {to_micros("2020-03-01")}


@pytest.mark.parametrize("times", [[to_micros("2020-03-01")] * 4, ["2020-03-01", "2020-03-01 00:00"] * 2])
def test_anchor_times_may_be_text_or_integers(times):
    assert set(read(labels(anchor_time=times)).anchor_times.tolist()) == {to_micros("2020-03-01")}


def test_splits_are_views_by_name():
    splits = read(labels()).splits
    assert {name: part.rows.tolist() for name, part in splits.items()} == {
        "train": [0, 1],
        "val": [0],
        "test": [2],
    }
    assert splits["train"].keys.to_pydict() == {"id": ["ann", "bob"]}


def test_splits_in_the_order_of_time_copy_nothing():
    table = read(labels())
    assert all(np.shares_memory(part.target, table.target) for part in table.splits.values())
    mixed = read(labels(split=["train", "val", "train", "test"]))
    assert [part.rows.tolist() for part in mixed.splits.values()] == [[0, 0], [1], [2]]


def test_train_cut_is_the_latest_training_anchor():
    assert read(labels()).train_cut == to_micros("2020-03-01")


def test_take_keeps_the_order_asked_for():
    table = read(labels()).take(np.array([3, 0]))
    assert (table.rows.tolist(), table.target.tolist(), table.keys["id"].to_pylist()) == (
        [2, 0],
        [1, 1],
        ["eve", "ann"],
    )


def test_classes_unseen_in_training_are_dropped_and_counted():
    table = read(labels(target=["b", "a", "z", "a"]))
    assert (table.classes, table.rows.tolist(), table.target.tolist()) == (("a", "b"), [0, 1, 2], [1, 0, 0])
    assert table.notes == ("1 example of val and test dropped: training has none of their classes (z)",)


def test_labels_may_come_in_chunks():
    for target, task_type in (([1.5, 2, 3, -4], "regression"), (["b", "a", "b", "a"], "multiclass")):
        given = read(labels(target=target), task_type=task_type)
        whole = pa.array(target)
        again = labelled(given, pa.chunked_array([whole[:1], whole[1:1], whole[1:]]))
        assert (again.target.tolist(), again.classes) == (given.target.tolist(), given.classes)


def test_zero_and_minus_zero_are_one_class():
    table = read(labels(target=[0.0, 1.0, -0.0, 1.0]), task_type="multiclass")
    assert (table.classes, table.target.tolist()) == ((0.0, 1.0), [0, 1, 0, 1])


def test_labels_that_are_not_finite_are_dropped_and_counted():
    table = labelled(read(labels(target=[1.5, 2, 3, 4])), pa.array([1.0, np.inf, 1e300, 2.0]))
    assert (table.rows.tolist(), table.target.tolist()) == ([0, 2], [1.0, 2.0])
    assert table.notes == ("2 examples dropped: the target is not a finite number",)


def test_explains_a_binary_table():
    assert read(labels()).explain() == (
        "binary table of 'users': 4 examples\n"
        "train: 2 examples of 2 entities at the anchor 2020-03-01; 50.0% positive\n"
        "val: 1 example of 1 entity at the anchor 2020-04-01; 0.0% positive\n"
        "test: 1 example of 1 entity at the anchor 2020-05-01 12:00:00; 100.0% positive\n"
        "      2020-03-01                               2020-05-01 12:00:00\n"
        "train |\n"
        "val                                 |\n"
        "test                                                             |"
    )


def test_explains_a_regression_table():
    table = read(labels(split=["train", "train", "train", "test"], target=[1.5, 2.5, 5, 0]))
    assert table.explain() == (
        "regression table of 'users': 4 examples\n"
        "train: 3 examples of 2 entities at 2 anchors from 2020-03-01 to 2020-04-01;"
        " target mean 3, from 1.5 to 5\n"
        "val: no examples\n"
        "test: 1 example of 1 entity at the anchor 2020-05-01 12:00:00; target mean 0, from 0 to 0\n"
        "      2020-03-01                               2020-05-01 12:00:00\n"
        "train |                             |\n"
        "test                                                             |"
    )


def test_explains_the_largest_classes_first():
    frame = pd.concat([labels()] * 2, ignore_index=True).assign(split="train", target=list("abcdefgb"))
    assert read(frame).explain() == (
        "multiclass table of 'users': 8 examples\n"
        "train: 8 examples of 3 entities at 3 anchors from 2020-03-01 to 2020-05-01 12:00:00;"
        " 7 classes: b 25.0%, a 12.5%, c 12.5%, d 12.5%, e 12.5%, ...\n"
        "val: no examples\n"
        "test: no examples\n"
        "      2020-03-01                               2020-05-01 12:00:00\n"
        "train |                             |                            |"
    )


def test_explains_a_prediction_table():
    table = read(labels().drop(columns="target"), task_type="regression")
    assert table.explain() == (
        "regression table of 'users': 4 examples\n"
        "to predict: 4 examples of 3 entities at 3 anchors from 2020-03-01 to 2020-05-01 12:00:00"
    )


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        (labels()[:0], {}, "the table of labels has no rows"),
        (labels().drop(columns="id"), {}, "the table of labels has no column 'id'; it needs the primary"
         " key of 'users',"
         " an anchor time and a split."),
        (labels().rename(columns={"anchor_time": "anchor_tim"}), {}, "the table of labels has no column"
         " 'anchor_time';"
         " it needs the primary key of 'users', an anchor time and a split. Did you mean 'anchor_tim'?"),
        (labels().drop(columns="split"), {}, "the table of labels has no column 'split'; it needs the"
         " primary key of"
         " 'users', an anchor time and a split."),
        (labels(id=["ann", "x", "y", "z"]), {}, "3 of 4 keys are not in 'users': x, y, z; remove these rows"),
        (labels(row=9, number="a"), {"entity_table": "seats"}, "4 of 4 keys are not in 'seats': (9,"
         " 'a'), (9, 'a'),"
         " (9, 'a'), ...; remove these rows"),
        (labels(anchor_time=pd.to_datetime(["2020-01-01", None, None, None])), {},
         "3 of 4 anchor times in 'anchor_time' are missing"),
        (labels(target=[1, None, 0, 1]), {}, "1 of 4 labels in 'target' are missing"),
        (labels(target=[[1], [0], [1], [0]]), {}, "the labels in 'target' are list<item: int64>, which do not"
         " make a multiclass task; lists are for task_type='multilabel' or 'forecasting', single values for"
         " the others"),
        (labels(weight=["a", 1, 1, 1]), {},
         "the weights in 'weight' must be numbers: Unable to parse string 'a' at position 0"),
        (labels(split=["train", "dev", "dev", "test"]), {},
         "2 rows have a split that is none of train, val, test, such as 'dev'"),
        (labels(target=[1, 2, 0, 1]), {"task_type": "binary"},
         "the labels of a binary task must be 0 or 1, but 1 are not, such as 2.0"),
        (labels().drop(columns="target"), {}, "there is no column 'target', so say which task_type is"
         " to be predicted"),
    ],
)  # fmt: skip
def test_labels_that_cannot_be_used_are_refused(frame, options, message):
    with pytest.raises(TrainingError) as caught:
        read(frame, **options)
    assert str(caught.value) == message


def test_anchor_times_that_are_none_are_refused():
    with pytest.raises(TrainingError, match=r"^column 'anchor_time' holds something that is no time: "):
        read(labels(anchor_time="soon"))


def test_text_is_no_label_of_a_regression():
    with pytest.raises(TrainingError, match=r"^the labels of a regression task must be numbers: "):
        read(labels(target="many"), task_type="regression")


def test_weights_stay_with_their_examples():
    table = read(labels(weight=[1, 0.5, 2, 0]))
    assert (table.weight.dtype, table.take(np.array([2, 0])).weight.tolist()) == (np.float32, [2, 1])
    assert table.to_pandas()["weight"].tolist() == [1, 0.5, 2, 0]
    assert table.explain().splitlines()[-1] == "weights from 0 to 2"


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ([1, -1, None, 2], "2 of 4 weights in weight are missing, negative or not finite"),
        ([0] * 4, "all weights in weight are 0"),
    ],
)
def test_weights_that_cannot_be_used_are_refused(weight, message):
    with pytest.raises(TrainingError) as caught:
        read(labels(weight=weight))
    assert str(caught.value) == message


def many(target: list) -> pd.DataFrame:
    count = len(target)
    split = ["train"] * (count - 2) + ["val", "test"]
    anchors = to_micros("2020-03-01") + np.arange(count)
    return pd.DataFrame({"id": ["ann"] * count, "anchor_time": anchors, "target": target, "split": split})


def test_balancing_keeps_all_of_the_rarest_class_and_so_many_times_more_of_others():
    table = read(many([0] * 90 + [1] * 10 + [0, 0]))
    even, wide = table.balanced(), table.balanced(3, seed=1)
    assert (even.splits["train"].target.tolist().count(0), even.splits["train"].target.sum()) == (10, 10)
    assert (len(wide.splits["train"]), wide.splits["train"].target.sum()) == (40, 10)
    assert [len(even.splits[name]) for name in ("val", "test")] == [1, 1]
    assert even.anchor_times.tolist() == sorted(even.anchor_times)
    assert even.notes == ("left out of training to balance the classes: 0.0 80 of 90",)
    assert table.balanced(9).notes == ()
    assert table.balanced(seed=1).anchor_times.tolist() != even.anchor_times.tolist()


def test_classes_are_balanced_too_and_named():
    table = read(many(["x"] * 3 + ["y"] * 2 + ["z"] * 9 + ["x", "y"])).balanced(2)
    assert np.bincount(table.splits["train"].target).tolist() == [3, 2, 4]
    assert table.notes == ("left out of training to balance the classes: z 5 of 9",)


def test_only_classes_can_be_balanced_and_by_a_ratio_of_at_least_one():
    with pytest.raises(TrainingError, match=r"^only labels of a binary or multiclass task can be balanced"):
        read(labels(target=[1.5, 2, 3, 4])).balanced()
    with pytest.raises(TrainingError, match=r"^ratio must be at least 1, not 0\.5$"):
        read(labels()).balanced(0.5)


@pytest.mark.parametrize(
    "frame",
    [
        labels(weight=[1, 2, 3, 4]),
        labels(target=[1.5, 2, 3, 4]),
        labels(target=["x", "y", "y", "x"]),
        labels().drop(columns=["target", "split"]),
    ],
)
def test_a_table_survives_the_way_through_parquet(frame, tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "_PIECE_ROWS", 3)
    table = read(frame, task_type=None if "target" in frame else "regression")
    table.to_parquet(tmp_path / "deep" / "labels.parquet")
    again = TrainingTable.from_parquet(tmp_path / "deep" / "labels.parquet", STORE)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["labels.parquet"]
    assert again.explain() == table.explain()
    assert again.rows.tolist() == table.rows.tolist()
    pd.testing.assert_frame_equal(again.to_pandas(), table.to_pandas())


def test_a_table_without_examples_survives_the_way_through_parquet(tmp_path):
    table = read(labels().drop(columns=["target", "split"]), task_type="binary").take(slice(0, 0))
    table.to_parquet(tmp_path / "none.parquet")
    again = TrainingTable.from_parquet(tmp_path / "none.parquet", STORE)
    assert (len(again), again.task_type, again.has_labels) == (0, TaskType.binary, False)


def test_other_files_are_no_tables(tmp_path):
    (tmp_path / "labels.csv").write_text("id,target")
    with pytest.raises(TrainingError, match=r"labels\.csv is no Parquet file: "):
        TrainingTable.from_parquet(tmp_path / "labels.csv", STORE)
    labels().to_parquet(tmp_path / "other.parquet")
    with pytest.raises(
        TrainingError, match=r"was not written by TrainingTable\.to_parquet; use from_pandas$"
    ):
        TrainingTable.from_parquet(tmp_path / "other.parquet", STORE)


def test_examples_that_are_older_than_their_row_are_counted():
    joined = ["2020-02-01", "2020-01-01", None]
    users = pd.DataFrame({"id": ["bob", "ann", "eve"], "joined": joined, "age": 1.0})
    store = MemoryStore(SCHEMA, {**STORE.frames, "users": users})
    frame = labels(anchor_time=["2020-01-01", "2020-01-31T12", "2020-04-01", "2020-05-01"])
    table = TrainingTable.from_pandas(frame, store, entity_table="users")
    note = (
        "2 of 4 examples are older than the row of users that they ask about, such as bob at"
        " 2020-01-31 12:00:00, whose row is of 2020-02-01: a model sees what is in that row all the same;"
        " leave them out, or ask later"
    )
    assert table.notes == (note,)
    assert table.explain().endswith(note)
    predicted = frame[frame["id"] == "eve"].drop(columns="target")
    of_eve = TrainingTable.from_pandas(predicted, store, entity_table="users", task_type="binary")
    assert of_eve.notes[0].startswith(
        "1 of 1 examples are older than the row of users that they ask about, such as eve at 2020-05-01,"
        " whose row has no time: "
    )
    seats = pd.DataFrame({"row": [1], "number": ["a"], "anchor_time": ["1950-01-01"]})
    assert TrainingTable.from_pandas(seats, store, entity_table="seats", task_type="binary").notes == ()
