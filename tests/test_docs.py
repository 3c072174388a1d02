"""The documents say what is so: links lead somewhere, and the README's code runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

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


def test_the_code_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[0]
    monkeypatch.chdir(tmp_path)
    shop_folder(tmp_path / "data")
    exec(compile(code, "README.md", "exec"), {})
    scores = pd.read_parquet("churn.parquet")
    assert {"user_id", "anchor_time", "score", "class"} <= set(scores.columns)
    assert 0 < len(scores) <= 60
