from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import relhop as rh
from relhop.errors import TrainingError
from tests import clicks, films, ranking_store
from tests.evaluation.conftest import PLAN


@pytest.fixture(scope="module")
def evaluation(trainer: rh.Trainer, table: rh.TrainingTable, store: rh.Store):
    return rh.evaluate(trainer, table, store, max_examples=100, progress=False)


def test_metrics_of_model_and_baselines_are_those_of_training_with_intervals(
    evaluation, trainer, table, store
) -> None:
    metrics = evaluation.metrics
    model = metrics[metrics["name"] == "model"].set_index("metric")
    assert model["value"].to_dict() == pytest.approx(trainer.evaluate(table.splits["test"], store))
    assert ((model["low"] <= model["value"]) & (model["value"] <= model["high"])).all()
    assert list(dict.fromkeys(metrics["name"])) == [
        "model",
        "global mean",
        "majority",
        "entity mean",
        "last value",
    ]
    worse = evaluation.baselines.set_index("name")
    assert worse.loc["global mean", "low"] > 0.2
    assert evaluation.metric == "auroc"
    assert len(evaluation.history) == 3


def test_slices_are_of_the_entity_s_columns_and_importance_and_explanations_are_there(evaluation) -> None:
    assert list(evaluation.slices) == ["city", "age", "born"]
    assert set(evaluation.slices["city"]["slice"]) == {"Rome", "Oslo", "Bern", "missing"}
    assert set(evaluation.importance["kind"]) == {"column", "table", "step", "hop"}
    assert list(evaluation.explanations) == ["highest", "lowest", "most wrong"]
    assert evaluation.explanations["highest"].score > evaluation.explanations["lowest"].score
    assert evaluation.calibration.table["examples"].sum() == 160


def test_the_page_holds_every_part_and_fetches_nothing(evaluation, tmp_path: Path) -> None:
    page = evaluation.to_html(tmp_path / "report.html").read_text()
    for text in (
        "train: 400 examples",
        "num_neighbors",
        "The course of training",
        "How good: test split",
        "Calibration",
        "brier",
        "By city",
        "Columns: values permuted",
        "Hops: nothing from that hop on is sampled.",
        "The most wrong: users",
        "Limits and notes",
    ):
        assert text in page, text
    assert page.count('<g class="node">') == sum(len(e.nodes) for e in evaluation.explanations.values())
    assert "<script" not in page
    assert "src=" not in page
    assert "@import" not in page
    assert all(target.startswith("#") for target in re.findall(r'href="([^"]*)"', page))
    assert not re.findall(r"url\((?!#)", page)


def test_slices_can_be_a_frame_and_unknown_ones_are_refused(trainer, table, store) -> None:
    frame = pd.DataFrame({"half": np.arange(160) // 80})
    found = rh.evaluate(trainer, table, store, slices=frame, max_examples=0, progress=False)
    assert found.importance is None
    assert found.slices["half"].groupby("slice")["examples"].first().to_dict() == {"0": 80, "1": 80}
    with pytest.raises(TrainingError) as error:
        rh.evaluate(trainer, table, store, slices=["town"], max_examples=0, progress=False)
    assert str(error.value).startswith("table 'users' has no column 'town'.")
    with pytest.raises(TrainingError) as error:
        rh.evaluate(trainer, table, store, split="tset")
    assert str(error.value) == "there is no split 'tset'. Did you mean 'test'?"
    with pytest.raises(TrainingError, match="no labelled examples in its split 'val'"):
        rh.evaluate(trainer, table.splits["test"], store, split="val")


def test_a_split_alone_has_no_baselines_but_a_note(trainer, table, store) -> None:
    found = rh.evaluate(trainer, table.splits["test"], store, max_examples=0, progress=False)
    assert set(found.metrics["name"]) == {"model"}
    assert found.notes == ["the table has no examples before its split 'test', so no baselines"]


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_other_tasks_are_judged_and_explained(store, tmp_path: Path, task: str) -> None:
    table = clicks.training_table(store, task)
    plan = PLAN.with_overrides({"optimization.max_epochs": 1})
    trainer = rh.Trainer(plan, out=tmp_path / "model", accelerator="cpu", progress=False)
    trainer.fit(table, store)
    found = rh.evaluate(trainer, table, store, max_examples=50, progress=False)
    assert found.metric == ("accuracy" if task == "multiclass" else "mae")
    of = found.explanations["highest"].of
    assert of in ("probability of high", "probability of low", "probability of odd", "predicted value")
    assert next(iter(found.calibration.values)) == ("ece" if task == "multiclass" else "bias")


def test_rankings_have_metrics_slices_and_a_note_about_the_rest(tmp_path: Path) -> None:
    store = ranking_store.build(tmp_path)
    table = rh.PredictiveQuery(store, ranking_store.ORDERS).generate_training_table(store)
    plan = ranking_store.plan(**{"optimization.max_epochs": 1})
    trainer = rh.Trainer(plan, out=tmp_path / "model", accelerator="cpu", progress=False)
    result = trainer.fit(table, store)
    found = rh.evaluate(trainer, table, store, progress=False)
    model = found.metrics[found.metrics["name"] == "model"].set_index("metric")
    assert model["value"].to_dict() == pytest.approx(result.metrics["test"])
    assert not any(math.isnan(low) for low in model["low"])
    rivals = found.metrics[found.metrics["metric"] == "map@5"].set_index("name")["value"].drop("model")
    assert rivals.to_dict() == pytest.approx({k: v["map@5"] for k, v in result.baselines["test"].items()})
    assert (found.calibration, found.importance, found.explanations) == (None, None, {})
    page = found.to_html(tmp_path / "report.html").read_text()
    assert "a ranking has no calibration, importance or explained scores" in page
    with pytest.raises(TrainingError, match="a ranking has no single score to explain"):
        rh.explain(trainer, store, 0, "2020-03-01")


def test_lists_text_and_a_transformer_are_judged_and_explained(tmp_path: Path) -> None:
    store = films.store(tmp_path)
    days = pd.Timestamp("2020-01-06") + pd.to_timedelta(np.arange(30), unit="D")
    labels = pd.DataFrame({"film": np.tile(np.arange(6), 30), "anchor_time": np.repeat(days, 6)})
    labels["target"] = (labels.index * 7 % 5 < 2).astype(int)
    labels["split"] = np.repeat(["train", "val", "test"], 60)
    table = rh.TrainingTable.from_pandas(labels, store, entity_table="films")
    plan = PLAN.with_overrides({"model_architecture.body": "transformer", "optimization.max_epochs": 1})
    trainer = rh.Trainer(plan, out=tmp_path / "model", accelerator="cpu", progress=False)
    trainer.fit(table, store)
    found = rh.evaluate(trainer, table, store, slices=["genres"], progress=False)
    columns = found.importance[found.importance["kind"] == "column"]
    assert set(columns["name"]) == {
        *("films.genres", "films.title", "films.words"),
        *("ratings.stars", "ratings.note", "ratings.at"),
    }
    assert (columns["worse_by"] != 0).sum() >= 5
    assert found.slices["genres"].groupby("slice")["examples"].first().sum() == 60
    highest = found.explanations["highest"]
    scores = trainer.predict(table.splits["test"], store).scores
    assert highest.score == pytest.approx(scores.max(), abs=1e-6)
    assert "note note" in str(highest)
    assert highest.parts["influence"].abs().max() > 0
