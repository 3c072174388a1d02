"""Link prediction from the query to the file of rankings, and what it must not see."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import relhop as rh
from relhop.errors import PlanError
from relhop.lists import Lists
from relhop.predictor import seed_loader
from relhop.ranking.baselines import ranking_baselines
from relhop.ranking.batches import ByAnchor, TrainingSteps
from relhop.ranking.predictor import Rankings
from relhop.ranking.visits import Visits
from relhop.ranking.withheld_visits import targets_of
from relhop.times import to_micros
from tests import ranking_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> rh.Store:
    return ranking_store.build(tmp_path_factory.mktemp("ranking"))


def trained(
    folder: Path, store: rh.Store, query: str, **overrides: object
) -> tuple[rh.TrainingResult, rh.PredictiveQuery, rh.TrainingTable]:
    question = rh.PredictiveQuery(store, query)
    table = question.generate_training_table(
        store, stride="5 days" if query == ranking_store.ORDERS else None
    )
    plan = ranking_store.plan(**overrides)
    result = rh.Trainer(plan, out=folder / "model", accelerator="cpu", progress=False).fit(table, store)
    return result, question, table


def best(baselines: dict[str, dict[str, float]], metric: str) -> float:
    return max(values[metric] for values in baselines.values())


def test_a_hybrid_beats_popularity_and_past_visits_and_loads_to_the_same_rankings(
    tmp_path: Path, store: rh.Store
) -> None:
    result, question, table = trained(tmp_path, store, ranking_store.ORDERS, **{"optimization.max_epochs": 6})
    assert result.metric == "map@5"
    for metric in ("map@5", "recall@5"):
        assert result.metrics["test"][metric] > best(result.baselines["test"], metric)
    trainer = rh.Trainer.load(result.path, accelerator="cpu")
    assert trainer.evaluate(table.splits["test"], store) == result.metrics["test"]

    found = trainer.predict(question.generate_prediction_table(store), store)
    assert isinstance(found, Rankings)
    found.to_parquet(tmp_path / "ranked.parquet")
    frame = pd.read_parquet(tmp_path / "ranked.parquet")
    assert frame.columns.tolist() == ["user_id", "anchor_time", "rank", "item", "score"]
    assert frame["rank"].tolist() == [1, 2, 3, 4, 5] * ranking_store.NUM_USERS
    assert frame["item"].str.startswith("item").all()
    assert (frame.groupby("user_id")["score"].diff().dropna() <= 0).all()
    assert not frame.duplicated(["user_id", "item"]).any()


@pytest.mark.parametrize("query", [ranking_store.ORDERS, ranking_store.LIKES])
def test_an_epoch_of_steps_begins_at_any_step(store: rh.Store, query: str) -> None:
    table = rh.PredictiveQuery(store, query).generate_training_table(store).splits["train"]
    plan = ranking_store.plan()
    entities = seed_loader(store, table, plan, training=True, kind=ByAnchor)
    assert isinstance(entities, ByAnchor)
    steps = TrainingSteps(entities, Visits.of_table(store, table), plan)
    steps.set_epoch(1)
    whole = list(steps)
    steps.set_epoch(1, start=len(whole) - 2)
    for left, right in zip(whole[-2:], steps, strict=True):
        assert torch.equal(left.keys, right.keys)
        assert torch.equal(left.positives, right.positives)
        assert torch.equal(left.entities["users"].input_id, right.entities["users"].input_id)
        assert torch.equal(left.items["items"].row, right.items["items"].row)
        assert torch.equal(left.activity, right.activity)
    assert min(steps.seconds().values()) > 0


def test_two_towers_alone_beat_popularity(tmp_path: Path, store: rh.Store) -> None:
    result, _, _ = trained(
        tmp_path, store, ranking_store.ORDERS, **{"ranking.head": "two_tower", "ranking.item_embedding": True}
    )
    assert result.metrics["test"]["map@5"] > 1.2 * result.baselines["test"]["popularity"]["map@5"]


@pytest.mark.parametrize("negatives", ["popular", "in_batch"])
def test_negatives_of_each_kind_learn(tmp_path: Path, store: rh.Store, negatives: str) -> None:
    overrides = {"ranking.negatives": negatives, "ranking.num_candidates": 48}
    result, _, _ = trained(tmp_path, store, ranking_store.ORDERS, **overrides)
    assert result.metrics["test"]["map@5"] > 1.2 * result.baselines["test"]["popularity"]["map@5"]


def test_visited_items_are_left_out_where_the_plan_says_so(tmp_path: Path, store: rh.Store) -> None:
    overrides = {"ranking.exclude_visited": True, "optimization.max_epochs": 1}
    result, question, _ = trained(tmp_path, store, ranking_store.ORDERS, **overrides)
    assert "past visited" not in result.baselines["test"]
    asked = question.generate_prediction_table(store)
    found = rh.Trainer.load(result.path, accelerator="cpu").predict(asked, store)
    assert isinstance(found, Rankings)
    past = Visits.of_table(store, asked).before(asked.rows, asked.anchor_times).items.to_pylist()
    ranked = found.ranked.items.tolist()
    assert not any(set(mine) & set(items) for mine, items in zip(past, ranked, strict=True))


def test_a_module_of_your_own_is_refused(tmp_path: Path, store: rh.Store) -> None:
    table = rh.PredictiveQuery(store, ranking_store.ORDERS).generate_training_table(store)
    with pytest.raises(rh.TrainingError, match="no place for a module of your own"):
        rh.Trainer(ranking_store.plan(), out=tmp_path / "m").fit(table, store, model=torch.nn.Linear(1, 1))


def test_a_body_that_follows_no_edges_is_refused(tmp_path: Path, store: rh.Store) -> None:
    table = rh.PredictiveQuery(store, ranking_store.ORDERS).generate_training_table(store)
    plan = ranking_store.plan().with_overrides({"model_architecture.body": "transformer"})
    with pytest.raises(rh.PlanError) as error:
        rh.Trainer(plan, out=tmp_path / "m").fit(table, store)
    assert str(error.value) == (
        "model_architecture.body is transformer; link predictions have `sage` alone, choose it"
    )


def test_static_likes_are_found_again_from_the_others(tmp_path: Path, store: rh.Store) -> None:
    result, _, _ = trained(tmp_path, store, ranking_store.LIKES, **{"optimization.max_epochs": 8})
    assert result.metrics["test"]["map@5"] > result.baselines["test"]["popularity"]["map@5"]


def test_withheld_likes_change_no_ranking(tmp_path: Path, store: rh.Store) -> None:
    """The rankings of a store that never had the likes that are asked for are the same."""
    everything = {"neighbor_sampling.num_neighbors": [-1, -1, -1, -1], "ranking.item_neighbors": [-1, -1]}
    result, _, table = trained(
        tmp_path, store, ranking_store.LIKES, **everything, **{"optimization.max_epochs": 1}
    )
    asked = table.splits["test"]
    trainer = rh.Trainer.load(result.path, accelerator="cpu")
    found = trainer.predict(asked, store)
    assert isinstance(found, Rankings)

    data = ranking_store.frames()
    targets = targets_of(asked)
    assert targets.lists is not None
    names = data["items"]["item_id"].to_numpy()
    pairs = zip(targets.rows[targets.lists.owners], names[targets.lists.values], strict=True)
    likes = data["likes"].set_index(["user_id", "item_id"]).drop(list(pairs)).reset_index()
    assert len(likes) == len(data["likes"]) - len(targets.lists.values)
    (tmp_path / "other").mkdir()
    other = ranking_store.build(tmp_path / "other", data | {"likes": likes})
    unlabelled = replace(asked, lists=None)
    again = trainer.predict(unlabelled, other)
    assert isinstance(again, Rankings)
    np.testing.assert_array_equal(found.ranked.items, again.ranked.items)
    np.testing.assert_allclose(found.ranked.scores, again.ranked.scores, rtol=1e-4, atol=1e-5)


def test_targets_are_half_of_the_items_rounded_up_and_other_keys_choose_others(store: rh.Store) -> None:
    table = rh.PredictiveQuery(store, ranking_store.LIKES).generate_training_table(store)
    assert table.lists is not None
    first, second = targets_of(table, 1).lists, targets_of(table, 2).lists
    assert first is not None
    assert second is not None
    assert first.lengths.tolist() == ((table.lists.lengths + 1) // 2).tolist()
    assert first.values.tolist() != second.values.tolist()
    assert all(set(a) <= set(b) for a, b in zip(first.to_pylist(), table.lists.to_pylist(), strict=True))


def test_visits_are_counted_up_to_the_anchor_time_and_no_further(store: rh.Store) -> None:
    links = ("orders.user_id", "orders.item_id")
    visits, orders = Visits(store, links), ranking_store.frames()["orders"]
    item = orders["item_id"].str.removeprefix("item").astype(int)
    for day in (0.0, 3.5, 40.0, 500.0):
        anchor = ranking_store.START + pd.Timedelta(days=day)
        time = to_micros(anchor.to_pydatetime())
        for days in (7, 30, None):
            seen = orders["at"] <= anchor
            if days is not None:
                seen &= orders["at"] > anchor - pd.Timedelta(days=days)
            expected = np.bincount(item[seen], minlength=ranking_store.NUM_ITEMS)
            assert visits.recent_counts(days, time).tolist() == expected.tolist()
        past = visits.before(np.arange(ranking_store.NUM_USERS), np.full(ranking_store.NUM_USERS, time))
        seen = orders["at"] <= anchor
        for user, items in enumerate(past.items.to_pylist()):
            mine = item[seen & (orders["user_id"] == user)]
            assert items == sorted(set(mine))
            begin = past.items.offsets[user]
            assert past.counts[begin : begin + len(items)].tolist() == [int((mine == i).sum()) for i in items]
            assert past.newest[begin : begin + len(items)].tolist() == [
                mine[mine == i].index.max() for i in items
            ]


def test_baselines_by_hand(tmp_path: Path) -> None:
    data = ranking_store.frames()
    days = [0, 1, 2, 3, 110, 111, 119]
    data["orders"] = pd.DataFrame(
        {
            "user_id": [0, 0, 0, 1, 1, 2, 2],
            "item_id": ["item3", "item5", "item3", "item7", "item7", "item7", "item9"],
            "at": ranking_store.START + pd.to_timedelta(days, unit="D"),
        }
    )
    store = ranking_store.build(tmp_path, data)
    visits = Visits(store, ("orders.user_id", "orders.item_id"))
    anchor = to_micros((ranking_store.START + pd.Timedelta(days=112)).to_pydatetime())
    table = replace(
        rh.PredictiveQuery(store, ranking_store.ORDERS).generate_prediction_table(store),
        rows=np.array([0, 3]),
        anchor_times=np.full(2, anchor),
        lists=Lists.from_lengths(np.array([0, 0]), np.empty(0, np.int64)),
    )
    found = ranking_baselines(table, visits, 3)
    assert found["popularity"].tolist() == [[7, 3, 5]] * 2
    assert found["popularity of 7 days"].tolist() == [[7, 3, 5]] * 2
    assert found["past visited"].tolist() == [[3, 5, -1], [-1, -1, -1]]
    assert found["past visited, then popularity"].tolist() == [[3, 5, 7], [7, 3, 5]]
    assert ranking_baselines(table, visits, 3, exclude_visited=True)["popularity"].tolist() == [
        [7, 0, 1],
        [7, 3, 5],
    ]


def test_a_ranking_takes_no_aggregates(tmp_path: Path, store: rh.Store) -> None:
    with pytest.raises(PlanError, match=r"^column_processing\.aggregates is true, but a ranking takes none"):
        trained(tmp_path, store, ranking_store.LIKES, **{"column_processing.aggregates": True})
