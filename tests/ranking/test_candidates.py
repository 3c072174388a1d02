"""Candidates hold what came and fair negatives, and know how likely each was to be drawn."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from relhop.lists import Lists
from relhop.ranking.candidates import Candidates, CandidateSampler, Negatives

LABELS = Lists.from_lengths(np.array([2, 1, 1]), np.array([0, 3, 3, 9]))
GROUPS = np.array([0, 0, 1])
SHARES = np.array([1, 0, 0, 2, 0, 0, 0, 0, 0, 1]) / 4
COUNTS = [np.arange(10), np.zeros(10, np.int64)]


def draw(kind: Negatives, count: int, visible: list[int], seed: int = 0) -> Candidates:
    sampler = CandidateSampler(kind, count, SHARES)
    return sampler.draw(LABELS, GROUPS, np.array(visible), COUNTS, np.random.default_rng(seed))


def pairs(candidates: Candidates) -> list[tuple[int, int]]:
    return sorted((int(e), int(candidates.items[c])) for e, c in candidates.positives.T)


def test_all_items_are_candidates_where_there_is_room() -> None:
    candidates = draw("uniform", 40, [10, 10])
    assert candidates.items.tolist() == [*range(10), *range(10)]
    assert candidates.groups.tolist() == [0] * 10 + [1] * 10
    assert candidates.log_chance.tolist() == [0.0] * 20
    assert pairs(candidates) == [(0, 0), (0, 3), (1, 3), (2, 9)]


@pytest.mark.parametrize("kind", ["uniform", "popular", "in_batch"])
def test_there_are_never_more_candidates_than_allowed_and_none_twice(kind: Negatives) -> None:
    for seed in range(20):
        candidates = draw(kind, 12, [10, 10], seed)
        keys = candidates.groups * 10 + candidates.items
        assert len(keys) <= 12
        assert (np.diff(keys) > 0).all()


def test_items_of_the_future_are_no_candidates() -> None:
    candidates = draw("uniform", 40, [3, 10])
    assert candidates.items[candidates.groups == 0].tolist() == [0, 1, 2]
    assert pairs(candidates) == [(0, 0), (2, 9)]


def test_in_batch_candidates_are_what_came_at_the_same_time() -> None:
    candidates = draw("in_batch", 40, [10, 10])
    assert list(zip(candidates.groups.tolist(), candidates.items.tolist(), strict=True)) == [
        (0, 0),
        (0, 3),
        (1, 9),
    ]


@pytest.mark.parametrize("kind", ["uniform", "popular"])
def test_the_chance_of_a_negative_is_how_often_it_is_drawn(kind: Negatives) -> None:
    none = Lists.from_lengths(np.array([0]), np.empty(0, np.int64))
    sampler = CandidateSampler(kind, 8, np.zeros(10))
    drawn, said = np.zeros(10), np.zeros(10)
    rng, trials = np.random.default_rng(1), 4000
    for _ in range(trials):
        found = sampler.draw(none, np.array([0]), np.array([10]), [np.arange(10) ** 2], rng)
        drawn[found.items] += 1
        said[found.items] = np.exp(found.log_chance)
    expected: NDArray[np.float64] = drawn / trials
    assert np.abs(expected - said).max() < 5 * 0.5 / trials**0.5
