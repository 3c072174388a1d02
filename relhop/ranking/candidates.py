"""Which items a training step compares: those that came, and negatives.

A step scores each example against the candidates of its anchor time. To learn what is likely among all items,
a candidate counts for as many items as it stands for: 1 / (the chance that it is drawn).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from relhop.lists import Lists

Negatives = Literal["uniform", "popular", "in_batch"]

POPULARITY_EXPONENT = 0.75
"""Popular items are drawn in proportion to this power of their visits (Mikolov et al. 2013, arXiv
1310.4546).
"""


@dataclass(frozen=True)
class Candidates:
    """The candidates of a step; pairs of an item and an anchor time.

    Attributes:
        items: int64 [c], rows of the item table.
        groups: int64 [c], which of the step's anchor times each belongs to.
        log_chance: float32 [c], logarithm of the chance that an item that did not come is a candidate.
        positives: int64 [2, p]: examples, and candidates that are among their labels.
    """

    items: NDArray[np.int64]
    groups: NDArray[np.int64]
    log_chance: NDArray[np.float32]
    positives: NDArray[np.int64]


class CandidateSampler:
    """Draws the candidates of training steps.

    Args:
        kind: Where negatives come from: all items alike; items by their visits; or the labels of the other
            examples alone.
        count: How many candidates a step has at most, over all its anchor times.
        label_shares: float [items], the share of each item among all training labels.
    """

    def __init__(self, kind: Negatives, count: int, label_shares: NDArray[np.float64]) -> None:
        self.count, self._kind, self._label_shares = count, kind, label_shares

    def draw(
        self,
        labels: Lists,
        groups: NDArray[np.int64],
        visible: NDArray[np.int64],
        visit_counts: list[NDArray[np.int64]],
        rng: np.random.Generator,
    ) -> Candidates:
        """The candidates of one step.

        Args:
            labels: [b] the items that came to each example.
            groups: int64 [b], which anchor time each example has, 0 to g - 1.
            visible: int64 [g], how many items exist at each anchor time.
            visit_counts: [g] of int64 [items], how often each was visited up to then.
            rng: Where chance comes from.
        """
        num_items = len(self._label_shares)
        labels = labels.keep(labels.values < visible[groups[labels.owners]])
        owners, room = groups[labels.owners], self.count // 2 // len(visible)
        keys = []
        chances = []
        for group, seen in enumerate(visible):
            came = labels.values[owners == group]
            if len(came) > room:
                came = rng.choice(came, room, replace=False)
            drawn, chance = self._negatives(int(seen), visit_counts[group], room, rng)
            items = np.union1d(came, drawn)
            by_label = 1 - (1 - self._label_shares[items]) ** len(came)
            keys.append(group * num_items + items)
            chances.append(1 - (1 - chance[items]) * (1 - by_label))
        key = np.concatenate(keys)
        wanted = owners * num_items + labels.values
        place = np.searchsorted(key, wanted).clip(max=len(key) - 1)
        found = key[place] == wanted
        return Candidates(
            items=key % num_items,
            groups=key // num_items,
            log_chance=np.log(np.concatenate(chances).clip(1e-9, 1)).astype(np.float32),
            positives=np.stack([labels.owners[found], place[found]]),
        )

    def _negatives(
        self, visible: int, counts: NDArray[np.int64], room: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Items, and the chance of each item [items] to be among them."""
        chance = np.zeros(len(self._label_shares))
        if self._kind == "in_batch" or not visible:
            return np.empty(0, np.int64), chance
        if visible <= room:
            chance[:visible] = 1
            return np.arange(visible), chance
        if self._kind == "uniform":
            chance[:visible] = room / visible
            return rng.choice(visible, room, replace=False), chance
        weights = (counts[:visible] + 1.0) ** POPULARITY_EXPONENT
        weights /= weights.sum()
        chance[:visible] = 1 - (1 - weights) ** room
        return rng.choice(visible, room, p=weights), chance
