"""What a sampler found, whether the graph has types or not."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch_geometric.sampler import HeteroSamplerOutput, SamplerOutput

from relhop.pyg.graph_data import EdgeKey, NodeKey

Sampled: TypeAlias = SamplerOutput | HeteroSamplerOutput


def nodes_of(out: Sampled, key: NodeKey) -> Tensor:
    """The numbers of the nodes of a type that were found."""
    found = out.node if isinstance(out, SamplerOutput) else out.node.get(key)
    return torch.empty(0, dtype=torch.int64) if found is None else found


def edges_of(out: Sampled, key: EdgeKey) -> tuple[Tensor, Tensor | None]:
    """The ends [2, E] of the edges of a type that were found, and their numbers; None where these are not
    known.
    """
    if isinstance(out, SamplerOutput):
        return _ends(out.row, out.col), out.edge
    if key not in out.row:
        return torch.empty((2, 0), dtype=torch.int64), torch.empty(0, dtype=torch.int64)
    return _ends(out.row[key], out.col[key]), (out.edge or {}).get(key)


def _ends(row: Tensor, col: Tensor) -> Tensor:
    # PyTorch's threads would stack them, and then wait busily beside those that sample the next batches.
    return torch.from_numpy(np.stack([row.numpy(), col.numpy()]))
