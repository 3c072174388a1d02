"""The public names, frozen: adding or losing one is a decision, made here."""

import subprocess
import sys

import pytest

import relhop as rh

PUBLIC = [
    "CorruptStore",
    "DeviceCost",
    "EdgeTable",
    "Graph",
    "HashedNgrams",
    "Link",
    "ModelPlan",
    "NeighborSampler",
    "PlanError",
    "PredictiveQuery",
    "QueryError",
    "RelhopError",
    "Schema",
    "SchemaError",
    "SeedSampler",
    "SentenceTransformer",
    "SourceError",
    "Store",
    "StoreError",
    "Stype",
    "Table",
    "Trainer",
    "TrainingError",
    "TrainingTable",
    "evaluate",
    "explain",
    "loader",
    "to_micros",
]


def test_the_public_names_are_these() -> None:
    assert rh.__all__ == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_there_and_documented(name: str) -> None:
    assert getattr(rh, name).__doc__


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"^module 'relhop' has no attribute 'Trainr'$"):
        rh.Trainr  # noqa: B018


def test_building_and_inspecting_stores_needs_no_torch() -> None:
    code = (
        "import sys, relhop as rh; rh.Graph, rh.Store, rh.PredictiveQuery; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
