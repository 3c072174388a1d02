"""A graph transformer: attention among all rows of a seed's sampled neighborhood.

A token stands for a row. It carries the row's columns, table and age (all from the table's own
`NodeEncoder`), its hop, and what its neighbors in the neighborhood are: one round of messages along the
sampled edges, both ways. These are the five elements of RelGT (Dwivedi et al. 2025, arXiv 2505.10960); its
global centroids are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from relhop.nn.ragged_attention import attend
from relhop.nn.sage import SageLayer, outward_edges, reachable_tables
from relhop.nn.tokens import tokens_of
from relhop.plan.model_architecture import ModelArchitecture
from relhop.schema import EdgeType


class AttentionLayer(nn.Module):
    """Attention among the tokens of each seed, then a small network on each token; both add to the vectors.

    Args:
        channels: Width of all vectors.
        num_heads: A divisor of `channels`.
        dropout: Share of activations dropped in training.
    """

    def __init__(self, channels: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.attention_norm, self.mix_norm = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.query = nn.Linear(channels, channels)
        self.key_value = nn.Linear(channels, 2 * channels)
        self.out = nn.Linear(channels, channels)
        self.mix = nn.Sequential(
            nn.Linear(channels, 2 * channels),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(2 * channels, channels),
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, lengths: Tensor, asked: Tensor | None = None) -> Tensor:
        """New vectors of all tokens [T, channels], or of one of each seed [B, channels].

        Args:
            x: [T, channels], seed by seed.
            lengths: Tokens of each seed, int64 [B].
            asked: The one token of each seed, int64 [B], whose vector is wanted.
        """
        normed = self.attention_norm(x)
        asking, counts = (normed, lengths) if asked is None else (normed[asked], torch.ones_like(lengths))
        query = self.query(asking).unflatten(1, (self.num_heads, -1))
        key, value = self.key_value(normed).unflatten(1, (2, self.num_heads, -1)).unbind(1)
        found = attend(query, key, value, lengths, counts).flatten(1)
        x = (x if asked is None else x[asked]) + self.dropout(self.out(found))
        out: Tensor = x + self.dropout(self.mix(self.mix_norm(x)))
        return out


class GraphTransformer(nn.Module):
    """From vectors of all nodes to vectors of the seeds; the last layer computes the seeds' alone.

    Args:
        entity_table: The seeds' table.
        edge_types: All edge types of the schema.
        num_hops: Of the neighborhoods.
        make_layer: Makes the round of messages of some tables along some edge types.
        architecture: Width, layers, heads, `max_tokens`, dropout.
    """

    def __init__(
        self,
        entity_table: str,
        edge_types: Sequence[EdgeType],
        num_hops: int,
        make_layer: Callable[[Sequence[str], Sequence[EdgeType]], SageLayer],
        architecture: ModelArchitecture,
    ) -> None:
        super().__init__()
        channels, num_heads = architecture.channels, architecture.num_heads
        self.entity_table, self.max_tokens = entity_table, architecture.max_tokens
        self.tables = reachable_tables(entity_table, edge_types, num_hops)
        self.outward = outward_edges([e for e in edge_types if e[2] in self.tables[-2]])
        self.structure = make_layer(self.tables[-1], [*self.outward.values(), *self.outward])
        self.hop = nn.Embedding(num_hops + 1, channels)
        nn.init.normal_(self.hop.weight, std=0.1)
        self.layers = nn.ModuleList(
            AttentionLayer(channels, num_heads, architecture.dropout) for _ in range(architecture.num_layers)
        )
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Mapping[str, Tensor], batch: HeteroData) -> Tensor:
        """Vectors of the seeds [B, channels].

        Args:
            x: By reachable table [N, channels].
            batch: See `relhop.loader.SeedLoader`.
        """
        edges = {edge_type: batch[edge_type].edge_index for edge_type in self.outward.values()}
        edges |= {outward: edges[edge_type].flip(0) for outward, edge_type in self.outward.items()}
        messages = self.structure(x, edges, {table: len(vectors) for table, vectors in x.items()})
        tables = self.tables[-1]
        tokens = tokens_of(batch, tables, self.entity_table, self.max_tokens)
        nodes = torch.cat([x[table] + messages[table] for table in tables])
        vectors = nodes[tokens.nodes] + self.hop(tokens.hops)
        for layer in self.layers[:-1]:
            vectors = layer(vectors, tokens.lengths)
        seeds: Tensor = self.norm(self.layers[-1](vectors, tokens.lengths, tokens.seeds))
        return seeds
