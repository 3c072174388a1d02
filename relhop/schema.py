"""What the data is: tables, their keys and times, the links between them, and edge tables. Does no I/O.

A `Schema` is immutable and checked when made. `relhop.Graph` binds one to sources; a store carries one in its
manifest.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias, TypeVar

from relhop.descriptions import check_name, check_origin
from relhop.edge_table import EdgeTable
from relhop.errors import SchemaError, nearest
from relhop.times import TimeUnit

T = TypeVar("T")

EdgeType: TypeAlias = tuple[str, str, str]
"""(source table, relation, destination table), as in PyG: messages flow from source to destination."""


class Stype(StrEnum):
    """Semantic type of a column: what it means, and so how a model reads it."""

    numerical = "numerical"
    categorical = "categorical"
    timestamp = "timestamp"
    multicategorical = "multicategorical"
    text = "text"
    id = "id"
    tensor = "tensor"


FEATURE_STYPES = frozenset({Stype.numerical, Stype.categorical, Stype.timestamp})
"""The semantic types that become features in a row's record."""

WIDE_STYPES = frozenset({Stype.multicategorical, Stype.text, Stype.tensor})
"""The semantic types that become features of several numbers each, kept as attributes; an `id` is none."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table: where it comes from, its primary key, its time, and what its columns mean.

    What is left `None` is inferred from the data when the graph is made or snapshot.

    Args:
        name: Name of the table in queries and in batches.
        source: A path of a CSV, Parquet or SQLite file (with a table of this name), a pandas DataFrame, an
            Arrow table, or a mapping of columns to arrays: paths of .npy and .npz files, NumPy arrays, torch
            tensors. `None`: the graph's source of the same name.
        sql: A DuckDB SELECT over the graph's sources, instead of `source`. Inside it the names are those of
            sources. Without an ORDER BY, rows are in the order of the primary key.
        pkey_col: Column or columns that name a row; `()`: there is no key.
        time_col: Column that says when a row came to be. A row is visible to an anchor time t iff its
            time <= t. `""`: there is none, and rows are always visible.
        time_unit: What integers count in the time column, and in others of type timestamp, since 1970. Not
            used for dates and timestamps.
        stypes: Semantic types by column.
        separators: By column of type multicategorical that is text: what stands between its values, `"|"`.
        exclude: Columns that a model must not see, such as those filled in after the row's time. They stay
            available to queries. Names are added to them: text without a given semantic type that hardly
            repeats, and is of single words or few rows.
    """

    name: str = field(kw_only=False)
    source: Any = field(default=None, compare=False, repr=False)
    sql: str | None = None
    pkey_col: tuple[str, ...] | str | None = None
    time_col: str | None = None
    time_unit: TimeUnit | None = None
    stypes: Mapping[str, Stype] = field(default_factory=dict)
    exclude: tuple[str, ...] = ()
    separators: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_name("table", self.name)
        check_origin(f"table '{self.name}'", self.source is not None, self.sql, self.time_unit)
        object.__setattr__(self, "pkey_col", _columns(self.pkey_col))
        object.__setattr__(self, "exclude", _columns(self.exclude) or ())
        object.__setattr__(self, "stypes", {c: self._stype(c, s) for c, s in self.stypes.items()})
        for column, separator in self.separators.items():
            if not isinstance(separator, str) or not separator:
                raise SchemaError(
                    f"table '{self.name}', column '{column}': the separator is {separator!r}; give the text"
                    " that stands between values"
                )
            if self.stypes.get(column, Stype.multicategorical) != Stype.multicategorical:
                raise SchemaError(
                    f"table '{self.name}', column '{column}' is of type {self.stypes[column]}; only"
                    " multicategorical columns have a separator"
                )

    def _stype(self, column: str, stype: str) -> Stype:
        try:
            return Stype(stype)
        except ValueError:
            raise SchemaError(
                f"table '{self.name}', column '{column}': unknown semantic type {stype!r};"
                f" choose one of {', '.join(Stype)}.{nearest(str(stype), Stype)}"
            ) from None

    @property
    def pkey(self) -> tuple[str, ...]:
        """The primary key's columns; empty where there is none."""
        return _columns(self.pkey_col) or ()


