"""An open store: arrays of rows, times and links, looked up by name.

Opening checks the manifest and every size; `Store.verify` reads everything.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from relhop._native import PagePool
from relhop.errors import CorruptStore, StoreError
from relhop.schema import Schema
from relhop.store import checks, layout, lookup, publish, sql
from relhop.store.arrays import Arrays
from relhop.store.device import DeviceCost
from relhop.store.manifest import MANIFEST, Manifest, read_manifest, schema_of
from relhop.store.placement import Memory, Placement, parse_size, place
from relhop.store.records import Verify
from relhop.store.stored import StoredEdges, StoredLink, StoredLists, StoredTable, Times
from relhop.store.summary import StoreSummary, summarize
from relhop.times import END_OF_TIME, TimeLike, format_time, to_micros

if TYPE_CHECKING:
    from torch_geometric.data import HeteroData

    from relhop.pyg.backend import RemoteBackend

__all__ = ["Memory", "Store", "StoredEdges", "StoredLink", "StoredLists", "StoredTable"]

_ATTEMPTS = 3


class Store:
    """A store, opened with `Store.open`. Any number of threads may use it. Pickles as what opened it.

    Attributes:
        path: Where it is.
        schema: Tables and links.
        tables: By name, in the schema's order.
        links: By `Link.name`, in the schema's order.
        edge_tables: By name, in the schema's order.
        fingerprint: Of the inputs that it was built from.
        text_embedder: The identity of what made vectors of its texts; None where it has none.
        as_of_time: The time (microseconds) after which nothing exists in this view; None: no such time.
        placement: Where its arrays are; `print(store.placement)` says it in words.
        link_pool: What links on disk are behind, None elsewhere; `link_pool.stats()` says what it did.
    """

    path: Path
    schema: Schema
    tables: Mapping[str, StoredTable]
    links: Mapping[str, StoredLink]
    edge_tables: Mapping[str, StoredEdges]
    fingerprint: str
    text_embedder: str | None
    as_of_time: int | None
    placement: Placement
    link_pool: PagePool | None
    _manifest: Manifest
    _options: dict[str, Any]
    _identity: tuple[int, int, int] | None

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        memory: Memory = "auto",
        buffer_pool_size: int | str | None = None,
        device: DeviceCost | None = None,
        verify: Verify = "never",
    ) -> Store:
        """Opens a store and checks the sizes of all its files.

        Args:
            path: The store's folder.
            memory: "ram" reads the arrays, "mmap" maps them, "disk" leaves links, records and attributes on
                disk behind a pool, "auto" takes what fits; see `relhop.store.placement.Memory`.
            buffer_pool_size: All that records and attributes, and of "disk" links, may take of memory, in
                bytes or as "4 GB". Links get a part by their bytes. Tables and attributes that fit an equal
                share are read whole; the others get parts of the rest by their bytes, bookkeeping included.
                By default a quarter of the free memory. For "auto" and "disk".
            device: What reading costs on the store's device; measured by default, once for each device.
            verify: "always" compares records with their checksums: those on disk whenever a block is read,
                others here. Damage is a `CorruptStore` that names file and row, at the batch concerned.

        Raises:
            StoreError: If there is none, or of another format version.
            CorruptStore: If a file is missing, of a wrong size, or the manifest contradicts itself.
            ValueError: If an argument makes no sense.
        """
        folder = Path(path).absolute()
        pool_bytes = None if buffer_pool_size is None else parse_size(buffer_pool_size)
        if verify not in get_args(Verify):
            raise ValueError(f"verify is {verify!r}; choose 'never' or 'always'")
        options = {"memory": memory, "buffer_pool_size": pool_bytes, "device": device, "verify": verify}
        publish.recover(folder)
        for _ in range(_ATTEMPTS):
            identity = _identity(folder)
            try:
                store = cls._open_once(folder, memory, pool_bytes, device, verify)
                store._options = options
            except (CorruptStore, FileNotFoundError):
                if _identity(folder) == identity:
                    raise
            else:
                # A build may have replaced the store between two of its files.
                if _identity(folder) == identity:
                    return store
        raise CorruptStore(
            f"{folder} is replaced again and again while it is opened; open it when the builds are done"
        )

    @classmethod
    def _open_once(
        cls,
        folder: Path,
        memory: Memory,
        pool_bytes: int | None,
        device: DeviceCost | None,
        verify: Verify,
    ) -> Store:
        manifest = read_manifest(folder)
        schema = schema_of(manifest, folder)
        checks.check_manifest(folder, manifest, schema)
        checks.check_sizes(folder, manifest)
        store = cls()
        store.path, store.schema, store.fingerprint, store.as_of_time = (
            folder,
            schema,
            manifest.fingerprint,
            None,
        )
        store.text_embedder = manifest.text_embedder
        store._manifest, store._identity = manifest, _identity(folder)
        store.placement = place(manifest, memory, pool_bytes)
        require_current = partial(_require_current, folder, store._identity)
        arrays = Arrays(folder, manifest, store.placement, device, verify, require_current)
        store.tables = {title: arrays.table(schema, title) for title in schema.tables}
        store.links = {link.name: arrays.link(link) for link in schema.links}
        store.edge_tables = {name: arrays.edges(table) for name, table in schema.edge_tables.items()}
        store.link_pool = arrays.link_pool
        checks.check_ends(folder, store.tables, store.links, store.edge_tables)
        return store

    def as_of(self, time: TimeLike) -> Store:
        """A view in which nothing later than `time` exists; of two such times the earlier holds."""
        limit = min(to_micros(time), END_OF_TIME)
        view = Store()
        view.__dict__.update(self.__dict__)
        view.as_of_time = limit if self.as_of_time is None else min(limit, self.as_of_time)
        return view

    def cut(self, table: str, time: int) -> int:
        """How many rows of a table are visible at a time in microseconds: exactly the rows below this number.

        All rows of a table without a time column; never beyond `as_of`; never a row whose time is null.

        Raises:
            SchemaError: If there is no such table.
        """
        stored = self._table(table)
        if stored.time is None:
            return stored.num_rows
        return self._count_until(stored.time, time)

    def cut_edges(self, name: str, time: int) -> int:
        """How many edges of an edge table are visible at a time in microseconds: those below this number.

        All of an edge table without a time column; never beyond `as_of`; never one whose time, or the time of
        one of whose ends, is null.

        Raises:
            SchemaError: If there is no such edge table.
        """
        self.schema.edge_table(name)
        stored = self.edge_tables[name]
        return stored.num_rows if stored.time is None else self._count_until(stored.time, time)

    def _count_until(self, times: Times, time: int) -> int:
        limit = END_OF_TIME if self.as_of_time is None else self.as_of_time
        return times.native.cut(min(int(time), limit))

    def caps(self) -> npt.NDArray[np.int64]:
        """How many rows each table, in the schema's order, has under `as_of`; without it, all rows.

        The edge tables that have a time follow, in the schema's order.
        """
        timed = [edges for edges in self.edge_tables.values() if edges.time is not None]
        if self.as_of_time is None:
            rows = [table.num_rows for table in self.tables.values()] + [edges.num_rows for edges in timed]
        else:
            rows = [self.cut(table, self.as_of_time) for table in self.tables]
            rows += [self.cut_edges(edges.table.name, self.as_of_time) for edges in timed]
        return np.array(rows, np.int64)

    @property
    def newest_time(self) -> int | None:
        """The latest time (microseconds) of any row within `as_of`; None if no row has a time."""
        return max((newest for _, newest in self._time_ranges()), default=None)

    @property
    def oldest_time(self) -> int | None:
        """The earliest time (microseconds) of any row within `as_of`; None if no row has a time."""
        return min((oldest for oldest, _ in self._time_ranges()), default=None)

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A DuckDB connection with one view for each table: the user's columns and the store's own.

        These are `_rh_row`, `_rh_time` (timed tables) and, for each foreign key, `_rh_<fkey>`: the parent's
        row. An edge table with columns besides its ends has a view, too: with `_rh_row`, the edge's number,
        and `_rh_src` and `_rh_dst`, the rows of its ends, in place of their columns. Under `as_of` the views
        are what a store built from the rows up to that time would hold.

        Raises:
            StoreError: If the store was replaced since it was opened.
        """
        connection = self._files()
        caps = dict(zip(self.tables, self.caps(), strict=False))
        for title in self.tables:
            columns, visible = "*", ""
            if self.as_of_time is not None:
                hidden = [
                    f"CASE WHEN {column} < {caps[link.parent]} THEN {column} END AS {column}"
                    for link in self.schema.links
                    if link.child == title
                    for column in [sql.name(layout.parent_column(link))]
                ]
                columns = f"* REPLACE ({', '.join(hidden)})" if hidden else "*"
                visible = f" WHERE {layout.ROW_COLUMN} < {caps[title]}"
            connection.execute(
                f"CREATE VIEW {sql.name(title)} AS SELECT {columns} FROM {self._columns(title)}{visible}"
            )
        for name, edges in self.edge_tables.items():
            if self._manifest.edge_tables[name].columns:
                connection.execute(f"CREATE VIEW {sql.name(name)} AS {self._visible_edges(edges, caps)}")
        return connection

    def _visible_edges(self, edges: StoredEdges, caps: Mapping[str, int]) -> str:
        """The query for the columns of the edges that are there under `as_of`."""
        table = edges.table
        query = f"SELECT * FROM {sql.parquet(self.path / layout.edge_file(table.name, 'columns.parquet'))}"
        if self.as_of_time is None:
            return query
        if edges.time is not None:
            return f"{query} WHERE {layout.ROW_COLUMN} < {self.cut_edges(table.name, self.as_of_time)}"
        ends = ((layout.SRC_COLUMN, table.src), (layout.DST_COLUMN, table.dst))
        return f"{query} WHERE {' AND '.join(f'{column} < {caps[of]}' for column, of in ends)}"

    def rows_of(self, table: str, keys: Sequence[Any] | pd.DataFrame | pa.Table) -> npt.NDArray[np.int64]:
        """The row of each key, -1 where there is none within `as_of`; of rows with the same key, the first.

        Args:
            table: A table with a primary key.
            keys: Values, or tuples of them where the key has several columns; or a frame with the key's
                columns.

        Raises:
            SchemaError: If there is no such table, it has no primary key, or `keys` has not its columns.
            CorruptStore: If the file of columns is damaged.
        """
        stored = self._table(table)
        wanted = lookup.key_table(table, self.schema.table(table).pkey, keys)
        connection = self._files()
        with lookup.reading(self.path / layout.table_file(table, "columns.parquet")):
            rows = lookup.rows_of(connection, self._columns(table), wanted)
        cap = stored.num_rows if self.as_of_time is None else self.cut(table, self.as_of_time)
        return np.where(rows < cap, rows, -1)

    def keys_of(self, table: str, rows: npt.ArrayLike) -> pa.Table:
        """The primary key's columns of some rows, in the order of `rows`.

        Raises:
            SchemaError: If there is no such table or it has no primary key.
            IndexError: If a row is outside the table.
            CorruptStore: If the file of columns is damaged.
        """
        stored = self._table(table)
        pkey = lookup.pkey_of(table, self.schema.table(table).pkey)
        wanted = np.asarray(rows, np.int64)
        outside = wanted[(wanted < 0) | (wanted >= stored.num_rows)]
        if len(outside):
            raise IndexError(
                f"table '{table}' has {stored.num_rows} rows, so none with the number {outside[0]}"
            )
        connection = self._files()
        with lookup.reading(self.path / layout.table_file(table, "columns.parquet")):
            return lookup.keys_of(connection, self._columns(table), pkey, wanted)

    def verify(self, progress: bool | None = None) -> None:
        """Reads every file and checks checksums, then that the numbers in them fit together.

        Args:
            progress: Show bars on a terminal.

        Raises:
            CorruptStore: Naming the first file that is damaged.
        """
        stored = (self.tables, self.links, self.edge_tables)
        checks.check_whole(
            self.path, self._manifest, self.schema, stored, self._files, progress=bool(progress)
        )

    def describe(self) -> StoreSummary:
        """Rows, time ranges, features, degrees and bytes of the whole store, whatever `as_of` says."""
        return summarize(self.path, self._manifest, self.tables, self.links, self.edge_tables)

    def get_torch_geometric_remote_backend(self, num_threads: int | None = None) -> RemoteBackend:
        """The store as PyG's feature store and graph store, for its loaders and relhop's.

        Nodes and edges have the numbers of the user's input. Attributes are those of arrays, with dtype and
        shape; the feature columns of other tables, float32 with NaN for null, int64 codes with -1, int64
        microseconds; and time columns. `relhop.loader.NeighborLoader` takes the store itself as well.

        Args:
            num_threads: Threads that gather rows; None: as many as there are processors.

        Returns:
            `(feature_store, graph_store)`, which pickle as what opened the store.
        """
        from relhop.pyg.backend import remote_backend

        return remote_backend(self, num_threads)

    def to_hetero_data(
        self,
        nodes: Mapping[str, Any] | None = None,
        *,
        node_attrs: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
        edge_attrs: Sequence[str] | Mapping[Any, Sequence[str]] | None = None,
        num_threads: int = 2,
        progress: bool = False,
    ) -> HeteroData:
        """Some nodes and the edges among them, in memory, with `n_id` and `e_id`: their numbers in the input.

        Args:
            nodes: By table: a SELECT over the store's tables that gives rows of it, such as
                `SELECT * FROM paper WHERE year >= 2015`, numbers of nodes, or a mask. Of other tables all.
            node_attrs: Attributes of nodes to read: a list for all tables, or lists by table; by default all.
            edge_attrs: The same of edges.
            num_threads: Threads that gather rows.
            progress: Show bars on a terminal.

        Raises:
            SchemaError: If there is no such table or attribute, or a query gives no rows of its table.
            IndexError: If there is no such node.
        """
        from relhop.pyg.subsets import hetero_data

        return hetero_data(self, nodes or {}, node_attrs, edge_attrs, num_threads, progress)

    def _table(self, name: str) -> StoredTable:
        self.schema.table(name)
        return self.tables[name]

    def _time_ranges(self) -> list[tuple[int, int]]:
        """The oldest and the newest time within `as_of` of each table that has any."""
        timed = [(t.time, self.cut(t.name, END_OF_TIME)) for t in self.tables.values() if t.time is not None]
        timed += [
            (edges.time, self.cut_edges(name, END_OF_TIME))
            for name, edges in self.edge_tables.items()
            if edges.time is not None
        ]
        return [(time[0], time[cut - 1]) for time, cut in timed if cut]

    def _files(self) -> duckdb.DuckDBPyConnection:
        """A connection to read the store's Parquet files with."""
        _require_current(self.path, self._identity)
        connection = duckdb.connect()
        connection.execute("SET enable_progress_bar = false")
        return connection

    def _columns(self, table: str) -> str:
        return sql.parquet(self.path / layout.table_file(table, "columns.parquet"))

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (str(self.path), self._options, self.as_of_time)

    def __repr__(self) -> str:
        limit = "" if self.as_of_time is None else f", as of {format_time(self.as_of_time)}"
        edges = f", {len(self.edge_tables)} edge tables" if self.edge_tables else ""
        return f"Store({str(self.path)!r}, {len(self.tables)} tables, {len(self.links)} links{edges}{limit})"


def _reopen(path: str, options: dict[str, Any], as_of: int | None) -> Store:
    store = Store.open(path, **options)
    return store if as_of is None else store.as_of(as_of)


def _require_current(folder: Path, identity: tuple[int, int, int] | None) -> None:
    if _identity(folder) != identity:
        raise StoreError(f"the store {folder} was replaced since it was opened; open it again")


def _identity(folder: Path) -> tuple[int, int, int] | None:
    """What changes when another store takes the place."""
    try:
        found = os.stat(folder / MANIFEST)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns
