from __future__ import annotations

import math

import numpy as np
import pytest

from relhop.metrics import compute_metrics


def test_binary_metrics_of_a_small_split():
    got = compute_metrics("binary", np.array([0.9, 0.6, 0.4, 0.1]), np.array([1, 0, 1, 0], "f4"))
    assert got.notes == []
    assert got.values == pytest.approx(
        {
            "auroc": 0.75,
            "average_precision": 5 / 6,
            "accuracy": 0.5,
            "log_loss": -(2 * math.log(0.9) + 2 * math.log(0.4)) / 4,
        }
    )


@pytest.mark.parametrize(("label", "kind"), [(0, "negative"), (1, "positive")])
def test_a_split_of_one_class_has_no_auroc_but_a_note(label, kind):
    got = compute_metrics("binary", np.array([0.5, 0.5]), np.full(2, label, "f4"))
    assert math.isnan(got.values["auroc"])
    assert math.isnan(got.values["average_precision"])
    assert got.values["log_loss"] == pytest.approx(math.log(2))
    assert got.notes == [f"all 2 examples are {kind}, so auroc and average_precision are unknown"]


def test_multiclass_metrics_of_a_small_split():
    scores = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.5, 0.4, 0.1], [0.1, 0.1, 0.8]])
    got = compute_metrics("multiclass", scores, np.array([0, 1, 1, 2]))
    assert got.values == pytest.approx(
        {
            "accuracy": 0.75,
            "macro_f1": (2 / 3 + 2 / 3 + 1) / 3,
            "log_loss": -math.log(0.8 * 0.7 * 0.4 * 0.8) / 4,
        }
    )


def test_regression_metrics_of_a_small_split():
    got = compute_metrics("regression", np.array([1.0, 2.0, 6.0]), np.array([1, 2, 3], "f4"))
    assert got.values == pytest.approx({"mae": 1.0, "rmse": math.sqrt(3), "r2": 1 - 9 / 2})


def test_equal_targets_have_no_r2_but_a_note():
    got = compute_metrics("regression", np.array([1.0, 2.0]), np.array([3, 3], "f4"))
    assert got.values["mae"] == 1.5
    assert math.isnan(got.values["r2"])
    assert got.notes == ["all 2 targets are 3, so r2 is unknown"]


def test_no_examples_have_no_metrics():
    assert compute_metrics("binary", np.zeros(0), np.zeros(0)).values == {}


def test_a_sure_mistake_costs_much_but_not_infinity():
    got = compute_metrics("binary", np.array([1.0, 0.0]), np.array([0, 1]))
    assert got.values["log_loss"] == pytest.approx(-math.log(1e-7))


def test_multilabel_metrics_of_a_small_split():
    scores = np.array([[0.9, 0.2], [0.6, 0.8], [0.1, 0.4]])
    got = compute_metrics("multilabel", scores, np.array([[1, 0], [0, 1], [1, 1]], "f4"))
    assert got.values == pytest.approx(
        {
            "map": ((1 + 2 / 3) / 2 + 1) / 2,
            "macro_auroc": (1 / 2 + 1) / 2,
            "macro_f1": (1 / 2 + 2 / 3) / 2,
            "micro_f1": 2 * 2 / (2 * 2 + 1 + 2),
            "log_loss": -math.log(0.9 * 0.8 * 0.4 * 0.8 * 0.1 * 0.4) / 6,
        }
    )
    assert got.notes == []


def test_classes_that_no_or_all_examples_have_are_left_out_of_means_and_counted():
    scores = np.array([[0.9, 0.2, 0.5], [0.6, 0.8, 0.5]])
    got = compute_metrics("multilabel", scores, np.array([[1, 1, 0], [0, 1, 0]]))
    assert (got.values["map"], got.values["macro_auroc"]) == (1, 1)
    assert got.notes == [
        "1 of 3 classes have no example, so they are not in map",
        "2 of 3 classes have no or only examples, so they are not in macro_auroc",
    ]
    assert math.isnan(
        compute_metrics("multilabel", scores[:, 1:2], np.array([[1], [1]])).values["macro_auroc"]
    )


def test_forecast_metrics_are_of_all_windows_and_of_each():
    scores = np.array([[1.0, 0.0], [3.0, 4.0]])
    got = compute_metrics("forecasting", scores, np.array([[1, 0], [1, 0]], "f4"))
    assert got.values == pytest.approx(
        {
            "mae": 6 / 4,
            "rmse": math.sqrt(20 / 4),
            "smape": (0 + 0 + 1 + 2) / 4,
            "mae@1": 1,
            "mae@2": 2,
            "rmse@1": math.sqrt(2),
            "rmse@2": math.sqrt(8),
            "smape@1": 0.5,
            "smape@2": 1,
        }
    )


def test_very_long_forecasts_have_no_metrics_by_window():
    got = compute_metrics("forecasting", np.zeros((2, 101)), np.ones((2, 101)))
    assert got.values == {"mae": 1, "rmse": 1, "smape": 2}
