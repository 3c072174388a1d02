"""How neighbors are chosen, in words: `last`, `uniform with replacement`, `recency within 30 days`.

Written so in plans and in Python alike. Knows nothing of stores.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from relhop.errors import nearest
from relhop.times import UNITS

STRATEGIES = ("recency", "last", "uniform", "weighted", "labor")
_REPEATED = ("uniform", "weighted")
_FORM = re.compile(r"(?P<name>\w+)(?P<again> with replacement)?(?: within (?P<count>\d+) (?P<unit>\w+))?")


@dataclass(frozen=True)
class Strategy:
    """What `relhop.sampling.SeedSampler` says of each.

    Attributes:
        name: One of `STRATEGIES`.
        with_replacement: Whether a neighbor may be drawn more than once.
        window: Microseconds: of a table with times only neighbors in (anchor - window, anchor]; 0 for all of
            the past.
    """

    name: str
    with_replacement: bool = False
    window: int = 0


def parse_strategy(text: str) -> Strategy:
    """Reads `NAME [with replacement] [within N UNIT]`.

    Raises:
        ValueError: Says what is wrong, and what was likely meant.
    """
    match = _FORM.fullmatch(" ".join(text.split()))
    if match is None:
        raise ValueError(f"{text!r} is no strategy; write NAME [with replacement] [within N days]")
    name, again, count, unit = match.group("name", "again", "count", "unit")
    if name not in STRATEGIES:
        raise ValueError(
            f"unknown strategy {name!r}; choose one of {', '.join(STRATEGIES)}.{nearest(name, STRATEGIES)}"
        )
    if again and name not in _REPEATED:
        raise ValueError(f"{text!r}: only {' and '.join(_REPEATED)} can draw with replacement")
    window = 0
    if count is not None:
        if unit not in UNITS:
            raise ValueError(f"{text!r}: {unit!r} is no unit of time.{nearest(unit, UNITS)}")
        window = int(count) * UNITS[unit]
        if not 0 < window < 2**62:
            raise ValueError(f"{text!r}: a window is longer than nothing and shorter than 146,000 years")
    return Strategy(name, again is not None, window)
