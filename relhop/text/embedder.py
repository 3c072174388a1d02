"""What turns text into vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt


class TextEmbedder(Protocol):
    """Text -> vectors, each text by itself: whatever else is in the table, and on every machine.

    Attributes:
        identity: Names the function: two embedders with one identity give the same vectors. Stores keep it,
            and a model reads only stores of the identity that it was trained on.
        dim: Numbers of a vector.
    """

    @property
    def identity(self) -> str:
        """See above."""
        ...

    @property
    def dim(self) -> int:
        """See above."""
        ...

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Vectors [n, dim], finite, of texts, which may be empty."""
        ...
