"""Attributes of a store: every dtype and shape, wherever the rows are, against NumPy's own indexing."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import relhop as rh
from relhop import _native
from relhop.dtypes import NUMPY_DTYPES, dtype_name
from relhop.errors import SourceError
from relhop.sampling import native_topology
from relhop.sources.array_columns import dense
from relhop.store import copying, writer
from relhop.store.attributes import AttributeReader
from relhop.store.copying import write_rows
from relhop.store.packed import PackedColumn
from tests import packing, threads

DTYPES = sorted(NUMPY_DTYPES)
SHAPES = [(), (1,), (5,), (2, 3), (0,), (4, 0, 2)]
NUM_ROWS = 700
DEVICE = rh.DeviceCost(50_000, 1e9)


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


def columns_of_all_kinds():
    """An array of each dtype and shape."""
    made = {}
    for seed, (dtype, shape) in enumerate((d, s) for d in DTYPES for s in SHAPES):
        whole = random_rows(dtype, NUM_ROWS, shape, seed)
        if dtype == "bfloat16":
            whole = torch.from_numpy(whole.view(np.int16).copy()).view(torch.bfloat16)
        made[f"{dtype}_{len(made)}"] = whole
    return made


def bits(array):
    return array.view(torch.int16).numpy().view(np.uint16) if isinstance(array, torch.Tensor) else array


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    """A store with a timed and an untimed table of all kinds, and the arrays."""
    columns = columns_of_all_kinds()
    times = np.random.default_rng(5).integers(0, 100, NUM_ROWS)
    excluded = [name for name, array in columns.items() if array.ndim == 1]
    tables = [
        rh.Table("plain", source=columns, pkey_col=(), time_col="", exclude=excluded),
        rh.Table(
            "timed",
            source={"at": times, **columns},
            pkey_col=(),
            time_col="at",
            time_unit="days",
            exclude=excluded,
        ),
    ]
    path = tmp_path_factory.mktemp("kinds") / "kinds.rh"
    store = rh.Graph(tables, []).snapshot(path, progress=False)
    store.verify()
    return path, {name: bits(array) for name, array in columns.items()}


PLACES = {
    "ram": {"memory": "ram"},
    "mmap": {"memory": "mmap"},
    "disk, no pool": {"memory": "disk", "buffer_pool_size": 0},
    "disk, tiny pool": {"memory": "disk", "buffer_pool_size": 60_000},
    "disk, pool for some": {"memory": "disk", "buffer_pool_size": 300_000},
    "disk, verified": {"memory": "disk", "buffer_pool_size": 50_000, "verify": "always"},
}


@pytest.mark.parametrize("place", PLACES)
def test_stored_rows_are_numpys_for_every_dtype_shape_and_place(kinds, place):
    path, columns = kinds
    how = PLACES[place]
    store = rh.Store.open(path, **how, **({"device": DEVICE} if how["memory"] == "disk" else {}))
    rng = np.random.default_rng(3)
    for table in store.tables.values():
        order = np.arange(NUM_ROWS) if table.order is None else table.order[:]
        assert set(columns) <= set(table.attributes)
        for name, array in columns.items():
            reader = table.attributes[name]
            assert f"{reader.dtype}_" == name[: len(reader.dtype) + 1]
            assert_same_bits(reader.array(), array[order])
            for size in (0, 1, 300):
                rows = rng.integers(0, NUM_ROWS, size)
                assert_same_bits(reader.gather(rows, 2), array[order][rows])
    on_disk = [placed for placed in store.placement.attributes.values() if placed.place == "disk"]
    assert bool(on_disk) == (how["memory"] == "disk")


@pytest.mark.parametrize("place", PLACES)
def test_the_pipeline_brings_attributes_as_they_are_gathered(kinds, place):
    path, columns = kinds
    how = PLACES[place]
    store = rh.Store.open(path, **how, **({"device": DEVICE} if how["memory"] == "disk" else {}))
    wanted = [
        (table.attributes[name].native, False, number)
        for number, table in enumerate(store.tables.values())
        for name in columns
    ]
    options = _native.SampleOptions([], 0, 0, [NUM_ROWS, NUM_ROWS], disjoint=False)
    pipeline = _native.Pipeline(native_topology(store), wanted, options, 2, 2, 4)
    rng = np.random.default_rng(4)
    seeds = [
        (number, rng.choice(NUM_ROWS, size, replace=False)) for number in (0, 1) for size in (1, 40, 300)
    ]
    for number, rows in seeds:
        pipeline.put(np.full(len(rows), number, np.uint32), rows, np.full(len(rows), 2**63 - 1))
    pipeline.finish()
    for number, rows in seeds:
        features = iter(pipeline.next()["features"])
        for i, table in enumerate(store.tables.values()):
            order = np.arange(NUM_ROWS) if table.order is None else table.order[:]
            for name, array in columns.items():
                got = table.attributes[name].of_native(next(features))
                assert_same_bits(got, array[order][rows] if i == number else array[:0])
    assert pipeline.next() is None


def test_rows_reach_torch_without_a_copy(kinds):
    reader = AttributeReader.of_array("x", np.arange(12, dtype=np.float32).reshape(4, 3))
    native = reader.native.gather(np.array([2, 0]))
    tensor = torch.from_numpy(reader.of_native(native))
    assert tensor.data_ptr() == native["raw"].ctypes.data
    assert tensor.tolist() == [[6, 7, 8], [0, 1, 2]]


@settings(max_examples=50, deadline=None)
@given(
    num_rows=st.integers(0, 400),
    shape=st.sampled_from([(), (3,), (2, 2)]),
    memory=st.integers(1, 20_000),
    seed=st.integers(0, 99),
)
def test_rows_are_brought_to_their_order_in_little_memory(tmp_path_factory, num_rows, shape, memory, seed):
    whole = random_rows("float32", num_rows, shape, seed)
    order = np.random.default_rng(seed).permutation(num_rows)
    folder = tmp_path_factory.mktemp("copy")
    packed = PackedColumn(packing.rows(order, num_rows)) if num_rows else None
    paths = [folder / "x.bin", folder / "x.crc"]
    write_rows(dense(whole, "x"), paths, packed, folder, memory)
    assert paths[0].read_bytes() == whole[order].tobytes()
    assert sorted(path.name for path in folder.iterdir()) == ["x.bin", "x.crc"]


def test_an_array_that_grew_while_the_store_was_built_is_refused(tmp_path, monkeypatch):
    graph = rh.Graph([rh.Table("t", source={"id": np.arange(4), "x": np.zeros((4, 2))})])
    graph.sources["t"] = {"id": np.arange(4), "x": np.zeros((4, 2))}
    origins = graph._origins(graph.schema.tables.values())
    longer = dense(np.zeros((5, 2)), "x")
    origins["t"].columns["x"] = longer
    monkeypatch.setattr(graph, "_origins", lambda tables: origins)
    with pytest.raises(SourceError) as caught:
        graph.snapshot(tmp_path / "t.rh", progress=False)
    assert str(caught.value) == (
        "table 't', column 'x' has 5 rows, the table 4; it changed while the store was built"
    )
    assert not (tmp_path / "t.rh").exists()


def test_copies_in_the_background_end_with_a_build_that_fails(tmp_path, monkeypatch):
    rows = random_rows("float32", NUM_ROWS, (4,))
    source = {"id": np.arange(NUM_ROWS), "x": rows}
    ended = []

    def copied_until_given_up(build, table, name, column, given_up):
        ended.append(given_up.wait(30))

    monkeypatch.setattr(copying, "copy_attribute", copied_until_given_up)
    monkeypatch.setattr(writer.tables, "write_columns", lambda *_: 1 / 0)
    before = threads.running()
    graph = rh.Graph(tables=[rh.Table("node", source=source, pkey_col="id")])
    with pytest.raises(ZeroDivisionError):
        graph.snapshot(tmp_path / "graph.rh", progress=False)
    assert ended == [True]
    assert threads.none_beyond(before)
    assert list(tmp_path.iterdir()) == []


def test_an_array_is_not_copied_to_its_end_once_that_is_given_up(tmp_path):
    column, given_up = dense(random_rows("int8", 100, ()), "x"), threading.Event()
    given_up.set()
    with pytest.raises(InterruptedError, match=r"x\.bin was not written to its end: the build was given up$"):
        write_rows(column, [tmp_path / "x.bin", tmp_path / "x.crc"], None, tmp_path, 0, given_up)


def test_inspect_says_what_attributes_there_are(kinds):
    path, _ = kinds
    summary = rh.Store.open(path, memory="mmap").describe().tables[0]
    assert summary.attributes["float32_21"] == "float32[2, 3]"
    assert summary.bytes["attributes/float32_21.bin"] == NUM_ROWS * 6 * 4
    assert summary.bytes["attributes/float32_21.crc"] == 4 * -(-NUM_ROWS * 24 // 4096)


def test_the_same_arrays_reuse_the_store_and_changed_ones_do_not(tmp_path):
    def build(value):
        graph = rh.Graph([rh.Table("t", source={"x": np.full((4, 2), value)})])
        return graph.snapshot(tmp_path / "t.rh", progress=False)

    first = build(1)
    inode = (first.path / "manifest.json").stat().st_ino
    assert (build(1).path / "manifest.json").stat().st_ino == inode
    changed = build(2)
    assert changed.tables["t"].attributes["x"].array().tolist() == [[2, 2]] * 4
