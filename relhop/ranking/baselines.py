"""Rankings that need no model, to stand beside one's.

They see the visits up to an example's anchor time, as a model does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from relhop.ranking.metrics import NO_ITEM
from relhop.ranking.visits import ACTIVITY_DAYS, Visits
from relhop.training_table import TrainingTable


def ranking_baselines(
    asked: TrainingTable, visits: Visits, k: int, *, exclude_visited: bool = False
) -> dict[str, NDArray[np.int64]]:
    """The ranking int64 [n, k] of each baseline.

    - `popularity`: the items that were visited most, up to the anchor.
    - `popularity of 30 days`, and so on: those that were visited most in a window of `ACTIVITY_DAYS`, then
      ever.
    - `past visited`: the entity's own, most often first, then newest first; no others.
    - `past visited, then popularity`: the ranks that are left go to popular items.

    Args:
        asked: Examples to rank for.
        visits: What the store holds.
        k: Ranks.
        exclude_visited: Whether an entity's own items are left out; then there is no `past visited`.
    """
    past = visits.before(asked.rows, asked.anchor_times)
    windows = (
        {_name(days): days for days in reversed(ACTIVITY_DAYS)} if visits.is_timed else {_name(None): None}
    )
    popular = {name: np.full((len(asked), k), NO_ITEM, np.int64) for name in windows}
    own, mixed = (np.full((len(asked), k), NO_ITEM, np.int64) for _ in range(2))
    owned = np.lexsort((-past.newest, -past.counts, past.items.owners))
    for anchor in np.unique(asked.anchor_times):
        visible = visits.num_visible_items(int(anchor))
        ever = visits.item_counts(None, int(anchor))[:visible]
        by_count = np.argsort(-ever, kind="stable")
        orders = {
            name: np.lexsort((-ever, -visits.recent_counts(days, int(anchor))[:visible]))
            for name, days in windows.items()
        }
        for i in np.flatnonzero(asked.anchor_times == anchor):
            mine = past.items.values[owned[past.items.offsets[i] : past.items.offsets[i + 1]]]
            own[i] = _filled(mine, k)
            left_out = mine if exclude_visited else mine[:0]
            for name, order in orders.items():
                popular[name][i] = _filled(_without(order, left_out, k), k)
            mixed[i] = _filled(np.concatenate([mine, _without(by_count, mine, k)]), k)
    if exclude_visited:
        return popular
    return popular | {"past visited": own, "past visited, then popularity": mixed}


def _name(days: int | None) -> str:
    return "popularity" if days is None else f"popularity of {days} days"


def _without(items: NDArray[np.int64], left_out: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """The first k of the items that are not left out."""
    first = items[: k + len(left_out)]
    return first[~np.isin(first, left_out)][:k]


def _filled(items: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    row = np.full(k, NO_ITEM, np.int64)
    row[: min(k, len(items))] = items[:k]
    return row
