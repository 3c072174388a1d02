"""The native build of neighbor lists, held to an obvious one: edges sorted by (target, position)."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relhop import _native
from relhop.errors import StoreError

Ints = npt.NDArray[np.int64]
SMALLEST_MEMORY = 512 << 10  # of a thread


@dataclass
class Lists:
    offsets: Ints
    neighbors: Ints
    edge_ids: Ints
    weights: npt.NDArray[np.float64]


def read(path: Path, size: int, count: int) -> Ints:
    """Elements of a packed file of a table of `count` rows, bit by bit; its padding is checked."""
    width = _native.width_of(count)
    data = np.fromfile(path, np.uint8)
    assert len(data) == 8 * ((size * width + 63) // 64) + 8
    bits = np.unpackbits(data, bitorder="little")
    assert not bits[size * width :].any()
    table = bits[: size * width].reshape(size, width)
    return (table.astype(np.uint64) << np.arange(width, dtype=np.uint64)).sum(axis=1).astype(np.int64)


def build(
    folder: Path, targets: Any, num_targets: int, sources: Any = None, **options: Any
) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    weights = options.pop("weights", None)
    num_sources = options.pop("num_sources", len(targets))
    paths = {name: str(folder / f"{name}.bin") for name in ("offsets", "neighbors", "edge_ids", "weights")}
    if weights is None:
        del paths["weights"]
    options = {"memory_limit": 64 << 20, "num_threads": 1, "scratch_folder": str(folder)} | options
    files = _native.ListFiles(**paths)
    built = _native.build_lists(targets, num_targets, sources, num_sources, weights, files, **options)
    assert sorted(p.name for p in folder.iterdir()) == sorted(f"{name}.bin" for name in paths)
    edges = built.num_edges
    return {
        "built": built,
        "bytes": {name: Path(path).read_bytes() for name, path in paths.items()},
        "offsets": read(folder / "offsets.bin", num_targets + 1, edges),
        "neighbors": read(folder / "neighbors.bin", edges, num_sources),
        "edge_ids": read(folder / "edge_ids.bin", edges, len(targets)),
        "weights": None if weights is None else np.fromfile(folder / "weights.bin", np.float64),
    }


def check(
    made: dict[str, Any],
    targets: Ints,
    num_targets: int,
    sources: Ints | None = None,
    weights: npt.NDArray[np.floating[Any]] | None = None,
    sort_sources: bool = False,
) -> None:
    if sources is None:
        sources = np.arange(len(targets))
    ids = np.flatnonzero((targets >= 0) & (sources >= 0))
    keys = (ids, sources[ids], targets[ids]) if sort_sources else (ids, targets[ids])
    ids = ids[np.lexsort(keys)]
    offsets = np.searchsorted(targets[ids], np.arange(num_targets + 1))
    assert made["built"].num_edges == len(ids)
    assert np.array_equal(made["offsets"], offsets)
    assert np.array_equal(made["neighbors"], sources[ids])
    assert np.array_equal(made["edge_ids"], ids)
    if weights is not None:
        sums = [np.cumsum(part.astype(np.float64)) for part in np.split(weights[ids], offsets[1:-1])]
        assert np.array_equal(made["weights"], np.concatenate([np.empty(0), *sums]))


def packed(rows: Ints, num_rows: int) -> _native.PackedRows:
    width = _native.width_of(num_rows)
    stream = rows.astype(np.uint64) & np.uint64((1 << width) - 1)
    return _native.PackedRows(_native.pack(stream, width), len(rows), width)


def power_law(rng: np.random.Generator, size: int, num_rows: int) -> Ints:
    return (num_rows * rng.random(size) ** 6).astype(np.int64)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 3000),
    st.sampled_from([1, 2, 3, 63, 64, 65, 1000, 100_000]),
    st.integers(0, 2**32),
    st.sampled_from(["uniform", "power law", "hub", "null"]),
    st.booleans(),
    st.booleans(),
    st.integers(1, 4),
    st.sampled_from(["packed", "int32", "int64", "uint32", "uint64", "columns", "backwards"]),
)
def test_lists_are_the_edges_sorted_by_target_and_position(
    tmp_path_factory: pytest.TempPathFactory,
    num_edges: int,
    num_targets: int,
    seed: int,
    shape: str,
    sort_sources: bool,
    has_weights: bool,
    num_threads: int,
    form: str,
) -> None:
    rng = np.random.default_rng(seed)
    targets = power_law(rng, num_edges, num_targets)
    if shape == "uniform":
        targets = rng.integers(0, num_targets, num_edges)
    elif shape in ("hub", "null"):
        targets[:] = num_targets - 1 if shape == "hub" else -1
    targets[rng.random(num_edges) < 0.1] = -1
    num_sources = int(rng.integers(1, 1 << int(rng.integers(1, 31))))
    sources = rng.integers(0, num_sources, num_edges)
    sources[rng.random(num_edges) < 0.1] = -1
    weights = rng.random(num_edges).astype(rng.choice(["f4", "f8"])) if has_weights else None
    given_targets: Any
    given_sources: Any
    if form == "packed":
        given_targets, given_sources = packed(targets, num_targets), packed(sources, num_sources)
    elif form == "columns":
        given_targets, given_sources = np.stack([targets, sources], axis=1).astype(np.int32).T
    elif form == "backwards":
        given_targets, given_sources = targets[::-1].copy()[::-1], sources[::-1].copy()[::-1]
    else:
        given_targets, given_sources = targets.astype(form), sources.astype(form)
    made = build(
        tmp_path_factory.mktemp("lists"),
        given_targets,
        num_targets,
        given_sources,
        num_sources=num_sources,
        weights=weights,
        sort_sources=sort_sources,
        num_threads=num_threads,
        memory_limit=num_threads * SMALLEST_MEMORY,
    )
    check(made, targets, num_targets, sources, weights, sort_sources)


def test_the_children_of_a_foreign_key_ascend(tmp_path: Path) -> None:
    made = build(tmp_path, np.array([2, 0, -1, 2, 0, 0]), 4)
    assert made["offsets"].tolist() == [0, 3, 3, 5, 5]
    assert made["neighbors"].tolist() == [1, 4, 5, 0, 3]
    assert made["edge_ids"].tolist() == [1, 4, 5, 0, 3]
    assert made["bytes"]["offsets"][:8] == (0 | 3 << 3 | 3 << 6 | 5 << 9 | 5 << 12).to_bytes(8, "little")


@pytest.mark.parametrize(
    "num_sources", [1, 2**8, 2**31, 2**32 - 1, 2**32, 2**40, 2**56, 2**57 - 1, 2**57, 2**62]
)
def test_sources_of_every_width_are_kept(tmp_path: Path, num_sources: int) -> None:
    rng = np.random.default_rng(num_sources)
    targets, sources = rng.integers(0, 50, 5000), rng.integers(0, num_sources, 5000)
    made = build(tmp_path, targets, 50, sources, num_sources=num_sources, sort_sources=True)
    check(made, targets, 50, sources, sort_sources=True)


@pytest.mark.parametrize("num_targets", [0, 1, 64, 1000])
def test_no_edges_make_empty_lists(tmp_path: Path, num_targets: int) -> None:
    made = build(tmp_path, np.empty(0, np.int64), num_targets, weights=np.empty(0))
    assert made["offsets"].tolist() == [0] * (num_targets + 1)
    assert made["bytes"]["neighbors"] == bytes(8)
    assert made["bytes"]["weights"] == b""


@pytest.mark.parametrize("sort_sources", [False, True])
@pytest.mark.parametrize("shape", ["power law", "hub", "uniform"])
def test_files_are_the_same_for_all_memory_limits_and_threads(
    tmp_path: Path, shape: str, sort_sources: bool
) -> None:
    rng = np.random.default_rng(5)
    num_edges, num_targets, num_sources = 400_000, 70_000, 1_000_000
    targets = power_law(rng, num_edges, num_targets)
    if shape == "uniform":
        targets = rng.integers(0, num_targets, num_edges)
    elif shape == "hub":
        targets[rng.random(num_edges) < 0.9] = 4711
    targets[rng.random(num_edges) < 0.01] = -1
    sources = rng.integers(0, num_sources, num_edges)
    weights = rng.random(num_edges)
    options: dict[str, Any] = {"num_sources": num_sources, "weights": weights, "sort_sources": sort_sources}
    first = build(tmp_path / "first", targets, num_targets, sources, **options)
    check(first, targets, num_targets, sources, weights, sort_sources)
    assert first["built"].spilled_bytes == 0
    for num_threads in range(1, 5):
        for memory in (1, 4, 40):
            options |= {"num_threads": num_threads, "memory_limit": memory * num_threads * SMALLEST_MEMORY}
            made = build(tmp_path / f"{num_threads} {memory}", targets, num_targets, sources, **options)
            assert made["bytes"] == first["bytes"]
            assert (made["built"].spilled_bytes > 0) == (memory < 40)
            assert made["built"].num_buckets > (1 if memory < 40 else 0)


def test_edges_without_sources_are_spilled_too(tmp_path: Path) -> None:
    targets = power_law(np.random.default_rng(3), 1_000_000, 1000)
    made = build(tmp_path, targets.astype(np.int32), 1000, memory_limit=SMALLEST_MEMORY)
    check(made, targets, 1000)
    assert made["built"].spilled_bytes > 1_000_000


def test_a_target_beyond_its_table_is_named(tmp_path: Path) -> None:
    targets = np.zeros(5000, np.int32)
    targets[4321] = 7
    message = "edge 4321: its target 7 is not a row of its table, which has 7"
    with pytest.raises(ValueError, match=f"^{message}$"):
        build(tmp_path, targets, 7)
    targets[4321] = -2
    with pytest.raises(
        ValueError, match=r"^edge 4321: its target -2 is not a row of its table, which has 7$"
    ):
        build(tmp_path, targets, 7)


def test_a_source_beyond_its_table_is_named(tmp_path: Path) -> None:
    sources = np.array([0, 1, 2**64 - 2], np.uint64)
    with pytest.raises(
        ValueError, match=f"^edge 2: its source {2**64 - 2} is not a row of its table, which has 2$"
    ):
        build(tmp_path, np.zeros(3, np.int64), 1, sources, num_sources=2)


@pytest.mark.parametrize("weight", [-0.5, float("nan"), float("inf")])
def test_a_weight_that_is_none_is_named(tmp_path: Path, weight: float) -> None:
    message = f"^edge 1: its weight {weight:.6f} is not a finite number of at least 0$"
    with pytest.raises(ValueError, match=message):
        build(tmp_path, np.zeros(3, np.int64), 1, weights=np.array([1, weight, 1]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sources": np.zeros(2, np.int64)}, "2 sources for 3 targets"),
        ({"weights": np.zeros(4)}, "4 weights for 3 targets"),
        ({"num_sources": 2}, "3 targets for a table of 2 sources"),
        ({"num_threads": 0}, "a build needs at least 1 thread"),
        (
            {"num_threads": 2, "memory_limit": 1000},
            "a build with 2 threads needs a memory limit of 1048576 bytes or more, not 1000",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        build(tmp_path, np.zeros(3, np.int64), 1, **changes)


def test_columns_of_other_types_are_refused(tmp_path: Path) -> None:
    message = "^targets must be PackedRows or a one-dimensional array of int32, int64, uint32 or uint64$"
    for targets in (np.zeros(3), np.zeros((3, 2), np.int64), np.zeros(3, np.int16), [1, 2]):
        with pytest.raises(TypeError, match=message):
            build(tmp_path, targets, 1)
    with pytest.raises(TypeError, match=r"^weights must be float32 or float64$"):
        build(tmp_path, np.zeros(3, np.int64), 1, weights=np.zeros(3, np.int64))


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    def build_to(files: _native.ListFiles, scratch_folder: Path) -> None:
        targets = power_law(np.random.default_rng(1), 1_000_000, 1000)
        options: dict[str, Any] = {"memory_limit": SMALLEST_MEMORY, "num_threads": 1}
        _native.build_lists(
            targets, 1000, None, len(targets), None, files, scratch_folder=str(scratch_folder), **options
        )

    here = _native.ListFiles(str(tmp_path / "offsets"), "/dev/full")
    with pytest.raises(
        StoreError, match=r"^cannot write \d+ bytes at offset \d+ of '/dev/full': No space left on dev"
    ):
        build_to(here, tmp_path)
    nowhere = _native.ListFiles(str(tmp_path / "no" / "offsets"), str(tmp_path / "neighbors"))
    message = f"^cannot open the file at offset 0 of '{tmp_path}/no/offsets': No such file or directory$"
    with pytest.raises(StoreError, match=message):
        build_to(nowhere, tmp_path)
    with pytest.raises(
        StoreError, match=r"^cannot open a scratch file at offset 0 of '.*/no/relhop-scratch-.*': No such"
    ):
        build_to(_native.ListFiles(str(tmp_path / "offsets"), str(tmp_path / "neighbors")), tmp_path / "no")


SHORT_WRITE = """
import resource, sys
import numpy as np
from relhop import _native
from relhop.errors import StoreError
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
files = _native.ListFiles(sys.argv[1] + "/offsets", sys.argv[1] + "/neighbors")
try:
    _native.build_lists(np.zeros(1_000_000, np.int32), 1, None, 1_000_000, None, files,
                        memory_limit=64 << 20, num_threads=1, scratch_folder=sys.argv[1])
