"""Lists of many cache lines, whose visible part is searched, and expansions of many thousand nodes."""

from __future__ import annotations

import numpy as np
import pytest

from relhop import _native
from tests import packing
from tests.graphs import to_native
from tests.reference import Tables

NUM_ROWS = 6000
OF_FIRST = np.zeros(NUM_ROWS, np.uint32)


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
    found = topology.sample(
        _native.SampleOptions(rules, 0, 0, [3, NUM_ROWS]), OF_FIRST[: len(seeds)], seeds, anchors
    )["nodes"][1]
    born, owner = np.array(times), np.array(parents)
    for i, (anchor, seed) in enumerate(zip(anchors, seeds, strict=True)):
        visible = (owner == seed) & (born <= anchor) & ((window == 0) | (born > anchor - window))
        np.testing.assert_array_equal(found["rows"][found["batch"] == i], np.flatnonzero(visible))


def test_thousands_of_parents_are_found_on_both_sides_of_children_that_return_to_theirs() -> None:
    """Room for nodes is made anew after the children whose parent is known."""
    num_seeds, before, listed, after = 4087, 4090, 10, 4096
    num_parents, num_children = num_seeds + before + after, before + listed + after
    others = np.arange(num_seeds, num_parents)
    keys = np.full((3, num_children), -1)
    keys[0, :before] = 0  # found along the first key, then the second, then the third
    keys[1] = np.concatenate([others[:before], np.zeros(listed, np.int64), others[before:]])
    keys[2, before + listed :] = 0
    edge_types = []
    for number, key in enumerate(keys):
        children = np.argsort(key, kind="stable")[np.count_nonzero(key < 0) :]
        offsets = np.searchsorted(key[children], np.arange(num_parents + 1))
        lists = (packing.rows(offsets, len(children)), packing.rows(children, num_children))
        edge_types.append(_native.EdgeRows.lists(f"k{number}", 0, 1, *lists, 2 * number + 1))
        up = packing.rows(key, num_parents)
        edge_types.append(_native.EdgeRows.parents(f"k{number}", 1, 0, up, 2 * number))
    tables = [_native.TableRows("p", num_parents, None), _native.TableRows("c", num_children, None)]
    rules = [[_native.Rule(k) for k in hop] for hop in ([-1, 0, -1, 0, -1, 0], [0, 0, 0, 1, 0, 0])]
    options = _native.SampleOptions(rules, 0, 0, [num_parents, num_children], disjoint=False)
    seeds = np.arange(num_seeds)
    found = _native.Topology(tables, edge_types).sample(
        options, OF_FIRST[:num_seeds], seeds, np.full(num_seeds, 2**63 - 1)
    )
    np.testing.assert_array_equal(found["nodes"][0]["rows"], np.arange(num_parents))
    np.testing.assert_array_equal(found["nodes"][1]["rows"], np.arange(num_children))
    np.testing.assert_array_equal(found["edges"][3]["source"], keys[1])
