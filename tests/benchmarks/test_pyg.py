"""The benchmark of PyTorch Geometric's loaders measures what it says. No time is asserted."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from benchmarks.drop_in.epochs import Epochs, Shape, Source, epochs
from benchmarks.drop_in.files import CLASSES, WIDTH, GraphFiles
from benchmarks.drop_in.ingest import ingest_rows
from benchmarks.graphs import GRAPHS, power_law
from benchmarks.pyg import epoch_rows, shares_of

SHAPE = Shape((3, 2, 2), 16, 2, 1)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> GraphFiles:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(GRAPHS, "tiny", lambda: power_law(500, 3_000))
        made = GraphFiles("tiny", tmp_path_factory.mktemp("drop_in"))
        made.prepare()
    made.build()
    return made


def test_the_files_hold_the_graph_with_its_edges_in_another_order(files: GraphFiles) -> None:
    lists = power_law(500, 3_000).edge_types[0]
    assert lists.offsets is not None
    source, target = files.edge_index()
    order = np.lexsort((source, target))
    np.testing.assert_array_equal(source[order], lists.neighbors)
    np.testing.assert_array_equal(target[order], np.repeat(np.arange(500), np.diff(lists.offsets)))
    assert (np.diff(target) < 0).any()
    assert files.array("x").shape == (500, WIDTH)
    assert files.feature_bytes == files.array("x").nbytes


def test_the_store_has_all_nodes_and_edges(files: GraphFiles) -> None:
    store = files.open()
    assert store.edge_tables["edge"].num_rows == 3_000
    x = store.tables["node"].attributes["x"]
    np.testing.assert_array_equal(x.array(), files.array("x"))


def test_rounds_train_on_nodes_of_their_own(files: GraphFiles) -> None:
    first, second = files.seeds(0, 16, 2), files.seeds(1, 16, 2)
    assert len(np.unique(first)) == 32
    assert set(first) != set(second)
    assert files.array("y").max() < CLASSES


@pytest.mark.parametrize("pool", [None, 0, 0.5])
def test_an_epoch_is_timed_with_each_source(files: GraphFiles, pool: float | None) -> None:
    found = epochs(files, Source("relhop", "", pool), SHAPE)
    assert [len(part) for part in (found.sampling, found.loading, found.training)] == [1, 1, 1]
    assert found.peak > files.feature_bytes


def test_shares_are_what_each_pass_adds() -> None:
    found = shares_of(Epochs([1.0, 3.0], [3.0, 2.0], [4.0, 4.0], 0))
    assert found == {"sampling": [25, 75], "rows": [50, 0], "training": [25, 25]}


def test_relhops_time_stands_beside_that_of_the_faster_peer(files: GraphFiles) -> None:
    measured = {
        Source("PyG", "a"): Epochs([1.0], [1.0], [6.0], 1 << 20),
        Source("PyG", "b", num_workers=2): Epochs([1.0], [1.0], [4.0], 1 << 20),
        Source("relhop", "c", 0.5): Epochs([1.0], [1.0], [2.0], 1 << 20),
    }
    rows = epoch_rows(measured, files, SHAPE)
    assert [(row.system, row.median, row.ratio_to_peer) for row in rows if row.metric == "ms a batch"] == [
        ("PyG", 6000, None),
        ("PyG", 4000, None),
        ("relhop", 2000, 2),
    ]
    assert [row.median for row in rows if row.metric == "peak RSS, MiB"] == [1, 1]


def test_ingest_is_timed_and_who_is_absent_is_named(
    files: GraphFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "kuzu", None)
    rows, notes = ingest_rows(files, 1)
    assert [row.system for row in rows] == ["relhop"]
    assert notes[0].startswith("Kùzu is absent: ")
