"""Random databases and random queries on them, small and full of ties, nulls, month ends and empty windows."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from relhop.query.compiler import compile_query
from relhop.query.evaluation import evaluate
from relhop.query.statement import Drop
from relhop.query.syntax import parse
from relhop.schema import Link, Schema, Table
from tests.query_reference import Database
from tests.query_store import MemoryStore

SCHEMA = Schema(
    [
        Table("users", pkey_col="id", time_col="joined", stypes={"kind": "categorical", "age": "numerical"}),
        Table("cities", pkey_col="id", stypes={"size": "numerical", "name": "text", "zone": "categorical"}),
        Table(
            "posts",
            pkey_col="id",
            time_col="at",
            stypes={
                "score": "numerical",
                "tag": "categorical",
                "title": "text",
                "pinned": "categorical",
                "due": "timestamp",
            },
        ),
        Table("votes", time_col="at", stypes={"value": "numerical"}),
        Table("likes", stypes={"stars": "numerical"}),
    ],
    [
        Link("users", "city", "cities"),
        Link("posts", "owner", "users"),
        Link("posts", "editor", "users"),
        Link("votes", "post", "posts"),
        Link("votes", "user", "users"),
        Link("likes", "user", "users"),
        Link("likes", "post", "posts"),
    ],
)
LINKS = {(link.child, link.columns[0]): link.parent for link in SCHEMA.links}
KEYS = {"users": "id", "cities": "id", "posts": "id", "votes": None, "likes": None}
START = dt.datetime(2020, 1, 30)
DAYS = ["01-30", "01-31", "01-31", "02-01", "02-05", "02-28", "02-29", "02-29", "03-01", "03-31"]
HOURS = [0, 0, 0, 0, 10]


def optional(values: st.SearchStrategy) -> st.SearchStrategy:
    return st.none() | values


keys = st.sampled_from([0, 0, 0, 1, 1, 2, 3, 9])
times = st.builds(
    lambda day, hour: dt.datetime.fromisoformat(f"2020-{day}") + dt.timedelta(hours=hour),
    st.sampled_from(DAYS),
    st.sampled_from(HOURS),
)
numbers = st.integers(-6, 6).map(lambda halves: halves / 2)
tags = st.sampled_from(["a", "b", "ab", "it's", "b%"])
VALUES = {
    "key": keys,
    "time": times,
    "numerical": numbers,
    "categorical": tags,
    "text": tags,
    "timestamp": times,
    "truth": st.booleans(),
}
TRUTHS = ("pinned",)
MANY_EARLY = st.just(dt.datetime(2020, 1, 1)) | times


def columns_of(table: str) -> dict[str, str]:
    """What each column holds, the primary key aside."""
    described = SCHEMA.tables[table]
    found = {column: "key" for child, column in LINKS if child == table}
    if described.time_col is not None:
        found[described.time_col] = "time"
    return found | {c: "truth" if c in TRUTHS else str(s) for c, s in described.stypes.items()}


ROWS = {
    table: st.fixed_dictionaries(
        {c: optional(MANY_EARLY if c == "joined" else VALUES[kind]) for c, kind in columns_of(table).items()}
    )
    for table in SCHEMA.tables
}
TYPES = {
    "key": "Int64",
    "time": "datetime64[us]",
    "timestamp": "datetime64[us]",
    "numerical": "Float64",
    "truth": "boolean",
    "categorical": "string",
    "text": "string",
}


@st.composite
def databases(draw: st.DrawFn) -> dict[str, list[dict]]:
    return {
        name: draw(st.lists(row, min_size=draw(st.sampled_from([0, 4, 6])), max_size=8))
        for name, row in ROWS.items()
    }


def sources(rows: dict[str, list[dict]]) -> tuple[MemoryStore, Database]:
    """The same rows as a store and as the reference reads them: in time order, null times last."""
    frames, tables = {}, {}
    for name, described in SCHEMA.tables.items():
        key, time = KEYS[name], described.time_col
        numbered = [{**({key: i} if key else {}), **row} for i, row in enumerate(rows[name])]
        ordered = numbered
        if time is not None:
            ordered = sorted(numbered, key=lambda row: (row[time] is None, row[time] or START))
        tables[name] = {"key": key, "time": time, "rows": ordered}
        kinds = ({key: "key"} if key else {}) | columns_of(name)
        frames[name] = pd.DataFrame(
            {c: pd.Series([row[c] for row in numbered], dtype=TYPES[kind]) for c, kind in kinds.items()}
        )
    return MemoryStore(SCHEMA, frames), Database(tables, LINKS)


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
post_conditions = st.sampled_from(
    [
        "posts.score > 0.5",
        "posts.score != 1",
        "NOT posts.score = 1",
        "posts.tag IN ('a', 'b') AND posts.title IS NOT NULL",
        "posts.tag NOT IN ('a')",
        "posts.tag IN ('a', NULL)",
        "posts.tag != NULL",
        "posts.title CONTAINS 'b' OR posts.title ENDS WITH \"'s\"",
        "NOT (posts.tag STARTS WITH 'a' OR posts.score IS NULL)",
        "posts.title NOT LIKE '_b'",
        "posts.title LIKE '%b%'",
        "posts.title NOT CONTAINS 'a'",
        "posts.owner = 3",
        "posts.pinned = TRUE",
        "posts.pinned != FALSE",
        "posts.at > 2020-02-05 10:00",
        "posts.due <= 2020-02-29",
        "posts.due IS NULL",
    ]
)
nested = st.sampled_from(
    [
        "COUNT(votes.*, -1, 1, months) > 1",
        "SUM(votes.value, 0, 30) >= 0",
        "LAST(votes.value, 0, 60) IS NULL",
        "COUNT(likes.*) > 0",
        "AVG(likes.stars WHERE likes.stars > 0) < 2",
    ]
)
past_nested = st.sampled_from(
    ["COUNT(votes.*, -INF, 0) > 0", "MAX(votes.value, -1, 0, month) > 0", "COUNT_DISTINCT(likes.stars) = 1"]
)
future = st.sampled_from(
    [
        "0, 1",
        "0, 5",
        "1, 30",
        "0, 10, hours",
        "0, 1, month",
        "1, 2, months",
        "0, 60, days",
        "0, 1440, minutes",
    ]
)
past = st.sampled_from(
    ["-5, 0", "-INF, 0", "-30, -1", "-1, 0, months", "-INF, -1, days", "-30, 0", "-2, -1, months"]
)
comparisons = st.sampled_from(
    ["> 0", "= 0", "!= 1", "<= 0.5", "IN (1, 2)", "IS NULL", "IS NOT NULL", "NOT IN (0)", "= NULL"]
)
FUNCTIONS = ("COUNT", "COUNT_DISTINCT", "SUM", "AVG", "MIN", "MAX", "FIRST", "LAST")


@st.composite
def sources_of_posts(draw: st.DrawFn, *, is_future: bool, nests: bool = True) -> str:
    """What stands before the window of an aggregation of posts, after the column."""
    via = draw(st.sampled_from(["owner", "editor"]))
    parts = [draw(post_conditions)] if draw(st.integers(0, 2)) == 0 else []
    if nests and draw(st.integers(0, 4)) == 0:
        parts.append(draw(nested if is_future else past_nested))
    joined = draw(st.sampled_from([" AND ", " OR NOT "])).join(f"({part})" for part in parts)
    return f" VIA {via}" + (f" WHERE {joined}" if parts else "")


@st.composite
def aggregations(draw: st.DrawFn, *, is_future: bool) -> str:
    windows = future if is_future else past
    choice = draw(st.integers(0, 5))
    if choice == 0:
        where = draw(st.sampled_from(["", " WHERE posts.score > 0", " WHERE posts.tag IS NULL"]))
        return f"SUM(votes.value{where}, {draw(windows)})"
    if choice == 1 and not is_future:
        return draw(st.sampled_from(["COUNT(likes.*)", "MIN(likes.stars WHERE posts.score > 0)"]))
    column = draw(st.sampled_from([f"{f}(posts.score" for f in FUNCTIONS] + ["COUNT(posts.*"]))
    return f"{column}{draw(sources_of_posts(is_future=is_future))}, {draw(windows)})"


@st.composite
def comparisons_of_posts(draw: st.DrawFn, *, is_future: bool) -> str:
    """Comparisons with values that are no numbers."""
    windows = future if is_future else past
    of, window = draw(sources_of_posts(is_future=is_future)), draw(windows)
    if draw(st.booleans()):
        test = draw(st.sampled_from(["CONTAINS 'a'", "NOT CONTAINS 'b'", "IS NULL", "IS NOT NULL"]))
        return f"LIST_DISTINCT(posts.tag{of}, {window}) {test}"
    return draw(
        st.sampled_from(
            [
                f"FIRST(posts.tag{of}, {window}) = 'a'",
                f"LAST(posts.title{of}, {window}) LIKE '%b'",
                f"LAST(posts.pinned{of}, {window}) = TRUE",
                f"MAX(posts.due{of}, {window}) > 2020-02-28",
                f"COUNT_DISTINCT(posts.tag{of}, {window}) > 1",
            ]
        )
    )


@st.composite
def conditions(draw: st.DrawFn, *, is_future: bool) -> str:
    parts = []
    for _ in range(draw(st.integers(1, 2))):
        choice = draw(st.integers(0, 3))
        if choice == 0 and not is_future:
            static = [
                "users.kind = 'a'",
                "users.age >= 0",
                "cities.size < 1",
                "cities.name IS NULL",
                "users.city = 1",
                "users.joined > 2020-02-01",
            ]
            parts.append(draw(st.sampled_from(static)))
        elif choice == 1:
            parts.append(draw(comparisons_of_posts(is_future=is_future)))
        else:
            parts.append(f"{draw(aggregations(is_future=is_future))} {draw(comparisons)}")
    joined = draw(st.sampled_from([" AND ", " OR "])).join(parts)
    return f"NOT ({joined})" if draw(st.booleans()) else joined


@st.composite
def temporal_targets(draw: st.DrawFn) -> str:
    of, window = draw(sources_of_posts(is_future=True)), draw(future)
    plain = draw(sources_of_posts(is_future=True, nests=False))
    kinds = {
        "value": draw(aggregations(is_future=True)),
        "condition": draw(conditions(is_future=True)),
        "class": f"{draw(st.sampled_from(['FIRST', 'LAST']))}(posts.tag{of}, {window})",
        "classes": f"LIST_DISTINCT(posts.tag{of}, {window}) {draw(st.sampled_from(['CLASSIFY', 'RANK TOP 2']))}",
        "items": f"LIST_DISTINCT(votes.post, {window}) RANK TOP 3",
        "keys": f"LIST_DISTINCT(votes.post, {window}) CLASSIFY",
        "forecast": f"{draw(st.sampled_from(['SUM', 'COUNT', 'COUNT_DISTINCT']))}(posts.score{plain}, {window})"
        f" FORECAST {draw(st.integers(1, 5))} TIMEFRAMES",
    }
    return draw(st.sampled_from(list(kinds.values())))


@st.composite
def temporal_queries(draw: st.DrawFn) -> str:
    where = f" WHERE {draw(conditions(is_future=False))}" if draw(st.integers(0, 2)) == 0 else ""
    assuming = f" ASSUMING {draw(conditions(is_future=True))}" if draw(st.integers(0, 3)) == 0 else ""
    some = draw(st.sampled_from(["FOR EACH users.id", "FOR EACH users.id", "FOR users.id IN (0, 2)"]))
    return f"PREDICT {draw(temporal_targets())} {some}{where}{assuming}"


USER_TARGETS = [
    "users.age",
    "users.kind",
    "users.kind RANK TOP 2",
    "users.age > 0 OR users.kind = 'a'",
    "users.age IS NULL",
    "NOT users.kind IN ('a', 'b')",
    "LIST_DISTINCT(likes.post) RANK TOP 2",
    "LIST_DISTINCT(likes.post WHERE likes.stars > 0) RANK",
]
USER_FILTERS = ["cities.size > 0", "users.city = 1", "users.joined > 2020-02-01"]


@st.composite
def static_queries(draw: st.DrawFn) -> str:
    if draw(st.integers(0, 3)) == 0:
        target = draw(
            st.sampled_from(["cities.size", "cities.zone", "cities.size >= 0 AND cities.zone = 'a'"])
        )
        where = draw(
            st.sampled_from(["", " WHERE cities.name LIKE '%b'", " WHERE COUNT(users.*, -20, 0) > 0"])
        )
        return f"PREDICT {target} FOR EACH cities.id{where}"
    parts = draw(st.lists(st.sampled_from(USER_FILTERS), max_size=1))
    parts += [
        f"{draw(aggregations(is_future=False))} {draw(comparisons)}" for _ in range(draw(st.integers(0, 1)))
    ]
    where = f" WHERE {' AND '.join(parts)}" if parts else ""
    return f"PREDICT {draw(st.sampled_from(USER_TARGETS))} FOR EACH users.id{where}"
