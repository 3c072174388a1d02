from __future__ import annotations

import re

import numpy as np
import pytest

from relhop.delays import NO_DELAY, Delay, parse_delay

DAY = 86_400_000_000


@pytest.mark.parametrize(
    ("text", "delay"),
    [
        ("2 days", Delay(2 * DAY, 2 * DAY)),
        ("1 day", Delay(DAY, DAY)),
        ("0 days", NO_DELAY),
        ("0 to  1200 days", Delay(0, 1200 * DAY)),
        ("6 to 36 hours", Delay(DAY // 4, 3 * DAY // 2)),
    ],
)
def test_a_delay_is_read_from_words(text, delay):
    assert parse_delay(text) == delay


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("soon", "'soon' is no delay; write '2 days', or '0 to 1200 days' to draw one an example"),
        ("2 dayz", "'2 dayz': 'dayz' is no unit of time. Did you mean 'day'?"),
        ("3 to 2 days", "'3 to 2 days': the first delay is longer than the second"),
        ("99999999 days", "'99999999 days': a delay is shorter than 146,000 years"),
    ],
)
def test_what_is_no_delay_is_refused(text, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse_delay(text)


def test_a_range_is_drawn_from_evenly_and_by_seed_and_epoch_alone():
    delay = parse_delay("10 to 20 days")
    drawn = delay.draw(10_000, 3, 1)
    assert drawn.min() >= 10 * DAY
    assert drawn.max() <= 20 * DAY
    assert abs(drawn.mean() / DAY - 15) < 0.1
    np.testing.assert_array_equal(drawn, delay.draw(10_000, 3, 1))
    for other in (delay.draw(10_000, 4, 1), delay.draw(10_000, 3, 2)):
        assert (drawn != other).mean() > 0.99
    assert np.unique(parse_delay("2 days").draw(5, 3, 1)).tolist() == [2 * DAY]
