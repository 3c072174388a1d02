"""Scores of pairs of an entity and an item.

Two towers: what an entity is and did, and what an item is and was visited, become a vector each; the score is
their product, and what speaks for the item whoever asks. The hybrid adds, for items in the entity's own
neighborhood, a score made along the paths that lead to them: it tells this item of this entity from any
other (Yuan et al. 2024, ContextGNN, arXiv 2411.19513).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from relhop.checkpoint import Description
from relhop.errors import PlanError
from relhop.nn.model import NeighborhoodEncoder
from relhop.nn.sage import SageLayer, outward_edges
from relhop.ranking.items import ItemEmbedding, item_hashes
from relhop.ranking.visits import ACTIVITY_DAYS
from relhop.schema import EdgeType
from relhop.statistics import code_maps
from relhop.store.reader import Store


@dataclass(frozen=True)
class Queries:
    """What a model knows of some entities.

    Attributes:
        vectors: [b, channels].
        pairs: int64 [2, p]: entities (0 to b - 1), and rows of the items in their neighborhoods.
        pair_scores: [p], what is added to the score of such a pair.
    """

    vectors: Tensor
    pairs: Tensor
    pair_scores: Tensor


@dataclass(frozen=True)
class Items:
    """What a model knows of some items at some time.

    Attributes:
        vectors: [n, channels].
        biases: [n], what speaks for an item whoever asks.
    """

    vectors: Tensor
    biases: Tensor


class PathScores(nn.Module):
    """A neighborhood -> a score of each item in it.

    The sampled edges are followed back, from the seed outwards: as many rounds of messages as there are hops.

    Args:
        encoder: Of the entity's neighborhood.
        edge_types: All edge types of the schema.
        item_table: Whose nodes are scored.
        channels: Width of all vectors.
        dropout: Share of activations dropped in training.
    """

    def __init__(
        self,
        encoder: NeighborhoodEncoder,
        edge_types: tuple[EdgeType, ...],
        item_table: str,
        channels: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.entity_table, self.item_table = encoder.entity_table, item_table
        self.outward = outward_edges(
            [e for e in edge_types if e[0] in encoder.tables and e[2] in encoder.tables]
        )
        self.layers = nn.ModuleList(
            SageLayer(encoder.tables, tuple(self.outward), channels, aggregation="sum", dropout=dropout)
            for _ in encoder.body.layers
        )
        last = nn.Linear(channels, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.score = nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), last)

    def forward(self, x: dict[str, Tensor], seeds: Tensor, batch: HeteroData) -> Tensor:
        """Scores [N] of the item table's nodes, from the vectors of all nodes and of the seeds."""
        edges = {out: batch[edge_type].edge_index.flip(0) for out, edge_type in self.outward.items()}
        sizes = {table: len(vectors) for table, vectors in x.items()}
        others = x[self.entity_table][len(seeds) :]
        x = {**x, self.entity_table: torch.cat([seeds, others])}
        for layer in self.layers:
            x = layer(x, edges, sizes)
        scores: Tensor = self.score(x[self.item_table])[:, 0]
        return scores


