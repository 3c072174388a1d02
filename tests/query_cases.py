"""Random databases and random queries on them, small and full of ties, nulls, month ends and empty windows.

All of a case follows from one number. Hypothesis draws that alone: of what it draws piece by piece it makes new examples
by changing old ones, and of a hundred such cases some three have more than one label.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from relhop.query.compiler import compile_query
from relhop.query.evaluation import evaluate
from relhop.query.nodes import Condition, Every, nested_aggregations
from relhop.query.statement import Drop
from relhop.query.syntax import parse
from relhop.schema import Link, Schema, Table
from tests.query_reference import Database, shifted

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


TEXTS = ["a", "b", "ab", "it's", "b%"]
TRUTHS = ("pinned",)
LONG_AGO = dt.datetime(2020, 1, 1)
MOMENT = dt.timedelta(microseconds=1)


def columns_of(table: str) -> dict[str, str]:
    """What each column holds, the primary key aside."""
    described = SCHEMA.tables[table]
    found = {column: "key" for child, column in LINKS if child == table}
    if described.time_col is not None:
        found[described.time_col] = "time"
    return found | {c: "truth" if c in TRUTHS else str(s) for c, s in described.stypes.items()}


TYPES = {
    "key": pa.int64(),
    "time": pa.timestamp("us"),
    "timestamp": pa.timestamp("us"),
    "numerical": pa.float64(),
    "truth": pa.bool_(),
    "categorical": pa.string(),
    "text": pa.string(),
}


def moments_of(part: Condition, frames: int, anchors: list[dt.datetime]) -> list[dt.datetime]:
    """Where the answer may change: on the anchors and on the ends of all windows, and a microsecond beside."""
    found = list(anchors)
    for aggregation in nested_aggregations(part):
        window = aggregation.window
        if window is None:
            continue
        ends = [window.end] if window.start is None else [window.start, window.end]
        if window.start is not None and frames > 1:
            ends.append(window.end + window.end - window.start)
        found += [shifted(anchor, end, window.unit) for anchor in anchors for end in ends]
    return [
        end + beside for end in dict.fromkeys(found) for beside in (0 * MOMENT, 0 * MOMENT, -MOMENT, MOMENT)
    ]


def time(random: Random) -> dt.datetime:
    return dt.datetime.fromisoformat(f"2020-{random.choice(DAYS)}") + dt.timedelta(hours=random.choice(HOURS))


def value(random: Random, kind: str) -> Any:
    match kind:
        case "key":
            return random.choice([0, 0, 0, 0, 1, 1, 2, 9])
        case "timestamp":
            return time(random)
        case "numerical":
            return random.choice([-1.0, 0.0, 0.5, 1.0, 1.0, 2.0])
        case "truth":
            return random.random() < 0.5
        case _:
            return random.choice(TEXTS)


def database(random: Random, query: str, anchors: list[dt.datetime]) -> dict[str, list[dict]]:
    """Rows whose times lie on or next to the ends of a query's windows, with many ties."""
    parsed = parse(query)
    frames = parsed.spec.count if parsed.spec is not None and parsed.spec.word == "FORECAST" else 1
    whole = Every((parsed.target, *filter(None, (parsed.where, parsed.assuming))))
    near = [
        moment
        for part in (parsed.target, whole)
        for moment in random.choices(moments_of(part, frames, anchors), k=random.randint(1, 3))
    ]
    rows = {}
    for name in SCHEMA.tables:
        few = (0, 3) if random.random() < 0.2 else (2, 6)
        count = random.randint(*few) if name in ("users", "cities") else random.randint(few[0], 4 * few[1])
        rows[name] = [{} for _ in range(count)]
        for column, kind in columns_of(name).items():
            nulls = random.choice([0, 0, 0.2])
            for row in rows[name]:
                if random.random() < nulls:
                    row[column] = None
                elif column == "joined":
                    row[column] = random.choice([LONG_AGO, LONG_AGO, *anchors, random.choice(near)])
                elif kind == "time":
                    row[column] = random.choice(near) if random.random() < 0.8 else time(random)
                else:
                    row[column] = value(random, kind)
    return rows


