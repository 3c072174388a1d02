from __future__ import annotations

import datetime as dt

from relhop.query.compiler import CompiledQuery, compile_query
from relhop.query.duration import Duration
from relhop.query.syntax import parse
from relhop.times import format_time, to_micros
from tests.query_cases import SCHEMA, START, columns_of, found, sources, statement


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
    user = {**dict.fromkeys(columns_of("users")), "joined": START}
    vote = {"post": None, "user": 0, "at": START + dt.timedelta(days=1)}
    votes = [{**vote, "value": float("nan")}, {**vote, "value": 2.0}]
    tables, _ = sources({**dict.fromkeys(SCHEMA.tables, ()), "users": [user], "votes": votes})
    for query, value in (
        ("PREDICT AVG(votes.value, 0, 5) FOR EACH users.id", 2.0),
        ("PREDICT COUNT(votes.* WHERE votes.value > 1, 0, 5) FOR EACH users.id", 1),
    ):
        assert found(tables, statement(query), [START]) == [(0, 0, value)]


def test_a_parent_is_read_only_if_it_is_visible_when_the_window_ends():
    day = dt.timedelta(days=1)
    user = {**dict.fromkeys(columns_of("users")), "joined": START}
    post = {**dict.fromkeys(columns_of("posts")), "at": START + 5 * day, "score": 1.0}
    vote = {"post": 0, "user": 0, "at": START + day, "value": 2.0}
    rows = {"users": [user], "posts": [post], "votes": [vote]}
    tables, _ = sources({**dict.fromkeys(SCHEMA.tables, ()), **rows})
    for end, count in ((4, 0), (5, 1)):
        query = f"PREDICT COUNT(votes.* WHERE posts.score > 0, 0, {end}) FOR EACH users.id"
        assert found(tables, statement(query), [START]) == [(0, 0, count)]
