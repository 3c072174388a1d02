"""Folders of the Open Graph Benchmark as stores: the layouts that its archives unpack to, written here."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

import relhop as rh
from relhop.sources.headerless import read_numbers

ENDS = [(0, 1), (2, 0), (1, 1), (2, 0)]
FEATURES = np.array([[0.5, -1.0], [2.0, 3.25], [1e-3, 0.0]], np.float32)


def write_csv(path: Path, rows: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt") as file:
        file.writelines(",".join(map(str, row)) + "\n" for row in rows)  # type: ignore[attr-defined]


def arxiv(folder: Path) -> Path:
    raw = folder / "raw"
    write_csv(raw / "edge.csv.gz", ENDS)
    write_csv(raw / "node-feat.csv.gz", FEATURES.tolist())
    write_csv(raw / "node-label.csv.gz", [[4], [0], [39]])
    write_csv(raw / "node_year.csv.gz", [[2017], [1995], [2010]])
    write_csv(raw / "num-node-list.csv.gz", [[3]])
    write_csv(raw / "num-edge-list.csv.gz", [[4]])
    return folder


def papers(folder: Path, *, compressed: bool) -> Path:
    raw = folder / "raw"
    raw.mkdir(parents=True)
    save = np.savez_compressed if compressed else np.savez
    save(
        raw / "data.npz",
        edge_index=np.asfortranarray(np.array(ENDS).T),
        node_feat=FEATURES,
        node_year=np.array([[2017], [1995], [2010]]),
        num_nodes_list=np.array([3]),
        num_edges_list=np.array([4]),
    )
    save(raw / "node-label.npz", node_label=np.array([[np.nan], [3], [1]], np.float32))
    return folder


def mag(folder: Path) -> Path:
    raw = folder / "raw"
    write_csv(raw / "triplet-type-list.csv.gz", [("author", "writes", "paper"), ("paper", "cites", "paper")])
    write_csv(raw / "num-node-dict.csv.gz", [("author", "paper"), (2, 3)])
    write_csv(raw / "nodetype-has-label.csv.gz", [("author", "paper"), (False, True)])
    for name, ends in {"author___writes___paper": [(0, 2), (1, 2)], "paper___cites___paper": ENDS}.items():
        write_csv(raw / "relations" / name / "edge.csv.gz", ends)
        write_csv(raw / "relations" / name / "edge_reltype.csv.gz", [[7]] * len(ends))
        write_csv(raw / "relations" / name / "num-edge-list.csv.gz", [[len(ends)]])
    write_csv(raw / "node-feat" / "paper" / "node-feat.csv.gz", FEATURES.tolist())
    write_csv(raw / "node-feat" / "paper" / "node_year.csv.gz", [[2017], [1995], [2010]])
    write_csv(raw / "node-label" / "paper" / "node-label.csv.gz", [[4], [0], [39]])
    return folder


def snapshot(folder: Path, **options: str) -> rh.Store:
    graph = rh.Graph.from_ogb(folder, **options)  # type: ignore[arg-type]
    store = graph.snapshot(folder / "g.rh", progress=False)
    store.verify()
    return store


def ends_of(lists: object) -> list[list[int]]:
    """Pairs (src, dst) of lists by dst."""
    offsets, neighbors = lists.offsets[:], lists.neighbors[:]  # type: ignore[attr-defined]
    dst = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    return sorted(np.stack([neighbors, dst], axis=1).tolist())


def test_a_graph_of_one_type_has_attributes_and_ends_by_position(tmp_path: Path) -> None:
    store = snapshot(arxiv(tmp_path))
    assert store.schema.edge_types == (("node", "edge", "node"),)
    nodes = store.tables["node"].attributes
    assert {name: (a.dtype, a.shape) for name, a in nodes.items()} == {
        "x": ("float32", (2,)),
        "y": ("int64", ()),
        "year": ("int64", ()),
    }
    np.testing.assert_array_equal(nodes["x"].array(), FEATURES)
    assert nodes["y"].array().tolist() == [4, 0, 39]
    assert nodes["year"].array().tolist() == [2017, 1995, 2010]
    assert ends_of(store.edge_tables["edge"].incoming) == sorted(map(list, ENDS))


def test_the_year_orders_nodes_where_it_is_the_time(tmp_path: Path) -> None:
    nodes = snapshot(arxiv(tmp_path), time_attr="year").tables["node"]
    assert nodes.order is not None
    assert nodes.time is not None
    assert nodes.order[:].tolist() == [1, 2, 0]
    assert nodes.time[0] == rh.to_micros("1995-01-01")
    np.testing.assert_array_equal(nodes.attributes["x"].array(), FEATURES[[1, 2, 0]])


@pytest.mark.parametrize("compressed", [False, True])
def test_the_binary_layout_gives_the_same_graph(tmp_path: Path, compressed: bool) -> None:
    store = snapshot(papers(tmp_path, compressed=compressed))
    nodes = store.tables["node"].attributes
    np.testing.assert_array_equal(nodes["x"].array(), FEATURES)
    np.testing.assert_array_equal(nodes["y"].array(), np.array([np.nan, 3, 1], np.float32))
    assert nodes["year"].array().tolist() == [2017, 1995, 2010]
    assert ends_of(store.edge_tables["edge"].incoming) == sorted(map(list, ENDS))


def test_types_of_nodes_and_edges_are_tables(tmp_path: Path) -> None:
    store = snapshot(mag(tmp_path))
    assert store.schema.edge_types == (("author", "writes", "paper"), ("paper", "cites", "paper"))
    assert (store.tables["author"].num_rows, store.tables["paper"].num_rows) == (2, 3)
    papers = store.tables["paper"].attributes
    assert papers["y"].array().tolist() == [4, 0, 39]
    np.testing.assert_array_equal(papers["x"].array(), FEATURES)
    # Two edges are as many as edges have ends.
    assert ends_of(store.edge_tables["writes"].incoming) == [[0, 2], [1, 2]]
    assert ends_of(store.edge_tables["cites"].incoming) == sorted(map(list, ENDS))
    assert store.edge_tables["cites"].attributes["reltype"].array().tolist() == [7] * 4


def test_the_same_folder_gives_the_same_store(tmp_path: Path) -> None:
    first = snapshot(arxiv(tmp_path)).fingerprint
    assert snapshot(tmp_path).fingerprint == first
    write_csv(tmp_path / "raw" / "node-label.csv.gz", [[4], [0], [38]])
    assert snapshot(tmp_path).fingerprint != first


def test_a_graph_without_edges_is_read(tmp_path: Path) -> None:
    write_csv(arxiv(tmp_path) / "raw" / "edge.csv.gz", [])
    write_csv(tmp_path / "raw" / "num-edge-list.csv.gz", [[0]])
    assert snapshot(tmp_path).edge_tables["edge"].num_edges == 0


@pytest.mark.parametrize(
    ("write", "missing"),
    [
        (arxiv, "edge.csv.gz"),
        (arxiv, "node-label.csv.gz"),
        (arxiv, "num-node-list.csv.gz"),
        (arxiv, "num-edge-list.csv.gz"),
        (mag, "triplet-type-list.csv.gz"),
        (mag, "num-node-dict.csv.gz"),
        (mag, "relations/paper___cites___paper/edge.csv.gz"),
        (mag, "node-label/paper/node-label.csv.gz"),
    ],
)
def test_a_missing_file_is_named(tmp_path: Path, write: object, missing: str) -> None:
    file = write(tmp_path) / "raw" / missing  # type: ignore[operator]
    file.unlink()
    with pytest.raises(rh.SourceError) as caught:
        rh.Graph.from_ogb(tmp_path)
    assert str(caught.value) == f"there is no file {file}, which OGB's layout has there"


def test_missing_labels_of_the_binary_layout_are_named(tmp_path: Path) -> None:
    file = papers(tmp_path, compressed=False) / "raw" / "node-label.npz"
    file.unlink()
    with pytest.raises(rh.SourceError, match=f"there is no file {file}"):
        rh.Graph.from_ogb(tmp_path)


def test_a_folder_that_is_no_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(rh.SourceError) as caught:
        rh.Graph.from_ogb(tmp_path)
    assert str(caught.value) == (
        f"there is no folder {tmp_path / 'raw'}; give the folder of one of OGB's datasets, which has it"
    )


@pytest.mark.parametrize(
    ("file", "rows", "message"),
    [
        ("node-label.csv.gz", [[4], [0]], "has 2 rows for 3 nodes or edges"),
        ("num-edge-list.csv.gz", [[5]], "has 4 edges, but num-edge-list.csv.gz beside it says 5"),
        ("num-node-list.csv.gz", [[1], [2]], "is about 2 graphs; only a dataset of a single one can be read"),
        ("edge.csv.gz", [[0, 1, 2]], "must hold two integers a line, the ends of an edge"),
        ("node-feat.csv.gz", [["a", 1]], "is no CSV file of numbers"),
    ],
)
def test_files_that_contradict_each_other_are_refused(
    tmp_path: Path, file: str, rows: object, message: str
) -> None:
    write_csv(arxiv(tmp_path) / "raw" / file, rows)
    with pytest.raises(rh.SourceError, match=message):
        rh.Graph.from_ogb(tmp_path)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    file = arxiv(tmp_path) / "raw" / "node-feat.csv.gz"
    file.write_bytes(file.read_bytes()[:-12])
    with pytest.raises(rh.SourceError, match="node-feat"):
        rh.Graph.from_ogb(tmp_path)


def test_numbers_are_integers_unless_one_is_none(tmp_path: Path) -> None:
    path = tmp_path / "numbers.csv.gz"
    late = 1_500_000  # Beyond the first block.
    write_csv(path, [[7]] * late + [[""], ["nan"], [0.5]])
    found = read_numbers(path)
    assert (found.dtype, found.shape) == (np.float32, (late + 3, 1))
    np.testing.assert_array_equal(found[late - 1 :, 0], np.array([7, np.nan, np.nan, 0.5], np.float32))
    write_csv(path, [[1, 2**62]])
    assert read_numbers(path).tolist() == [[1, 2**62]]
