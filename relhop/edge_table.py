"""Edges that are no foreign keys: a table of pairs of rows, many to many. Does no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from relhop.descriptions import check_name, check_origin
from relhop.errors import SchemaError
from relhop.times import TimeUnit


@dataclass(frozen=True, kw_only=True)
class EdgeTable:
    """Edges from rows of one table to rows of another, or of the same one.

    An end is a value of its table's primary key where that has one, else a row's position in the input, from
    0. Edges whose ends do not exist are counted and left out. The same edge may be there several times.

    Args:
        name: Name of the edges in batches, queries and the store.
        src: The table that edges begin at. Messages flow from here.
        dst: The table that they end at. Expanding one of its rows finds rows of `src`.
        source: A path of a CSV, Parquet or SQLite file, a DataFrame or an Arrow table; a path of an .npy file
            or an array [2, E] or [E, 2] of ends ([2, 2] is [2, E]); or a mapping of such arrays by column,
            with the ends as "edge_index". `None`: the graph's source of the same name.
        sql: A DuckDB SELECT over the graph's sources, instead of `source`. Without an ORDER BY, edges are in
            the order of all their columns.
        src_col: Column of the ends in `src`. With `dst_col` left out as well, the first column. Arrays have
            none.
        dst_col: Column of the ends in `dst`. With `src_col` left out as well, the second column.
        time_col: Column that says when an edge came to be. It is visible to an anchor time t iff its time and
            those of both its ends are <= t. `None`: there is none, and an edge is visible when its ends are.
        time_unit: What integers count in the time column, since 1970.
        weight_col: Column of numbers of at least 0, null for 0: the strategy `weighted` draws neighbors in
            proportion to it.
        reverse: Whether edges can be followed the other way, too, as edges of the type
            (dst, "rev_<relation>", src).
        edge_ids: Whether a store knows the number of each edge. `None`: where it has a time or columns
            besides its ends, which need it.
        relation: What stands in the middle of the edge type; `None`: the name.

    Raises:
        SchemaError: If these contradict each other.
    """

    name: str = field(kw_only=False)
    src: str
    dst: str
    source: Any = field(default=None, compare=False, repr=False)
    sql: str | None = None
    src_col: str | None = None
    dst_col: str | None = None
    time_col: str | None = None
    time_unit: TimeUnit | None = None
    weight_col: str | None = None
    reverse: bool = False
    edge_ids: bool | None = None
    relation: str | None = None

    def __post_init__(self) -> None:
        check_name("edge table", self.name)
        check_origin(f"edge table '{self.name}'", self.source is not None, self.sql, self.time_unit)
        if (self.src_col is None) != (self.dst_col is None):
            raise SchemaError(f"edge table '{self.name}' names one of src_col and dst_col; name both or none")
        roles: dict[str, str] = {}
        for role in ("src_col", "dst_col", "time_col", "weight_col"):
            column = getattr(self, role)
            if column is not None and roles.setdefault(column, role) != role:
                raise SchemaError(
                    f"edge table '{self.name}': the column '{column}' is both {roles[column]} and {role}"
                )
        if self.edge_ids is False and (self.time_col is not None or self.weight_col is not None):
            raise SchemaError(f"edge table '{self.name}' has columns, which need edge_ids; leave it out")

    @property
    def edge_type(self) -> tuple[str, str, str]:
        """Edges whose messages flow from `src` to `dst`: `(src, <relation>, dst)`."""
        return (self.src, self.relation or self.name, self.dst)

    @property
    def reverse_edge_type(self) -> tuple[str, str, str] | None:
        """`(dst, rev_<relation>, src)`; None without `reverse`."""
        return (self.dst, f"rev_{self.relation or self.name}", self.src) if self.reverse else None

    @property
    def edge_types(self) -> tuple[tuple[str, str, str], ...]:
        """Its one or two edge types."""
        reverse = self.reverse_edge_type
        return (self.edge_type,) if reverse is None else (self.edge_type, reverse)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON or YAML, without source and SQL; what is left out has its default."""
        return {
            f.name: getattr(self, f.name)
            for f in fields(self)
            if f.name not in ("name", "source", "sql") and getattr(self, f.name) != f.default
        }

    @classmethod
    def from_dict(cls, name: str, data: Mapping[str, Any]) -> EdgeTable:
        """The inverse of `to_dict`."""
        return cls(name, **data)
