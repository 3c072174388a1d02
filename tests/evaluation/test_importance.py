from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

import relhop as rh
from relhop.aggregate_features import AggregateFeatures
from relhop.aggregates import Seen
from relhop.errors import TrainingError
from relhop.evaluation.importance import importance
from relhop.evaluation.permuted import permutations, with_values_of
from relhop.predictor import Predictor, seed_loader
from relhop.statistics import Statistics
from tests import clicks
from tests.evaluation.conftest import PLAN


@pytest.fixture(scope="module")
def found(trainer: rh.Trainer, table: rh.TrainingTable, store: rh.Store):
    return importance(trainer.predictor, table.splits["test"], store, progress=False)


def test_what_the_label_depends_on_is_important_and_noise_is_not(found) -> None:
    by_name = found[found["kind"] == "column"].set_index("name")
    assert by_name.index[0] == "clicks.score"
    assert by_name.loc["clicks.score", "low"] > 0.1
    assert by_name.loc[["clicks.device", "clicks.seen"], "worse_by"].abs().max() < 0.02
    tables = found[found["kind"] == "table"].set_index("name")
    assert tables.loc["clicks", "low"] > 0.1
    assert set(found["metric"]) == {"auroc"}


def test_every_column_table_step_and_hop_that_batches_hold_is_told(found) -> None:
    names = {kind: set(part["name"]) for kind, part in found.groupby("kind")}
    assert names == {
        "column": {
            *("users.city", "users.age", "users.born"),
            *("clicks.score", "clicks.device", "clicks.seen", "clicks.at"),
        },
        "table": {"users", "clicks"},
        "step": {
            "users.user_id->clicks.user_id",
            "clicks.user_id->users.user_id",
            "clicks.item_id->items.item_id",
        },
        "hop": {"hop1", "hop2"},
    }


@pytest.mark.parametrize(
    ("kind", "name", "hops"),
    [
        ("hop", "hop1", [0, 0]),
        ("hop", "hop2", [8, 0]),
        (
            "step",
            "users.user_id->clicks.user_id",
            [{"default": 8, "users.user_id->clicks.user_id": 0}, {"default": 2, "users.user_id->clicks.user_id": 0}],
        ),
    ],
)  # fmt: skip
def test_leaving_out_is_a_plan_that_does_not_sample_it(
    found, trainer, table, store, kind, name, hops
) -> None:
    predictor, test = trainer.predictor, table.splits["test"]
    plan = PLAN.with_overrides({"neighbor_sampling.num_neighbors": hops})
    less = Predictor(predictor.model, dataclasses.replace(predictor.described, plan=plan))
    with_all, without = (
        trainer.evaluate(test, store)["auroc"],
        _auroc(less.predict(test, store).scores, np.asarray(test.target)),
    )
    row = found[(found["kind"] == kind) & (found["name"] == name)].iloc[0]
    assert row["worse_by"] == pytest.approx(with_all - without, abs=1e-6)


def _auroc(scores: np.ndarray, target: np.ndarray) -> float:
    positive, negative = scores[target == 1][:, None], scores[target == 0]
    return float(((positive > negative) + (positive == negative) / 2).mean())


class NewestClick(torch.nn.Module):
    """A module of the user's, that reads nothing but the age of the newest click."""

    def forward(self, batch):
        clicks, users = batch["clicks"], batch["users"]
        ages = (users.seed_time[clicks.batch] - clicks.time).float() / 86_400e6
        newest = torch.full((users.batch_size,), 100.0).scatter_reduce(0, clicks.batch, ages, "amin")
        return -newest[:, None]


def test_modules_of_the_user_are_asked_in_the_same_way(trainer, table, store) -> None:
    described = dataclasses.replace(
        trainer.predictor.described, own_module=True, statistics=Statistics(0, {}, {})
    )
    test = table.splits["test"]
    found = importance(Predictor(NewestClick(), described), test, store, metric="log_loss", progress=False)
    by_name = found[found["kind"] == "column"].set_index("name")["worse_by"]
    assert by_name.drop("clicks.at").eq(0).all()
    assert by_name["clicks.at"] != 0


