"""Batches -> the same batches on a device, where each is copied while the one before is computed on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor
from torch_frame import TensorFrame
from torch_geometric.loader import PrefetchLoader

from relhop.loader import SeedLoader
from relhop.loader.hot_rows import HotRows


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


def copied_ahead(loader: SeedLoader, device: torch.device | str, hot: HotRows | None = None) -> Batches:
    """The loader's batches on a device.

    To a GPU each batch is copied out of pinned memory (torch keeps and reuses it) on a stream of its own, so
    that the copy overlaps with the computation on the batch before. On the CPU this is the loader itself,
    without hot rows.

    Args:
        loader: Makes the batches; of `hot` it leaves out what that holds, also for other takers.
        device: Where they go.
        hot: Rows of the loader's store that are there already.
    """
    if hot is not None:
        loader.leave_out(hot.held)
    if torch.device(device).type != "cpu":
        return _CopiedAhead(loader, torch.device(device), hot)
    return loader if hot is None else _Completed(loader, hot)


class _Completed:
    """Batches with the rows that were left out of them."""

    def __init__(self, loader: SeedLoader, hot: HotRows) -> None:
        self._loader, self._hot = loader, hot

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[Any]:
        return map(self._hot.complete, self._loader)

    def seconds(self) -> dict[str, float]:
        """As of the loader."""
        return self._loader.seconds()


class _CopiedAhead(PrefetchLoader):  # type: ignore[misc]
    """PyG's loader that copies ahead, which counts the seconds that copies take."""

    def __init__(self, loader: SeedLoader, device: torch.device, hot: HotRows | None) -> None:
        super().__init__(loader, device)
        self._hot = hot
        self._copies: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []
        self._copying = 0.0

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        """One epoch."""
        for batch in super().__iter__():
            # Its memory is of the stream of copies, which would give it to a batch while this one is used.
            for tensor in tensors_of(batch):
                tensor.record_stream(torch.cuda.current_stream())
            yield batch

    def non_blocking_transfer(self, batch: Any) -> Any:
        """The batch on its way to the device, on the stream of copies."""
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        begin.record()
        moved = super().non_blocking_transfer(batch)
        if self._hot is not None:
            moved = self._hot.complete(moved)
        end.record()
        self._copies.append((begin, end))
        return moved

    def seconds(self) -> dict[str, float]:
        """As of the loader, and of copies that are over."""
        over = [copy for copy in self._copies if copy[1].query()]  # type: ignore[no-untyped-call]
        self._copies = self._copies[len(over) :]
        self._copying += sum(begin.elapsed_time(end) for begin, end in over) / 1000
        return {**self.loader.seconds(), "transfer": self._copying}


def tensors_of(data: Any) -> Iterator[Tensor]:
    """All tensors of a batch, those of its frames included."""
    if isinstance(data, Tensor):
        yield data
    elif isinstance(data, TensorFrame):
        yield from tensors_of(data.feat_dict)
    elif isinstance(data, Mapping):
        yield from tensors_of(list(data.values()))
    elif isinstance(data, list | tuple):
        for value in data:
            yield from tensors_of(value)
    elif hasattr(data, "stores"):
        for store in data.stores:
            yield from tensors_of(store.to_dict())
    elif hasattr(data, "offset"):
        yield from (data.values, data.offset)
