from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from relhop.errors import SchemaError, SourceError, StoreError
from relhop.graph import Graph
from relhop.schema import Link, Table

CHINOOK = Path(__file__).parent / "data/Chinook_Sqlite.sqlite"


def refused(kind: type[Exception], message: str) -> Any:
    return pytest.raises(kind, match=f"^{re.escape(message)}$")


def folder(root: Path, **files: str) -> Path:
    for name, text in files.items():
        (root / f"{name}.csv").write_text(text, encoding="utf-8")
    return root


@pytest.fixture
def racing(tmp_path: Path) -> Path:
    return folder(
        tmp_path,
        races="raceId,name,date\n1,Monaco,2020-05-01\n2,Monza,2020-09-01\n",
        results="resultId,raceId,rank\n10,2,1\n11,1,2\n12,1,1\n",
        notes="noteId,text\n1,a\n2,b\n",
    )


WITH_DATE = "SELECT r.*, date FROM results r JOIN races USING (raceId)"


class TestFromFolder:
    def test_everything_is_inferred(self, racing: Path) -> None:
        graph = Graph.from_folder(racing, verbose=False)
        assert repr(graph) == "Graph(notes, races, results; 1 links)"
        assert graph.schema.links == (Link("results", "raceId", "races"),)
        assert graph.schema.table("races").time_col == "date"

    def test_what_was_inferred_is_printed_unless_asked_not_to(
        self, racing: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        Graph.from_folder(racing, verbose=False)
        assert capsys.readouterr().out == ""
        Graph.from_folder(racing)
        assert "What the tables are taken for" in capsys.readouterr().out

    def test_tables_override_and_add(self, racing: Path) -> None:
        tables = [
            Table("results", sql=WITH_DATE, time_col="date", stypes={"rank": "categorical"}),
            Table("names", sql="SELECT DISTINCT name FROM races"),
        ]
        graph = Graph.from_folder(racing, tables=tables, exclude_tables=["notes"], verbose=False)
        assert list(graph.schema.tables) == ["races", "results", "names"]
        results = graph.schema.table("results")
        assert (results.pkey, results.time_col, results.stypes["rank"]) == (
            ("resultId",),
            "date",
            "categorical",
        )
        assert graph.schema.table("names").pkey == ("name",)

    def test_given_links_are_all(self, racing: Path) -> None:
        assert Graph.from_folder(racing, links=[], verbose=False).schema.links == ()

    def test_excluding_an_unknown_table_is_refused_with_the_nearest(self, racing: Path) -> None:
        with refused(
            SchemaError,
            f"exclude_tables names 'note', which {racing} does not have. Did you mean 'notes'?",
        ):
            Graph.from_folder(racing, exclude_tables=["note"])

    def test_a_yaml_file_comes_before_inference_and_after_arguments(self, racing: Path) -> None:
        (racing / "graph.yaml").write_text(
            f"""
            sources: {{extra: notes.csv}}
            tables:
              results: {{sql: "{WITH_DATE}", time_col: date, stypes: {{rank: categorical}}, exclude: rank}}
              races: {{time_col: false, pkey_col: false, exclude: [name]}}
              copies: {{source: races.csv, time_unit: s}}
              more: {{sql: SELECT * FROM extra, pkey_col: [noteId]}}
            links: []
            exclude_tables: [notes]
            """,
            encoding="utf-8",
        )
        given = Table("races", pkey_col="raceId", stypes={"name": "text"})
        graph = Graph.from_folder(racing, tables=[given], verbose=False)
        assert list(graph.schema.tables) == ["races", "results", "copies", "more"]
        assert graph.schema.links == ()
        races, results = graph.schema.table("races"), graph.schema.table("results")
        assert (races.pkey, races.time_col, races.exclude) == (("raceId",), None, ("name",))
        assert races.stypes["name"] == "text"
        assert (results.time_col, results.exclude, results.stypes["rank"]) == (
            "date",
            ("rank",),
            "categorical",
        )
        assert graph.schema.table("copies").pkey == ("raceId",)

    def test_a_single_sqlite_file_is_a_folder_of_tables(self) -> None:
        assert len(Graph.from_folder(CHINOOK, verbose=False).schema.tables) == 11


class TestYaml:
    def read(self, root: Path, text: str) -> Graph:
        (root / "graph.yaml").write_text(text, encoding="utf-8")
        return Graph.from_yaml(root / "graph.yaml")

    def test_a_graph_survives_being_written(self, racing: Path) -> None:
        tables = [
            Table("results", sql=WITH_DATE, time_col="date", exclude=("rank",)),
            Table("notes", time_unit="s", time_col=""),
        ]
        graph = Graph.from_folder(racing, tables=tables, verbose=False)
        text = graph.to_yaml(racing / "graph.yaml")
        assert (racing / "graph.yaml").read_text(encoding="utf-8") == text
        again = Graph.from_yaml(racing / "graph.yaml")
        assert again.schema == graph.schema
        assert again.schema.table("results").sql == WITH_DATE
        assert again.to_yaml(racing / "graph.yaml") == text
        assert "source: races.csv" in text
        assert f"source: {racing / 'races.csv'}" in graph.to_yaml()

    def test_a_sqlite_file_is_written_as_its_path(self) -> None:
        graph = Graph.from_folder(
            CHINOOK, exclude_tables=["Customer", "Invoice", "InvoiceLine"], verbose=False
        )
        assert f"source: {CHINOOK.absolute()}" in graph.to_yaml()
        assert "sources:" not in graph.to_yaml()

    def test_frames_are_given_again(self, tmp_path: Path) -> None:
        users = pd.DataFrame({"id": [1, 2], "age": [20, 30]})
        graph = Graph([Table("users", source=users)])
        graph.to_yaml(tmp_path / "graph.yaml")
        again = Graph.from_yaml(tmp_path / "graph.yaml", sources={"users": users})
        assert again.schema == graph.schema

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (
                "table: {}",
                ": unknown key 'table'; known are sources, tables, links, edges, exclude_tables."
                " Did you mean 'tables'?",
            ),
            (
                "tables: {a: {pkey: id}}",
                ", table 'a': unknown key 'pkey'; known are source, sql, pkey_col, time_col, time_unit,"
                " stypes, separators, exclude. Did you mean 'pkey_col'?",
            ),
            (
                "links: [{child: a, key: b, parent: c}]",
                ", link {'child': 'a', 'key': 'b', 'parent': 'c'}: unknown key 'key';"
                " known are child, fkey, parent, weight. Did you mean 'fkey'?",
            ),
            (
                "links: [{child: a, parent: c}]",
                ", link {'child': 'a', 'parent': 'c'} does not say its 'fkey'",
            ),
            ("links: [a]", ", link a must hold some of the keys child, fkey, parent, weight"),
            ("links: {a: b}", ": 'links' must be a list of child, fkey and parent"),
            ("- a", " must hold some of the keys sources, tables, links, edges, exclude_tables"),
            ("edges: [a]", ": 'edges' must hold one entry an edge table, by name"),
            ("edges: {e: {src: a}}", ", edge table 'e' does not say its 'dst'"),
            (
                "edges: {e: {src: a, dst: a, reverse: 1}}",
                ", edge table 'e': 'reverse' must be true or false, not 1",
            ),
            ("edges: {e: {src: a, dst: a, time_col: 1}}", ", edge table 'e': 'time_col' must be text, not 1"),
            ("tables: [a]", ": 'tables' must hold one entry a table, by name"),
            ("sources: [a]", ": 'sources' must hold one path a source, by name"),
            ("tables: {a: {sql: 1}}", ", table 'a': 'sql' must be text, not 1"),
            ("tables: {a: {stypes: [b]}}", ", table 'a': 'stypes' must hold one semantic type a column"),
            ("tables: {a: {time_col: 1}}", ", table 'a': 'time_col' must be a column's name or false, not 1"),
            (
                "tables: {a: {pkey_col: 1}}",
                ", table 'a': 'pkey_col' must be a name or a list of names, not 1",
            ),
            ("exclude_tables: [1]", ": 'exclude_tables' must be a name or a list of names, not [1]"),
        ],
    )
    def test_what_means_nothing_is_refused_with_its_place(
        self, tmp_path: Path, text: str, message: str
    ) -> None:
        with refused(SchemaError, f"{tmp_path / 'graph.yaml'}{message}"):
            self.read(tmp_path, text)

    def test_what_is_no_yaml_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(SchemaError, match=f"^{tmp_path / 'graph.yaml'} is no YAML: "):
            self.read(tmp_path, "tables: {")

    def test_a_missing_file_is_refused(self, tmp_path: Path) -> None:
        with refused(SchemaError, f"there is no file {tmp_path / 'graph.yaml'}"):
            Graph.from_yaml(tmp_path / "graph.yaml")

    def test_an_empty_file_describes_nothing(self, racing: Path) -> None:
        (racing / "graph.yaml").write_text("", encoding="utf-8")
        assert len(Graph.from_folder(racing, verbose=False).schema.tables) == 3


