from __future__ import annotations

import datetime as dt
import gzip
import os
import re
import sqlite3
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from relhop.errors import SchemaError, SourceError
from relhop.schema import Schema, Table
from relhop.sources import fingerprint as fingerprints
from relhop.sources.binding import bind, bind_inputs, input_types, input_view
from relhop.sources.fingerprint import fingerprint
from relhop.sources.paths import sources_in
from relhop.sources.sqlite import DeclaredKeys, DeclaredLink, SqliteTable, declared_keys

F1 = Path(__file__).parent.parent.parent / "examples/f1/data"
CHINOOK = Path(__file__).parent.parent / "data/Chinook_Sqlite.sqlite"


def refused(kind: type[Exception], message: str) -> Any:
    return pytest.raises(kind, match=f"^{re.escape(message)}$")


def inputs(table: Table, **sources: Any) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        bind_inputs(connection, [table], sources)
        return connection.execute(f"FROM {input_view(table.name)}").fetchall()


def rows(table: Table, **sources: Any) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        bind(connection, [table], sources)
        return connection.execute(f'FROM "{table.name}"').fetchall()


def times(values: Any, unit: Any = None) -> list[Any]:
    table = Table("t", source=pd.DataFrame({"at": values}), time_col="at", time_unit=unit)
    return [row[0] for row in rows(table)]


def types(table: Table, **sources: Any) -> dict[str, str]:
    with duckdb.connect() as connection:
        bind_inputs(connection, [table], sources)
        return input_types(connection, table.name)


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


class TestPaths:
    def test_a_folder_gives_a_table_a_file_in_order_and_all_of_a_sqlite_file(self, tmp_path: Path) -> None:
        write(tmp_path, "b.csv", "x\n1\n")
        write(tmp_path, "README.md", "no table")
        write(tmp_path, ".csv", "no name")
        (tmp_path / "c.csv").mkdir()
        pq.write_table(pa.table({"x": [1]}), tmp_path / "a.parquet")
        with sqlite3.connect(tmp_path / "z.db") as file:
            file.execute("CREATE TABLE one (x)")
            file.execute("CREATE TABLE two (x)")
        file.close()
        assert sources_in(tmp_path) == {
            "a": tmp_path / "a.parquet",
            "b": tmp_path / "b.csv",
            "one": SqliteTable(tmp_path / "z.db", "one"),
            "two": SqliteTable(tmp_path / "z.db", "two"),
        }

    def test_a_file_alone_is_its_table(self, tmp_path: Path) -> None:
        path = write(tmp_path, "Events.TSV", "x\n1\n")
        assert sources_in(path) == {"Events": path}

    def test_nothing_at_the_path_is_refused(self, tmp_path: Path) -> None:
        with refused(SourceError, f"there is nothing at {tmp_path / 'no'}"):
            sources_in(tmp_path / "no")

    def test_a_folder_without_tables_is_refused(self, tmp_path: Path) -> None:
        suffixes = ".csv, .csv.gz, .tsv, .tsv.gz, .parquet, .sqlite, .sqlite3, .db"
        with refused(SourceError, f"{tmp_path} holds no table; files that can be read end in {suffixes}"):
            sources_in(tmp_path)

    def test_two_files_of_one_table_are_refused(self, tmp_path: Path) -> None:
        first, second = write(tmp_path, "A.csv", "x\n"), write(tmp_path, "a.tsv", "x\n")
        with refused(SourceError, f"two sources give a table 'a': {first} and {second}; rename or move one"):
            sources_in(tmp_path)


