"""A store for PyG's own loaders and for relhop's: a feature store and a graph store."""

from __future__ import annotations

from typing import Any

from relhop.pyg.feature_store import StoreFeatures
from relhop.pyg.graph_store import StoreEdges
from relhop.store.reader import Store


class RemoteBackend(tuple[StoreFeatures, StoreEdges]):
    """`(feature_store, graph_store)`. Of a homogeneous store, its nodes' attributes are attributes of the
    pair, too, as those of `Data` are: `backend.x`.
    """

    def __new__(cls, feature_store: StoreFeatures, graph_store: StoreEdges) -> RemoteBackend:
        """A pair."""
        return super().__new__(cls, (feature_store, graph_store))

    @property
    def num_nodes(self) -> int:
        """How many nodes there are."""
        return sum(nodes.num_nodes for nodes in self[0].attributes.graph.nodes.values())

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and self[0].attributes.graph.is_homogeneous:
            try:
                return self[0].get_tensor(None, name, None)
            except KeyError:
                pass
        raise AttributeError(f"the store has no attribute '{name}'")

    def __reduce__(self) -> tuple[Any, ...]:
        return RemoteBackend, tuple(self)


def with_backend(data: Any) -> Any:
    """What PyG's loaders take: of a store its feature store and graph store, other data as it is."""
    return remote_backend(data) if isinstance(data, Store) else data


def remote_backend(store: Store, num_threads: int | None = None) -> RemoteBackend:
    """See `Store.get_torch_geometric_remote_backend`."""
    return RemoteBackend(StoreFeatures(store, num_threads), StoreEdges(store))
