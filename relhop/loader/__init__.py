"""Batches for training, sampled and gathered ahead by native threads.

seeds  the rows of a training or prediction table -> batches with tensor frames
"""

from relhop.loader.seeds import LoaderStats, SeedLoader, age_column, ages, calendar_fields, tensor_frame

__all__ = ["LoaderStats", "SeedLoader", "age_column", "ages", "calendar_fields", "tensor_frame"]
