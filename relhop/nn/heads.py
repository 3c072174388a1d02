"""From a seed's vector to the numbers that a task asks for."""

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
