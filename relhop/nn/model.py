"""A plan -> a network: an encoder per table, a body (GraphSAGE or a transformer), a head.

Any `torch.nn.Module` that maps a batch of `relhop.loader.SeedLoader` to [B, out_channels] can take its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch_geometric.data import HeteroData
from torch_geometric.nn.module_dict import ModuleDict

from relhop.nn.encoder import NodeEncoder
from relhop.nn.heads import AggregateEncoder, Head
from relhop.nn.sage import HeteroSage, SageLayer, reachable_tables
from relhop.nn.transformer import GraphTransformer
from relhop.plan import ModelPlan
from relhop.schema import Schema
from relhop.statistics import Statistics


class BatchEncoder(nn.Module):
    """A batch of neighborhoods -> a vector of each row, of its own columns and age alone.

    A network of your own may begin with it; `Trainer` and `Predictor` tell it how a store numbers its
    categories.

    Args:
        schema: Tables of the store.
        statistics: Fitted on the rows visible at the training cut; of the columns to be seen.
        entity_table: The seeds' table.
        tables: The tables whose rows are wanted.
        channels: Width of the vectors, even.
        dropout: Share of activations dropped in training.
    """

    def __init__(
        self,
        schema: Schema,
        statistics: Statistics,
        *,
        entity_table: str,
        tables: Sequence[str],
        channels: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.entity_table, self.tables = entity_table, tuple(tables)
        self.encoders = ModuleDict(
            {
                table: NodeEncoder(
                    statistics.columns[table],
                    channels,
                    timed=schema.tables[table].time_col is not None,
                    dropout=dropout,
                )
                for table in self.tables
            }
        )

    def set_code_maps(self, maps: Mapping[str, Mapping[str, NDArray[np.int64]]]) -> None:
        """Takes the numbering of a store's categories, from `relhop.statistics.code_maps`."""
        for table in self.tables:
            self.encoders[table].table.set_code_maps(maps[table])

    def encode(self, batch: HeteroData) -> dict[str, Tensor]:
        """By table [N, channels]; `relhop.loader.SeedLoader` describes the layout of a batch."""
        seed_time = batch[self.entity_table].seed_time
        x = {}
        for table in self.tables:
            nodes = batch[table]
            frame = nodes.tf if "tf" in nodes else None
            age = seed_time[nodes.batch] - nodes.time if "time" in nodes else None
            x[table] = self.encoders[table](frame, nodes.num_nodes, age)
        return x


class NeighborhoodEncoder(BatchEncoder):
    """A batch of neighborhoods -> a vector for each seed [B, channels].

    Args:
        plan: The body and its settings, columns to drop.
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
        architecture = plan.model_architecture
        super().__init__(
            schema,
            statistics.without(plan.column_processing.dropped_columns(schema)),
            entity_table=entity_table,
            tables=reachable_tables(entity_table, schema.edge_types, num_hops)[-1],
            channels=architecture.channels,
            dropout=architecture.dropout,
        )
        make_layer = partial(
            SageLayer,
            channels=architecture.channels,
            aggregation=architecture.aggregation,
            dropout=architecture.dropout,
            residual=architecture.residual,
            normalization=architecture.normalization,
            num_heads=architecture.num_heads,
        )
        self.body = (
            GraphTransformer(entity_table, schema.edge_types, num_hops, make_layer, architecture)
            if architecture.body == "transformer"
            else HeteroSage(entity_table, schema.edge_types, num_hops, make_layer)
        )

    def gather(self, x: Mapping[str, Tensor], batch: HeteroData) -> Tensor:
        """Vectors of the seeds [B, channels], from those of all nodes."""
        seeds: Tensor
        if isinstance(self.body, GraphTransformer):
            seeds = self.body(x, batch)
        else:
            seeds = self.body(
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
        num_aggregates: Numbers of each seed's past that batches bring along, which are added to what its
            neighborhood says.
        num_ranks: So many of them, the last ones, are ranks.
    """

    def __init__(
        self,
        plan: ModelPlan,
        schema: Schema,
        statistics: Statistics,
        *,
        entity_table: str,
        out_channels: int,
        num_aggregates: int = 0,
        num_ranks: int = 0,
    ) -> None:
        num_hops = plan.neighbor_sampling.num_hops
        super().__init__(plan, schema, statistics, entity_table=entity_table, num_hops=num_hops)
        architecture = plan.model_architecture
        self.past = (
            AggregateEncoder(num_aggregates, num_ranks, architecture.channels, architecture.dropout)
            if num_aggregates
            else None
        )
        self.head = Head(architecture.channels, out_channels, architecture.dropout)

    def forward(self, batch: HeteroData) -> Tensor:
        """Outputs [B, out_channels]."""
        seeds = super().forward(batch)
        if self.past is not None:
            seeds = seeds + self.past(batch[self.entity_table].aggregates)
        out: Tensor = self.head(seeds)
        return out


@contextmanager
def seeded(plan: ModelPlan) -> Iterator[None]:
    """Networks made within it have weights by the plan's seed; torch's random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.training_job.seed)
        yield
