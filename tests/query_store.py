"""A store in memory for tests of queries: DuckDB views over data frames, and what queries ask of `Store`."""

from __future__ import annotations

from types import SimpleNamespace

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from relhop.schema import Schema
from relhop.times import NULL_TIME


class MemoryStore:
    """What `PredictiveQuery` and `TrainingTable` ask of a store, without files. Small tables only."""

    def __init__(self, schema: Schema, frames: dict[str, pd.DataFrame]) -> None:
        self.schema = schema
        self.frames: dict[str, pd.DataFrame] = {}
        self.tables: dict[str, SimpleNamespace] = {}
        for name, table in schema.tables.items():
            frame = frames[name].copy()
            if table.time_col is not None:
                frame[table.time_col] = pd.to_datetime(frame[table.time_col]).astype("datetime64[us]")
                frame = frame.sort_values(table.time_col, kind="stable", na_position="last")
                frame["_rh_time"] = frame[table.time_col]
            frame = frame.reset_index(drop=True)
            frame["_rh_row"] = np.arange(len(frame), dtype=np.int64)
            time = None
            if table.time_col is not None:
                time = frame["_rh_time"].to_numpy("datetime64[us]").view(np.int64).copy()
                time[frame["_rh_time"].isna().to_numpy()] = NULL_TIME
            self.frames[name] = frame
            self.tables[name] = SimpleNamespace(name=name, num_rows=len(frame), time=time)
        self.links: dict[str, SimpleNamespace] = {}
        self.edge_tables: dict[str, SimpleNamespace] = {}
        for link in schema.links:
            rows = self.rows_of(link.parent, self.frames[link.child][list(link.columns)])
            parents = pd.array(rows, dtype="Int64")
            parents[rows < 0] = pd.NA
            self.frames[link.child][f"_rh_{link.fkey_name}"] = parents

    def connect(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect()
        for name, frame in self.frames.items():
            connection.register(name, pa.Table.from_pandas(frame, preserve_index=False))
        return connection

    def cut(self, table: str, time: int) -> int:
        times = self.tables[table].time
        return (
            self.tables[table].num_rows if times is None else int(np.searchsorted(times, time, side="right"))
        )

    def _times(self) -> list[int]:
        return [
            int(t)
            for table in self.tables.values()
            if table.time is not None
            for t in table.time
            if t != NULL_TIME
        ]

    @property
    def newest_time(self) -> int | None:
        return max(self._times(), default=None)

    @property
    def oldest_time(self) -> int | None:
        return min(self._times(), default=None)

    def rows_of(self, table: str, keys: pd.DataFrame) -> np.ndarray:
        pkey = list(self.schema.tables[table].pkey)
        known = {tuple(key): row for row, key in enumerate(self.frames[table][pkey].itertuples(index=False))}
        return np.array([known.get(tuple(key), -1) for key in keys.itertuples(index=False)], np.int64)

    def keys_of(self, table: str, rows: np.ndarray) -> pa.Table:
        pkey = list(self.schema.tables[table].pkey)
        return pa.Table.from_pandas(self.frames[table][pkey].iloc[rows], preserve_index=False)
