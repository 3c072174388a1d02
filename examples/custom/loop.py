"""Without `Trainer`: a loop in plain PyTorch over the batches of a store.

python -m examples.custom.loop
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from torchmetrics.functional import auroc

import relhop as rh
from examples.custom.hgt import HGT
from examples.f1.formula1 import QUESTIONS, graph
from relhop.loader import SeedLoader
from relhop.statistics import code_maps, fit_statistics

OUT = Path(__file__).parent / "out"


def main(store: rh.Store, num_neighbors: Sequence[int] = (16, 16), epochs: int = 5) -> float:
    """Trains on driver-top3; returns the last epoch's AUROC of the validation split."""
    table = QUESTIONS["driver-top3"].training_table(store)
    train, val = (
        SeedLoader(store, table.splits[name], list(num_neighbors), batch_size=128, shuffle=name == "train")
        for name in ("train", "val")
    )
    torch.manual_seed(0)
    model = HGT(store, table, num_hops=len(num_neighbors))
    model.encoder.set_code_maps(code_maps(fit_statistics(store, table.train_cut), store))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    score = 0.0
    for epoch in range(epochs):
        train.set_epoch(epoch)  # another order, other draws
        model.train()
        for batch in train:
            optimizer.zero_grad()
            loss = binary_cross_entropy_with_logits(model(batch)[:, 0], batch["drivers"].y.float())
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.inference_mode():
            scored = [(model(batch)[:, 0], batch["drivers"].y.int()) for batch in val]
        logits, labels = (torch.cat(parts) for parts in zip(*scored, strict=True))
        score = float(auroc(logits, labels, "binary"))
        print(f"epoch {epoch}: loss {loss.item():.3f}, AUROC {score:.3f}")
    return score


if __name__ == "__main__":
    main(graph().snapshot(OUT / "f1.rh"))
