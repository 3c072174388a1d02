"""A small shop to rank in: a user's taste is a kind of items, and what is sold changes over time.

`orders` have times, `likes` have none.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

import relhop as rh

NUM_USERS, NUM_ITEMS, NUM_DAYS = 60, 40, 120
START = pd.Timestamp("2020-01-01")
ORDERS = "PREDICT LIST_DISTINCT(orders.item_id, 0, 20, days) RANK TOP 5 FOR EACH users.user_id"
LIKES = "PREDICT LIST_DISTINCT(likes.item_id) RANK TOP 5 FOR EACH users.user_id"


def frames(seed: int = 0) -> dict[str, pd.DataFrame]:
    """A user orders and likes items of its own kind, nine times of ten."""
    rng = np.random.default_rng(seed)
    items = pd.DataFrame({"item_id": [f"item{i}" for i in range(NUM_ITEMS)]})
    items["kind"] = [f"kind{i % 4}" for i in range(NUM_ITEMS)]

    def visits(count: int) -> pd.DataFrame:
        user = rng.integers(0, NUM_USERS, count)
        kind = np.where(rng.random(count) < 0.9, user % 4, rng.integers(0, 4, count))
        item = kind + 4 * rng.integers(0, NUM_ITEMS // 4, count)
        return pd.DataFrame({"user_id": user, "item_id": items.item_id.to_numpy()[item]})

    orders, likes = visits(2400), visits(700).drop_duplicates(ignore_index=True)
    orders["at"] = START + pd.to_timedelta(np.sort(rng.integers(0, NUM_DAYS * 24, len(orders))), unit="h")
    return {
        "users": pd.DataFrame({"user_id": np.arange(NUM_USERS)}),
        "items": items,
        "orders": orders,
        "likes": likes,
    }


def build(folder: Path, data: dict[str, pd.DataFrame] | None = None) -> rh.Store:
    """The store of these tables."""
    data = data or frames()
    graph = rh.Graph(
        tables=[
            rh.Table("users", source=data["users"], pkey_col="user_id"),
            rh.Table("items", source=data["items"], pkey_col="item_id", stypes={"kind": "categorical"}),
            rh.Table("orders", source=data["orders"], time_col="at"),
            rh.Table("likes", source=data["likes"]),
        ],
        links=[rh.Link(t, f"{p}_id", f"{p}s") for t in ("orders", "likes") for p in ("user", "item")],
    )
    return graph.snapshot(folder / "shop.rh", progress=False)


def plan(**overrides: object) -> rh.ModelPlan:
    """Small and quick."""
    return rh.ModelPlan(
        neighbor_sampling={"num_neighbors": [20, 2]},
        model_architecture={"channels": 16},
        optimization={"max_epochs": 4, "batch_size": 32, "base_lr": 1e-2},
    ).with_overrides(overrides)
