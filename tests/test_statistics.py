from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest

from relhop.errors import PlanError
from relhop.schema import Schema, Stype, Table
from relhop.statistics import (
    CategoricalStatistics,
    MulticategoricalStatistics,
    NumericalStatistics,
    Statistics,
    TimestampStatistics,
    VectorStatistics,
    code_maps,
    fit_statistics,
    fitting,
)
from relhop.times import NULL_TIME, to_micros

DAY = 86_400_000_000


class Column:
    """A table of arrays, as `fit_statistics` reads one."""

    def __init__(self, columns, categories=None, time=None):
        self.columns, self._categories, self.time = columns, categories or {}, time
        self.wide_columns, self.attributes = {}, {}

    def field_values(self, column, rows):
        return self.columns[column][rows]

    def categories(self, column):
        return self._categories[column]


class Source:
    """A store of one table."""

    def __init__(self, stypes, table):
        time_col = None if table.time is None else "at"
        self.schema = Schema([Table("t", pkey_col="id", time_col=time_col, stypes=stypes)])
        self.tables = {"t": table}
        self.text_embedder = None

    def cut(self, table, time):
        times = self.tables[table].time
        size = len(next(iter(self.tables[table].columns.values())))
        return size if times is None else int(np.searchsorted(times, time, side="right"))


def micros(*dates):
    return np.array([NULL_TIME if d is None else to_micros(d) for d in dates])


def test_numbers_after_the_cut_are_not_seen():
    table = Column({"x": np.array([1, 3, np.nan, 1000], "f4")}, time=np.array([1, 2, 3, 4]))
    got = fit_statistics(Source({"x": "numerical"}, table), 3)
    assert got == Statistics(3, {"t": 3}, {"t": {"x": NumericalStatistics(2.0, 1.0, True)}})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([5, 5, 5], NumericalStatistics(5.0, 1.0, False)),
        ([np.nan, np.nan], NumericalStatistics(0.0, 1.0, True)),
        ([], NumericalStatistics(0.0, 1.0, False)),
        ([np.inf, 2, 4], NumericalStatistics(3.0, 1.0, False)),
        ([1e7 + 1] * 3, NumericalStatistics(1e7 + 1, 1.0, False)),
    ],
)
def test_numbers_without_a_spread_are_divided_by_one(values, expected):
    source = Source({"x": "numerical"}, Column({"x": np.array(values, "f4")}))
    assert fit_statistics(source, 0).columns["t"]["x"] == expected


def test_categories_are_kept_by_value_most_frequent_first():
    table = Column(
        {"c": np.array([0, 1, 1, -1, 2, 3, 0, 1, 2, 2, 3], "i4")},
        {"c": ["twice", "common", "often at last", "once"]},
        time=np.arange(11),
    )
    got = fit_statistics(Source({"c": "categorical"}, table), 7)
    assert got.columns["t"]["c"] == CategoricalStatistics(("common", "twice"))


def test_of_very_many_categories_the_most_frequent_are_kept(monkeypatch):
    monkeypatch.setattr(fitting, "MAX_CATEGORIES", 1)
    source = Source({"c": "categorical"}, Column({"c": np.array([0, 1, 1, 1, 0], "i4")}, {"c": ["a", "b"]}))
    assert fit_statistics(source, 0).columns["t"]["c"] == CategoricalStatistics(("b",))


def test_of_very_many_rows_evenly_spaced_ones_are_read(monkeypatch):
    monkeypatch.setattr(fitting, "MAX_ROWS", 3)
    source = Source({"x": "numerical"}, Column({"x": np.array([0, 9, 2, 9, 4], "f4")}))
    assert fit_statistics(source, 0).columns["t"]["x"].mean == 2.0


def test_an_age_is_taken_at_the_row_s_own_time():
    null = np.iinfo(np.int64).min
    table = Column(
        {"seen": np.array([0, 3 * DAY, null, 0])}, time=np.array([2 * DAY, 7 * DAY, 8 * DAY, 99 * DAY])
    )
    got = fit_statistics(Source({"seen": "timestamp"}, table), 8 * DAY)
    assert got.columns["t"]["seen"] == TimestampStatistics(1970, 1970, NumericalStatistics(3.0, 1.0, True))


def test_an_age_is_taken_at_the_cut_where_rows_have_no_time():
    table = Column({"born": micros("1980-06-01", "1990-06-01")})
    got = fit_statistics(Source({"born": "timestamp"}, table), to_micros("2000-06-01")).columns["t"]["born"]
    days = [(pd.Timestamp("2000-06-01") - pd.Timestamp(d)).days for d in ("1980-06-01", "1990-06-01")]
    assert (got.min_year, got.max_year) == (1980, 1990)
    assert got.age == NumericalStatistics(np.mean(days), np.std(days), False)


def test_timestamps_that_are_all_null_have_some_year():
    table = Column({"born": np.full(2, np.iinfo(np.int64).min)})
    got = fit_statistics(Source({"born": "timestamp"}, table), 0).columns["t"]["born"]
    assert got == TimestampStatistics(1970, 1970, NumericalStatistics(0.0, 1.0, True))


def test_json_gives_back_the_same_statistics():
    table = Column(
        {"x": np.array([1.5, 2], "f4"), "c": np.array([1, 1], "i4"), "d": micros("1999-12-31", "2001-01-01")},
        {"c": ["a", "ü"]},
    )
    fitted = fit_statistics(Source({"x": "numerical", "c": "categorical", "d": "timestamp"}, table), 17)
    assert {type(s) for s in fitted.columns["t"].values()} == {
        NumericalStatistics,
        CategoricalStatistics,
        TimestampStatistics,
    }
    assert Statistics.from_dict(json.loads(json.dumps(fitted.to_dict()))) == fitted


