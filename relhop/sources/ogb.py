"""The folder layout of the Open Graph Benchmark's node property prediction, without its package.

    raw/edge.csv.gz, node-feat.csv.gz, node-label.csv.gz, num-node-list.csv.gz      a graph of one type
    raw/data.npz, node-label.npz                                                    the same, in binary
    raw/triplet-type-list.csv.gz, num-node-dict.csv.gz, relations/, node-feat/ …    a graph of several types

Source: `read_graph_raw.py` of https://github.com/snap-stanford/ogb, which reads them into memory.
"""

from __future__ import annotations

import csv
import gzip
import os
from pathlib import Path
from typing import TypeVar

from relhop.edge_table import EdgeTable
from relhop.errors import SourceError
from relhop.schema import Table
from relhop.sources.array_columns import ArrayColumn, dense
from relhop.sources.array_files import member_names, read_file
from relhop.sources.edge_arrays import EDGE_INDEX
from relhop.sources.headerless import read_numbers
from relhop.sources.numbered import EDGE, NODE, edge_tables, node_table
from relhop.times import TimeUnit

_SUFFIX = ".csv.gz"
_TITLES = {"node_feat": "x", "node_label": "y", "edge_feat": "edge_attr"}

_T = TypeVar("_T")
_Columns = dict[str, ArrayColumn]
_Graph = tuple[dict[str, int], dict[str, _Columns], dict[tuple[str, str, str], _Columns]]


def tables_of_ogb(
    folder: str | os.PathLike[str], time_attr: str | None = None, time_unit: TimeUnit = "years"
) -> tuple[list[Table], list[EdgeTable]]:
    """The tables and edge tables of a dataset; the ends of edges are the nodes' numbers.

    Args:
        folder: The dataset's, in which `raw` is.
        time_attr: The attribute that says when nodes or edges came to be, of those types that have it.
        time_unit: What its numbers count, since 1970.

    Raises:
        SourceError: If a file is missing or cannot be read, or files contradict each other.
    """
    raw = Path(folder).absolute() / "raw"
    if not raw.is_dir():
        raise SourceError(f"there is no folder {raw}; give the folder of one of OGB's datasets, which has it")
    if (raw / "data.npz").is_file():
        counts, nodes, edges = _of_archives(raw)
    elif (raw / f"triplet-type-list{_SUFFIX}").is_file() or (raw / "relations").is_dir():
        counts, nodes, edges = _of_types(raw)
    else:
        counts, nodes, edges = _of_one_type(raw)
    tables = [node_table(name, nodes[name], count, time_attr, time_unit) for name, count in counts.items()]
    return tables, edge_tables(edges, tables, time_attr, time_unit)


def _of_one_type(raw: Path) -> _Graph:
    count = _count(raw / f"num-node-list{_SUFFIX}")
    label = raw / f"node-label{_SUFFIX}"
    found = {**_columns(raw, "node", count), "y": _column(label, count)}
    return {NODE: count}, {NODE: found}, {(NODE, EDGE, NODE): _edges(raw)}


def _of_archives(raw: Path) -> _Graph:
    path = raw / "data.npz"
    counts = _member(path, "num_nodes_list")
    [count] = _one(counts.rows(0, counts.num_rows).tolist(), path)
    index = _member(path, EDGE_INDEX)
    if index.num_rows != 2 or len(index.shape) != 1:
        raise SourceError(f"{path}: 'edge_index' has the shape {[index.num_rows, *index.shape]}, not [2, E]")
    nodes, edges = {}, {EDGE_INDEX: index}
    for name in member_names(path):
        if name.startswith("node_"):
            nodes[_title(name)] = _member(path, name, count)
        elif name.startswith("edge_") and name != EDGE_INDEX:
            edges[_title(name)] = _member(path, name, index.shape[0])
    nodes["y"] = _member(raw / "node-label.npz", "node_label", count)
    return {NODE: count}, {NODE: nodes}, {(NODE, EDGE, NODE): edges}


