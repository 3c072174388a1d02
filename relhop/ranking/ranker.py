"""A trained model, examples and a store -> the best items of each example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from relhop.lists import Lists
from relhop.plan import ModelPlan
from relhop.ranking.batches import AllItems
from relhop.ranking.metrics import NO_ITEM
from relhop.ranking.model import Items, Queries, RankingModel, add_pairs
from relhop.ranking.topk import TopK
from relhop.ranking.visits import Visits
from relhop.training_table import TrainingTable

EXAMPLE_BLOCK = 1024
"""Examples that are ranked for at once; beside a block of items it bounds the memory."""


@dataclass(frozen=True)
class Ranked:
    """The best items of n examples.

    Attributes:
        items: int64 [n, k], rows of the item table, best first; NO_ITEM where there are fewer.
        scores: float32 [n, k], descending; -inf where there are fewer items.
    """

    items: NDArray[np.int64]
    scores: NDArray[np.float32]


def leaves_out_visited(plan: ModelPlan, visits: Visits) -> bool:
    """Whether visited items are not ranked: if the plan says so, and where visits have no times, for there
    the question is which others.
    """
    return plan.ranking.exclude_visited or not visits.is_timed


@torch.inference_mode()
def rank(
    model: RankingModel,
    queries: Sequence[Queries],
    table: TrainingTable,
    visits: Visits,
    plan: ModelPlan,
    k: int,
) -> Ranked:
    """Ranks all items that exist at each example's anchor time.

    Args:
        model: In evaluation mode, bound to the store.
        queries: What the examples ask, batch by batch, in the table's order.
        table: The examples.
        visits: What the store holds; hidden ones are not shown.
        plan: How items are sampled, and whether visited ones are left out.
        k: Ranks.
    """
    asked = _joined(queries)
    ranked = Ranked(
        np.full((len(table), k), NO_ITEM, np.int64), np.full((len(table), k), -np.inf, np.float32)
    )
    device = asked.vectors.device
    for anchor in np.unique(table.anchor_times):
        blocks = [
            model.encode_items(batch.to(device), activity.to(device))
            for batch, activity in AllItems(visits, plan, int(anchor))
        ]
        examples = np.flatnonzero(table.anchor_times == anchor)
        for begin in range(0, len(examples), EXAMPLE_BLOCK):
            part = examples[begin : begin + EXAMPLE_BLOCK]
            past = None
            if leaves_out_visited(plan, visits):
                past = visits.before(table.rows[part], table.anchor_times[part]).items
            best = _best(model, _taken(asked, torch.from_numpy(part).to(device)), blocks, past, k)
            ranked.items[part], ranked.scores[part] = best.items.cpu().numpy(), best.scores.cpu().numpy()
    return ranked


def _best(
    model: RankingModel, queries: Queries, blocks: Sequence[Items], left_out: Lists | None, k: int
) -> TopK:
    """The k best items of each query, of all blocks of items, but for those left out."""
    best = TopK(len(queries.vectors), k, queries.vectors.device)
    first = 0
    for block in blocks:
        last = first + len(block.biases)
        scores = add_pairs(model.pair_all(queries, block), queries, first, last)
        if left_out is not None:
            inside = (left_out.values >= first) & (left_out.values < last)
            owners, items = left_out.owners[inside], left_out.values[inside] - first
            scores[torch.from_numpy(owners), torch.from_numpy(items)] = -torch.inf
        best.add(scores, torch.arange(first, last, device=scores.device))
        first = last
    return best


def _joined(parts: Sequence[Queries]) -> Queries:
    """Queries of all batches as one."""
    begins = np.cumsum([0, *(len(part.vectors) for part in parts)])
    pairs = []
    for part, begin in zip(parts, begins, strict=False):
        moved = part.pairs.clone()
        moved[0] += int(begin)
        pairs.append(moved)
    return Queries(
        torch.cat([part.vectors for part in parts]),
        torch.cat(pairs, dim=1),
        torch.cat([part.pair_scores for part in parts]),
    )


def _taken(queries: Queries, examples: torch.Tensor) -> Queries:
    """Queries of some examples, int64 [m], ascending."""
    place = torch.searchsorted(examples, queries.pairs[0]).clamp(max=len(examples) - 1)
    inside = examples[place] == queries.pairs[0]
    pairs = torch.stack([place[inside], queries.pairs[1, inside]])
    return Queries(queries.vectors[examples], pairs, queries.pair_scores[inside])
