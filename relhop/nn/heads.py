"""What is done with seeds alone: aggregates of their past to vectors, vectors to the numbers that a task asks
for."""

from __future__ import annotations

import torch
from torch import Tensor, nn

PIECES = 8
"""Into so many pieces of equal length the ranks of an aggregate are cut."""


class Head(nn.Module):
    """Two linear layers.

    Args:
        channels: Width of a seed's vector.
        out_channels: 1 (binary: a logit; regression: a standardised value), the number of classes (logits)
            or of timeframes (standardised values).
        dropout: Share of activations dropped in training.
    """

    def __init__(self, channels: int, out_channels: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(channels, channels), nn.ReLU(), nn.Dropout(dropout), nn.Linear(channels, out_channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Outputs [B, out_channels] of vectors [B, channels]."""
        out: Tensor = self.layers(x)
        return out


class AggregateEncoder(nn.Module):
    """Aggregates of seeds' past -> vectors of seeds: two linear layers.

    A rank enters as `PIECES` numbers, too, each growing from 0 to 1 within its piece: the piecewise linear
    encoding of Gorishniy et al. 2022 (arXiv 2203.05556), by which a layer tells thresholds as a tree does.

    Args:
        num_aggregates: Numbers a seed; see `relhop.aggregate_features`.
        num_ranks: So many of them, the last ones, are ranks, from -√3 to √3.
        channels: Width of the vectors.
        dropout: Share of numbers and activations dropped in training.
    """

    def __init__(self, num_aggregates: int, num_ranks: int, channels: int, dropout: float) -> None:
        super().__init__()
        self.num_ranks = num_ranks
        self.layers = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(num_aggregates + PIECES * num_ranks, 2 * channels),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(2 * channels, channels),
        )

    def forward(self, aggregates: Tensor) -> Tensor:
        """Vectors [B, channels] of numbers, float32 [B, num_aggregates]."""
        ranks = aggregates[:, aggregates.shape[1] - self.num_ranks :]
        places = (ranks / 3**0.5 + 1) * (PIECES / 2)
        pieces = (places.unsqueeze(2) - torch.arange(PIECES, device=ranks.device)).clamp(0, 1)
        vectors: Tensor = self.layers(torch.cat([aggregates, pieces.flatten(1)], dim=1))
        return vectors
