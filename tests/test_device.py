"""What reads cost: checked numbers, measured once, kept beside no store."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import relhop as rh
from relhop import _native
from relhop.store import device
from relhop.store.device import device_cost


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "relhop" / "devices.json"


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float]]:
    """What was measured; each time a device of other numbers."""
    done: list[tuple[str, float]] = []

    def probe(path: str, seconds: float) -> tuple[float, float, bool]:
        done.append((path, seconds))
        return 1000.0 * len(done), 1e6 * len(done), True

    monkeypatch.setattr(_native, "probe", probe)
    return done


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "shop.rh" / "tables"
    folder.mkdir(parents=True)
    (folder / "small.bin").write_bytes(b"1")
    (folder / "rows.bin").write_bytes(b"123")
    return tmp_path / "shop.rh"


@pytest.mark.parametrize("rate", [0, -1.0, float("nan"), float("inf"), "fast", None])
def test_a_rate_is_a_finite_number_above_0(rate: Any) -> None:
    message = re.escape(f"_per_second is {rate!r}; it must be a finite number above 0")
    with pytest.raises(ValueError, match=f"^reads{message}$"):
        rh.DeviceCost(reads_per_second=rate, bytes_per_second=1e9)
    with pytest.raises(ValueError, match=f"^bytes{message}$"):
        rh.DeviceCost(reads_per_second=1e5, bytes_per_second=rate)


def test_a_device_is_measured_once(cache: Path, probes: list[tuple[str, float]], store: Path) -> None:
    first = device_cost(store)
    assert first == rh.DeviceCost(1000.0, 1e6)
    assert probes == [(str(store / "tables" / "rows.bin"), 2.0)]
    assert device_cost(str(store)) == first
    assert len(probes) == 1
    entry = {"device": store.stat().st_dev, "reads_per_second": 1000.0, "bytes_per_second": 1e6}
    assert json.loads(cache.read_text()) == {str(store): entry}
    assert [path.name for path in cache.parent.iterdir()] == ["devices.json"]


def test_stores_are_measured_each(cache: Path, probes: list[tuple[str, float]], store: Path) -> None:
    other = store / "tables" / "rows.bin"
    assert device_cost(store) != device_cost(other, 0.5)
    assert probes[1] == (str(other), 0.5)
    assert set(json.loads(cache.read_text())) == {str(store), str(other)}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[1]",
        b"\xff",
        b'{"PATH": 1}',
        b'{"PATH": {"device": DEVICE}}',
        b'{"PATH": {"device": DEVICE, "reads_per_second": 0, "bytes_per_second": 1}}',
        b'{"PATH": {"device": DEVICE, "reads_per_second": "1", "bytes_per_second": 1}}',
        b'{"PATH": {"device": -1, "reads_per_second": 5, "bytes_per_second": 5}}',
    ],
)
def test_a_cache_that_says_nothing_of_the_device_is_written_again(
    cache: Path, probes: list[tuple[str, float]], store: Path, content: bytes
) -> None:
    cache.parent.mkdir(parents=True)
    device_number = str(store.stat().st_dev).encode()
    cache.write_bytes(content.replace(b"PATH", str(store).encode()).replace(b"DEVICE", device_number))
    assert device_cost(store) == rh.DeviceCost(1000.0, 1e6)
    assert device_cost(store) == rh.DeviceCost(1000.0, 1e6)
    assert len(probes) == 1


def test_a_cache_that_cannot_be_written_is_none(
    cache: Path, probes: list[tuple[str, float]], store: Path
) -> None:
    cache.parent.parent.write_bytes(b"no folder")
    assert device_cost(store) == rh.DeviceCost(1000.0, 1e6)
    assert device_cost(store) == rh.DeviceCost(2000.0, 2e6)


def test_a_write_that_fails_leaves_nothing_behind(
    cache: Path, probes: list[tuple[str, float]], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(device.os, "replace", fail)
    assert device_cost(store) == rh.DeviceCost(1000.0, 1e6)
    assert list(cache.parent.iterdir()) == []


def test_the_cache_is_in_the_home_folder_by_default(
    tmp_path: Path, probes: list[tuple[str, float]], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    device_cost(store)
    assert (tmp_path / ".cache" / "relhop" / "devices.json").exists()


def test_a_small_store_is_assumed_to_lie_on_a_plain_drive(cache: Path, store: Path) -> None:
    assert device_cost(store) == rh.DeviceCost(reads_per_second=100_000, bytes_per_second=1e9)
    assert not cache.exists()


def test_a_large_file_is_measured(cache: Path, tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        file.truncate(65 * 2**20)
    reads, rate, is_measured = _native.probe(str(path), 0.1)
    assert is_measured
    assert reads > 0
    assert rate > 0


def test_a_path_without_a_file_is_an_error(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"there is no file in '{tmp_path}' to measure reads on"):
        device_cost(tmp_path)
    with pytest.raises(FileNotFoundError):
        device_cost(tmp_path / "absent")
