"""What goes wrong on a device or a file system, on purpose: mended by another try, or an error that names the place."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relhop import _native
from relhop.errors import StoreError
from tests.native.io_files import ENGINES, expected, faults, random_file, read

BLOCK = 4096
READS = [(0, i * BLOCK, BLOCK) for i in range(100)] + [(0, i * BLOCK, 20 * BLOCK) for i in range(40)]
READS += [(0, 99 * BLOCK, BLOCK + 100)]

engines = pytest.mark.parametrize("engine", ENGINES)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_file(tmp_path_factory.mktemp("io") / "rows.bin", 100 * BLOCK + 100)


@pytest.fixture(autouse=True)
def no_faults() -> Iterator[None]:
    yield
    assert _native.clear_faults() == 0


@engines
@settings(max_examples=100, deadline=None)
@given(
    cuts=st.lists(
        st.tuples(st.integers(1, 8 * BLOCK), st.integers(0, 100), st.integers(1, 20)), min_size=1, max_size=4
    )
)
def test_reads_that_come_short_are_taken_up_again(
    engine: str, file: Path, cuts: list[tuple[int, int, int]]
) -> None:
    many = _native.ManyReads(engine)
    with faults(*({"kind": "cut", "value": v, "after": a, "times": t} for v, a, t in cuts)):
        assert read(many, [file], READS) == expected([file], READS)


@engines
@pytest.mark.parametrize("error", [errno.EINTR, errno.EAGAIN])
@pytest.mark.parametrize(("after", "times"), [(0, 1), (0, 99), (50, 99), (140, 1)])
def test_reads_that_are_interrupted_are_tried_again(
    engine: str, file: Path, error: int, after: int, times: int
) -> None:
    many = _native.ManyReads(engine)
    with faults({"kind": "fail", "value": error, "after": after, "times": times}):
        assert read(many, [file], READS) == expected([file], READS)


@engines
@pytest.mark.parametrize(
    "fault",
    [{"kind": "fail", "value": errno.EAGAIN}, {"kind": "fail", "value": errno.EINTR}],
    ids=["EAGAIN", "EINTR"],
)
def test_a_read_that_is_always_interrupted_is_an_error(
    engine: str, file: Path, fault: dict[str, object]
) -> None:
    many = _native.ManyReads(engine)
    with faults(fault), pytest.raises(StoreError) as raised:
        read(many, [file], [(0, 2 * BLOCK, BLOCK)])
    message = f"cannot read 4096 bytes at offset 8192 of '{file}': {os.strerror(int(str(fault['value'])))}"
    assert str(raised.value) == message


@engines
@pytest.mark.parametrize("value", [0, 1, 4095])
def test_a_read_that_never_brings_a_block_is_at_the_files_end(engine: str, file: Path, value: int) -> None:
    many = _native.ManyReads(engine)
    with faults({"kind": "cut", "value": value}), pytest.raises(StoreError) as raised:
        read(many, [file], [(0, 2 * BLOCK, BLOCK)])
    assert str(raised.value) == f"cannot read 4096 bytes at offset 8192 of '{file}': the file ends before"


@engines
@pytest.mark.parametrize("after", [0, 7, 140])
@pytest.mark.parametrize("error", [errno.EIO, errno.ENODEV, errno.EBADF])
def test_a_read_that_fails_names_file_offset_and_reason_and_the_engine_goes_on(
    engine: str, file: Path, after: int, error: int
) -> None:
    many = _native.ManyReads(engine, 1)  # one after the other
    with faults({"kind": "fail", "value": error, "after": after}), pytest.raises(StoreError) as raised:
        read(many, [file], READS)
    _, offset, length = READS[after]
    message = f"cannot read {length} bytes at offset {offset} of '{file}': {os.strerror(error)}"
    assert str(raised.value) == message
    assert read(many, [file], READS) == expected([file], READS)


@engines
def test_a_failure_among_many_reads_leaves_nothing_on_its_way(engine: str, file: Path) -> None:
    many = _native.ManyReads(engine)
    for after in range(0, 140, 20):
        fault = {"kind": "fail", "value": errno.EIO, "after": after}
        with faults(fault), pytest.raises(StoreError, match="Input/output error"):
            read(many, [file], READS)
        assert read(many, [file], READS) == expected([file], READS)


@engines
def test_a_bit_is_flipped_in_each_read_that_brings_its_byte(engine: str, file: Path, tmp_path: Path) -> None:
    place = 5 * BLOCK + 17
    content = bytearray(file.read_bytes())
    content[place] ^= 0b100
    flipped = tmp_path / "flipped.bin"
    flipped.write_bytes(content)
    many = _native.ManyReads(engine)
    with faults({"kind": "flip", "path": "rows.bin", "offset": place, "value": 0b100}):
        assert read(many, [file], READS) == expected([flipped], READS)
    one_after_the_other = _native.ManyReads(engine, 1)
    with faults({"kind": "flip", "offset": place, "value": 0b100, "times": 1}):
        wanted = expected([flipped, file], [(0, 5 * BLOCK, BLOCK), (1, 5 * BLOCK, BLOCK)])
        assert read(one_after_the_other, [file], [(0, 5 * BLOCK, BLOCK)] * 2) == wanted


@engines
def test_a_fault_of_another_file_does_not_strike(engine: str, file: Path) -> None:
    _native.inject_fault("fail", "links.bin", errno.EIO)
    assert read(_native.ManyReads(engine), [file], READS) == expected([file], READS)
    assert _native.clear_faults() == 0


def test_an_unknown_kind_of_fault_is_refused() -> None:
    with pytest.raises(ValueError, match="kind: 'fail', 'cut', 'flip' or 'refuse'"):
        _native.inject_fault("break")
