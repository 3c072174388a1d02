"""What reading costs on a device. A placeholder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DeviceCost:
    """1 / reads_per_second + n / bytes_per_second for a read of n bytes."""

    reads_per_second: float
    bytes_per_second: float


def device_cost(path: Path) -> DeviceCost:
    """The cost of the device that holds a file."""
    return DeviceCost(60e3, 1.2e9)