class RankingModel(nn.Module):
    """Entities and items -> what their scores are made of.

    Before training the score of an item is how often it was visited.

    Args:
        described: Plan, task, schema and statistics.
        num_items: How many items have a vector of their own.

    Raises:
        PlanError: If the plan's body is not GraphSAGE.
    """

    def __init__(self, described: Description, num_items: int) -> None:
        super().__init__()
        plan, task = described.plan, described.task
        assert task.item_table is not None
        self.item_table = task.item_table
        architecture = plan.model_architecture
        if architecture.body != "sage":  # attention would see visits that are withheld: it follows no edges
            raise PlanError(
                f"model_architecture.body is {architecture.body}; link predictions have `sage` alone,"
                " choose it"
            )
        channels = architecture.channels
        self.entities, self.items = (
            NeighborhoodEncoder(
                plan, described.schema, described.statistics, entity_table=table, num_hops=num_hops
            )
            for table, num_hops in (
                (task.entity_table, plan.neighbor_sampling.num_hops),
                (task.item_table, len(plan.ranking.item_neighbors)),
            )
        )
        self.embedding = ItemEmbedding(num_items, channels)
        self.activity = nn.Linear(len(ACTIVITY_DAYS), channels)
        self.popularity = nn.Linear(len(ACTIVITY_DAYS), 1, bias=False)
        nn.init.constant_(self.popularity.weight, 1 / len(ACTIVITY_DAYS))
        self.entity_out, self.item_out = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.item_bias = nn.Linear(channels, 1)
        nn.init.zeros_(self.item_bias.weight)
        is_near = task.item_table in self.entities.tables and plan.ranking.head == "hybrid"
        self.paths = (
            PathScores(
                self.entities, described.schema.edge_types, self.item_table, channels, architecture.dropout
            )
            if is_near
            else None
        )

    @classmethod
    def before_training(cls, described: Description, store: Store, cut: int) -> RankingModel:
        """A model that knows the items visible at a time in a store.

        Its weights are a function of the plan's seed, and torch's random state is left as it was.
        """
        assert described.task.item_table is not None
        num_items = store.cut(described.task.item_table, cut) if described.plan.ranking.item_embedding else 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(described.plan.training_job.seed)
            model = cls(described, num_items)
        model.embedding.learn_names(item_hashes(store, described.task.item_table, num_items))
        return model

    @classmethod
    def of_weights(cls, described: Description, weights: Mapping[str, Tensor]) -> RankingModel:
        """A model as `state_dict` left it."""
        model = cls(described, len(weights["embedding.hashes"]))
        model.load_state_dict(weights)
        return model

    def bind(self, described: Description, store: Store) -> None:
        """Tells the model how a store numbers its categories and its items."""
        maps = code_maps(described.statistics, store)
        self.entities.set_code_maps(maps)
        self.items.set_code_maps(maps)
        self.embedding.find(item_hashes(store, self.item_table, store.tables[self.item_table].num_rows))

    def encode_entities(self, batch: HeteroData) -> Queries:
        """Of a batch whose seeds are entities."""
        x = self.entities.encode(batch)
        if self.item_table in x:
            x[self.item_table] = x[self.item_table] + self.embedding(batch[self.item_table].row)
        seeds = self.entities.gather(x, batch)
        nodes = batch[self.item_table]
        if self.paths is None:
            empty = nodes.row[:0]
            return Queries(self.entity_out(seeds), torch.stack([empty, empty]), seeds.new_empty(0))
        pairs, scores = torch.stack([nodes.batch, nodes.row]), self.paths(x, seeds, batch)
        if "reached" in nodes:
            pairs, scores = pairs[:, nodes.reached], scores[nodes.reached]
        return Queries(self.entity_out(seeds), pairs, scores)

    def encode_items(self, batch: HeteroData, activity: Tensor) -> Items:
        """Of a batch whose seeds are items.

        Args:
            batch: The items' neighborhoods.
            activity: [n, windows] of `Visits.activity`.
        """
        x = self.items.encode(batch)
        own = self.embedding(batch[self.item_table].row)
        x[self.item_table] = x[self.item_table] + own
        count = len(activity)
        vectors = self.items.gather(x, batch) + own[:count] + self.activity(activity)
        biases = self.item_bias(vectors)[:, 0] + self.popularity(activity)[:, 0]
        return Items(self.item_out(vectors), biases)

    def pair_all(self, queries: Queries, items: Items) -> Tensor:
        """Scores [b, n] of the two towers alone."""
        scores: Tensor = queries.vectors @ items.vectors.T + items.biases
        return scores


def add_pairs(scores: Tensor, queries: Queries, first: int, last: int) -> Tensor:
    """Scores [b, last - first] of the items with rows first to last - 1, with what the pairs add."""
    inside = (queries.pairs[1] >= first) & (queries.pairs[1] < last)
    entities, rows = queries.pairs[:, inside]
    return scores.index_put((entities, rows - first), queries.pair_scores[inside], accumulate=True)
