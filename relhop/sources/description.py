"""`graph.yaml`: what a graph is, as text that people edit. Read and written here; nothing is inferred.

sources: {races: races.csv}      # more sources for SQL; paths are relative to this file
tables:
  results:
    source: results.csv          # or sql; neither: the source of that name
    sql: SELECT r.*, date FROM results r JOIN races USING (raceId)
    pkey_col: resultId           # or a list; false: none
    time_col: date               # false: none
    time_unit: s                 # of an integer time column: us, ms, s, minutes, hours, days, years
    stypes: {grid: numerical}    # numerical, categorical, timestamp, multicategorical, text, id
    separators: {genres: "|"}    # between the values of a multicategorical text
    exclude: [url]               # columns that a model must not see
links:                           # all of them; without this key they are inferred
  - {child: results, fkey: raceId, parent: races, weight: points}  # the weight may be left out
edges:
  cites:
    src: papers                  # tables
    dst: papers
    source: cites.csv            # or sql; neither: the source of that name
    src_col: citing              # neither src_col nor dst_col: the first two columns
    dst_col: cited
    time_col: year               # also time_unit, weight_col, reverse, edge_ids, relation: see rh.EdgeTable
exclude_tables: [status]
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from relhop.edge_table import EdgeTable
from relhop.errors import SchemaError, nearest
from relhop.schema import Link, Schema, Table
from relhop.sources.edge_arrays import EdgeArrays
from relhop.sources.sqlite import SqliteTable

FILE_NAME = "graph.yaml"
_KEYS = ("sources", "tables", "links", "edges", "exclude_tables")
_TABLE_KEYS = ("source", "sql", "pkey_col", "time_col", "time_unit", "stypes", "separators", "exclude")
_LINK_KEYS = ("child", "fkey", "parent", "weight")
_EDGE_KEYS = tuple(field.name for field in dataclasses.fields(EdgeTable) if field.name != "name")
_EDGE_FLAGS = ("reverse", "edge_ids")


@dataclass(frozen=True)
class Description:
    """What a `graph.yaml` says.

    Attributes:
        tables: By name; what it does not say of a table is `None`.
        links: `None`: to be inferred.
        exclude_tables: Tables that the graph leaves out.
        sources: Paths by name.
        edges: All edge tables.
    """

    tables: Mapping[str, Table] = field(default_factory=dict)
    links: tuple[Link, ...] | None = None
    exclude_tables: tuple[str, ...] = ()
    sources: Mapping[str, Path] = field(default_factory=dict)
    edges: tuple[EdgeTable, ...] = ()


def read_description(path: Path) -> Description:
    """Reads a `graph.yaml`.

    Raises:
        SchemaError: If it is no YAML, or holds a key or a value that means nothing; names it.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SchemaError(f"there is no file {path}") from None
    except UnicodeDecodeError as error:
        raise SchemaError(f"{path} is no text in UTF-8: {error}") from None
    except yaml.YAMLError as error:
        raise SchemaError(f"{path} is no YAML: {error}") from error
    data = {} if data is None else data
    _check_keys(data, _KEYS, f"{path}")
    tables = data.get("tables") or {}
    if not isinstance(tables, dict):
        raise SchemaError(f"{path}: 'tables' must hold one entry a table, by name")
    sources = data.get("sources") or {}
    if not isinstance(sources, dict) or not all(isinstance(v, str) for v in sources.values()):
        raise SchemaError(f"{path}: 'sources' must hold one path a source, by name")
    edges = data.get("edges") or {}
    if not isinstance(edges, dict):
        raise SchemaError(f"{path}: 'edges' must hold one entry an edge table, by name")
    links = data.get("links")
    if links is not None and not isinstance(links, list):
        raise SchemaError(f"{path}: 'links' must be a list of child, fkey and parent")
    return Description(
        {str(name): _table(str(name), entry or {}, path) for name, entry in tables.items()},
        None if links is None else tuple(_link(entry, path) for entry in links),
        _strings(data.get("exclude_tables") or [], f"{path}: 'exclude_tables'"),
        {str(name): path.absolute().parent / source for name, source in sources.items()},
        tuple(_edge_table(str(name), entry, path) for name, entry in edges.items()),
    )


def write_description(schema: Schema, sources: Mapping[str, Any], folder: Path | None) -> str:
    """The text of a `graph.yaml` that says all of a schema. Frames have no place in it, and are left out.

    Args:
        schema: With everything resolved.
        sources: By name.
        folder: Where the file will lie; paths of sources are written relative to it. `None`: absolute.
    """
    paths: dict[str, Any] = {
        name: path for name, source in sources.items() if (path := _path(source, folder)) is not None
    }
    tables = {}
    for table in schema.tables.values():
        entry = _origin(table, paths)
        entry["pkey_col"] = _one_or_list(table.pkey) if table.pkey else False
        entry["time_col"] = table.time_col if table.time_col is not None else False
        if table.time_unit is not None:
            entry["time_unit"] = table.time_unit
        entry["stypes"] = {column: str(stype) for column, stype in table.stypes.items()}
        if table.separators:
            entry["separators"] = dict(table.separators)
        if table.exclude:
            entry["exclude"] = list(table.exclude)
        tables[table.name] = entry
    links = [
        {"child": k.child, "fkey": _one_or_list(k.columns), "parent": k.parent}
        | ({} if k.weight is None else {"weight": k.weight})
        for k in schema.links
    ]
    edges = {name: _origin(table, paths) | table.to_dict() for name, table in schema.edge_tables.items()}
    queries = [t.sql for t in schema.tables.values()] + [e.sql for e in schema.edge_tables.values()]
    if not any(queries):
        paths = {}
    data = {**({"sources": paths} if paths else {}), "tables": tables, "links": links}
    data |= {"edges": edges} if edges else {}
    text: str = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, default_flow_style=False, width=110)
    return text


