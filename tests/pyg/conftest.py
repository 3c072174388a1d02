"""Graphs in memory and in stores."""

from __future__ import annotations

import pytest

from tests.pyg import graphs

PLACES = ["data", "store", "pair", "disk"]


@pytest.fixture
def put(tmp_path):
    """A graph in memory -> what a loader takes: itself, its store, or its feature store and graph store."""

    def put(data, place, **options):
        if place == "data":
            return data
        store = graphs.store_of(data, tmp_path / "g.rh", **options)
        if place == "disk":
            return type(store).open(store.path, memory="disk", buffer_pool_size=1 << 20)
        return store if place == "store" else store.get_torch_geometric_remote_backend()

    return put


@pytest.fixture(params=PLACES)
def place(request):
    return request.param
