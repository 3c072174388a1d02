"""Words and character trigrams, hashed: vectors of text that need no model and no download.

Feature hashing with signs (Weinberger et al. 2009, arXiv 0902.2206): each word and each trigram adds 1 or -1
to one number of the vector, chosen by a hash of its bytes. Products of such vectors are, but for collisions,
those of the counts themselves; trigrams make words alike that share a stem or differ by a typing error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_Int64s: TypeAlias = npt.NDArray[np.int64]
_UInt64s: TypeAlias = npt.NDArray[np.uint64]

_VERSION = 1
"""Raised whenever the same text comes to have other vectors."""

_PIECE_BYTES = 1 << 20
"""Of text, embedded at once: what is computed about its bytes stays near the processor."""

_PIECE_TEXTS = 1 << 15

_BASE = 0x9E3779B97F4A7C15
_BASE_INVERSE = pow(_BASE, -1, 1 << 64)


@dataclass(frozen=True)
class HashedNgrams:
    """Hashed words and character trigrams.

    Words are runs of letters, digits and bytes beyond ASCII; upper-case ASCII letters count as lower-case.
    Trigrams are three bytes in UTF-8 around a byte of a word, a space standing for what is no word. Words and
    trigrams are each scaled to length 1, and their sum divided by the square root of 2; text without a
    word has zeros.

    Attributes:
        dim: Numbers of a vector.
    """

    dim: int = 64

    def __post_init__(self) -> None:
        if not 1 <= self.dim <= 1 << 16:
            raise ValueError(f"dim is {self.dim}; choose 1 to 65536")

    @property
    def identity(self) -> str:
        """The algorithm, its version and its width."""
        return f"hashed-ngrams-{_VERSION}, dim={self.dim}"

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Vectors [n, dim] of texts; all arithmetic is of integers, but for the scaling at the end."""
        array = pa.array(texts, pa.large_string())
        offsets = np.frombuffer(array.buffers()[1], np.int64, len(array) + 1)
        content = array.buffers()[2]
        data = np.frombuffer(b"" if content is None else content, np.uint8)
        vectors = np.empty((len(texts), self.dim), np.float32)
        begin = 0
        while begin < len(texts):
            reach = np.searchsorted(offsets, offsets[begin] + _PIECE_BYTES, side="right") - 1
            end = min(max(int(reach), begin + 1), begin + _PIECE_TEXTS, len(texts))
            bounds = offsets[begin : end + 1]
            vectors[begin:end] = self._piece(data[bounds[0] : bounds[-1]], bounds - bounds[0])
            begin = end
        return vectors

    def _piece(self, data: npt.NDArray[np.uint8], bounds: _Int64s) -> npt.NDArray[np.float32]:
        """Vectors of the texts data[bounds[i]:bounds[i + 1]]."""
        count = len(bounds) - 1
        lengths = np.diff(bounds)
        # A space on both sides of each text keeps its words and trigrams to itself.
        padded = np.full(len(data) + 2 * count + 1, ord(" "), np.uint8)
        owner = np.repeat(np.arange(count), lengths)
        padded[np.arange(len(data)) + 2 * owner + 1] = _NORMAL[data]
        inside = np.flatnonzero(padded != ord(" "))
        text_of = np.searchsorted(bounds[1:] + 2 * np.arange(1, count + 1), inside, side="right")
        near = padded.astype(np.uint64)
        trigrams = (near[inside - 1] * 256 + near[inside]) * 256 + near[inside + 1]
        starts = padded[inside - 1] == ord(" ")
        words = _word_hashes(near, inside, starts)
        vectors = self._scaled(words, text_of[starts], count)
        vectors += self._scaled(trigrams, text_of, count)
        vectors *= np.float32(0.5**0.5)
        return vectors

    def _scaled(self, tokens: _UInt64s, text_of: _Int64s, count: int) -> npt.NDArray[np.float32]:
        """Signed counts of tokens by hash, of each text scaled to length 1: [count, dim]."""
        mixed = _mixed(tokens)
        place = text_of * self.dim + ((mixed >> 32) * np.uint64(self.dim) >> 32).astype(np.int64)
        signs = np.where(mixed & 1, 1.0, -1.0)
        found = np.bincount(place, signs, minlength=count * self.dim).reshape(count, self.dim)
        norm = np.sqrt((found * found).sum(axis=1, keepdims=True))
        scaled: npt.NDArray[np.float32] = (found / np.maximum(norm, 1.0)).astype(np.float32)
        return scaled


def _normal_bytes() -> npt.NDArray[np.uint8]:
    """By byte: lower-case letters, digits and bytes beyond ASCII as they are, all else a space."""
    table = np.full(256, ord(" "), np.uint8)
    for byte in range(256):
        if byte >= 128 or chr(byte).isalnum():
            table[byte] = ord(chr(byte).lower()) if byte < 128 else byte
    return table


_NORMAL = _normal_bytes()


def _word_hashes(near: _UInt64s, inside: _Int64s, starts: npt.NDArray[np.bool_]) -> _UInt64s:
    """Of each word the value at `_BASE` of the polynomial of its bytes, modulo 2^64."""
    powers, inverses = _powers(len(near))
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(near[inside] * powers[inside])])
    first = np.flatnonzero(starts)
    last = np.append(first[1:], len(inside))
    hashes: _UInt64s = (sums[last] - sums[first]) * inverses[inside[first]]
    return hashes


@lru_cache(4)
def _powers_of(base: int, length: int) -> _UInt64s:
    powers = np.full(length, base, np.uint64)
    powers[0] = 1
    return np.cumprod(powers, dtype=np.uint64)


def _powers(length: int) -> tuple[_UInt64s, _UInt64s]:
    """base^0, base^1, ... modulo 2^64, and the same of its inverse; at least `length` of each."""
    size = max(1 << 21, 1 << length.bit_length())
    return _powers_of(_BASE, size), _powers_of(_BASE_INVERSE, size)


def _mixed(values: Any) -> _UInt64s:
    """Values whose bits all depend on all bits (the finalizer of SplitMix64; Steele et al. 2014)."""
    mixed: _UInt64s = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
