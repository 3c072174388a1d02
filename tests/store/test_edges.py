"""Edge tables of a store, held to a plain adjacency in Python."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings

import relhop as rh
from relhop.times import NULL_TIME
from tests.edge_graphs import DAY, EdgeGraph, edge_graphs


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(graph=edge_graphs())
def test_a_store_holds_the_edges_of_the_input_in_both_directions(graph: EdgeGraph) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = graph.graph().snapshot(Path(folder) / "g.rh", progress=False)
        store.verify()
        stored = store.edge_tables["e"]
        positions = range(len(graph.edges))
        there = [graph.ends(i) is not None for i in positions]
        null = [graph.edges[i].src is None or graph.edges[i].dst is None for i in positions]
        visible = [graph.visible(i) for i in positions]
        assert (stored.num_rows, stored.num_edges) == (len(graph.edges), sum(there))
        assert (stored.nulls, stored.dangling) == (sum(null), len(there) - sum(there) - sum(null))
        if graph.timed:
            assert stored.order is not None
            assert stored.time is not None
            assert stored.order[:].tolist() == graph.order()
            days = [visible[i] for i in graph.order()]
            assert stored.time[:].tolist() == [NULL_TIME if day is None else DAY * day for day in days]
            assert stored.null_times == visible.count(None)
            later = [
                v is not None and v > graph.edges[i].time for i, v in enumerate(visible) if v is not None
            ]
            assert stored.delayed == sum(later)
        assert list(stored.lists) == (["in", "out"] if graph.reverse else ["in"])
        for direction, lists in stored.lists.items():
            expected = graph.lists(direction)
            flat = list(itertools.chain.from_iterable(expected))
            assert lists.offsets[:].tolist() == [0, *itertools.accumulate(map(len, expected))]
            assert lists.neighbors[:].tolist() == [neighbor for neighbor, _, _ in flat]
            assert lists.edge_ids is not None
            assert lists.edge_ids[:].tolist() == [number for _, number, _ in flat]
            if graph.weighted:
                sums = [itertools.accumulate(weight for _, _, weight in of_row) for of_row in expected]
                assert lists.weights is not None
                assert lists.weights.tolist() == list(itertools.chain.from_iterable(sums))
        notes = store.connect().sql("SELECT note FROM e ORDER BY _rh_row").fetchall() if graph.edges else []
        assert [note for (note,) in notes] == [f"n{i}" for i in graph.order()]


def big_graph(**options: object) -> rh.Graph:
    """Edges that take more than the smallest memory limit, some of them with missing ends."""
    rng = np.random.default_rng(0)
    people = pd.DataFrame(
        {"at": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 99, 5000), unit="h")}
    )
    edges = pd.DataFrame(
        {
            "a": rng.integers(0, 5010, 300_000),
            "b": (5000 * rng.random(300_000) ** 3).astype(int),
            "at": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 99, 300_000), unit="h"),
            "w": rng.random(300_000),
        }
    )
    described = rh.EdgeTable("e", src="p", dst="p", source=edges, weight_col="w", reverse=True, **options)  # type: ignore[arg-type]
    return rh.Graph([rh.Table("p", source=people, pkey_col=(), time_col="at")], links=[], edges=[described])


@pytest.mark.parametrize("time_col", [None, "at"])
def test_a_store_is_the_same_bytes_whatever_the_memory_limit(tmp_path: Path, time_col: str | None) -> None:
    graph = big_graph(time_col=time_col)
    for name, limit in (("large", None), ("small", "90MB")):
        graph.snapshot(tmp_path / name, memory_limit=limit, progress=False)
    files = [file.relative_to(tmp_path / "large") for file in (tmp_path / "large").rglob("*.bin")]
    assert len(files) >= 8
    for file in files:
        assert (tmp_path / "small" / file).read_bytes() == (tmp_path / "large" / file).read_bytes()


def small(edges: object, **options: object) -> rh.Graph:
    people = rh.Table("p", source=pd.DataFrame({"name": ["a", "b", "c"], "x": [1.0, 2.0, 3.0]}), pkey_col=())
    return rh.Graph([people], links=[], edges=[rh.EdgeTable("e", src="p", dst="p", source=edges, **options)])  # type: ignore[arg-type]


def pairs(store: rh.Store, name: str = "e") -> list[tuple[int, int]]:
    """The edges of an edge table as (src, dst), by dst."""
    lists = store.edge_tables[name].incoming
    owners = np.repeat(np.arange(len(lists.offsets) - 1), np.diff(lists.offsets[:]))
    return list(zip(lists.neighbors[:].tolist(), owners.tolist(), strict=True))


INDEX = np.array([[0, 1, 2, 2], [1, 2, 0, 0]])


@pytest.mark.parametrize(
    "given",
    [
        INDEX,
        INDEX.T,
        INDEX.astype(np.int32),
        INDEX.T.astype(np.int16),
        np.asfortranarray(INDEX),
        INDEX.astype(">i8"),
    ],
    ids=["[2, E]", "[E, 2]", "int32", "int16", "Fortran", "big-endian"],
)
@pytest.mark.parametrize("as_file", [True, False], ids=["npy", "array"])
def test_an_array_of_ends_may_lie_as_it_likes(tmp_path: Path, given: np.ndarray, as_file: bool) -> None:
    source: object = given
    if as_file:
        source = tmp_path / "edges.npy"
        np.save(source, given)
    store = small(source).snapshot(tmp_path / "g.rh", progress=False)
    store.verify()
    assert pairs(store) == [(2, 0), (2, 0), (0, 1), (1, 2)]
    assert store.edge_tables["e"].incoming.edge_ids is None


def test_an_array_of_two_by_two_has_a_row_for_each_end(tmp_path: Path) -> None:
    store = small(np.array([[0, 1], [2, 2]])).snapshot(tmp_path / "g.rh", progress=False)
    assert pairs(store) == [(0, 2), (1, 2)]


def test_an_array_of_no_edges_is_a_table_of_none(tmp_path: Path) -> None:
    store = small(np.empty((2, 0), np.int64), reverse=True).snapshot(tmp_path / "g.rh", progress=False)
    store.verify()
    assert pairs(store) == []
    assert store.describe().edge_tables[0].degree_max == {"in": 0, "out": 0}


def test_positions_beyond_the_table_and_before_it_are_dangling(tmp_path: Path) -> None:
    store = small(np.array([[0, 3, -1, 2], [1, 1, 1, 0]])).snapshot(tmp_path / "g.rh", progress=False)
    assert pairs(store) == [(2, 0), (0, 1)]
    stored = store.edge_tables["e"]
    assert (stored.num_rows, stored.num_edges, stored.nulls, stored.dangling) == (4, 2, 0, 2)


def test_tensors_of_edges_are_kept_in_the_order_of_the_edges(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    wide, flags = rng.normal(size=(4, 2, 3)).astype(np.float32), np.array([True, False, True, True])
    source = {"edge_index": INDEX, "time": np.array([4, 2, 3, 1]), "wide": wide, "flag": flags}
    for timed, order in ((False, [0, 1, 2, 3]), (True, [3, 1, 2, 0])):
        options = {"time_col": "time", "time_unit": "s"} if timed else {}
        store = small(source, **options).snapshot(tmp_path / f"{timed}.rh", progress=False)
        store.verify()
        attributes = store.edge_tables["e"].attributes
        assert {name: (a.dtype, a.shape) for name, a in attributes.items()} == {
            "time": ("int64", ()),
            "wide": ("float32", (2, 3)),
            "flag": ("bool", ()),
        }
        np.testing.assert_array_equal(attributes["wide"].array(), wide[order])
        np.testing.assert_array_equal(attributes["flag"].gather(np.array([3, 0])), flags[order][[3, 0]])
        assert attributes["time"].array().tolist() == source["time"][order].tolist()
        assert sorted(
            zip(store.edge_tables["e"].incoming.edge_ids[:].tolist(), pairs(store), strict=True)
        ) == list(  # type: ignore[index]
            enumerate([(2, 0), (1, 2), (2, 0), (0, 1)] if timed else [(0, 1), (1, 2), (2, 0), (2, 0)])
        )


def test_numbers_of_a_frame_of_edges_are_attributes_with_null_as_nan(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "a": [0, 1],
            "b": [1, 2],
            "rating": pd.Series([3, None], dtype="Int16"),
            "count": np.array([7, 8], np.int32),
            "kind": ["x", "y"],
            "good": [True, False],
        }
    )
    store = small(frame).snapshot(tmp_path / "g.rh", progress=False)
    store.verify()
    attributes = store.edge_tables["e"].attributes
    assert {name: a.dtype for name, a in attributes.items()} == {
        "rating": "float64",
        "count": "int32",
        "good": "bool",
    }
    np.testing.assert_array_equal(attributes["rating"].array(), [3, np.nan])
    assert attributes["good"].array().tolist() == [True, False]


def test_ends_may_be_keys_of_a_table_of_arrays(tmp_path: Path) -> None:
    tables = [rh.Table("p", source={"id": np.array([10, 30, 20]), "x": np.eye(3)}, pkey_col="id")]
    edges = [rh.EdgeTable("e", src="p", dst="p", source=np.array([[10, 20, 99], [30, 30, 10]]))]
    store = rh.Graph(tables, links=[], edges=edges).snapshot(tmp_path / "g.rh", progress=False)
    store.verify()
    assert pairs(store) == [(0, 1), (2, 1)]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (np.zeros((3, 4), np.int64), "source 'e': 'edge_index' has the shape [3, 4], not [2, E] or [E, 2]"),
        (np.zeros((2, 4)), "source 'e': 'edge_index' holds float64; the ends of edges are integers"),
        ({"x": np.zeros(3)}, "source 'e' has no 'edge_index', an array [2, E] of the ends of edges"),
        (
            {"edge_index": INDEX, "x": np.zeros(3)},
            "source 'e': 'edge_index' has 4 edges, 'x' 3 rows; the arrays of edges are of one length",
        ),
        (
            {"edge_index": INDEX, "src": np.zeros(4)},
            "source 'e' has 'edge_index' and a column 'src'; rename the column",
        ),
    ],
)
def test_arrays_that_are_no_edges_are_refused(source: object, message: str) -> None:
    with pytest.raises(rh.SourceError) as caught:
        small(source)
    assert str(caught.value) == message


def test_text_as_ends_of_a_table_without_a_key_is_refused(tmp_path: Path) -> None:
    graph = small(pd.DataFrame({"a": ["x"], "b": [1]}))
    with pytest.raises(rh.SourceError) as caught:
        graph.snapshot(tmp_path / "g.rh", progress=False)
    assert str(caught.value) == (
        "e.a: VARCHAR for rows of p, which has no primary key: 1 of 1 rows; ends are then positions, which are"
        " integers; name the key of the table in pkey_col"
    )


def test_under_as_of_edges_that_are_later_are_not_there(tmp_path: Path) -> None:
    people = pd.DataFrame({"at": pd.to_datetime(["2020-01-01", "2020-01-03", "2020-01-02"])})
    frame = pd.DataFrame(
        {"a": [0, 1, 2], "b": [2, 0, 0], "at": pd.to_datetime(["2020-01-05", "2020-01-01", None])}
    )
    for time_col, notes in ((None, [0, 2]), ("at", [])):
        edges = rh.EdgeTable("e", src="p", dst="p", source=frame, time_col=time_col)
        tables = [rh.Table("p", source=people, pkey_col=(), time_col="at")]
        store = rh.Graph(tables, links=[], edges=[edges]).snapshot(
            tmp_path / f"{time_col}.rh", progress=False
        )
        past = store.as_of("2020-01-02")
        found = past.connect().sql("SELECT _rh_row FROM e ORDER BY ALL").fetchall()
        assert [row for (row,) in found] == notes
        assert past.caps().tolist() == ([2] if time_col is None else [2, 0])
        assert store.newest_time == rh.to_micros("2020-01-03" if time_col is None else "2020-01-05")


def test_describe_counts_edges_that_wait_for_their_ends(tmp_path: Path) -> None:
    people = pd.DataFrame({"at": pd.to_datetime(["2020-01-01", "2020-01-03", None])})
    frame = pd.DataFrame({"a": [0, 1, 2], "b": [0, 0, 0], "at": pd.to_datetime(["2020-01-02"] * 3)})
    tables = [rh.Table("p", source=people, pkey_col=(), time_col="at")]
    edges = rh.EdgeTable("e", src="p", dst="p", source=frame, time_col="at")
    store = rh.Graph(tables, links=[], edges=[edges]).snapshot(tmp_path / "g.rh", progress=False)
    [found] = store.describe().edge_tables
    assert (found.rows, found.edges, found.delayed, found.null_times) == (3, 3, 1, 1)
    assert (found.oldest_time, found.newest_time) == (rh.to_micros("2020-01-02"), rh.to_micros("2020-01-03"))
    assert (found.degree_mean, found.degree_max) == ({"in": 1.0}, {"in": 3})


def test_a_store_of_the_same_edges_is_used_again_and_of_others_is_built_anew(tmp_path: Path) -> None:
    path = tmp_path / "g.rh"
    first = small(INDEX).snapshot(path, progress=False)
    assert small(INDEX.copy()).snapshot(path, progress=False).fingerprint == first.fingerprint
    assert small(INDEX[::-1]).snapshot(path, progress=False).fingerprint != first.fingerprint
    assert pairs(rh.Store.open(path)) == [(1, 0), (2, 1), (0, 2), (0, 2)]
