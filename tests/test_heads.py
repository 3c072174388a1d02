from __future__ import annotations

import torch

from relhop.nn.heads import AggregateEncoder, Head


def test_a_head_gives_as_many_numbers_as_the_task_asks_for():
    assert Head(4, 3, 0.0)(torch.zeros(5, 4)).shape == (5, 3)


def test_aggregates_become_vectors_of_the_network_s_width():
    encoder = AggregateEncoder(5, 8, 0.5).eval()
    numbers = torch.randn(3, 5)
    assert encoder(numbers).shape == (3, 8)
    assert torch.equal(encoder(numbers)[1:], encoder(numbers[1:]))
