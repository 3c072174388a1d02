from __future__ import annotations

import numpy as np
import pytest
import torch
import torch_frame
from torch_frame import TensorFrame

from relhop.nn.encoder import AgeEncoder, CategoryCodes, NodeEncoder, TableEncoder
from relhop.statistics import CategoricalStatistics, NumericalStatistics, TimestampStatistics

COLUMNS = {
    "x": NumericalStatistics(10.0, 2.0, True),
    "city": CategoricalStatistics(("Rome", "Oslo")),
    "born": TimestampStatistics(1980, 1990, NumericalStatistics(100.0, 10.0, False)),
    "y": NumericalStatistics(0.0, 1.0, False),
}


def frame(x=10.0, y=0.0, city=0, fields=(1985, 4, 16, 3, 0, 0, 0), age=100.0):
    """One row, its columns in another order than the statistics'."""
    return TensorFrame(
        {
            torch_frame.numerical: torch.tensor([[y, x, age]]),
            torch_frame.categorical: torch.tensor([[city]]),
            torch_frame.timestamp: torch.tensor([[list(fields)]]),
        },
        {
            torch_frame.numerical: ["y", "x", "born (age)"],
            torch_frame.categorical: ["city"],
            torch_frame.timestamp: ["born"],
        },
    )


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return TableEncoder(COLUMNS, 8)


def test_codes_become_indices_and_unknown_ones_minus_one():
    codes = CategoryCodes({"a": 2, "b": 1})
    assert codes(torch.tensor([[0, 0], [1, -1], [-1, 0]])).tolist() == [[0, 0], [1, -1], [-1, 0]]
    codes.set({"a": np.array([-1, 1, 0]), "b": np.array([0, -1])})
    assert codes(torch.tensor([[0, 0], [1, 1], [2, -1], [3, 99]])).tolist() == [
        [-1, 0],
        [1, -1],
        [0, -1],
        [-1, -1],
    ]
    assert codes.state_dict() == {}


def test_a_row_at_its_columns_means_has_no_number_left(encoder):
    with torch.no_grad():
        for name, stype in (
            ("numerical", "numerical"),
            ("categorical", "categorical"),
            ("timestamp", "timestamp"),
        ):
            assert name in encoder.columns.encoder_dict, stype
        for part in ("categorical", "timestamp"):
            for parameter in encoder.columns.encoder_dict[part].parameters():
                parameter.zero_()
    torch.testing.assert_close(encoder(frame(), 1)[0], encoder.constant, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"x": 20.0}, {"x": 1e30}),
        ({"x": 20.0}, {"x": float("inf")}),
        ({"y": 0.0}, {"y": float("nan")}),
        ({"fields": (1990, 0, 0, 0, 0, 0, 0)}, {"fields": (2024, 0, 0, 0, 0, 0, 0)}),
        ({"fields": (1980, 0, 0, 0, 0, 0, 0)}, {"fields": (1900, 0, 0, 0, 0, 0, 0)}),
        ({"fields": (1980, 0, 0, 0, 0, 0, 0)}, {"fields": (-1,) * 7}),
        ({"city": -1}, {"city": 7}),
    ],
)
def test_values_out_of_reach_count_as_the_nearest_within(encoder, one, other):
    assert torch.equal(encoder(frame(**one), 1), encoder(frame(**other), 1))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"x": 10.0}, {"x": float("nan")}),
        ({"city": 0}, {"city": -1}),
        ({"city": 0}, {"city": 1}),
        ({"y": 0.0}, {"y": 1.0}),
    ],
)
def test_a_null_and_other_values_are_told_apart(encoder, one, other):
    assert not torch.allclose(encoder(frame(**one), 1), encoder(frame(**other), 1))


def test_nulls_leave_finite_gradients(encoder):
    nothing = frame(x=float("nan"), y=float("nan"), city=-1, fields=(-1,) * 7, age=float("nan"))
    encoder(nothing, 1).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in encoder.parameters() if p.grad is not None)


def test_columns_start_at_a_like_size(encoder):
    parts = encoder.columns.encoder_dict
    assert 0.2 < parts["numerical"].weight.std() < 1
    assert 0.03 < parts["categorical"].emb.weight[1:].std() < 0.3
    assert parts["categorical"].emb.weight[0].abs().sum() == 0


@pytest.mark.parametrize("columns", [{}, COLUMNS])
def test_rows_without_features_share_one_learned_vector(columns):
    encoder = TableEncoder(columns, 4)
    got = encoder(None, 3)
    assert got.shape == (3, 4)
    assert torch.equal(got, encoder.constant.expand(3, 4))
    assert encoder(None, 0).shape == (0, 4)


def test_ages_are_finite_from_none_to_ages_of_the_world():
    encoder = AgeEncoder(4)
    got = encoder(torch.tensor([-5, 0, 1, 10**18, 2**63 - 1]))
    assert torch.isfinite(got).all()
    torch.testing.assert_close(got[0], got[1])
    assert not torch.allclose(got[1], got[3])


def test_only_timed_tables_have_an_age():
    with_time = NodeEncoder({}, 4, timed=True, dropout=0.0)
    without = NodeEncoder({}, 4, timed=False, dropout=0.0)
    young_and_old = torch.tensor([0, 10**15])
    got = with_time(None, 2, young_and_old)
    assert not torch.allclose(got[0], got[1])
    got = without(None, 2, None)
    assert torch.equal(got[0], got[1])
