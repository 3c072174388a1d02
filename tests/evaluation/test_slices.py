from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from relhop.errors import TrainingError
from relhop.evaluation.scored import Scored
from relhop.evaluation.slices import by_slice, over_time
from relhop.training_table import TaskType

DAY = 86_400_000_000


def examples(n: int, times: np.ndarray | None = None) -> Scored:
    rng = np.random.default_rng(0)
    target = (rng.random(n) < 0.5).astype("f4")
    at = np.zeros(n, np.int64) if times is None else times
    return Scored(TaskType.binary, rng.random(n), target, np.arange(n) % 20, at)


def named(frame: pd.DataFrame) -> dict[str, int]:
    return dict(zip(frame["slice"], frame["examples"], strict=True))


def test_each_slice_is_judged_as_a_split_of_its_own() -> None:
    whole = examples(200)
    cities = np.array(["Rome", "Oslo"])[np.arange(200) % 3 // 2]
    frame = by_slice(whole, cities, resamples=50)
    assert named(frame) == {"Rome": 134, "Oslo": 66}
    for city, part in frame.groupby("slice"):
        expected = whole.take(np.flatnonzero(cities == city)).metrics().values
        assert dict(zip(part["metric"], part["value"], strict=True)) == expected
        assert (part["entities"] == 20).all()
        assert (part["low"] < part["high"]).all()


def test_rare_values_share_a_slice_and_missing_ones_are_one() -> None:
    values = pd.Series(["a"] * 60 + ["b"] * 50 + ["c"] * 9 + ["d"] + [None] * 3, dtype=object)
    assert named(by_slice(examples(123), values, resamples=10)) == {
        "a": 60,
        "b": 50,
        "2 other values": 10,
        "missing": 3,
    }
    alone = pd.Series(["a"] * 60 + ["b"] * 3)
    assert named(by_slice(examples(63), alone, resamples=10)) == {"a": 60, "b": 3}


def test_numbers_and_times_fall_into_slices_of_equally_many() -> None:
    assert named(by_slice(examples(100), np.arange(100.0), resamples=10)) == {
        "0 to 24": 25, "25 to 49": 25, "50 to 74": 25, "75 to 99": 25,
    }  # fmt: skip
    days = pd.Series(pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(100), unit="D"))
    assert next(iter(named(by_slice(examples(100), days, resamples=10)))) == "2020-01-01 to 2020-01-25"
    few = by_slice(examples(100), np.arange(100) % 2, resamples=10)
    assert named(few) == {"0": 50, "1": 50}


def test_what_a_slice_cannot_tell_is_nan_and_stays_in_the_frame() -> None:
    whole = examples(100)
    frame = by_slice(whole, whole.target, resamples=10)
    auroc = frame[frame["metric"] == "auroc"]
    assert len(auroc) == 2
    assert auroc["value"].isna().all()
    assert frame[frame["metric"] == "log_loss"]["value"].notna().all()


def test_neighboring_anchors_share_a_slice_until_it_has_enough_examples() -> None:
    times = np.repeat(np.arange(6), [60, 10, 20, 40, 70, 5]) * DAY
    frame = over_time(examples(205, times), resamples=10)
    assert named(frame) == {
        "1970-01-01": 60,
        "1970-01-02 to 1970-01-03": 30,
        "1970-01-04": 40,
        "1970-01-05 to 1970-01-06": 75,
    }
    assert frame["first"].iloc[-1] == pd.Timestamp("1970-01-05")
    assert frame["last"].iloc[-1] == pd.Timestamp("1970-01-06")


def test_few_examples_are_one_slice_and_many_anchors_at_most_twelve() -> None:
    assert named(over_time(examples(7, np.arange(7) * DAY), resamples=10)) == {"1970-01-01 to 1970-01-07": 7}
    assert len(named(over_time(examples(4800, np.arange(4800) * DAY), resamples=10))) == 12


def test_values_that_do_not_fit_the_examples_are_refused() -> None:
    with pytest.raises(TrainingError) as error:
        by_slice(examples(10), [1, 2])
    assert str(error.value) == "2 values slice 10 examples; give one value for each example, in their order"
