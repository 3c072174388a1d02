from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relhop.text import HashedNgrams, hashed

MASK = (1 << 64) - 1


def reference(text: str, dim: int) -> np.ndarray:
    """The definition, a token at a time."""
    padded = b" " + bytes(
        byte if byte >= 128 else ord(chr(byte).lower()) if chr(byte).isalnum() else 32 for byte in text.encode()
    ) + b" "  # fmt: skip
    trigrams = [
        int.from_bytes(padded[i - 1 : i + 2], "big") for i in range(1, len(padded) - 1) if padded[i] != 32
    ]
    words = [sum(b * pow(hashed._BASE, i, 1 << 64) for i, b in enumerate(word)) for word in padded.split()]
    return (scaled(words, dim) + scaled(trigrams, dim)) * np.float32(0.5**0.5)


def scaled(tokens: list[int], dim: int) -> np.ndarray:
    vector = np.zeros(dim)
    for token in tokens:
        mixed = (token + 0x9E3779B97F4A7C15) & MASK
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & MASK
        mixed ^= mixed >> 31
        vector[((mixed >> 32) * dim) >> 32] += 1 if mixed & 1 else -1
    return (vector / max(1.0, np.sqrt((vector * vector).sum()))).astype(np.float32)


@given(
    st.lists(st.text(st.characters(codec="utf-8"), max_size=30), max_size=12),
    st.sampled_from([1, 7, 64]),
    st.sampled_from([1, 16, 1 << 20]),
)
def test_vectors_are_those_of_the_definition_whatever_is_beside_a_text(texts, dim, piece):
    before, hashed._PIECE_BYTES = hashed._PIECE_BYTES, piece
    try:
        got = HashedNgrams(dim).embed(texts)
    finally:
        hashed._PIECE_BYTES = before
    assert got.dtype == np.float32
    expected = [reference(text, dim) for text in texts]
    np.testing.assert_array_equal(got, np.array(expected, np.float32).reshape(len(texts), dim))


def test_vectors_never_change():
    [vector] = HashedNgrams(8).embed(["Grand Prix de Monaco, 1950"])
    expected = [-0.534522, -0.308607, 0.041345, 0.154303, 0.154303, -0.421565, -0.730171, -0.154303]
    assert HashedNgrams(8).identity == "hashed-ngrams-1, dim=8"
    np.testing.assert_allclose(vector, expected, atol=1e-6)


def test_like_texts_are_near_and_others_are_not():
    story, again, sequel, other = HashedNgrams(256).embed(
        ["Toy Story (1995)", "toy  story, 1995", "Toy Stories (1996)", "Quiet harbour"]
    )
    assert story @ again == pytest.approx(1)
    assert story @ sequel > 0.4
    assert abs(story @ other) < 0.3


@pytest.mark.parametrize("text", ["", " ", "!?"])
def test_a_text_without_a_word_has_zeros(text):
    assert not HashedNgrams(4).embed([text]).any()


@pytest.mark.parametrize("dim", [0, -1, 1 << 17])
def test_a_width_that_makes_no_sense_is_refused(dim):
    with pytest.raises(ValueError, match=f"^dim is {dim}; choose 1 to 65536$"):
        HashedNgrams(dim)
