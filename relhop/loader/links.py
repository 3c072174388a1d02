"""PyG's `LinkNeighborLoader` on relhop's sampler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor
from torch_geometric.data import Data, HeteroData
from torch_geometric.loader import LinkLoader
from torch_geometric.loader import LinkNeighborLoader as PyGLinkNeighborLoader
from torch_geometric.sampler import NegativeSampling
from torch_geometric.sampler.base import SubgraphType

from relhop.loader.threads import ThreadedLoader, sampler_of
from relhop.pyg.backend import with_backend
from relhop.pyg.batches import describe_links
from relhop.pyg.found import Sampled
from relhop.pyg.sampler import NeighborSampler, Request
from relhop.pyg.seeds import check_lengths, seed_links
from relhop.pyg.store_attributes import Chosen
from relhop.schema import EdgeType


class LinkNeighborLoader(ThreadedLoader, PyGLinkNeighborLoader):  # type: ignore[misc]
    """Batches of seed links and their ends' neighborhoods, as `torch_geometric.loader.LinkNeighborLoader`
    gives them.

    The same arguments, defaults and batches, with neither pyg-lib nor torch-sparse, from data in memory and
    from a store that is larger than memory. Batches are what `NeighborLoader`'s are (but for `batch_size`
    and `seed_time`), and on the seeds' edge type:

    - `input_id`: the links' places in `edge_label_index`;
    - `edge_label_index`: int64 [2, links], positions of their ends in the batch, negative links last;
    - `edge_label`: their labels, 0 of negative ones; `edge_label_time`: their times.

    Of triplets, in place of the last three, on the node types: `src_index`, `dst_pos_index`,
    `dst_neg_index` (int64 [links], or [links, amount]), and `seed_time`.

    Args:
        data: A `relhop.Store`, its `(feature_store, graph_store)`, or a `Data` or `HeteroData`.
        num_neighbors: Neighbors to sample of each node in each hop, as a list for all edge types or a dict
            of lists by edge type. -1: all.
        edge_label_index: The seed links, int64 [2, links], or None for all edges; of heterogeneous graphs
            `(edge_type, links or None)`, or `edge_type` for all.
        edge_label: Their labels.
        edge_label_time: Their times, integers; `time_attr` must be given with them. Neighbors later than a
            link are not sampled.
        replace: Whether to sample with replacement.
        subgraph_type: "directional", "bidirectional" or "induced"; see `NeighborLoader`.
        disjoint: Whether the ends of each link have subgraphs of their own; always so with times.
        temporal_strategy: "uniform" or "last"; see `NeighborLoader`.
        neg_sampling: Links that are not there, or hardly: `NegativeSampling`, or a dict of its arguments.
            "binary": pairs of nodes drawn at random, with label 0, the labels of positive links being
            lifted to begin at 1; "triplet": for each link so many other targets. They may happen to be edges.
        neg_sampling_ratio: Deprecated by PyG: `NegativeSampling("binary", ratio)`.
        time_attr: The attribute of nodes or of edges that holds times.
        weight_attr: The attribute of edges that holds weights; neighbors are drawn in proportion to it.
        transform: Called on each batch; what it returns is given.
        transform_sampler_output: Called on what the sampler found, before attributes are read.
        is_sorted: Not needed here; what is sorted already is sorted quickly.
        filter_per_worker: With `num_workers`: whether workers read attributes, or this process does.
        neighbor_sampler: A `relhop.NeighborSampler` to be shared with other loaders, in place of
            `num_neighbors` and all that says how to sample.
        directed: Deprecated by PyG; False means `subgraph_type="induced"`.
        num_threads: Batches that are sampled at once; by default as many as there are processors. Changes
            no batch.
        prefetch_batches: Batches that are made ahead; by default two a thread.
        node_attrs: Of a store: the attributes of nodes that are read, as a list of names for all node
            types, or a dict of lists by node type (of others none); by default all.
        edge_attrs: The same of edges.
        **kwargs: Of `torch.utils.data.DataLoader`: `batch_size`, `shuffle`, `drop_last`, `num_workers` and
            others.

    Raises:
        ValueError: On arguments that have no meaning or exclude each other.
        NotImplementedError: On what cannot be offered; says what to use.
    """

    def __init__(  # noqa: PLR0913
        self,
        data: Any,
        num_neighbors: list[int] | Mapping[EdgeType, list[int]],
        edge_label_index: Any = None,
        edge_label: Tensor | None = None,
        edge_label_time: Tensor | None = None,
        replace: bool = False,
        subgraph_type: SubgraphType | str = "directional",
        disjoint: bool = False,
        temporal_strategy: str = "uniform",
        neg_sampling: NegativeSampling | dict[str, Any] | None = None,
        neg_sampling_ratio: int | float | None = None,
        time_attr: str | None = None,
        weight_attr: str | None = None,
        transform: Callable[[Any], Any] | None = None,
        transform_sampler_output: Callable[[Any], Any] | None = None,
        is_sorted: bool = False,
        filter_per_worker: bool | None = None,
        neighbor_sampler: NeighborSampler | None = None,
        directed: bool = True,
        *,
        num_threads: int | None = None,
        prefetch_batches: int | None = None,
        node_attrs: Chosen = None,
        edge_attrs: Chosen = None,
        **kwargs: Any,
    ) -> None:
        if neighbor_sampler is None and (edge_label_time is not None) != (time_attr is not None):
            given, missing = ("edge_label_time", "time_attr")[:: 1 if time_attr is None else -1]
            raise ValueError(f"'{given}' is set, but '{missing}' is not set; temporal sampling needs both")
        data = with_backend(data)
        sampler = sampler_of(
            neighbor_sampler,
            lambda: NeighborSampler(
                data,
                num_neighbors,
                subgraph_type,
                replace,
                disjoint,
                temporal_strategy,
                time_attr,
                weight_attr,
                is_sorted,
                directed=directed,
            ),
        )
        LinkLoader.__init__(
            self,
            data,
            sampler,
            seed_links(sampler.graph, data, edge_label_index),
            edge_label,
            edge_label_time,
            neg_sampling,
            neg_sampling_ratio,
            transform,
            transform_sampler_output,
            filter_per_worker,
            **kwargs,
        )
        check_lengths(self.input_data.row, edge_label=edge_label, edge_label_time=edge_label_time)
        self._set_up(sampler, num_threads, prefetch_batches, node_attrs, edge_attrs)

    def _sampler(self) -> NeighborSampler:
        sampler: NeighborSampler = self.link_sampler
        return sampler

    def _request(self, inputs: Any) -> Request:
        return self._sampler().request_of_edges(inputs, self.neg_sampling)

    def _describe(self, batch: Data | HeteroData, out: Sampled) -> None:
        describe_links(batch, out, self.input_data.input_type, self.neg_sampling)
