"""Rows of the future change no bit of a neighborhood: on real data, a store of all rows against one of the past only."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pytest

import relhop as rh
from relhop.sampling import SeedSampler

TRAVEL = Path(__file__).parent / "data" / "travel_se"
TRAVEL_TIMES = {
    "Users": "CreationDate",
    "Posts": "CreationDate",
    "Comments": "CreationDate",
    "Votes": "CreationDate",
    "Badges": "Date",
    "PostLinks": "CreationDate",
}
TRAVEL_LINKS = [
    rh.Link("Posts", "OwnerUserId", "Users"),
    rh.Link("Posts", "ParentId", "Posts"),
    rh.Link("Posts", "LastEditorUserId", "Users"),
    rh.Link("Posts", "AcceptedAnswerId", "Posts"),  # names rows of the future
    rh.Link("Comments", "PostId", "Posts"),
    rh.Link("Comments", "UserId", "Users"),
    rh.Link("Votes", "PostId", "Posts"),
    rh.Link("Votes", "UserId", "Users"),
    rh.Link("Badges", "UserId", "Users"),
    rh.Link("PostLinks", "PostId", "Posts"),
    rh.Link("PostLinks", "RelatedPostId", "Posts"),
]
# Votes bear midnights, and each of the others a row one second later: so that a rule off by a second is seen.
ANCHORS = ["2013-03-04 23:59:59", "2014-07-01 00:00:00", "2015-11-15 23:59:59", "2017-02-28 23:59:59"]
SEEDS_PER_ANCHOR = 2_500


def travel_store(path: Path, until: str | None = None) -> rh.Store:
    """The store of all rows, or of those up to a time only."""
    where = f" WHERE {{time}} <= TIMESTAMP '{until}'" if until else ""
    tables = [
        rh.Table(
            name,
            source=duckdb.sql(
                f"SELECT * FROM '{TRAVEL / name}.parquet'{where.format(time=time)}"
            ).to_arrow_table(),
            pkey_col="Id",
            time_col=time,
        )
        for name, time in TRAVEL_TIMES.items()
    ]
    return rh.Graph(tables=tables, links=TRAVEL_LINKS).snapshot(path, progress=False)


@pytest.fixture(scope="module")
def travel(tmp_path_factory: pytest.TempPathFactory) -> rh.Store:
    return travel_store(tmp_path_factory.mktemp("travel") / "full.rh")


@pytest.mark.parametrize("anchor", ANCHORS)
def test_canary_rows_of_the_future_change_no_bit_of_a_neighborhood(
    travel: rh.Store, anchor: str, tmp_path: Path
) -> None:
    past = travel_store(tmp_path / "past.rh", until=anchor)
    micros = rh.to_micros(anchor)
    assert past.tables["Votes"].num_rows == travel.cut("Votes", micros) < travel.tables["Votes"].num_rows
    users = np.random.default_rng(0).integers(0, travel.cut("Users", micros), SEEDS_PER_ANCHOR)
    times = np.full(SEEDS_PER_ANCHOR, micros)
    for num_neighbors in ([12, 8], [4, 4, 2]):
        per_type = [dict.fromkeys(travel.schema.edge_types, n) for n in num_neighbors]
        strategies = [
            {e: ("recency", "last", "uniform")[i % 3] for i, e in enumerate(travel.schema.edge_types)}
            for _ in num_neighbors
        ]
        a = SeedSampler(travel, per_type, strategies, random_seed=5).sample("Users", users, times)
        b = SeedSampler(past, per_type, strategies, random_seed=5).sample("Users", users, times)
        assert a.nodes.keys() == b.nodes.keys()
        assert sum(len(n.rows) for n in a.nodes.values()) > 5 * SEEDS_PER_ANCHOR
        for table, nodes in a.nodes.items():
            np.testing.assert_array_equal(nodes.rows, b.nodes[table].rows)
            np.testing.assert_array_equal(nodes.batch, b.nodes[table].batch)
            assert nodes.num_per_hop == b.nodes[table].num_per_hop
        for edge_type, edges in a.edges.items():
            np.testing.assert_array_equal(edges.source, b.edges[edge_type].source)
            np.testing.assert_array_equal(edges.target, b.edges[edge_type].target)


def test_as_of_hides_what_comes_later_whatever_the_anchor(travel: rh.Store, tmp_path: Path) -> None:
    anchor = ANCHORS[0]
    frozen, past = travel.as_of(anchor), travel_store(tmp_path / "past.rh", until=anchor)
    users = np.arange(1000)
    late = np.full(1000, rh.to_micros("2017-06-01"))
    a = SeedSampler(frozen, [10, 10]).sample("Users", users, late)
    b = SeedSampler(past, [10, 10]).sample("Users", users, late)
    for table, nodes in a.nodes.items():
        np.testing.assert_array_equal(nodes.rows, b.nodes[table].rows)
    assert sum(len(nodes.rows) for nodes in a.nodes.values()) > 2000