except StoreError as error:
    print(error)
"""


def test_a_write_that_is_cut_short_is_continued_and_its_failure_named(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SHORT_WRITE, str(tmp_path)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert said.startswith("cannot write ")
    assert said.endswith(f" bytes at offset 300000 of '{tmp_path}/neighbors': File too large\n")
    assert (tmp_path / "neighbors").stat().st_size == 300_000


def test_progress_rises_to_one(tmp_path: Path) -> None:
    seen: list[float] = []
    build(tmp_path, np.arange(3_000_000) % 99_991, 99_991, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert all(0 <= fraction <= 1 for fraction in seen)


def test_an_exception_of_progress_stops_the_build_and_nothing_is_left_in_the_scratch_folder(
    tmp_path: Path,
) -> None:
    class Enough(BaseException):
        pass

    def stop(fraction: float) -> None:
        raise Enough

    scratch = tmp_path / "scratch"
    scratch.mkdir()
    targets = np.broadcast_to(np.int64(5), 1 << 33)  # no memory, hours of work
    files = _native.ListFiles(str(tmp_path / "offsets"), str(tmp_path / "neighbors"))
    with pytest.raises(Enough):
        _native.build_lists(
            targets,
            6,
            None,
            len(targets),
            None,
            files,
            memory_limit=8 << 20,
            num_threads=2,
            scratch_folder=str(scratch),
            progress=stop,
        )
    assert os.listdir(scratch) == []


def test_the_memory_limit_is_kept(tmp_path: Path) -> None:
    code = """
import re, sys
import numpy as np
from relhop import _native
def peak(): return int(re.search("VmHWM:[^0-9]*([0-9]+)", open("/proc/self/status").read())[1]) << 10
targets = (np.arange(8_000_000) * 7919 % 100_000).astype(np.int32)
open("/proc/self/clear_refs", "w").write("5")
before = peak()
files = _native.ListFiles(sys.argv[1] + "/offsets", sys.argv[1] + "/neighbors")
built = _native.build_lists(targets, 100_000, None, len(targets), None, files,
                            memory_limit=24 << 20, num_threads=2, scratch_folder=sys.argv[1])
print(peak() - before, built.spilled_bytes)
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    peak, spilled = map(
        int, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    )
    assert spilled > 0
    assert peak < 26 << 20