def sources(rows: dict[str, list[dict]]) -> tuple[dict[str, pa.Table], Database]:
    """The same rows as a store shows them to SQL and as the reference reads them: in time order, null times last."""
    ordered = {}
    for name, described in SCHEMA.tables.items():
        time = described.time_col
        numbered = [{**({KEYS[name]: i} if KEYS[name] else {}), **row} for i, row in enumerate(rows[name])]
        if time is not None:
            numbered.sort(key=lambda row: (row[time] is None, row[time] or START))
        ordered[name] = numbered
    tables = {}
    for name, described in SCHEMA.tables.items():
        kinds = ({KEYS[name]: "key"} if KEYS[name] else {}) | columns_of(name)
        columns = {c: pa.array([row[c] for row in ordered[name]], TYPES[kind]) for c, kind in kinds.items()}
        columns["_rh_row"] = pa.array(range(len(ordered[name])), pa.int64())
        if described.time_col is not None:
            columns["_rh_time"] = columns[described.time_col]
        for (child, fkey), parent in LINKS.items():
            if child == name:
                place = {row[KEYS[parent]]: i for i, row in enumerate(ordered[parent])}
                columns[f"_rh_{fkey}"] = pa.array([place.get(row[fkey]) for row in ordered[name]], pa.int64())
        tables[name] = pa.table(columns)
    database = {
        name: {"key": KEYS[name], "time": described.time_col, "rows": ordered[name]}
        for name, described in SCHEMA.tables.items()
    }
    return tables, Database(database, LINKS)


@cache
def _connection() -> duckdb.DuckDBPyConnection:
    """One for all: to open one takes longer than to ask it."""
    return duckdb.connect(config={"threads": 1})


def statement(query: str, *, is_training: bool = True) -> str:
    compiled = compile_query(parse(query), SCHEMA)
    return compiled.training_sql if is_training else compiled.prediction_sql


def found(
    tables: dict[str, pa.Table], sql: str, anchors: list[dt.datetime], rows_per_anchor: int = 0
) -> list[tuple]:
    connection = _connection()
    for name, table in tables.items():
        connection.register(name, table)
    result = evaluate(connection, sql, np.array(anchors, "datetime64[us]").view(np.int64), rows_per_anchor)
    assert result.counts[:, Drop.kept].sum() == len(result.rows)
    return list(
        zip(
            result.by_anchor(np.arange(len(anchors))).tolist(),
            result.rows.tolist(),
            result.target.to_pylist(),
            strict=True,
        )
    )


POST_CONDITIONS = (
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
)
NESTED = (
    "COUNT(votes.*, -1, 1, months) > 1",
    "SUM(votes.value, 0, 30) >= 0",
    "LAST(votes.value, 0, 60) IS NULL",
    "COUNT(likes.*) > 0",
    "AVG(likes.stars WHERE likes.stars > 0) < 2",
)
PAST_NESTED = (
    "COUNT(votes.*, -INF, 0) > 0",
    "MAX(votes.value, -1, 0, month) > 0",
    "COUNT_DISTINCT(likes.stars) = 1",
)
FUTURE = (
    "0, 1",
    "0, 5",
    "1, 30",
    "0, 10, hours",
    "0, 1, month",
    "1, 2, months",
    "0, 60, days",
    "0, 1440, minutes",
)
PAST = (
    "-5, 0",
    "-INF, 0",
    "-30, -1",
    "-1, 0, months",
    "-INF, -1, days",
    "-30, 0",
    "-2, -1, months",
)
COMPARISONS = (
    "> 0",
    "= 0",
    "!= 1",
    "<= 0.5",
    "IN (1, 2)",
    "IS NULL",
    "IS NOT NULL",
    "NOT IN (0)",
    "= NULL",
)
FUNCTIONS = ("COUNT", "COUNT_DISTINCT", "SUM", "AVG", "MIN", "MAX", "FIRST", "LAST")


def sources_of_posts(random: Random, *, is_future: bool, nests: bool = True) -> str:
    """What stands before the window of an aggregation of posts, after the column."""
    via = random.choice(["owner", "editor"])
    parts = [random.choice(POST_CONDITIONS)] if random.randint(0, 3) == 0 else []
    if nests and random.randint(0, 4) == 0:
        parts.append(random.choice(NESTED if is_future else PAST_NESTED))
    joined = random.choice([" AND ", " OR NOT "]).join(f"({part})" for part in parts)
    return f" VIA {via}" + (f" WHERE {joined}" if parts else "")


def aggregation(random: Random, *, is_future: bool) -> str:
    windows = FUTURE if is_future else PAST
    choice = random.randint(0, 6)
    if choice in (0, 1):
        where = random.choice(["", " WHERE posts.score > 0", " WHERE posts.tag IS NULL"])
        return f"{random.choice(FUNCTIONS)}(votes.value{where}, {random.choice(windows)})"
    if choice == 2 and not is_future:
        return random.choice(["COUNT(likes.*)", "MIN(likes.stars WHERE posts.score > 0)"])
    column = random.choice([f"{f}(posts.score" for f in FUNCTIONS] + ["COUNT(posts.*"])
    return f"{column}{sources_of_posts(random, is_future=is_future)}, {random.choice(windows)})"


