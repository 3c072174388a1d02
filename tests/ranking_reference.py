"""The slow twin of the ranking metrics, of past visits and of the best k: their definitions, one loop each."""

from __future__ import annotations

import math
from collections.abc import Sequence


def metrics(ranked: Sequence[Sequence[int]], truth: Sequence[Sequence[int]], k: int) -> dict[str, float]:
    """Means over the examples that have an item; -1 in a ranking is no item."""
    sums = {"map": 0.0, "recall": 0.0, "precision": 0.0, "ndcg": 0.0, "mrr": 0.0}
    asked = 0
    for items, came in zip(ranked, truth, strict=True):
        if not came:
            continue
        asked += 1
        hits = 0
        for rank, item in enumerate(items[:k], 1):
            if item == -1 or item not in came:
                continue
            hits += 1
            sums["map"] += hits / rank / min(len(came), k)
            sums["ndcg"] += 1 / math.log2(rank + 1) / ideal(min(len(came), k))
            if hits == 1:
                sums["mrr"] += 1 / rank
        sums["recall"] += hits / len(came)
        sums["precision"] += hits / k
    return {f"{name}@{k}": total / asked if asked else math.nan for name, total in sums.items()}


def ideal(hits: int) -> float:
    """The discounted gain of that many hits at the top."""
    return sum(1 / math.log2(rank + 1) for rank in range(1, hits + 1))


def best(scores: Sequence[float], k: int) -> list[int]:
    """The k largest, of equal ones the first; -inf is never among them."""
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    found = [i for i in order if scores[i] > -math.inf][:k]
    return found + [-1] * (k - len(found))
