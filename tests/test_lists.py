from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from relhop.lists import Lists

nested = st.lists(st.lists(st.integers(0, 4), max_size=4), max_size=6)


def lists_of(values: list[list[int]]) -> Lists:
    lengths = np.array([len(each) for each in values], np.int64)
    return Lists.from_lengths(lengths, np.array([v for each in values for v in each], np.int64))


@given(nested, st.data())
def test_lists_are_taken_and_thinned_like_python_lists(values, data):
    lists = lists_of(values)
    assert (len(lists), lists.to_pylist()) == (len(values), values)
    assert lists.owners.tolist() == [i for i, each in enumerate(values) for _ in each]
    places = data.draw(st.lists(st.integers(0, len(values) - 1), max_size=6) if values else st.just([]))
    assert lists.take(np.array(places, np.int64)).to_pylist() == [values[i] for i in places]
    begin, end = (data.draw(st.integers(-1, len(values) + 1)) for _ in range(2))
    assert lists.take(slice(begin, end)).to_pylist() == values[begin:end]
    assert lists.take(slice(None, None, 2)).to_pylist() == values[::2]
    assert lists.keep(lists.values > 1).to_pylist() == [[v for v in each if v > 1] for each in values]


def test_lists_name_their_values():
    assert lists_of([[1, 0], []]).to_pylist(["a", "b"]) == [["b", "a"], []]
