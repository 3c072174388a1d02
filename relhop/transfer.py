"""Batches -> the same batches on a device, where each is copied while the one before is computed on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import torch
from torch_geometric.loader import PrefetchLoader

from relhop.loader import SeedLoader


class Batches(Protocol):
    """The batches of an epoch."""

    def __len__(self) -> int:
        """Their number."""
        ...

    def __iter__(self) -> Iterator[Any]:
        """One epoch."""
        ...

    def seconds(self) -> Mapping[str, float]:
        """What it took so far beside the steps, by what was done."""
        ...


def copied_ahead(loader: SeedLoader, device: torch.device | str) -> Batches:
    """The loader's batches on a device.

    To a GPU each batch is copied out of pinned memory (torch keeps and reuses it) on a stream of its own, so
    that the copy overlaps with the computation on the batch before. On the CPU this is the loader itself.
    """
    return loader if torch.device(device).type == "cpu" else _CopiedAhead(loader, torch.device(device))


class _CopiedAhead(PrefetchLoader):  # type: ignore[misc]
    """PyG's loader that copies ahead, which counts the seconds that copies take."""

    def __init__(self, loader: SeedLoader, device: torch.device) -> None:
        super().__init__(loader, device)
        self._copies: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []
        self._copying = 0.0

    def __len__(self) -> int:
        return len(self.loader)

    def non_blocking_transfer(self, batch: Any) -> Any:
        """The batch on its way to the device, on the stream of copies."""
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        begin.record()
        moved = super().non_blocking_transfer(batch)
        end.record()
        self._copies.append((begin, end))
        return moved

    def seconds(self) -> dict[str, float]:
        """As of the loader, and of copies that are over."""
        over = [copy for copy in self._copies if copy[1].query()]  # type: ignore[no-untyped-call]
        self._copies = self._copies[len(over) :]
        self._copying += sum(begin.elapsed_time(end) for begin, end in over) / 1000
        return {**self.loader.seconds(), "transfer": self._copying}
