"""Ranking metrics are what their definitions say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relhop.lists import Lists
from relhop.ranking.metrics import hits_of, ranking_metrics
from tests import ranking_reference


def lists(values: list[list[int]]) -> Lists:
    flat = [value for items in values for value in items]
    return Lists.from_lengths(np.array([len(items) for items in values], np.int64), np.array(flat, np.int64))


def test_metrics_of_one_example_by_hand() -> None:
    # Hits at ranks 1 and 3, of three items that came.
    found = ranking_metrics(np.array([[7, 1, 3, 2]]), lists([[3, 7, 9]]))
    assert found["map@4"] == pytest.approx((1 / 1 + 2 / 3) / 3)
    assert found["recall@4"] == pytest.approx(2 / 3)
    assert found["precision@4"] == pytest.approx(2 / 4)
    assert found["ndcg@4"] == pytest.approx((1 + 1 / 2) / (1 + 1 / math.log2(3) + 1 / 2))
    assert found["mrr@4"] == 1.0


def test_a_perfect_ranking_of_more_items_than_ranks_has_map_and_ndcg_1() -> None:
    found = ranking_metrics(np.array([[0, 1]]), lists([[0, 1, 2, 3]]))
    assert (found["map@2"], found["ndcg@2"], found["recall@2"]) == (1.0, 1.0, 0.5)


def test_examples_without_items_are_left_out() -> None:
    ranked = np.array([[0, 1], [0, 1]])
    assert ranking_metrics(ranked, lists([[1], []])) == ranking_metrics(ranked[:1], lists([[1]]))


def test_metrics_are_unknown_where_no_example_has_items() -> None:
    assert all(math.isnan(value) for value in ranking_metrics(np.array([[0]]), lists([[]])).values())


def test_missing_ranks_are_no_hits() -> None:
    assert not hits_of(np.array([[-1, -1]]), lists([[0, 1]])).any()


def test_as_many_rankings_as_lists_are_needed() -> None:
    with pytest.raises(ValueError, match="2 rankings for 1 examples"):
        ranking_metrics(np.zeros((2, 3), np.int64), lists([[1]]))


@st.composite
def rankings(draw: st.DrawFn) -> tuple[list[list[int]], list[list[int]], int]:
    k, n = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    items = st.integers(0, 8)
    ranked = []
    for _ in range(n):
        found = draw(st.lists(items, max_size=k, unique=True))
        ranked.append(found + [-1] * (k - len(found)))
    truth = [sorted(draw(st.lists(items, max_size=9, unique=True))) for _ in range(n)]
    return ranked, truth, k


@given(rankings())
def test_metrics_are_those_of_the_slow_reference(case: tuple[list[list[int]], list[list[int]], int]) -> None:
    ranked, truth, k = case
    found = ranking_metrics(np.array(ranked, np.int64), lists(truth))
    assert found == pytest.approx(ranking_reference.metrics(ranked, truth, k), nan_ok=True)
