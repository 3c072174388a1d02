"""Where the arrays of an open store are: in memory, mapped, or on disk behind a pool of given bytes.

Decides from sizes alone; reads no array.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from relhop.store import layout

Memory: TypeAlias = Literal["auto", "ram", "mmap", "disk"]
"""Where a store's arrays are: in memory, mapped from the files, on disk behind a pool, or whichever fits.

- `auto`: links and times in memory if they take at most half of what is free, else mapped; records in memory
  if they fit the pool, else on disk behind it.
- `ram`, `mmap`: everything in memory, everything mapped.
- `disk`: links and times mapped; records behind the pool.
"""

_UNITS = {"": 1, "b": 1} | {
    f"{letter}{suffix}": base**power
    for power, letter in enumerate("kmgt", start=1)
    for suffix, base in (("", 1000), ("b", 1000), ("ib", 1024))
}

_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class TablePlacement:
    """Where the records of one table are.

    Attributes:
        place: "ram", "mmap" or "disk".
        bytes: Of all records.
        pool_bytes: Memory of the pool before the disk, bookkeeping included; 0 elsewhere.
    """

    place: Literal["ram", "mmap", "disk"]
    bytes: int
    pool_bytes: int = 0

    def __str__(self) -> str:
        words = {
            "ram": "in memory",
            "mmap": "mapped",
            "disk": f"on disk, pool of {size_text(self.pool_bytes)}",
        }
        return f"{size_text(self.bytes)} {words[self.place]}"


@dataclass(frozen=True)
class Placement:
    """Where everything is; `str()` says it in words.

    Attributes:
        topology: Where links and times are: "ram" or "mmap".
        topology_bytes: How much they take.
        tables: Where the records of each table are.
    """

    topology: Literal["ram", "mmap"]
    topology_bytes: int
    tables: Mapping[str, TablePlacement]

    def __str__(self) -> str:
        place = {"ram": "in memory", "mmap": "mapped"}[self.topology]
        lines = [f"links and times: {size_text(self.topology_bytes)} {place}"]
        return "\n".join(lines + [f"records of {name}: {table}" for name, table in self.tables.items()])


def place(manifest: layout.Manifest, memory: Memory, pool_bytes: int | None) -> Placement:
    """Decides where a store's arrays go.

    Args:
        manifest: Of the store.
        memory: See `Memory`.
        pool_bytes: All that records may take; None: a quarter of the memory that is free after links and
            times.

    Raises:
        ValueError: On a `memory` that is none, or a pool where there is no use for it.
    """
    if memory not in get_args(Memory):
        raise ValueError(f"memory is {memory!r}; choose 'auto', 'ram', 'mmap' or 'disk'")
    if pool_bytes is not None and memory not in ("auto", "disk"):
        raise ValueError(f"buffer_pool_size is for memory='auto' and memory='disk', not for {memory!r}")
    topology_bytes = sum(e.bytes for f, e in manifest.files.items() if layout.is_topology(f))
    records = {name: entry.record_size * entry.rows for name, entry in manifest.tables.items()}
    if memory == "ram" or memory == "mmap":
        return Placement(memory, topology_bytes, {t: TablePlacement(memory, n) for t, n in records.items()})
    free = free_memory()
    loads_topology = memory == "auto" and topology_bytes <= free // 2
    if pool_bytes is None:
        pool_bytes = (free - topology_bytes if loads_topology else free) // 4
    return Placement("ram" if loads_topology else "mmap", topology_bytes, _share(records, pool_bytes))


def _share(records: Mapping[str, int], pool_bytes: int) -> dict[str, TablePlacement]:
    """The pool's bytes for tables of so many bytes: small ones whole, the rest in equal parts."""
    placed: dict[str, TablePlacement] = {}
    for i, name in enumerate(sorted(records, key=lambda name: records[name])):
        part = pool_bytes // (len(records) - i)
        if records[name] <= part:
            placed[name] = TablePlacement("ram", records[name])
            pool_bytes -= records[name]
        else:
            placed[name] = TablePlacement("disk", records[name], part)
            pool_bytes -= part
    return {name: placed[name] for name in records}


def parse_size(size: int | str) -> int:
    """Bytes, as a number or as text such as "4 GB" (10**9) or "512 MiB" (2**20).

    Raises:
        ValueError: If it is neither, or negative.
    """
    if isinstance(size, str):
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", size)
        if found and found[2].lower() in _UNITS:
            return int(float(found[1]) * _UNITS[found[2].lower()])
    elif size >= 0:
        return int(size)
    raise ValueError(
        f"{size!r} is no size; give bytes, or a number with kB, MB, GB, TB, KiB, MiB, GiB or TiB, "
        'such as "4 GB"'
    )


def size_text(size: int) -> str:
    """Bytes for people: 4.0 GB."""
    number, unit = float(size), 0
    while number >= 999.95 and unit < 4:
        number, unit = number / 1000, unit + 1
    return f"{number:.1f} {('B', 'kB', 'MB', 'GB', 'TB')[unit]}" if unit else f"{size} B"


def free_memory() -> int:
    """Bytes that this process can take: what the system can give without swapping, and its cgroups allow."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([free, *_left_in_cgroups()])


def _left_in_cgroups() -> list[int]:
    """What each cgroup (version 2) around this process has left; its page cache counts as left."""
    try:
        name = Path("/proc/self/cgroup").read_text().splitlines()[-1].partition("::")[2]
    except (OSError, IndexError):
        return []
    left = []
    folder = _CGROUP / name.lstrip("/")
    for group in [folder, *folder.parents]:
        try:
            limit = int((group / "memory.max").read_text())  # "max": no limit
            used = int((group / "memory.current").read_text())
            stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        except (OSError, ValueError):
            continue
        left.append(
            max(limit - used + int(stat.get("inactive_file", 0)) + int(stat.get("active_file", 0)), 0)
        )
    return left
