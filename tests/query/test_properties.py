"""The compiled SQL against the slow twin, on random databases and random queries."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from relhop.errors import QueryError
from relhop.query import evaluation
from relhop.query.syntax import parse
from relhop.query.words import in_words
from tests.query_cases import Case, found, sources, statement, static_cases, temporal_cases, temporal_queries
from tests.query_reference import examples, ranked_items


def statement_of(case: Case) -> str:
    try:
        return statement(case.query, is_training=case.is_training)
    except QueryError as error:
        if "there is nothing to predict" not in error.reason:
            raise
        reject()


def expected_of(case: Case) -> list[tuple]:
    """What the reference finds, items by their rows."""
    _, database = sources(case.rows)
    query = parse(case.query)
    expected = examples(query, database, case.anchors, is_training=case.is_training)
    items = ranked_items(query, database)
    if items is None or not case.is_training:
        return expected
    parent, key = items
    place = {row[key]: i for i, row in enumerate(database.rows(parent))}
    known = [(i, n, sorted(place[k] for k in keys if k in place)) for i, n, keys in expected]
    return [example for example in known if example[2]]


def assert_same(got: list[tuple], expected: list[tuple]) -> None:
    assert [g[:2] for g in got] == [e[:2] for e in expected]
    for (_, _, value), (_, _, wanted) in zip(got, expected, strict=True):
        is_number = isinstance(wanted, float)
        assert value == (pytest.approx(wanted) if is_number else wanted)


@settings(max_examples=350, deadline=None)
@given(temporal_cases)
def test_sql_of_temporal_queries_finds_what_the_reference_finds(case):
    assert_same(found(sources(case.rows)[0], statement_of(case), case.anchors), expected_of(case))


@settings(max_examples=50, deadline=None)
@given(temporal_cases, st.sampled_from([1, 2]))
def test_a_statement_for_some_anchors_at_a_time_finds_the_same(case, at_once):
    tables, sql = sources(case.rows)[0], statement_of(case)
    with patch.object(evaluation, "_LEAST_ANCHORS", 2):
        parts = found(tables, sql, case.anchors, evaluation._STATEMENT_ROWS // at_once)
    assert_same(parts, found(tables, sql, case.anchors))


@settings(max_examples=150, deadline=None)
@given(static_cases)
def test_sql_of_static_queries_finds_what_the_reference_finds(case):
    assert_same(found(sources(case.rows)[0], statement_of(case), case.anchors), expected_of(case))


@settings(max_examples=100, deadline=None)
@given(temporal_queries)
def test_words_of_a_query_parse_to_the_same_query(text):
    query = parse(text)
    again = parse(
        f"PREDICT {in_words(query.target)} FOR EACH users.id ASSUMING {in_words(query.where or query.target)}"
    )
    assert (again.target, again.assuming) == (query.target, query.where or query.target)
