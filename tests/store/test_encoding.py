import numpy as np
import pytest

from relhop.schema import Stype
from relhop.store.encoding import Field, pack, record_layout, unpack

I8, F4, I4 = np.dtype("<i8"), np.dtype("<f4"), np.dtype("<i4")


def test_a_record_has_timestamps_then_numbers_then_codes_each_aligned():
    features = {"c": Stype.categorical, "n": Stype.numerical, "t": Stype.timestamp, "d": Stype.categorical}
    assert record_layout(features) == (
        (
            Field("t", Stype.timestamp, I8, 0),
            Field("n", Stype.numerical, F4, 8),
            Field("c", Stype.categorical, I4, 12),
            Field("d", Stype.categorical, I4, 16),
        ),
        24,
    )


@pytest.mark.parametrize(
    ("stypes", "size"),
    [
        ([], 0),
        (["numerical"], 4),
        (["numerical"] * 3, 12),
        (["timestamp"], 8),
        (["timestamp", "categorical"], 16),
    ],
)
def test_a_record_is_padded_to_its_largest_field(stypes, size):
    assert record_layout({str(i): Stype(s) for i, s in enumerate(stypes)})[1] == size


@pytest.mark.parametrize(
    ("precision", "offsets", "size"),
    [
        ("float16", [0, 8, 10, 12, 16], 24),
        ("bfloat16", [0, 8, 10, 12, 16], 24),
        ("int8", [0, 8, 9, 10, 12], 16),
    ],
)
def test_compact_numbers_leave_a_gap_before_codes_where_they_must(precision, offsets, size):
    features = {"c": Stype.categorical, **dict.fromkeys("nmo", Stype.numerical), "t": Stype.timestamp}
    fields, found = record_layout(features, precision)
    assert [field.kind for field in fields] == ["int64", precision, precision, precision, "int32"]
    assert ([field.offset for field in fields], found) == (offsets, size)


@pytest.mark.parametrize(("precision", "size"), [("float16", 6), ("int8", 3)])
def test_a_record_of_compact_numbers_alone_is_padded_to_none(precision, size):
    assert record_layout(dict.fromkeys("abc", Stype.numerical), precision)[1] == size


def test_packed_columns_come_back_and_padding_is_zero():
    fields, size = record_layout({"t": Stype.timestamp, "n": Stype.numerical})
    records, out_of_range = pack([np.array([1, -2]), np.array([0.5, 1e300])], fields, size)
    assert out_of_range == [0, 1]
    assert records.shape == (2, 16)
    assert records[:, 12:].tolist() == [[0] * 4] * 2
    assert unpack(records, fields[0]).tolist() == [1, -2]
    assert unpack(records, fields[1]).tolist() == [0.5, np.inf]
    assert unpack(records[:0], fields[1]).tolist() == []


def test_records_are_little_endian():
    fields, size = record_layout({"c": Stype.categorical})
    assert pack([np.array([0x01020304])], fields, size)[0].tobytes() == bytes([4, 3, 2, 1])
