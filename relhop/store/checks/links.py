"""Whether the files of a link fit together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from relhop.errors import CorruptStore
from relhop.store import layout
from relhop.store.checks.common import check_ascending, check_sums, chunks
from relhop.store.stored import StoredLink


def check_link(folder: Path, stored: StoredLink, num_children: int) -> None:
    """Offsets ascend; parents exist; children exist, ascend within a parent, and name it as theirs."""
    parents, offsets, children = stored.parents, stored.offsets, stored.children
    num_parents = len(offsets) - 1
    edges = 0
    where = folder / layout.link_file(stored.link, "parents.bin")
    for part in chunks(len(parents)):
        rows = parents[part]
        edges += int(np.count_nonzero(rows != -1))
        if np.any(rows >= num_parents):
            raise CorruptStore(f"{where}: a parent beyond the last row")
    if edges != len(children):
        raise CorruptStore(f"{where}: {edges} rows have a parent, not {len(children)}")
    check_ascending(folder / layout.link_file(stored.link, "offsets.bin"), "offsets", offsets)
    where = folder / layout.link_file(stored.link, "children.bin")
    for of_parents in chunks(num_parents):
        bounds = offsets[of_parents.start : of_parents.stop + 1]
        for part in chunks(int(bounds[-1]), overlap=1, begin=int(bounds[0])):
            rows = children[part]
            if np.any((rows < 0) | (rows >= num_children)):
                raise CorruptStore(f"{where}: a child beyond the last row")
            owner = np.searchsorted(bounds, np.arange(part.start, part.stop), side="right") - 1
            if np.any(parents[rows] != of_parents.start + owner):
                raise CorruptStore(f"{where}: a child is listed under a parent that is not its own")
            if np.any((rows[1:] <= rows[:-1]) & (owner[1:] == owner[:-1])):
                raise CorruptStore(f"{where}: children of a parent do not ascend")


def check_weights(folder: Path, stored: StoredLink, weights: npt.NDArray[np.float64]) -> None:
    """As `check_sums`, of a link that `check_link` found sound; `weights` are those of the child's rows."""
    if stored.weights is not None:
        where = folder / layout.link_file(stored.link, "weights.bin")
        check_sums(
            where,
            f"the column '{stored.link.weight}'",
            stored.offsets,
            stored.weights,
            stored.children,
            weights,
        )
