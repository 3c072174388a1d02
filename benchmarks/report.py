"""What all benchmarks share: repeated measurements, the machine's facts, a table, the same as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One line of a table; ratios are better-is-larger, `None` where there is nothing to compare with."""

    system: str
    configuration: str
    metric: str
    median: float
    min: float
    max: float
    ratio_to_peer: float | None = None
    ratio_to_limit: float | None = None


def parser(doc: str) -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(description=doc.splitlines()[0])
    result.add_argument("--quick", action="store_true", help="smaller inputs and fewer repeats")
    result.add_argument("--json", type=Path, help="write the same numbers to this file")
    return result


def options(doc: str, sections: tuple[str, ...]) -> argparse.Namespace:
    """Those of a benchmark of several sections before data on a disk.

    Beside `quick` and `json`: `data`, a folder or None; `only`, the sections to run; `rounds`; `fio_seconds`,
    to measure the disk in.
    """
    described = parser(doc)
    described.add_argument(
        "--data", type=Path, help="keeps what is made of data in this folder for the next run"
    )
    described.add_argument("--only", choices=sections, help="one section; default all")
    described.add_argument("--rounds", type=int, help="passes a system and line; default 5, quick 1")
    result = described.parse_args()
    result.rounds = result.rounds or (1 if result.quick else 5)
    result.only = (result.only,) if result.only else sections
    result.fio_seconds = 0.4 if result.quick else 2.0
    return result


def row(system: str, configuration: str, metric: str, values: list[float], **ratios: float | None) -> Row:
    return Row(system, configuration, metric, statistics.median(values), min(values), max(values), **ratios)


def machine() -> dict[str, str | int]:
    names = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    pages = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    huge = re.search(r"\[(\w+)\]", pages.read_text()) if pages.exists() else None
    memory_gib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return {
        "cpu": names[0] if names else "unknown",
        "cores": os.cpu_count() or 0,
        "memory_gib": round(memory_gib),
        "huge_pages": huge[1] if huge else "none",
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def publish(title: str, rows: Iterable[Row], json_file: Path | None, notes: Sequence[str] = ()) -> None:
    """Prints the table, each row when it is there, and the notes; writes all as JSON where a file is named.

    Notes may be added while rows are made.
    """
    facts = machine()
    print(f"## {title}\n\n" + " · ".join(f"{k} {v}" for k, v in facts.items()) + "\n")
    print("| system | configuration | metric | median | min–max | ratio to peer | ratio to limit |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: |", flush=True)
    printed = []
    for r in rows:
        values = f"{digits(r.median)} | {digits(r.min)}–{digits(r.max)}"
        peer, limit = ("–" if x is None else f"{x:.2f}" for x in (r.ratio_to_peer, r.ratio_to_limit))
        print(f"| {r.system} | {r.configuration} | {r.metric} | {values} | {peer} | {limit} |", flush=True)
        printed.append(r)
    if notes:
        print("\n" + "\n".join(f"- {note}" for note in notes))
    if json_file is not None:
        json_file.write_text(
            json.dumps(
                {"machine": facts, "notes": list(notes), "rows": [asdict(r) for r in printed]}, indent=1
            )
        )


def digits(value: float) -> str:
    """A number as people read it: three digits that count, or all before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
