"""Unsupervised GraphSAGE: the ends of a citation are to be alike, those of random pairs are not."""

import tempfile
from pathlib import Path

import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from torch_geometric.nn import GraphSAGE

import relhop as rh
from examples.pyg import graphs
from relhop.loader import LinkNeighborLoader


def main(folder: Path, hidden: int = 64, batch_size: int = 2048, max_batches: int = 40) -> float:
    """Trains, and returns how many pairs of the last batch are told apart, as a share."""
    data = rh.Store.open(folder / "papers.rh")
    loader = LinkNeighborLoader(data, [10, 10], neg_sampling_ratio=1.0, batch_size=batch_size, shuffle=True)

    torch.manual_seed(0)
    model = GraphSAGE(graphs.NUM_FEATURES, hidden, num_layers=2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    right = 0.0
    for number, batch in enumerate(loader):
        optimizer.zero_grad()
        out = model(batch.x, batch.edge_index)
        source, target = batch.edge_label_index
        score = (out[source] * out[target]).sum(dim=-1) / hidden**0.5
        loss = binary_cross_entropy_with_logits(score, batch.edge_label)
        loss.backward()
        optimizer.step()
        right = ((score > 0) == (batch.edge_label > 0)).float().mean().item()
        if number % 10 == 9:
            print(f"batch {number}: loss {loss.item():.3f}, {right:.1%} of the pairs told apart")
        if number + 1 == max_batches:
            break
    return right


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        graphs.make_papers(Path(home))
        main(Path(home))
