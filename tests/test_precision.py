"""Compact numbers: what is kept, what is lost, and that native code decodes what NumPy says."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import relhop as rh
from relhop import _native
from relhop.errors import CorruptStore
from relhop.features import FeatureReader
from relhop.store.manifest import content_checksum
from relhop.store.precision import PRECISIONS, Grid, Spread, decode, encode, fit_grid
from tests import shop

BOTH = pytest.mark.parametrize("portable", [False, True])
HALVES = np.arange(1 << 16).astype("<u2")


def decode_bits(kind, codes, portable, **grid):
    return _native.decode_numbers(_native.NumberKind[kind], codes.view(np.uint8), portable=portable, **grid)


@BOTH
def test_every_float16_and_bfloat16_decodes_to_the_number_it_is(portable):
    expected = {
        "float16": HALVES.view("<f2").astype(np.float32),
        "bfloat16": (HALVES.astype("<u4") << 16).view("<f4"),
    }
    for kind, numbers in expected.items():
        np.testing.assert_array_equal(decode_bits(kind, HALVES, portable), numbers)


@BOTH
@settings(deadline=None)
@given(scale=st.floats(2**-100, 2**100, width=32), zero=st.floats(-(2**100), 2**100, width=32))
def test_every_int8_decodes_to_its_place_on_the_grid(scale, zero, portable):
    codes = np.arange(-128, 128).astype(np.int8)
    expected = np.float32(zero) + np.float32(scale) * codes.astype(np.float32)
    found = decode_bits("int8", codes, portable, scale=scale, zero=zero)
    assert found.tobytes()[4:] == expected.tobytes()[4:]
    assert math.isnan(found[0])


@BOTH
@pytest.mark.parametrize("kind", PRECISIONS)
@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 31])
def test_any_count_of_numbers_at_any_address_decodes_alike(kind, count, portable):
    codes = np.random.default_rng(count).integers(0, 100, count * 4 + 1, np.uint8)[1:]
    codes = codes[: len(codes) // 4 * {"float32": 4, "int8": 1}.get(kind, 2)]
    whole = decode_bits(kind, codes.copy(), False)
    np.testing.assert_array_equal(decode_bits(kind, codes, portable), whole)
    assert len(whole) == count


def to_bfloat16(number):
    """Of the two neighbors in bfloat16 the nearer, of equally near ones the one whose last bit is 0."""
    below = np.array([number], np.float32).view(np.uint32)[0] & 0xFFFF0000
    candidates = np.array([below, below + 0x10000], np.uint32)
    values = candidates.view(np.float32).astype(np.float64)
    if np.isinf(values[1]):
        values[1] = math.copysign(2.0**128, number)
    distance = np.abs(values - number)
    return candidates.view(np.float32)[np.lexsort([candidates >> 16 & 1, distance])[0]]


@settings(deadline=None)
@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_bfloat16_is_the_nearest_even(number):
    kept, beyond = encode(np.array([number]), "bfloat16", None)
    assert decode(kept, None)[0] == to_bfloat16(number)
    assert beyond == np.isinf(to_bfloat16(number))


@pytest.mark.parametrize(
    ("precision", "numbers", "out_of_range"),
    [
        ("float32", [1e300, math.inf, 3e38, math.nan], 1),
        ("float16", [65519.0, 65520.0, -1e300, math.inf, math.nan], 2),
        ("bfloat16", [3.38e38, 3.4e38, -math.inf, math.nan], 1),
    ],
)
def test_numbers_that_become_infinite_are_counted(precision, numbers, out_of_range):
    kept, beyond = encode(np.array(numbers), precision, None)
    assert beyond == out_of_range
    assert np.isnan(decode(kept, None)).tolist() == np.isnan(numbers).tolist()


def test_nan_is_null_whatever_its_bits():
    nans = np.array([0x7FF0000000000001, 0xFFF8000000000000], np.uint64).view(np.float64)
    for precision in PRECISIONS:
        kept, beyond = encode(nans, precision, Grid() if precision == "int8" else None)
        assert (np.isnan(decode(kept, Grid())).tolist(), beyond) == ([True, True], 0)


def test_numbers_beyond_a_grid_take_its_ends_and_are_counted():
    kept, beyond = encode(np.array([-300.0, -127.4, 0.4, 500.0, math.inf, math.nan]), "int8", Grid(1, 0))
    assert kept.tolist() == [-127, -127, 0, 127, 127, -128]
    assert beyond == 3


@pytest.mark.parametrize(
    ("spread", "grid"),
    [
        (None, Grid(1, 0)),
        (Spread(0, 254, 1, 250, True), Grid(1, 127)),  # Whole numbers that have codes enough stay whole.
        (Spread(-3, 2, -3, 2, True), Grid(1, 0)),
        (Spread(7.5, 7.5, 7.5, 7.5, False), Grid(np.spacing(np.float32(7.5)), 7.5)),
        (Spread(0, 127, 1, 126, False), Grid(0.5, 63.5)),
        (Spread(-1e9, 1e9, 0, 127, False), Grid(1, 63.5)),  # Half the spread is added on both sides.
        (Spread(0, 508, 0, 0, False), Grid(2, 254)),  # Nearly all are alike: no spread, so no outliers.
    ],
)
def test_a_grid_covers_a_column_but_for_what_lies_far_out(spread, grid):
    assert fit_grid(spread) == grid


@settings(deadline=None)
@given(
    st.lists(
        st.floats(allow_nan=False, allow_infinity=False) | st.floats(-1e3, 1e3) | st.integers(-300, 300),
        min_size=1,
    )
)
def test_a_number_on_a_grid_is_kept_to_half_a_step(numbers):
    column = np.array(numbers, np.float64)
    low, high = np.quantile(column, [0.001, 0.999], method="lower")
    ends = [float(number) for number in (column.min(), column.max(), low, high)]
    grid = fit_grid(Spread(*ends, whole=bool((column == np.floor(column)).all())))
    kept, beyond = encode(column, "int8", grid)
    found = decode(kept, grid).astype(np.float64)
    assert np.isfinite(found).all()
    assert grid.scale > 0
    inside = np.abs(column - grid.zero) <= 127 * grid.scale
    rounding = 4 * np.abs(np.spacing(found.astype(np.float32)))
    assert (np.abs(found - column) <= grid.scale / 2 + rounding)[inside].all()
    assert beyond <= np.count_nonzero(~inside)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_store_of_each_precision_gives_its_numbers_everywhere(tmp_path, precision):
    users = pd.DataFrame(
        {"id": range(5), "age": [31.0, None, 55.0, 20.5, 1e6], "city": ["a", "b", "a", None, "c"]}
    )
    tables = [
        rh.Table("users", source=users, pkey_col="id", stypes={"age": "numerical", "city": "categorical"})
    ]
    store = rh.Graph(tables).snapshot(tmp_path / "x.rh", precision=precision, progress=False)
    store.verify()
    table = store.tables["users"]
    assert {f.column: f.kind for f in table.fields} == {"age": precision, "city": "int32"}
    ages = table.field_values("age")
    expected = users.age.to_numpy(np.float64).copy()
    step = {"float32": 0, "float16": 0.02, "bfloat16": 2e3, "int8": 2e3}[precision]
    if precision == "float16":
        expected[4] = math.inf
    np.testing.assert_allclose(ages, expected, atol=step)
    rows = np.array([4, 0, 3, 1])
    gathered = FeatureReader(table).gather(rows)
    np.testing.assert_array_equal(gathered.numerical[:, 0], ages[rows])
    assert gathered.categorical[:, 0].tolist() == [2, 0, -1, 1]
    [summary] = store.describe().tables
    assert summary.out_of_range == {"age": int(precision == "float16")}
    assert store.describe().precision == precision


def test_a_store_of_another_precision_is_another_store(tmp_path):
    first = shop.store(tmp_path)
    again = shop.graph().snapshot(tmp_path / "shop.rh", progress=False)
    assert again.fingerprint == first.fingerprint
    other = shop.graph().snapshot(tmp_path / "shop.rh", precision="bfloat16", progress=False)
    assert other.fingerprint != first.fingerprint
    assert other.tables["items"].record_size == 2
    with pytest.raises(
        ValueError, match=r"^precision is 'float64'; choose one of float32, float16, bfloat16, int8$"
    ):
        shop.graph().snapshot(tmp_path / "shop.rh", precision="float64", progress=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": 0.0}, "table 'items', column 'price' of 3 rows has 0 out of range, and the scale 0.0"),
        ({"out_of_range": 4}, "table 'items', column 'price' of 3 rows has 4 out of range, and the scale "),
        ({"scale": None}, "the record's fields of table 'items': "),
        ({"zero": 1e39}, "contradicts the format at 'tables.items.fields.0.zero': "),
        ({"dtype": "float16"}, "the record's fields of table 'items': "),
    ],
)
def test_a_grid_without_meaning_is_damage(tmp_path, change, message):
    path = shop.graph().snapshot(tmp_path / "shop.rh", precision="int8", progress=False).path
    content = json.loads((path / "manifest.json").read_text())
    content.pop("checksum")
    content["tables"]["items"]["fields"][0] |= change
    text = json.dumps(content | {"checksum": content_checksum(content)})
    (path / "manifest.json").write_text(text)
    with pytest.raises(CorruptStore) as caught:
        rh.Store.open(path)
    assert message in str(caught.value)
