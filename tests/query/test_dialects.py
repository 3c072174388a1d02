"""The statement as other systems run it: what it says, and that Spark finds what the reference finds."""

from __future__ import annotations

import datetime as dt
import shutil
from random import Random

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from relhop.errors import QueryError
from relhop.predictive_query import PredictiveQuery
from relhop.query import dialects
from relhop.query.syntax import parse
from tests.query_cases import SCHEMA, database, sources
from tests.query_reference import examples

pytest.importorskip("sqlglot", reason="sqlglot is not installed: pip install 'relhop[warehouse]'")

ANCHORS = [dt.datetime(2020, 1, 31), dt.datetime(2020, 2, 29, 10)]
QUERIES = [
    "PREDICT COUNT(votes.*, 0, 1, month) FOR EACH users.id",
    "PREDICT SUM(posts.score VIA owner WHERE posts.title CONTAINS 'b' OR posts.score > 0.5, 0, 30) > 0"
    " FOR EACH users.id WHERE users.city = 1 OR users.age IS NULL",
    "PREDICT AVG(votes.value WHERE posts.score > 0, 0, 2, months) FOR EACH users.id",
    "PREDICT LAST(posts.tag VIA owner, 0, 60) FOR EACH users.id",
    "PREDICT LIST_DISTINCT(posts.tag VIA owner, 0, 2, months) CLASSIFY FOR EACH users.id",
    "PREDICT NOT (FIRST(posts.title VIA editor, 0, 60) LIKE '_b' OR COUNT_DISTINCT(votes.value, 0, 30) > 1)"
    " FOR EACH users.id WHERE cities.name STARTS WITH 'a' OR LIST_DISTINCT(posts.tag VIA owner, -90, 0) IS NULL",
    "PREDICT users.age > 0 FOR EACH users.id WHERE COUNT(votes.*, -INF, 0) < 3",
]


@pytest.fixture(scope="module")
def rows():
    found = database(Random(236), QUERIES[2], ANCHORS)
    for number, table in enumerate(("posts", "votes")):
        # Of equal times the input's order says which comes first; elsewhere there is the key alone.
        for place, row in enumerate(found[table]):
            if row["at"] is not None:
                row["at"] += dt.timedelta(seconds=place + number)
    return found


def expected(text: str, rows: dict) -> list[tuple]:
    """(key, anchor time, target) of each example of the reference."""
    _, reference = sources(rows)
    users = reference.rows("users")
    static = "users." in text.split("FOR")[0]
    anchors = ANCHORS[1:] if static else ANCHORS
    found = examples(parse(text), reference, anchors)
    return [(users[n]["id"], users[n]["joined"] if static else anchors[i], target) for i, n, target in found]


def anchors_for(text: str) -> list[dict]:
    anchors = ANCHORS[1:] if "users." in text.split("FOR")[0] else ANCHORS
    return [{"anchor_id": i, "anchor_time": time} for i, time in enumerate(anchors)]


def same(got: list[tuple], wanted: list[tuple]) -> None:
    got = sorted(got, key=lambda row: (row[1], row[0]))
    wanted = sorted(wanted, key=lambda row: (row[1], row[0]))
    assert [row[:2] for row in got] == [row[:2] for row in wanted]
    for (_, _, value), (_, _, target) in zip(got, wanted, strict=True):
        assert value == (pytest.approx(target) if isinstance(target, float) else target)


def plain(rows: dict) -> dict[str, pa.Table]:
    """The tables as they are in a warehouse."""
    stored, _ = sources(rows)
    return {
        name: table.drop([column for column in table.column_names if column.startswith("_rh_")])
        for name, table in stored.items()
    }


def test_reference_has_examples_of_every_kind(rows):
    assert min(len({str(target) for *_, target in expected(text, rows)}) for text in QUERIES) >= 2


