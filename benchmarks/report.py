"""What all benchmarks share: repeated measurements, the machine's facts, a table, the same as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import time
from collections.abc import Callable
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


def arguments(doc: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="smaller inputs and fewer repeats")
    parser.add_argument("--json", type=Path, help="write the same numbers to this file")
    return parser.parse_args()


def rates(work: Callable[[], int], repeats: int) -> list[float]:
    """Units of work a second, of each repeat after a warm-up; `work` returns how many units it did."""
    work()
    results = []
    for _ in range(repeats):
        begin = time.perf_counter()
        units = work()
        results.append(units / (time.perf_counter() - begin))
    return results


def row(system: str, configuration: str, metric: str, values: list[float], **ratios: float | None) -> Row:
    return Row(system, configuration, metric, statistics.median(values), min(values), max(values), **ratios)


def machine() -> dict[str, str | int]:
    names = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory_gib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return {
        "cpu": names[0] if names else "unknown",
        "cores": os.cpu_count() or 0,
        "memory_gib": round(memory_gib),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def publish(title: str, rows: list[Row], json_file: Path | None) -> None:
    """Prints the table, and writes it as JSON where a file is named."""
    facts = machine()
    print(f"## {title}\n\n" + " · ".join(f"{k} {v}" for k, v in facts.items()) + "\n")
    print("| system | configuration | metric | median | min–max | ratio to peer | ratio to limit |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: |")
    for r in rows:
        peer, limit = ("–" if x is None else f"{x:.2f}" for x in (r.ratio_to_peer, r.ratio_to_limit))
        print(
            f"| {r.system} | {r.configuration} | {r.metric} | {r.median:,.0f} | {r.min:,.0f}–{r.max:,.0f} |"
            f" {peer} | {limit} |"
        )
    if json_file is not None:
        json_file.write_text(json.dumps({"machine": facts, "rows": [asdict(r) for r in rows]}, indent=1))