@dataclass(frozen=True)
class Link:
    """A foreign key: column `fkey` of table `child` holds primary keys of table `parent`.

    Args:
        child: The table that holds the key.
        fkey: Its column, or columns in the order of the parent's primary key.
        parent: The table that it points at; may be `child` itself.
        weight: Column of `child` with numbers of at least 0, null for 0: the strategy `weighted` draws a
            parent's children in proportion to it. What it holds must have been known at the row's time.
    """

    child: str
    fkey: tuple[str, ...] | str
    parent: str
    weight: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        columns = _columns(self.fkey)
        if not columns:
            raise SchemaError(f"the link from '{self.child}' to '{self.parent}' names no column")
        if self.weight is not None and (not isinstance(self.weight, str) or not self.weight):
            raise SchemaError(
                f"the weight of the link {self.name} is {self.weight!r}; name one column of '{self.child}'"
            )
        object.__setattr__(self, "fkey", columns)

    @property
    def columns(self) -> tuple[str, ...]:
        """The foreign key's columns."""
        return _columns(self.fkey) or ()

    @property
    def fkey_name(self) -> str:
        """The columns joined by `+`: `driverId`, `origin+time_hour`."""
        return "+".join(self.columns)

    @property
    def name(self) -> str:
        """`child.fkey`: unique within a schema, the link's folder in a store."""
        return f"{self.child}.{self.fkey_name}"

    @property
    def to_parent(self) -> EdgeType:
        """Edges whose messages flow from child to parent: `(child, f2p_<fkey>, parent)`."""
        return (self.child, f"f2p_{self.fkey_name}", self.parent)

    @property
    def to_child(self) -> EdgeType:
        """Edges whose messages flow from parent to child: `(parent, rev_f2p_<fkey>, child)`."""
        return (self.parent, f"rev_f2p_{self.fkey_name}", self.child)


