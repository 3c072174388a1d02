from __future__ import annotations

import numpy as np
import pytest
import torch

from relhop.errors import PlanError
from relhop.loader import SeedLoader
from relhop.nn.model import RelationalModel, seeded
from relhop.plan import ModelPlan
from relhop.statistics import code_maps, fit_statistics
from tests import clicks


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return clicks.build(tmp_path_factory.mktemp("model") / "clicks.rh")


@pytest.fixture(scope="module")
def table(store):
    return clicks.training_table(store)


@pytest.fixture(scope="module")
def statistics(store, table):
    return fit_statistics(store, table.train_cut)


def build(store, statistics, overrides=None, out_channels=1):
    plan = ModelPlan().with_overrides({"model_architecture.channels": 8, **(overrides or {})})
    with seeded(plan):
        model = RelationalModel(
            plan, store.schema, statistics, entity_table="users", out_channels=out_channels
        )
    model.set_code_maps(code_maps(statistics, store))
    return model.eval()


def batch_of(store, table, num_neighbors=(4, 4), batch_size=16):
    return next(iter(SeedLoader(store, table, list(num_neighbors), batch_size=batch_size)))


def test_a_batch_gives_a_row_of_outputs_per_seed(store, table, statistics):
    out = build(store, statistics, out_channels=3)(batch_of(store, table))
    assert out.shape == (16, 3)
    assert torch.isfinite(out).all()


def test_weights_are_a_function_of_the_seed_and_leave_the_random_state_alone(store, statistics):
    before = torch.get_rng_state()
    one, same = build(store, statistics), build(store, statistics)
    other = build(store, statistics, {"training_job.seed": 1})
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_a_seed_s_output_does_not_depend_on_the_others_in_its_batch(store, table, statistics):
    model = build(store, statistics)
    together = model(batch_of(store, table, batch_size=16))
    alone = model(batch_of(store, table, batch_size=1))
    torch.testing.assert_close(together[:1], alone, atol=1e-5, rtol=1e-5)


def test_seeds_without_a_past_get_an_output(store, statistics):
    frame = clicks.labels().assign(anchor_time=clicks.START - np.timedelta64(1, "D"))
    table = clicks.TrainingTable.from_pandas(frame[:3], store, entity_table="users", task_type="binary")
    batch = batch_of(store, table)
    assert batch["clicks"].num_nodes == 0
    assert torch.isfinite(build(store, statistics)(batch)).all()


def test_a_dropped_column_is_not_seen(store, table, statistics):
    batch = batch_of(store, table)
    full, without = (
        build(store, statistics),
        build(store, statistics, {"column_processing.drop": ["users.city"]}),
    )
    before = full(batch), without(batch)
    batch["users"].tf.feat_dict[next(s for s in batch["users"].tf.feat_dict if s.value == "categorical")][
        :
    ] = -1
    assert not torch.equal(before[0], full(batch))
    assert torch.equal(before[1], without(batch))


def test_the_age_of_a_row_is_seen(store, table, statistics):
    batch, model = batch_of(store, table), build(store, statistics)
    before = model(batch)
    batch["clicks"].time -= 5 * 86_400_000_000
    assert not torch.allclose(before, model(batch))


def test_all_parameters_learn(store, table, statistics):
    model = build(store, statistics)
    batch = batch_of(store, table, (-1, -1), 64)
    model(batch).sum().backward()
    idle = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum()}
    assert not {name for name in idle if "encoders.items" not in name.replace("<", "").replace(">", "")}


@pytest.mark.parametrize("aggregation", ["mean", "sum", "max", "attention"])
@pytest.mark.parametrize("hops", [1, 3])
def test_what_trimming_leaves_out_changes_no_seed(store, table, statistics, aggregation, hops):
    overrides = {
        "neighbor_sampling.num_neighbors": [3] * hops,
        "model_architecture.aggregation": aggregation,
        "model_architecture.residual": aggregation == "attention",
        "model_architecture.normalization": "batch" if aggregation == "sum" else "layer",
    }
    model, batch = build(store, statistics, overrides), batch_of(store, table, [3] * hops)
    x, edges = model.encode(batch), batch.collect("edge_index")
    sizes = {name: len(vectors) for name, vectors in x.items()}
    untrimmed = x
    for layer in model.body.layers:
        of_layer = {name: sizes[name] for name in layer.own.keys()}  # noqa: SIM118
        untrimmed = untrimmed | layer(untrimmed, edges, of_layer)
    trimmed = model.gather(x, batch)
    assert trimmed.shape == (16, 8)
    torch.testing.assert_close(trimmed, untrimmed["users"][:16])


def test_a_plan_for_other_columns_is_refused(store, statistics):
    with pytest.raises(PlanError) as error:
        build(store, statistics, {"column_processing.drop": ["users.town"]})
    assert str(error.value) == (
        "column_processing.drop: 'users.town' is no feature column. Did you mean 'users.born'?"
    )
