"""GraphSAGE on papers that cite papers: three layers, 5.6 M parameters, fanouts 12, batches of 1,152."""

import tempfile
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from torch_geometric.nn import GraphSAGE

import relhop as rh
from examples.pyg import graphs
from relhop.loader import NeighborLoader


def main(folder: Path, hidden: int = 1536, batch_size: int = 1152, epochs: int = 2) -> float:
    """Trains, and returns the accuracy among the last epoch's seeds."""
    data = rh.Store.open(folder / "papers.rh")
    train = torch.from_numpy(np.load(folder / "train.npy"))
    loader = NeighborLoader(data, [12, 12, 12], train, batch_size=batch_size, shuffle=True)

    torch.manual_seed(0)
    model = GraphSAGE(graphs.NUM_FEATURES, hidden, num_layers=3, out_channels=graphs.NUM_CLASSES)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
    accuracy = 0.0
    for epoch in range(epochs):
        correct = total = 0
        for batch in loader:
            optimizer.zero_grad()
            out = model(
                batch.x,
                batch.edge_index,
                num_sampled_nodes_per_hop=batch.num_sampled_nodes,
                num_sampled_edges_per_hop=batch.num_sampled_edges,
            )[: batch.batch_size]
            y = batch.y[: batch.batch_size]
            loss = cross_entropy(out, y)
            loss.backward()
            optimizer.step()
            correct += int((out.argmax(dim=-1) == y).sum())
            total += batch.batch_size
        accuracy = correct / total
        print(f"epoch {epoch}: loss {loss.item():.3f}, accuracy {accuracy:.3f}")
    return accuracy


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        graphs.make_papers(Path(home))
        main(Path(home))
