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

Memory: TypeAlias = Literal["auto", "ram", "mmap", "disk"]
"""Where a store's arrays are: in memory, mapped from the files, on disk behind a pool, or whichever fits.

- `auto`: links and times in memory if they take at most half of what is free, else mapped; records and
  attributes in memory if they fit the pool, else on disk behind it.
- `ram`, `mmap`: everything in memory, everything mapped.
- `disk`: links, records and attributes behind the pool, each with a part of it by their bytes; times mapped.
"""

_SMALL = 1 << 16
"""Links of so many bytes in all are loaded: no pool before them would be worth its pages."""

_FEW_PAGES = 4 << 12
"""Bytes of pages that a pool for links has at least."""

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
        bytes: Of all records or rows, and with records of the rows' places in the input where the table has
            an order of its own. These are mapped where the records are on disk.
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
        topology: Where links and times are: "ram", "mmap" or "disk", which times are mapped from.
        topology_bytes: How much they take.
        links_pool_bytes: Memory of the pool before links on disk, its directory included; 0 elsewhere.
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
            "disk": f"on disk, pool of {size_text(self.links_pool_bytes)} for links, times mapped",
        }[self.topology]
        lines = [f"links and times: {size_text(self.topology_bytes)} {place}"]
        lines += [f"records of {name}: {table}" for name, table in self.tables.items()]
        return "\n".join(lines + [f"{file}: {placed}" for file, placed in self.attributes.items()])


def place(manifest: layout.Manifest, memory: Memory, pool_bytes: int | None) -> Placement:
    """Decides where a store's arrays go.

    Args:
        manifest: Of the store.
        memory: See `Memory`.
        pool_bytes: All that records and attributes, and of `disk` links, may take; None: a quarter of the
            memory that is free after links and times.

    Raises:
        ValueError: On a `memory` that is none, or a pool where there is no use for it.
    """
    if memory not in get_args(Memory):
        raise ValueError(f"memory is {memory!r}; choose 'auto', 'ram', 'mmap' or 'disk'")
    if pool_bytes is not None and memory not in ("auto", "disk"):
        raise ValueError(f"buffer_pool_size is for memory='auto' and memory='disk', not for {memory!r}")
    topology_bytes = sum(e.bytes for f, e in manifest.files.items() if layout.is_topology(f))
    records = _records(manifest)
    if memory == "ram" or memory == "mmap":
        placed = {what: TablePlacement(memory, size.bytes) for what, size in records.items()}
        return _placement(memory, topology_bytes, placed)
    free = free_memory()
    loads_topology = memory == "auto" and topology_bytes <= free // 2
    if pool_bytes is None:
        pool_bytes = (free - topology_bytes if loads_topology else free) // 4
    if memory == "auto":
        return _placement("ram" if loads_topology else "mmap", topology_bytes, _share(records, pool_bytes))
    links = sum(entry.bytes for file, entry in manifest.files.items() if layout.is_link(file))
    part = pool_bytes * links // max(links + sum(size.bytes for size in records.values()), 1)
    if links <= max(part, _SMALL):
        return _placement("ram", topology_bytes, _share(records, max(pool_bytes - links, 0)))
    # Its directory, 4 bytes a page of 4 KiB, and a few pages.
    part = min(max(part, links // 1000 + _FEW_PAGES), pool_bytes)
    return _placement("disk", topology_bytes, _share(records, pool_bytes - part), part)


@dataclass(frozen=True)
class _Size:
    """Of a file of records, and what is loaded with it; whether a pool is of use for it."""

    bytes: int
    can_be_on_disk: bool


def _records(manifest: layout.Manifest) -> dict[tuple[str, str], _Size]:
    """All that is placed, by kind and name: the records of each table, and the rows of each attribute."""
    found = {}
    for name, entry in manifest.tables.items():
        order = manifest.files.get(layout.table_file(name, "order.bin"))
        size = entry.record_size * entry.rows + (0 if order is None else order.bytes)
        # Records of no bytes need no pool; what is left are the rows' places, which are mapped.
        found["table", name] = _Size(size, can_be_on_disk=entry.record_size > 0)
    for file, content in manifest.files.items():
        if layout.is_attribute(file):
            found["attribute", file] = _Size(content.bytes, can_be_on_disk=content.bytes > 0)
    return found


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


def _share(
    records: Mapping[tuple[str, str], _Size], pool_bytes: int
) -> dict[tuple[str, str], TablePlacement]:
    """The pool's bytes: small files of records whole, the others in parts by their bytes."""
    placed: dict[tuple[str, str], TablePlacement] = {}
    left = dict(sorted(records.items(), key=lambda item: item[1].bytes))
    while left:
        what, size = next(iter(left.items()))
        if size.bytes > pool_bytes // len(left):
            break
        placed[what] = TablePlacement("ram", size.bytes)
        pool_bytes -= size.bytes
        del left[what]
    total = sum(size.bytes for size in left.values() if size.can_be_on_disk)
    for what, size in left.items():
        if size.can_be_on_disk:
            placed[what] = TablePlacement("disk", size.bytes, pool_bytes * size.bytes // total)
        else:
            placed[what] = TablePlacement("mmap", size.bytes)
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
