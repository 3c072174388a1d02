"""Records' checksums: held to a bitwise CRC, written in pieces of any size, and found wrong where they are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relhop._native import CHECKSUM_BLOCK, PackedRows, RecordChecksums, crc32c_blocks, pack
from relhop.errors import CorruptStore
from relhop.store.records import RecordWriter, check_file, checksums_bytes

BOTH = pytest.mark.parametrize("portable", [False, True])


def twin(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@BOTH
@pytest.mark.parametrize(
    ("data", "crc"),
    [  # RFC 3720, B.4, and the check value of CRC-32/ISCSI.
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
        (b"123456789", 0xE3069283),
    ],
)
def test_crc32c_of_known_vectors(data, crc, portable):
    assert crc32c_blocks(np.frombuffer(data, np.uint8), portable).tolist() == [crc]


@BOTH
@settings(deadline=None)
@given(data=st.binary(max_size=300))
def test_crc32c_is_the_twins_at_any_length(data, portable):
    expected = [twin(data)] if data else []
    assert crc32c_blocks(np.frombuffer(data, np.uint8), portable).tolist() == expected


@BOTH
@pytest.mark.parametrize("size", [4095, 4096, 4097, 3 * 4096, 7 * 4096 + 5])
def test_each_block_has_a_checksum_of_its_own(size, portable):
    data = np.random.default_rng(size).integers(0, 256, size, np.uint8)
    expected = [twin(data[i : i + CHECKSUM_BLOCK].tobytes()) for i in range(0, size, CHECKSUM_BLOCK)]
    assert crc32c_blocks(data, portable).tolist() == expected


@settings(deadline=None)
@given(sizes=st.lists(st.integers(0, 9000), max_size=6), seed=st.integers(0, 9))
def test_checksums_do_not_depend_on_the_pieces_written(tmp_path_factory, sizes, seed):
    folder = tmp_path_factory.mktemp("records")
    data = np.random.default_rng(seed).integers(0, 256, sum(sizes), np.uint8)
    with RecordWriter(folder / "rows.bin", folder / "rows.crc") as writer:
        for piece in np.split(data, np.cumsum(sizes))[:-1]:
            writer.write(piece.reshape(-1, 1))
    assert (folder / "rows.bin").read_bytes() == data.tobytes()
    assert np.fromfile(folder / "rows.crc", "<u4").tolist() == crc32c_blocks(data).tolist()
    assert (folder / "rows.crc").stat().st_size == checksums_bytes(len(data))


@pytest.fixture
def damaged(tmp_path):
    """300 records of 100 bytes: a bit of record 210, in block 5, is flipped."""
    data = np.random.default_rng(0).integers(0, 256, (300, 100), np.uint8)
    with RecordWriter(tmp_path / "rows.bin", tmp_path / "rows.crc") as writer:
        writer.write(data)
    data[210, 50] ^= 16
    (tmp_path / "rows.bin").write_bytes(data.tobytes())
    return tmp_path / "rows.bin"


def message(path, row):
    return (
        f"'{path}': block 5 (bytes 20480 to 24575) is damaged: its checksum does not fit;"
        f" the first row in it is {row}; build the store again"
    )


def test_a_flipped_bit_is_an_error_that_names_file_block_and_row(damaged):
    with pytest.raises(CorruptStore) as caught:
        check_file(damaged, 30000, 100)
    assert str(caught.value) == message(damaged, 204)


def test_the_row_is_that_of_the_record_where_records_have_an_order_of_their_own(damaged):
    slots = np.arange(299, -1, -1, dtype=np.uint64)
    rows = PackedRows(pack(slots, 9), 300, 9)
    blocks = RecordChecksums(
        str(damaged), 30000, 100, np.fromfile(damaged.with_name("rows.crc"), "<u4"), rows
    )
    data = np.fromfile(damaged, np.uint8)
    blocks.check_blocks(data[: 5 * CHECKSUM_BLOCK], 0)
    blocks.check_blocks(data[6 * CHECKSUM_BLOCK :], 6)
    with pytest.raises(CorruptStore) as caught:
        blocks.check_blocks(data[4 * CHECKSUM_BLOCK :], 4)
    assert str(caught.value) == message(damaged, 299 - 204)


@pytest.mark.parametrize(("first", "size"), [(8, 1), (0, 4000), (7, 4096), (2**60, 0)])
def test_blocks_that_the_file_does_not_have_are_refused(damaged, first, size):
    blocks = RecordChecksums(str(damaged), 30000, 100, np.fromfile(damaged.with_name("rows.crc"), "<u4"))
    with pytest.raises(ValueError, match=r"blocks that '.*' does not have"):
        blocks.check_blocks(np.zeros(size, np.uint8), first)
