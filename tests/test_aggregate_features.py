from __future__ import annotations

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from relhop import aggregate_features
from relhop import aggregates as module
from relhop.aggregate_features import AggregateFeatures, evenly
from relhop.aggregates import Seen, aggregates
from relhop.times import to_micros
from tests import clicks

DAY = 86_400_000_000
CUT = to_micros("2020-02-01")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return clicks.build(tmp_path_factory.mktemp("aggregate_features") / "clicks.rh")


def seen(store, until, users=range(clicks.NUM_USERS)):
    rows = store.rows_of("users", list(users))
    return Seen.of(store, rows, np.full(len(rows), to_micros(until)), np.zeros(len(rows), np.int64))


@pytest.fixture(scope="module")
def features(store):
    return AggregateFeatures.fit(store, "users", seen(store, "2020-02-01"), CUT)


def test_numbers_are_standardised_by_training_examples(store, features):
    examples = seen(store, "2020-02-01")
    frame = aggregates(store, "users", examples, features.frequent)
    numbers = features.of(store, examples)
    assert numbers.shape == (clicks.NUM_USERS, features.width)
    assert numbers.dtype == np.float32
    place = list(features.numbers).index("clicks_user_id_count_30")
    counts = frame["clicks_user_id_count_30"].to_numpy()
    expected = (counts - counts.mean()) / counts.std()
    np.testing.assert_allclose(numbers[:, place], expected, rtol=1e-5, atol=1e-6)


def test_a_null_is_the_mean_and_has_a_mark(store, features):
    numbers = features.of(store, seen(store, "2020-02-01"))
    names = list(features.numbers)
    marked = [name for name in names if features.numbers[name].has_nulls]
    age, mark = names.index("users_age"), len(names) + marked.index("users_age")
    is_null = np.arange(clicks.NUM_USERS) % 5 == 0
    assert numbers[:, mark].tolist() == is_null.astype(float).tolist()
    assert (numbers[is_null, age] == 0).all()
    assert (numbers[~is_null, age] != 0).all()


def test_ranks_spread_skewed_numbers_evenly_whose_equals_share_one():
    values = np.array([0, 0, 0, 0, 1, 10, 100, 1000, 10_000])
    quantiles = aggregate_features._quantiles(values[values >= 0])
    ranks = aggregate_features._ranks(np.array([-5.0, 0, 1, 100, 10_000, 1e9, np.nan]), quantiles) / 3**0.5
    np.testing.assert_allclose(ranks, [-0.625, -0.625, 0, 0.5, 1, 1, 0], atol=0.01)
    assert (aggregate_features._ranks(np.array([3.0, np.nan]), (7.0, 7.0)) == 0).all()
    assert (aggregate_features._ranks(np.array([3.0, np.nan]), ()) == 0).all()


def test_ranks_come_last(store, features):
    examples = seen(store, "2020-02-01")
    counts = aggregates(store, "users", examples, features.frequent)["clicks_user_id_count_30"]
    place = features.width - len(features.numbers) + list(features.numbers).index("clicks_user_id_count_30")
    ranks = features.of(store, examples)[:, place]
    assert np.corrcoef(ranks, counts.rank())[0, 1] > 0.99
    assert abs(ranks).max() == pytest.approx(3**0.5, rel=1e-6)


def test_frequent_categories_are_told_apart(store, monkeypatch):
    monkeypatch.setattr(aggregate_features, "LEAST_COUNT", 10)
    fitted = AggregateFeatures.fit(store, "users", seen(store, "2020-02-01"), CUT)
    assert fitted.categories["users_city"] == ("Bern", "Oslo", "Rome")
    numbers = fitted.of(store, seen(store, "2020-02-01", [0, 1, 2, 3]))
    places = fitted.width - len(fitted.numbers) - sum(map(len, fitted.categories.values()))
    before = list(fitted.categories)[: list(fitted.categories).index("users_city")]
    places += sum(len(fitted.categories[name]) for name in before)
    assert numbers[:, places : places + 3].tolist() == [[0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 0, 0]]


def test_categories_that_few_examples_have_are_not(store, features):
    assert features.categories["users_city"] == ()


def test_what_is_far_from_the_mean_is_cut_off(store, features):
    late = Seen.of(store, store.rows_of("users", [1]), np.array([CUT + 10_000 * DAY]), np.array([0]))
    place = list(features.numbers).index("clicks_user_id_newest")
    assert features.of(store, late)[0, place] == aggregate_features.LARGEST_DEVIATION


def test_later_rows_change_no_bit(store, features):
    early = features.of(store.as_of("2020-02-15"), seen(store, "2020-02-15"))
    assert features.of(store, seen(store, "2020-02-15")).tobytes() == early.tobytes()


def test_under_as_of_examples_see_no_later_row(store):
    view = store.as_of("2020-02-01")
    found = Seen.of(view, np.array([0, 1]), np.array([CUT + 9 * DAY, CUT - 9 * DAY]), np.array([0, DAY]))
    assert found.until.tolist() == [CUT, CUT - 10 * DAY]
    assert found.anchor_times.tolist() == [CUT + 9 * DAY, CUT - 9 * DAY]


def test_columns_left_out_are_in_no_number(store):
    unseen = ["users.age", "clicks.score", "clicks.device"]
    fitted = AggregateFeatures.fit(store, "users", seen(store, "2020-02-01"), CUT, unseen)
    assert not [
        n for n in fitted.numbers if "_age" in n.removeprefix("users") or "score" in n or "device" in n
    ]
    assert list(fitted.categories) == ["users_city"]


def test_what_is_left_out_is_chosen_once(store, monkeypatch):
    monkeypatch.setattr(module, "MOST_JOINED", 10_000)
    fitted = AggregateFeatures.fit(store, "users", seen(store, "2020-02-01"), CUT)
    assert fitted.left_out == ()
    monkeypatch.setattr(module, "MOST_JOINED", 0)
    assert fitted.of(store, seen(store, "2020-02-01")).shape == (clicks.NUM_USERS, fitted.width)
    alone = AggregateFeatures.fit(store, "users", seen(store, "2020-02-01"), CUT)
    assert not [name for name in alone.numbers if "count" in name]
    assert alone.of(store, seen(store, "2020-02-01")).shape == (clicks.NUM_USERS, alone.width)


def test_json_gives_back_the_same(store, features):
    again = AggregateFeatures.from_dict(json.loads(json.dumps(dataclasses.asdict(features))))
    assert again == features
    examples = seen(store, "2020-02-10")
    assert again.of(store, examples).tobytes() == features.of(store, examples).tobytes()


def test_places_are_spaced_evenly():
    assert evenly(10, 4).tolist() == [0, 3, 6, 9]
    assert evenly(3, 4).tolist() == [0, 1, 2]
    assert len(evenly(0, 4)) == 0


def test_an_empty_table_of_examples_has_no_numbers(store, features):
    assert features.of(store, seen(store, "2020-02-01", [])).shape == (0, features.width)


def test_the_same_examples_give_the_same_bits_in_any_order(store, features):
    examples = seen(store, "2020-02-20")
    order = np.random.default_rng(0).permutation(len(examples))
    whole = features.of(store, examples)
    assert whole[order].tobytes() == features.of(store, examples.take(order)).tobytes()
    assert pd.DataFrame(whole).notna().all(axis=None)
