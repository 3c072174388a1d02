"""What the loaders of nodes and of links share: batches made ahead by threads in place of worker
processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils.data._utils.pin_memory import pin_memory
from torch_geometric.data import Data, HeteroData
from torch_geometric.sampler.base import SubgraphType

from relhop._native import Pipeline
from relhop.loader.ahead import made_ahead
from relhop.pyg.batches import DataAttributes, describe
from relhop.pyg.columns import Gathered, Wanted
from relhop.pyg.found import Sampled
from relhop.pyg.processors import usable_cpus
from relhop.pyg.sampler import SEEDS, NeighborSampler, Request
from relhop.pyg.store_attributes import Chosen, StoreAttributes


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
    custom_cls: Any
    _threads: int
    _ahead: int
    _chosen: tuple[Chosen, Chosen]
    _of_store: StoreAttributes | None

    def _set_up(
        self,
        sampler: NeighborSampler,
        num_threads: int | None,
        prefetch_batches: int | None,
        node_attrs: Chosen,
        edge_attrs: Chosen,
    ) -> None:
        """Keeps what is not PyG's.

        Raises:
            ValueError: If a number makes no sense, or attributes are chosen of data in memory.
            SchemaError: If there is no such attribute.
        """
        self._chosen, self._of_store = (node_attrs, edge_attrs), None
        if sampler.graph.store is None and self._chosen != (None, None):
            raise ValueError(
                "node_attrs and edge_attrs choose what is read of a store; leave them out of data in memory"
            )
        if sampler.graph.store is not None:
            self._attributes()
        threads = usable_cpus() if num_threads is None else num_threads
        ahead = 2 * threads if prefetch_batches is None else prefetch_batches
        if threads < 1 or ahead < 1:
            raise ValueError(f"num_threads is {threads} and prefetch_batches {ahead}; both are at least 1")
        self._threads, self._ahead = threads, ahead

    def _sampler(self) -> NeighborSampler:
        raise NotImplementedError

    def _request(self, inputs: Any) -> Request:
        """What the sampler is asked for a batch."""
        raise NotImplementedError

    def _describe(self, batch: Data | HeteroData, out: Sampled) -> None:
        """Adds what a batch says of its seeds."""
        raise NotImplementedError

    def filter_fn(self, out: Sampled, gathered: Gathered | None = None) -> Any:
        """The batch of what was sampled: the attributes of its nodes and edges, numbers, counts and seeds.

        Args:
            out: What was sampled.
            gathered: The attributes that were read already.
        """
        if self.transform_sampler_output:
            out = self.transform_sampler_output(out)
        batch = self._attributes().batch(out, gathered or Gathered(), self.custom_cls)
        describe(batch, out)
        self._describe(batch, out)
        return batch if self.transform is None else self.transform(batch)

    def _attributes(self) -> DataAttributes | StoreAttributes:
        """What batches hold: of data in memory, all that it holds now."""
        graph = self._sampler().graph
        if graph.store is None:
            return DataAttributes(self.data, graph)
        if self._of_store is None or self._of_store.graph is not graph:
            node_attrs, edge_attrs = self._chosen
            added = self.data[0].added
            self._of_store = StoreAttributes(graph.store, graph, node_attrs, edge_attrs, added)
        return self._of_store

    def _get_iterator(self) -> Iterator[Any]:
        if self.num_workers > 0:
            iterator: Iterator[Any] = super()._get_iterator()  # type: ignore[misc]
            return iterator
        return self._epoch()

    def _epoch(self) -> Iterator[Any]:
        sampler, wanted = self._sampler(), self._wanted()
        seed = int(torch.randint(SEEDS, (), generator=self.generator))
        pipeline = Pipeline(
            sampler.graph.topology,
            [one.native for one in wanted],
            sampler.options(seed),
            self._threads,
            self._ahead,
        )
        requests = (self._request(self.input_data[index]) for index in self._index_sampler)
        pins = self.pin_memory and torch.cuda.is_available()
        for request, made in made_ahead(pipeline, requests):
            batch = self.filter_fn(sampler.output(request, made), Gathered.of(wanted, made["features"]))
            yield pin_memory(batch) if pins else batch  # type: ignore[no-untyped-call]

    def _wanted(self) -> list[Wanted]:
        """What native threads read. Nothing where nodes and edges are known only later."""
        if self.transform_sampler_output:
            return []
        bidirectional = self._sampler().subgraph_type == SubgraphType.bidirectional
        return self._attributes().wanted(edges=not bidirectional)


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
