"""What is done with seeds alone: aggregates of their past to vectors, vectors to the numbers that a task asks
for."""

from __future__ import annotations

from torch import Tensor, nn


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

    Args:
        num_aggregates: Numbers a seed, standardised; see `relhop.aggregate_features`.
        channels: Width of the vectors.
        dropout: Share of numbers and activations dropped in training.
    """

    def __init__(self, num_aggregates: int, channels: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(num_aggregates, channels),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(channels, channels),
        )

    def forward(self, aggregates: Tensor) -> Tensor:
        """Vectors [B, channels] of numbers, float32 [B, num_aggregates]."""
        vectors: Tensor = self.layers(aggregates)
        return vectors
