"""The fanout `inferred`: from how many neighbors rows really have."""

from __future__ import annotations

import numpy as np

from relhop.schema import EdgeType
from relhop.store.arrays import LinkRows
from relhop.store.reader import Store

INFERRED = "inferred"

_COVERED = 0.8  # of the rows that have neighbors at all get every one of them
_MOST_AT_FIRST_HOP = 64
_LESS_PER_HOP = 4
_SAMPLED_ROWS = 1 << 20


def inferred_fanout(store: Store, edge_type: EdgeType, hop: int) -> int:
    """As many neighbors as four of five rows with any do not exceed; at most 64, 16, 4, 1, ... by hop.

    A key leads to one parent. Of tables with more than a million rows, a million evenly spaced ones count.

    Args:
        store: All of its rows count, whatever the anchors.
        edge_type: The step.
        hop: From 1.
    """
    most: int = max(1, _MOST_AT_FIRST_HOP // _LESS_PER_HOP ** (hop - 1))
    for link in store.links.values():
        if link.link.to_parent == edge_type:
            return min(most, _covering_degree(link.offsets))
    for edges in store.edge_tables.values():
        for found, lists in zip(edges.table.edge_types, edges.lists.values(), strict=True):
            if found == edge_type:
                return min(most, _covering_degree(lists.offsets))
    return 1


def _covering_degree(offsets: LinkRows) -> int:
    num_rows = len(offsets) - 1
    rows = np.arange(0, num_rows, max(1, num_rows // _SAMPLED_ROWS))
    degrees = offsets[rows + 1] - offsets[rows]
    degrees = degrees[degrees > 0]
    return int(np.quantile(degrees, _COVERED, method="inverted_cdf")) if len(degrees) else 1
