"""Models of the library sentence-transformers, from a folder on disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from relhop.errors import SourceError

_BATCH = 64


class SentenceTransformer:
    """A model that `sentence-transformers` can load, on disk; nothing is downloaded.

    Args:
        path: The model's folder.
        device: Where it runs, as torch names it; `None`: a GPU where there is one.

    Raises:
        SourceError: If there is no such folder. When text is embedded: if the library is not installed, or
            cannot load the model.
    """

    def __init__(self, path: str | os.PathLike[str], *, device: str | None = None) -> None:
        self.path, self._device = Path(path), device
        if not self.path.is_dir():
            raise SourceError(
                f"there is no folder {self.path}; give that of a sentence-transformers model on disk"
            )

    @cached_property
    def identity(self) -> str:
        """The name of the folder, and a digest of all files in it."""
        digest = hashlib.blake2b(digest_size=16)
        for file in sorted(file for file in self.path.rglob("*") if file.is_file()):
            with file.open("rb") as opened:
                content = hashlib.file_digest(opened, "blake2b").digest()
            digest.update(str(file.relative_to(self.path)).encode() + b"\0" + content)
        return f"sentence-transformers {self.path.resolve().name}, {digest.hexdigest()}"

    @cached_property
    def dim(self) -> int:
        """What the model says."""
        return int(self._model.get_sentence_embedding_dimension())

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Vectors [n, dim] of texts."""
        if not texts:
            return np.empty((0, self.dim), np.float32)
        found = self._model.encode(
            list(texts), batch_size=_BATCH, convert_to_numpy=True, show_progress_bar=False
        )
        return np.asarray(found, np.float32)

    @cached_property
    def _model(self) -> Any:
        try:
            from sentence_transformers import SentenceTransformer as Model
        except ImportError:
            raise SourceError(
                "text is to be embedded by sentence-transformers, which is not installed; install it with:"
                ' pip install "relhop[text]"'
            ) from None
        try:
            return Model(str(self.path), device=self._device, local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            raise SourceError(f"{self.path} holds no model that can be loaded: {error}") from error
