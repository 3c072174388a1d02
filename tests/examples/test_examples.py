"""The Formula 1 example: the benchmark's own label rows, and one question from training to report."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

import relhop as rh
from examples.f1 import demo, formula1
from examples.ranking import questions
from relhop.report import Report


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> rh.Store:
    return formula1.graph().snapshot(tmp_path_factory.mktemp("f1") / "f1.rh", progress=False)


@pytest.mark.parametrize("name", formula1.QUESTIONS)
def test_label_rows_are_the_benchmarks(store: rh.Store, name: str) -> None:
    question = formula1.QUESTIONS[name]
    table = question.training_table(store)
    assert tuple(len(split) for split in table.splits.values()) == question.label_rows


def test_rows_visible_at_the_test_cut_are_the_benchmarks(store: rh.Store) -> None:
    frozen = store.as_of(formula1.TEST_START)
    visible = dict(zip(frozen.tables, frozen.caps().tolist(), strict=True))
    assert visible["results"] == 20_323
    assert visible["driver_standings"] == 28_115
    assert sum(visible.values()) == 74_066


def test_a_global_mean_is_off_by_what_the_benchmark_says(store: rh.Store) -> None:
    """Official: 0.64233581736531 of the training targets' standard deviation, fitted on train and val."""
    splits = formula1.QUESTIONS["driver-position"].training_table(store).splits
    train, val, test = (splits[name].target.astype("float64") for name in ("train", "val", "test"))
    mean = (train.sum() + val.sum()) / (len(train) + len(val))
    assert abs(test - mean).mean() / train.std(ddof=1) == pytest.approx(0.64233581736531, rel=1e-4)


def test_a_question_is_trained_judged_predicted_and_reported(
    store: rh.Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "OUT", tmp_path)
    report = Report("test")
    metrics = demo.run("driver-top3", formula1.QUESTIONS["driver-top3"], store, 1, report)
    demo.show({"driver-top3": metrics})
    assert metrics["auroc"] >= 0.76
    assert metrics["auroc_rolling"] >= 0.85
    assert metrics["baselines"]["entity mean"] == pytest.approx(0.5565, abs=1e-3)
    json.dumps(metrics)
    scores = pd.read_parquet(tmp_path / "predictions" / "driver-top3.parquet")
    assert list(scores.columns) == ["driverId", "anchor_time", "score", "class"]
    assert len(scores) == store.tables["drivers"].num_rows
    page = report.write(tmp_path / "report.html").read_text()
    assert page.count("<svg") >= 8
    assert "Three scores explained" in page


def test_drivers_and_circuits_are_ranked_for_as_the_benchmark_asks(tmp_path: Path) -> None:
    question = questions.QUESTIONS["circuits"]
    table = question.training_table(
        question.graph(formula1.DATA).snapshot(tmp_path / "f1.rh", progress=False)
    )
    assert (table.item_table, table.top_k) == ("circuits", 10)
    assert {name: len(split) for name, split in table.splits.items()} == {
        "train": 2649,
        "val": 27,
        "test": 27,
    }
    assert table.splits["test"].lists.lengths.mean() == pytest.approx(16.9, abs=0.05)