class TestCsv:
    def test_empty_and_backslash_n_are_null(self, tmp_path: Path) -> None:
        path = write(tmp_path, "t.csv", 'a,b\n1,x\n\\N,""\n,\\N\n')
        assert inputs(Table("t", source=path)) == [(1, "x"), (None, None), (None, None)]

    def test_types_are_found_over_the_whole_file(self, tmp_path: Path) -> None:
        lines = "".join(f"{i}\n" for i in range(30_000))
        path = write(tmp_path, "t.csv", f"a\n{lines}last\n")
        assert types(Table("t", source=path)) == {"a": "VARCHAR"}

    def test_ids_keep_their_leading_zeros_and_their_digits(self, tmp_path: Path) -> None:
        path = write(tmp_path, "t.csv", "zip,big\n12345,1\n00123,12345678901234567890123\n")
        assert inputs(Table("t", source=path)) == [("12345", "1"), ("00123", "12345678901234567890123")]

    def test_times_with_zones_become_utc(self, tmp_path: Path) -> None:
        path = write(tmp_path, "t.csv", "at\n2020-01-01T02:00:00+02:00\n2020-01-01T00:00:00Z\n")
        assert rows(Table("t", source=path, time_col="at")) == [(dt.datetime(2020, 1, 1),)] * 2

    def test_times_in_the_files_own_format_are_times(self, tmp_path: Path) -> None:
        path = write(tmp_path, "t.csv", "at\n21/07/2020\n05/06/2020\n")
        with duckdb.connect() as connection:
            notes = bind_inputs(connection, [Table("t", source=path)], {})
        assert notes == {"t": ("times are read as %d/%m/%Y",)}
        with duckdb.connect() as connection:
            bind(connection, [Table("t", source=path, time_col="at")], {})
            found = connection.execute('SELECT "at" FROM t').fetchall()
        assert found == [(dt.datetime(2020, 7, 21),), (dt.datetime(2020, 6, 5),)]

    def test_sql_casts_values_and_not_the_files_text(self, tmp_path: Path) -> None:
        path = write(tmp_path, "s.csv", "price\n1.50\n2\n")
        assert inputs(Table("t", sql="SELECT CAST(price AS VARCHAR) AS p FROM s"), s=path) == [
            ("1.5",),
            ("2.0",),
        ]

    def test_the_delimiter_is_found(self, tmp_path: Path) -> None:
        path = write(tmp_path, "t.csv", "a;b\n1;x,y\n")
        assert inputs(Table("t", source=path)) == [(1, "x,y")]

    def test_a_compressed_file_is_read(self, tmp_path: Path) -> None:
        (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"a,b\n1,x\n"))
        assert sources_in(tmp_path) == {"t": tmp_path / "t.csv.gz"}
        assert inputs(Table("t", source=tmp_path / "t.csv.gz")) == [(1, "x")]

    def test_a_line_that_is_long_is_refused(self, tmp_path: Path) -> None:
        path = write(tmp_path, "t.csv", "a,b\n" + "1,2\n" * 5 + "3,4,5\n")
        with refused(
            SourceError, f"{path} cannot be read as CSV: some line has more fields than the header, a,b"
        ):
            inputs(Table("t", source=path))

    def test_lines_that_are_short_are_counted_and_filled_with_null(self, tmp_path: Path) -> None:
        path = write(tmp_path, "t.csv", "a,b,c\n1,2,3\n4,5\n6\n7,8,9\n")
        with duckdb.connect() as connection:
            notes = bind_inputs(connection, [Table("t", source=path)], {})
            found = connection.execute(f"FROM {input_view('t')}").fetchall()
        assert found == [(1, 2, 3), (4, 5, None), (6, None, None), (7, 8, 9)]
        assert notes == {
            "t": ("2 lines have fewer fields than the header; the missing ones are read as null",)
        }

    def test_the_real_races_are_read_though_their_last_season_is_short(self) -> None:
        with duckdb.connect() as connection:
            notes = bind_inputs(connection, [Table("races", source=F1 / "races.csv")], {})
            assert connection.execute(f"SELECT count(*) FROM {input_view('races')}").fetchone() == (1149,)
        assert notes["races"][0].startswith("24 lines have fewer fields")

    def test_a_changed_file_is_read_anew(self, tmp_path: Path) -> None:
        path = write(tmp_path, "t.csv", "a\n1\n")
        assert inputs(Table("t", source=path)) == [(1,)]
        write(tmp_path, "t.csv", "a,b\nx,yy\n")
        assert inputs(Table("t", source=path)) == [("x", "yy")]

    def test_a_header_alone_is_an_empty_table(self, tmp_path: Path) -> None:
        assert inputs(Table("t", source=write(tmp_path, "t.csv", "a,b\n"))) == []

    def test_text_that_is_not_in_utf_8_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "t.csv"
        path.write_bytes("id,name\n1,Müller\n".encode("latin-1"))
        with refused(
            SourceError,
            f"{path} cannot be read as CSV: it is not in UTF-8; convert it, as by iconv -f latin1 -t utf-8",
        ):
            inputs(Table("t", source=path))

    def test_an_empty_file_is_refused(self, tmp_path: Path) -> None:
        path = write(tmp_path, "t.csv", "")
        with refused(SourceError, f"{path} is empty: not even a header says what its columns are"):
            inputs(Table("t", source=path))

    def test_a_path_with_glob_characters_is_that_path(self, tmp_path: Path) -> None:
        write(tmp_path, "a1.csv", "x\n1\n")
        path = write(tmp_path, "a[1]'.csv", "x\n2\n")
        assert inputs(Table("t", source=path)) == [(2,)]