@pytest.mark.parametrize("text", QUERIES)
def test_a_statement_that_stands_alone_finds_what_the_reference_finds(text, rows):
    with duckdb.connect() as connection:
        for name, table in plain(rows).items():
            connection.register(name, table)
        connection.register("_rh_anchors", pa.Table.from_pylist(anchors_for(text)))
        found = connection.execute(PredictiveQuery(SCHEMA, text).sql("duckdb")).fetchall()
    same(found, expected(text, rows))


@pytest.fixture(scope="module")
def spark(tmp_path_factory):
    pyspark = pytest.importorskip("pyspark", reason="pyspark is not installed: pip install 'relhop[spark]'")
    if shutil.which("java") is None:
        pytest.skip("there is no Java for Spark")
    session = (
        pyspark.sql.SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.warehouse.dir", str(tmp_path_factory.mktemp("spark")))
        .config("spark.driver.memory", "1g")
        # The tables are tiny: compiling takes longer than what it speeds up.
        .config("spark.driver.extraJavaOptions", "-XX:TieredStopAtLevel=1")
        .config("spark.sql.codegen.wholeStage", "false")
        .config("spark.sql.codegen.factoryMode", "NO_CODEGEN")
        .config("spark.sql.adaptive.enabled", "false")
        .getOrCreate()
    )
    yield session
    session.stop()


@pytest.mark.filterwarnings("ignore")  # of PySpark, about pandas and about sockets that it leaves open
def test_spark_finds_what_the_reference_finds(spark, rows, tmp_path):
    for name, table in plain(rows).items():
        pq.write_table(table, tmp_path / f"{name}.parquet")
        spark.read.parquet(str(tmp_path / f"{name}.parquet")).createOrReplaceTempView(name)
    for text in QUERIES:
        values = ", ".join(
            f"({row['anchor_id']}, TIMESTAMP_NTZ '{row['anchor_time']}')" for row in anchors_for(text)
        )
        anchors = spark.sql(f"SELECT * FROM VALUES {values} AS given(anchor_id, anchor_time)")
        anchors.createOrReplaceTempView("_rh_anchors")
        found = spark.sql(PredictiveQuery(SCHEMA, text).sql("spark")).collect()
        same([tuple(row) for row in found], expected(text, rows))


def test_each_dialect_says_it_in_its_own_words():
    asked = PredictiveQuery(SCHEMA, QUERIES[4])
    assert "SORT_ARRAY(COLLECT_SET(s.`tag`))" in asked.sql("spark")
    assert 'ARRAY_SORT(ARRAY_AGG(DISTINCT s."tag"))' in asked.sql("snowflake")
    assert "ARRAY_AGG(DISTINCT s.`tag` IGNORE NULLS ORDER BY s.`tag`)" in asked.sql("bigquery")
    asked = PredictiveQuery(SCHEMA, QUERIES[1])
    assert "INSTR(s.`title`, 'b') > 0" in asked.sql("bigquery")
    assert "IS_NAN(" in asked.sql("bigquery")
    assert "CONTAINS(" in asked.sql("snowflake")


@pytest.mark.parametrize(
    ("text", "dialect", "message"),
    [
        (QUERIES[0], "sparc", "there is no dialect 'sparc'; choose one of duckdb, spark, snowflake, bigquery."
         " Did you mean 'spark'?"),
        ("PREDICT COUNT(votes.*, 0, 7) FORECAST 3 TIMEFRAMES FOR EACH users.id", "spark",
         "a forecast is written for DuckDB on a store alone; ask for each timeframe by its own window"),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_refused(text, dialect, message):
    with pytest.raises(QueryError) as caught:
        PredictiveQuery(SCHEMA, text).sql(dialect)
    assert caught.value.reason == message


def test_without_sqlglot_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(dialects, "find_spec", lambda name: None)
    with pytest.raises(QueryError, match=r"pip install 'relhop\[warehouse\]'"):
        PredictiveQuery(SCHEMA, QUERIES[0]).sql("spark")
