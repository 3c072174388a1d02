"""What the loaders of nodes and of links share: batches made ahead by threads in place of worker processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils.data._utils.pin_memory import pin_memory
from torch_geometric.data import Data, HeteroData

from relhop.loader.ahead import sampled_ahead, usable_cpus
from relhop.pyg.batches import batch_of_data, describe
from relhop.pyg.sampler import NeighborSampler, Request, Sampled

_SEEDS = 1 << 62
"""Random seeds of epochs are below."""


class ThreadedLoader:
    """Beside a loader of PyG's: the iterator and the filter that read relhop's sampler."""

    data: Any
    input_data: Any
    num_workers: int
    pin_memory: bool
    generator: torch.Generator | None
    transform: Callable[[Any], Any] | None
    transform_sampler_output: Callable[[Any], Any] | None
    _index_sampler: Any
    _threads: int
    _ahead: int

    def _set_threads(self, num_threads: int | None, prefetch_batches: int | None) -> None:
        threads = usable_cpus() if num_threads is None else num_threads
        ahead = 2 * threads if prefetch_batches is None else prefetch_batches
        if threads < 1 or ahead < 0:
            raise ValueError(
                f"num_threads is {threads} and prefetch_batches {ahead}; give at least 1 and at least 0"
            )
        self._threads, self._ahead = threads, ahead

    def _sampler(self) -> NeighborSampler:
        raise NotImplementedError

    def _request(self, inputs: Any) -> Request:
        """What the sampler is asked for a batch."""
        raise NotImplementedError

    def _describe(self, batch: Data | HeteroData, out: Sampled) -> None:
        """Adds what a batch says of its seeds."""
        raise NotImplementedError

    def filter_fn(self, out: Sampled) -> Any:
        """The batch of what was sampled: the attributes of its nodes and edges, numbers, counts and seeds."""
        if self.transform_sampler_output:
            out = self.transform_sampler_output(out)
        batch = batch_of_data(self.data, out)
        describe(batch, out)
        self._describe(batch, out)
        return batch if self.transform is None else self.transform(batch)

    def _get_iterator(self) -> Iterator[Any]:
        if self.num_workers > 0:
            iterator: Iterator[Any] = super()._get_iterator()  # type: ignore[misc]
            return iterator
        return self._epoch()

    def _epoch(self) -> Iterator[Any]:
        seed = int(torch.randint(_SEEDS, (), generator=self.generator))
        requests = (self._request(self.input_data[index]) for index in self._index_sampler)
        pins = self.pin_memory and torch.cuda.is_available()
        for request, found in sampled_ahead(self._sampler(), requests, seed, self._threads, self._ahead):
            batch = self.filter_fn(self._sampler().output(request, found))
            yield pin_memory(batch) if pins else batch


def sampler_of(given: Any, make: Callable[[], NeighborSampler]) -> NeighborSampler:
    """The sampler that a user gave, or a new one.

    Raises:
        TypeError: If it is not relhop's.
    """
    if given is None:
        return make()
    if not isinstance(given, NeighborSampler):
        raise TypeError(
            f"neighbor_sampler is {type(given).__name__}; give a relhop.NeighborSampler, or use"
            " torch_geometric.loader.NodeLoader or LinkLoader, which take any sampler"
        )
    return given