class TestByHand:
    def test_what_is_said_stands_and_the_rest_is_inferred(self) -> None:
        users = pd.DataFrame({"id": [1, 2], "kind": [1, 2], "age": [20, 30]})
        graph = Graph([Table("users", stypes={"kind": "numerical"})], sources={"users": users})
        table = graph.schema.table("users")
        assert (table.pkey, table.stypes) == (("id",), {"id": "id", "kind": "numerical", "age": "numerical"})
        assert ("users", "kind", "numerical", "given") in graph.explanations

    def test_a_graph_needs_a_table(self) -> None:
        with refused(SchemaError, "a graph needs at least one table"):
            Graph([])

    def test_a_name_is_no_table(self) -> None:
        with refused(SchemaError, "tables are rh.Table(name, source=...), not 'users'"):
            Graph(["users"])

    def test_two_tables_of_one_name_are_refused(self) -> None:
        with refused(SchemaError, "two tables are named 'a'"):
            Graph([Table("a"), Table("a")])

    def test_lines_that_were_short_are_told_of(self, tmp_path: Path) -> None:
        folder(tmp_path, t="a,b\n1,2\n3\n4,5\n")
        graph = Graph.from_folder(tmp_path, verbose=False)
        note = "1 lines have fewer fields than the header; the missing ones are read as null"
        assert graph.explanations[0] == ("t", None, "read", note)


