"""Direct reads against Python's own reads of the same files, by io_uring and by threads."""

from __future__ import annotations

import ctypes
import errno
import gc
import os
import re
import resource
import struct
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relhop import _native
from relhop.errors import StoreError
from tests.native.io_files import (
    ENGINES,
    Read,
    are_no_more_than,
    columns,
    descriptors_and_threads,
    expected,
    faults,
    random_file,
    read,
    refusal,
)

BLOCK = 4096
SIZES = (3 * 2**20 + 1234, 5 * BLOCK, 77)

engines = pytest.mark.parametrize("engine", ENGINES)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("io")
    return [random_file(folder / f"{i}.bin", size, seed=i) for i, size in enumerate(SIZES)]


@st.composite
def a_read(draw: st.DrawFn) -> Read:
    which = draw(st.integers(0, len(SIZES) - 1))
    offset = draw(st.integers(0, (SIZES[which] - 1) // BLOCK)) * BLOCK
    length = draw(
        st.integers(1, SIZES[which] - offset) | st.integers(1, min(2 * BLOCK, SIZES[which] - offset))
    )
    return which, offset, length


def in_a_child(work: Callable[[], bool]) -> bool:
    """Whether it says so in a process of its own, which it may rob of its rights."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fork() beside threads
        child = os.fork()
    if child == 0:
        try:
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    return os.waitpid(child, 0)[1] == 0


@engines
@settings(max_examples=100, deadline=None)
@given(reads=st.lists(a_read(), max_size=60), depth=st.sampled_from([1, 2, 3, 17, 256]))
def test_the_bytes_of_many_reads_are_those_of_the_files(
    engine: str, files: list[Path], reads: list[Read], depth: int
) -> None:
    many = _native.ManyReads(engine, depth)
    assert read(many, files, reads) == expected(files, reads)
    number, size, _ = many.stats
    assert (number, size) == (len(reads), sum(length for _, _, length in reads))


@engines
def test_more_bytes_than_the_staging_memory_arrive_and_the_engine_is_used_again(
    engine: str, files: list[Path]
) -> None:
    many = _native.ManyReads(engine)
    long = [(0, 0, SIZES[0])] * 20 + [(0, BLOCK, 2**20)] * 20 + [(1, BLOCK, BLOCK)] * 2000 + [(2, 0, 77)]
    assert read(many, files, long) == expected(files, long)
    assert read(many, files, long[::-1]) == expected(files, long[::-1])
    assert many.engine == engine


@engines
def test_reads_of_more_files_than_stay_registered(engine: str, tmp_path: Path) -> None:
    paths = [random_file(tmp_path / f"{i}.bin", BLOCK, seed=i) for i in range(150)]
    reads = [(i * 7 % 150, 0, BLOCK) for i in range(600)]
    many = _native.ManyReads(engine)
    assert read(many, paths, reads) == expected(paths, reads)
    # New files at the old paths, most of them with the old descriptors' numbers.
    paths = [random_file(path, BLOCK, seed=1000 + i) for i, path in enumerate(paths)]
    assert read(many, paths, reads) == expected(paths, reads)


@engines
def test_nothing_is_read_where_nothing_is_wanted(engine: str) -> None:
    many = _native.ManyReads(engine)
    assert read(many, [], []) == b""
    assert many.stats[:2] == (0, 0)


@engines
@pytest.mark.parametrize(("offset", "length"), [(1, 10), (0, 0), (0, 2**24 + 1)])
def test_a_read_that_no_engine_can_do_is_refused(
    engine: str, files: list[Path], offset: int, length: int
) -> None:
    message = (
        f"cannot read {length} bytes at offset {offset} of '{files[0]}': "
        "reads begin at whole blocks and are of 1 byte to 16 MiB"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        read(_native.ManyReads(engine), files, [(0, offset, length)])


@engines
def test_the_longest_read_is_as_long_as_the_staging_memory(engine: str, tmp_path: Path) -> None:
    path = random_file(tmp_path / "long.bin", 2**24)
    reads = [(0, 0, BLOCK), (0, 0, 2**24), (0, BLOCK, BLOCK)]
    assert read(_native.ManyReads(engine), [path], reads) == expected([path], reads)


@engines
def test_a_failure_of_the_receiver_leaves_nothing_on_its_way(engine: str, files: list[Path]) -> None:
    many = _native.ManyReads(engine)
    reads = [(0, i % 700 * BLOCK, BLOCK) for i in range(5000)]
    for stop_after in (0, 1, 1000, 4999):
        with pytest.raises(RuntimeError, match="stopped on purpose"):
            read(many, files, reads, stop_after)
        assert read(many, files, reads) == expected(files, reads)


@engines
def test_a_read_beyond_the_end_names_file_and_offset(engine: str, tmp_path: Path) -> None:
    path = random_file(tmp_path / "short.bin", 10 * BLOCK + 100)
    reads = [(0, i * BLOCK, BLOCK) for i in range(11)]
    with pytest.raises(StoreError) as raised:
        read(_native.ManyReads(engine), [path], reads)
    assert str(raised.value) == f"cannot read 4096 bytes at offset 40960 of '{path}': the file ends before"


@engines
@pytest.mark.parametrize("size", [0, 3 * BLOCK, 3 * BLOCK + 100])
def test_a_file_truncated_while_open_names_file_and_offset(engine: str, tmp_path: Path, size: int) -> None:
    path = random_file(tmp_path / "cut.bin", 10 * BLOCK)
    file = _native.DirectFile(str(path))
    os.truncate(path, size)
    many = _native.ManyReads(engine, 1)
    with pytest.raises(StoreError) as raised:
        many.read([file], *columns([(0, 0, 10 * BLOCK)]))
    assert str(raised.value) == f"cannot read 40960 bytes at offset 0 of '{path}': the file ends before"


@engines
def test_a_file_that_was_deleted_is_still_read(engine: str, tmp_path: Path) -> None:
    path = random_file(tmp_path / "gone.bin", 10 * BLOCK)
    content, file = path.read_bytes(), _native.DirectFile(str(path))
    path.unlink()
    many = _native.ManyReads(engine)
    assert many.read([file], *columns([(0, 0, 10 * BLOCK)])).tobytes() == content


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "absent.bin"
    with pytest.raises(StoreError) as raised:
        _native.DirectFile(str(path))
    assert str(raised.value) == f"cannot open the file at offset 0 of '{path}': {os.strerror(errno.ENOENT)}"


def test_a_file_tells_its_size_and_blocks(files: list[Path]) -> None:
    file = _native.DirectFile(str(files[0]))
    assert (file.path, file.size) == (str(files[0]), SIZES[0])
    assert file.block_size >= BLOCK
    assert file.block_size & (file.block_size - 1) == 0


@engines
def test_descriptors_and_threads_are_gone_with_the_engine(engine: str, files: list[Path]) -> None:
    gc.collect()
    before = descriptors_and_threads()
    for _ in range(5):
        many = _native.ManyReads(engine)
        read(many, files, [(0, i * BLOCK, BLOCK) for i in range(500)])
        with pytest.raises(RuntimeError, match="stopped"):
            read(many, files, [(0, i * BLOCK, BLOCK) for i in range(500)], stop_after=100)
        del many
    # A thread's folder, and a ring that the kernel closes when all its work is done, go a moment after them.
    deadline = time.monotonic() + 10
    while not are_no_more_than(before) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert are_no_more_than(before)


@engines
def test_a_child_of_fork_reads_by_itself(engine: str, files: list[Path]) -> None:
    many = _native.ManyReads(engine)
    reads = [(0, i * BLOCK, BLOCK) for i in range(500)]
    wanted = expected(files, reads)
    assert read(many, files, reads) == wanted
    assert in_a_child(lambda: read(many, files, reads) == wanted and many.engine == engine)
    assert read(many, files, reads) == wanted


def forbid_io_uring() -> None:
    """As a container's rules do: the system call to set up a ring fails with EPERM from now on."""
    libc = ctypes.CDLL(None, use_errno=True)
    load, equal, result = 0x20, 0x15, 0x06  # of the filter's machine
    steps = [
        (load, 0, 0, 0),
        (equal, 0, 1, 425),
        (result, 0, 0, 0x50000 | errno.EPERM),
        (result, 0, 0, 0x7FFF0000),
    ]
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    rules = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(program))
    set_no_new_privileges, set_seccomp, to_filter = 38, 22, 2
    assert libc.prctl(set_no_new_privileges, 1, 0, 0, 0) == 0
    assert libc.prctl(set_seccomp, to_filter, rules, 0, 0) == 0


def test_threads_read_where_the_rules_of_a_container_forbid_io_uring(files: list[Path]) -> None:
    reads = [(0, i * BLOCK, BLOCK) for i in range(500)]
    wanted = expected(files, reads)

    def work() -> bool:
        forbid_io_uring()
        many = _native.ManyReads()
        return many.engine == "pread" and read(many, files, reads) == wanted

    assert in_a_child(work)


@pytest.mark.skipif(bool(refusal()), reason=refusal())
@pytest.mark.parametrize(("limit", "engine"), [(2**20, "io_uring"), (0, None)])
def test_all_is_read_where_little_memory_may_be_locked(
    files: list[Path], limit: int, engine: str | None
) -> None:
    reads = [(0, i * BLOCK, BLOCK) for i in range(500)]
    wanted = expected(files, reads)
    opened = [_native.DirectFile(str(path)) for path in files]

    def work() -> bool:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (limit, limit))
        if os.getuid() == 0:
            os.setuid(65534)  # who is root may lock all the same
        many = _native.ManyReads()
        is_expected = engine is None or many.engine == engine  # without any, it is the kernel's choice
        return is_expected and many.read(opened, *columns(reads)).tobytes() == wanted

    assert in_a_child(work)


