"""Batches for models: `SeedLoader` of training tables, `NeighborLoader` and `LinkNeighborLoader` as PyG's."""

from relhop.features import age_column
from relhop.loader.frames import ages, calendar_fields, tensor_frame
from relhop.loader.links import LinkNeighborLoader
from relhop.loader.neighbors import NeighborLoader
from relhop.loader.seeds import LoaderStats, SeedLoader

__all__ = [
    "LinkNeighborLoader",
    "LoaderStats",
    "NeighborLoader",
    "SeedLoader",
    "age_column",
    "ages",
    "calendar_fields",
    "tensor_frame",
]
