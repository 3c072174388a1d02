from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from relhop.times import (
    END_OF_TIME,
    NULL_TIME,
    TimeLike,
    TimeUnit,
    format_time,
    from_micros,
    micros_of,
    to_micros,
)

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


@pytest.mark.parametrize(
    ("unit", "times", "written"),
    [
        (None, [-1, 0, 1], ["1969-12-31 23:59:59.999999", "1970-01-01", "1970-01-01 00:00:00.000001"]),
        ("ms", [-1, 86_400_000], ["1969-12-31 23:59:59.999", "1970-01-02"]),
        ("days", [-365, 0, 365], ["1969-01-01", "1970-01-01", "1971-01-01"]),
        ("years", [1969, 1970, 2024], ["1969-01-01", "1970-01-01", "2024-01-01"]),
    ],
)
def test_times_in_a_unit_are_microseconds_and_back(
    unit: TimeUnit | None, times: list[int], written: list[str]
) -> None:
    given = np.array([*times, NULL_TIME])
    micros = micros_of(given, unit)
    assert micros.tolist() == [*map(to_micros, written), NULL_TIME]
    assert from_micros(micros, unit).tolist() == given.tolist()


def test_a_time_within_a_unit_is_that_of_the_unit_s_begin() -> None:
    micros = np.array([to_micros("2019-12-31 23:59:59"), to_micros("1969-12-31 12:00:00")])
    assert from_micros(micros, "years").tolist() == [2019, 1969]
    assert from_micros(micros, "days").tolist() == [18261, -1]


def test_a_time_beyond_what_microseconds_can_say_is_refused() -> None:
    with pytest.raises(ValueError, match="the time 200000000 days since 1970 is beyond"):
        micros_of(np.array([0, 200_000_000]), "days")
