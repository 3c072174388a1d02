"""The k best of many items, whose scores come block by block. Exact: ties go to the smaller row."""

from __future__ import annotations

import torch
from torch import Tensor

from relhop.ranking.metrics import NO_ITEM


class TopK:
    """The best items seen so far of n examples.

    Args:
        n: How many examples.
        k: How many items each keeps.
        device: Where scores come from.

    Attributes:
        scores: float [n, k], descending; -inf where there are fewer items.
        items: int64 [n, k], NO_ITEM where there are fewer items.
    """

    def __init__(self, n: int, k: int, device: torch.device | str = "cpu") -> None:
        self.scores = torch.full((n, k), -torch.inf, device=device)
        self.items = torch.full((n, k), NO_ITEM, dtype=torch.int64, device=device)

    def add(self, scores: Tensor, items: Tensor) -> None:
        """Takes in a block of items.

        Args:
            scores: float [n, b]; -inf: the item is not to be ranked for this example.
            items: int64 [b], ascending, all larger than those of earlier blocks.
        """
        k = self.scores.shape[1]
        places = _first_best(scores, min(k, scores.shape[1]))
        best = scores.gather(1, places)
        found = torch.where(best > -torch.inf, items[places], NO_ITEM)
        merged = torch.cat([self.scores, best], dim=1)
        order = merged.sort(dim=1, descending=True, stable=True).indices[:, :k]
        self.scores = merged.gather(1, order)
        self.items = torch.cat([self.items, found], dim=1).gather(1, order)


def _first_best(scores: Tensor, k: int) -> Tensor:
    """Places [n, k] of the k largest scores [n, b], largest first, of equal ones the first."""
    worst = scores.topk(k, dim=1).values[:, -1:]
    above, ties = scores > worst, scores == worst
    room = k - above.sum(dim=1, keepdim=True)
    kept = above | (ties & (ties.cumsum(dim=1) <= room))
    places = kept.nonzero()[:, 1].view(-1, k)
    order = scores.gather(1, places).sort(dim=1, descending=True, stable=True).indices
    return places.gather(1, order)
