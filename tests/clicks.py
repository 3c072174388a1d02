"""A small store to train on: users of a plan type, their timed clicks, and the pages clicked on.

A click's `score` is high or low for good per user and noise of day; labels made of
a user's newest clicks can be learnt.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from relhop.schema import Link, Schema, Stype, Table
from relhop.store.reader import Store
from relhop.store.writer import write_store
from relhop.training_table import TaskType, TrainingTable

NUM_USERS = 40
NUM_DAYS = 60
START = pd.Timestamp("2020-01-01")

SCHEMA = Schema(
    [
        Table(
            "users",
            pkey_col="user_id",
            stypes={"city": Stype.categorical, "age": Stype.numerical, "born": Stype.timestamp},
        ),
        Table(
            "clicks",
            pkey_col="click_id",
            time_col="at",
            stypes={"score": Stype.numerical, "device": Stype.categorical, "seen": Stype.timestamp},
        ),
        Table("items", pkey_col="item_id"),
    ],
    [Link("clicks", "user_id", "users"), Link("clicks", "item_id", "items")],
)


def frames() -> dict[str, pd.DataFrame]:
    """About one click a user and a day; some scores, ages and birthdays are null."""
    rng = np.random.default_rng(1)
    users = pd.DataFrame({"user_id": np.arange(NUM_USERS)})
    users["city"] = [("Rome", "Oslo", "Bern", None)[i % 4] for i in range(NUM_USERS)]
    users["age"] = np.where(users.user_id % 5 == 0, np.nan, 20.0 + users.user_id)
    users["born"] = pd.to_datetime("1980-02-03") + pd.to_timedelta(users.user_id * 200, unit="D")
    users.loc[3, "born"] = pd.NaT
    user, day = np.nonzero(rng.random((NUM_USERS, NUM_DAYS)) < 0.8)
    clicks = pd.DataFrame({"click_id": np.arange(len(user)), "user_id": user})
    clicks["item_id"] = rng.integers(0, 7, len(user))
    level = np.where(user % 2 == 0, 1.0, -1.0)
    clicks["score"] = level + rng.normal(0, 0.7, len(user))
    clicks.loc[clicks.click_id % 11 == 0, "score"] = np.nan
    clicks["device"] = rng.choice(["phone", "desk"], len(user))
    clicks.loc[day >= NUM_DAYS - 5, "device"] = "glasses"
    clicks["at"] = START + pd.to_timedelta(day * 24 + rng.integers(0, 24, len(user)), unit="h")
    clicks["seen"] = clicks["at"] - pd.Timedelta(hours=36)
    return {"users": users, "clicks": clicks, "items": pd.DataFrame({"item_id": np.arange(7)})}


def build(path: Path, schema: Schema = SCHEMA, tables: dict[str, pd.DataFrame] | None = None) -> Store:
    """The store of these tables at a path."""
    with duckdb.connect() as connection:
        for name, frame in (tables or frames()).items():
            connection.register(f"{name}_frame", pa.Table.from_pandas(frame, preserve_index=False))
            time = schema.tables[name].time_col
            columns = f'* REPLACE (CAST("{time}" AS TIMESTAMP) AS "{time}")' if time else "*"
            connection.execute(f'CREATE TABLE "{name}" AS SELECT {columns} FROM {name}_frame')
        write_store(path, schema, connection, fingerprint="clicks")
    return Store.open(path)


def labels(task_type: TaskType | str = TaskType.binary) -> pd.DataFrame:
    """A label per user and third day, by the user's parity: train to day 30, val to 45, then test."""
    days = np.arange(3, NUM_DAYS, 3)
    frame = pd.DataFrame(
        {"user_id": np.repeat(np.arange(NUM_USERS), len(days)), "day": np.tile(days, NUM_USERS)}
    )
    frame["anchor_time"] = START + pd.to_timedelta(frame.day, unit="D")
    even = frame.user_id % 2 == 0
    if task_type == TaskType.binary:
        frame["target"] = even.astype(int)
    elif task_type == TaskType.multiclass:
        frame["target"] = np.where(even, "high", np.where(frame.user_id % 3 == 0, "low", "odd"))
    else:
        frame["target"] = np.where(even, 10.0, 4.0) + frame.day / 60
    frame["split"] = np.select([frame.day <= 30, frame.day <= 45], ["train", "val"], "test")
    return frame.drop(columns="day")


def training_table(store: Store, task_type: TaskType | str = TaskType.binary) -> TrainingTable:
    """Those labels as a training table."""
    return TrainingTable.from_pandas(labels(task_type), store, entity_table="users", task_type=task_type)
