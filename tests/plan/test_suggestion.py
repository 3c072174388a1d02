from __future__ import annotations

from dataclasses import replace

import pytest

from relhop.errors import PlanError
from relhop.plan import Degree, Facts, ModelPlan, suggest
from relhop.schema import Link, Schema, Table

SHOP = Schema(
    [
        Table("users", pkey_col="id"),
        Table("orders", pkey_col="id", time_col="at"),
        Table("items", pkey_col="id"),
    ],
    [Link("orders", "user", "users"), Link("orders", "item", "items")],
)
USER_TO_ORDERS, ITEM_TO_ORDERS = SHOP.links[0].to_parent, SHOP.links[1].to_parent
DEGREES = {USER_TO_ORDERS: Degree(5.0, 8), ITEM_TO_ORDERS: Degree(100.0, 200)}
FACTS = Facts(
    SHOP,
    "binary",
    "users",
    {"users": 2000, "orders": 10_000, "items": 100},
    num_examples=5000,
    degrees=DEGREES,
)


def test_rows_of_a_seed_are_counted_by_what_steps_find_and_not_back_the_same_key():
    assert FACTS.rows_per_seed([16]) == 1 + 5
    assert FACTS.rows_per_seed([2]) == 1 + 2
    assert FACTS.rows_per_seed([16, 16]) == 1 + 5 + 5  # an item an order
    assert FACTS.rows_per_seed([16, 16, 16]) == 1 + 5 + 5 + 5 * 16


@pytest.mark.parametrize(("entity", "hops"), [("users", 1), ("orders", 2)])
def test_neighborhoods_end_where_nothing_new_is_found(entity, hops):
    two = Schema(
        [Table("users", pkey_col="id"), Table("orders", pkey_col="id")], [Link("orders", "user", "users")]
    )
    facts = Facts(two, "binary", entity, {"users": 10, "orders": 20}, 10)
    assert (facts.hops(6), FACTS.hops(6)) == (hops, 6)
    plan = suggest(facts)
    assert plan.neighbor_sampling.num_hops == hops
    assert ("; nothing new is found after hop 1" in plan.reasons["neighbor_sampling.num_neighbors"]) == (
        hops == 1
    )


def test_a_fast_plan_is_without_search_and_every_choice_says_why():
    plan = suggest(FACTS)
    assert (plan.candidates, plan.training_job.num_experiments) == ({}, 1)
    assert plan.reasons == {
        "neighbor_sampling.num_neighbors": "run mode fast: 16 a hop, about 11 rows a seed",
        "column_processing.aggregates": "they tell what lies farther than the hops, for the time of a query",
        "model_architecture.channels": "run mode fast",
        "model_architecture.dropout": "12,100 rows in 3 tables",
        "optimization.batch_size": "about 5,632 rows a batch",
        "optimization.max_steps_per_epoch": "run mode fast; 5,000 examples make 10",
        "optimization.max_epochs": "run mode fast; early stopping ends it sooner",
        "optimization.base_lr": "bold, which normalized layers bear",
        "optimization.lr_scheduler": "how many steps there are is known",
        "optimization.loss": "the task is binary",
    }
    lines = plan.to_yaml().splitlines()
    assert "  num_neighbors: [16, 16]  # run mode fast: 16 a hop, about 11 rows a seed" in lines
    assert ModelPlan.from_yaml(plan.to_yaml()) == plan


def test_a_debug_plan_takes_a_few_steps():
    plan = suggest(FACTS, "debug")
    settings = plan.optimization
    assert settings.max_epochs * settings.max_steps_per_epoch == 10
    assert (settings.lr_scheduler, plan.model_architecture.channels, plan.candidates) == ("constant", 16, {})


