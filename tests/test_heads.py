from __future__ import annotations

import torch

from relhop.nn.heads import Head


def test_a_head_gives_as_many_numbers_as_the_task_asks_for():
    assert Head(4, 3, 0.0)(torch.zeros(5, 4)).shape == (5, 3)
