from __future__ import annotations

import re

import pytest

from relhop.strategies import STRATEGIES, Strategy, parse_strategy

DAY = 86_400_000_000


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_name_alone_draws_once_from_all_of_the_past(name: str) -> None:
    assert parse_strategy(name) == Strategy(name, with_replacement=False, window=0)


@pytest.mark.parametrize("name", ["uniform", "weighted"])
def test_some_draw_with_replacement(name: str) -> None:
    assert parse_strategy(f"{name} with replacement") == Strategy(name, with_replacement=True)


@pytest.mark.parametrize("name", STRATEGIES)
def test_all_can_have_a_window(name: str) -> None:
    assert parse_strategy(f"{name} within 30 days") == Strategy(name, window=30 * DAY)


@pytest.mark.parametrize(
    ("written", "micros"),
    [
        ("1 day", DAY),
        ("1 days", DAY),
        ("36 hours", 129_600_000_000),
        ("1 hour", 3_600_000_000),
        ("5 minutes", 300_000_000),
        ("1 minute", 60_000_000),
        ("90 s", 90_000_000),
        ("7 ms", 7_000),
        ("1 us", 1),
    ],
)
def test_windows_have_units(written: str, micros: int) -> None:
    assert parse_strategy(f"last within {written}").window == micros


def test_spaces_do_not_matter() -> None:
    expected = Strategy("uniform", with_replacement=True, window=2 * DAY)
    assert parse_strategy("  uniform   with\treplacement  within 2\n days ") == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is no strategy; write NAME [with replacement] [within N days]"),
        ("last 30 days", "'last 30 days' is no strategy; write NAME [with replacement] [within N days]"),
        ("last within days", "'last within days' is no strategy; write NAME [with replacement] [within N days]"),
        ("last within -3 days", "'last within -3 days' is no strategy; write NAME [with replacement] [within N days]"),
        (
            "uniform within 3 days with replacement",
            "'uniform within 3 days with replacement' is no strategy; write NAME [with replacement] [within N days]",
        ),
        ("unifrom", "unknown strategy 'unifrom'; choose one of recency, last, uniform, weighted, labor. Did you mean 'uniform'?"),
        ("LAST", "unknown strategy 'LAST'; choose one of recency, last, uniform, weighted, labor. Did you mean 'last'?"),
        ("labor with replacement", "'labor with replacement': only uniform and weighted can draw with replacement"),
        ("last within 3 dyas", "'last within 3 dyas': 'dyas' is no unit of time. Did you mean 'days'?"),
        ("last within 30 m", "'last within 30 m': 'm' is no unit of time. Did you mean 'ms'?"),
        ("last within 30 u", "'last within 30 u': 'u' is no unit of time. Did you mean 'us'?"),
        ("last within 0 days", "'last within 0 days': a window is longer than nothing and shorter than 146,000 years"),
        ("last within 99999999 days", "'last within 99999999 days': a window is longer than nothing and shorter than 146,000 years"),
    ],
)  # fmt: skip
def test_what_is_no_strategy_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse_strategy(text)
