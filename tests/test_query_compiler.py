from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relhop.query.compiler import CompiledQuery, Drop, compile_query
from relhop.query.duration import Duration
from relhop.query.evaluation import evaluate
from relhop.query.syntax import parse
from relhop.schema import Link, Schema, Table
from relhop.times import format_time, to_micros
from tests.query_reference import Database, examples
from tests.query_store import MemoryStore

SCHEMA = Schema(
    [
        Table("users", pkey_col="id", time_col="joined", stypes={"kind": "categorical", "age": "numerical"}),
        Table("cities", pkey_col="id", stypes={"size": "numerical", "name": "text"}),
        Table(
            "posts",
            pkey_col="id",
            time_col="at",
            stypes={"score": "numerical", "tag": "categorical", "title": "text"},
        ),
        Table("votes", time_col="at", stypes={"value": "numerical"}),
    ],
    [
        Link("users", "city", "cities"),
        Link("posts", "owner", "users"),
        Link("posts", "editor", "users"),
        Link("votes", "post", "posts"),
        Link("votes", "user", "users"),
    ],
)
LINKS = {(link.child, link.columns[0]): link.parent for link in SCHEMA.links}
KEYS = {"users": "id", "cities": "id", "posts": "id", "votes": None}
START = dt.datetime(2020, 1, 30)


def optional(values: st.SearchStrategy) -> st.SearchStrategy:
    return st.none() | values


keys = st.integers(0, 5)
times = st.builds(
    lambda days, hours: START + dt.timedelta(days=days, hours=hours),
    st.integers(0, 12),
    st.sampled_from([0, 0, 0, 10, 30]),
)
numbers = st.integers(-6, 6).map(lambda halves: halves / 2)
tags = st.sampled_from(["a", "b", "ab", "it's"])
ROWS = {
    "users": st.fixed_dictionaries(
        {"city": optional(keys), "joined": optional(times), "kind": optional(tags), "age": optional(numbers)}
    ),
    "cities": st.fixed_dictionaries({"size": optional(numbers), "name": optional(tags)}),
    "posts": st.fixed_dictionaries(
        {
            "owner": optional(keys),
            "editor": optional(keys),
            "at": optional(times),
            "score": optional(numbers),
            "tag": optional(tags),
            "title": optional(tags),
        }
    ),
    "votes": st.fixed_dictionaries(
        {"post": optional(keys), "user": optional(keys), "at": optional(times), "value": optional(numbers)}
    ),
}
SQL_TYPES = {"float": "float64", "text": "object", "key": "Int64"}


@st.composite
def databases(draw: st.DrawFn) -> dict[str, list[dict]]:
    return {name: draw(st.lists(row, max_size=8 if name == "votes" else 5)) for name, row in ROWS.items()}


def sources(rows: dict[str, list[dict]]) -> tuple[MemoryStore, Database]:
    """The same rows as a store and as the reference reads them: in time order, null times last."""
    frames, tables = {}, {}
    for name, described in SCHEMA.tables.items():
        key, time = KEYS[name], described.time_col
        numbered = [{**({key: i} if key else {}), **row} for i, row in enumerate(rows[name])]
        if time is not None:
            ordered = sorted(numbered, key=lambda row: (row[time] is None, row[time] or START))
        else:
            ordered = numbered
        tables[name] = {"key": key, "time": time, "rows": ordered}
        frames[name] = frame(name, numbered)
    return MemoryStore(SCHEMA, frames), Database(tables, LINKS)


def frame(name: str, rows: list[dict]) -> pd.DataFrame:
    table = SCHEMA.tables[name]
    columns: dict[str, str] = {}
    for column in [*table.pkey, *(c for child, c in LINKS if child == name)]:
        columns[column] = "Int64"
    if table.time_col is not None:
        columns[table.time_col] = "datetime64[us]"
    for column, stype in table.stypes.items():
        columns[column] = "Float64" if stype == "numerical" else "string"
    return pd.DataFrame({c: pd.Series([r[c] for r in rows], dtype=t) for c, t in columns.items()})


def found(
    store: MemoryStore, query: str, anchors: list[dt.datetime], *, is_training: bool = True
) -> list[tuple]:
    compiled = compile_query(parse(query), SCHEMA)
    sql = compiled.training_sql if is_training else compiled.prediction_sql
    connection = store.connect()
    result = evaluate(connection, sql, np.array(anchors, "datetime64[us]").view(np.int64))
    connection.close()
    assert result.counts[:, Drop.kept].sum() == len(result.rows)
    return list(zip(result.anchor_ids.tolist(), result.rows.tolist(), result.target.to_pylist(), strict=True))


anchor_lists = st.lists(times, min_size=1, max_size=3, unique=True).map(sorted)
row_conditions = st.sampled_from(
    [
        "posts.score > 0.5",
        "posts.score != 1",
        "NOT posts.score = 1",
        "posts.tag IN ('a', 'b') AND posts.title IS NOT NULL",
        "posts.tag NOT IN ('a')",
        "posts.title CONTAINS 'b' OR posts.title ENDS WITH \"'s\"",
        "NOT (posts.tag STARTS WITH 'a' OR posts.score IS NULL)",
        "posts.tag NOT LIKE 'b'",
        "posts.owner = 3",
        "posts.at > 2020-02-05 10:00",
    ]
)
functions = st.sampled_from(
    [f"{f}(posts.score" for f in ("COUNT", "COUNT_DISTINCT", "SUM", "AVG", "MIN", "MAX", "FIRST", "LAST")]
    + ["COUNT(posts.*"]
)
future = st.sampled_from(
    ["0, 5", "0, 30, hours", "2, 9, days", "0, 1, month", "1, 2, weeks", "0, 600, minutes"]
)
past = st.sampled_from(["-5, 0", "-INF, 0", "-2, -1, weeks", "-1, 0, months", "-INF, -3, days"])
comparisons = st.sampled_from(
    ["> 0", "= 0", "!= 1", "<= 0.5", "IN (1, 2)", "IS NULL", "IS NOT NULL", "NOT IN (0)"]
)


