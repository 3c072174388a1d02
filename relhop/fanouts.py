"""How many neighbors rows have, and the fanout `inferred` that follows from it."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from relhop.plan import Degree
from relhop.schema import EdgeType
from relhop.store.reader import Store
from relhop.store.stored import Rows, Times
from relhop.strategies import Strategy

INFERRED = "inferred"

_COVERED = 0.8  # of the rows that have neighbors at all get every one of them
_MOST_AT_FIRST_HOP = 64
_LESS_PER_HOP = 4
_SAMPLED_ROWS = 1 << 20
_ONE = Degree(mean=1.0, covering=1)


def degree_of(store: Store, edge_type: EdgeType) -> Degree:
    """How many neighbors the rows have that a step leads on from.

    A key leads to one parent. Of tables with more than a million rows, a million evenly spaced ones count.

    Args:
        store: All of its rows count, whatever the anchors.
        edge_type: The step.
    """
    lists = _lists(store, edge_type)
    return _ONE if lists is None else _degree(lists.offsets)


def inferred_fanout(store: Store, edge_type: EdgeType, hop: int, strategy: Strategy | None = None) -> int:
    """As many neighbors as four of five rows with any do not exceed; at most 64, 16, 4, 1, ... by hop.

    Of a strategy that looks back for some days alone it is the share of these that comes in as many days on
    average.

    Args:
        store: See `degree_of`.
        edge_type: The step.
        hop: From 1.
        strategy: How neighbors are chosen; `None`: of all of the past.
    """
    most: int = max(1, _MOST_AT_FIRST_HOP // _LESS_PER_HOP ** (hop - 1))
    lists = _lists(store, edge_type)
    if lists is None:
        return 1
    covering = _degree(lists.offsets).covering
    if strategy is not None and strategy.window:
        covering = math.ceil(covering * lists.share_within(strategy.window))
    return min(most, covering)


class _Lists(NamedTuple):
    """The offsets of lists, and the times of what is in them, of which the first `known` are not null."""

    offsets: Rows
    times: Times | None
    known: int

    def share_within(self, window: int) -> float:
        """A window's share of the time between the first row and the last; 1 without times."""
        if self.times is None or not self.known:
            return 1.0
        span = int(self.times[self.known - 1]) - int(self.times[0])
        return min(1.0, window / span) if span else 1.0


def _lists(store: Store, edge_type: EdgeType) -> _Lists | None:
    """Those of a step; `None` if it follows a key."""
    for link in store.links.values():
        if link.link.to_parent == edge_type:
            children = store.tables[link.link.child]
            return _Lists(link.offsets, children.time, children.num_rows - children.null_times)
    for edges in store.edge_tables.values():
        for found, lists in zip(edges.table.edge_types, edges.lists.values(), strict=True):
            if found == edge_type:
                return _Lists(lists.offsets, edges.time, edges.num_rows - edges.null_times)
    return None


def _degree(offsets: Rows) -> Degree:
    num_rows = len(offsets) - 1
    rows = np.arange(0, num_rows, max(1, num_rows // _SAMPLED_ROWS))
    degrees = offsets[rows + 1] - offsets[rows]
    degrees = degrees[degrees > 0]
    if not len(degrees):
        return _ONE
    return Degree(float(degrees.mean()), int(np.quantile(degrees, _COVERED, method="inverted_cdf")))
