"""The documents say what is so: links lead somewhere, and the README's code runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import relhop as rh
from relhop.cli import app

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").rglob("README.md")]
)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text()):
        assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_the_readme_names_every_command() -> None:
    readme = (ROOT / "README.md").read_text()
    for command in app.registered_commands:
        assert f"relhop {command.callback.__name__}" in readme


def shop_folder(folder: Path) -> None:
    """Sixty users who order every few days for two hundred days; some stop."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    users = pd.DataFrame({"user_id": np.arange(60), "city": rng.choice(["Rome", "Oslo", "Bern"], 60)})
    stops = np.where(rng.random(60) < 0.4, rng.integers(60, 200, 60), 200)
    user, day = np.nonzero(rng.random((60, 200)) < 0.2)
    kept = day < stops[user]
    orders = pd.DataFrame(
        {"order_id": np.arange(kept.sum()), "user_id": user[kept], "price": rng.random(kept.sum())}
    )
    orders["ordered_at"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(day[kept], unit="D")
    users.to_csv(folder / "users.csv", index=False)
    orders.to_csv(folder / "orders.csv", index=False)


def test_the_code_about_sampling_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "sampling.md").read_text(), re.DOTALL)[0]
    monkeypatch.chdir(tmp_path)
    shop_folder(tmp_path / "data")
    names: dict[str, object] = {}
    exec(compile(code, "docs/sampling.md", "exec"), names)
    found, store = names["found"], names["store"]
    orders = found.nodes["orders"]  # type: ignore[attr-defined]
    times = store.tables["orders"].time[orders.rows]  # type: ignore[attr-defined]
    assert 2 <= len(orders.rows) <= 32
    assert rh.to_micros("2024-02-01") < times.min() <= times.max() <= rh.to_micros("2024-05-01")


def test_the_code_about_arrays_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "graphs.md").read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    years = np.array([2003, 2001, 2002, 2004, 2000, 2005])
    features = np.arange(6 * 128, dtype=np.float32).reshape(6, 128)
    for name, array in {"ids": np.arange(6), "year": years, "node_feat": features}.items():
        np.save(f"{name}.npy", array)
    names: dict[str, object] = {"labels": np.zeros(6, np.int64), "np": np}
    exec(compile("\n".join(blocks[:2]), "docs/graphs.md", "exec"), names)
    found = names["x"].gather(np.array([5, 3, 5]))  # type: ignore[attr-defined]
    np.testing.assert_array_equal(found, features[[5, 0, 5]])


@pytest.mark.parametrize("document", ["docs/migration.md", "README.md"])
def test_the_code_about_migration_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, document: str
) -> None:
    """Of a diff, what it leads to runs, and what it leads from is Python."""
    text = (ROOT / document).read_text()
    if document == "README.md":
        text = text[text.index("## PyTorch Geometric") : text.index("## Memory")]
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    np.save("node_feat.npy", rng.random((1000, 128), np.float32))
    np.save("label.npy", rng.integers(0, 10, 1000))
    np.save("edge_index.npy", rng.integers(0, 1000, (2, 5000)))
    names: dict[str, object] = {"rh": rh, "train": torch.arange(200)}
    for language, block in re.findall(r"```(python|diff)\n(.*?)```", text, re.DOTALL):
        before, after = (
            block if language == "python" else "".join(re.findall(rf"^[ {sign}](.*\n)", block, re.MULTILINE))
            for sign in "-+"
        )
        compile(before, document, "exec")
        exec(compile(after, document, "exec"), names)
        if language == "diff":
            batch = next(iter(names["loader"]))  # type: ignore[call-overload]
            assert batch.batch_size in (64, 200)
            assert batch.x.shape == (batch.num_nodes, 128)


def test_the_code_about_pyg_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "pyg.md").read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile("\n".join(blocks), "docs/pyg.md", "exec"), names)
    assert names["batch"].num_sampled_nodes[0] == 100  # type: ignore[attr-defined]
    assert next(iter(names["links"])).edge_label.sum() == 100  # type: ignore[call-overload]
    assert (names["part"]["paper"].y == 3).all()  # type: ignore[index]


def test_the_code_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[0]
    monkeypatch.chdir(tmp_path)
    shop_folder(tmp_path / "data")
    exec(compile(code, "README.md", "exec"), {})
    scores = pd.read_parquet("churn.parquet")
    assert {"user_id", "anchor_time", "score", "class"} <= set(scores.columns)
    assert 0 < len(scores) <= 60
