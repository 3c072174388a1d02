"""A graph: tables, links and edge tables bound to the sources that their rows come from."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb

from relhop.edge_table import EdgeTable
from relhop.errors import SchemaError, StoreError, nearest
from relhop.infer.guess import Explanation, complete
from relhop.infer.printing import print_explanations
from relhop.infer.tensors import with_tensors, without_tensors
from relhop.schema import Link, Schema, Table
from relhop.sources.arrays import ArraySource
from relhop.sources.binding import all_sources, bind, bind_inputs
from relhop.sources.description import FILE_NAME, Description, merged, read_description, write_description
from relhop.sources.edge_arrays import DST, SRC, wrapped
from relhop.sources.edges import as_table, resolved
from relhop.sources.fingerprint import fingerprint
from relhop.sources.kuzu import tables_of_kuzu
from relhop.sources.ogb import tables_of_ogb
from relhop.sources.paths import sources_in
from relhop.sources.pyg import tables_of_pyg
from relhop.sources.quoting import literal
from relhop.sources.reading import normalized
from relhop.sources.sqlite import SqliteTable, declared_keys
from relhop.store.placement import Memory, parse_size
from relhop.store.precision import PRECISIONS, Precision
from relhop.store.reader import Store
from relhop.store.sql import failing
from relhop.store.tables import RowOrder
from relhop.store.writer import write_store
from relhop.text import HashedNgrams, TextEmbedder
from relhop.times import TimeUnit
from relhop.validation import ValidationReport, refuse_errors, validate


class Graph:
    """Tables, the links and edges between them, and where their rows come from.

    What the descriptions leave open (keys, times, semantic types, links) is inferred from the data at once;
    what they say stands. Nothing is stored: `snapshot` does that.

    Args:
        tables: The tables. One that has neither source nor SQL takes the source of its name.
        links: All foreign keys; `None`: inferred.
        sources: More sources by name, for tables and for SQL: paths of CSV, Parquet or SQLite files, pandas
            DataFrames, Arrow tables, mappings of columns to arrays. In SQL each source, also a table's own,
            goes by its name.
        edges: Edge tables between the tables. One that has neither source nor SQL takes the source of its
            name.

    Attributes:
        schema: Tables, links and edge tables with nothing left open.
        sources: All sources by name.
        explanations: What was taken for what, and why: (table, column or `None`, guess, why).

    Raises:
        SchemaError: If the descriptions contradict each other or the data.
        SourceError: If a source cannot be read.
    """

    def __init__(
        self,
        tables: Iterable[Table],
        links: Iterable[Link] | None = None,
        sources: Mapping[str, Any] | None = None,
        edges: Iterable[EdgeTable] = (),
    ) -> None:
        described, edge_tables = list(tables), list(edges)
        if not described:
            raise SchemaError("a graph needs at least one table")
        for table in described:
            if not isinstance(table, Table):
                raise SchemaError(f"tables are rh.Table(name, source=...), not {table!r}")
        # Refuses names given twice, and ends that are no tables, before anything is read.
        Schema(described, edge_tables=edge_tables)
        as_tables = [as_table(e) for e in edge_tables]
        of_edges = {e.name: wrapped(s) for e in edge_tables if (s := (sources or {}).get(e.name)) is not None}
        self.sources: dict[str, Any] = all_sources([*described, *as_tables], {**(sources or {}), **of_edges})
        origins = self._origins(described)
        declared = {name: declared_keys(o) for name, o in origins.items() if isinstance(o, SqliteTable)}
        arrays = {name: origin for name, origin in origins.items() if isinstance(origin, ArraySource)}
        described = [without_tensors(table, arrays.get(table.name)) for table in described]
        with duckdb.connect() as connection, failing("the tables cannot be read"):
            notes = bind_inputs(connection, [*described, *as_tables], self.sources)
            schema, explanations = complete(connection, described, links, declared)
            edge_tables = resolved(connection, edge_tables)
        schema, of_tensors = with_tensors(schema, arrays)
        explanations += of_tensors
        self.schema: Schema = Schema(schema.tables.values(), schema.links, edge_tables)
        reading = [Explanation(table, None, "read", note) for table, found in notes.items() for note in found]
        self.explanations: list[Explanation] = reading + explanations

    def _origins(self, tables: Iterable[Table]) -> dict[str, Any]:
        """The sources of tables that have no SQL, as they are read."""
        given = {t.name: self.sources[t.name] for t in tables if t.sql is None and t.name in self.sources}
        return {name: normalized(source, name) for name, source in given.items()}

    @classmethod
    def from_folder(
        cls,
        path: str | os.PathLike[str],
        *,
        tables: Iterable[Table] = (),
        links: Iterable[Link] | None = None,
        edges: Iterable[EdgeTable] | None = None,
        exclude_tables: Collection[str] = (),
        verbose: bool = True,
    ) -> Graph:
        """A graph of the tables in a folder, or in a single CSV, Parquet or SQLite file.

        Each file is a table, each table of a SQLite file too; a view is one where `tables` names it, with the
        file as its source. A `graph.yaml` in the folder (see
        `relhop.sources.description`) says what should not be inferred; arguments come before it.

        Args:
            path: The folder or file.
            tables: Descriptions that add to or override those of the folder: columns' meanings, keys, times,
                or SQL over the folder's files for a table of whatever name.
            links: All foreign keys; `None`: those of `graph.yaml`, else inferred.
            edges: All edge tables; `None`: those of `graph.yaml`. The files of their names are no tables.
            exclude_tables: Tables that are no part of the graph; SQL may still use them.
            verbose: Print what was inferred, and why.

        Raises:
            SchemaError: If descriptions contradict each other or the data.
            SourceError: If there is no table, or one cannot be read.
        """
        root = Path(path)
        sources = sources_in(root)
        file = root / FILE_NAME
        written = read_description(file) if file.is_file() else Description()
        given = {table.name: table for table in tables}
        edge_tables = list(written.edges if edges is None else edges)
        of_edges = {table.name for table in edge_tables}
        names = [n for n in dict.fromkeys([*sources, *written.tables, *given]) if n not in of_edges]
        excluded = {*exclude_tables, *written.exclude_tables}
        for name in excluded:
            if name not in names:
                raise SchemaError(
                    f"exclude_tables names '{name}', which {root} does not have.{nearest(name, names)}"
                )
        described = [
            merged(given.get(name, Table(name)), written.tables.get(name))
            for name in names
            if name not in excluded
        ]
        links = written.links if links is None else links
        graph = cls(described, links, {**sources, **written.sources}, edge_tables)
        if verbose:
            print_explanations(graph.explanations, graph.schema)
        return graph

    @classmethod
    def from_yaml(cls, path: str | os.PathLike[str], *, sources: Mapping[str, Any] | None = None) -> Graph:
        """A graph as a `graph.yaml` describes it; what the file leaves open is inferred.

        Args:
            path: The file.
            sources: Sources by name that the file does not hold, such as DataFrames.

        Raises:
            SchemaError: If the file holds what means nothing.
            SourceError: If a source cannot be read.
        """
        written = read_description(Path(path))
        tables = [table for name, table in written.tables.items() if name not in written.exclude_tables]
        return cls(tables, written.links, {**written.sources, **(sources or {})}, written.edges)

    @classmethod
    def from_pyg(cls, data: Any, *, time_attr: str | None = None, time_unit: TimeUnit = "s") -> Graph:
        """A graph of PyG's in memory: a table for each node type, an edge table for each edge type.

        All tensors with a row for each node or edge are kept as they are. Nodes are named by their numbers. A
        `Data` has the table `node` and the edge table `edge`.

        Args:
            data: A `Data` or a `HeteroData`.
            time_attr: The attribute that says when nodes or edges came to be, of those types that have it.
            time_unit: What its numbers count, since 1970.

        Raises:
            SourceError: If it is neither, the nodes of a type have no number, or edges no `edge_index`.
        """
        tables, edges = tables_of_pyg(data, time_attr, time_unit)
        return cls(tables, links=[], edges=edges)

    @classmethod
    def from_ogb(
        cls, folder: str | os.PathLike[str], *, time_attr: str | None = None, time_unit: TimeUnit = "years"
    ) -> Graph:
        """A graph of the Open Graph Benchmark: a dataset's folder, as its archive is unpacked.

        Reads the layout of node property prediction, as CSV or binary (ogbn-papers100M), of one type (the
        table `node`, the edge table `edge`) or several (ogbn-mag). Nodes are named by their numbers.
        `node-feat` is `x`, `node-label` `y`, `edge-feat` `edge_attr`, `node_year` `year`. Arrays are mapped;
        those that are compressed or CSV are unpacked into the temporary folder (`TMPDIR`) first. Integers of
        CSV files are int64, other numbers float32.

        Args:
            folder: The dataset's, such as `dataset/ogbn_arxiv`, in which `raw` is.
            time_attr: The attribute that says when nodes or edges came to be, of those types that have it:
                `"year"`.
            time_unit: What its numbers count, since 1970; years are calendar years.

        Raises:
            SourceError: If a file is missing or cannot be read, or files contradict each other.
        """
        tables, edges = tables_of_ogb(folder, time_attr, time_unit)
        return cls(tables, links=[], edges=edges)

    @classmethod
    def from_kuzu(cls, path: str | os.PathLike[str]) -> Graph:
        """A graph of an existing Kùzu or Ladybug database, read through its own Python package.

        Node tables are tables with their primary keys, relationship tables edge tables. Fixed-size arrays of
        numbers (`FLOAT[128]`) of nodes are attributes, read piece by piece into the temporary folder
        (`TMPDIR`); all else is read into memory. Columns of other nested types are left out, which
        `explanations` says.

        Args:
            path: The database, which nobody may write to meanwhile.

        Raises:
            SourceError: If no package for it is installed (`pip install "relhop[kuzu]"`), or it cannot be
                read.
        """
        tables, edges, left_out = tables_of_kuzu(path)
        graph = cls(tables, links=[], edges=edges)
        why = "its values are no numbers of one shape, text or times"
        graph.explanations += [Explanation(table, column, "left out", why) for table, column in left_out]
        return graph

    def to_yaml(self, path: str | os.PathLike[str] | None = None) -> str:
        """The graph as text that `from_yaml` reads; written to `path` if one is given.

        Sources that are frames are left out: give them to `from_yaml` again.
        """
        file = None if path is None else Path(path)
        text = write_description(self.schema, self.sources, file.parent if file is not None else None)
        if file is not None:
            file.write_text(text, encoding="utf-8")
        return text

    def validate(self) -> ValidationReport:
        """Checks the data against the schema: keys, links, times, columns. Reads every table.

        Raises:
            SourceError: If a source cannot be read.
        """
        with duckdb.connect() as connection, failing("the tables cannot be checked"):
            bind(connection, self._tables(), self.sources)
            return validate(connection, self.schema)

    def snapshot(
        self,
        path: str | os.PathLike[str],
        *,
        precision: Precision = "float32",
        row_order: RowOrder = "auto",
        memory_limit: str | None = None,
        memory: Memory = "auto",
        progress: bool = True,
        text_embedder: TextEmbedder | None = None,
    ) -> Store:
        """Builds a store of the graph, or reuses the one at `path` if it was built from the same.

        Args:
            path: Where the store is, or is to be; by custom it ends in `.rh`.
            precision: How numerical features are kept: "float32", or "float16", "bfloat16" or "int8" in half
                or a quarter of the bytes; docs/precision.md says what that loses.
            row_order: Where records lie in their file; results are the same. "auto": if a table's records
                take 4 MiB or more, in the order in which a read brings most rows that are wanted together,
                where that is worth it; "time": always in the rows' order.
            memory_limit: How much memory DuckDB may take, such as "4GB"; what is beyond goes to disk.
            memory: Where the arrays of the open store are; see `Store.open`. "mmap" reads nothing yet.
            progress: Show a bar on a terminal.
            text_embedder: Makes vectors of columns of type text; by default `rh.HashedNgrams()`. A model
                reads only stores with the text embedder that it was trained with.

        Returns:
            The store, open.

        Raises:
            ValueError: If there is no such precision or order, or memory_limit is no size.
            SourceError: If a source cannot be read, or `validate` finds an error, such as a key given twice.
            StoreError: If `path` holds something that is no store.
            OSError: If the disk is full or refuses.
        """
        if precision not in PRECISIONS:
            raise ValueError(f"precision is {precision!r}; choose one of {', '.join(PRECISIONS)}")
        if row_order not in ("auto", "time"):
            raise ValueError(f"row_order is {row_order!r}; choose 'auto' or 'time'")
        limit = None if memory_limit is None else f"{parse_size(memory_limit)}B"
        tables = self._tables()
        embedder = text_embedder or HashedNgrams()
        settings = {"precision": precision, "row_order": row_order, "text_embedder": embedder.identity}
        identity = fingerprint(self.schema, tables, self.sources, settings)
        try:
            store = Store.open(path, memory=memory)
        except StoreError:
            store = None
        if store is not None and store.fingerprint == identity:
            return store
        del store
        with duckdb.connect() as connection:
            with failing("the tables cannot be checked"):
                # Made by DuckDB if it has to spill, and removed by it.
                connection.execute(f"SET temp_directory = {literal(f'{os.fspath(path)}.spill')}")
                if limit is not None:
                    connection.execute(f"SET memory_limit = {literal(limit)}")
                bind(connection, tables, self.sources)
                refuse_errors(connection, self.schema)
            origins = self._origins(tables)
            arrays = {name: origin for name, origin in origins.items() if isinstance(origin, ArraySource)}
            write_store(
                path,
                self.schema,
                connection,
                fingerprint=identity,
                precision=precision,
                row_order=row_order,
                memory_limit=limit,
                progress=progress,
                attributes={name: origin.attributes for name, origin in arrays.items()},
                ends={
                    name: (arrays[name].columns[SRC], arrays[name].columns[DST])
                    for name in self.schema.edge_tables
                    if name in arrays
                },
                text_embedder=embedder,
            )
        return Store.open(path, memory=memory)

    def _tables(self) -> list[Table]:
        """All that is read as a table."""
        return [*self.schema.tables.values(), *map(as_table, self.schema.edge_tables.values())]

    def __repr__(self) -> str:
        edges = f", {len(self.schema.edge_tables)} edge tables" if self.schema.edge_tables else ""
        return f"Graph({', '.join(self.schema.tables)}; {len(self.schema.links)} links{edges})"
