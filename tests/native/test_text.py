"""Text of integers, held to a regular expression."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relhop._native import is_integers


def told(text: str, num_fields: int) -> bool:
    return is_integers(np.frombuffer(text.encode(), np.uint8), ord(","), num_fields)


def expected(text: str, num_fields: int) -> bool:
    header, newline, rest = text.partition("\n")
    end = "\r\n" if newline and header.endswith("\r") else "\n"
    lines = rest.removesuffix(end).split(end) if rest else []
    line = ",".join(["(-?[0-9]{1,18})?"] * num_fields)
    return all(each and re.fullmatch(line, each) for each in lines)


fields = st.sampled_from(["", "0", "-7", "12", "-", "--1", "1-", "+1", "1.5", '"1"', "9" * 18, "9" * 19, "x"])
plain = st.sampled_from(["", "0", "-7", "12", "9" * 18])


@given(
    st.lists(st.lists(plain, min_size=2, max_size=2), max_size=4),
    st.lists(st.lists(fields, min_size=1, max_size=3), max_size=1),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["", "\n", "\r\n", "\r"]),
)
def test_lines_of_integers_are_told_from_others(lines, other, end, last):
    text = end.join(["a,b", *(",".join(line) for line in [*lines, *other])]) + last
    assert told(text, 2) == expected(text, 2)


@given(st.text("19-,\r\n", max_size=12), st.integers(1, 3))
def test_any_text_is_told_as_the_expression_does(text, num_fields):
    assert told("a\n" + text, num_fields) == expected("a\n" + text, num_fields)


@pytest.mark.parametrize(
    ("text", "is_plain"),
    [
        ("a,b", True),
        ("a,b\n1,2\n,-3", True),
        ("a,b\r\n1,2\r\n", True),
        ("a,b\r\n1,2\n", False),
        ("a,b\n1,2\n\n", False),
        ("a,b\n1\n", False),
        ("a,b\n1,2,3\n", False),
        ("a,b\n1,1234567890123456789\n", False),
        ("a,b\n1,2.5\n", False),
        ("a,b\n1, 2\n", False),
    ],
)
def test_what_is_plain(text, is_plain):
    assert told(text, 2) == is_plain
