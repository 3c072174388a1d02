from __future__ import annotations

import pytest
import torch

from relhop.nn.heads import PIECES, AggregateEncoder, Head


def test_a_head_gives_as_many_numbers_as_the_task_asks_for():
    assert Head(4, 3, 0.0)(torch.zeros(5, 4)).shape == (5, 3)


def test_aggregates_become_vectors_of_the_network_s_width():
    encoder = AggregateEncoder(5, 2, 8, 0.5).eval()
    numbers = torch.randn(3, 5)
    assert encoder(numbers).shape == (3, 8)
    torch.testing.assert_close(encoder(numbers)[1:], encoder(numbers[1:]))


def test_a_rank_enters_as_pieces_that_are_filled_one_after_another():
    encoder = AggregateEncoder(3, 2, 8, 0.0)
    seen = []
    encoder.layers.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    numbers = torch.tensor([[7.0, -(3**0.5), 3**0.5], [7.0, 0.0, 3**0.5 / 16]])
    encoder(numbers)
    assert torch.equal(seen[0][:, :3], numbers)
    first, second = seen[0][:, 3 : 3 + PIECES], seen[0][:, 3 + PIECES :]
    assert first[0].tolist() == [0.0] * 8
    assert first[1].tolist() == [1.0] * 4 + [0.0] * 4
    assert second[0].tolist() == pytest.approx([1.0] * 8)
    assert second[1].tolist() == pytest.approx([1.0] * 4 + [0.25] + [0.0] * 3, abs=1e-5)