class TestFrames:
    def test_a_frame_keeps_its_order_and_its_named_index(self) -> None:
        frame = pd.DataFrame({"b": ["x", "y"], "k": [2, 1]}).set_index("k")
        assert inputs(Table("t", source=frame)) == [("x", 2), ("y", 1)]

    def test_missing_values_of_a_frame_are_null(self) -> None:
        frame = pd.DataFrame({"a": [1.5, None], "b": [None, "x"], "c": [None, None]})
        assert inputs(Table("t", source=frame)) == [(1.5, None, None), (None, "x", None)]

    def test_categories_are_their_values(self) -> None:
        frame = pd.DataFrame({"c": pd.Categorical(["x", "", None])})
        assert types(Table("t", source=frame)) == {"c": "VARCHAR"}
        assert rows(Table("t", source=frame)) == [("x",), (None,), (None,)]

    def test_an_arrow_table_is_read(self) -> None:
        assert inputs(Table("t"), t=pa.table({"a": [1, 2]})) == [(1,), (2,)]

    def test_a_frame_of_mixed_values_is_refused(self) -> None:
        with pytest.raises(SourceError, match=r"^source 't' cannot be read as a table: .*column k"):
            inputs(Table("t", source=pd.DataFrame({"k": [1, "a"]})))

    def test_columns_that_differ_in_case_only_are_refused(self) -> None:
        with refused(
            SourceError,
            "source 't' has the columns 'k' and 'K'; rename one, for SQL does not tell upper from lower case",
        ):
            inputs(Table("t", source=pd.DataFrame({"k": [1], "K": [2]})))

    def test_what_is_no_source_is_refused(self) -> None:
        with refused(
            SourceError,
            "source 't' is a list; give a path of a CSV, Parquet or SQLite file, a pandas DataFrame, an"
            " Arrow table or a mapping of columns to arrays",
        ):
            inputs(Table("t", source=[1]))

    def test_a_missing_file_is_refused(self, tmp_path: Path) -> None:
        with refused(SourceError, f"source 't': there is no file {tmp_path / 'no.csv'}"):
            inputs(Table("t", source=tmp_path / "no.csv"))

    def test_a_folder_is_refused_with_advice(self, tmp_path: Path) -> None:
        with refused(
            SourceError, f"source 't': there is no file {tmp_path}; Graph.from_folder reads folders"
        ):
            inputs(Table("t", source=tmp_path))

    def test_a_file_of_another_kind_is_refused(self, tmp_path: Path) -> None:
        path = write(tmp_path, "t.txt", "")
        with refused(
            SourceError, f"source 't': {path} is none of CSV, TSV, Parquet and SQLite, by its suffix"
        ):
            inputs(Table("t", source=path))

    def test_a_damaged_parquet_file_is_named(self, tmp_path: Path) -> None:
        path = write(tmp_path, "t.parquet", "no parquet")
        with pytest.raises(SourceError, match=f"^table 't' cannot be read: .*{path}"):
            inputs(Table("t", source=path))

    def test_times_with_a_zone_are_read_from_parquet_in_nanoseconds(self, tmp_path: Path) -> None:
        at = pa.array([dt.datetime(1960, 1, 1, tzinfo=dt.UTC), None], pa.timestamp("ns", "Europe/Oslo"))
        pq.write_table(pa.table({"at": at}), tmp_path / "t.parquet")
        found = rows(Table("t", source=tmp_path / "t.parquet", time_col="at"))
        assert found == [(dt.datetime(1960, 1, 1),), (None,)]

    def test_a_header_of_numbers_is_told_of(self, tmp_path: Path) -> None:
        with duckdb.connect() as connection:
            notes = bind_inputs(
                connection, [Table("t", source=write(tmp_path, "t.csv", "1,-2.5\n4,5\n"))], {}
            )
        note = "its first line is taken for a header, though it is 1, -2.5; give it one"
        assert notes == {"t": (note,)}

    def test_columns_that_do_not_go_by_their_names_are_told_of(self, tmp_path: Path) -> None:
        csv = write(tmp_path, "t.csv", "\ufeffid; a ;a;;ID\n1;2;3;4;5\n")
        arrow = pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["x", "X"])
        pq.write_table(arrow, tmp_path / "p.parquet")
        tables = [
            Table("t", source=csv),
            Table("p", source=tmp_path / "p.parquet"),
            Table("q", sql="SELECT l.id, r.id FROM t l JOIN t r USING (id)"),
            Table("sound", sql="SELECT id, a AS b FROM t"),
        ]
        with duckdb.connect() as connection:
            notes = bind_inputs(connection, tables, {})
            assert list(input_types(connection, "t")) == ["id", "a", "a_1", "column3", "ID_1"]
        assert notes == {
            "t": (
                "column 3 is named 'a', as column 2 is; it is read as 'a_1'",
                "column 4 has no name; it is read as 'column3'",
                "column 5 is named 'ID', as column 1 is; it is read as 'ID_1'",
            ),
            "p": ("column 2 is named 'X', as column 1 is; it is read as 'X_1'",),
            "q": ("column 2 is named 'id', as column 1 is; it is read as 'id_1'",),
        }

    def test_halves_are_numbers(self) -> None:
        halves = pd.DataFrame({"x": pd.array([1.5, 2], dtype="float16")})
        assert inputs(Table("t", source=halves)) == [(1.5,), (2.0,)]


