"""A small graph of arrays, the one that tests/golden/v6_arrays holds: an attribute of each dtype, with and without
a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import relhop as rh
from relhop.dtypes import NUMPY_DTYPES

PAPERS, AUTHORS = 12, 5


def rows_of(dtype: str, shape: tuple[int, ...], num_rows: int) -> np.ndarray:
    """Rows of a dtype, counted up; of bfloat16 the bits."""
    size = num_rows * int(np.prod(shape, dtype=int))
    counted = np.arange(size) % (2 if dtype == "bool" else 100)
    return counted.astype(NUMPY_DTYPES[dtype]).reshape(num_rows, *shape)


def columns() -> dict[str, dict[str, np.ndarray]]:
    """By table; the papers' years are out of order, one of two is repeated."""
    kinds = [dtype for dtype in NUMPY_DTYPES if dtype != "bfloat16"]
    papers = {
        "id": np.arange(100, 100 + PAPERS),
        "year": np.array([2012, 2003, 2010, 2003, 2001, 2011, 2009, 2008, 2002, 2005, 2006, 2004]),
        "x": rows_of("float32", (4,), PAPERS),
        "y": np.arange(PAPERS, dtype=np.int16),
        "patches": rows_of("uint8", (2, 3), PAPERS),
    }
    authors = {f"a_{dtype}": rows_of(dtype, (3,), AUTHORS) for dtype in kinds}
    return {"papers": papers, "authors": authors}


def graph() -> rh.Graph:
    data = columns()
    return rh.Graph(
        [
            rh.Table("papers", source=data["papers"], pkey_col="id", time_col="year", time_unit="days"),
            rh.Table("authors", source=data["authors"]),
        ],
        [],
    )


def store(folder: Path) -> rh.Store:
    """Papers by row: positions 4, 8, 1, 3, 11, 9, 10, 7, 6, 2, 5, 0."""
    return graph().snapshot(folder / "arrays.rh", progress=False)
