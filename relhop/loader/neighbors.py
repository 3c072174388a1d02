"""PyG's `NeighborLoader` on relhop's sampler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor
from torch_geometric.data import Data, HeteroData
from torch_geometric.loader import NeighborLoader as PyGNeighborLoader
from torch_geometric.loader import NodeLoader
from torch_geometric.sampler.base import SubgraphType

from relhop.loader.threads import ThreadedLoader, sampler_of
from relhop.pyg.backend import with_backend
from relhop.pyg.batches import describe_nodes
from relhop.pyg.found import Sampled
from relhop.pyg.sampler import NeighborSampler, Request
from relhop.pyg.seeds import check_lengths, seed_nodes
from relhop.pyg.store_attributes import Chosen
from relhop.schema import EdgeType


class NeighborLoader(ThreadedLoader, PyGNeighborLoader):  # type: ignore[misc]
    """Batches of seed nodes and their sampled neighborhoods, as `torch_geometric.loader.NeighborLoader`
    gives them.

    The same arguments, defaults and batches, with neither pyg-lib nor torch-sparse, from data in memory and
    from a store that is larger than memory. Batches are sampled ahead by native threads; `num_workers` is
    not needed, and works as in PyG.

    Each batch is a `Data` (of homogeneous graphs) or a `HeteroData`, with the attributes of its nodes and
    edges, and:

    - `edge_index`: int64 [2, E], positions in the batch, from neighbors to what they were found for;
    - `n_id`, `e_id`: the numbers of its nodes and edges, int64, as the user gave them;
    - `batch_size`: how many of the first nodes are the seeds;
    - `input_id`: the seeds' places in `input_nodes`; `seed_time`: their `input_time`;
    - `num_sampled_nodes`, `num_sampled_edges`: counts per hop, hops + 1 and hops of them, for
      `torch_geometric.utils.trim_to_layer`;
    - `batch`: which seed's subgraph a node is in, int64, where these are disjoint.

    Args:
        data: A `relhop.Store`, its `(feature_store, graph_store)`, or a `Data` or `HeteroData`.
        num_neighbors: Neighbors to sample of each node in each hop, as a list for all edge types or a dict
            of lists by edge type. -1: all.
        input_nodes: The seeds: their numbers (int64), a mask (bool), or None for all nodes; of
            heterogeneous graphs `(node_type, numbers or mask or None)`, or `node_type` for all.
        input_time: The seeds' times, integers; by default their own in `time_attr`, which must be given.
        replace: Whether to sample with replacement.
        subgraph_type: "directional": the edges that were sampled, which is what as many layers as hops need;
            "bidirectional": these both ways; "induced": all edges among the sampled nodes.
        disjoint: Whether each seed has a subgraph of its own; always so with times.
        temporal_strategy: "uniform": neighbors are drawn among those that are visible at the seed's time;
            "last": the newest of these.
        time_attr: The attribute of nodes or of edges that holds times. Nodes or edges later than the seed's
            time are not sampled.
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
        input_nodes: Any = None,
        input_time: Tensor | None = None,
        replace: bool = False,
        subgraph_type: SubgraphType | str = "directional",
        disjoint: bool = False,
        temporal_strategy: str = "uniform",
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
        if input_time is not None and time_attr is None and neighbor_sampler is None:
            raise ValueError("input_time is set, but not time_attr; name the attribute that holds the times")
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
        NodeLoader.__init__(
            self,
            data,
            sampler,
            seed_nodes(sampler.graph, input_nodes),
            input_time,
            transform,
            transform_sampler_output,
            filter_per_worker,
            **kwargs,
        )
        check_lengths(self.input_data.node, input_time=input_time)
        sampler.check_times(self.input_data.input_type, input_time)
        self._set_up(sampler, num_threads, prefetch_batches, node_attrs, edge_attrs)

    def _sampler(self) -> NeighborSampler:
        sampler: NeighborSampler = self.node_sampler
        return sampler

    def _request(self, inputs: Any) -> Request:
        return self._sampler().request_of_nodes(inputs)

    def _describe(self, batch: Data | HeteroData, out: Sampled) -> None:
        describe_nodes(batch, out, self.input_data.input_type)