class TestSqlite:
    def test_a_view_is_read_where_it_is_named(self, tmp_path: Path) -> None:
        path = self.file(
            tmp_path, "CREATE TABLE t AS SELECT 1 AS x", "CREATE VIEW v AS SELECT x + 1 AS y FROM t"
        )
        assert list(sources_in(path)) == ["t"]
        assert inputs(Table("v", source=path)) == [(2,)]

    def file(self, folder: Path, *statements: str) -> Path:
        path = folder / "a shop?.sqlite"
        connection = sqlite3.connect(path)
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()
        return path

    def test_the_types_are_those_of_the_values(self, tmp_path: Path) -> None:
        path = self.file(
            tmp_path,
            "CREATE TABLE t (a INTEGER, b INTEGER, c NUMERIC(9,2), d BOOLEAN, e BOOLEAN, f BLOB, g DATE)",
            "INSERT INTO t VALUES (1, 1, 1, 1, 1, x'00', '2020-01-01'), (2, 'two', 0.5, 0, 2, NULL, NULL)",
        )
        assert types(Table("t", source=path)) == {
            "a": "BIGINT",
            "b": "VARCHAR",
            "c": "DOUBLE",
            "d": "BOOLEAN",
            "e": "BIGINT",
            "f": "BLOB",
            "g": "VARCHAR",
        }
        assert inputs(Table("T", source=path)) == [
            (1, "1", 1.0, True, 1, b"\0", "2020-01-01"),
            (2, "two", 0.5, False, 2, None, None),
        ]

    def test_columns_without_values_have_their_declared_types(self, tmp_path: Path) -> None:
        path = self.file(tmp_path, "CREATE TABLE t (a INT, b REAL, c TEXT, d)")
        found = types(Table("t", source=path))
        assert found == {"a": "BIGINT", "b": "DOUBLE", "c": "VARCHAR", "d": "VARCHAR"}

    def test_keys_are_those_declared(self, tmp_path: Path) -> None:
        path = self.file(
            tmp_path,
            "CREATE TABLE p (x INT, y INT, PRIMARY KEY (y, x))",
            "CREATE TABLE c (a INT REFERENCES p, u INT, v INT, FOREIGN KEY (u, v) REFERENCES p (y, x))",
        )
        assert declared_keys(SqliteTable(path, "p")) == DeclaredKeys(("y", "x"), ())
        assert declared_keys(SqliteTable(path, "c")) == DeclaredKeys(
            (), (DeclaredLink(("u", "v"), "p", ("y", "x")), DeclaredLink(("a",), "p", ()))
        )

    def test_many_batches_keep_the_order(self, tmp_path: Path) -> None:
        path = self.file(
            tmp_path,
            "CREATE TABLE t (a INT)",
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99999)"
            " INSERT INTO t SELECT i FROM n",
        )
        assert inputs(Table("t", source=path)) == [(i,) for i in range(100_000)]

    def test_the_real_shop_is_read(self) -> None:
        sources = sources_in(CHINOOK)
        assert len(sources) == 11
        assert len(inputs(Table("PlaylistTrack"), **sources)) == 8715

    def test_a_missing_table_is_refused_with_the_nearest(self) -> None:
        with pytest.raises(
            SourceError, match=r"has no table 'Tracks'\. Did you mean 'Track'\? It has: Album, "
        ):
            inputs(Table("Tracks", source=CHINOOK))

    def test_a_file_that_is_no_database_is_refused(self, tmp_path: Path) -> None:
        path = write(tmp_path, "t.db", "this is some text, long enough to be no header of SQLite" * 20)
        with refused(SourceError, f"{path} cannot be read as a SQLite file: file is not a database"):
            sources_in(path)

    def test_a_file_that_is_gone_is_refused(self, tmp_path: Path) -> None:
        with refused(SourceError, f"there is no file {tmp_path / 'no.db'}"):
            declared_keys(SqliteTable(tmp_path / "no.db", "t"))


