from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import relhop as rh
from relhop import fanouts
from relhop.fanouts import inferred_fanout

TO_PARENT = ("children", "f2p_parent", "parents")
TO_CHILD = ("parents", "rev_f2p_parent", "children")


def store(folder: Path, degrees: list[int]) -> rh.Store:
    """Parents with so many children each."""
    parents = pd.DataFrame({"id": range(len(degrees))})
    children = pd.DataFrame({"parent": [p for p, degree in enumerate(degrees) for _ in range(degree)]})
    if not len(children):
        children = pd.DataFrame({"parent": [None]}, dtype="Int64")
    graph = rh.Graph(
        [rh.Table("parents", source=parents, pkey_col="id"), rh.Table("children", source=children)],
        [rh.Link("children", "parent", "parents")],
    )
    return graph.snapshot(folder / "s.rh", progress=False)


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [
        ([3, 3, 3, 3, 3], 3),
        ([1, 2, 3, 4, 5], 4),
        ([1] * 8 + [60] * 2, 1),
        ([1] * 7 + [60] * 3, 60),
        ([0] * 90 + [7] * 10, 7),  # rows without any do not count
        ([100] * 3, 64),
        ([0, 0], 1),
    ],
)
def test_a_fanout_covers_four_of_five_rows_that_have_neighbors(
    tmp_path: Path, degrees: list[int], expected: int
) -> None:
    assert inferred_fanout(store(tmp_path, degrees), TO_PARENT, 1) == expected


def test_later_hops_have_at_most_a_quarter_each(tmp_path: Path) -> None:
    hubs = store(tmp_path, [100, 100])
    assert [inferred_fanout(hubs, TO_PARENT, hop) for hop in range(1, 7)] == [64, 16, 4, 1, 1, 1]


def test_a_key_leads_to_one_parent(tmp_path: Path) -> None:
    hubs = store(tmp_path, [100, 100])
    assert [inferred_fanout(hubs, TO_CHILD, hop) for hop in (1, 2)] == [1, 1]


def test_of_many_rows_evenly_spaced_ones_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alternating = store(tmp_path, [2, 9] * 10)
    assert inferred_fanout(alternating, TO_PARENT, 1) == 9
    monkeypatch.setattr(fanouts, "_SAMPLED_ROWS", 10)
    assert inferred_fanout(alternating, TO_PARENT, 1) == 2
