"""Films with lists, text and vectors, and timed ratings of them: tests of columns of several numbers a row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import relhop as rh

GENRES = ["war|love", "love| war|love", None, "", "space", "war|love|space|comedy"]
TITLES = ["A Long War", "a long  war!", None, "", "Été à Tokyo 東京", "Love, actually"]
WORDS = [["x", "y"], ["y", None], None, [], ["z"], ["y", "x", "z"]]
VECTORS = np.array([[1, 2], [3, 4], [np.nan, 6], [np.nan, np.nan], [9, 10], [11, 12]], np.float32)


def graph(num_ratings: int = 40, films: dict[str, Any] | None = None, **described: Any) -> rh.Graph:
    """Ratings of film f on day f, f + 6, …; `films` replaces columns, `described` goes into their table."""
    columns = {
        "film": list(range(6)),
        "genres": GENRES,
        "title": TITLES,
        "words": pa.array(WORDS, pa.list_(pa.string())),
        **(films or {}),
    }
    stypes = {"genres": "multicategorical", "title": "text", "words": "multicategorical"}
    ratings = pa.table(
        {
            "film": [day % 6 for day in range(num_ratings)],
            "stars": [float(day % 5) for day in range(num_ratings)],
            "note": [f"note {day} of {'praise' if day % 5 > 2 else 'scorn'}" for day in range(num_ratings)],
            "at": [
                np.datetime64("2020-01-01", "us") + np.timedelta64(day, "D") for day in range(num_ratings)
            ],
        }
    )
    return rh.Graph(
        tables=[
            rh.Table("films", source=pa.table(columns), pkey_col="film", **{"stypes": stypes, **described}),
            rh.Table(
                "ratings",
                source=ratings,
                pkey_col=(),
                time_col="at",
                stypes={"stars": "numerical", "note": "text"},
            ),
        ],
        links=[rh.Link("ratings", "film", "films")],
    )


def store(folder: Path, num_ratings: int = 40, **others: Any) -> rh.Store:
    """The graph's store; `others` goes to `graph.snapshot`."""
    return graph(num_ratings).snapshot(folder / f"films{num_ratings}.rh", progress=False, **others)


def vector_store(folder: Path, vectors: np.ndarray = VECTORS, **others: np.ndarray) -> rh.Store:
    """Places with a vector each, and visits of them."""
    count = len(vectors)
    graph = rh.Graph(
        tables=[
            rh.Table("places", source={"id": np.arange(count), "x": vectors, **others}, pkey_col="id"),
            rh.Table(
                "visits",
                source={"place": np.arange(20) % count, "day": np.arange(20)},
                time_col="day",
                time_unit="days",
                pkey_col=(),
            ),
        ],
        links=[rh.Link("visits", "place", "places")],
    )
    return graph.snapshot(folder / "places.rh", progress=False)
