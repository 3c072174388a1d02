"""The graphs that PyG's interfaces are tested with."""

from tests.pyg.conftest import place, put  # noqa: F401