def comparison_of_posts(random: Random, *, is_future: bool) -> str:
    """Comparisons with values that are no numbers."""
    windows = FUTURE if is_future else PAST
    of, window = sources_of_posts(random, is_future=is_future), random.choice(windows)
    if random.random() < 0.5:
        test = random.choice(["CONTAINS 'a'", "NOT CONTAINS 'b'", "IS NULL", "IS NOT NULL"])
        return f"LIST_DISTINCT(posts.tag{of}, {window}) {test}"
    return random.choice(
        [
            f"FIRST(posts.tag{of}, {window}) = 'a'",
            f"LAST(posts.title{of}, {window}) LIKE '%b'",
            f"LAST(posts.pinned{of}, {window}) = TRUE",
            f"MAX(posts.due{of}, {window}) > 2020-02-28",
            f"COUNT_DISTINCT(posts.tag{of}, {window}) > 1",
        ]
    )


def condition(random: Random, *, is_future: bool) -> str:
    parts = []
    for _ in range(random.randint(1, 2)):
        choice = random.randint(0, 3)
        if choice == 0 and not is_future:
            static = [
                "users.kind = 'a'",
                "users.age >= 0",
                "cities.size < 1",
                "cities.name IS NULL",
                "users.city = 1",
                "users.joined > 2020-02-01",
            ]
            parts.append(random.choice(static))
        elif choice == 1:
            parts.append(comparison_of_posts(random, is_future=is_future))
        else:
            parts.append(f"{aggregation(random, is_future=is_future)} {random.choice(COMPARISONS)}")
    joined = random.choice([" AND ", " OR "]).join(parts)
    return f"NOT ({joined})" if random.random() < 0.5 else joined


def temporal_target(random: Random) -> str:
    of, window = sources_of_posts(random, is_future=True), random.choice(FUTURE)
    plain = sources_of_posts(random, is_future=True, nests=False)
    kinds = {
        "value": aggregation(random, is_future=True),
        "condition": condition(random, is_future=True),
        "class": f"{random.choice(['FIRST', 'LAST'])}(posts.tag{of}, {window})",
        "classes": f"LIST_DISTINCT(posts.tag{of}, {window}) {random.choice(['CLASSIFY', 'RANK TOP 2'])}",
        "items": f"LIST_DISTINCT(votes.post, {window}) RANK TOP 3",
        "keys": f"LIST_DISTINCT(votes.post, {window}) CLASSIFY",
        "forecast": f"{random.choice(['SUM', 'COUNT', 'COUNT_DISTINCT'])}(posts.score{plain}, {window})"
        f" FORECAST {random.randint(1, 5)} TIMEFRAMES",
    }
    return random.choice([kinds["value"], kinds["value"], *kinds.values()])


def temporal_query(random: Random) -> str:
    where = f" WHERE {condition(random, is_future=False)}" if random.randint(0, 3) == 0 else ""
    assuming = f" ASSUMING {condition(random, is_future=True)}" if random.randint(0, 4) == 0 else ""
    some = random.choice(["FOR EACH users.id", "FOR EACH users.id", "FOR users.id IN (0, 2)"])
    return f"PREDICT {temporal_target(random)} {some}{where}{assuming}"


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


def static_query(random: Random) -> str:
    if random.randint(0, 3) == 0:
        target = random.choice(["cities.size", "cities.zone", "cities.size >= 0 AND cities.zone = 'a'"])
        where = random.choice(["", " WHERE cities.name LIKE '%b'", " WHERE COUNT(users.*, -20, 0) > 0"])
        return f"PREDICT {target} FOR EACH cities.id{where}"
    parts = random.sample(USER_FILTERS, random.randint(0, 1))
    parts += [
        f"{aggregation(random, is_future=False)} {random.choice(COMPARISONS)}"
        for _ in range(random.randint(0, 1))
    ]
    where = f" WHERE {' AND '.join(parts)}" if parts else ""
    return f"PREDICT {random.choice(USER_TARGETS)} FOR EACH users.id{where}"


@dataclass(frozen=True)
class Case:
    """A database, a query on it and the anchors to ask it for; of a static query the time of the data."""

    rows: dict[str, list[dict]]
    query: str
    anchors: list[dt.datetime]
    is_training: bool


def anchor_times(random: Random) -> list[dt.datetime]:
    return sorted({time(random) for _ in range(random.randint(1, 3))})


def temporal_case(random: Random) -> Case:
    query, anchors = temporal_query(random), anchor_times(random)
    return Case(database(random, query, anchors), query, anchors, random.random() < 0.8)


def static_case(random: Random) -> Case:
    """Users have the times of the anchors that their rows' times are beside; one anchor sees them all or some."""
    query, anchors = static_query(random), anchor_times(random)
    return Case(database(random, query, anchors), query, [random.choice(anchors)], random.random() < 0.7)


numbers = st.integers(0, 2**63 - 1)
temporal_queries = numbers.map(lambda number: temporal_query(Random(number)))
temporal_cases = numbers.map(lambda number: temporal_case(Random(number)))
static_cases = numbers.map(lambda number: static_case(Random(number)))