class TestSql:
    def test_sources_go_by_their_names_also_the_tables_own(self) -> None:
        table = Table("a", sql="SELECT a.x + b.x AS x FROM a, b")
        assert inputs(table, a=pa.table({"x": [1]}), b=pa.table({"x": [10]})) == [(11,)]

    def test_another_tables_own_source_can_be_used(self) -> None:
        with duckdb.connect() as connection:
            tables = [Table("a", source=pa.table({"x": [1]})), Table("b", sql="SELECT x + 1 AS y FROM a")]
            bind(connection, tables, {})
            assert connection.execute("FROM b").fetchall() == [(2,)]

    def test_comments_semicolons_and_with_are_taken(self) -> None:
        assert inputs(Table("t", sql="WITH q AS (SELECT 1 AS x) SELECT * FROM q -- done")) == [(1,)]
        assert inputs(Table("t", sql="SELECT 1 AS x;\n")) == [(1,)]

    def test_rows_are_in_the_order_of_the_key_or_of_all_columns_or_as_asked(self) -> None:
        source = pa.table({"k": [3, 1, 2], "v": ["a", "b", "c"]})
        by_key = rows(Table("t", sql="SELECT v, k FROM s", pkey_col="k"), s=source)
        assert by_key == [("b", 1), ("c", 2), ("a", 3)]
        assert rows(Table("t", sql="SELECT v, k FROM s"), s=source) == [("a", 3), ("b", 1), ("c", 2)]
        asked = rows(Table("t", sql="SELECT v, k FROM s ORDER  BY k DESC", pkey_col="k"), s=source)
        assert asked == [("a", 3), ("c", 2), ("b", 1)]

    def test_formula_1_gains_its_times_by_joins(self) -> None:
        race_time = "races.date + coalesce(races.time, TIME '00:00')"
        results = Table(
            "results", sql=f"SELECT r.*, {race_time} AS date FROM results r JOIN races USING (raceId)"
        )
        qualifying = Table(
            "qualifying",
            sql=f"SELECT q.*, {race_time} - INTERVAL 1 DAY AS date"
            " FROM qualifying q JOIN races USING (raceId)",
        )
        with duckdb.connect() as connection:
            bind(connection, [results, qualifying], sources_in(F1))
            first = connection.execute("SELECT min(date), count(*) FROM results").fetchone()
            assert first == (dt.datetime(1950, 5, 13), 27_118)
            day_before = "SELECT date FROM qualifying WHERE qualifyId = 1"
            assert connection.execute(day_before).fetchone() == (dt.datetime(2008, 3, 15, 4, 30),)

    def test_sql_that_fails_names_the_table_and_the_sources(self) -> None:
        with refused(
            SourceError,
            "table 't': its SQL cannot be run: Catalog Error: Table with name nowhere does not exist!;"
            " sources that it may use: a, b",
        ):
            inputs(Table("t", sql="SELECT * FROM nowhere"), a=pa.table({"x": [1]}), b=pa.table({"x": [1]}))

    def test_sql_does_not_see_variables_of_the_program(self) -> None:
        frame = pd.DataFrame({"x": [1]})
        assert len(frame) == 1
        with pytest.raises(SourceError, match="Table with name frame does not exist"):
            inputs(Table("t", sql="SELECT * FROM frame"))