class Schema:
    """Tables, links and edge tables that fit together.

    Attributes:
        tables: By name, in the order given.
        links: In the order given; the order numbers the edge types.
        edge_tables: By name, in the order given, which numbers their edge types after those of links.

    Raises:
        SchemaError: On a name given twice, a link to or from an unknown table, or one to a table without
            (or with a wider or narrower) primary key; on an edge table between unknown tables, or those whose
            primary keys have several columns.
    """

    def __init__(
        self, tables: Iterable[Table], links: Iterable[Link] = (), edge_tables: Iterable[EdgeTable] = ()
    ) -> None:
        self.tables: dict[str, Table] = {}
        for table in tables:
            if table.name in self.tables:
                raise SchemaError(f"two tables are named '{table.name}'")
            self.tables[table.name] = table
        self.links: tuple[Link, ...] = tuple(links)
        seen: set[str] = set()
        for link in self.links:
            for end in (link.child, link.parent):
                if end not in self.tables:
                    raise SchemaError(
                        f"the link {link.name} -> {link.parent} names the table '{end}', which the graph"
                        f" does not have.{nearest(end, self.tables)}"
                    )
            pkey = self.tables[link.parent].pkey
            if len(pkey) != len(link.columns):
                raise SchemaError(
                    f"the link {link.name} -> {link.parent} has {len(link.columns)} column(s), but the"
                    f" primary key of '{link.parent}' is {'(' + ', '.join(pkey) + ')' if pkey else 'not set'}"
                )
            if link.name in seen:
                raise SchemaError(f"two links are named {link.name}")
            seen.add(link.name)
        self.edge_tables: dict[str, EdgeTable] = {}
        for edges in edge_tables:
            self._check_edge_table(edges)
            self.edge_tables[edges.name] = edges

    def _check_edge_table(self, edges: EdgeTable) -> None:
        if edges.name in self.tables or edges.name in self.edge_tables:
            raise SchemaError(
                f"two tables are named '{edges.name}'; rename the edge table, relation= keeps its edge type"
            )
        for end in (edges.src, edges.dst):
            if end not in self.tables:
                raise SchemaError(
                    f"the edge table '{edges.name}' names the table '{end}', which the graph does not have."
                    f"{nearest(end, self.tables)}"
                )
            pkey = self.tables[end].pkey
            if len(pkey) > 1:
                raise SchemaError(
                    f"the edge table '{edges.name}' has one column for rows of '{end}', whose primary key is"
                    f" ({', '.join(pkey)}); make one column of them with sql"
                )
        for edge_type in edges.edge_types:
            if edge_type in self.edge_types:
                raise SchemaError(
                    f"the edge type {edge_type} of edge table '{edges.name}' is there already; choose another"
                    " relation"
                )

    @property
    def edge_types(self) -> tuple[EdgeType, ...]:
        """All edge types, in the order of their numbers.

        Of link i, number 2i is `to_parent` and number 2i + 1 is `to_child`. Then come those of the edge
        tables, one each or, with `reverse`, two.
        """
        of_links = [e for link in self.links for e in (link.to_parent, link.to_child)]
        return (*of_links, *(e for edges in self.edge_tables.values() for e in edges.edge_types))

    def table(self, name: str) -> Table:
        """The table of that name.

        Raises:
            SchemaError: If there is none; suggests the nearest.
        """
        return _named("table", name, self.tables)

    def link(self, name: str) -> Link:
        """The link of that name, `child.fkey`.

        Raises:
            SchemaError: If there is none; suggests the nearest.
        """
        return _named("link", name, {link.name: link for link in self.links})

    def edge_table(self, name: str) -> EdgeTable:
        """The edge table of that name.

        Raises:
            SchemaError: If there is none; suggests the nearest.
        """
        return _named("edge table", name, self.edge_tables)

    def links_between(self, child: str, parent: str) -> list[Link]:
        """The links from one table to another; several where a child holds two keys of one parent."""
        return [link for link in self.links if link.child == child and link.parent == parent]

    def feature_columns(self, table: str) -> dict[str, Stype]:
        """The columns of a table that are features in its records, with their semantic types.

        Keys, the time column (which a model sees as an age against the anchor), excluded columns and columns
        of types outside `FEATURE_STYPES` are left out.
        """
        return self._visible(table, FEATURE_STYPES)

    def wide_columns(self, table: str) -> dict[str, Stype]:
        """The columns of a table that are features of several numbers each: lists, text, tensors."""
        return self._visible(table, WIDE_STYPES)

    def list_columns(self, table: str) -> list[str]:
        """The columns of a table that are features of several categories each."""
        return list(self._visible(table, frozenset({Stype.multicategorical})))

    def _visible(self, table: str, stypes: frozenset[Stype]) -> dict[str, Stype]:
        described = self.table(table)
        hidden = {*described.pkey, *described.exclude, described.time_col}
        hidden |= {column for link in self.links if link.child == table for column in link.columns}
        return {c: s for c, s in described.stypes.items() if s in stypes and c not in hidden}

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON or YAML; tables' sources and SQL are left out, for a store has neither."""
        tables = {}
        for table in self.tables.values():
            tables[table.name] = {
                "pkey_col": list(table.pkey),
                "time_col": table.time_col,
                "time_unit": table.time_unit,
                "stypes": {column: str(stype) for column, stype in table.stypes.items()},
                "exclude": list(table.exclude),
            } | ({"separators": dict(table.separators)} if table.separators else {})
        links = [
            {"child": k.child, "fkey": list(k.columns), "parent": k.parent}
            | ({} if k.weight is None else {"weight": k.weight})
            for k in self.links
        ]
        edges = {name: table.to_dict() for name, table in self.edge_tables.items()}
        return {"tables": tables, "links": links, "edge_tables": edges}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Schema:
        """The inverse of `to_dict`."""
        tables = [
            Table(
                name,
                pkey_col=tuple(t["pkey_col"]) or None,
                time_col=t["time_col"],
                time_unit=t["time_unit"],
                stypes=t["stypes"],
                exclude=tuple(t["exclude"]),
                separators=t.get("separators", {}),
            )
            for name, t in data["tables"].items()
        ]
        links = [
            Link(k["child"], tuple(k["fkey"]), k["parent"], weight=k.get("weight")) for k in data["links"]
        ]
        edges = [EdgeTable.from_dict(name, e) for name, e in data.get("edge_tables", {}).items()]
        return cls(tables, links, edges)

    def replace_table(self, table: Table) -> Schema:
        """A schema in which that table takes the place of its namesake."""
        self.table(table.name)
        tables = [table if t.name == table.name else t for t in self.tables.values()]
        return Schema(tables, self.links, self.edge_tables.values())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schema) and self.to_dict() == other.to_dict()

    def __repr__(self) -> str:
        edges = f", {len(self.edge_tables)} edge tables" if self.edge_tables else ""
        return f"Schema({len(self.tables)} tables, {len(self.links)} links{edges})"

    __hash__ = None  # type: ignore[assignment]


def _columns(value: tuple[str, ...] | list[str] | str | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    return (value,) if isinstance(value, str) else tuple(value)


def _named(kind: str, name: str, known: Mapping[str, T]) -> T:
    if name not in known:
        raise SchemaError(f"there is no {kind} '{name}'.{nearest(name, known)}")
    return known[name]


def replace(table: Table, **changes: Any) -> Table:
    """A copy of a table's description with some fields changed."""
    return dataclasses.replace(table, **changes)
