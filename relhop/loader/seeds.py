"""Seeds -> a stream of batches, sampled and gathered ahead by native threads.

Native threads sample neighborhoods and gather rows without the GIL, a batch each, a few
batches ahead; this thread only names the arrays and wraps them as a PyG `HeteroData`. There are no worker
processes. The loader knows nothing of models.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from torch_geometric.data import HeteroData

from relhop import _native
from relhop.aggregate_features import AggregateFeatures
from relhop.delays import NO_DELAY, Delay
from relhop.features import AttributeReader, FeatureReader, ReadStats, RowFeatures
from relhop.loader.example_aggregates import ExampleAggregates
from relhop.loader.frames import tensor_frame
from relhop.pyg.columns import tensor_of
from relhop.sampling import Fanouts, SeedSampler, Strategies, Subgraphs
from relhop.schema import EdgeType
from relhop.store.reader import Store
from relhop.training_table import TrainingTable

_AHEAD = 2
"""Batches a thread may have ready beyond what the consumer took: bounds the memory. With tables on disk one
thread reads all batches."""


_Seeds: TypeAlias = tuple[
    np.ndarray[Any, np.dtype[np.uint32]],
    np.ndarray[Any, np.dtype[np.int64]],
    np.ndarray[Any, np.dtype[np.int64]],
]


@dataclass(frozen=True)
class LoaderStats:
    """What a loader did since it was made.

    Attributes:
        batches: Batches that the consumer got.
        waited: Seconds that the consumer waited for them.
        tables: What was read from disk, by table or, of lists, text and tensors, by `table.column`; those on
            disk only.
        sampling: Seconds that native threads sampled, of all threads together.
        gathering: Seconds that native threads gathered rows.
    """

    batches: int
    waited: float
    tables: Mapping[str, ReadStats]
    sampling: float
    gathering: float

    @property
    def total(self) -> ReadStats:
        """What was read from disk of all tables."""
        return sum(self.tables.values(), ReadStats())


@dataclass(frozen=True)
class _Source:
    """What is read of a batch's nodes of one table."""

    native: _native.FeatureTable
    table: int
    row_bytes: int
    is_on_disk: bool

    def stats_of(self, native: dict[str, Any]) -> ReadStats:
        """What the native reader counted."""
        return ReadStats(record_bytes=native["records"] * self.row_bytes, **native)


