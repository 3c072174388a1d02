"""A graph convolutional network (Kipf and Welling 2017, arXiv 1609.02907) on Cora and Amazon Photo, out of a
store.

    python examples/citation/gcn.py [--graph NAME] [--seeds N]

Edges carry the weights of the normalised adjacency matrix with self-loops, as an attribute of the store. So
neighborhoods with all neighbors give each seed what the whole graph would give it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, dropout
from torch_geometric.data import Data
from torch_geometric.nn import GCNConv

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

import relhop as rh
from relhop.loader import NeighborLoader

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Setting:
    """A graph, how wide its network is and how long it is trained, and how its nodes are split."""

    file: str
    hidden: int
    epochs: int
    random_split: bool


SETTINGS = {
    "cora": Setting("cora_planetoid.npz", 16, 200, random_split=False),
    "amazon-photo": Setting("amazon_photo.npz", 32, 100, random_split=True),
}
SPLITS = ("train", "val", "test")
ALL_NEIGHBORS = [-1, -1]
JUDGED_EVERY = 5  # epochs


def make_store(setting: Setting, folder: Path) -> rh.Store:
    """Nodes with rows of features of length 1, and undirected edges with their weights."""
    with np.load(DATA / setting.file) as arrays:
        num_nodes, width = arrays["x_shape"]
        begins, words = arrays["x_indptr"], arrays["x_indices"]
        x = np.zeros((num_nodes, width), np.float32)
        x[np.repeat(np.arange(num_nodes), np.diff(begins)), words] = 1
        x /= np.sqrt(np.maximum(x.sum(axis=1, keepdims=True), 1))
        y, edges = arrays["y"].astype(np.int64), arrays["edge_index"].astype(np.int64)
    loops = np.tile(np.arange(num_nodes), (2, 1))
    edges = np.unique(np.hstack([edges, edges[::-1], loops]), axis=1)
    degree = np.bincount(edges[1], minlength=num_nodes)
    weight = (degree[edges[0]] * degree[edges[1]]).astype(np.float32) ** -0.5
    nodes = rh.Table("node", source={"x": x, "y": y}, pkey_col=())
    links = rh.EdgeTable("link", src="node", dst="node", source={"edge_index": edges, "weight": weight})
    return rh.Graph(tables=[nodes], links=[], edges=[links]).snapshot(folder, progress=False)


def split(setting: Setting, labels: np.ndarray, seed: int) -> dict[str, Tensor]:
    """Node numbers to learn from, to choose the epoch by and to judge by: the public ones, or 20 and 30 of
    each class, drawn, and the rest.
    """
    if not setting.random_split:
        with np.load(DATA / setting.file) as arrays:
            return {name: torch.from_numpy(np.flatnonzero(arrays[f"{name}_mask"])) for name in SPLITS}
    rng = np.random.default_rng(seed)
    by_class = [rng.permutation(np.flatnonzero(labels == c)) for c in range(labels.max() + 1)]
    bounds = {"train": slice(20), "val": slice(20, 50), "test": slice(50, None)}
    return {
        name: torch.from_numpy(np.concatenate([nodes[bound] for nodes in by_class]))
        for name, bound in bounds.items()
    }


class GCN(nn.Module):
    """Two layers; weights of edges are given."""

    def __init__(self, num_features: int, hidden: int, num_classes: int) -> None:
        super().__init__()
        self.first = GCNConv(num_features, hidden, normalize=False)
        self.second = GCNConv(hidden, num_classes, normalize=False)

    def forward(self, batch: Data) -> Tensor:
        """Logits of the seeds [B, classes]."""
        x = self.first(batch.x, batch.edge_index, batch.weight).relu()
        x = self.second(dropout(x, 0.5, self.training), batch.edge_index, batch.weight)
        return x[: batch.batch_size]


def seeds_of(store: rh.Store, nodes: Tensor) -> Data:
    """One batch of seeds with all their neighbors of two hops."""
    return next(iter(NeighborLoader(store, ALL_NEIGHBORS, nodes, batch_size=len(nodes))))


def train(store: rh.Store, setting: Setting, seed: int) -> float:
    """Accuracy among the test nodes, of the epoch that is best among the validation nodes."""
    whole = seeds_of(store, torch.arange(store.tables["node"].num_rows))
    labels = whole.y.numpy()
    nodes = split(setting, labels, seed)
    batch = seeds_of(store, nodes["train"])  # the same in each epoch, as all neighbors are in it
    y = batch.y[: batch.batch_size]

    torch.manual_seed(seed)
    model = GCN(whole.x.shape[1], setting.hidden, int(labels.max()) + 1)
    optimizer = torch.optim.Adam(
        [
            {"params": model.first.parameters(), "weight_decay": 5e-4},
            {"params": model.second.parameters(), "weight_decay": 0},
        ],
        lr=0.01,
    )
    best = found = 0.0
    for epoch in range(1, setting.epochs + 1):
        model.train()
        optimizer.zero_grad()
        cross_entropy(model(batch), y).backward()
        optimizer.step()
        if epoch % JUDGED_EVERY:
            continue
        model.eval()
        with torch.inference_mode():
            correct = model(whole).argmax(dim=1) == whole.y
        val, test = (float(correct[nodes[name]].float().mean()) for name in ("val", "test"))
        if val >= best:
            best, found = val, test
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--graph", choices=SETTINGS, help="one graph alone")
    parser.add_argument("--seeds", type=int, default=10, help="runs, each with other weights and splits")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # the work is too small to be shared out
    for name in [arguments.graph] if arguments.graph else SETTINGS:
        setting = SETTINGS[name]
        with tempfile.TemporaryDirectory() as home:
            store = make_store(setting, Path(home) / "graph.rh")
            found = [100 * train(store, setting, seed) for seed in range(arguments.seeds)]
        spread = statistics.stdev(found) if len(found) > 1 else 0.0
        print(f"{name}: {statistics.mean(found):.1f} ± {spread:.1f} % of test nodes, {len(found)} runs")


if __name__ == "__main__":
    main()
