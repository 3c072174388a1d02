"""Lists of many cache lines: where their visible part begins and ends is searched, not seen."""

from __future__ import annotations

import numpy as np
import pytest

from relhop import _native
from tests.graphs import to_native
from tests.reference import Tables

NUM_ROWS = 6000


def spread(kind: str) -> tuple[list[int], list[int | None]]:
    """Times and parents of the children: over three parents, one of which has most of them."""
    rng = np.random.default_rng(0)
    times = {
        "evenly": np.arange(NUM_ROWS),
        "in bursts": np.repeat(np.sort(rng.integers(0, NUM_ROWS, 30)), NUM_ROWS // 30),
        "late": NUM_ROWS - np.sort(rng.geometric(0.01, NUM_ROWS))[::-1],
    }[kind]
    parents = np.where(rng.random(NUM_ROWS) < 0.9, 0, rng.integers(1, 3, NUM_ROWS))
    parents[: NUM_ROWS // 3] = 1  # the hub's children are all of the later part
    return times.tolist(), parents.tolist()


@pytest.mark.parametrize("width", [None, 32, 57])
@pytest.mark.parametrize("kind", ["evenly", "in bursts", "late"])
@pytest.mark.parametrize("window", [0, 40, 3000])
def test_the_visible_part_is_found_wherever_it_is(kind: str, width: int | None, window: int) -> None:
    times, parents = spread(kind)
    topology = to_native(Tables([3, NUM_ROWS], [None, times], [(1, 0, parents)]), width=width)
    rng = np.random.default_rng(1)
    anchors = np.concatenate(
        [rng.integers(-2, NUM_ROWS + 2, 150), rng.choice(times, 50), [min(times), max(times)]]
    )
    seeds = rng.integers(0, 3, len(anchors))
    rules = [[_native.Rule(-1, window=window), _native.Rule(0)]]
    found = topology.sample(_native.SampleOptions(rules, 0, 0, [3, NUM_ROWS]), 0, seeds, anchors)["nodes"][1]
    born, owner = np.array(times), np.array(parents)
    for i, (anchor, seed) in enumerate(zip(anchors, seeds, strict=True)):
        visible = (owner == seed) & (born <= anchor) & ((window == 0) | (born > anchor - window))
        np.testing.assert_array_equal(found["rows"][found["batch"] == i], np.flatnonzero(visible))