def _of_types(raw: Path) -> _Graph:
    path = raw / f"num-node-dict{_SUFFIX}"
    header, *lines = _text(path)
    [numbers] = _one(lines, path)
    counts = {name: int(number) for name, number in zip(header, numbers, strict=True)}
    nodes, labelled = {}, _labelled(raw)
    for name, count in counts.items():
        nodes[name] = _columns(raw / "node-feat" / name, "node", count)
        label = raw / "node-label" / name / f"node-label{_SUFFIX}"
        if label.is_file() or name in labelled:
            nodes[name]["y"] = _column(label, count)
    edges = {}
    for src, relation, dst in _text(raw / f"triplet-type-list{_SUFFIX}"):
        edges[src, relation, dst] = _edges(raw / "relations" / f"{src}___{relation}___{dst}")
    return counts, nodes, edges


def _labelled(raw: Path) -> list[str]:
    """Types of nodes that are said to have labels."""
    path = raw / f"nodetype-has-label{_SUFFIX}"
    if not path.is_file():
        return []
    header, flags = _text(path)
    return [name for name, flag in zip(header, flags, strict=True) if flag == "True"]


def _edges(folder: Path) -> _Columns:
    path = folder / f"edge{_SUFFIX}"
    ends = read_numbers(path)
    if len(ends) and (ends.shape[1] != 2 or ends.dtype.kind != "i"):
        raise SourceError(f"{path} must hold two integers a line, the ends of an edge")
    count = _count(folder / f"num-edge-list{_SUFFIX}")
    if count != len(ends):
        raise SourceError(f"{path} has {len(ends)} edges, but num-edge-list{_SUFFIX} beside it says {count}")
    index = dense(ends.reshape(-1, 2).T, str(path), path)
    return {EDGE_INDEX: index, **_columns(folder, "edge", count)}


def _columns(folder: Path, kind: str, count: int) -> _Columns:
    """The arrays of nodes or edges that a folder holds, labels left out."""
    files = sorted([*folder.glob(f"{kind}-feat{_SUFFIX}"), *folder.glob(f"{kind}_*{_SUFFIX}")])
    return {_title(file.name.removesuffix(_SUFFIX)): _column(file, count) for file in files}


def _column(path: Path, count: int) -> ArrayColumn:
    return _squeezed(dense(read_numbers(path), str(path), path), count, str(path))


def _squeezed(column: ArrayColumn, count: int, where: str) -> ArrayColumn:
    """Of one number a row where that is all that rows hold."""
    if column.num_rows != count:
        raise SourceError(f"{where} has {column.num_rows} rows for {count} nodes or edges")
    if column.shape != (1,):
        return column
    return ArrayColumn(
        column.dtype,
        (),
        column.num_rows,
        lambda which: column.read(which).reshape(-1),
        column.file,
        column.member,
    )


def _member(path: Path, name: str, count: int | None = None) -> ArrayColumn:
    column = read_file(f"{path}:{name}", f"'{name}'")
    return column if count is None else _squeezed(column, count, f"{path}: '{name}'")


def _title(name: str) -> str:
    """What an array is called in PyG, by what OGB calls it: `x` of node-feat, `year` of node_year."""
    plain = name.replace("-", "_")
    return _TITLES.get(plain, plain.partition("_")[2])


def _count(path: Path) -> int:
    [[count]] = _one(read_numbers(path).tolist(), path)
    return int(count)


def _one(found: list[_T], path: Path) -> list[_T]:
    if len(found) != 1:
        raise SourceError(f"{path} is about {len(found)} graphs; only a dataset of a single one can be read")
    return found


def _text(path: Path) -> list[list[str]]:
    """The fields of each line."""
    if not path.is_file():
        raise SourceError(f"there is no file {path}, which OGB's layout has there")
    with gzip.open(path, "rt") as file:
        return [line for line in csv.reader(file) if line]
