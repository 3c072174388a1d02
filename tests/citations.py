"""A small graph with edge tables, the one that tests/golden/v6_edges holds: citations with times and weights, some of
them without an end or older than it; who went where, as arrays with tensors; and friends, who have nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

import relhop as rh


def graph() -> rh.Graph:
    papers = pd.DataFrame(
        {
            "key": ["a", "b", "c", "d"],
            "at": pd.to_datetime(["2020-01-03", "2020-01-01", None, "2020-01-02"]),
            "pages": [1.0, 2.0, 3.0, 4.0],
        }
    )
    cites = pd.DataFrame(
        {
            "citing": ["a", "a", "b", "zz", None, "d", "d", "c"],
            "cited": ["b", "b", "a", "a", "a", "d", "b", "a"],
            "seen": pd.to_datetime(
                [
                    "2020-01-05",
                    "2020-01-01",
                    "2020-01-02",
                    "2020-01-01",
                    "2020-01-01",
                    "2020-01-09",
                    None,
                    "2020-01-01",
                ]
            ),
            "weight": [1, 2, 3, 4, 5, 6, None, 8],
        }
    )
    venues = pd.DataFrame({"at": pd.to_datetime(["2020-02-03", "2020-02-01", "2020-02-02", "2020-02-04"])})
    visits = {
        "edge_index": np.array([[0, 2, 1, 0, 9], [1, 1, 0, 3, 2]]),
        "share": np.arange(15, dtype=np.float32).reshape(5, 3) / 16,
        "first": np.array([True, False, True, True, False]),
    }
    friends = np.array([[0, 1], [1, 2], [2, 0], [0, 1]], np.int32)
    return rh.Graph(
        tables=[
            rh.Table("papers", source=papers, pkey_col="key", time_col="at", stypes={"pages": "numerical"}),
            rh.Table("venues", source=venues, pkey_col=(), time_col="at"),
            rh.Table("authors", source={"fame": np.array([0.5, 1.5, 2.5])}, pkey_col=()),
        ],
        links=[],
        edges=[
            rh.EdgeTable(
                "cites",
                src="papers",
                dst="papers",
                source=cites,
                time_col="seen",
                weight_col="weight",
                reverse=True,
            ),
            rh.EdgeTable("visits", src="authors", dst="venues", source=visits),
            rh.EdgeTable("friends", src="authors", dst="authors", source=friends, reverse=True),
        ],
    )


def store(folder: Path) -> rh.Store:
    """Papers by row: b (01-01), d (01-02), a (01-03), c (no time). Citations by number: 1, 2, 0, 5, then those that
    nobody sees: 3 and 4 (without an end), 6 (no time), 7 (of a paper without one)."""
    return graph().snapshot(folder / "citations.rh", progress=False)