class TestSnapshot:
    def test_a_store_holds_what_the_graph_says(self, racing: Path, tmp_path: Path) -> None:
        tables = [Table("results", sql=WITH_DATE, time_col="date")]
        graph = Graph.from_folder(racing, tables=tables, verbose=False)
        store = graph.snapshot(tmp_path / "f1.rh", progress=False, memory_limit="500MB")
        assert store.schema == graph.schema
        rows = store.connect().execute("SELECT resultId, _rh_raceId FROM results ORDER BY _rh_row").fetchall()
        assert rows == [(11, 0), (12, 0), (10, 1)]

    def test_an_unchanged_store_is_reused_and_a_changed_one_rebuilt(
        self, racing: Path, tmp_path: Path
    ) -> None:
        path = tmp_path / "f1.rh"

        def build() -> str:
            return Graph.from_folder(racing, verbose=False).snapshot(path, progress=False).fingerprint

        first = build()
        mapped = Graph.from_folder(racing, verbose=False).snapshot(path, memory="mmap", progress=False)
        assert mapped.placement.topology == "mmap"
        manifest = (path / "manifest.json").stat().st_ino
        assert build() == first
        assert (path / "manifest.json").stat().st_ino == manifest
        folder(racing, notes="noteId,text\n1,a\n")
        assert build() != first
        assert (path / "manifest.json").stat().st_ino != manifest

    def test_a_damaged_store_is_built_again(self, racing: Path, tmp_path: Path) -> None:
        path = tmp_path / "f1.rh"
        graph = Graph.from_folder(racing, verbose=False)
        graph.snapshot(path, progress=False)
        (path / "tables/races/time.bin").unlink()
        graph.snapshot(path, progress=False).verify()

    def test_errors_in_the_data_are_refused_before_anything_is_written(self, tmp_path: Path) -> None:
        graph = Graph([Table("t", source=pd.DataFrame({"id": [1, 1, 2], "x": [1, 2, 3]}), pkey_col="id")])
        with refused(
            SourceError,
            "t.id: duplicate primary key: 1 of 3 rows, such as 1; remove the repeated rows with sql,"
            " or choose another pkey_col",
        ):
            graph.snapshot(tmp_path / "t.rh", progress=False)
        assert list(tmp_path.iterdir()) == []

    def test_what_is_no_store_is_not_replaced(self, racing: Path) -> None:
        graph = Graph.from_folder(racing, verbose=False)
        with pytest.raises(StoreError):
            graph.snapshot(racing, progress=False)
        assert (racing / "races.csv").is_file()

    def test_a_memory_limit_that_means_nothing_is_refused(self, racing: Path, tmp_path: Path) -> None:
        graph = Graph.from_folder(racing, verbose=False)
        with pytest.raises(ValueError, match=r"^'much' is no size; give bytes, or a number with kB, MB, GB"):
            graph.snapshot(tmp_path / "f1.rh", progress=False, memory_limit="much")


def test_a_real_forum_has_the_dangling_and_the_future_links_that_its_readme_counts() -> None:
    graph = Graph.from_folder(Path(__file__).parent / "data/travel_se", verbose=False)
    counts = {(f.table, f.column, f.problem): f.count for f in graph.validate().warnings}
    assert counts["Votes", "PostId", "dangling foreign key: no such row in Posts"] == 55_187
    assert counts["PostLinks", "PostId", "dangling foreign key: no such row in Posts"] == 3_274
    assert counts["Posts", "AcceptedAnswerId", "points to a later row of Posts"] == 11_434


def test_validate_reads_the_sources(racing: Path) -> None:
    found = [str(finding) for finding in Graph.from_folder(racing, verbose=False).validate().findings]
    assert found == [
        "warning: results: no time, though rows of races have one: 3 of 3 rows; they are visible before what"
        " they point at in races; take over its time with sql"
    ]
