"""Attributes of a store: every dtype and shape, wherever the rows are, against NumPy's own indexing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from relhop.dtypes import NUMPY_DTYPES, dtype_name
from relhop.store.attributes import AttributeReader

DTYPES = sorted(NUMPY_DTYPES)


def random_rows(dtype, num_rows, shape, seed=0):
    """Rows of a dtype, of any bits but for bool's."""
    rng = np.random.default_rng(seed)
    numpy_dtype = NUMPY_DTYPES[dtype]
    if dtype == "bool":
        return rng.integers(0, 2, (num_rows, *shape)).astype(bool)
    size = num_rows * int(np.prod(shape, dtype=int)) * numpy_dtype.itemsize
    return np.frombuffer(rng.bytes(size), numpy_dtype).reshape(num_rows, *shape)


def assert_same_bits(got, expected):
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    assert got.tobytes() == expected.tobytes()


@settings(max_examples=100, deadline=None)
@given(
    dtype=st.sampled_from(DTYPES),
    shape=st.lists(st.integers(0, 4), max_size=3).map(tuple),
    num_rows=st.integers(1, 50),
    picks=st.lists(st.integers(0, 10**6), max_size=100),
    num_threads=st.integers(1, 3),
)
def test_rows_of_an_array_are_numpys(dtype, shape, num_rows, picks, num_threads):
    whole = random_rows(dtype, num_rows, shape)
    reader = AttributeReader.of_array("x", whole, dtype)
    rows = np.array([pick % num_rows for pick in picks], np.int64)
    assert_same_bits(reader.gather(rows, num_threads), whole[rows])
    assert (reader.name, reader.dtype, reader.shape, reader.num_rows) == ("x", dtype, shape, num_rows)


def test_an_array_is_not_copied():
    whole = np.arange(12, dtype=np.float32).reshape(4, 3)
    assert np.shares_memory(AttributeReader.of_array("x", whole).array(), whole)


@given(hnp.arrays(np.dtype(">f8"), (5, 2), elements=st.floats(allow_nan=False)))
def test_an_array_of_another_byte_order_keeps_its_numbers(whole):
    reader = AttributeReader.of_array("x", whole)
    assert reader.dtype == "float64"
    np.testing.assert_array_equal(reader.gather(np.arange(5)), whole)


def test_an_array_in_fortran_order_keeps_its_rows():
    whole = np.asfortranarray(np.arange(12).reshape(4, 3))
    np.testing.assert_array_equal(AttributeReader.of_array("x", whole).gather(np.array([2])), [[6, 7, 8]])


@pytest.mark.parametrize("dtype", ["complex64", "uint16", "object", "U3", "datetime64[s]"])
def test_dtypes_of_no_attribute_are_refused(dtype):
    with pytest.raises(
        TypeError, match=r"^the dtype .* is none of an attribute; convert it to one of float64,"
    ):
        dtype_name(np.dtype(dtype))


def test_a_row_that_is_not_there_is_an_index_error():
    with pytest.raises(IndexError, match=r"^table x has 4 rows; there is no row 4$"):
        AttributeReader.of_array("x", np.zeros(4)).gather(np.array([4]))
