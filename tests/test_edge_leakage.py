"""No edge and no node of the future is ever reached through an edge table: whatever the strategy, the subgraph, and
where links are; and what is visible is all found."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import relhop as rh
from relhop.sampling import Subgraphs
from relhop.store.device import DeviceCost
from relhop.store.manifest import Manifest
from relhop.store.placement import Placement, place
from tests.edge_graphs import DAY, EdgeGraph, Nodes, edge_graphs

STRATEGIES = [
    f"{name}{window}"
    for name in ("recency", "last", "uniform", "uniform with replacement", "labor")
    for window in ("", " within 2 days")
]
WEIGHTED = ["weighted", "weighted with replacement", "weighted within 2 days"]


def positions(nodes: Nodes, rows: np.ndarray) -> list[int]:
    """Rows of a store as positions in the input."""
    order = nodes.rows()
    return [order[row] for row in rows.tolist()]


def check_past(graph: EdgeGraph, found: Subgraphs, days: list[int]) -> None:
    """Every node and edge was there on the day of its seed, and each edge connects its own ends."""
    tables = {graph.src.name: graph.src, graph.dst.name: graph.dst}
    for name, nodes in tables.items():
        sampled = found.nodes[name]
        assert sampled.batch is not None
        for position, seed in zip(positions(nodes, sampled.rows), sampled.batch.tolist(), strict=True):
            time = nodes.time(position)
            assert time is not None
            assert time <= days[seed]
    for edge_type, edges in found.edges.items():
        assert edges.ids is not None
        found_at, expanded_at = found.nodes[edge_type[0]], found.nodes[edge_type[2]]
        assert expanded_at.batch is not None
        for source, target, number in zip(edges.source, edges.target, edges.ids, strict=True):
            place = graph.order()[number]
            visible = graph.visible(place)
            assert visible is not None
            assert visible <= days[int(expanded_at.batch[target])]
            ends = (
                positions(tables[edge_type[0]], found_at.rows[[source]])[0],
                positions(tables[edge_type[2]], expanded_at.rows[[target]])[0],
            )
            assert ends == (graph.ends(place) if edge_type[1] == "e" else graph.ends(place)[::-1])  # type: ignore[index]


@pytest.mark.parametrize("memory", ["ram", "disk"])
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(graph=edge_graphs(), data=st.data())
def test_nothing_of_the_future_is_reached_through_edges(
    memory: str, graph: EdgeGraph, data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        graph.graph(edge_ids=True).snapshot(Path(folder) / "g.rh", progress=False)
        store = opened(Path(folder) / "g.rh", memory)
        seeds = [
            (row, day)
            for row, position in enumerate(graph.dst.rows())
            for day in range(10)
            if (born := graph.dst.time(position)) is not None and born <= day
        ]
        if not seeds:
            return
        drawn = data.draw(st.lists(st.sampled_from(seeds), min_size=1, max_size=6))
        rows, days = np.array([row for row, _ in drawn]), [day for _, day in drawn]
        times = np.array(days) * DAY
        for strategy in STRATEGIES + (WEIGHTED if graph.weighted else []):
            sampler = rh.SeedSampler(store, [2, 3], strategy, edge_ids=True)
            check_past(graph, sampler.sample(graph.dst.name, rows, times), days)
        for subgraph in ("bidirectional", "induced"):
            if subgraph == "bidirectional" and not graph.reverse:
                continue
            sampler = rh.SeedSampler(store, [2, 2], edge_ids=True, subgraph=subgraph)  # type: ignore[arg-type]
            check_past(graph, sampler.sample(graph.dst.name, rows, times), days)
        everything = rh.SeedSampler(store, [-1], edge_ids=True).sample(graph.dst.name, rows, times)
        check_past(graph, everything, days)
        check_complete(graph, everything, rows, days)


def check_complete(graph: EdgeGraph, found: Subgraphs, rows: np.ndarray, days: list[int]) -> None:
    """With all neighbors wanted, each seed has each of its edges that was there on its day."""
    edges = found.edges[graph.src.name, "e", graph.dst.name]
    batch = found.nodes[graph.dst.name].batch
    assert edges.ids is not None
    assert batch is not None
    for seed, (row, day) in enumerate(zip(rows.tolist(), days, strict=True)):
        of_seed = [
            number
            for _, number, _ in graph.lists("in")[row]
            if (visible := graph.visible(graph.order()[number])) is not None and visible <= day
        ]
        assert sorted(edges.ids[batch[edges.target] == seed].tolist()) == sorted(of_seed)


def opened(path: Path, memory: str) -> rh.Store:
    """A store whose lists are in memory, or behind a pool of a few pages however few they are."""
    if memory == "ram":
        return rh.Store.open(path, memory="ram")

    def behind_a_pool(manifest: Manifest, *_: object) -> Placement:
        return dataclasses.replace(place(manifest, "mmap", None), topology="disk", links_pool_bytes=1 << 15)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("relhop.store.reader.place", behind_a_pool)
        return rh.Store.open(path, device=DeviceCost(50_000.0, 1e9))
