"""Rows that are found together, brought beside each other: a cheap clustering in one pass over the edges."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

BYTES_PER_ROW = 40
"""Memory of `beside_neighbors`, for each row and each list."""

_HOT = 20  # One row in so many is hot.
_FANOUT = 16


def beside_neighbors(
    degrees: npt.NDArray[np.integer],
    named: Iterable[tuple[npt.NDArray[np.integer], npt.NDArray[np.integer]]],
    sizes: npt.NDArray[np.integer],
    visits: npt.NDArray[np.integer] | None = None,
) -> npt.NDArray[np.int64]:
    """Row -> record: the hottest rows first, then those that are in the same list beside each other.

    A row is in many lists. It goes with the one that brings its rows together most often: visited often, and
    so short that a draw of 16 finds most of it. The hottest twentieth is in too many lists to go with one.

    Args:
        degrees: How often each row is found [n].
        named: Pieces (rows [k], lists [k]), in any order: a row, and a list that it is in.
        sizes: Rows in each list [m].
        visits: How often each list is expanded [m]; None: as often as it has rows.
    """
    wanted = np.minimum(1, _FANOUT / np.maximum(sizes, 1)) ** 2 * (sizes if visits is None else visits)
    rank = np.empty(len(sizes), np.int64)
    rank[np.argsort(-wanted, kind="stable")] = np.arange(len(sizes))
    home = np.full(len(degrees), len(sizes))
    for rows, lists in named:
        np.minimum.at(home, rows, rank[lists])
    hottest = np.argsort(-degrees, kind="stable")[: len(degrees) // _HOT]
    home[hottest] = np.arange(-len(hottest), 0)
    slots = np.empty(len(degrees), np.int64)
    slots[np.argsort(home, kind="stable")] = np.arange(len(degrees))
    return slots
