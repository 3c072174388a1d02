"""What reads of a device cost: measured once for each store, and kept between processes.

A read of n bytes takes the device `1 / reads_per_second + n / bytes_per_second` seconds. By these two numbers
relhop decides what to read in one piece.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from relhop import _native


@dataclass(frozen=True)
class DeviceCost:
    """What a read costs: so much for each, and so much for each byte.

    Attributes:
        reads_per_second: Reads anywhere in a file, as many at once as the device likes, were their bytes for
            nothing.
        bytes_per_second: Bytes of long reads, were reads for nothing.

    Raises:
        ValueError: A rate that is not finite, or not above 0.
    """

    reads_per_second: float
    bytes_per_second: float

    def __post_init__(self) -> None:
        for name, rate in asdict(self).items():
            if not (isinstance(rate, (int, float)) and math.isfinite(rate) and rate > 0):
                raise ValueError(f"{name} is {rate!r}; it must be a finite number above 0")


def device_cost(path: str | os.PathLike[str], seconds: float = 2.0) -> DeviceCost:
    """What reads of a store's device cost, from the cache or else measured on the store's largest file.

    The cache is `relhop/devices.json` in `$XDG_CACHE_HOME` or `~/.cache`, by the store's path and device.
    A cache that cannot be read or written is none. Stores whose largest file has less than 64 MiB are not
    measured; their cost is assumed.

    Args:
        path: The store's folder, or a file.
        seconds: How long to measure.

    Raises:
        StoreError: The file cannot be read.
        OSError: There is nothing at `path`.
    """
    place = Path(path).resolve()
    key, device = str(place), place.stat().st_dev
    cache = _cache_file()
    known = _read(cache).get(key)
    if isinstance(known, dict) and known.get("device") == device:
        with contextlib.suppress(KeyError, ValueError):
            return DeviceCost(known["reads_per_second"], known["bytes_per_second"])
    reads, rate, is_measured = _native.probe(str(_largest_file(place)), seconds)
    cost = DeviceCost(reads, rate)
    if is_measured:
        _write(cache, {**_read(cache), key: {"device": device, **asdict(cost)}})
    return cost


def _cache_file() -> Path:
    folder = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(folder) / "relhop" / "devices.json"


def _largest_file(place: Path) -> Path:
    if not place.is_dir():
        return place
    files = [file for file in place.rglob("*") if file.is_file()]
    if not files:
        raise FileNotFoundError(f"there is no file in '{place}' to measure reads on")
    return max(files, key=lambda file: file.stat().st_size)


def _read(cache: Path) -> dict[str, Any]:
    try:
        found = json.loads(cache.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(cache: Path, content: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        cache.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=cache.parent, prefix=cache.name)
        try:
            with os.fdopen(descriptor, "w") as file:
                json.dump(content, file, indent=1)
            os.replace(name, cache)
        except OSError:
            os.unlink(name)
            raise
