"""A Heterogeneous Graph Transformer on papers and authors, which are sampled around papers."""

import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import Linear, Module, ModuleDict, ModuleList
from torch.nn.functional import cross_entropy
from torch_geometric.nn import HGTConv

import relhop as rh
from examples.pyg import graphs
from relhop.loader import NeighborLoader

EDGES = [("paper", "cites", "paper"), ("author", "writes", "paper"), ("paper", "rev_writes", "author")]


class HGT(Module):
    """Two layers over nodes that are first made equally wide."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        widths = {"paper": graphs.NUM_FEATURES, "author": 32}
        self.enter = ModuleDict({name: Linear(width, hidden) for name, width in widths.items()})
        metadata = (list(widths), EDGES)
        self.layers = ModuleList(HGTConv(hidden, hidden, metadata, heads=2) for _ in range(2))
        self.leave = Linear(hidden, graphs.NUM_CLASSES)

    def forward(self, x: dict[str, Tensor], edges: dict[tuple[str, str, str], Tensor]) -> Tensor:
        """A class's score of each paper."""
        x = {name: self.enter[name](values).relu() for name, values in x.items()}
        for layer in self.layers:
            x = layer(x, edges)
        return self.leave(x["paper"])


def main(folder: Path, hidden: int = 64, batch_size: int = 128, epochs: int = 3) -> float:
    """Trains, and returns the accuracy among the last epoch's seeds."""
    data = rh.Store.open(folder / "library.rh")
    train = torch.from_numpy(np.load(folder / "train.npy"))
    loader = NeighborLoader(data, [10, 10], ("paper", train), batch_size=batch_size, shuffle=True)

    torch.manual_seed(0)
    model = HGT(hidden)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    accuracy = 0.0
    for epoch in range(epochs):
        correct = total = 0
        for batch in loader:
            seeds = batch["paper"].batch_size
            optimizer.zero_grad()
            out, y = model(batch.x_dict, batch.edge_index_dict)[:seeds], batch["paper"].y[:seeds]
            loss = cross_entropy(out, y)
            loss.backward()
            optimizer.step()
            correct += int((out.argmax(dim=-1) == y).sum())
            total += seeds
        accuracy = correct / total
        print(f"epoch {epoch}: loss {loss.item():.3f}, accuracy {accuracy:.3f}")
    return accuracy


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        graphs.make_library(Path(home))
        main(Path(home))