def test_dropped_columns_are_left_out():
    fitted = Statistics(0, {"t": 1}, {"t": {"a": CategoricalStatistics(()), "b": CategoricalStatistics(())}})
    assert set(fitted.without({"t": frozenset({"a"})}).columns["t"]) == {"b"}
    assert fitted.without({}) == fitted


def test_codes_of_another_store_are_found_by_value():
    fitted = Statistics(
        0, {"t": 1}, {"t": {"c": CategoricalStatistics(("x", "y")), "n": NumericalStatistics(0, 1, False)}}
    )
    other = Source({"c": Stype.categorical}, Column({"c": np.zeros(0, "i4")}, {"c": ["new", "y", "x"]}))
    got = code_maps(fitted, other)
    assert got["t"].keys() == {"c"}
    assert got["t"]["c"].tolist() == [-1, 1, 0]


class Vectors:
    """An attribute, as `fit_statistics` reads one."""

    def __init__(self, values, dtype="float32"):
        self.values, self.dtype = values, dtype

    def array(self):
        return self.values


def wide(stype, values, categories=None, dtype="float32"):
    """A table of one column of several numbers a row, visible row i from time i on."""
    table = Column({"row": np.zeros(len(values), "f4")}, {"c": categories}, time=np.arange(len(values)))
    table.wide_columns, table.attributes = {"c": stype}, {"c": Vectors(values, dtype)}
    source = Source({"row": "numerical"}, table)
    source.text_embedder = "some"
    return source


def test_values_of_lists_are_counted_up_to_the_cut():
    lists = np.array([[0, 1], [1, -1], [0, 1], [-2, -1], [2, -1], [3, -1], [3, 2]], "i4")
    source = wide(Stype.multicategorical, lists, ["a", "b", "once", "later"])
    fitted = fit_statistics(source, 4)
    assert fitted.columns["t"]["c"] == MulticategoricalStatistics(("b", "a"))
    assert code_maps(fitted, source)["t"]["c"].tolist() == [1, 0, -1, -1]


@pytest.mark.parametrize(("stype", "embedder"), [(Stype.text, "some"), (Stype.tensor, None)])
def test_vectors_are_standardised_by_what_is_visible_and_finite(stype, embedder):
    vectors = np.array([[1, 5], [3, 5], [np.nan, np.inf], [np.nan, np.nan], [1e9, 0]], "f4")
    fitted = fit_statistics(wide(stype, vectors), 3)
    assert fitted.columns["t"]["c"] == VectorStatistics((2.0, 5.0), (1.0, 1.0), True, embedder)
    assert fitted.text_embedder == embedder
    assert Statistics.from_dict(json.loads(json.dumps(fitted.to_dict()))) == fitted
    assert not fit_statistics(wide(stype, vectors), 1).columns["t"]["c"].has_nulls


def test_vectors_of_half_precision_and_matrices_are_read_as_numbers():
    bits = (np.array([[1, 2], [3, 6]], "f4").view(np.uint32) >> 16).astype(np.uint16)
    fitted = fit_statistics(wide(Stype.tensor, bits, dtype="bfloat16"), 9)
    assert fitted.columns["t"]["c"] == VectorStatistics((2.0, 4.0), (1.0, 2.0), False)
    matrices = np.arange(8, dtype="f8").reshape(2, 2, 2)
    assert fit_statistics(wide(Stype.tensor, matrices), 9).columns["t"]["c"].means == (2.0, 3.0, 4.0, 5.0)


def test_of_very_many_numbers_evenly_spaced_rows_are_read(monkeypatch):
    monkeypatch.setattr(fitting, "MAX_NUMBERS", 4)
    vectors = np.array([[0, 0], [9, 9], [9, 9], [2, 4], [9, 9], [9, 9]], "f4")
    assert fit_statistics(wide(Stype.tensor, vectors), 9).columns["t"]["c"].means == (1.0, 2.0)


def test_numbers_may_be_read_as_categories_and_categories_as_numbers():
    table = Column(
        {"x": np.array([3, 3, np.nan, 7, -1, -1, -1], "f4"), "c": np.array([0, 1, 1, -1, 0, 0, 0], "i4")}
    )
    table._categories = {"c": ["10", "2.5"]}
    source = Source({"x": "numerical", "c": "categorical"}, table)
    encode = {"t": {"x": Stype.categorical, "c": Stype.numerical}}
    got = fit_statistics(source, 0, encode)
    assert got.columns["t"]["x"] == CategoricalStatistics(("-1", "3"), of_numbers=True)
    assert got.columns["t"]["c"] == NumericalStatistics(
        7.5, pytest.approx(12.5**0.5), True, of_categories=True
    )
    assert code_maps(got, source)["t"]["c"].tolist() == [10.0, 2.5]
    assert Statistics.from_dict(json.loads(json.dumps(got.to_dict()))) == got


@pytest.mark.parametrize(
    ("stype", "wanted", "values", "message"),
    [
        (
            "numerical",
            Stype.categorical,
            np.array([1, 2.5], "f4"),
            "'t.c' cannot be categorical: it holds 2.5, and only whole numbers are kept exactly; set stypes in"
            " rh.Table and build the store anew",
        ),
        (
            "categorical",
            Stype.numerical,
            np.array([0, 1], "i4"),
            "'t.c' cannot be numerical: not all its values are numbers",
        ),
    ],
)
def test_what_a_column_cannot_be_read_as_is_refused(stype, wanted, values, message):
    source = Source({"c": stype}, Column({"c": values}, {"c": ["1", "one"]}))
    with pytest.raises(PlanError, match=f"^column_processing.encode: {re.escape(message)}$"):
        fit_statistics(source, 0, {"t": {"c": wanted}})
