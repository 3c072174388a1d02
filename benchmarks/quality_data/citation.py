"""Cora on its public split, Amazon Photo on random ones: the GCN of `examples.citation`, out of a store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from examples.citation.gcn import SETTINGS, make_store, train

TARGETS = {"cora": 0.81, "amazon-photo": 0.91}


def accuracies(folder: Path, seeds: int, quick: bool) -> Iterator[tuple[str, list[float], float]]:
    """Of each graph the share of test nodes that are told right, one a seed, and what it should be."""
    for name, setting in SETTINGS.items():
        store = make_store(setting, folder / f"{name}.rh")
        epochs = 5 if quick else 200
        yield name, [train(store, setting, seed, epochs) for seed in range(seeds)], TARGETS[name]
