"""Edges in memory -> the neighbor lists that the native sampler reads."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from relhop._native import EdgeRows, ListFiles, PackedRows, build_lists, width_of
from relhop.pyg.processors import usable_cpus

_BYTES_AN_EDGE = 64
"""Memory with which lists are built without a file: what sorting takes of an edge, with some air."""

_LEAST_BYTES = 1 << 26


@dataclass(frozen=True, eq=False)
class EdgeLists:
    """The list of each target's edges, packed.

    Attributes:
        num_targets: Nodes that have lists.
        num_sources: Nodes that are in them.
        num_edges: Edges.
        offsets: [num_targets + 1]: where each list begins; packed.
        neighbors: [num_edges]: sources; packed.
        edge_ids: [num_edges]: the edges' places in the input; packed.
        weights: [num_edges]: sums of the weights of each list; None without weights.
    """

    num_targets: int
    num_sources: int
    num_edges: int
    offsets: npt.NDArray[np.uint8]
    neighbors: npt.NDArray[np.uint8]
    edge_ids: npt.NDArray[np.uint8]
    weights: npt.NDArray[np.float64] | None

    @classmethod
    def build(
        cls,
        targets: npt.NDArray[np.integer],
        num_targets: int,
        sources: npt.NDArray[np.integer],
        num_sources: int,
        weights: npt.NDArray[np.floating] | None = None,
        *,
        by_source: bool = True,
    ) -> EdgeLists:
        """Sorts edges by target and, within a target, by source or as they are given.

        Args:
            targets: Rows [E] that have the lists.
            num_targets: How many there are.
            sources: Rows [E] that are in them.
            num_sources: How many there are.
            weights: Of the edges [E], float32 or float64.
            by_source: Whether lists ascend by source; else they keep the order of the edges.
        """
        with tempfile.TemporaryDirectory(prefix="relhop-") as scratch:
            folder = Path(scratch)
            files = ListFiles(
                offsets=str(folder / "offsets"),
                neighbors=str(folder / "neighbors"),
                edge_ids=str(folder / "edge_ids"),
                weights=None if weights is None else str(folder / "weights"),
            )
            built = build_lists(
                targets,
                num_targets,
                sources,
                num_sources,
                weights,
                files,
                sort_sources=by_source,
                memory_limit=max(_BYTES_AN_EDGE * len(targets), _LEAST_BYTES),
                num_threads=usable_cpus(),
                scratch_folder=scratch,
            )
            return cls(
                num_targets,
                num_sources,
                built.num_edges,
                np.fromfile(folder / "offsets", np.uint8),
                np.fromfile(folder / "neighbors", np.uint8),
                np.fromfile(folder / "edge_ids", np.uint8),
                None if weights is None else np.fromfile(folder / "weights", np.float64),
            )

    def native(self, name: str, expanded: int, found: int, timed_by: int = -1) -> EdgeRows:
        """Views for the sampler, from table `expanded` to table `found`, with times in table `timed_by`."""
        ends = width_of(self.num_edges)
        return EdgeRows.lists(
            name,
            expanded,
            found,
            PackedRows(self.offsets, self.num_targets + 1, ends),
            PackedRows(self.neighbors, self.num_edges, width_of(self.num_sources)),
            weights=self.weights,
            edge_ids=PackedRows(self.edge_ids, self.num_edges, ends),
            timed_by=timed_by,
        )
