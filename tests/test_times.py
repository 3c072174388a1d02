from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from relhop.times import END_OF_TIME, NULL_TIME, TimeLike, format_time, to_micros

NOON = 1_262_347_200_000_000


@pytest.mark.parametrize(
    "time",
    [
        "2010-01-01 12:00:00",
        "2010-01-01T12:00:00Z",
        "2010-01-01 14:00:00+02:00",
        dt.datetime(2010, 1, 1, 12),
        dt.datetime(2010, 1, 1, 12, tzinfo=dt.UTC),
        np.datetime64("2010-01-01T12:00:00"),
        np.datetime64("2010-01-01T12:00:00.000000000"),
        NOON,
        np.int64(NOON),
    ],
)
def test_all_ways_to_write_a_time_give_the_same_microseconds(time: TimeLike) -> None:
    assert to_micros(time) == NOON


def test_a_date_is_its_midnight() -> None:
    assert to_micros(dt.date(1970, 1, 2)) == to_micros("1970-01-02") == 86_400_000_000


def test_times_before_1970_are_negative() -> None:
    assert to_micros("1969-12-31 23:59:59") == -1_000_000


@pytest.mark.parametrize("text", ["soon", "2010-13-01"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no time; write it like '2010-01-01' or '2010-01-01 12:30:00'$"):
        to_micros(text)


@pytest.mark.parametrize(("value", "shown"), [(True, "True"), ("NaT", "'NaT'")])
def test_truth_values_and_missing_times_are_refused(value: TimeLike, shown: str) -> None:
    with pytest.raises(ValueError, match=f"^{shown} is no time$"):
        to_micros(value)


@pytest.mark.parametrize(
    ("micros", "shown"),
    [
        (0, "1970-01-01"),
        (NOON, "2010-01-01 12:00:00"),
        (NOON + 1, "2010-01-01 12:00:00.000001"),
        (-1_000_000, "1969-12-31 23:59:59"),
    ],
)
def test_times_are_shown_with_no_more_than_they_have(micros: int, shown: str) -> None:
    assert format_time(micros) == shown


def test_a_null_time_is_later_than_every_anchor() -> None:
    assert NULL_TIME > END_OF_TIME
