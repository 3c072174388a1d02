"""PyTorch Geometric's scripts on a store: they learn, and differ from those in memory by one line."""

from __future__ import annotations

import difflib
import importlib
from pathlib import Path

import pytest

from examples.pyg import graphs

FOLDER = Path(graphs.__file__).parent

SCRIPTS = {
    "graphsage": {"hidden": 64, "batch_size": 32, "epochs": 8},
    "hgt": {"hidden": 32, "batch_size": 32, "epochs": 6},
    "links": {"hidden": 32, "batch_size": 256, "max_batches": 30},
}
"""How each is run in a second or two."""

LEAST = {"graphsage": 0.05, "hgt": 0.05, "links": 0.6}
"""Chance: 1 of 172 classes; 1 of 2 pairs."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("library")
    graphs.make_library(home, 3_000)
    return home


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_learns_from_a_store(folder: Path, name: str) -> None:
    script = importlib.import_module(f"examples.pyg.{name}_after")
    assert script.main(folder, **SCRIPTS[name]) > LEAST[name]


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_changes_by_one_line_and_its_imports(name: str) -> None:
    before, after = ((FOLDER / f"{name}_{side}.py").read_text().splitlines() for side in ("before", "after"))
    changes = [line for line in difflib.ndiff(before, after) if line[0] in "+-"]
    others = [line for line in changes if not line[2:].startswith(("import ", "from "))]
    assert [line[0] for line in others] == ["-", "+"]
    assert "_in_memory(folder)" in others[0]
    assert "rh.Store.open(folder / " in others[1]
    assert len(changes) == 5
