"""Databases of Kùzu as stores: node tables by key, fixed-size arrays, relationships with their columns."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import relhop as rh

STATEMENTS = [
    "CREATE NODE TABLE paper (id INT64, x FLOAT[3], year INT64, name STRING, tags INT64[], PRIMARY KEY (id))",
    "CREATE NODE TABLE author (nick STRING, v DOUBLE[2], PRIMARY KEY (nick))",
    "CREATE REL TABLE cites (FROM paper TO paper, w DOUBLE, src INT64)",
    "CREATE REL TABLE writes (FROM author TO paper)",
    "MATCH (a:paper), (b:paper) WHERE a.id = 30 AND b.id = 10 CREATE (a)-[:cites {w: 0.5, src: 1}]->(b)",
    "MATCH (a:paper), (b:paper) WHERE a.id = 20 AND b.id = 10 CREATE (a)-[:cites {w: 2.0}]->(b)",
    "MATCH (a:author), (b:paper) WHERE a.nick = 'bo' AND b.id = 20 CREATE (a)-[:writes]->(b)",
]
PAPERS = '30,"[1.0,2.0,3.5]",2001,p0,"[1]"\n10,,2000,,"[1,2]"\n20,"[4.0,5.0,6.0]",2002,p2,"[1]"\n'
AUTHORS = 'al,"[0.25,1.0]"\nbo,"[0.5,2.0]"\n'


def database(folder: Path) -> Path:
    kuzu = pytest.importorskip("kuzu", reason="Kùzu's package is not installed: pip install 'relhop[kuzu]'")
    connection = kuzu.Connection(kuzu.Database(str(folder / "db")))
    for statement in STATEMENTS[:4]:
        connection.execute(statement)
    for name, text in {"paper": PAPERS, "author": AUTHORS}.items():
        (folder / f"{name}.csv").write_text(text)
        connection.execute(f"COPY {name} FROM '{folder / name}.csv'")
    for statement in STATEMENTS[4:]:
        connection.execute(statement)
    return folder / "db"


def test_a_database_is_tables_and_edge_tables(tmp_path: Path) -> None:
    graph = rh.Graph.from_kuzu(database(tmp_path))
    store = graph.snapshot(tmp_path / "g.rh", progress=False)
    store.verify()
    assert store.schema.edge_types == (("paper", "cites", "paper"), ("author", "writes", "paper"))
    paper, author = store.tables["paper"].attributes, store.tables["author"].attributes
    assert paper["id"].array().tolist() == [30, 10, 20]
    assert paper["year"].array().tolist() == [2001, 2000, 2002]
    assert (paper["x"].dtype, paper["x"].shape, author["v"].dtype) == ("float32", (3,), "float64")
    np.testing.assert_array_equal(paper["x"].array(), [[1, 2, 3.5], [np.nan] * 3, [4, 5, 6]])
    assert author["v"].array().tolist() == [[0.25, 1.0], [0.5, 2.0]]
    names = store.connect().sql("SELECT name FROM paper").fetchall()
    assert names == [("p0",), (None,), ("p2",)]
    cites, writes = (store.edge_tables[name].incoming for name in ("cites", "writes"))
    assert (cites.offsets[:].tolist(), cites.neighbors[:].tolist()) == ([0, 0, 2, 2], [0, 2])
    assert (writes.offsets[:].tolist(), writes.neighbors[:].tolist()) == ([0, 0, 0, 1], [1])
    assert store.edge_tables["cites"].attributes["w"].array().tolist() == [0.5, 2.0]
    left_out = {(e.table, e.column): e.why for e in graph.explanations if e.guess == "left out"}
    assert list(left_out) == [("paper", "name"), ("paper", "tags")]
    assert left_out["paper", "tags"] == "its values are no numbers of one shape, text or times"


def test_the_same_database_gives_the_same_store(tmp_path: Path) -> None:
    path = database(tmp_path)
    first, second = (
        rh.Graph.from_kuzu(path).snapshot(tmp_path / f"{i}.rh", progress=False).fingerprint for i in range(2)
    )
    assert first == second


def test_a_path_without_a_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(rh.SourceError) as caught:
        rh.Graph.from_kuzu(tmp_path / "none")
    assert str(caught.value) == f"there is no database at {tmp_path / 'none'}"


def test_without_a_package_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("kuzu", "ladybug"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(rh.SourceError, match=r'pip install "relhop\[kuzu\]" for Kùzu'):
        rh.Graph.from_kuzu(tmp_path)
