from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from relhop.errors import QueryError
from relhop.schema import Schema
from tests.compliance import load_store, run, task_of
from tests.query_store import MemoryStore

FILES = {
    path.stem: json.loads(path.read_text())
    for path in sorted((Path(__file__).parent / "cases").glob("*.json"))
}
CASES = [
    pytest.param(name, case, id=f"{name}-{case['query']}")
    for name, data in FILES.items()
    for case in data["cases"]
]


@cache
def store_of(name: str) -> tuple[Schema, MemoryStore]:
    return load_store(FILES[name])


@pytest.mark.parametrize(("name", "case"), CASES)
def test_query_means_what_the_file_says(name, case):
    schema, store = store_of(name)
    if "error" in case:
        with pytest.raises(QueryError) as caught:
            run(schema, store, case["query"], ["2020-01-01"])
        assert (caught.value.reason, caught.value.position + 1) == (case["error"], case["column"])
    else:
        assert run(schema, store, case["query"], case["anchors"]) == case["rows"]
        if "task" in case:
            assert task_of(schema, store, case["query"]) == case["task"]
