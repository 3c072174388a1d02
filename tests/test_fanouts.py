from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import relhop as rh
from relhop import fanouts
from relhop.fanouts import degree_of, inferred_fanout
from relhop.plan import Degree
from relhop.strategies import parse_strategy

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


def test_degrees_are_of_rows_that_have_neighbors(tmp_path: Path) -> None:
    some = store(tmp_path, [0, 1, 2, 3, 4, 5])
    assert degree_of(some, TO_PARENT) == Degree(mean=3.0, covering=4)
    assert degree_of(some, TO_CHILD) == Degree(mean=1.0, covering=1)


def test_a_strategy_that_looks_back_for_some_days_has_their_share(tmp_path: Path) -> None:
    days = pd.to_datetime("2020-01-01") + pd.to_timedelta([*range(41), None], unit="D")
    graph = rh.Graph(
        [
            rh.Table("parents", source=pd.DataFrame({"id": [0]}), pkey_col="id"),
            rh.Table("children", source=pd.DataFrame({"parent": 0, "at": days}), time_col="at"),
        ],
        [rh.Link("children", "parent", "parents")],
    )
    timed = graph.snapshot(tmp_path / "s.rh", progress=False)
    found = [
        inferred_fanout(timed, TO_PARENT, 1, parse_strategy(text))
        for text in ("last", "last within 10 days", "uniform within 80 days")
    ]
    assert found == [42, 11, 42]
