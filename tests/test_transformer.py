from __future__ import annotations

import pytest
import torch
from torch_geometric.data import HeteroData

from relhop.loader import SeedLoader
from relhop.nn.model import RelationalModel, seeded
from relhop.nn.ragged_attention import all_at_once, one_by_one
from relhop.nn.tokens import tokens_of
from relhop.plan import ModelPlan
from relhop.statistics import code_maps, fit_statistics
from tests import clicks

TABLES = ["users", "clicks", "items"]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return clicks.build(tmp_path_factory.mktemp("transformer") / "clicks.rh")


@pytest.fixture(scope="module")
def table(store):
    return clicks.training_table(store)


@pytest.fixture(scope="module")
def statistics(store, table):
    return fit_statistics(store, table.train_cut)


def build(store, statistics, **settings):
    overrides = {"body": "transformer", "channels": 8, "num_heads": 2, **settings}
    plan = ModelPlan().with_overrides({f"model_architecture.{name}": v for name, v in overrides.items()})
    with seeded(plan):
        model = RelationalModel(plan, store.schema, statistics, entity_table="users", out_channels=1)
    model.set_code_maps(code_maps(statistics, store))
    return model.eval()


def batch_of(store, table, batch_size=16):
    return next(iter(SeedLoader(store, table, [4, 4], batch_size=batch_size)))


def small_batch() -> HeteroData:
    """Seeds u0 and u1 at time 10; u0's clicks of the times 3, 9, 9, u1's of 5; items of u0's first two."""
    batch = HeteroData()
    batch["users"].batch, batch["users"].num_sampled_nodes = torch.tensor([0, 1]), [2, 0, 0]
    batch["users"].seed_time = torch.tensor([10, 10])
    batch["clicks"].batch, batch["clicks"].num_sampled_nodes = torch.tensor([0, 0, 0, 1]), [0, 4, 0]
    batch["clicks"].time = torch.tensor([3, 9, 9, 5])
    batch["items"].batch, batch["items"].num_sampled_nodes = torch.tensor([0, 0]), [0, 0, 2]
    return batch


@pytest.mark.parametrize(
    ("max_tokens", "nodes", "hops"),
    [
        (9, [0, 3, 4, 2, 6, 7, 1, 5], [0, 1, 1, 1, 2, 2, 0, 1]),
        (5, [0, 3, 4, 2, 6, 1, 5], [0, 1, 1, 1, 2, 0, 1]),
        (2, [0, 3, 1, 5], [0, 1, 0, 1]),
        (1, [0, 1], [0, 0]),
    ],
)
def test_the_nearest_and_of_a_hop_the_newest_rows_become_tokens(max_tokens, nodes, hops):
    tokens = tokens_of(small_batch(), TABLES, "users", max_tokens)
    assert tokens.nodes.tolist() == nodes
    assert tokens.hops.tolist() == hops
    assert tokens.nodes[tokens.seeds].tolist() == [0, 1]


def test_of_a_hop_rows_without_a_time_come_first():
    batch = small_batch()
    batch["items"].num_sampled_nodes = [0, 2, 0]
    assert tokens_of(batch, TABLES, "users", 4).nodes.tolist() == [0, 6, 7, 3, 1, 5]


def test_without_a_cut_every_row_is_a_token_of_its_seed(store, table):
    batch = batch_of(store, table)
    tokens = tokens_of(batch, TABLES, "users", 1000)
    owner = torch.cat([batch[name].batch for name in TABLES])
    assert tokens.nodes.sort().values.tolist() == list(range(len(owner)))
    assert owner[tokens.nodes].tolist() == torch.arange(16).repeat_interleave(tokens.lengths).tolist()


@pytest.mark.parametrize("way", [one_by_one, all_at_once])
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_attention_stays_within_a_group(way):
    torch.manual_seed(0)
    lengths, asked = torch.tensor([3, 1, 5]), torch.tensor([1, 1, 2])
    query, key, value = (torch.randn(n, 2, 4) for n in (4, 9, 9))
    got = way(query, key, value, lengths, asked)
    groups = zip(query.split([1, 1, 2]), key.split([3, 1, 5]), value.split([3, 1, 5]), strict=True)
    expected = [
        torch.einsum("hqk,khd->qhd", (torch.einsum("qhd,khd->hqk", q, k) / 2).softmax(-1), v)
        for q, k, v in groups
    ]
    torch.testing.assert_close(got, torch.cat(expected))


@pytest.mark.parametrize("max_tokens", [6, 300])
def test_a_seed_s_output_does_not_depend_on_the_others_in_its_batch(store, table, statistics, max_tokens):
    model = build(store, statistics, max_tokens=max_tokens)
    together = model(batch_of(store, table, batch_size=16))
    assert together.shape == (16, 1)
    alone = model(batch_of(store, table, batch_size=1))
    torch.testing.assert_close(together[:1], alone, atol=1e-5, rtol=1e-5)


def test_the_last_layer_computes_the_seeds_as_if_it_computed_all(store, table, statistics):
    body, batch = build(store, statistics).body, batch_of(store, table)
    tokens = tokens_of(batch, TABLES, "users", 300)
    x = torch.randn(len(tokens.nodes), 8)
    seeds = body.layers[-1](x, tokens.lengths, tokens.seeds)
    torch.testing.assert_close(seeds, body.layers[-1](x, tokens.lengths)[tokens.seeds])


def test_training_twice_gives_the_same_weights(store, table, statistics):
    def train():
        model, batch = build(store, statistics, dropout=0.5).train(), batch_of(store, table)
        optimizer = torch.optim.AdamW(model.parameters())
        torch.manual_seed(0)
        for _ in range(2):
            optimizer.zero_grad()
            model(batch).square().sum().backward()
            optimizer.step()
        return model.parameters()

    assert all(torch.equal(a, b) for a, b in zip(train(), train(), strict=True))


def test_all_parameters_learn(store, table, statistics):
    model = build(store, statistics)
    model(batch_of(store, table, 64)).sum().backward()
    idle = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum()}
    assert not {name for name in idle if "encoders.items" not in name.replace("<", "").replace(">", "")}


def test_which_row_a_row_was_found_from_is_seen(store, table, statistics):
    model, batch = build(store, statistics), batch_of(store, table)
    before = model(batch)
    edges = batch["items", "rev_f2p_item_id", "clicks"]
    edges.edge_index = torch.stack([edges.edge_index[0], edges.edge_index[1].flip(0)])
    assert not torch.allclose(before, model(batch))


def test_more_layers_see_the_same_tokens(store, table, statistics):
    out = build(store, statistics, num_layers=3, aggregation="attention")(batch_of(store, table))
    assert torch.isfinite(out).all()
