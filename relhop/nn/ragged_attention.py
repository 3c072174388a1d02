"""Attention within groups of different sizes, without padding."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention


def attend(query: Tensor, key: Tensor, value: Tensor, lengths: Tensor, query_lengths: Tensor) -> Tensor:
    """What each query gets of the values of its own group [Q, heads, width].

    On a CPU a call a group, on other devices one for all. Measured on 2 cores, forward and backward, of 512
    groups of 1 to 200 tokens: 0.36 s; padded to the longest 0.73 s, in groups of like lengths 0.51 s, as
    nested tensors 4.5 s; flex_attention has no backward on a CPU.

    Args:
        query: Floats [Q, heads, width], group by group.
        key: Floats [T, heads, width], group by group.
        value: As `key`.
        lengths: Keys of each group, int64 [B], at least 1.
        query_lengths: Queries of each group, int64 [B].
    """
    by_group = one_by_one if query.device.type == "cpu" else all_at_once
    return by_group(query, key, value, lengths, query_lengths)


def one_by_one(query: Tensor, key: Tensor, value: Tensor, lengths: Tensor, query_lengths: Tensor) -> Tensor:
    """`attend`, a call a group."""
    keys, queries = lengths.tolist(), query_lengths.tolist()
    parts = ((query, queries), (key, keys), (value, keys))
    groups = zip(
        *(torch.split(part.transpose(0, 1)[None], sizes, dim=2) for part, sizes in parts), strict=True
    )
    found = [scaled_dot_product_attention(q, k, v) for q, k, v in groups]
    return torch.cat(found, dim=2)[0].transpose(0, 1)


def all_at_once(query: Tensor, key: Tensor, value: Tensor, lengths: Tensor, query_lengths: Tensor) -> Tensor:
    """`attend`, one call for all groups, as nested tensors."""
    q, k, v = (
        torch.nested.nested_tensor_from_jagged(
            part, torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])
        ).transpose(1, 2)
        for part, sizes in ((query, query_lengths), (key, lengths), (value, lengths))
    )
    found: Tensor = scaled_dot_product_attention(q, k, v).transpose(1, 2).values()
    return found
