"""What users call data -> the graph behind it."""

from __future__ import annotations

from typing import Any

from torch_geometric.data import Data, HeteroData

from relhop.pyg.feature_store import StoreFeatures
from relhop.pyg.graph_data import GraphData
from relhop.pyg.in_memory import graph_of_data
from relhop.pyg.in_store import graph_of_store
from relhop.store.reader import Store


def store_of(data: Any) -> Store | None:
    """The store that is given as itself or as its feature store and graph store; None of other data."""
    if isinstance(data, Store):
        return data
    if isinstance(data, (tuple, list)) and len(data) == 2 and isinstance(data[0], StoreFeatures):
        return data[0].store
    return None


def graph_of(data: Any, time_attr: str | None = None, weight_attr: str | None = None) -> GraphData:
    """The graph of a store, its backend, or data in memory.

    Args:
        data: A `relhop.Store`, its `(feature_store, graph_store)`, or a `Data` or `HeteroData`.
        time_attr: The attribute whose times the sampler heeds.
        weight_attr: The attribute of edges that holds weights.

    Raises:
        TypeError: If it is something else.
        SchemaError: If an attribute is not there.
    """
    if isinstance(data, (Data, HeteroData)):
        return graph_of_data(data, time_attr, weight_attr)
    store = store_of(data)
    if store is not None:
        return graph_of_store(store, time_attr, weight_attr)
    raise TypeError(
        f"data is {type(data).__name__}; give a relhop.Store, what its get_torch_geometric_remote_backend()"
        " returns, a Data or a HeteroData. Other feature and graph stores: torch_geometric.loader"
    )
