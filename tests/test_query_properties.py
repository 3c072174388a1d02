"""The compiled SQL against the slow twin, on random databases and random queries."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from relhop.errors import QueryError
from relhop.query.syntax import parse
from relhop.query.words import in_words
from tests.query_cases import anchor_lists, databases, found, sources, static_queries, temporal_queries, times
from tests.query_reference import examples, ranked_items


def assert_same(rows: dict, text: str, anchors: list[dt.datetime], is_training: bool) -> int:
    """Compares both; returns how many examples there were."""
    store, database = sources(rows)
    try:
        got = found(store, text, anchors, is_training=is_training)
    except QueryError as error:
        if "there is nothing to predict" not in error.reason:
            raise
        reject()
    query = parse(text)
    expected = examples(query, database, anchors, is_training=is_training)
    items = ranked_items(query, database)
    if items is not None and is_training:
        parent, key = items
        place = {row[key]: i for i, row in enumerate(database.rows(parent))}
        known = [(i, n, sorted(place[k] for k in keys if k in place)) for i, n, keys in expected]
        expected = [example for example in known if example[2]]
    assert [g[:2] for g in got] == [e[:2] for e in expected]
    for (_, _, value), (_, _, wanted) in zip(got, expected, strict=True):
        is_number = isinstance(wanted, float)
        assert value == (pytest.approx(wanted) if is_number else wanted)
    return len(got)


@settings(max_examples=60, deadline=None)
@given(databases(), temporal_queries(), anchor_lists, st.booleans())
def test_sql_of_temporal_queries_finds_what_the_reference_finds(rows, query, anchors, is_training):
    assert_same(rows, query, anchors, is_training)


@settings(max_examples=30, deadline=None)
@given(databases(), static_queries(), times, st.booleans())
def test_sql_of_static_queries_finds_what_the_reference_finds(rows, query, anchor, is_training):
    assert_same(rows, query, [anchor], is_training)


@settings(max_examples=100, deadline=None)
@given(temporal_queries())
def test_words_of_a_query_parse_to_the_same_query(text):
    query = parse(text)
    again = parse(
        f"PREDICT {in_words(query.target)} FOR EACH users.id ASSUMING {in_words(query.where or query.target)}"
    )
    assert (again.target, again.assuming) == (query.target, query.where or query.target)
