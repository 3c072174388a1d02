"""A heterogeneous GraphSAGE over sampled neighborhoods, one layer a hop.

Layer by layer the subgraph is trimmed to what still reaches the seeds: the last layer computes the seeds
alone. This changes no result, as messages only flow towards the seeds. Knows nothing of columns or of time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor, nn
from torch_geometric.nn import BatchNorm, GATv2Conv, SAGEConv
from torch_geometric.nn.module_dict import ModuleDict

from relhop.plan.model_architecture import Aggregation, Normalization
from relhop.schema import EdgeType


def reachable_tables(entity_table: str, edge_types: Sequence[EdgeType], num_hops: int) -> list[list[str]]:
    """The tables within 0, 1, ... `num_hops` hops of the seeds, each list in order of discovery."""
    reached = [[entity_table]]
    for _ in range(num_hops):
        found = dict.fromkeys(reached[-1])
        found.update({source: None for source, _, target in edge_types if target in reached[-1]})
        reached.append(list(found))
    return reached


def outward_edges(edge_types: Sequence[EdgeType]) -> dict[EdgeType, EdgeType]:
    """Edge types that lead away from the seeds, each with the sampled one that it is the reverse of."""
    return {(target, f"back_{name}", source): (source, name, target) for source, name, target in edge_types}


class SageLayer(nn.Module):
    """One round of messages: a node's new vector is a linear map of its own plus one of what each edge type
    brings.

    Args:
        tables: The tables whose nodes get a new vector.
        edge_types: The edge types that end in these tables.
        channels: Width of all vectors.
        aggregation: How messages of one edge type become one: `mean`, `sum`, `max`, or `attention` (GATv2:
            Brody et al. 2022, arXiv 2105.14491).
        dropout: Share of activations dropped in training.
        residual: Whether the new vector is added to the old one.
        normalization: Of the new vectors: `layer`, `batch` or `none`.
        num_heads: Of attention; a divisor of `channels`.
    """

    def __init__(
        self,
        tables: Sequence[str],
        edge_types: Sequence[EdgeType],
        channels: int,
        *,
        aggregation: Aggregation,
        dropout: float,
        residual: bool = False,
        normalization: Normalization = "layer",
        num_heads: int = 1,
    ) -> None:
        super().__init__()
        self.edge_types, self.residual = tuple(edge_types), residual
        self.own = ModuleDict({table: nn.Linear(channels, channels) for table in tables})
        self.norm = ModuleDict({table: _norm(normalization, channels) for table in tables})
        self.convolutions = ModuleDict(
            {edge_type: _convolution(aggregation, channels, num_heads) for edge_type in edge_types}
        )
        self.finish = nn.Sequential(nn.ReLU(), nn.Dropout(dropout))

    def forward(
        self, x: Mapping[str, Tensor], edges: Mapping[EdgeType, Tensor], num_nodes: Mapping[str, int]
    ) -> dict[str, Tensor]:
        """New vectors of the first `num_nodes` nodes of each table.

        Args:
            x: By table [N, channels].
            edges: By edge type int64 [2, E]; no target lies beyond `num_nodes`.
            num_nodes: By table of this layer.
        """
        own = {table: x[table][:n] for table, n in num_nodes.items()}
        out = {table: self.own[table](vectors) for table, vectors in own.items()}
        for edge_type in self.edge_types:
            source, _, target = edge_type
            if edges[edge_type].shape[1]:
                message = self.convolutions[edge_type]((x[source], own[target]), edges[edge_type])
                out[target] = out[target] + message
        new = {table: self.finish(self.norm[table](vectors)) for table, vectors in out.items()}
        return {table: own[table] + vectors for table, vectors in new.items()} if self.residual else new


def _norm(normalization: Normalization, channels: int) -> nn.Module:
    norm: nn.Module = nn.Identity()
    if normalization == "layer":
        norm = nn.LayerNorm(channels)
    elif normalization == "batch":  # one row has no variance, and takes the running one
        norm = BatchNorm(channels, allow_single_element=True)
    return norm


def _convolution(aggregation: Aggregation, channels: int, num_heads: int) -> nn.Module:
    convolution: nn.Module
    if aggregation == "attention":
        convolution = GATv2Conv(channels, channels // num_heads, num_heads, add_self_loops=False, bias=False)
    else:
        convolution = SAGEConv(channels, channels, aggr=aggregation, root_weight=False, bias=False)
    return convolution


class HeteroSage(nn.Module):
    """As many layers as hops, from vectors of all nodes to vectors of the seeds.

    Args:
        entity_table: The seeds' table.
        edge_types: All edge types of the schema.
        num_hops: Number of layers.
        make_layer: Makes the layer of some tables and the edge types that end in them.
    """

    def __init__(
        self,
        entity_table: str,
        edge_types: Sequence[EdgeType],
        num_hops: int,
        make_layer: Callable[[Sequence[str], Sequence[EdgeType]], SageLayer],
    ) -> None:
        super().__init__()
        self.entity_table = entity_table
        self.tables = reachable_tables(entity_table, edge_types, num_hops)
        self.layers = nn.ModuleList(
            make_layer(tables, [edge_type for edge_type in edge_types if edge_type[2] in tables])
            for tables in reversed(self.tables[:-1])
        )

    def forward(
        self,
        x: Mapping[str, Tensor],
        edges: Mapping[EdgeType, Tensor],
        nodes_per_hop: Mapping[str, Sequence[int]],
        edges_per_hop: Mapping[EdgeType, Sequence[int]],
    ) -> Tensor:
        """Vectors of the seeds [B, channels].

        Args:
            x: By reachable table [N, channels], ordered by hop, seeds first.
            edges: By edge type int64 [2, E], from the node found to the node expanded, ordered by hop.
            nodes_per_hop: By table hops + 1 counts, the seeds' first.
            edges_per_hop: By edge type a count per hop.
        """
        for number, layer in enumerate(self.layers, 1):
            assert isinstance(layer, SageLayer)
            remaining = len(self.layers) - number
            num_nodes = {
                table: sum(nodes_per_hop[table][: remaining + 1]) for table in self.tables[remaining]
            }
            used = {e: edges[e][:, : sum(edges_per_hop[e][: remaining + 1])] for e in layer.edge_types}
            x = layer(x, used, num_nodes)
        return x[self.entity_table]
