"""What the sampler found -> a batch, as PyG's loaders give it."""

from __future__ import annotations

from torch_geometric.data import Data, HeteroData
from torch_geometric.loader.utils import filter_data, filter_hetero_data
from torch_geometric.sampler import NegativeSampling, SamplerOutput
from torch_geometric.typing import EdgeType

from relhop.pyg.sampler import Sampled


def batch_of_data(data: Data | HeteroData, out: Sampled) -> Data | HeteroData:
    """The part of data in memory that was found: all its attributes of nodes and edges."""
    take = filter_data if isinstance(out, SamplerOutput) else filter_hetero_data
    return take(data, out.node, out.row, out.col, out.edge)


def describe(batch: Data | HeteroData, out: Sampled) -> None:
    """Adds what the sampler knows: `n_id`, `e_id`, `batch` and the counts by hop.

    Numbers that the data holds itself under these names stay.
    """
    if isinstance(out, SamplerOutput):
        batch.batch = out.batch
        batch.num_sampled_nodes, batch.num_sampled_edges = out.num_sampled_nodes, out.num_sampled_edges
        if "n_id" not in batch:
            batch.n_id = out.node
        if "e_id" not in batch and out.edge is not None:
            batch.e_id = out.edge
        return
    for node_type, ids in out.node.items():
        if "n_id" not in batch[node_type]:
            batch[node_type].n_id = ids
    for edge_type, ids in (out.edge or {}).items():
        if ids is not None and "e_id" not in batch[edge_type]:
            batch[edge_type].e_id = ids
    for name in ("batch", "num_sampled_nodes", "num_sampled_edges"):
        batch.set_value_dict(name, getattr(out, name))


def describe_nodes(batch: Data | HeteroData, out: Sampled, input_type: str | None) -> None:
    """Adds what a batch of seed nodes says of them."""
    seeds = batch if input_type is None else batch[input_type]
    seeds.input_id, seeds.seed_time = out.metadata
    seeds.batch_size = out.metadata[0].size(0)


def describe_links(
    batch: Data | HeteroData, out: Sampled, input_type: EdgeType | None, negatives: NegativeSampling | None
) -> None:
    """Adds what a batch of seed links says of them."""
    homogeneous = input_type is None
    links, source, target = (
        (batch, batch, batch) if homogeneous else (batch[input_type], batch[input_type[0]], batch[input_type[-1]])
    )
    links.input_id = out.metadata[0]
    if negatives is None or negatives.is_binary():
        links.edge_label_index, links.edge_label, links.edge_label_time = out.metadata[1:]
        return
    source.src_index, target.dst_pos_index, target.dst_neg_index = out.metadata[1:4]
    source.seed_time = target.seed_time = out.metadata[4]
    # What the whole data's links are called is of no meaning in a batch of triplets.
    if homogeneous or input_type in batch.edge_types:
        for name in ("edge_label_index", "edge_label_time"):
            if name in links:
                del links[name]

