"""What encoders need to know of columns, as of the training cut, to be saved with a model.

Knows nothing of torch.
"""

from relhop.statistics.codes import code_maps, misfit
from relhop.statistics.columns import (
    CategoricalStatistics,
    ColumnStatistics,
    MulticategoricalStatistics,
    NumericalStatistics,
    Statistics,
    TimestampStatistics,
    VectorStatistics,
)
from relhop.statistics.fitting import LARGEST_DEVIATION, fit_numerical, fit_statistics

__all__ = [
    "LARGEST_DEVIATION",
    "CategoricalStatistics",
    "ColumnStatistics",
    "MulticategoricalStatistics",
    "NumericalStatistics",
    "Statistics",
    "TimestampStatistics",
    "VectorStatistics",
    "code_maps",
    "fit_numerical",
    "fit_statistics",
    "misfit",
]
