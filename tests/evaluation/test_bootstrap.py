from __future__ import annotations

import numpy as np
import pytest

from relhop.evaluation.bootstrap import Draws, differences, interval, metric_intervals, resampled
from relhop.evaluation.scored import Scored
from relhop.training_table import TaskType
from tests.evaluation.cases import TASKS, scored


def slow_resampled(examples: Scored, draws: Draws) -> list[dict[str, float]]:
    """Copies every example as often as its entity was drawn, and judges the copies as any other split."""
    drawn = np.concatenate(list(draws.weights())).astype(int)
    return [examples.take(np.repeat(np.arange(len(examples)), counts)).metrics().values for counts in drawn]


@pytest.mark.parametrize("task", TASKS)
def test_metrics_of_draws_are_those_of_copied_examples(task: str) -> None:
    examples = scored(task)
    draws = Draws(examples.entities, resamples=25)
    fast, slow = resampled(examples, draws), slow_resampled(examples, draws)
    assert list(fast) == list(examples.metrics().values)
    for name, values in fast.items():
        expected = np.array([each[name] for each in slow])
        np.testing.assert_allclose(values, expected, rtol=1e-6, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("task", TASKS)
def test_with_equal_weights_metrics_are_those_of_the_split(task: str) -> None:
    examples = scored(task)
    found = examples.weighted()(np.full((1, len(examples)), 3.0))
    assert {name: values[0] for name, values in found.items()} == pytest.approx(
        examples.metrics().values, nan_ok=True, rel=1e-6
    )


def test_an_entity_is_drawn_with_all_its_examples_as_many_entities_as_there_are() -> None:
    entities = np.array([7, 3, 7, 3, 7, 1])
    weights = np.concatenate(list(Draws(entities, resamples=400).weights()))
    assert weights.shape == (400, 6)
    np.testing.assert_array_equal(weights[:, 0], weights[:, 2])
    np.testing.assert_array_equal(weights[:, 1], weights[:, 3])
    np.testing.assert_array_equal(weights[:, [0, 1, 5]].sum(axis=1), 3)
    np.testing.assert_allclose(weights.mean(axis=0), 1, atol=0.15)


def test_draws_depend_on_the_seed_alone() -> None:
    entities = np.arange(2000)
    one, same, other = (
        np.concatenate(list(Draws(entities, 2000, seed).weights()))[::100] for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_intervals_of_dependent_examples_cover_the_truth_as_often_as_they_say() -> None:
    """The mean of ten equal rows of each of 40 entities, whose errors are normal with mean 1: by entities the truth is
    covered, by rows it would not be.
    """
    rng, covered, by_rows = np.random.default_rng(0), 0, 0
    for seed in range(200):
        errors = np.repeat(np.abs(rng.normal(3, 1, 40)), 10)
        entities = np.repeat(np.arange(40), 10)
        for rows, ids in ((False, entities), (True, np.arange(400))):
            examples = Scored(TaskType.regression, errors, np.zeros(400), ids, np.zeros(400, np.int64))
            values = examples.weighted()
            drawn = np.concatenate([values(w)["mae"] for w in Draws(ids, 200, seed).weights()])
            low, high = interval(drawn)
            inside = low <= 3.0 <= high
            covered, by_rows = covered + (inside and not rows), by_rows + (inside and rows)
    assert 0.90 <= covered / 200 <= 0.98
    assert by_rows / 200 < 0.6


def test_an_interval_stands_beside_each_metric_and_holds_it() -> None:
    frame = metric_intervals(scored("binary", 40, 200))
    assert frame.columns.tolist() == ["metric", "value", "low", "high"]
    assert frame["metric"].tolist() == ["auroc", "average_precision", "accuracy", "log_loss"]
    assert ((frame["low"] < frame["value"]) & (frame["value"] < frame["high"])).all()
    narrow = metric_intervals(scored("binary", 40, 200), level=0.5)
    assert (narrow["high"] - narrow["low"] < frame["high"] - frame["low"]).all()


def test_few_entities_have_no_interval() -> None:
    frame = metric_intervals(scored("regression", num_entities=4))
    assert frame["value"].notna().all()
    assert frame[["low", "high"]].isna().all(axis=None)


def test_what_most_draws_cannot_tell_has_no_interval() -> None:
    values = np.array([1.0, 2, np.nan, np.nan, np.nan])
    assert np.isnan(interval(values)).all()
    assert interval(np.array([1.0, 2, 3, np.nan, np.nan]), level=1.0) == (1, 3)


@pytest.mark.parametrize(("task", "metric"), [("binary", "auroc"), ("regression", "mae")])
def test_a_difference_is_positive_if_the_second_is_worse_and_told_by_shared_draws(
    task: str, metric: str
) -> None:
    good = scored(task, 30, 300)
    rng = np.random.default_rng(0)
    worse = Scored(good.task_type, rng.permutation(good.scores), good.target, good.entities, good.times)
    if task == "regression":
        good = Scored(good.task_type, good.target * 0.9, good.target, good.entities, good.times)
    found = differences(metric, good, [worse, good])
    assert (found["low"] < found["worse_by"]).tolist() == [True, False]
    assert (found["worse_by"] < found["high"]).tolist() == [True, False]
    assert found["low"][0] > 0
    assert found.iloc[1].tolist() == [0, 0, 0]
