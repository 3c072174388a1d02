"""Reads and runs the compliance files of the query language, `tests/query/cases/*.json`.

A file holds tables, links, and cases: a query with anchors, the training rows `[anchor, key, target]` that it
means, and perhaps its task; or a query with the error that it deserves and the caret's column (from 1, over the whole text).
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd

from relhop.query.compiler import compile_query
from relhop.query.evaluation import evaluate
from relhop.query.storage_types import check_storage, settled_task
from relhop.query.syntax import parse
from relhop.schema import Link, Schema, Table
from tests.query_store import MemoryStore


def load_store(data: dict[str, Any]) -> tuple[Schema, MemoryStore]:
    tables = [
        Table(name, pkey_col=tuple(t["pkey"]) or None, time_col=t["time_col"], stypes=t["stypes"])
        for name, t in data["tables"].items()
    ]
    links = [
        Link(child, tuple(f) if isinstance(f, list) else f, parent) for child, f, parent in data["links"]
    ]
    schema = Schema(tables, links)
    frames = {
        name: pd.DataFrame(t["rows"], columns=t["columns"]).convert_dtypes()
        for name, t in data["tables"].items()
    }
    return schema, MemoryStore(schema, frames)


def task_of(schema: Schema, store: MemoryStore, text: str) -> str:
    """The type of a query's task on these data."""
    compiled = compile_query(parse(text), schema)
    connection = store.connect()
    task = settled_task(compiled.task, compiled.query, connection)
    connection.close()
    return str(task)


def run(schema: Schema, store: MemoryStore, text: str, anchors: list[str]) -> list[list[Any]]:
    """The training rows of a query as a compliance file writes them: ranked items by key."""
    compiled = compile_query(parse(text), schema)
    connection = store.connect()
    check_storage(compiled.query, connection)
    times = np.array([dt.datetime.fromisoformat(a) for a in anchors], "datetime64[us]").view(np.int64)
    found = evaluate(connection, compiled.training_sql, times)
    connection.close()
    keys = [list(key.values()) for key in store.keys_of(compiled.query.entity.table, found.rows).to_pylist()]
    targets = found.target.to_pylist()
    if compiled.task.item_link is not None:
        items = compiled.task.item_link.parent
        targets = [[k for (k,) in map(dict.values, store.keys_of(items, t).to_pylist())] for t in targets]
    return [
        [anchors[i], key[0] if len(key) == 1 else key, target]
        for i, key, target in zip(found.by_anchor(np.arange(len(anchors))), keys, targets, strict=True)
    ]
