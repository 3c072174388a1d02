from __future__ import annotations

import numpy as np
import pytest

from relhop.errors import TrainingError
from relhop.evaluation.calibration import calibration
from relhop.evaluation.scored import Scored
from relhop.training_table import TaskType
from tests.evaluation.cases import scored


def binary(said: list[float], came: list[int]) -> Scored:
    n = len(said)
    return Scored(TaskType.binary, np.array(said), np.array(came, "f4"), np.arange(n), np.zeros(n, np.int64))


def test_reliability_error_and_brier_of_a_small_split() -> None:
    found = calibration(binary([0.2] * 5 + [0.7] * 5, [1, 0, 0, 0, 0, 1, 1, 1, 1, 0]), bins=2)
    assert found.table["examples"].tolist() == [5, 5]
    assert found.table["predicted"].tolist() == pytest.approx([0.2, 0.7])
    assert found.table["came"].tolist() == pytest.approx([0.2, 0.8])
    assert found.values == pytest.approx(
        {
            "ece": 0.05,
            "brier": (4 * 0.04 + 0.64 + 4 * 0.09 + 0.49) / 10,
            "reliability": 0.5 * 0.01,
            "resolution": 0.09,
            "uncertainty": 0.25,
            "within_bins": 0,
        }
    )


def test_equal_scores_share_a_bin_and_bins_hold_equally_many_else() -> None:
    assert calibration(binary([0.5] * 9 + [0.9], [0] * 10)).table["examples"].tolist() == [9, 1]
    spread = binary(np.linspace(0, 1, 40).tolist(), [0, 1] * 20)
    assert calibration(spread, bins=4).table["examples"].tolist() == [10] * 4


def test_the_parts_of_the_brier_score_add_up_and_truth_that_follows_scores_is_calibrated() -> None:
    rng = np.random.default_rng(0)
    said = rng.random(20_000)
    found = calibration(binary(said.tolist(), (rng.random(20_000) < said).tolist()), resamples=50)
    values = found.values
    total = values["reliability"] - values["resolution"] + values["uncertainty"] + values["within_bins"]
    assert values["brier"] == pytest.approx(total, abs=1e-12)
    assert values["brier"] == pytest.approx(1 / 6, abs=0.005)
    assert values["ece"] < 0.015
    assert found.table["came"].between(found.table["low"], found.table["high"]).all()
    assert (
        calibration(binary((said**3).tolist(), (rng.random(20_000) < said).tolist()), resamples=50).values[
            "ece"
        ]
        > 0.2
    )


def test_of_classes_the_likeliest_is_measured() -> None:
    scores = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]])
    example = Scored(TaskType.multiclass, scores, np.array([0, 2]), np.arange(2), np.zeros(2, np.int64))
    found = calibration(example, bins=2)
    assert found.of == "probability of the likeliest class"
    assert found.table["came"].tolist() == [1, 0]
    assert found.values["ece"] == pytest.approx((0.3 + 0.8) / 2)
    assert found.values["brier_all_classes"] == pytest.approx((0.09 + 0.04 + 0.01 + 0.01 + 0.64 + 0.81) / 2)


def test_predicted_values_have_a_bias() -> None:
    found = calibration(scored("regression"))
    assert list(found.values) == ["bias"]
    assert found.values["bias"] == pytest.approx(
        float((scored("regression").scores - scored("regression").target).mean())
    )
    assert calibration(scored("forecasting")).table["examples"].sum() == 120


def test_rankings_have_no_calibration() -> None:
    with pytest.raises(TrainingError) as error:
        calibration(scored("link_prediction"))
    assert str(error.value) == "scores of a ranking are no probabilities, so they have no calibration"