def test_columns_that_the_plan_drops_are_left_out(trainer, table, store) -> None:
    plan = PLAN.with_overrides(
        {"column_processing.drop": ["clicks.score", "users.city", "users.age", "users.born"]}
    )
    predictor = trainer.predictor
    asked = Predictor(predictor.model, dataclasses.replace(predictor.described, plan=plan))
    found = importance(asked, table.splits["test"], store, max_examples=50, resamples=10, progress=False)
    names = set(found[found["kind"] == "column"]["name"])
    assert names == {"clicks.device", "clicks.seen", "clicks.at"}
    assert set(found[found["kind"] == "table"]["name"]) == {"clicks"}


def test_values_move_within_their_column_alone_and_ages_with_their_timestamps(table, store) -> None:
    (batch, *_) = seed_loader(store, table.splits["test"], PLAN)
    frame = batch["clicks"].tf
    rows = torch.randperm(frame.num_rows)
    changed = with_values_of(frame, rows, frozenset(["seen"]))
    assert changed.col_names_dict == frame.col_names_dict
    for stype, names in frame.col_names_dict.items():
        for place, name in enumerate(names):
            before, after = (f.feat_dict[stype][:, place] for f in (frame, changed))
            expected = before[rows] if name in ("seen", "seen (age)") else before
            assert torch.equal(after.nan_to_num(-9), expected.nan_to_num(-9)), name


def test_a_permutation_is_keyed_moves_ages_between_rows_and_leaves_the_batch_as_it_was(table, store) -> None:
    (batch, *_) = seed_loader(store, table.splits["test"], PLAN)
    time, frame = batch["clicks"].time.clone(), batch["clicks"].tf
    whole = next(p for p in permutations(batch, clicks.SCHEMA) if (p.kind, p.name) == ("table", "clicks"))
    changed = whole.of(batch, "users", (0, 1))
    seed_time = batch["users"].seed_time[batch["clicks"].batch]
    before, after = seed_time - time, seed_time - changed["clicks"].time
    assert torch.equal(before.sort().values, after.sort().values)
    assert not torch.equal(before, after)
    assert torch.equal(batch["clicks"].time, time)
    assert batch["clicks"].tf is frame
    assert torch.equal(whole.of(batch, "users", (0, 1))["clicks"].time, changed["clicks"].time)
    assert not torch.equal(whole.of(batch, "users", (0, 2))["clicks"].time, changed["clicks"].time)


def test_aggregates_move_between_the_seeds_as_a_whole(table, store) -> None:
    test = table.splits["test"]
    seen = Seen.of(store, test.rows, test.anchor_times, np.zeros(len(test), np.int64))
    features = AggregateFeatures.fit(store, "users", seen, int(test.anchor_times.min()))
    (batch, *_) = seed_loader(store, test, PLAN, aggregates=features)
    (asked,) = (p for p in permutations(batch, clicks.SCHEMA) if p.aggregates)
    assert (asked.kind, asked.name) == ("aggregates", "users")
    before, after = batch["users"].aggregates, asked.of(batch, "users", (0, 1))["users"].aggregates
    assert sorted(map(bytes, before.numpy())) == sorted(map(bytes, after.numpy()))
    assert not torch.equal(before, after)
    assert batch["users"].aggregates is before


def test_examples_without_labels_and_metrics_that_do_not_exist_are_refused(trainer, table, store) -> None:
    with pytest.raises(TrainingError, match="no labels to judge by"):
        importance(trainer.predictor, dataclasses.replace(table, target=None), store)
    with pytest.raises(ValueError, match="there is no metric 'f1'; choose one of auroc"):
        importance(
            trainer.predictor, table.splits["test"], store, metric="f1", max_examples=20, progress=False
        )
