from __future__ import annotations

import pytest
import torch
import torch_frame
from torch_frame import TensorFrame
from torch_frame.data import MultiEmbeddingTensor, MultiNestedTensor

from relhop.nn.encoder import AgeEncoder, NodeEncoder, TableEncoder
from relhop.statistics import (
    CategoricalStatistics,
    MulticategoricalStatistics,
    NumericalStatistics,
    TimestampStatistics,
    VectorStatistics,
)

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
        ({"city": 2}, {"city": 7}),
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
    nobody, unseen, null = parts["categorical"].emb.weight[[0, 3, 4]]
    assert nobody.any().item() is unseen.any().item() is null.any().item() is False


def test_null_and_unseen_categories_learn_vectors_of_their_own(encoder):
    for city in (-1, 2):
        encoder(frame(city=city), 1).sum().backward()
    moved = encoder.columns.encoder_dict["categorical"].emb.weight.grad.abs().sum(dim=1) > 0
    assert moved.tolist() == [False, False, False, True, True]


WIDE = {
    "genres": MulticategoricalStatistics(("war", "love")),
    "title": VectorStatistics((1.0, 1.0), (2.0, 1.0), True, "hashed"),
    "x": VectorStatistics((0.0,), (1.0,), False),
}


def wide_frame(genres=(0,), title=(1.0, 1.0), x=0.0):
    """One row of lists and vectors, the columns in another order than the statistics'."""
    lists = MultiNestedTensor(1, 1, torch.tensor(genres, dtype=torch.int64), torch.tensor([0, len(genres)]))
    vectors = MultiEmbeddingTensor(1, 2, torch.tensor([[x, *title]]), torch.tensor([0, 1, 3]))
    return TensorFrame(
        {torch_frame.multicategorical: lists, torch_frame.embedding: vectors},
        {torch_frame.multicategorical: ["genres"], torch_frame.embedding: ["x", "title"]},
    )


@pytest.fixture
def wide_encoder():
    torch.manual_seed(0)
    encoder = TableEncoder(WIDE, 8)
    with torch.no_grad():  # so that null and unseen values have something to tell
        encoder.columns.encoder_dict["multicategorical"].embs[0].weight[1:].normal_()
    return encoder


NAN = float("nan")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"genres": (2,)}, {"genres": (9,)}),
        ({"genres": (0, 1)}, {"genres": (1, 0)}),
        ({"title": (NAN, 0.0)}, {"title": (1.0, 0.0)}),
        ({"title": (21.0, 1.0)}, {"title": (float("inf"), 1.0)}),
        ({"x": NAN}, {"x": 0.0}),
    ],
)
def test_lists_and_vectors_out_of_reach_count_as_the_nearest_within(wide_encoder, one, other):
    assert torch.equal(wide_encoder(wide_frame(**one), 1), wide_encoder(wide_frame(**other), 1))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"genres": ()}, {"genres": (-1,)}),
        ({"genres": (0,)}, {"genres": (0, 1)}),
        ({"genres": (-1,)}, {"genres": (9,)}),
        ({"title": (NAN, NAN)}, {"title": (1.0, 1.0)}),
        ({"title": (0.0, 0.0)}, {"title": (NAN, NAN)}),
        ({"x": 1.0}, {"x": 0.0}),
    ],
)
def test_null_and_empty_lists_and_vectors_are_told_apart(wide_encoder, one, other):
    assert not torch.allclose(wide_encoder(wide_frame(**one), 1), wide_encoder(wide_frame(**other), 1))


def test_null_lists_and_vectors_leave_finite_gradients(wide_encoder):
    wide_encoder(wide_frame(genres=(-1,), title=(NAN, NAN), x=NAN), 1).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in wide_encoder.parameters() if p.grad is not None)


def test_numbers_read_as_categories_and_categories_read_as_numbers():
    torch.manual_seed(0)
    columns = {
        "x": CategoricalStatistics(("0", "1"), of_numbers=True),
        "city": NumericalStatistics(5.0, 1.0, True, of_categories=True),
    }
    encoder = TableEncoder(columns, 8)
    encoder.set_code_maps({"city": torch.tensor([5.0, 6.0]).numpy()})
    assert encoder(frame(x=0.0, city=0), 1).shape == (1, 8)
    seen = [encoder(frame(x=x), 1) for x in (0.0, 1.0, 2.0, 3.5)]
    assert not torch.allclose(seen[0], seen[1])
    assert torch.equal(seen[2], seen[3])
    numbers = [encoder(frame(x=0.0, city=city), 1) for city in (0, 1, -1)]
    assert not torch.allclose(numbers[0], numbers[1])
    assert not torch.allclose(numbers[0], numbers[2])


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
