"""Models of lists, text and vectors, from tables to scores."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

import relhop as rh
from relhop.checkpoint import Description, Task
from relhop.errors import PlanError, TrainingError
from relhop.predictor import check_asked
from relhop.statistics import fit_statistics
from relhop.trainer import Trainer
from tests import films

QUERY = "PREDICT AVG(ratings.stars, 0, 6, days) FOR EACH films.film"


def training_table(store):
    query = rh.PredictiveQuery(store, QUERY)
    return query.generate_training_table(store, val_start="2020-01-20", test_start="2020-01-28")


def trained(store, folder, **overrides):
    plan = rh.ModelPlan().with_overrides(
        {
            "optimization.max_epochs": 2,
            "optimization.min_steps_per_epoch": 2,
            "model_architecture.channels": 8,
            "neighbor_sampling.num_neighbors": [4],
            **{name.replace("__", "."): value for name, value in overrides.items()},
        }
    )
    table = training_table(store)
    result = Trainer(plan, out=folder, accelerator="cpu", progress=False).fit(table, store)
    return Trainer.load(result.path, accelerator="cpu"), table, result


def test_a_model_of_lists_and_text_predicts_the_same_after_reload_and_from_a_store_with_more_rows(tmp_path):
    store = films.store(tmp_path)
    model, table, result = trained(store, tmp_path / "model")
    scores = model.predict(table, store).scores
    assert np.isfinite(scores).all()
    again = Trainer.load(result.path, accelerator="cpu").predict(table, store)
    np.testing.assert_array_equal(again.scores, scores)
    later = films.store(tmp_path, 60)
    np.testing.assert_array_equal(model.predict(table, later).scores, scores)


def test_later_rows_change_no_statistics(tmp_path):
    cut = rh.to_micros("2020-01-11")
    early, late = (fit_statistics(films.store(tmp_path, count), cut) for count in (11, 40))
    assert early == late


def test_text_makes_a_difference_and_can_be_dropped(tmp_path):
    store = films.store(tmp_path)
    model, table, _ = trained(store, tmp_path / "a")
    without, _, _ = trained(store, tmp_path / "b", column_processing__drop=["films.title", "ratings.note"])
    assert "title" in model._predictor.described.statistics.columns["films"]
    assert sum(p.numel() for p in without._predictor.model.parameters()) < sum(
        p.numel() for p in model._predictor.model.parameters()
    )
    assert not np.array_equal(model.predict(table, store).scores, without.predict(table, store).scores)


def test_numbers_are_read_as_categories_where_the_plan_says_so(tmp_path):
    store = films.store(tmp_path)
    model, table, _ = trained(
        store, tmp_path / "m", column_processing__encode={"ratings.stars": "categorical"}
    )
    assert model._predictor.described.statistics.columns["ratings"]["stars"].of_numbers
    assert np.isfinite(model.predict(table, store).scores).all()
    with pytest.raises(PlanError, match=r"^column_processing.encode: 'films.title' is text in the store"):
        trained(store, tmp_path / "m", column_processing__encode={"films.title": "categorical"})


def test_a_store_of_another_text_embedder_does_not_fit(tmp_path):
    model, table, _ = trained(films.store(tmp_path), tmp_path / "m")
    (tmp_path / "other").mkdir()
    other = films.store(tmp_path / "other", text_embedder=rh.HashedNgrams(16))
    message = (
        "the store does not fit the model: its text is embedded by 'hashed-ngrams-1, dim=16', the model reads"
        " 'hashed-ngrams-1, dim=64'; build the store with that text_embedder"
    )
    with pytest.raises(TrainingError, match=f"^{re.escape(message)}$"):
        model.predict(table, other)


def test_a_store_whose_tensors_have_another_width_does_not_fit(tmp_path):
    store = films.vector_store(tmp_path)
    (tmp_path / "wide").mkdir()
    wide = films.vector_store(tmp_path / "wide", vectors=np.zeros((6, 3), np.float32))
    query = rh.PredictiveQuery(store, "PREDICT COUNT(visits.*, 0, 5, days) > 0 FOR EACH places.id")
    table = query.generate_prediction_table(store)
    described = Description(
        rh.ModelPlan(), Task.of(table, None), store.schema, fit_statistics(store, 0), False
    )
    check_asked(described, table, store)
    message = "the store does not fit the model: 'places.x' has 3 numbers a row, the model reads 2"
    with pytest.raises(TrainingError, match=f"^{message}$"):
        check_asked(replace(described, schema=wide.schema), table, wide)


@pytest.mark.parametrize("target", ["genres", "title"])
def test_what_says_the_same_as_a_static_target_is_withheld(tmp_path, target):
    frame = films.graph().sources["films"]
    count = frame.num_rows
    repeated = {name: frame[name].to_pylist() * 3 for name in frame.column_names}
    repeated["film"] = list(range(3 * count))
    repeated["kind"] = [f"kind of {value}" if value else None for value in repeated[target]]
    graph = rh.Graph(
        [rh.Table("films", source=pa.table(repeated), pkey_col="film",
                  stypes={"kind": "categorical", "genres": "multicategorical", "title": "text"})]
    )  # fmt: skip
    store = graph.snapshot(tmp_path / "s.rh", progress=False)
    table = rh.PredictiveQuery(store, "PREDICT films.kind FOR EACH films.film").generate_training_table(store)
    assert f"films.{target}" in table.withheld
