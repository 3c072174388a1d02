"""How many rows a pool saves: relhop's with look-ahead beside other policies on the same batches.

Belady's optimum, SIEVE, S3-FIFO, LRU and CLOCK (benchmarks/policies.py) see the rows one after another and
pay nothing for what they know; relhop looks as far ahead as it does by default. A row counts as a hit of
relhop's if it was not read for its batch. Belady is the optimum of pools that only misses fill; relhop's
keeps rows, too, that came with others' reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from benchmarks import policies
from benchmarks.disk.device import BLOCK, Device
from benchmarks.disk.graph_rows import GraphFiles, stream
from benchmarks.disk.process import Process, alone
from benchmarks.disk.relhop_rows import on_disk
from benchmarks.graphs import Array
from benchmarks.report import Row, row

RELHOP = "relhop"


def hit_rows(files: GraphFiles, count: int, shares: Iterable[float], device: Device) -> Iterator[Row]:
    """Hit rates by policy and pool."""
    with Process() as process:
        for share in shares:
            rates = process.call(reference_rates, files, count, share)
            rates[RELHOP] = process.call(hit_rate, files, count, share, device)
            yield from lines(f"{files.case}, {count} batches, a pool of {share:.0%}", rates)


def order_rows(files: GraphFiles, count: int, share: float) -> list[Row]:
    """Rows that a read of a block brings, in the order of the file and in that of their numbers.

    Of what batches want, and of what Belady's optimum does not have in a pool of a share of the rows. Beside
    them the order by how often each row is wanted, as 8 times as many other batches tell: the best that there
    is where rows are wanted independently, for then a block is touched least if its rows are equally likely.
    """
    visited = np.empty(files.num_nodes, np.int64)
    by_visits = np.argsort(-alone(GraphFiles.visits, files, count, 9 * count), kind="stable")
    visited[by_visits] = np.arange(files.num_nodes)
    trace = alone(GraphFiles.trace, files, count)
    missed = policies.misses("Belady", trace, files.num_nodes, int(share * files.num_nodes))
    found = []
    for title, batches in (("wanted", trace), (f"not in a pool of {share:.0%} by Belady", missed)):
        unordered = [rows_per_block(batch, files.matrix.row_bytes) for batch in batches]
        ordered = [rows_per_block(files.records(batch), files.matrix.row_bytes) for batch in batches]
        best = [rows_per_block(visited[batch], files.matrix.row_bytes) for batch in batches]
        metric = f"rows {title} a block of {BLOCK >> 10} KiB"
        gain = np.median(ordered) / np.median(unordered)
        found += [
            row("rows in their own order", str(files.case), metric, unordered),
            row(
                RELHOP,
                f"{files.case}, hottest first",
                metric,
                ordered,
                ratio_to_peer=float(gain),
                ratio_to_limit=float(np.median(ordered) / np.median(best)),
            ),
            row("rows by how often they are wanted", str(files.case), metric, best),
        ]
    return found


def lines(configuration: str, rates: dict[str, float]) -> list[Row]:
    """A line a policy, beside the best but Belady's and relhop's, and beside Belady's."""
    best = max(rate for policy, rate in rates.items() if policy not in (RELHOP, "Belady"))
    return [
        row(
            policy,
            configuration,
            "hit rate",
            [rate],
            ratio_to_peer=rate / best if policy == RELHOP and best else None,
            ratio_to_limit=rate / rates["Belady"] if rates["Belady"] else None,
        )
        for policy, rate in rates.items()
    ]


def reference_rates(files: GraphFiles, count: int, share: float) -> dict[str, float]:
    """The hit rate of each policy with room for a share of the rows."""
    trace, capacity = np.concatenate(files.trace(count)), int(share * files.num_nodes)
    return {
        policy: float(policies.hits(policy, trace, files.num_nodes, capacity).mean())
        for policy in policies.POLICIES
    }


def hit_rate(files: GraphFiles, count: int, share: float, device: Device) -> float:
    """That of relhop's pool, of a share of the matrix's bytes; all that it knows of rows is counted in."""
    records, table = on_disk(files.matrix, int(share * files.matrix.num_bytes), device)
    for _ in stream(files, files.topology(), table, count, look_ahead=None):
        pass
    stats = records.stats()
    return 1 - stats["records"] / stats["rows"]


def rows_per_block(wanted: Array, row_bytes: int) -> float:
    """How many of some distinct rows a block that has any of them has."""
    blocks = np.concatenate([wanted * row_bytes // BLOCK, ((wanted + 1) * row_bytes - 1) // BLOCK])
    return len(wanted) / len(np.unique(blocks))
