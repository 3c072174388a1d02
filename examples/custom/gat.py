"""A network of your own for `Trainer`: PyTorch Geometric's GATv2, made heterogeneous by `to_hetero`.

python -m examples.custom.gat
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData
from torch_geometric.nn import GATv2Conv, to_hetero

import relhop as rh
from examples.f1.formula1 import QUESTIONS, graph
from relhop.nn.model import BatchEncoder
from relhop.statistics import fit_statistics

OUT = Path(__file__).parent / "out"


class GAT(nn.Module):
    """Two layers of attention along edges, written as for one type of node."""

    def __init__(self, channels: int, heads: int = 4) -> None:
        super().__init__()
        shape = {"in_channels": (channels, channels), "out_channels": channels // heads, "heads": heads}
        self.first = GATv2Conv(**shape, add_self_loops=False)
        self.second = GATv2Conv(**shape, add_self_loops=False)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """Vectors of nodes [N, channels], from vectors [N, channels] and edges int64 [2, E]."""
        x = x + self.first(x, edge_index).relu()
        return x + self.second(x, edge_index)


class HeteroGAT(nn.Module):
    """Columns to vectors by relhop, vectors to vectors by the GAT, the seeds' to one output each."""

    def __init__(self, store: rh.Store, table: rh.TrainingTable, channels: int = 64) -> None:
        super().__init__()
        schema, self.entity_table = store.schema, table.entity_table
        self.encoder = BatchEncoder(
            schema,
            fit_statistics(store, table.train_cut),
            entity_table=table.entity_table,
            tables=list(schema.tables),
            channels=channels,
        )
        self.body = to_hetero(GAT(channels), (list(schema.tables), list(schema.edge_types)))
        self.head = nn.Linear(channels, 1)

    def forward(self, batch: HeteroData) -> Tensor:
        """A logit of each seed [B, 1]."""
        x = self.body(self.encoder.encode(batch), batch.edge_index_dict)
        return self.head(x[self.entity_table][: batch[self.entity_table].batch_size])


def main(store: rh.Store, out: Path, overrides: dict[str, Any] | None = None) -> float:
    """Trains on driver-top3; returns the AUROC of the validation split."""
    question = QUESTIONS["driver-top3"]
    table = question.training_table(store)
    query = rh.PredictiveQuery(store, question.query)
    plan = query.suggest_model_plan(store).with_overrides(overrides or {})
    torch.manual_seed(0)
    result = rh.Trainer(plan, out=out).fit(table, store, model=HeteroGAT(store, table))
    return result.metrics["val"]["auroc"]


if __name__ == "__main__":
    print(f"AUROC {main(graph().snapshot(OUT / 'f1.rh'), OUT / 'gat'):.3f}")
