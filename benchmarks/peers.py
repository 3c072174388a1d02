"""Other samplers, each behind the same face. They are found, never required.

pyg-lib (https://data.pyg.org) does all cases but `recency`. torch-sparse knows neither `last` nor disjoint
static samples; its temporal sampler draws first and then drops what is too new, so that it finds fewer edges.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from benchmarks.cases import Case, Seeds, anchor_times
from benchmarks.graphs import Graph

Work = Callable[[], int]


class System(Protocol):
    """A sampler with a graph in its memory."""

    def prepare(self, case: Case, seeds: Seeds, number: int) -> Work | None:
        """What samples batch `number` and returns how many edges it found; `None`: not a case it does."""


class TorchSparse:
    """torch-sparse's CPU operators."""

    @staticmethod
    def load() -> None:
        """Makes the operators known; alone, as the package's Python part wants torch-scatter beside it."""
        import torch

        package = importlib.util.find_spec("torch_sparse")
        if package is None or package.origin is None:
            raise ImportError("No module named 'torch_sparse'")
        for library in Path(package.origin).parent.glob("_neighbor_sample_*.so"):
            torch.ops.load_library(library)

    def __init__(self, graph: Graph) -> None:
        self._graph = TorchGraph(graph)

    def prepare(self, case: Case, seeds: Seeds, number: int) -> Work | None:
        """See `System`."""
        import torch

        graph, rows = self._graph, torch.from_numpy(seeds.rows)
        if case.strategy != "uniform" or case.disjoint != case.timed:
            return None
        if not case.timed:
            offsets, neighbors = next(iter(graph.offsets.values())), next(iter(graph.neighbors.values()))
            fanouts = list(case.num_neighbors)
            operator = torch.ops.torch_sparse.neighbor_sample
            return lambda: operator(offsets, neighbors, rows, fanouts, False, True)[1].numel()
        # The time of a seed's row is its anchor; other rows of that table are too far away to be found.
        times = graph.times | {graph.tables[0]: torch.from_numpy(anchor_times(graph.graph))}
        temporal = torch.ops.torch_sparse.hetero_temporal_neighbor_sample

        def work() -> int:
            found = temporal(
                graph.tables,
                graph.edge_types,
                graph.offsets,
                graph.neighbors,
                {graph.tables[0]: rows},
                graph.num_neighbors(case),
                times,
                len(case.num_neighbors),
                False,
                True,
            )
            return sum(of_type.numel() for of_type in found[1].values())

        return work


class PygLib:
    """pyg-lib's operators."""

    @staticmethod
    def load() -> None:
        """Makes the operators known."""
        importlib.import_module("pyg_lib")

    def __init__(self, graph: Graph) -> None:
        self._graph = TorchGraph(graph)

    def prepare(self, case: Case, seeds: Seeds, number: int) -> Work | None:
        """See `System`."""
        import torch

        graph, rows = self._graph, torch.from_numpy(seeds.rows)
        if case.strategy == "recency":
            return None
        # csc, replace, directed, disjoint, temporal strategy, edge ids
        flags = (True, False, True, case.disjoint, case.strategy, False)
        if len(graph.tables) == 1:
            offsets, neighbors = next(iter(graph.offsets.values())), next(iter(graph.neighbors.values()))
            # None: node times, edge times, seed times, edge weights.
            arguments = (offsets, neighbors, rows, list(case.num_neighbors), None, None, None, None, *flags)
            operator = torch.ops.pyg.neighbor_sample
            return lambda: int(operator(*arguments)[0].numel())
        node_times = graph.times if case.timed else None
        seed_times = {graph.tables[0]: torch.from_numpy(seeds.times)} if case.timed else None
        of_graph = (graph.tables, graph.edge_types, graph.offsets, graph.neighbors, {graph.tables[0]: rows})
        fanouts = graph.num_neighbors(case)
        hetero = torch.ops.pyg.hetero_neighbor_sample

        def work() -> int:
            found = hetero(*of_graph, fanouts, node_times, None, seed_times, None, *flags)
            return sum(of_type.numel() for of_type in found[0].values())

        return work


PEERS: dict[str, type[TorchSparse] | type[PygLib]] = {"pyg-lib": PygLib, "torch-sparse": TorchSparse}


def absence(name: str) -> str | None:
    """Why a peer cannot be run here; `None` if it can."""
    try:
        PEERS[name].load()
    except (ImportError, OSError) as error:
        return f"{name} is absent: {error}"
    return None


def open_peer(name: str, graph: Graph) -> System:
    """The peer with this graph; one thread an operator."""
    import torch

    torch.set_num_threads(1)
    PEERS[name].load()
    return PEERS[name](graph)


class TorchGraph:
    """A graph as PyTorch's samplers take it: int64 CSC by target, named by (source, relation, target)."""

    def __init__(self, graph: Graph) -> None:
        import torch

        self.graph = graph
        self.tables = [table.name for table in graph.tables]
        self.edge_types, self._keys = [], []
        self.offsets: dict[str, Any] = {}
        self.neighbors: dict[str, Any] = {}
        for edges in graph.edge_types:
            name = (self.tables[edges.found], edges.name, self.tables[edges.expanded])
            key = "__".join(name)
            self.edge_types.append(name)
            self._keys.append(key)
            rows = graph.tables[edges.expanded].num_rows
            offsets = torch.arange(rows + 1) if edges.offsets is None else torch.from_numpy(edges.offsets)
            self.offsets[key] = offsets
            self.neighbors[key] = torch.from_numpy(edges.neighbors.astype("int64"))
        self.times = {
            table.name: torch.from_numpy(table.times) for table in graph.tables if table.times is not None
        }

    def num_neighbors(self, case: Case) -> dict[str, list[int]]:
        """A case's fanouts, for each edge type."""
        return {key: list(case.num_neighbors) for key in self._keys}
