from __future__ import annotations

import numpy as np
import torch

from relhop.nn.codes import CategoryCodes, CategoryNumbers, NumberCodes

NAN = float("nan")


def test_codes_become_indices_then_come_unseen_and_null():
    codes = CategoryCodes({"a": 2, "b": 1})
    assert codes(torch.tensor([[0, 0], [1, -1], [-1, 0]])).tolist() == [[0, 0], [1, 2], [3, 0]]
    codes.set({"a": np.array([-1, 1, 0]), "b": np.array([0, -1])})
    assert codes(torch.tensor([[0, 0], [1, 1], [2, -1], [3, 99]])).tolist() == [
        [2, 0],
        [1, 1],
        [0, 2],
        [2, 1],
    ]
    assert codes.state_dict() == {}


def test_codes_of_lists_say_of_which_column_they_are():
    codes = CategoryCodes({"a": 2, "b": 1})
    codes.set({"a": np.array([1, 0]), "b": np.array([0])})
    assert codes(torch.tensor([0, 0, 5, -1, -1]), torch.tensor([0, 1, 1, 0, 1])).tolist() == [1, 0, 1, 3, 2]
    assert (
        CategoryCodes({})(torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64)).tolist() == []
    )


def test_codes_become_the_numbers_that_their_texts_are():
    numbers = CategoryNumbers(["a"])
    numbers.set({"a": np.array([7.0, NAN], np.float32)})
    got = numbers(torch.tensor([[0], [1], [2], [-1]]))
    np.testing.assert_array_equal(got.numpy(), np.array([[7.0], [NAN], [NAN], [NAN]], np.float32))


def test_numbers_become_the_indices_of_their_texts():
    codes = NumberCodes([("10", "-2", "3"), ()])
    numbers = torch.tensor(
        [[10.0, 1.0], [-2.0, NAN], [3.0, 0.0], [4.0, 0.0], [NAN, 0.0], [float("inf"), 0.0]]
    )
    assert codes(numbers).tolist() == [[0, 0], [1, 1], [2, 0], [3, 0], [4, 0], [3, 0]]
    assert codes.state_dict() == {}
