"""A small shop: users, items and timed orders, for tests of what stands on a store."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

import relhop as rh


def frames() -> dict[str, pd.DataFrame]:
    """Orders are out of time order on purpose; one has no user, one no time, one a user that does not exist."""
    users = pd.DataFrame(
        {
            "user_id": ["ann", "bob", "cy", "dee"],
            "age": [31.0, None, 55.0, 20.0],
            "city": ["Rome", "Oslo", None, "Rome"],
            "born": pd.to_datetime(["1990-05-17", "1985-12-31", None, "2000-02-29"]),
        }
    )
    items = pd.DataFrame({"item_id": [10, 20, 30], "price": [1.5, 2.5, 100.0]})
    orders = pd.DataFrame(
        {
            "order_id": range(8),
            "user_id": ["bob", "ann", "ann", "ann", None, "cy", "zoe", "ann"],
            "item_id": [10, 10, 20, 30, 20, 10, 20, 10],
            "quantity": [1, 2, 3, 4, 5, 6, 7, 8],
            "at": pd.to_datetime(
                [
                    "2020-01-05",
                    "2020-01-03",
                    "2020-01-01",
                    "2020-01-07",
                    "2020-01-04",
                    "2020-01-05",
                    "2020-01-02",
                    None,
                ]
            ),
        }
    )
    return {"users": users, "items": items, "orders": orders}


def graph() -> rh.Graph:
    data = frames()
    return rh.Graph(
        tables=[
            rh.Table(
                "users",
                source=data["users"],
                pkey_col="user_id",
                stypes={"age": "numerical", "city": "categorical", "born": "timestamp"},
            ),
            rh.Table("items", source=data["items"], pkey_col="item_id", stypes={"price": "numerical"}),
            rh.Table(
                "orders",
                source=data["orders"],
                pkey_col="order_id",
                time_col="at",
                stypes={"quantity": "numerical"},
            ),
        ],
        links=[
            rh.Link("orders", "user_id", "users", weight="quantity"),
            rh.Link("orders", "item_id", "items"),
        ],
    )


def store(folder: Path) -> rh.Store:
    """Orders by row: 2 (ann, 01-01), 6 (zoe, 01-02), 1 (ann, 01-03), 4 (none, 01-04), 0 (bob, 01-05), 5 (cy, 01-05),
    3 (ann, 01-07), 7 (ann, no time)."""
    return graph().snapshot(folder / "shop.rh", progress=False)