def test_normal_and_best_plans_search():
    normal, best = suggest(FACTS, "normal"), suggest(FACTS, "best")
    assert normal.training_job.num_experiments == 6
    assert normal.candidates == {
        "column_processing.aggregates": (True, False),
        "model_architecture.channels": (128, 64),
        "model_architecture.dropout": (0.1, 0.3),
        "optimization.base_lr": (0.003, 0.001),
    }
    assert best.training_job.num_experiments == 24
    assert best.candidates["neighbor_sampling.num_neighbors"] == (
        ({"default": 24}, {"default": 24}),
        ({"default": "inferred"}, {"default": "inferred"}),
        ({"default": 24}, {"default": 24}, {"default": 4}),
    )
    assert set(normal.candidates) < set(best.candidates)
    assert best.candidates["model_architecture.body"] == ("sage", "transformer")
    assert (
        "model_architecture.body"
        not in suggest(replace(FACTS, task_type="link_prediction"), "best").candidates
    )
    for plan in (normal, best):
        assert set(plan.candidates) < set(plan.reasons)
        assert ModelPlan.from_yaml(plan.to_yaml()) == plan


def test_few_examples_make_a_narrow_network_and_few_rows_more_dropout():
    plan = suggest(replace(FACTS, num_examples=900, num_rows={"users": 30, "orders": 100, "items": 3}))
    assert (plan.model_architecture.channels, plan.model_architecture.dropout) == (32, 0.3)
    assert plan.reasons["model_architecture.channels"] == "run mode fast, halved: 900 examples are few"


@pytest.mark.parametrize(
    ("changes", "mode", "aggregates"),
    [
        ({}, "fast", True),
        ({"num_examples": None}, "fast", True),
        ({"num_examples": 999}, "fast", False),
        ({"num_rows": {"orders": 20_000_001}}, "fast", False),
        ({"num_rows": {"orders": 20_000_001}}, "best", False),
        ({"task_type": "link_prediction"}, "fast", False),
        ({}, "debug", False),
    ],
)
def test_aggregates_are_read_where_examples_suffice_and_a_query_over_the_rows_is_quick(
    changes, mode, aggregates
):
    plan = suggest(replace(FACTS, **changes), mode)
    assert plan.column_processing.aggregates == aggregates


@pytest.mark.parametrize(("tables", "fanout", "batch"), [(10, 16, 512), (200, 16, 124), (2000, 8, 24)])
def test_where_neighborhoods_are_large_batches_are_small_and_then_fanouts(tables, fanout, batch):
    wide = Schema(
        [Table("users", pkey_col="id"), *(Table(f"t{n}") for n in range(tables))],
        [Link(f"t{n}", "user", "users") for n in range(tables)],
    )
    degrees = {link.to_parent: Degree(1000.0, 1000) for link in wide.links}
    plan = suggest(Facts(wide, "binary", "users", {}, 5000, degrees))
    assert plan.neighbor_sampling.num_neighbors == ({"default": fanout},)
    assert plan.optimization.batch_size == batch


def test_rankings_look_at_more_visits_in_smaller_batches():
    plan = suggest(replace(FACTS, task_type="link_prediction"))
    assert plan.neighbor_sampling.num_neighbors == ({"default": 64}, {"default": 16})
    assert (plan.optimization.batch_size, plan.optimization.loss) == (64, None)


def test_without_links_there_is_one_hop():
    plan = suggest(Facts(Schema([Table("only", pkey_col="id")]), "regression", "only", {"only": 10}, 10))
    assert (plan.neighbor_sampling.num_hops, plan.optimization.loss) == (1, "l1")
    assert plan.reasons["neighbor_sampling.num_neighbors"] == "there are no links to follow"


def test_a_suggestion_for_what_is_not_there_is_refused():
    with pytest.raises(PlanError) as error:
        suggest(FACTS, "fats")
    assert str(error.value) == (
        "run_mode is 'fats'; choose one of debug, fast, normal, best. Did you mean 'fast'?"
    )
    with pytest.raises(PlanError) as error:
        suggest(replace(FACTS, entity_table="user"))
    assert str(error.value) == "there is no table 'user'. Did you mean 'users'?"
