"""Graph neural networks on relational tables: neighborhoods sampled just in time, and correct in time."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from relhop.edge_table import EdgeTable
from relhop.errors import (
    CorruptStore,
    PlanError,
    QueryError,
    RelhopError,
    SchemaError,
    SourceError,
    StoreError,
    TrainingError,
)
from relhop.graph import Graph
from relhop.plan import ModelPlan
from relhop.predictive_query import PredictiveQuery
from relhop.sampling import SeedSampler
from relhop.schema import Link, Schema, Stype, Table
from relhop.store.device import DeviceCost
from relhop.store.reader import Store
from relhop.text import HashedNgrams, SentenceTransformer
from relhop.times import to_micros
from relhop.training_table import TrainingTable

if TYPE_CHECKING:
    from relhop import loader
    from relhop.evaluation.evaluation import evaluate, explain
    from relhop.pyg.sampler import NeighborSampler
    from relhop.trainer import Trainer

__all__ = [
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


def __getattr__(name: str) -> Any:
    # These bring torch along, which takes seconds: nobody waits for it who only builds or inspects a
    # store.
    if name == "loader":
        return importlib.import_module("relhop.loader")
    if name == "NeighborSampler":
        return importlib.import_module("relhop.pyg.sampler").NeighborSampler
    if name in ("evaluate", "explain"):
        return getattr(importlib.import_module("relhop.evaluation.evaluation"), name)
    if name == "Trainer":
        return importlib.import_module("relhop.trainer").Trainer
    raise AttributeError(f"module 'relhop' has no attribute {name!r}")
