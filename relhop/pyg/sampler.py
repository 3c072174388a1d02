"""relhop's sampler as PyG's `BaseSampler`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch_geometric.sampler import (
    BaseSampler,
    EdgeSamplerInput,
    HeteroSamplerOutput,
    NegativeSampling,
    NodeSamplerInput,
    SamplerOutput,
)
from torch_geometric.sampler.base import NumNeighbors, SubgraphType
from torch_geometric.sampler.neighbor_sampler import edge_sample, node_sample

from relhop import _native
from relhop.errors import nearest
from relhop.pyg.found import Sampled
from relhop.pyg.graph_data import GraphData, Int64s, NodeKey
from relhop.pyg.graphs import graph_of
from relhop.schema import EdgeType
from relhop.times import NULL_TIME

SEEDS = 1 << 62
"""Random seeds of draws are below."""


@dataclass(frozen=True, eq=False)
class Request:
    """The seeds of a batch, as the native sampler takes them.

    Attributes:
        tables: Their tables, uint32 [B].
        rows: Their rows, int64 [B].
        times: Their anchor times, int64 microseconds [B]; null where everything is visible.
        examples: Which example of the batch each is of, int64 [B].
        metadata: What PyG's loaders say of the batch.
    """

    tables: np.ndarray[tuple[int], np.dtype[np.uint32]]
    rows: Int64s
    times: Int64s
    examples: Tensor
    metadata: tuple[Any, ...]


class NeighborSampler(BaseSampler):  # type: ignore[misc]
    """Samples neighborhoods as `torch_geometric.sampler.NeighborSampler` does, with neither pyg-lib nor
    torch-sparse.

    `torch_geometric.loader.NodeLoader(..., node_sampler=...)` and `LinkLoader(..., link_sampler=...)` take
    it. What differs from pyg-lib's: draws are uniform whatever the degree; a seed that repeats is a node
    each time; neighbors of weight 0 are drawn only by a fanout of -1; draws are keyed by one number of
    PyTorch's generator, so that they do not depend on the number of threads.

    Args:
        data: A `relhop.Store`, its `(feature_store, graph_store)`, or a `Data` or `HeteroData`.
        num_neighbors: Neighbors per hop, of all edge types or by edge type; -1: all.
        subgraph_type: "directional": the edges that were followed; "bidirectional": both ways; "induced":
            all edges among the nodes.
        replace: Whether to draw with replacement.
        disjoint: Whether each seed has a subgraph of its own; always so with times.
        temporal_strategy: With times: "uniform" draws among what is visible, "last" takes the newest.
        time_attr: The attribute of nodes or of edges that holds times. Of a store: the name of a time
            column; all of its times are heeded.
        weight_attr: The attribute of edges that neighbors are drawn in proportion to.
        is_sorted: Not needed here: what is sorted already is sorted quickly.
        share_memory: Not needed here: workers share what is in memory.
        directed: Deprecated by PyG; False means "induced".
        sample_direction: Only "forward".
        num_threads: Threads that a batch is split over; changes no batch.

    Raises:
        ValueError: On arguments that have no meaning or exclude each other.
        NotImplementedError: On what cannot be offered; says what to use.
    """

    def __init__(  # noqa: PLR0913
        self,
        data: Any,
        num_neighbors: NumNeighbors | list[int] | Mapping[EdgeType, list[int]],
        subgraph_type: SubgraphType | str = "directional",
        replace: bool = False,
        disjoint: bool = False,
        temporal_strategy: str = "uniform",
        time_attr: str | None = None,
        weight_attr: str | None = None,
        is_sorted: bool = False,
        share_memory: bool = False,
        directed: bool = True,
        sample_direction: Literal["forward", "backward"] = "forward",
        *,
        num_threads: int = 1,
    ) -> None:
        if sample_direction != "forward":
            raise NotImplementedError(
                "neighbors are found against the edges only; reverse edge_index, or use"
                " torch_geometric.sampler.NeighborSampler"
            )
        if temporal_strategy not in ("uniform", "last"):
            raise ValueError(f"temporal_strategy is {temporal_strategy!r}; choose 'uniform' or 'last'")
        last = time_attr is not None and temporal_strategy == "last"
        if last and (replace or weight_attr is not None):
            other = "replace" if replace else "weight_attr"
            raise ValueError(
                f"temporal_strategy='last' draws nothing, so that {other} has no meaning beside it"
            )
        self._graph = graph_of(data, time_attr, weight_attr)
        self.subgraph_type = SubgraphType(subgraph_type) if directed else SubgraphType.induced
        self.replace, self.temporal_strategy, self.weight_attr = replace, temporal_strategy, weight_attr
        self.num_threads, self._disjoint = num_threads, disjoint
        self.num_neighbors = (
            num_neighbors if isinstance(num_neighbors, NumNeighbors) else NumNeighbors(_plain(num_neighbors))
        )
        self._rules()

    @property
    def graph(self) -> GraphData:
        """What it samples."""
        self._graph = self._graph.here()
        return self._graph

    @property
    def is_temporal(self) -> bool:
        """Whether seeds see only what was there at their times."""
        return self.graph.time_attr is not None

    @property
    def disjoint(self) -> bool:
        """Whether each seed has a subgraph of its own."""
        return self._disjoint or self.is_temporal

    def sample_from_nodes(self, inputs: NodeSamplerInput, **kwargs: Any) -> Sampled:
        """The neighborhoods of nodes.

        Raises:
            IndexError: If there is no such node.
            ValueError: If the seeds have no times, and it needs them.
        """
        return self._now(self.request_of_nodes(inputs))

    def sample_from_edges(
        self, inputs: EdgeSamplerInput, neg_sampling: NegativeSampling | None = None, **kwargs: Any
    ) -> Sampled:
        """The neighborhoods of edges' ends, and of edges that are not there.

        Raises:
            IndexError: If there is no such node.
            ValueError: If the seeds have no times, and it needs them.
        """
        return self._now(self.request_of_edges(inputs, neg_sampling))

    def request_of_nodes(self, inputs: NodeSamplerInput) -> Request:
        """The seeds of nodes."""
        return self._request(lambda sample: node_sample(inputs, sample))

    def request_of_edges(
        self, inputs: EdgeSamplerInput, neg_sampling: NegativeSampling | None = None
    ) -> Request:
        """The seeds of edges' ends; draws the negative ones from PyTorch's generator."""
        times = None
        if self.graph.time_level == "node" and neg_sampling is not None:
            known = {key: n.times for key, n in self.graph.nodes.items() if n.time is not None}
            times = {key: torch.from_numpy(time) for key, time in known.items()}
        sizes = {key: n.num_nodes for key, n in self.graph.nodes.items()}
        homogeneous = self.graph.is_homogeneous
        return self._request(
            lambda sample: edge_sample(
                inputs,
                sample,
                sizes[None] if homogeneous else sizes,
                self.disjoint,
                (times or {}).get(None) if homogeneous else times,
                neg_sampling,
            )
        )

    def check_times(self, node_type: NodeKey, times: Tensor | None) -> None:
        """Raises ValueError unless seeds of a type have times, or need none."""
        if times is None and self.is_temporal and self.graph.nodes[node_type].time is None:
            raise ValueError(
                f"seeds need times, and the nodes{'' if node_type is None else f' {node_type!r}'} have no"
                f" '{self.graph.time_attr}' of their own; give input_time"
            )

    def options(self, random_seed: int) -> _native.SampleOptions:
        """What the native sampler needs beside topology and seeds."""
        induced = self.subgraph_type == SubgraphType.induced
        return _native.SampleOptions(
            self._rules(),
            random_seed,
            0,
            self.graph.caps,
            disjoint=self.disjoint,
            subgraph=_native.Subgraph.induced if induced else _native.Subgraph.directional,
            edge_ids=True,
        )

    def output(self, request: Request, native: Mapping[str, list[dict[str, Any]]]) -> Sampled:
        """What the native sampler found, in PyG's terms and numbers."""
        graph = self.graph
        node, batch, nodes_per_hop = {}, {}, {}
        for (node_type, nodes), found in zip(graph.nodes.items(), native["nodes"], strict=False):
            node[node_type] = torch.from_numpy(nodes.numbering.numbers(found["rows"]))
            batch[node_type] = (
                None if found["batch"] is None else request.examples[torch.from_numpy(found["batch"])]
            )
            nodes_per_hop[node_type] = found["num_per_hop"]
        row, col, edges_per_hop = {}, {}, {}
        edge: dict[Any, Tensor | None] = {}
        for (edge_type, edges), found in zip(graph.edges.items(), native["edges"], strict=True):
            row[edge_type] = torch.from_numpy(found["source"])
            col[edge_type] = torch.from_numpy(found["target"])
            edge[edge_type] = None
            if edges.numbering is not None:
                edge[edge_type] = torch.from_numpy(edges.numbering.numbers(found["ids"]))
            edges_per_hop[edge_type] = found["num_per_hop"]
        induced = self.subgraph_type == SubgraphType.induced
        parts: dict[str, Any] = {
            "node": node,
            "row": row,
            "col": col,
            "edge": edge,
            "batch": batch if self.disjoint else None,
            "num_sampled_nodes": nodes_per_hop,
            "num_sampled_edges": None if induced else edges_per_hop,
        }
        if graph.is_homogeneous:
            out = SamplerOutput(
                **{name: None if part is None else part[None] for name, part in parts.items()}
            )
        else:
            out = HeteroSamplerOutput(**parts)
        if self.subgraph_type == SubgraphType.bidirectional:
            out = out.to_bidirectional()
        out.metadata = request.metadata
        return out

    def _now(self, request: Request) -> Sampled:
        seed = int(torch.randint(SEEDS, ()))
        return self.output(request, self.sample(request, seed))

    def sample(self, request: Request, random_seed: int) -> dict[str, list[dict[str, Any]]]:
        """What the native sampler finds; any thread may call it."""
        return self.graph.topology.sample(
            self.options(random_seed),
            request.tables,
            request.rows,
            request.times,
            self.num_threads,
        )

    def _request(self, through: Callable[[Callable[..., Sampled]], Sampled]) -> Request:
        """The seeds that one of PyG's sampling functions asks for.

        PyG puts seeds together, samples, and then describes the result. Here the seeds are taken down, and
        what is described is an empty result, whose `batch` are the seeds' places: so PyG says of each seed
        which example of the batch it is of.
        """
        asked: list[tuple[NodeKey, Tensor, Tensor | None]] = []

        def note(seed: Any, seed_time: Any) -> Sampled:
            if self.graph.is_homogeneous:
                seed, seed_time = {None: seed}, {None: seed_time}
            asked.extend((key, ids, (seed_time or {}).get(key)) for key, ids in seed.items())
            places = torch.arange(sum(ids.numel() for _, ids, _ in asked))
            if self.graph.is_homogeneous:
                return SamplerOutput(places, places, places, None, places)
            return HeteroSamplerOutput({}, {}, {}, None, {"": places})

        described = through(note)
        examples = described.batch if self.graph.is_homogeneous else described.batch[""]
        rows, times = zip(*(self._seeds(*part) for part in asked), strict=True)
        return Request(
            np.repeat([self.graph.tables[key] for key, _, _ in asked], [len(r) for r in rows]).astype(
                np.uint32
            ),
            np.concatenate(rows),
            np.concatenate(times),
            examples,
            described.metadata,
        )

    def _seeds(self, node_type: NodeKey, ids: Tensor, times: Tensor | None) -> tuple[Int64s, Int64s]:
        """Rows and anchor times of the seeds of one type."""
        if node_type not in self.graph.nodes:
            raise ValueError(
                f"there are no nodes of type '{node_type}'."
                f"{nearest(str(node_type), map(str, self.graph.nodes))}"
            )
        numbers = ids.reshape(-1).to(torch.int64).numpy()
        rows = self.graph.nodes[node_type].numbering.rows(numbers)
        number = self.graph.tables[node_type]
        if len(rows) and rows.max() >= self.graph.caps[number]:
            raise IndexError(
                f"node {numbers[int(rows.argmax())]} does not exist yet at the store's as_of time"
            )
        if not self.is_temporal:
            return rows, np.full(len(rows), NULL_TIME)
        if times is None:
            self.check_times(node_type, None)
            own = self.graph.nodes[node_type].time
            assert own is not None, "the nodes have times"
            anchors = np.asarray(own[rows])
            if (anchors == NULL_TIME).any():
                raise ValueError(
                    f"node {numbers[int(anchors.argmax())]} has no time; leave it out, or give input_time"
                )
            return rows, anchors
        if times.is_floating_point():
            raise ValueError(f"times of seeds are integers, not {times.dtype}")
        return rows, self.graph.micros(node_type, times.reshape(-1).to(torch.int64).numpy())

    def _rules(self) -> list[list[_native.Rule]]:
        """Per hop, of each edge type."""
        if self.graph.is_homogeneous:
            by_type = [list(self.num_neighbors.get_values())]
        else:
            self._refuse_unknown_edge_types()
            by_type = list(self.num_neighbors.get_values(list(self.graph.edges)).values())
        per_hop = []
        for hop in range(self.num_neighbors.num_hops):
            rules = []
            for fanouts, edges in zip(by_type, self.graph.edges.values(), strict=True):
                fanout = int(fanouts[hop])
                if fanout < -1 or fanout != fanouts[hop]:
                    raise ValueError(
                        f"num_neighbors of hop {hop + 1} is {fanouts[hop]}; give -1 (all), 0 or a count"
                    )
                rules.append(self._rule(fanout, edges.is_weighted))
            per_hop.append(rules)
        return per_hop

    def _refuse_unknown_edge_types(self) -> None:
        values = self.num_neighbors.values
        for named in values if isinstance(values, dict) else ():
            edge_type = named.to_tuple()
            if edge_type not in self.graph.edges:
                known = ["__".join(e) for e in self.graph.edges if e is not None]
                raise ValueError(
                    f"num_neighbors has the edge type {edge_type}, which the graph has not."
                    f"{nearest(str(named), known)}"
                )

    def _rule(self, fanout: int, is_weighted: bool) -> _native.Rule:
        if fanout == -1:
            return _native.Rule(-1, _native.Strategy.uniform)
        if is_weighted and self.weight_attr is not None:
            return _native.Rule(fanout, _native.Strategy.weighted, self.replace)
        if self.is_temporal and self.temporal_strategy == "last":
            return _native.Rule(fanout, _native.Strategy.last)
        return _native.Rule(fanout, _native.Strategy.uniform, self.replace)


def _plain(num_neighbors: Any) -> Any:
    if not isinstance(num_neighbors, (Mapping, Iterable)):
        raise ValueError(f"num_neighbors is {num_neighbors!r}; give a number for each hop, as in [12, 12]")
    return dict(num_neighbors) if isinstance(num_neighbors, Mapping) else list(num_neighbors)
