from __future__ import annotations

import pytest

from relhop.query.duration import Duration, unit_named
from relhop.times import format_time, to_micros


@pytest.mark.parametrize(
    ("duration", "after"),
    [
        (Duration(90, "seconds"), "2020-01-31 00:01:30"),
        (Duration(-30, "minutes"), "2020-01-30 23:30:00"),
        (Duration(25, "hours"), "2020-02-01 01:00:00"),
        (Duration(30, "days"), "2020-03-01"),
        (Duration(2, "weeks"), "2020-02-14"),
        (Duration(1, "months"), "2020-02-29"),
        (Duration(-2, "months"), "2019-11-30"),
        (Duration(0, "months"), "2020-01-31"),
    ],
)
def test_durations_move_a_time(duration, after):
    assert format_time(duration.after(to_micros("2020-01-31"))) == after


def test_months_are_counted_from_the_start_and_do_not_drift():
    start, month = to_micros("2020-01-31"), Duration(1, "months")
    assert [format_time(month.after(start, k)) for k in (1, 2, 3)] == [
        "2020-02-29",
        "2020-03-31",
        "2020-04-30",
    ]


@pytest.mark.parametrize(
    ("text", "duration"), [("30 days", (30, "days")), (" 1 Month", (1, "months")), ("2weeks", (2, "weeks"))]
)
def test_durations_are_read_as_people_write_them(text, duration):
    assert Duration.parse(text) == Duration(*duration)


def test_durations_print_as_people_write_them():
    assert [str(Duration(count, "days")) for count in (1, -1, 2)] == ["1 day", "-1 day", "2 days"]


def test_text_that_is_no_duration_is_refused():
    with pytest.raises(
        ValueError, match=r"^'a month' is no length of time; write it like '30 days' or '1 month'$"
    ):
        Duration.parse("a month")


def test_unknown_unit_suggests_the_nearest():
    with pytest.raises(ValueError, match=r"^'dais' is no unit of time; .* Did you mean 'days'\?$"):
        unit_named("dais")


def test_a_thousand_years_is_the_limit():
    assert Duration(12_000, "months").is_sane
    assert not Duration(-12_001, "months").is_sane
