"""Aggregates beside the neighborhoods of a batch."""

from __future__ import annotations

import numpy as np
import pytest

from relhop.aggregate_features import AggregateFeatures
from relhop.aggregates import Seen
from relhop.delays import parse_delay
from relhop.loader import SeedLoader, example_aggregates
from tests import clicks


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return clicks.build(tmp_path_factory.mktemp("example_aggregates") / "clicks.rh")


@pytest.fixture(scope="module")
def table(store):
    return clicks.training_table(store).splits["train"]


@pytest.fixture(scope="module")
def features(store, table):
    seen = Seen.of(store, table.rows, table.anchor_times, np.zeros(len(table), np.int64))
    return AggregateFeatures.fit(store, "users", seen, int(table.anchor_times.max()))


def loader(store, table, features, **options):
    return SeedLoader(store, table, [1], batch_size=32, aggregates=features, **options)


def numbers(batches):
    """By example, of all batches."""
    found = [(batch["users"].input_id, batch["users"].aggregates) for batch in batches]
    return {int(i): row.numpy().tobytes() for ids, rows in found for i, row in zip(ids, rows, strict=True)}


@pytest.mark.parametrize("delay", ["0 days", "3 days", "0 to 20 days"])
def test_a_batch_brings_its_examples_own_numbers(store, table, features, delay):
    delays = parse_delay(delay)
    batches = loader(store, table, features, delay=delays, shuffle=True, seed=4)
    batches.set_epoch(3)
    found = numbers(batches)
    drawn = delays.draw(len(table), 4, 3)
    expected = features.of(store, Seen.of(store, table.rows, table.anchor_times, drawn))
    assert found == {i: row.tobytes() for i, row in enumerate(expected)}


def test_many_batches_at_once_or_few_and_from_the_middle_on_give_the_same(
    store, table, features, monkeypatch
):
    delay = parse_delay("0 to 20 days")
    whole = numbers(loader(store, table, features, delay=delay, shuffle=True))
    monkeypatch.setattr(example_aggregates, "EXAMPLES_AT_ONCE", 100)
    by_parts = loader(store, table, features, delay=delay, shuffle=True)
    assert numbers(by_parts) == whole
    by_parts.set_epoch(0, start=5)
    rest = numbers(by_parts)
    assert len(rest) == len(table) - 5 * 32
    assert rest.items() <= whole.items()


def test_examples_that_see_the_same_are_described_once(store, table, features, monkeypatch):
    calls = []
    monkeypatch.setattr(example_aggregates, "EXAMPLES_AT_ONCE", 1 + len(table) // 2)
    of = AggregateFeatures.of
    monkeypatch.setattr(AggregateFeatures, "of", lambda *args: calls.append(1) or of(*args))
    fixed = loader(store, table, features, shuffle=True)
    first = numbers(fixed)
    fixed.set_epoch(1)
    assert numbers(fixed) == first
    assert len(calls) == 2
    monkeypatch.setattr(example_aggregates, "EXAMPLES_AT_ONCE", 32_768)
    drawn = loader(store, table, features, shuffle=True, delay=parse_delay("0 to 20 days"))
    first = numbers(drawn)
    drawn.set_epoch(1)
    assert numbers(drawn) != first
    assert len(calls) == 4


def test_numbers_that_take_more_memory_than_may_be_kept_are_made_each_epoch(
    store, table, features, monkeypatch
):
    monkeypatch.setattr(example_aggregates, "EXAMPLES_AT_ONCE", 100)
    kept = loader(store, table, features, shuffle=True)
    first = numbers(kept)
    monkeypatch.setattr(example_aggregates, "MOST_KEPT", 4 * len(table) * features.width - 1)
    made_anew = loader(store, table, features, shuffle=True)
    assert numbers(made_anew) == first
    made_anew.set_epoch(1)
    assert numbers(made_anew) == first


def test_without_them_a_batch_has_none(store, table):
    assert "aggregates" not in next(iter(SeedLoader(store, table, [1])))["users"]
