"""Where the arrays of an open store are: in memory, mapped, or on disk behind a pool of given bytes.

Decides from sizes alone; reads no array.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from relhop.store import layout
from relhop.store.manifest import Manifest

Memory: TypeAlias = Literal["auto", "ram", "mmap", "disk"]
"""Where a store's arrays are: in memory, mapped from the files, on disk behind a pool, or whichever fits.

- `auto`: links, times and orders in memory if they take at most half of what is free, else mapped; records
  and attributes in memory if they fit the pool, else on disk behind it.
- `ram`, `mmap`: everything in memory, everything mapped.
- `disk`: all of it behind the pool, each with a part of it by their bytes.

Orders are where rows are in the input and in their records.
"""

_SMALL = 1 << 16
"""Links, times and orders of so many bytes are loaded: no pool before them would be worth its pages."""

_FEW_PAGES = 4 << 12
"""Bytes of pages that their pool has at least."""

_UNITS = {"": 1, "b": 1} | {
    f"{letter}{suffix}": base**power
    for power, letter in enumerate("kmgt", start=1)
    for suffix, base in (("", 1000), ("b", 1000), ("ib", 1024))
}

_CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class TablePlacement:
    """Where the records of one table are, or the rows of one attribute.

    Attributes:
        place: "ram", "mmap" or "disk".
        bytes: Of all records or rows.
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
        topology: Where links, times and orders are.
        topology_bytes: How much they take.
        links_pool_bytes: Memory of the pool before them, if they are on disk, with its directory and the
            blocks of times, which stay in memory; 0 elsewhere.
        tables: Where the records of each table are.
        attributes: Where the rows of each attribute are, by file.
    """

    topology: Literal["ram", "mmap", "disk"]
    topology_bytes: int
    tables: Mapping[str, TablePlacement]
    links_pool_bytes: int = 0
    attributes: Mapping[str, TablePlacement] = field(default_factory=dict)

    def __str__(self) -> str:
        place = {
            "ram": "in memory",
            "mmap": "mapped",
            "disk": f"on disk, pool of {size_text(self.links_pool_bytes)}",
        }[self.topology]
        lines = [f"links and times: {size_text(self.topology_bytes)} {place}"]
        lines += [f"records of {name}: {table}" for name, table in self.tables.items()]
        return "\n".join(lines + [f"{file}: {placed}" for file, placed in self.attributes.items()])


def place(manifest: Manifest, memory: Memory, pool_bytes: int | None) -> Placement:
    """Decides where a store's arrays go.

    Args:
        manifest: Of the store.
        memory: See `Memory`.
        pool_bytes: All that records and attributes, and of `disk` everything, may take; None: a quarter of
            the memory that is free after links, times and orders.

    Raises:
        ValueError: On a `memory` that is none, or a pool where there is no use for it.
    """
    if memory not in get_args(Memory):
        raise ValueError(f"memory is {memory!r}; choose 'auto', 'ram', 'mmap' or 'disk'")
    if pool_bytes is not None and memory not in ("auto", "disk"):
        raise ValueError(f"buffer_pool_size is for memory='auto' and memory='disk', not for {memory!r}")
    topology_bytes = sum(e.bytes for f, e in manifest.files.items() if layout.is_placed_with_links(f))
    records = _records(manifest)
    if memory == "ram" or memory == "mmap":
        placed = {what: TablePlacement(memory, size) for what, size in records.items()}
        return _placement(memory, topology_bytes, placed)
    free = free_memory()
    loads_topology = memory == "auto" and topology_bytes <= free // 2
    if pool_bytes is None:
        pool_bytes = (free - topology_bytes if loads_topology else free) // 4
    if memory == "auto":
        return _placement("ram" if loads_topology else "mmap", topology_bytes, _share(records, pool_bytes))
    part = pool_bytes * topology_bytes // max(topology_bytes + sum(records.values()), 1)
    if topology_bytes <= max(part, _SMALL):
        return _placement("ram", topology_bytes, _share(records, max(pool_bytes - topology_bytes, 0)))
    # Its directory, 4 bytes a page of 4 KiB, and a few pages.
    part = min(max(part, topology_bytes // 1000 + _FEW_PAGES + time_blocks_bytes(manifest)), pool_bytes)
    return _placement("disk", topology_bytes, _share(records, pool_bytes - part), part)


def time_blocks_bytes(manifest: Manifest) -> int:
    """What is in memory of times on disk: 24 bytes for each 128 rows that have one."""
    return sum(entry.bytes for file, entry in manifest.files.items() if file.endswith("/time_blocks.bin"))


def _records(manifest: Manifest) -> dict[tuple[str, str], int]:
    """The bytes of all that is placed, by kind and name: of the records of each table, and each attribute."""
    found = {("table", name): entry.record_size * entry.rows for name, entry in manifest.tables.items()}
    return found | {
        ("attribute", file): content.bytes
        for file, content in manifest.files.items()
        if layout.is_attribute(file)
    }


def _placement(
    topology: Literal["ram", "mmap", "disk"],
    topology_bytes: int,
    placed: Mapping[tuple[str, str], TablePlacement],
    links_pool_bytes: int = 0,
) -> Placement:
    tables, attributes = (
        {name: where for (of, name), where in placed.items() if of == kind} for kind in ("table", "attribute")
    )
    return Placement(topology, topology_bytes, tables, links_pool_bytes, attributes)


def _share(records: Mapping[tuple[str, str], int], pool_bytes: int) -> dict[tuple[str, str], TablePlacement]:
    """The pool's bytes: small files of records whole, the others in parts by their bytes."""
    placed: dict[tuple[str, str], TablePlacement] = {}
    left = dict(sorted(records.items(), key=lambda item: item[1]))
    while left:
        what, size = next(iter(left.items()))
        if size > pool_bytes // len(left):
            break
        placed[what] = TablePlacement("ram", size)
        pool_bytes -= size
        del left[what]
    total = sum(left.values())
    for what, size in left.items():
        placed[what] = TablePlacement("disk", size, pool_bytes * size // total)
    return {what: placed[what] for what in records}


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
    try:
        cgroup = Path("/proc/self/cgroup").read_text().splitlines()[-1].partition("::")[2]
    except (OSError, IndexError):
        return free
    return min([free, *_left_in_cgroups(cgroup.lstrip("/"), _CGROUPS)])


def _left_in_cgroups(name: str, root: Path) -> list[int]:
    """What a cgroup (version 2) and those around it have left, where limited; page cache counts as left."""
    left = []
    for group in [root / name, *(root / name).parents]:
        try:
            limit = int((group / "memory.max").read_text())  # "max": no limit
            used = int((group / "memory.current").read_text())
            stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
            cached = int(stat["inactive_file"]) + int(stat["active_file"])
        except (OSError, ValueError, KeyError):
            continue
        left.append(max(limit - used + cached, 0))
    return left
