"""Items that a model knows by name: a vector for each, wherever a store has its row."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from relhop.store.reader import Store


def item_hashes(store: Store, item_table: str, num_rows: int) -> NDArray[np.int64]:
    """A hash of the primary key of the first rows of a table, int64 [num_rows]; the same in every store."""
    keys = store.keys_of(item_table, np.arange(num_rows)).to_pandas().astype(str)
    hashed = np.array(pd.util.hash_pandas_object(keys, index=False), np.uint64)
    return hashed.view(np.int64)


class ItemEmbedding(nn.Module):
    """Vectors of the items that training knew; of others, 0.

    Rows belong to a store and vectors to a model, so items are found by the hashes of their keys.

    Args:
        num_items: How many items training knows.
        channels: Width of the vectors.
    """

    hashes: Tensor
    places: Tensor

    def __init__(self, num_items: int, channels: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.empty(num_items, channels).normal_())
        self.register_buffer("hashes", torch.zeros(num_items, dtype=torch.int64))
        self.register_buffer("places", torch.arange(num_items), persistent=False)

    def learn_names(self, hashes: NDArray[np.int64]) -> None:
        """Says which items the vectors belong to: int64 [num_items], of `item_hashes`."""
        self.hashes.copy_(torch.tensor(hashes))

    def find(self, hashes: NDArray[np.int64]) -> None:
        """Takes the items of a store, by row; those unknown have no vector."""
        known = self.hashes.cpu().numpy()
        order = np.argsort(known, kind="stable")
        place = np.searchsorted(known, hashes, sorter=order).clip(max=max(len(known) - 1, 0))
        found = known[order[place]] == hashes if len(known) else np.zeros(len(hashes), bool)
        places = np.where(found, order[place] if len(known) else -1, -1)
        self.places = torch.from_numpy(places).to(self.vectors.device)

    def forward(self, rows: Tensor) -> Tensor:
        """Vectors [n, channels] of rows of the store's item table, int64 [n]."""
        if not len(self.vectors):
            return self.vectors.new_zeros(len(rows), self.vectors.shape[1])
        places = self.places[rows]
        vectors: Tensor = self.vectors[places.clamp(min=0)] * (places >= 0)[:, None]
        return vectors
