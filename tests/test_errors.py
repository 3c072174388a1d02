from __future__ import annotations

import pytest

from relhop.errors import (
    CorruptStore,
    PlanError,
    QueryError,
    RelhopError,
    SchemaError,
    SourceError,
    StoreError,
    nearest,
)


def test_every_error_is_a_relhop_error() -> None:
    for kind in (SchemaError, SourceError, StoreError, CorruptStore, PlanError, QueryError):
        assert issubclass(kind, RelhopError)


def test_errors_of_arguments_are_value_errors_and_those_of_stores_are_not() -> None:
    assert all(issubclass(kind, ValueError) for kind in (SchemaError, SourceError, PlanError, QueryError))
    assert not issubclass(StoreError, ValueError)


def test_nearest_suggests_a_similar_name() -> None:
    assert nearest("driver", ["drivers", "races"]) == " Did you mean 'drivers'?"


def test_nearest_ignores_case() -> None:
    assert nearest("ID", ["id", "name"]) == " Did you mean 'id'?"


def test_nearest_is_silent_where_nothing_is_near() -> None:
    assert nearest("zebra", ["drivers", "races"]) == ""


@pytest.mark.parametrize(
    ("query", "position", "shown"),
    [
        ("PREDICT x", 8, "no\n    PREDICT x\n            ^"),
        ("one\n  two\nthree", 6, "no\n      two\n      ^"),
        ("one\ntwo", 7, "no\n    two\n       ^"),
    ],
)
def test_a_query_error_points_at_its_place(query: str, position: int, shown: str) -> None:
    error = QueryError("no", query, position)
    assert str(error) == shown
    assert (error.reason, error.query, error.position) == ("no", query, position)
