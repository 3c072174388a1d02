from __future__ import annotations

import sys
import types

import numpy as np
import pytest

import relhop as rh
from relhop.errors import SourceError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    return tmp_path / "model"


class Fake:
    """What is used of sentence_transformers.SentenceTransformer."""

    def __init__(self, path, device, local_files_only):
        assert local_files_only
        if not path.endswith("model"):
            raise OSError("no weights")

    def get_sentence_embedding_dimension(self):
        return 2

    def encode(self, texts, batch_size, convert_to_numpy, show_progress_bar):
        return np.array([[len(text), 1] for text in texts], np.float16)


@pytest.fixture
def library(monkeypatch):
    module = types.ModuleType("sentence_transformers")
    module.SentenceTransformer = Fake
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)


def test_the_model_on_disk_makes_the_vectors(folder, library):
    embedder = rh.SentenceTransformer(folder)
    got = embedder.embed(["abc", ""])
    assert (embedder.dim, got.dtype, got.tolist()) == (2, np.float32, [[3, 1], [0, 1]])
    assert embedder.embed([]).shape == (0, 2)


def test_identity_is_that_of_the_files(folder):
    first = rh.SentenceTransformer(folder).identity
    assert first == rh.SentenceTransformer(str(folder)).identity
    assert first.startswith("sentence-transformers model, ")
    (folder / "config.json").write_text("{ }")
    assert rh.SentenceTransformer(folder).identity != first


def test_what_is_missing_is_said(folder, tmp_path, monkeypatch):
    with pytest.raises(SourceError, match=r"^there is no folder .*/nowhere; give that of a"):
        rh.SentenceTransformer(tmp_path / "nowhere")
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(SourceError) as caught:
        rh.SentenceTransformer(folder).embed(["a"])
    assert str(caught.value) == (
        "text is to be embedded by sentence-transformers, which is not installed; install it with:"
        ' pip install "relhop[text]"'
    )


def test_a_folder_without_a_model_is_refused(tmp_path, library):
    with pytest.raises(SourceError, match=f"^{tmp_path} holds no model that can be loaded: no weights$"):
        rh.SentenceTransformer(tmp_path).embed(["a"])
