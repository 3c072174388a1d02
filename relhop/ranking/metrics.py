"""How good rankings are.

Of an example, L are the items that came (a set that is not empty), r_1, r_2, ... those that were ranked, best
first, and k how many of these count. With hit(i) = 1 where r_i is in L, else 0:

- `map@k`: average precision, the sum over i <= k of hit(i) * (hits up to i) / i, divided by min(|L|, k);
- `recall@k`: hits up to k, divided by |L|;
- `precision@k`: hits up to k, divided by k;
- `ndcg@k`: the sum of hit(i) / log2(i + 1), divided by what min(|L|, k) hits at the top would give;
- `mrr@k`: 1 / the first i with a hit; 0 without any.

Each is the mean over the examples whose L is not empty. MAP is that of RelBench (Robinson et al. 2024, arXiv
2407.20060).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from relhop.lists import Lists

NO_ITEM = -1
"""In a ranking: no item is left for this rank."""


def ranking_metrics(ranked: NDArray[np.int64], truth: Lists) -> dict[str, float]:
    """All metrics, at k = the width of the rankings; NaN where no example has an item.

    Args:
        ranked: int64 [n, k], items, best first; NO_ITEM where there are fewer.
        truth: [n] lists of the items that came.

    Raises:
        ValueError: If there are not as many lists as rankings.
    """
    by_example = metrics_by_example(ranked, truth)
    asked = truth.lengths > 0
    if not asked.any():
        return dict.fromkeys(by_example, float("nan"))
    return {name: float(values[asked].mean()) for name, values in by_example.items()}


def metrics_by_example(ranked: NDArray[np.int64], truth: Lists) -> dict[str, NDArray[np.float64]]:
    """All metrics of each example, [n]; NaN where its list is empty. The arguments are those of
    `ranking_metrics`.
    """
    n, k = ranked.shape
    if len(truth) != n:
        raise ValueError(f"{n} rankings for {len(truth)} examples")
    hits = hits_of(ranked, truth).astype(np.float64)
    ranks = np.arange(1, k + 1)
    lengths = np.where(truth.lengths > 0, truth.lengths, np.nan)
    reachable = np.minimum(truth.lengths, k)
    found = hits.cumsum(axis=1)
    discounts = 1 / np.log2(ranks + 1)
    best = np.concatenate([[np.nan], discounts.cumsum()])[reachable]
    return {
        f"map@{k}": (hits * found / ranks).sum(axis=1) / np.minimum(lengths, k),
        f"recall@{k}": found[:, -1] / lengths,
        f"precision@{k}": np.where(truth.lengths > 0, found[:, -1] / k, np.nan),
        f"ndcg@{k}": (hits * discounts).sum(axis=1) / best,
        f"mrr@{k}": np.where(
            found[:, -1] > 0, 1 / (hits.argmax(axis=1) + 1), np.where(truth.lengths > 0, 0, np.nan)
        ),
    }


def hits_of(ranked: NDArray[np.int64], truth: Lists) -> NDArray[np.bool_]:
    """Which ranked items came, bool [n, k]."""
    width = int(max(truth.values.max(initial=0), ranked.max(initial=0))) + 1
    came = np.unique(truth.owners * width + truth.values)
    asked = np.arange(len(ranked))[:, None] * width + ranked
    place = np.searchsorted(came, asked).clip(max=max(len(came) - 1, 0))
    found = came[place] == asked if len(came) else np.zeros(ranked.shape, bool)
    hits: NDArray[np.bool_] = found & (ranked != NO_ITEM)
    return hits