class TestBinding:
    def test_a_table_without_a_source_is_refused_with_the_nearest(self) -> None:
        with refused(
            SchemaError,
            "table 'driver' has neither a source nor sql, and no source is named so. Did you mean 'drivers'?",
        ):
            inputs(Table("driver"), drivers=pa.table({"x": [1]}))

    def test_sources_that_differ_in_case_only_are_refused(self) -> None:
        with refused(SchemaError, "the sources 'a' and 'A' differ in upper and lower case only; rename one"):
            inputs(Table("a"), a=pa.table({"x": [1]}), A=pa.table({"x": [1]}))

    def test_a_missing_time_column_is_refused_with_the_nearest(self) -> None:
        with refused(SchemaError, "table 't' has no column 'dat' for a time. Did you mean 'date'?"):
            rows(Table("t", source=pa.table({"date": ["2020-01-01"]}), time_col="dat"))

    def test_empty_text_is_null_in_every_source(self) -> None:
        assert rows(Table("t", source=pa.table({"x": ["", "a"]}))) == [(None,), ("a",)]

    def test_numbers_written_as_text_become_numbers(self) -> None:
        table = Table("t", source=pa.table({"x": ["1.5", "", "x"]}), stypes={"x": "numerical"})
        assert rows(table) == [(1.5,), (None,), (None,)]

    def test_128_bit_integers_become_doubles_or_text(self) -> None:
        sql = "SELECT 5::HUGEINT AS a, 170141183460469231731687303715884105727::HUGEINT AS b"
        assert rows(Table("t", sql=sql, stypes={"a": "numerical"})) == [
            (5.0, "170141183460469231731687303715884105727")
        ]


class TestTimes:
    day = dt.datetime(2020, 1, 2)

    def test_timestamps_dates_zones_and_text_become_utc_timestamps(self) -> None:
        assert times(pd.to_datetime(["2020-01-02"])) == [self.day]
        assert times([dt.date(2020, 1, 2), None]) == [self.day, None]
        assert times(pd.to_datetime(["2020-01-02"]).as_unit("ns")) == [self.day]
        assert times(pd.to_datetime(["2020-01-02"]).tz_localize("Asia/Tokyo")) == [
            dt.datetime(2020, 1, 1, 15)
        ]
        assert times(["2020-01-02", "2020-01-02T03:00:00+03:00", "", "no"]) == [
            self.day,
            self.day,
            None,
            None,
        ]

    @pytest.mark.parametrize(
        ("values", "unit", "expected"),
        [
            ([1], "us", dt.datetime(1970, 1, 1, 0, 0, 0, 1)),
            ([-1], "ms", dt.datetime(1969, 12, 31, 23, 59, 59, 999_000)),
            ([1_577_923_200], "s", day),
            ([1_577_923_200.5], "s", day + dt.timedelta(seconds=0.5)),
            (["1577923200"], "s", day),
            ([2], "minutes", dt.datetime(1970, 1, 1, 0, 2)),
            ([2], "hours", dt.datetime(1970, 1, 1, 2)),
            ([-159], "days", dt.datetime(1969, 7, 26)),
            ([2009], "years", dt.datetime(2009, 1, 1)),
            ([2009.0], "years", dt.datetime(2009, 1, 1)),
            ([2009.5], "years", None),
            ([0], "years", None),
            ([10**18], "s", None),
        ],
    )
    def test_numbers_count_their_unit(
        self, values: list[Any], unit: str, expected: dt.datetime | None
    ) -> None:
        assert times(values, unit) == [expected]

    def test_microseconds_keep_every_digit(self) -> None:
        assert times([2**53 + 1], "us") == [dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=2**53 + 1)]

    def test_other_timestamp_columns_count_the_same_unit(self) -> None:
        table = Table("t", source=pa.table({"x": [1]}), time_unit="days", stypes={"x": "timestamp"})
        assert rows(table) == [(dt.datetime(1970, 1, 2),)]

    def test_numbers_without_a_unit_are_refused(self) -> None:
        with refused(
            SchemaError,
            "table 't', column 'at' holds numbers (BIGINT) as times; say in time_unit what they count:"
            " us, ms, s, minutes, hours, days, years",
        ):
            times([1])

    def test_what_cannot_be_a_time_is_refused(self) -> None:
        with refused(
            SchemaError,
            "table 't', column 'at': a BOOLEAN is no time; times are timestamps, dates, text of them, or"
            " numbers with a time_unit",
        ):
            times([True])