def _origin(table: Table | EdgeTable, paths: dict[str, Any]) -> dict[str, Any]:
    """Where a table's rows come from; takes its source out of `paths`."""
    if table.sql is not None:
        return {"sql": table.sql}
    return {"source": paths.pop(table.name)} if table.name in paths else {}


def merged(first: Table, second: Table | None) -> Table:
    """A description with what it leaves open taken from a second one of the same name."""
    if second is None:
        return first
    has_origin = first.source is not None or first.sql is not None
    return Table(
        first.name,
        source=first.source if has_origin else second.source,
        sql=first.sql if has_origin else second.sql,
        pkey_col=first.pkey_col if first.pkey_col is not None else second.pkey_col,
        time_col=first.time_col if first.time_col is not None else second.time_col,
        time_unit=first.time_unit or second.time_unit,
        stypes={**second.stypes, **first.stypes},
        exclude=first.exclude or second.exclude,
        separators={**second.separators, **first.separators},
    )


def _table(name: str, entry: Any, path: Path) -> Table:
    where = f"{path}, table '{name}'"
    _check_keys(entry, _TABLE_KEYS, where)
    for key in ("sql", "time_unit"):
        if entry.get(key) is not None and not isinstance(entry[key], str):
            raise SchemaError(f"{where}: '{key}' must be text, not {entry[key]!r}")
    stypes = entry.get("stypes") or {}
    if not isinstance(stypes, dict):
        raise SchemaError(f"{where}: 'stypes' must hold one semantic type a column")
    separators = entry.get("separators") or {}
    if not isinstance(separators, dict):
        raise SchemaError(f"{where}: 'separators' must hold one separator a column")
    pkey, time = entry.get("pkey_col"), entry.get("time_col")
    if time is not None and time is not False and not isinstance(time, str):
        raise SchemaError(f"{where}: 'time_col' must be a column's name or false, not {time!r}")
    return Table(
        name,
        source=_source(entry.get("source"), path.absolute().parent, where),
        sql=entry.get("sql"),
        pkey_col=None if pkey is None else () if pkey is False else _strings(pkey, f"{where}: 'pkey_col'"),
        time_col="" if time is False else time,
        time_unit=entry.get("time_unit"),
        stypes={str(column): stype for column, stype in stypes.items()},
        exclude=_strings(entry.get("exclude") or [], f"{where}: 'exclude'"),
        separators={str(column): separator for column, separator in separators.items()},
    )


def _edge_table(name: str, entry: Any, path: Path) -> EdgeTable:
    where = f"{path}, edge table '{name}'"
    _check_keys(entry, _EDGE_KEYS, where)
    for key in ("src", "dst"):
        if key not in entry:
            raise SchemaError(f"{where} does not say its '{key}'")
    for key, value in entry.items():
        if key == "source":
            continue
        kind = bool if key in _EDGE_FLAGS else str
        if value is not None and not isinstance(value, kind):
            raise SchemaError(
                f"{where}: '{key}' must be {'true or false' if kind is bool else 'text'}, not {value!r}"
            )
    source = _source(entry.get("source"), path.absolute().parent, where)
    return EdgeTable(name, **{**entry, "source": source})


def _source(source: Any, folder: Path, where: str) -> Path | dict[str, Path] | None:
    if source is None:
        return None
    if isinstance(source, str):
        return folder / source
    if not isinstance(source, dict) or not all(isinstance(file, str) for file in source.values()):
        raise SchemaError(
            f"{where}: 'source' must be a path, or a path of an array by column, not {source!r}"
        )
    return {str(column): folder / file for column, file in source.items()}


def _link(entry: Any, path: Path) -> Link:
    where = f"{path}, link {entry}"
    _check_keys(entry, _LINK_KEYS, where)
    for key in ("child", "fkey", "parent"):
        if key not in entry:
            raise SchemaError(f"{where} does not say its '{key}'")
    fkey = _strings(entry["fkey"], f"{where}: 'fkey'")
    return Link(str(entry["child"]), fkey, str(entry["parent"]), weight=entry.get("weight"))


def _check_keys(entry: Any, known: Iterable[str], where: str) -> None:
    known = tuple(known)
    if not isinstance(entry, dict):
        raise SchemaError(f"{where} must hold some of the keys {', '.join(known)}")
    for key in entry:
        if key not in known:
            hint = nearest(str(key), known)
            raise SchemaError(f"{where}: unknown key '{key}'; known are {', '.join(known)}.{hint}")


def _strings(value: Any, where: str) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
        raise SchemaError(f"{where} must be a name or a list of names, not {value!r}")
    return tuple(values)


def _one_or_list(columns: tuple[str, ...]) -> str | list[str]:
    return columns[0] if len(columns) == 1 else list(columns)


def _path(source: Any, folder: Path | None) -> str | dict[str, str] | None:
    """A source's path as text, or that of each column; `None` if it is no file."""
    source = source.given if isinstance(source, EdgeArrays) else source
    if isinstance(source, Mapping):
        paths = {str(column): _file(file, folder) for column, file in source.items()}
        found = {column: file for column, file in paths.items() if file is not None}
        return found if len(found) == len(paths) else None
    return _file(source, folder)


def _file(source: Any, folder: Path | None) -> str | None:
    source = source.path if isinstance(source, SqliteTable) else source
    if not isinstance(source, (str, os.PathLike)):
        return None
    path = Path(source).absolute()
    inside = folder is not None and path.is_relative_to(folder.absolute())
    return str(path.relative_to(folder.absolute()) if inside and folder is not None else path)
