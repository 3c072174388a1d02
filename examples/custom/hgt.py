"""A network of your own for `Trainer`: PyTorch Geometric's Heterogeneous Graph Transformer (Hu et al. 2020,
arXiv 2003.01332).

    python -m examples.custom.hgt
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData
from torch_geometric.nn import HGTConv

import relhop as rh
from examples.f1.formula1 import QUESTIONS, graph
from relhop.nn.model import BatchEncoder
from relhop.statistics import fit_statistics

OUT = Path(__file__).parent / "out"


class HGT(nn.Module):
    """Columns to vectors by relhop, then a layer a hop; the seeds' vectors to one output each."""

    def __init__(
        self, store: rh.Store, table: rh.TrainingTable, channels: int = 64, num_hops: int = 2
    ) -> None:
        super().__init__()
        schema, self.entity_table = store.schema, table.entity_table
        self.encoder = BatchEncoder(
            schema,
            fit_statistics(store, table.train_cut),
            entity_table=table.entity_table,
            tables=list(schema.tables),
            channels=channels,
        )
        types = (list(schema.tables), list(schema.edge_types))
        self.layers = nn.ModuleList(HGTConv(channels, channels, types, heads=4) for _ in range(num_hops))
        self.head = nn.Linear(channels, 1)

    def forward(self, batch: HeteroData) -> Tensor:
        """A logit of each seed [B, 1]."""
        x = self.encoder.encode(batch)
        for layer in self.layers:
            x = layer(x, batch.edge_index_dict)
        return self.head(x[self.entity_table][: batch[self.entity_table].batch_size])


def main(store: rh.Store, out: Path, overrides: dict[str, Any] | None = None) -> float:
    """Trains on driver-top3; returns the AUROC of the validation split."""
    question = QUESTIONS["driver-top3"]
    table = question.training_table(store)
    query = rh.PredictiveQuery(store, question.query)
    plan = query.suggest_model_plan(store).with_overrides(overrides or {})
    torch.manual_seed(0)
    result = rh.Trainer(plan, out=out).fit(table, store, model=HGT(store, table))
    return result.metrics["val"]["auroc"]


if __name__ == "__main__":
    print(f"AUROC {main(graph().snapshot(OUT / 'f1.rh'), OUT / 'hgt'):.3f}")
