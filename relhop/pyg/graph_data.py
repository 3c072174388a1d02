"""A graph as PyG's interfaces number it, wherever it is: what the sampler, the stores and the loaders read.

PyG numbers nodes and edges as the user gave them; relhop numbers the rows of what has a time in the order
of time. Here is where the two meet. Node types are strings and edge types triples; those of a homogeneous
graph are `None`, as in PyG.
"""

from __future__ import annotations

import dataclasses
import os
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from relhop._native import Topology
from relhop.schema import EdgeType
from relhop.store.reader import Store
from relhop.times import END_OF_TIME, TimeUnit, from_micros, micros_of

NodeKey: TypeAlias = str | None
EdgeKey: TypeAlias = EdgeType | None
Int64s: TypeAlias = npt.NDArray[np.int64]


class Column(Protocol):
    """Numbers that are read like an int64 array."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: Any, /) -> Any: ...


@dataclass(frozen=True, eq=False)
class Numbering:
    """Rows, which are in the order of time, and numbers, which are in the user's.

    Args:
        size: How many there are.
        order: The number of each row; None where they are the same.
    """

    size: int
    order: Column | None = None

    def numbers(self, rows: Int64s) -> Int64s:
        """The numbers of rows."""
        return rows if self.order is None else np.asarray(self.order[rows])

    def rows(self, numbers: Int64s) -> Int64s:
        """The rows of numbers.

        Raises:
            IndexError: If there is no such number.
        """
        self.check(numbers)
        return numbers if self._ranks is None else self._ranks[numbers]

    def check(self, numbers: Int64s) -> None:
        """Raises IndexError if there is no such number."""
        if len(numbers) and not (numbers.min() >= 0 and numbers.max() < self.size):
            wrong = numbers[(numbers < 0) | (numbers >= self.size)][0]
            raise IndexError(f"there is no number {wrong}; there are {self.size}")

    @cached_property
    def _ranks(self) -> Int64s | None:
        """The row of each number."""
        if self.order is None:
            return None
        ranks = np.empty(self.size, np.int64)
        ranks[np.asarray(self.order[:])] = np.arange(self.size)
        return ranks


@dataclass(frozen=True, eq=False)
class NodeData:
    """The nodes of one type.

    Attributes:
        numbering: Of its rows.
        time: [rows] microseconds, ascending; None without times.
        unit: What users count times in; None: microseconds.
    """

    numbering: Numbering
    time: Column | None = None
    unit: TimeUnit | None = None

    @property
    def num_nodes(self) -> int:
        """How many there are."""
        return self.numbering.size

    @cached_property
    def times(self) -> Int64s | None:
        """The time of each node by its number, in the user's unit."""
        if self.time is None:
            return None
        times = np.empty(self.num_nodes, np.int64)
        rows = np.arange(self.num_nodes)
        times[self.numbering.numbers(rows)] = from_micros(np.asarray(self.time[:]), self.unit)
        return times


@dataclass(frozen=True, eq=False)
class EdgeData:
    """The edges of one type.

    Attributes:
        source: The node type that messages come from: that of the neighbors.
        target: The node type that they go to.
        numbering: Of the rows that the sampler's edge ids are; None where the sampler has no ids.
        is_weighted: Whether neighbors can be drawn by weight.
        is_timed: Whether the edges have times of their own.
    """

    source: NodeKey
    target: NodeKey
    numbering: Numbering | None
    is_weighted: bool = False
    is_timed: bool = False


@dataclass(frozen=True, eq=False)
class GraphData:
    """A graph for PyG's interfaces. Pickles as what made it.

    Attributes:
        nodes: By node type.
        edges: By edge type.
        caps: Rows of each table that exist, those of timed edges behind those of nodes.
        make_topology: Makes what the native sampler reads.
        made_by: The function that made it, and its arguments.
        time_attr: The attribute that holds the times that the sampler heeds; None: it heeds none.
        time_level: Whether these are of nodes or of edges.
        time_unit: What users count them in where the seeds have no times; None: microseconds.
        store: The store that it is of; None of data in memory.
        on_disk: Whether files are read while sampling.
    """

    nodes: Mapping[NodeKey, NodeData]
    edges: Mapping[EdgeKey, EdgeData]
    caps: tuple[int, ...]
    make_topology: Callable[[], Topology]
    made_by: tuple[Callable[..., GraphData], tuple[Any, ...]]
    time_attr: str | None = None
    time_level: Literal["node", "edge"] | None = None
    time_unit: TimeUnit | None = None
    store: Store | None = None
    on_disk: bool = False
    process: int = field(default_factory=os.getpid)

    @property
    def is_homogeneous(self) -> bool:
        """Whether its batches are `Data`, with neither node types nor edge types."""
        return None in self.nodes

    @cached_property
    def tables(self) -> dict[NodeKey, int]:
        """The number of each node type in native calls."""
        return {node_type: i for i, node_type in enumerate(self.nodes)}

    @cached_property
    def topology(self) -> Topology:
        """What the native sampler reads."""
        return self.make_topology()

    def micros(self, node_type: NodeKey, times: Int64s) -> Int64s:
        """Times of a node type's seeds as the sampler takes them.

        Raises:
            ValueError: If a time is later than any that can be.
        """
        nodes = self.nodes[node_type]
        micros = micros_of(times, self.time_unit if nodes.time is None else nodes.unit)
        if len(micros) and micros.max() > END_OF_TIME:
            raise ValueError(
                f"the time {times[int(micros.argmax())]} of a seed is later than any that can be"
            )
        return micros

    def here(self) -> GraphData:
        """The same graph for this process: after a fork neither locks nor open files may be used."""
        if self.process == os.getpid():
            return self
        if self.on_disk:
            function, arguments = self.made_by
            return function(*(pickle.loads(pickle.dumps(arguments))))
        return dataclasses.replace(self, process=os.getpid())

    def __reduce__(self) -> tuple[Callable[..., GraphData], tuple[Any, ...]]:
        return self.made_by