class SeedLoader:
    """Batches of neighborhoods, one per row of a training or prediction table.

    Each batch is a `HeteroData` with every table and edge type of the schema (empty ones too):

    - per table: `tf` (a torch_frame `TensorFrame`; absent where the table has no features), `row` (store
      rows), `n_id` (positions in the user's input), `batch` (which seed's subgraph), `time` (int64
      microseconds; timed tables only), `num_sampled_nodes` (hops + 1 counts);
    - per edge type: `edge_index` int64 [2, E], from the neighbor to the node nearer to the seed, and
      `num_sampled_edges`;
    - on the entity's table, whose first `batch_size` nodes are the seeds: `input_id` (rows of the training
      table), `seed_time` (int64 microseconds), `batch_size` and, where there are any, labels `y`, `weight`
      and `aggregates` (float32 [B, width], see `relhop.aggregate_features`).

    Of a `tf`, `numerical` is float32 with NaN for null: the numerical columns, then per timestamp column
    `c` its age `c (age)` in days at the seed's anchor time; `categorical` holds the store's int64 codes
    with -1 for null; `timestamp` holds calendar fields as torch_frame lays them out, -1 for null;
    `multicategorical` is a `MultiNestedTensor` of the store's int64 codes, null as a list of -1; `embedding`
    is a `MultiEmbeddingTensor`, float32, of text and of tensors of floats, flattened, with NaN for null
    text.

    Args:
        store: What to read; under `as_of` nothing later exists.
        table: Seeds, anchor times and labels.
        num_neighbors: See `SeedSampler`.
        strategies: See `SeedSampler`.
        metapaths: See `SeedSampler`.
        adaptive: See `SeedSampler`.
        batch_size: Seeds a batch; the last batch may be smaller.
        shuffle: Whether to go through the seeds in a new random order each epoch.
        seed: Key of the order and of the sampler's draws.
        num_threads: Native threads; changes speed only, never a batch.
        look_ahead: With tables on disk: how many batches, 0 to 1024, are sampled beyond those that are read,
            so that rows which they want stay in the pool. Takes the memory of their samples, and of each of
            their rows 12 bytes and, the first time, 24 more. By default as many as are of use, those with up
            to seven times the rows that the pool has room for, while all of that takes no more than 512 MiB;
            an epoch begins with 8, and looks one more ahead for each batch that was read. Changes speed only,
            never a batch.
        max_batches: Batches an epoch, at most; where `shuffle` is set, an epoch draws its seeds of all.
        delay: Each example sees no row newer than its anchor time minus this, but always its own entity; ages
            count from the anchor time. A range is drawn from anew for each example and epoch.
        aggregates: Windowed aggregates of each example's past to bring along. Takes a DuckDB query of a
            thread for every 32,768 examples, again each epoch where `delay` is a range or their numbers
            take more than 256 MiB.

    Attributes:
        wide: The readers of columns of lists, text and tensors, by table and column.
        share: The number of this process and how many there are: a batch brings only each such seed of the
            whole one, and the first, with weight 0, where that is none.
    """

    share: tuple[int, int] = (0, 1)

    def __init__(  # noqa: PLR0913
        self,
        store: Store,
        table: TrainingTable,
        num_neighbors: Fanouts,
        *,
        strategies: Strategies = "recency",
        metapaths: Sequence[Sequence[EdgeType]] = (),
        adaptive: bool = False,
        batch_size: int = 512,
        shuffle: bool = False,
        seed: int = 0,
        num_threads: int = 2,
        look_ahead: int | None = None,
        max_batches: int | None = None,
        delay: Delay = NO_DELAY,
        aggregates: AggregateFeatures | None = None,
    ) -> None:
        self.store, self.table = store, table
        self.batch_size, self.shuffle, self.seed, self.delay = batch_size, shuffle, seed, delay
        self.num_threads, self.look_ahead, self.max_batches = num_threads, look_ahead, max_batches
        self._sampler = SeedSampler(
            store, num_neighbors, strategies, random_seed=seed, metapaths=metapaths, adaptive=adaptive
        )
        self._rows, self._times = self._sampler.check_seeds(
            table.entity_table, table.rows, table.anchor_times
        )
        self._readers = {name: FeatureReader(stored) for name, stored in store.tables.items()}
        self.wide = {
            (name, column): stored.attributes[column]
            for name, stored in store.tables.items()
            for column in stored.wide_columns
        }
        self._batches, self._waited, self._sampling, self._gathering = 0, 0.0, 0.0, 0.0
        self._sources = self._find_sources()
        self._read = {name: ReadStats() for name, source in self._sources.items() if source.is_on_disk}
        self._pipelines: weakref.WeakSet[_native.Pipeline] = weakref.WeakSet()
        self._aggregates = (
            None
            if aggregates is None
            else ExampleAggregates(
                aggregates, store, self._rows, self._times, batch_size, varies=not delay.is_fixed
            )
        )
        self._epoch, self._start = 0, 0
        self._held: Mapping[tuple[str, str], _native.HeldRows] = {}

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        return -(-self.num_examples // self.batch_size)

    @property
    def num_examples(self) -> int:
        """How many examples an epoch has."""
        if self.max_batches is None:
            return len(self.table)
        return min(len(self.table), self.max_batches * self.batch_size)

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Chooses the order of the seeds and the sampler's draws; an epoch always gives the same batches.

        Args:
            epoch: Key of the order and the draws.
            start: The batch that comes first; those before it are not sampled.
        """
        self._epoch, self._start = epoch, start

    def order(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The examples of an epoch, int64 [n], in the order in which they come."""
        if not self.shuffle:
            return np.arange(self.num_examples)
        rng = np.random.default_rng([self.seed, self._epoch])
        if self.num_examples == len(self.table):
            return rng.permutation(self.num_examples)
        return rng.choice(len(self.table), self.num_examples, replace=False)

    def presample(self) -> Iterator[dict[str, np.ndarray[Any, np.dtype[np.int64]]]]:
        """By table the rows of each batch of the epoch, int64 [N], without their features."""
        order, delays = self.order(), self._delays()
        options = self._sampler.options(self._epoch)
        for begin in range(0, len(order), self.batch_size):
            seeds = self._seeds(self._own(order[begin : begin + self.batch_size]), delays)
            sampled = self._sampler.topology.sample(options, *seeds, self.num_threads)
            yield {name: nodes["rows"] for name, nodes in zip(self._readers, sampled["nodes"], strict=False)}

    def leave_out(self, held: Mapping[tuple[str, str], _native.HeldRows]) -> None:
        """Of some columns of text or tensors, batches bring only the rows that are not held.

        Batches have these columns in `rest` in place of `tf`, by table: of each the place of every row among
        those that are held (int64 [N], 0 of others), the places of the others in the batch (int64 [n]), and
        the others' values [n, *shape].

        Args:
            held: By table and column.
        """
        self._held = held

    def __iter__(self) -> Iterator[HeteroData]:
        """One epoch, from the batch that `set_epoch` named. Leaving early, an error or Ctrl-C stops the
        native threads.
        """
        order = self.order()
        input_ids = order[self._start * self.batch_size :]
        pipeline = _native.Pipeline(
            self._sampler.topology,
            [(source.native, False, source.table) for source in self._sources.values()],
            self._sampler.options(self._epoch),
            self.num_threads,
            _AHEAD if self._read else _AHEAD * self.num_threads,
            self.look_ahead,
            [None] * len(self._readers) + [self._held.get(name) for name in self.wide],
        )
        self._pipelines.add(pipeline)
        whole = [input_ids[i : i + self.batch_size] for i in range(0, len(input_ids), self.batch_size)]
        batches = [self._own(ids) for ids in whole]
        delays = self._delays()
        if self._aggregates is not None:
            self._aggregates.begin(order, delays)
        try:
            put = 0
            for taken, ids in enumerate(batches):
                for seeds in batches[put : taken + pipeline.capacity]:
                    pipeline.put(*self._seeds(seeds, delays))
                    put += 1
                asked = time.perf_counter()
                batch = pipeline.next()
                self._waited += time.perf_counter() - asked
                assert batch is not None, "a batch was put"
                self._batches += 1
                data = self._assemble(batch, ids)
                if self._aggregates is not None:
                    found = self._aggregates.of(self._start + taken, ids)
                    data[self.table.entity_table].aggregates = torch.from_numpy(found)
                if self.share[0] >= len(whole[taken]):
                    data[self.table.entity_table].weight = torch.zeros(len(ids))
                yield data
        finally:
            pipeline.close()
            self._count(pipeline)

    def stats(self) -> LoaderStats:
        """What this loader did so far, over all its epochs; what was read ahead of the consumer included."""
        for pipeline in list(self._pipelines):
            self._count(pipeline)
        return LoaderStats(self._batches, self._waited, dict(self._read), self._sampling, self._gathering)

    def seconds(self) -> dict[str, float]:
        """Seconds so far that native threads sampled and gathered rows, and that the consumer idled."""
        stats = self.stats()
        return {"sampling": stats.sampling, "rows": stats.gathering, "idle": stats.waited}

    def _own(self, input_ids: np.ndarray[Any, np.dtype[np.int64]]) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The share of a batch; of one that is too small, its first seed, which then has no weight."""
        number, count = self.share
        return input_ids[number::count] if number < len(input_ids) else input_ids[:1]

    def _delays(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        return self.delay.draw(len(self._times), self.seed, self._epoch)

    def _seeds(
        self,
        input_ids: np.ndarray[Any, np.dtype[np.int64]],
        delays: np.ndarray[Any, np.dtype[np.int64]],
    ) -> _Seeds:
        """The number of each seed's table, its row and its time."""
        number = self._sampler.table_number(self.table.entity_table)
        tables = np.full(len(input_ids), number, np.uint32)
        return tables, self._rows[input_ids], self._times[input_ids] - delays[input_ids]

    def _count(self, pipeline: _native.Pipeline) -> None:
        """Adds what a pipeline did since the last time."""
        sampling, gathering = pipeline.take_seconds()
        self._sampling += sampling
        self._gathering += gathering
        for (name, source), native in zip(self._sources.items(), pipeline.take_stats(), strict=False):
            if name in self._read:
                self._read[name] += source.stats_of(native)

    def _find_sources(self) -> dict[str, _Source]:
        """What is read of each batch's nodes, by name: the records of all tables, then attributes."""
        tables = {name: number for number, name in enumerate(self._readers)}
        found = {
            name: _Source(
                reader.native,
                tables[name],
                self.store.tables[name].record_size,
                self.store.tables[name].disk is not None,
            )
            for name, reader in self._readers.items()
        }
        for (name, column), attribute in self.wide.items():
            found[f"{name}.{column}"] = _Source(
                attribute.native, tables[name], attribute.row_bytes, attribute.disk is not None
            )
        return found

    def _assemble(self, native: dict[str, Any], input_ids: np.ndarray[Any, np.dtype[np.int64]]) -> HeteroData:
        subgraphs = Subgraphs.from_native(self.store.schema, native)
        data = HeteroData()
        seed_time = self._times[input_ids]
        records = native["features"][: len(self._readers)]
        wide: dict[str, dict[str, tuple[AttributeReader, dict[str, Any]]]] = {
            name: {} for name in self._readers
        }
        rest: dict[str, dict[str, tuple[torch.Tensor, ...]]] = {}
        gathered = native["features"][len(self._readers) :]
        for ((name, column), reader), found in zip(self.wide.items(), gathered, strict=True):
            if (name, column) in self._held:
                others = tensor_of(reader.of_native(found), reader.dtype)
                places = (torch.from_numpy(found[kind]) for kind in ("slots", "places"))
                rest.setdefault(name, {})[column] = (*places, others)
            else:
                wide[name][column] = (reader, found)
        for (name, nodes), columns in zip(subgraphs.nodes.items(), records, strict=True):
            features = RowFeatures(**columns)
            assert nodes.batch is not None, "subgraphs are disjoint"
            out = data[name]
            out.num_nodes = len(nodes.rows)
            out.row = torch.from_numpy(nodes.rows)
            out.n_id = torch.from_numpy(features.position)
            out.batch = torch.from_numpy(nodes.batch)
            out.num_sampled_nodes = nodes.num_per_hop
            if features.time is not None:
                out.time = torch.from_numpy(features.time)
            frame = tensor_frame(features, self._readers[name].columns, seed_time[nodes.batch], wide[name])
            if frame is not None:
                out.tf = frame
            if name in rest:
                out.rest = rest[name]
        for edge_type, edges in subgraphs.edges.items():
            data[edge_type].edge_index = torch.from_numpy(np.stack([edges.source, edges.target]))
            data[edge_type].num_sampled_edges = edges.num_per_hop
        entity = data[self.table.entity_table]
        entity.batch_size = len(input_ids)
        entity.input_id = torch.from_numpy(input_ids)
        entity.seed_time = torch.from_numpy(seed_time)
        labels = self.table.labels(input_ids)
        if labels is not None:
            entity.y = torch.from_numpy(labels)
        if self.table.weight is not None:
            entity.weight = torch.from_numpy(self.table.weight[input_ids])
        return data
