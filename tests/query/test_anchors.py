from __future__ import annotations

import pytest

from relhop.errors import TrainingError
from relhop.query import anchors as anchors_module
from relhop.query.anchors import Dates, place_anchors
from relhop.query.compiler import compile_query
from relhop.query.duration import Duration
from relhop.query.syntax import parse
from relhop.schema import Link, Schema, Table
from relhop.times import format_time, to_micros
from relhop.training_table import SPLIT_NAMES

SCHEMA = Schema(
    [Table("users", pkey_col="id"), Table("orders", time_col="at", stypes={"price": "numerical"})],
    [Link("orders", "user", "users")],
)


def placed(window: str, oldest: str, newest: str, stride: str | None = None, **dates) -> dict:
    compiled = compile_query(parse(f"PREDICT COUNT(orders.*, {window}) FOR EACH users.id"), SCHEMA)
    limit = dates.pop("max_eval_anchors", None)
    given = Dates(**{name: to_micros(text) for name, text in dates.items()}, max_eval_anchors=limit)
    step = compiled.stride if stride is None else Duration.parse(stride)
    found = place_anchors(compiled, to_micros(oldest), to_micros(newest), step, given)
    splits = {
        name: [format_time(int(t)) for t in found.times[found.split == code]]
        for name, code in SPLIT_NAMES.items()
    }
    return {**splits, "notes": list(found.notes)}


def test_dates_place_training_backwards_and_evaluation_forwards():
    assert placed("0, 10", "2020-01-01", "2020-03-05", val_start="2020-02-01", test_start="2020-02-21") == {
        "train": ["2020-01-02", "2020-01-12", "2020-01-22"],
        "val": ["2020-02-01", "2020-02-11"],
        "test": ["2020-02-21"],
        "notes": [],
    }


def test_evaluation_windows_may_end_exactly_at_the_end():
    found = placed("0, 10", "2020-01-12", "2020-03-02", val_start="2020-02-01", test_start="2020-02-21")
    assert (found["train"][0], found["val"][-1], found["test"]) == (
        "2020-01-12",
        "2020-02-11",
        ["2020-02-21"],
    )


def test_evaluation_anchors_can_be_limited():
    dates = {"val_start": "2020-02-01", "test_start": "2020-04-01", "max_eval_anchors": 2}
    found = placed("0, 10", "2020-01-01", "2020-12-31", **dates)
    assert (found["val"], found["test"]) == (["2020-02-01", "2020-02-11"], ["2020-04-01", "2020-04-11"])


def test_training_windows_never_reach_into_validation():
    found = placed(
        "0, 10", "2020-01-10", "2020-03-05", "4 days", val_start="2020-02-01", test_start="2020-02-21"
    )
    assert found["train"] == ["2020-01-12", "2020-01-16", "2020-01-20"]
    assert found["val"] == ["2020-02-01", "2020-02-05", "2020-02-09"]
    assert found["notes"] == [
        "2 training anchors left out: the label windows would reach beyond 2020-02-01, the first"
        " validation anchor"
    ]


def test_months_step_by_the_calendar():
    found = placed("0, 1, month", "2019-11-01", "2020-06-30", val_start="2020-01-31", test_start="2020-03-31")
    assert found["train"] == ["2019-11-30", "2019-12-31"]
    assert found["val"] == ["2020-01-31", "2020-02-29"]
    assert found["test"] == ["2020-03-31", "2020-04-30", "2020-05-31"]


def test_without_dates_anchors_step_back_from_the_newest_complete_window():
    found = placed("0, 10", "2020-01-01", "2020-07-19")
    assert found["test"] == ["2020-06-29", "2020-07-09"]
    assert found["val"] == ["2020-06-09", "2020-06-19"]
    assert (found["train"][0], found["train"][-1], len(found["train"])) == ("2020-01-01", "2020-05-30", 16)
    assert found["notes"] == []


def test_each_split_has_an_anchor_where_there_are_three():
    found = placed("0, 10", "2020-01-01", "2020-01-31")
    assert found == {"train": ["2020-01-01"], "val": ["2020-01-11"], "test": ["2020-01-21"], "notes": []}


def test_overlapping_windows_leave_gaps_between_splits():
    found = placed("0, 10", "2020-01-01", "2020-02-09", "5 days")
    assert found["test"] == ["2020-01-30"]
    assert found["val"] == ["2020-01-20"]
    assert found["train"] == ["2020-01-05", "2020-01-10"]
    assert found["notes"] == [
        "1 validation anchor left out: the label windows would reach beyond 2020-01-30, the first test"
        " anchor",
        "1 training anchor left out: the label windows would reach beyond 2020-01-20, the first"
        " validation anchor",
    ]


def test_windows_that_start_later_still_end_before_the_next_split():
    found = placed("10, 30", "2020-01-01", "2020-07-19")
    assert found["test"][0] == "2020-06-19"
    assert found["val"] == ["2020-05-10"]
    assert len(found["notes"]) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"newest": "2020-01-30"}, "the data spans 2020-01-01 to 2020-01-30, which is too short: train,"
         " val and test"
         " need an anchor each, every 10 days, with complete label windows that do not overlap"),
        ({"newest": "2020-01-05"}, "the data spans 2020-01-01 to 2020-01-05, which is too short: train,"
         " val and test"
         " need an anchor each, every 10 days, with complete label windows that do not overlap"),
        ({"stride": "0 days"}, "the stride between anchors must be positive, not 0 days"),
        ({"val_start": "2020-02-01"}, "give both val_start and test_start, or neither"),
        ({"val_start": "2020-03-01", "test_start": "2020-02-01"},
         "val_start 2020-03-01 must lie before test_start 2020-02-01"),
        ({"max_eval_anchors": 0}, "max_eval_anchors must be at least 1, not 0"),
        ({"val_start": "2020-01-02", "test_start": "2020-02-01"}, "no training anchor: no label window"
         " fits between"
         " 2020-01-01 and 2020-01-02; choose other dates or a shorter window"),
        ({"val_start": "2020-02-01", "test_start": "2020-02-05"}, "no validation anchor: no label"
         " window fits between"
         " 2020-02-01 and 2020-02-05; choose other dates or a shorter window"),
        ({"val_start": "2020-02-01", "test_start": "2020-03-01"}, "no test anchor: no label window fits"
         " between"
         " 2020-03-01 and 2020-03-05; choose other dates or a shorter window"),
    ],
)  # fmt: skip
def test_impossible_demands_are_refused(arguments, message):
    with pytest.raises(TrainingError) as caught:
        placed(**{"window": "0, 10", "oldest": "2020-01-01", "newest": "2020-03-05", **arguments})
    assert str(caught.value) == message


def test_too_many_anchors_are_taken_for_a_mistake(monkeypatch):
    monkeypatch.setattr(anchors_module, "MAX_ANCHORS", 1000)
    with pytest.raises(TrainingError) as caught:
        placed("0, 60, seconds", "2020-01-01", "2021-01-01")
    assert str(caught.value) == "more than 1,000 anchors, one every 60 seconds; give a longer stride"
