"""Every query of docs/query.md runs, and its grammar names what the parser takes."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import relhop.query as query_package
from relhop.predictive_query import PredictiveQuery
from relhop.query.checker import FUNCTIONS
from relhop.schema import Link, Schema, Table
from tests.query_store import MemoryStore

PAGE = (Path(__file__).parent.parent.parent / "docs" / "query.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
QUERIES = [
    text.strip()
    for language, block in BLOCKS
    if language == ""
    for text in block.split("\n\n")
    if re.search(r"^PREDICT \S+[(.]", text, re.MULTILINE)
]

SCHEMA = Schema(
    [
        Table(
            "users",
            pkey_col="id",
            time_col="joined",
            stypes={"age": "numerical", "country": "categorical"},
        ),
        Table("cities", pkey_col="id", stypes={"inhabitants": "numerical"}),
        Table("items", pkey_col="id", stypes={"price": "numerical"}),
        Table(
            "orders",
            pkey_col="id",
            time_col="at",
            stypes={"price": "numerical", "kind": "categorical", "note": "text"},
        ),
        Table("returns", time_col="at"),
        Table("likes"),
        Table("posts", time_col="at"),
        Table("messages", time_col="at"),
        Table("drivers", pkey_col="driverId"),
        Table("results", time_col="at", stypes={"statusId": "categorical", "positionOrder": "numerical"}),
    ],
    [
        Link("users", "city_id", "cities"),
        Link("orders", "user_id", "users"),
        Link("orders", "item_id", "items"),
        Link("returns", "order_id", "orders"),
        Link("likes", "user_id", "users"),
        Link("likes", "item_id", "items"),
        Link("posts", "OwnerUserId", "users"),
        Link("posts", "EditorUserId", "users"),
        Link("messages", "user_id", "users"),
        Link("results", "driverId", "drivers"),
    ],
)
COUNT = 250
RNG = np.random.default_rng(0)
DAYS = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.sort(RNG.integers(0, 365, COUNT)), unit="D")


def rows(**columns: list) -> pd.DataFrame:
    """A row an event; each column is drawn from a list of values."""
    return pd.DataFrame({"at": DAYS, **{name: RNG.choice(values, COUNT) for name, values in columns.items()}})


STORE = MemoryStore(
    SCHEMA,
    {
        "users": pd.DataFrame(
            {
                "id": range(12),
                "joined": pd.date_range("2019-07-01", periods=12),
                "city_id": [1, 2] * 6,
                "age": pd.array([*range(25, 36), None], dtype="Float64"),
                "country": ["NO", "SE", "SE"] * 4,
            }
        ),
        "cities": pd.DataFrame({"id": [1, 2], "inhabitants": [5000.0, 50000.0]}),
        "items": pd.DataFrame({"id": [1, 2, 3], "price": [5.0, 50.0, 20.0]}),
        "orders": rows(
            user_id=[*range(4)] * 25 + [*range(12)],
            item_id=[1, 2, 3],
            price=[float(price) for price in range(8, 15)],
            kind=["web", "app", "shop"],
            note=["gift!", "it's late", "none", "none"],
        ).assign(id=range(COUNT)),
        "returns": rows(order_id=list(range(COUNT))[::4]),
        "likes": rows(user_id=[*range(10)], item_id=[1, 2, 3])[:25].drop(columns="at"),
        "posts": rows(OwnerUserId=[*range(4)] * 25 + [*range(12)], EditorUserId=[*range(3)]),
        "messages": pd.DataFrame({"at": pd.date_range("2020-01-01", "2020-12-31"), "user_id": 3}),
        "drivers": pd.DataFrame({"driverId": range(20)}),
        "results": rows(driverId=[*range(20)], statusId=[1, 1, 2], positionOrder=[1.0, 2.0, 3.0]),
    },
)


@pytest.mark.parametrize("text", QUERIES)
def test_every_query_of_the_documentation_makes_its_tables(text):
    query = PredictiveQuery(SCHEMA, text)
    table = query.generate_training_table(STORE)
    assert table.has_labels
    assert all(len(part) for part in table.splits.values())
    assert table.task_type == query.task_type
    asked = query.generate_prediction_table(STORE)
    assert not asked.has_labels
    assert query.explain().startswith("task: ")


def test_the_documentation_names_every_function_and_every_word_of_the_grammar():
    assert all(f"`{name}" in PAGE for name in FUNCTIONS)
    grammar = (Path(query_package.__file__).parent / "grammar.lark").read_text()
    words = re.findall(r"/\(?!?\??([A-Z]+)", grammar)
    assert {word for word in words if len(word) > 1} <= set(re.findall(r"[A-Z]+", PAGE))
    assert len(QUERIES) == 35
