"""The rows of a batch's neighborhoods as tokens, seed by seed, none of them padding.

Knows nothing of columns or of attention.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import HeteroData


@dataclass(frozen=True)
class Tokens:
    """What attention sees of a batch: of each seed the tokens one behind another, the seed itself first.

    Attributes:
        nodes: int64 [T], the node of each token, counted over all tables, one table behind another.
        hops: int64 [T], steps from the seed.
        lengths: int64 [B], tokens of each seed.
    """

    nodes: Tensor
    hops: Tensor
    lengths: Tensor

    @property
    def seeds(self) -> Tensor:
        """The places of the seeds among the tokens, int64 [B]."""
        return self.lengths.cumsum(0) - self.lengths


def tokens_of(batch: HeteroData, tables: Sequence[str], entity_table: str, max_tokens: int) -> Tokens:
    """The tokens of a batch of `relhop.loader.SeedLoader`.

    Where a seed has more rows than `max_tokens`, those nearest to it are kept; of the last hop that has a
    place those without a time, then the newest; of equal times those of the table named first.

    Args:
        batch: Neighborhoods, each node in one of them.
        tables: Whose rows become tokens.
        entity_table: The seeds' table.
        max_tokens: Of each seed, at least 1.
    """
    seed_time = batch[entity_table].seed_time
    seeds, hops, ages = [], [], []
    for table in tables:
        nodes = batch[table]
        counts = torch.tensor(nodes.num_sampled_nodes, device=nodes.batch.device)
        hops.append(torch.arange(len(counts), device=counts.device).repeat_interleave(counts))
        seeds.append(nodes.batch)
        timed = "time" in nodes
        ages.append(seed_time[nodes.batch] - nodes.time if timed else torch.zeros_like(nodes.batch))
    seed, hop, age = torch.cat(seeds), torch.cat(hops), torch.cat(ages)
    order = age.argsort(stable=True)
    farthest = hop.max() + 1
    order = order[(seed * farthest + hop)[order].argsort(stable=True)]
    lengths = seed.bincount(minlength=len(seed_time))
    begins = lengths.cumsum(0) - lengths
    rank = torch.arange(len(order), device=order.device) - begins[seed[order]]
    kept = order[rank < max_tokens]
    return Tokens(kept, hop[kept], lengths.clamp(max=max_tokens))
