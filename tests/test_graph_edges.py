"""Edge tables of a graph: where they come from, and their findings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import relhop as rh
from tests import citations


def test_a_folder_with_edges_is_written_and_read_as_yaml(tmp_path: Path) -> None:
    (tmp_path / "papers.csv").write_text("id,pages\n7,1.5\n9,2.5\n")
    (tmp_path / "cites.csv").write_text("from,to,year\n7,9,2020\n9,7,2021\n")
    np.save(tmp_path / "near.npy", np.array([[9, 9], [7, 9]]))
    (tmp_path / "graph.yaml").write_text(
        "tables: {papers: {pkey_col: id}}\n"
        "edges:\n"
        "  cites: {src: papers, dst: papers, time_col: year, time_unit: years, reverse: true}\n"
        "  near: {src: papers, dst: papers, source: {edge_index: near.npy}}\n"
    )
    graph = rh.Graph.from_folder(tmp_path, verbose=False)
    assert list(graph.schema.tables) == ["papers"]
    assert graph.schema.edge_tables["cites"].src_col == "from"
    text = graph.to_yaml(tmp_path / "again.yaml")
    assert "edges:\n  cites:\n    source: cites.csv\n    src: papers\n" in text
    assert "  near:\n    source:\n      edge_index: near.npy\n" in text
    again = rh.Graph.from_yaml(tmp_path / "again.yaml")
    assert again.schema == graph.schema
    store = again.snapshot(tmp_path / "g.rh", progress=False)
    assert store.edge_tables["near"].incoming.neighbors[:].tolist() == [1, 1]
    assert store.edge_tables["cites"].time is not None


def test_sql_over_the_sources_gives_edges() -> None:
    frame = pd.DataFrame({"id": [1, 2, 3], "boss": [None, 1, 1]})
    edges = rh.EdgeTable("leads", src="p", dst="p", sql="SELECT boss, id FROM p WHERE boss IS NOT NULL")
    graph = rh.Graph([rh.Table("p", source=frame, pkey_col="id")], links=[], edges=[edges])
    assert (graph.schema.edge_tables["leads"].src_col, graph.schema.edge_tables["leads"].dst_col) == (
        "boss",
        "id",
    )


def test_a_source_by_name_may_be_an_array() -> None:
    table = rh.Table("p", source=pd.DataFrame({"x": [1.0, 2.0]}), pkey_col=())
    graph = rh.Graph(
        [table],
        links=[],
        sources={"e": np.array([[0, 1], [1, 1]])},
        edges=[rh.EdgeTable("e", src="p", dst="p")],
    )
    assert graph.schema.edge_tables["e"].src_col == "src"


def test_a_column_that_is_not_there_is_refused_with_the_nearest() -> None:
    table = rh.Table("p", source=pd.DataFrame({"x": [1.0, 2.0]}), pkey_col=())
    frame = pd.DataFrame({"a": [0], "b": [1], "weight": [1.0]})
    edges = rh.EdgeTable("e", src="p", dst="p", source=frame, weight_col="weigth")
    with pytest.raises(rh.SchemaError) as caught:
        rh.Graph([table], links=[], edges=[edges])
    assert str(caught.value) == (
        "edge table 'e' has no column 'weigth', which weight_col names. Did you mean 'weight'?"
    )


def test_validation_finds_edges_that_are_left_out_or_wait() -> None:
    findings = [str(finding) for finding in citations.graph().validate().findings]
    expected = [
        "warning: cites.seen: null time: 1 of 8 rows",
        "warning: cites.weight: null weight: 1 of 8 rows",
        "warning: cites.citing: null end: 1 of 8 rows; such edges are left out",
        "warning: cites.citing: dangling end: no such row in papers: 1 of 8 rows, such as zz; such edges are left out",
        "warning: visits.src: dangling end: no such row in authors: 1 of 5 rows, such as 9; such edges are left out",
        "warning: cites.seen: older than its row of papers: 4 of 8 rows;"
        " such edges are visible from the time of that row on",
    ]
    for start in expected:
        assert any(finding.startswith(start) for finding in findings), (start, findings)


def test_a_time_that_is_not_the_edges_own_is_pointed_out() -> None:
    frame = pd.DataFrame({"a": [0, 1], "b": [1, 0], "on": pd.to_datetime(["2020-01-01", "2020-01-02"])})
    table = rh.Table("p", source=pd.DataFrame({"x": [1.0, 2.0]}), pkey_col=())
    graph = rh.Graph([table], links=[], edges=[rh.EdgeTable("e", src="p", dst="p", source=frame)])
    [finding] = graph.validate().findings
    assert str(finding) == (
        "warning: e.on: a time that is not time_col: 2 of 2 rows; such edges are visible when their ends are; say"
        " time_col='on' if they are not"
    )


def test_ends_that_cannot_be_keys_are_an_error() -> None:
    frame = pd.DataFrame({"a": pd.to_datetime(["2020-01-01"]), "b": [1]})
    table = rh.Table("p", source=pd.DataFrame({"id": [1, 2]}), pkey_col="id")
    graph = rh.Graph([table], links=[], edges=[rh.EdgeTable("e", src="p", dst="p", source=frame)])
    assert [str(finding) for finding in graph.validate().errors] == [
        "error: e.a: key type mismatch: TIMESTAMP here, BIGINT in p.id: 1 of 1 rows; cast one with sql"
    ]


def test_text_is_no_position_of_a_row() -> None:
    frame = pd.DataFrame({"a": ["x", "y"], "b": [0, 1], "at": pd.to_datetime(["2020-01-01"] * 2)})
    table = rh.Table("p", source=pd.DataFrame({"x": [1, 2], "at": frame["at"]}), pkey_col=(), time_col="at")
    edges = rh.EdgeTable("e", src="p", dst="p", source=frame, time_col="at")
    assert [str(finding) for finding in rh.Graph([table], links=[], edges=[edges]).validate().errors] == [
        "error: e.a: VARCHAR for rows of p, which has no primary key: 2 of 2 rows; ends are then positions,"
        " which are integers; name the key of the table in pkey_col"
    ]


def test_negative_weights_are_an_error(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [0, 1], "b": [1, 0], "w": [1.0, -2.0]})
    table = rh.Table("p", source=pd.DataFrame({"x": [1.0, 2.0]}), pkey_col=())
    edges = rh.EdgeTable("e", src="p", dst="p", source=frame, weight_col="w")
    with pytest.raises(
        rh.SourceError, match=r"^e.w: weight that is negative, infinite or NaN: 1 of 2 rows, such as -2.0"
    ):
        rh.Graph([table], links=[], edges=[edges]).snapshot(tmp_path / "g.rh", progress=False)
