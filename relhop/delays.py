"""How much later than it happens a row can be seen, in words: `2 days`, `0 to 1200 days`.

Written so in plans and in Python alike. Knows nothing of stores.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relhop.errors import nearest
from relhop.times import UNITS

_FORM = re.compile(r"(?:(?P<shortest>\d+) to )?(?P<longest>\d+) (?P<unit>\w+)")
_DRAW = 0x64656C6179
"""Sets the draws of delays apart from the others of an epoch."""


@dataclass(frozen=True)
class Delay:
    """An example sees no row newer than its anchor time minus its delay.

    Attributes:
        shortest: In microseconds.
        longest: In microseconds; the same for all examples where it is the shortest, too.
    """

    shortest: int = 0
    longest: int = 0

    @property
    def is_fixed(self) -> bool:
        """Whether all examples have the same."""
        return self.shortest == self.longest

    @property
    def when_asked(self) -> Delay:
        """That of examples to predict: the same where it is fixed; drawn ones are for training alone."""
        return self if self.is_fixed else NO_DELAY

    def draw(self, count: int, seed: int, epoch: int) -> NDArray[np.int64]:
        """The delay of each of `count` examples in an epoch, int64 microseconds [count]; uniform and
        independent, a function of the arguments alone.
        """
        if self.is_fixed:
            return np.broadcast_to(np.int64(self.longest), count)
        draws = np.random.default_rng([_DRAW, seed, epoch])
        return draws.integers(self.shortest, self.longest, count, np.int64, endpoint=True)


NO_DELAY = Delay()


def parse_delay(text: str) -> Delay:
    """Reads `N UNIT` or `N to N UNIT`.

    Raises:
        ValueError: Says what is wrong, and what was likely meant.
    """
    match = _FORM.fullmatch(" ".join(text.split()))
    if match is None:
        raise ValueError(f"{text!r} is no delay; write '2 days', or '0 to 1200 days' to draw one an example")
    shortest, longest, unit = match.group("shortest", "longest", "unit")
    if unit not in UNITS:
        raise ValueError(f"{text!r}: {unit!r} is no unit of time.{nearest(unit, UNITS)}")
    delay = Delay(int(shortest or longest) * UNITS[unit], int(longest) * UNITS[unit])
    if delay.shortest > delay.longest:
        raise ValueError(f"{text!r}: the first delay is longer than the second")
    if delay.longest >= 2**62:
        raise ValueError(f"{text!r}: a delay is shorter than 146,000 years")
    return delay
