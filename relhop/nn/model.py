"""A plan -> a network: an encoder per table, a GraphSAGE body, a head.

Any `torch.nn.Module` that maps a batch of `relhop.loader.SeedLoader` to [B, out_channels] can take its place.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch_geometric.data import HeteroData
from torch_geometric.nn.module_dict import ModuleDict

from relhop.nn.encoder import NodeEncoder
from relhop.nn.heads import Head
from relhop.nn.sage import HeteroSage
from relhop.plan import ModelPlan
from relhop.schema import Schema
from relhop.statistics import Statistics


class NeighborhoodEncoder(nn.Module):
    """A batch of neighborhoods -> a vector for each seed [B, channels].

    Args:
        plan: Width, aggregation, dropout, columns to drop.
        schema: Tables and links of the store.
        statistics: Fitted on the rows visible at the training cut.
        entity_table: The seeds' table.
        num_hops: Depth.

    Raises:
        PlanError: If the plan names columns or steps that the schema does not have.
    """

    def __init__(
        self, plan: ModelPlan, schema: Schema, statistics: Statistics, *, entity_table: str, num_hops: int
    ) -> None:
        super().__init__()
        architecture = plan.model_architecture
        channels, dropout = architecture.channels, architecture.dropout
        columns = statistics.without(plan.column_processing.dropped_columns(schema)).columns
        self.entity_table = entity_table
        self.body = HeteroSage(
            entity_table,
            schema.edge_types,
            num_hops,
            channels,
            aggregation=architecture.aggregation,
            dropout=dropout,
        )
        self.tables = tuple(self.body.tables[-1])
        self.encoders = ModuleDict(
            {
                table: NodeEncoder(
                    columns[table], channels, timed=schema.tables[table].time_col is not None, dropout=dropout
                )
                for table in self.tables
            }
        )

    def set_code_maps(self, maps: Mapping[str, Mapping[str, NDArray[np.int64]]]) -> None:
        """Takes the numbering of a store's categories, from `relhop.statistics.code_maps`."""
        for table in self.tables:
            self.encoders[table].table.set_code_maps(maps[table])

    def encode(self, batch: HeteroData) -> dict[str, Tensor]:
        """By table a vector of each node, of its own columns and age alone [N, channels].

        `relhop.loader.SeedLoader` describes the layout of a batch.
        """
        seed_time = batch[self.entity_table].seed_time
        x = {}
        for table in self.tables:
            nodes = batch[table]
            frame = nodes.tf if "tf" in nodes else None
            age = seed_time[nodes.batch] - nodes.time if "time" in nodes else None
            x[table] = self.encoders[table](frame, nodes.num_nodes, age)
        return x

    def gather(self, x: Mapping[str, Tensor], batch: HeteroData) -> Tensor:
        """Vectors of the seeds [B, channels], from those of all nodes."""
        seeds: Tensor = self.body(
            x,
            batch.collect("edge_index"),
            {table: batch[table].num_sampled_nodes for table in x},
            batch.collect("num_sampled_edges"),
        )
        return seeds

    def forward(self, batch: HeteroData) -> Tensor:
        """Vectors of the seeds [B, channels]."""
        return self.gather(self.encode(batch), batch)


class RelationalModel(NeighborhoodEncoder):
    """A batch of neighborhoods -> [B, out_channels].

    Args:
        plan: As of `NeighborhoodEncoder`; and the depth.
        schema: As of `NeighborhoodEncoder`.
        statistics: As of `NeighborhoodEncoder`.
        entity_table: The seeds' table.
        out_channels: Numbers per seed.
    """

    def __init__(
        self, plan: ModelPlan, schema: Schema, statistics: Statistics, *, entity_table: str, out_channels: int
    ) -> None:
        num_hops = plan.neighbor_sampling.num_hops
        super().__init__(plan, schema, statistics, entity_table=entity_table, num_hops=num_hops)
        architecture = plan.model_architecture
        self.head = Head(architecture.channels, out_channels, architecture.dropout)

    def forward(self, batch: HeteroData) -> Tensor:
        """Outputs [B, out_channels]."""
        out: Tensor = self.head(super().forward(batch))
        return out


def build_model(
    plan: ModelPlan, schema: Schema, statistics: Statistics, *, entity_table: str, out_channels: int
) -> RelationalModel:
    """The network of a plan; its weights are a function of the plan's seed, and torch's random state is left
    as it was.

    The arguments are those of `RelationalModel`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.training_job.seed)
        return RelationalModel(plan, schema, statistics, entity_table=entity_table, out_channels=out_channels)
