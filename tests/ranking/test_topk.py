"""The best items of blocks are the best of all."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from relhop.ranking.topk import TopK
from tests import ranking_reference


@given(
    st.lists(
        st.lists(st.sampled_from([-math.inf, -1.0, 0.0, 0.5, 2.0]), min_size=12, max_size=12),
        min_size=1,
        max_size=4,
    ),
    st.integers(1, 14),
    st.lists(st.integers(1, 11), max_size=4, unique=True),
)
def test_the_best_of_blocks_are_the_best_of_all_with_ties_to_the_smaller_row(
    rows: list[list[float]], k: int, cuts: list[int]
) -> None:
    scores = torch.tensor(rows)
    best = TopK(len(rows), k)
    edges = [0, *sorted(cuts), 12]
    for first, last in pairwise(edges):
        best.add(scores[:, first:last], torch.arange(first, last))
    expected = [ranking_reference.best(row, k) for row in rows]
    assert best.items.tolist() == expected
    for row, items, found in zip(rows, expected, best.scores.tolist(), strict=True):
        assert found == pytest.approx([row[item] if item >= 0 else -math.inf for item in items])


def test_fewer_items_than_ranks_leave_ranks_empty() -> None:
    best = TopK(1, 3)
    best.add(torch.tensor([[0.5, 1.5]]), torch.tensor([0, 1]))
    assert best.items.tolist() == [[1, 0, -1]]
