from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch_frame

import relhop as rh
from relhop.aggregate_features import AggregateFeatures
from relhop.aggregates import Seen
from relhop.errors import TrainingError
from relhop.evaluation.explanation import explain_example
from relhop.evaluation.subgraph_drawing import MAX_DRAWN, age_in_words, draw_subgraph
from relhop.predictor import Predictor
from relhop.score_training import plan_model
from relhop.statistics import Statistics
from tests import clicks
from tests.evaluation.conftest import PLAN

ALL = PLAN.with_overrides({"neighbor_sampling.num_neighbors": [-1, -1]})
EXAMPLE = 3


@pytest.fixture(scope="module")
def predictor(trainer: rh.Trainer) -> Predictor:
    """Sees every row there is, so that a row less is a row less and not another draw."""
    predictor = trainer.predictor
    return Predictor(predictor.model, dataclasses.replace(predictor.described, plan=ALL))


@pytest.fixture(scope="module")
def early(table: rh.TrainingTable) -> rh.TrainingTable:
    """Few days in, so that neighborhoods are small."""
    return table.take(np.flatnonzero(table.anchor_times == table.anchor_times.min()))


def test_the_score_is_that_of_a_prediction_and_all_its_rows_are_told(trainer, table, store) -> None:
    test = table.splits["test"]
    found = explain_example(trainer.predictor, test, store, EXAMPLE)
    assert found.score == pytest.approx(trainer.predict(test, store).scores[EXAMPLE], abs=1e-6)
    assert found.anchor_time == test.anchor_times[EXAMPLE]
    assert (found.nodes["key"][0], found.nodes["hop"][0], found.nodes["parent"][0]) == ("users 0", 0, -1)
    rest = found.nodes.iloc[1:]
    assert (found.nodes["hop"].to_numpy()[rest["parent"]] == rest["hop"] - 1).all()
    assert (rest["age_days"].dropna() >= 0).all()
    assert rest["influence"].notna().all()
    assert set(found.edges["step"]) >= {"users.user_id->clicks.user_id", "clicks.item_id->items.item_id"}
    assert found.to_pandas()["influence"].abs().is_monotonic_decreasing or np.isnan(
        found.to_pandas()["influence"].iloc[-1]
    )


def test_every_copy_of_a_neighborhood_has_the_seed_s_aggregates(trainer, table, store) -> None:
    test = table.splits["test"]
    seen = Seen.of(store, test.rows, test.anchor_times, np.zeros(len(test), np.int64))
    features = AggregateFeatures.fit(store, "users", seen, int(test.anchor_times.min()))
    described = dataclasses.replace(trainer.predictor.described, aggregates=features)
    predictor = Predictor(plan_model(described), described)
    found = explain_example(predictor, test, store, EXAMPLE)
    assert found.score == pytest.approx(predictor.predict(test, store).scores[EXAMPLE], abs=1e-6)
    assert found.nodes["influence"].iloc[1:].notna().all()


def test_values_and_keys_are_those_of_the_store(trainer, table, store) -> None:
    found = explain_example(trainer.predictor, table.splits["test"], store, EXAMPLE)
    raw = clicks.frames()["clicks"].set_index("click_id")
    shown = found.nodes[found.nodes["table"] == "clicks"]
    for row in shown.to_dict("records"):
        record = raw.loc[int(row["key"].removeprefix("clicks "))]
        assert row["values"]["device"] == record["device"]
        assert row["time"] == record["at"]
        assert list(row["values"]) == ["score", "device", "seen"]


def test_influence_is_what_a_store_without_the_row_would_change(
    predictor, early, store, tmp_path: Path
) -> None:
    example = int(np.flatnonzero(early.rows == 4)[0])
    found = explain_example(predictor, early, store, example)
    mine = found.nodes[(found.nodes["table"] == "clicks") & (found.nodes["hop"] == 1)]
    gone = mine.iloc[0]
    frames = clicks.frames()
    key = int(gone["key"].removeprefix("clicks "))
    frames["clicks"] = frames["clicks"][frames["clicks"]["click_id"] != key]
    less = clicks.build(tmp_path / "less.rh", tables=frames)
    without = predictor.predict(early, less).scores[example]
    assert found.score - gone["influence"] == pytest.approx(without, abs=1e-6)
    assert abs(gone["influence"]) > 1e-5


def test_parts_and_the_entity_alone_are_what_plans_without_them_give(predictor, early, store) -> None:
    found = explain_example(predictor, early, store, EXAMPLE)
    alone = dataclasses.replace(
        predictor.described, plan=PLAN.with_overrides({"neighbor_sampling.num_neighbors": [0, 0]})
    )
    expected = Predictor(predictor.model, alone).predict(early, store).scores[EXAMPLE]
    assert found.alone == pytest.approx(expected, abs=1e-6)
    (part,) = found.parts.to_dict("records")
    assert part["step"] == "users.user_id->clicks.user_id"
    assert part["rows"] == (found.nodes["hop"] == 1).sum()
    assert part["influence"] == pytest.approx(found.score - found.alone, abs=1e-6)


