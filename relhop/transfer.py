"""Batches -> the same batches on a device, where each is copied while the one before is computed on."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch_geometric.data import HeteroData
from torch_geometric.loader import PrefetchLoader

from relhop.loader import SeedLoader


def copied_ahead(loader: SeedLoader, device: torch.device | str) -> Iterable[HeteroData]:
    """The loader's batches on a device.

    To a GPU each batch is copied out of pinned memory (torch keeps and reuses it) on a stream of its own, so
    that the copy overlaps with the computation on the batch before. On the CPU this is the loader itself.
    """
    return loader if torch.device(device).type == "cpu" else PrefetchLoader(loader, torch.device(device))
