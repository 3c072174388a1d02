"""Training tables: 10 M labels of a table of 50 M events, beside a DuckDB query written by hand.

    python -m benchmarks.labels [--quick] [--json FILE]

Each of 200,000 users has a label at each of 50 anchors: the sum of a column over the 7 days after it. The
peer knows what relhop does not: that anchors lie a window apart, so that each event belongs to one of them
and a division says which. Both answer in NumPy, and both have the same labels, which is checked.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt

from benchmarks.report import Row, parser, publish, row
from relhop.predictive_query import PredictiveQuery
from relhop.schema import Link, Schema, Table
from relhop.store.reader import Store
from relhop.store.writer import write_store

SCHEMA = Schema(
    [Table("users", pkey_col="id"), Table("events", time_col="at", stypes={"value": "numerical"})],
    [Link("events", "user", "users")],
)
ANCHORS = 50
QUERY = "PREDICT SUM(events.value, 0, 7, days) FOR EACH users.id"
BY_HAND = """
WITH sums AS (
    SELECT _rh_user AS entity, sum(value) AS value,
        CAST(floor((date_diff('second', TIMESTAMP '2020-01-01', "at") - 1) / 604800) AS BIGINT) AS anchor_id
    FROM events WHERE "at" > TIMESTAMP '2020-01-01' GROUP BY ALL
)
SELECT a.anchor_id, u._rh_row AS entity, coalesce(s.value, 0) AS target
FROM users u CROSS JOIN (SELECT range AS anchor_id FROM range({anchors})) a LEFT JOIN sums s
    ON s.entity = u._rh_row AND s.anchor_id = a.anchor_id
ORDER BY a.anchor_id, u._rh_row
"""


def build(folder: Path, num_users: int, num_events: int) -> Store:
    """Events at random seconds of 50 weeks, one at their very beginning and one at their very end."""
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE users AS SELECT range AS id FROM range({num_users})")
        connection.execute(
            f"""CREATE TABLE events AS SELECT hash(range) % {num_users} AS "user",
            TIMESTAMP '2020-01-01' + (CASE range WHEN 0 THEN 0 WHEN 1 THEN {ANCHORS} * 604800 ELSE
            hash(range + 7000000000) % ({ANCHORS} * 604800) END) * INTERVAL 1 SECOND AS "at",
            hash(range + 9000000000) % 100 AS value FROM range({num_events})"""
        )
        write_store(folder, SCHEMA, connection, fingerprint="labels")
    return Store.open(folder, memory="mmap")


def relhop_labels(store: Store, memory_limit: str) -> npt.NDArray[np.float32]:
    table = PredictiveQuery(store, QUERY).generate_training_table(
        store, val_start="2020-11-25", test_start="2020-12-02", memory_limit=memory_limit
    )
    assert table.target is not None
    target: npt.NDArray[np.float32] = table.target
    return target


def labels_by_hand(store: Store, memory_limit: str) -> npt.NDArray[np.float32]:
    with closing(store.connect()) as connection:
        connection.execute("SET memory_limit = ?", [memory_limit])
        found = connection.sql(BY_HAND.format(anchors=ANCHORS)).to_arrow_table()
    return found["target"].to_numpy().astype(np.float32)


def seconds_of(work: Callable[[Store, str], npt.NDArray[np.float32]], store: Store, limit: str) -> float:
    began = time.perf_counter()
    work(store, limit)
    return time.perf_counter() - began


def main() -> None:
    options = parser(__doc__ or "").parse_args()
    num_users, num_events, repeats = (10_000, 2_500_000, 3) if options.quick else (200_000, 50_000_000, 3)
    limit = "1GB" if options.quick else "4GB"
    with tempfile.TemporaryDirectory() as folder:
        store = build(Path(folder) / "labels.rh", num_users, num_events)
        ours, theirs = relhop_labels(store, limit), labels_by_hand(store, limit)
        assert len(ours) == len(theirs) == num_users * ANCHORS
        np.testing.assert_array_equal(ours, theirs)
        # In turns, for others may use the machine.
        both = [
            (seconds_of(labels_by_hand, store, limit), seconds_of(relhop_labels, store, limit))
            for _ in range(repeats)
        ]
    hand, relhop = (list(seconds) for seconds in zip(*both, strict=True))
    what = f"{num_users * ANCHORS:,} labels of {num_events:,} events, {limit}"
    ratio = float(np.median(hand) / np.median(relhop))
    rows: list[Row] = [
        row("DuckDB by hand", what, "seconds", hand),
        row("relhop", what, "seconds", relhop, ratio_to_peer=ratio),
    ]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    publish("Training tables", rows, options.json, [f"peak memory of the process {peak:.1f} GiB"])


if __name__ == "__main__":
    main()
