"""The dtypes of attributes: by name, and as NumPy has them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

NUMPY_DTYPES: Mapping[str, np.dtype[Any]] = MappingProxyType(
    {
        "float64": np.dtype("<f8"),
        "float32": np.dtype("<f4"),
        "float16": np.dtype("<f2"),
        "bfloat16": np.dtype("<u2"),
        "int64": np.dtype("<i8"),
        "int32": np.dtype("<i4"),
        "int16": np.dtype("<i2"),
        "int8": np.dtype("i1"),
        "uint8": np.dtype("u1"),
        "bool": np.dtype("?"),
    }
)
"""The dtypes that an attribute can have. NumPy has no bfloat16: its bits are uint16."""

FLOATS = frozenset({"float64", "float32", "float16", "bfloat16"})
"""Those of numbers that models read; integers in tensors may be codes, indices or masks."""


def float32_of_bfloat16(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    """The numbers that bits of bfloat16 stand for, in the same shape."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def dtype_name(dtype: np.dtype[Any]) -> str:
    """The name of a NumPy dtype, whatever its byte order.

    Raises:
        TypeError: If no attribute can have it.
    """
    if dtype.name not in NUMPY_DTYPES or dtype.name == "bfloat16":
        raise TypeError(
            f"the dtype {dtype} is none of an attribute; convert it to one of {', '.join(NUMPY_DTYPES)}"
        )
    return dtype.name