@pytest.mark.skipif(not _native.has_uring(), reason="relhop was built without liburing")
@pytest.mark.parametrize("error", [errno.EPERM, errno.ENOSYS, errno.ENOMEM])
def test_threads_read_where_io_uring_is_refused(files: list[Path], error: int) -> None:
    reads = [(0, i * BLOCK, BLOCK) for i in range(500)]
    with faults({"kind": "refuse", "path": "ring", "value": error}):
        many = _native.ManyReads()
        with pytest.raises(RuntimeError, match=f"io_uring is refused: {os.strerror(error)}"):
            _native.ManyReads("io_uring")
    assert many.engine == "pread"
    assert read(many, files, reads) == expected(files, reads)


@pytest.mark.parametrize("engine", ENGINES[:1])
@pytest.mark.parametrize("steps", [("buffers",), ("files",), ("buffers", "files")])
def test_a_ring_reads_without_registered_memory_and_files(
    engine: str, files: list[Path], steps: tuple[str, ...]
) -> None:
    reads = [(i % 2, i % 5 * BLOCK, BLOCK) for i in range(500)]
    with faults(*({"kind": "refuse", "path": step, "value": errno.ENOMEM} for step in steps)):
        many = _native.ManyReads(engine)
    assert many.engine == "io_uring"
    assert read(many, files, reads) == expected(files, reads)