@st.composite
def aggregations(draw: st.DrawFn, windows: st.SearchStrategy[str]) -> str:
    if draw(st.integers(0, 3)) == 0:
        where = draw(st.sampled_from(["", " WHERE posts.score > 0", " WHERE posts.tag IS NULL"]))
        return f"SUM(votes.value{where}, {draw(windows)})"
    via = draw(st.sampled_from(["owner", "editor"]))
    where = f" WHERE {draw(row_conditions)}" if draw(st.booleans()) else ""
    return f"{draw(functions)} VIA {via}{where}, {draw(windows)})"


@st.composite
def conditions(draw: st.DrawFn, windows: st.SearchStrategy[str], columns: bool) -> str:
    parts = []
    for _ in range(draw(st.integers(1, 2))):
        if columns and draw(st.booleans()):
            static = [
                "users.kind = 'a'",
                "users.age >= 0",
                "cities.size < 1",
                "cities.name IS NULL",
                "users.city = 1",
            ]
            parts.append(draw(st.sampled_from(static)))
        else:
            parts.append(f"{draw(aggregations(windows))} {draw(comparisons)}")
    joined = draw(st.sampled_from([" AND ", " OR "])).join(parts)
    return f"NOT ({joined})" if draw(st.booleans()) else joined


@st.composite
def queries(draw: st.DrawFn) -> str:
    target = draw(aggregations(future)) if draw(st.booleans()) else draw(conditions(future, False))
    where = f" WHERE {draw(conditions(past, True))}" if draw(st.booleans()) else ""
    assuming = f" ASSUMING {draw(conditions(future, False))}" if draw(st.booleans()) else ""
    return f"PREDICT {target} FOR EACH users.id{where}{assuming}"


@settings(max_examples=100, deadline=None)
@given(databases(), queries(), anchor_lists, st.booleans())
def test_sql_finds_what_the_reference_finds(rows, query, anchors, is_training):
    store, database = sources(rows)
    expected = examples(parse(query), database, anchors, is_training=is_training)
    got = found(store, query, anchors, is_training=is_training)
    assert [g[:2] for g in got] == [e[:2] for e in expected]
    for (_, _, value), (_, _, wanted) in zip(got, expected, strict=True):
        assert value == (wanted if wanted is None or isinstance(wanted, str) else pytest.approx(wanted))


def compiled(text: str) -> CompiledQuery:
    return compile_query(parse(text), SCHEMA)


def test_labels_reach_to_the_latest_window_of_target_and_assuming():
    query = compiled(
        "PREDICT COUNT(votes.*, 2, 9) > 0 AND COUNT(votes.*, 0, 3) > 0 FOR EACH users.id"
        " WHERE COUNT(votes.*, -99, 0) > 0 ASSUMING COUNT(posts.* VIA owner, 0, 1, month) > 0"
    )
    assert query.stride == Duration(7, "days")
    assert query.horizons == (Duration(9, "days"), Duration(3, "days"), Duration(1, "months"))
    assert format_time(query.label_end(to_micros("2020-01-31"))) == "2020-02-29"
    assert query.label_tables == ("votes", "posts")


def test_prediction_never_looks_at_the_future():
    query = compiled(
        "PREDICT COUNT(votes.*, 0, 9) FOR EACH users.id WHERE COUNT(votes.*, -7, 0) > 0"
        " ASSUMING COUNT(votes.*, 0, 5) > 0"
    )
    assert [f"INTERVAL '{n} days'" in query.prediction_sql for n in (9, 5, -7)] == [False, False, True]


def test_an_aggregation_that_is_repeated_is_computed_once():
    query = compiled("PREDICT SUM(votes.value, 0, 9) > 1 OR SUM(votes.value,0,9) > 2 FOR EACH users.id")
    assert query.training_sql.count("fsum(") == 1


def test_numbers_that_are_nan_count_as_missing():
    rows = {
        "cities": [],
        "posts": [],
        "votes": [],
        "users": [dict.fromkeys(("city", "joined", "kind", "age"))],
    }
    rows["users"][0]["joined"] = START
    store, _ = sources(rows)
    votes = {"post": None, "user": 0, "at": START + dt.timedelta(days=1)}
    store = MemoryStore(SCHEMA, {**store.frames, "votes": pd.DataFrame([votes, votes])})
    store.frames["votes"]["value"] = pd.Series([float("nan"), 2.0], dtype=pd.ArrowDtype(pa.float64()))
    assert found(store, "PREDICT AVG(votes.value, 0, 5) FOR EACH users.id", [START]) == [(0, 0, 2.0)]
    assert found(store, "PREDICT COUNT(votes.* WHERE votes.value > 1, 0, 5) FOR EACH users.id", [START]) == [
        (0, 0, 1)
    ]


def test_a_parent_is_read_only_if_it_is_visible_when_the_window_ends():
    day = dt.timedelta(days=1)
    user = {"city": None, "joined": START, "kind": None, "age": None}
    post = {"owner": None, "editor": None, "at": START + 5 * day, "score": 1.0, "tag": None, "title": None}
    vote = {"post": 0, "user": 0, "at": START + day, "value": 2.0}
    store, _ = sources({"cities": [], "users": [user], "posts": [post], "votes": [vote]})
    for end, count in ((4, 0), (5, 1)):
        query = f"PREDICT COUNT(votes.* WHERE posts.score > 0, 0, {end}) FOR EACH users.id"
        assert found(store, query, [START]) == [(0, 0, count)]
