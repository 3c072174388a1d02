"""Of rankings without time: which visits are asked for, and batches without them.

Where visits have times, time hides the future. Where they have none, all are in the store, so those that a
model is to find are taken out of what it sees: half of an entity's items, by a hash, are its targets; their
visits are in no neighborhood, on the entity's side or the item's, and nothing that only they lead to.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from relhop.query.static_splits import mixed
from relhop.ranking.visits import Visits
from relhop.training_table import TrainingTable


def targets_of(table: TrainingTable, key: int = 0) -> TrainingTable:
    """The examples with half of their items, rounded up: those that are asked for.

    Args:
        table: A link prediction's examples, with labels.
        key: Of the choice; the same key, entity and item always choose alike.
    """
    assert table.lists is not None
    owners, items = table.lists.owners, table.lists.values
    hashed = mixed(mixed(mixed(table.rows[owners]).view(np.int64) ^ items).view(np.int64) + key)
    order = np.lexsort((hashed, owners))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order)) - table.lists.offsets[owners[order]]
    return replace(table, lists=table.lists.keep(place < (table.lists.lengths[owners] + 1) // 2))


def asked(table: TrainingTable, visits: Visits) -> tuple[TrainingTable, Visits]:
    """Examples with what is asked of them, and the visits that may be shown.

    Labels in time are asked for whole, and nothing needs hiding.
    """
    if table.lists is None or visits.is_timed:
        return table, visits
    targets = targets_of(table)
    return targets, visits.hiding(targets)


def without_visits(batch: HeteroData, seed_table: str, visits_table: str, hidden: Tensor) -> HeteroData:
    """A batch, changed in place, without edges from or to hidden visits, and without those that only they
    lead to. Tables get `reached`: bool [N], which nodes are still connected to their seeds.

    Args:
        batch: Of a `SeedLoader`.
        seed_table: Whose rows are the seeds.
        visits_table: Whose rows are hidden.
        hidden: bool [rows of that table].
    """
    gone = hidden[batch[visits_table].row]
    reached = {table: torch.zeros(batch[table].num_nodes, dtype=torch.bool) for table in batch.node_types}
    reached[seed_table][: batch[seed_table].batch_size] = True
    kept: dict[tuple[str, str, str], list[Tensor]] = {edge_type: [] for edge_type in batch.edge_types}
    begins = dict.fromkeys(batch.edge_types, 0)
    for hop in range(len(batch[batch.edge_types[0]].num_sampled_edges)):
        found: list[tuple[str, Tensor]] = []
        for edge_type in batch.edge_types:
            source, _, target = edge_type
            end = begins[edge_type] + batch[edge_type].num_sampled_edges[hop]
            edges = batch[edge_type].edge_index[:, begins[edge_type] : end]
            begins[edge_type] = end
            keep = reached[target][edges[1]]
            for table, nodes in ((source, edges[0]), (target, edges[1])):
                if table == visits_table:
                    keep &= ~gone[nodes]
            kept[edge_type].append(edges[:, keep])
            found.append((source, edges[0, keep]))
        for table, nodes in found:
            reached[table][nodes] = True
    for edge_type, hops in kept.items():
        batch[edge_type].edge_index = torch.cat(hops, dim=1)
        batch[edge_type].num_sampled_edges = [edges.shape[1] for edges in hops]
    for table, nodes in reached.items():
        batch[table].reached = nodes
    return batch
