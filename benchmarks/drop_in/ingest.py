"""From npy and CSV to a database that serves a loader: relhop, and Kùzu where it is installed."""

from __future__ import annotations

import importlib
import shutil
import time

from benchmarks.disk.process import alone
from benchmarks.drop_in.files import WIDTH, GraphFiles
from benchmarks.report import Row, row

RELHOP, KUZU = "relhop", "Kùzu"


def ingest_rows(files: GraphFiles, rounds: int) -> tuple[list[Row], list[str]]:
    """Seconds of each system, in turns, from warm files; and notes on who is absent."""
    systems, notes = {RELHOP: relhop_seconds}, []
    try:
        version = importlib.import_module("kuzu").__version__
        systems[f"{KUZU} {version}"] = kuzu_seconds
    except ImportError as error:
        notes.append(f"{KUZU} is absent: {error}")
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    for _ in range(rounds):
        for name, measured in seconds.items():
            measured.append(alone(systems[name], files))
    configuration = f"{files.graph}, float32[{WIDTH}], {files.num_bytes / 1e9:.2f} GB of npy and CSV"
    rows = [row(name, configuration, "ingest, s", measured) for name, measured in seconds.items()]
    if len(rows) == 2:
        rows[0] = row(
            RELHOP, configuration, "ingest, s", seconds[RELHOP], ratio_to_peer=rows[1].median / rows[0].median
        )
    return rows, notes


def relhop_seconds(files: GraphFiles) -> float:
    """Of a store, from the start to when it is open."""
    shutil.rmtree(files.store, ignore_errors=True)
    begin = time.perf_counter()
    files.build()
    files.open(memory="mmap")
    return time.perf_counter() - begin


def kuzu_seconds(files: GraphFiles) -> float:
    """Of COPY into a new database."""
    kuzu = importlib.import_module("kuzu")
    home = files.home / "graph.kuzu"
    _remove(files)
    connection = kuzu.Connection(kuzu.Database(str(home)))
    columns = ", ".join(f'"{file}"' for file in files.columns.values())
    begin = time.perf_counter()
    connection.execute(f"CREATE NODE TABLE node (id INT64, x FLOAT[{WIDTH}], y INT64, PRIMARY KEY (id))")
    connection.execute(f"COPY node FROM ({columns}) BY COLUMN")
    connection.execute("CREATE REL TABLE edge (FROM node TO node)")
    connection.execute(f'COPY edge FROM "{files.edges}" (HEADER=true)')
    seconds = time.perf_counter() - begin
    found = connection.execute("MATCH (:node)-[e:edge]->(:node) RETURN COUNT(*)").get_next()[0]
    assert found == len(files.edge_index()[0]), "an edge is missing"
    del connection
    _remove(files)
    return seconds


def _remove(files: GraphFiles) -> None:
    for path in files.home.glob("graph.kuzu*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
