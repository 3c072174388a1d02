"""Attributes that are truncated, flipped or lying: each raises our error and names the file."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import relhop as rh
from relhop import _native
from relhop.errors import CorruptStore
from tests import array_tables
from tests.hostile.test_store import seal

DEVICE = rh.DeviceCost(50_000, 1e9)
X = "tables/papers/attributes/x"


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return array_tables.store(tmp_path_factory.mktemp("sound")).path


@pytest.fixture
def path(sound, tmp_path):
    return shutil.copytree(sound, tmp_path / "x.rh")


@pytest.mark.parametrize("file", [f"{X}.bin", f"{X}.crc", "tables/authors/attributes/a_bool.bin"])
def test_a_missing_truncated_or_longer_file_is_named_at_open(path, file):
    data = (path / file).read_bytes()
    for changed in (data[:-1], b"", data + b"\0"):
        (path / file).write_bytes(changed)
        with pytest.raises(CorruptStore) as caught:
            rh.Store.open(path)
        expected = f"{path / file} has {len(changed)} bytes, not {len(data)}; build the store again"
        assert str(caught.value) == expected
    (path / file).unlink()
    with pytest.raises(CorruptStore) as caught:
        rh.Store.open(path)
    assert str(caught.value) == f"{path / file} is missing; build the store again"


def damaged(path):
    return (
        f"'{path / X}.bin': block 0 (bytes 0 to 191) is damaged: its checksum does not fit; the first row in it"
        " is 0; build the store again"
    )


def flip(path, file):
    data = bytearray((path / file).read_bytes())
    data[20] ^= 1
    (path / file).write_bytes(data)


def test_a_flipped_bit_is_found_by_verify(path):
    flip(path, f"{X}.bin")
    store = rh.Store.open(path)
    with pytest.raises(CorruptStore) as caught:
        store.verify()
    assert str(caught.value) == damaged(path)


@pytest.mark.parametrize("memory", ["ram", "mmap"])
def test_a_flipped_bit_is_found_when_a_store_that_verifies_always_is_opened(path, memory):
    flip(path, f"{X}.bin")
    with pytest.raises(CorruptStore) as caught:
        rh.Store.open(path, memory=memory, verify="always")
    assert str(caught.value) == damaged(path)


def test_a_flipped_bit_on_disk_is_found_when_its_block_is_read(path):
    flip(path, f"{X}.bin")
    store = rh.Store.open(path, memory="disk", buffer_pool_size=0, device=DEVICE, verify="always")
    reader = store.tables["papers"].attributes["x"]
    with pytest.raises(CorruptStore) as caught:
        reader.gather(np.array([3]))
    assert str(caught.value) == damaged(path)
    assert store.tables["papers"].attributes["y"].gather(np.array([3])).tolist() == [3]


def test_a_boolean_that_is_none_is_found_by_verify(path):
    file = "tables/authors/attributes/a_bool.bin"
    data = np.fromfile(path / file, np.uint8)
    data[4] = 2
    data.tofile(path / file)
    _native.crc32c_blocks(data).tofile((path / file).with_suffix(".crc"))
    seal(path)
    with pytest.raises(CorruptStore) as caught:
        rh.Store.open(path).verify()
    assert str(caught.value) == f"{path / file}: a boolean that is neither 0 nor 1"


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        (
            {"dtype": "float32", "shape": [5]},
            "the size of tables/papers/attributes/x.bin: 192 contradicts 240",
        ),
        (
            {"dtype": "float64", "shape": [4]},
            "the size of tables/papers/attributes/x.bin: 192 contradicts 384",
        ),
        ({"dtype": "complex64", "shape": [4]}, "'complex64' is no dtype of an attribute"),
        ({"dtype": "float32", "shape": [-4]}, "Input should be greater than or equal to 0"),
        ({"dtype": "float32", "shape": [1] * 17}, "List should have at most 16 items"),
        ({"dtype": "float32", "shape": []}, "table 'papers', attribute 'x': the schema has no shape []"),
        (
            {"dtype": "float32", "shape": [0, 2**61]},
            f"table 'papers', attribute 'x': 12 rows of shape [0, {2**61}]",
        ),
    ],
)
def test_a_manifest_that_lies_about_an_attribute_is_refused(path, attribute, message):
    seal(path, **{"tables/papers/attributes/x": attribute})
    with pytest.raises(CorruptStore) as caught:
        rh.Store.open(path)
    assert str(caught.value).startswith(f"{path / 'manifest.json'}")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"x": {"dtype": "float32", "shape": [4]}},
        {"../../x": {"dtype": "float32", "shape": [4]}},
    ],
)
def test_attributes_that_contradict_the_schema_are_refused(path, attributes):
    seal(path, **{"tables/papers/attributes": attributes})
    with pytest.raises(CorruptStore) as caught:
        rh.Store.open(path)
    assert str(caught.value) == (
        f"{path / 'manifest.json'}: the attributes of table 'papers': {list(attributes)} contradict its columns"
    )