class ScoreSum(torch.nn.Module):
    """A module of the user's: the sum of the scores of all clicks that it is shown, without looking at edges."""

    def forward(self, batch):
        nodes = batch["clicks"]
        place = nodes.tf.col_names_dict[torch_frame.numerical].index("score")
        scores = nodes.tf.feat_dict[torch_frame.numerical][:, place].nan_to_num()
        return torch.zeros(batch["users"].batch_size).scatter_add(0, nodes.batch, scores)[:, None]


def sigmoid(x: float) -> float:
    return 1 / (1 + np.exp(-x))


def test_of_a_module_of_the_user_the_influence_is_exact(predictor, early, store) -> None:
    described = dataclasses.replace(predictor.described, own_module=True, statistics=Statistics(0, {}, {}))
    found = explain_example(Predictor(ScoreSum(), described), early, store, EXAMPLE)
    scores = np.array([row["values"].get("score", 0.0) for row in found.nodes.to_dict("records")])
    scores = np.nan_to_num(scores.astype(float))
    assert found.score == pytest.approx(sigmoid(scores.sum()))
    mine = found.nodes.index[(found.nodes["table"] == "clicks")]
    assert len(mine) == 3
    for node in mine:
        without = sigmoid(scores.sum() - scores[node])
        assert found.nodes["influence"][node] == pytest.approx(found.score - without, abs=1e-6)


def test_one_entity_is_explained_by_its_key_and_time(trainer, store) -> None:
    found = rh.explain(trainer, store, 6, "2020-02-01")
    assert found.entity == "users 6"
    text = str(found)
    assert text.startswith(f"users 6 at 2020-02-01: probability {found.score:.4g}\nits own row alone: ")
    assert "rows by users.user_id->clicks.user_id" in text
    assert text.count("days before") + text.count("hours before") >= 3
    with pytest.raises(TrainingError, match="1 of 1 keys are not in 'users': 99"):
        rh.explain(trainer, store, 99, "2020-02-01")


def test_outputs_and_examples_that_do_not_exist_are_refused(trainer, table, store) -> None:
    with pytest.raises(IndexError, match="there is no output 1; the model gives 1"):
        explain_example(trainer.predictor, table, store, 0, output=1)
    with pytest.raises(IndexError, match="there is no example -1 in a table of 760"):
        explain_example(trainer.predictor, table, store, -1)


SVG = "{http://www.w3.org/2000/svg}"


def drawn(found) -> tuple[list[str], list[str], ET.Element]:
    root = ET.fromstring(found if isinstance(found, str) else found.to_svg())
    names = [text.text for text in root.iter(f"{SVG}text")]
    return (
        names,
        [c.find(f"{SVG}title").text for c in root.iter(f"{SVG}circle") if c.find(f"{SVG}title") is not None],
        root,
    )


def test_the_drawing_has_a_circle_a_row_a_line_to_what_it_was_found_from_and_names(
    trainer, table, store
) -> None:
    found = explain_example(trainer.predictor, table.splits["test"], store, EXAMPLE)
    names, told, root = drawn(found)
    assert len(told) == len(found.nodes)
    solid = [path for path in root.iter(f"{SVG}path") if "stroke-dasharray" not in path.attrib]
    assert len(solid) == len(found.nodes) - 1
    assert {"users (1)", "clicks (8)", "the entity", "hop 1", "hop 2"} <= set(names)
    most = found.to_pandas().iloc[0]
    assert any(name.startswith(most["key"]) and f"{most['influence']:+.3g}" in name for name in names)
    assert any("device: " in text and "influence " in text for text in told)


def test_of_many_rows_the_most_influential_are_drawn_with_what_led_to_them() -> None:
    count = 400
    rng = np.random.default_rng(0)
    hop = np.array([0] + [1] * 99 + [2] * 300)
    parent = np.concatenate([[-1], np.zeros(99, int), rng.integers(1, 100, 300)])
    influence = np.concatenate([[np.nan], rng.normal(0, 0.001, 99), rng.normal(0, 0.001, 300)])
    influence[399] = 0.5
    nodes = pd.DataFrame({"table": np.where(hop == 2, "b<c", "a"), "hop": hop, "parent": parent, "step": "s"})
    nodes["influence"], nodes["age_days"], nodes["time"] = influence, 3.0, pd.Timestamp("2020-01-01")
    nodes["key"], nodes["values"] = [f"row {i}" for i in range(count)], [{} for _ in range(count)]
    svg = draw_subgraph("t", nodes, pd.DataFrame({"source": [], "target": [], "step": []}))
    names, told, _ = drawn(svg)
    assert len(told) == MAX_DRAWN
    assert f"row {parent[399]}, 3 days before" in {text.split("\n")[0] for text in told}
    assert "row 399 · 3 days before · +0.5" in names
    assert "b<c (300)" in names
    assert any("300 rows of less influence are not drawn" in name for name in names)


def test_ages_in_words() -> None:
    assert [age_in_words(days) for days in (np.nan, 0.25, 30.2, 900)] == [
        "",
        "6 hours before",
        "30 days before",
        "2.5 years before",
    ]