class TestFingerprint:
    def of(self, *tables: Table, **sources: Any) -> str:
        return fingerprint(Schema(tables), tables, sources)

    def test_it_is_the_same_for_the_same_content_elsewhere(self, tmp_path: Path) -> None:
        (tmp_path / "b").mkdir()
        here, there = write(tmp_path, "t.csv", "a\n1\n"), write(tmp_path / "b", "t.csv", "a\n1\n")
        assert self.of(Table("t", source=here)) == self.of(Table("t", source=there))

    def test_it_changes_with_a_files_content(self, tmp_path: Path) -> None:
        path = write(tmp_path, "t.csv", "a\n1\n")
        before = self.of(Table("t", source=path))
        write(tmp_path, "t.csv", "a\n2\n")
        assert self.of(Table("t", source=path)) != before

    def test_a_large_file_counts_as_changed_with_its_time(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(fingerprints, "_HASHED_BYTES", 1)
        path = write(tmp_path, "t.csv", "a\n1\n")
        before = self.of(Table("t", source=path))
        assert self.of(Table("t", source=path)) == before
        os.utime(path, ns=(0, 0))
        assert self.of(Table("t", source=path)) != before

    def test_it_follows_a_frames_content_not_its_pieces(self) -> None:
        whole = pa.table({"x": ["a", "bc", None], "y": [1, 2, 3]})
        pieces = pa.concat_tables([whole.slice(0, 1), whole.slice(1)])
        assert self.of(Table("t", source=whole)) == self.of(Table("t", source=pieces))
        frame = whole.to_pandas()
        assert self.of(Table("t", source=frame)) == self.of(Table("t", source=frame.copy()))
        assert self.of(Table("t", source=whole)) != self.of(Table("t", source=whole.slice(1)))

    def test_it_changes_with_sql_and_with_what_sql_may_use(self) -> None:
        one, two = pa.table({"x": [1]}), pa.table({"x": [2]})
        base = self.of(Table("t", sql="SELECT * FROM s"), s=one)
        assert self.of(Table("t", sql="SELECT * FROM s"), s=two) != base
        assert self.of(Table("t", sql="SELECT x FROM s"), s=one) != base

    def test_it_ignores_sources_that_no_table_uses(self) -> None:
        one = pa.table({"x": [1]})
        assert self.of(Table("t", source=one), s=one) == self.of(Table("t", source=one))

    def test_it_changes_with_the_schema(self) -> None:
        one = pa.table({"x": [1]})
        assert self.of(Table("t", source=one)) != self.of(Table("t", source=one, exclude=("x",)))

    def test_a_sqlite_file_counts_with_the_name_of_the_table(self) -> None:
        assert self.of(Table("Album", source=CHINOOK)) != self.of(Table("Artist", source=CHINOOK))
