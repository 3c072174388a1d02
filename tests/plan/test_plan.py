from __future__ import annotations

import re

import pytest

from relhop.delays import NO_DELAY, parse_delay
from relhop.errors import PlanError
from relhop.plan import ModelPlan, NeighborSampling, Optimization
from relhop.schema import Link, Schema, Table
from tests import plan_settings

DRIVER_TO_RESULTS = ("results", "f2p_driverId", "drivers")
RESULT_TO_DRIVER = ("drivers", "rev_f2p_driverId", "results")
RACE_TO_RESULTS = ("results", "f2p_season+round", "races")
RESULT_TO_RACE = ("races", "rev_f2p_season+round", "results")


@pytest.fixture
def schema():
    return Schema(
        [
            Table("drivers", pkey_col="driverId", stypes={"code": "categorical", "dob": "timestamp"}),
            Table("races", pkey_col=("season", "round")),
            Table("results", time_col="date", stypes={"grid": "numerical"}),
        ],
        [Link("results", "driverId", "drivers"), Link("results", ("season", "round"), "races")],
    )


def test_the_default_plan_has_two_hops_of_sixteen_by_recency(schema):
    sampling = ModelPlan().neighbor_sampling
    everywhere = dict.fromkeys(schema.edge_types, 16)
    assert sampling.resolve_num_neighbors(schema) == [everywhere, everywhere]
    assert sampling.resolve_strategies(schema) == [dict.fromkeys(schema.edge_types, "recency")] * 2


def test_a_step_names_the_edge_type_whose_messages_come_back(schema):
    plan = ModelPlan.from_yaml("""
neighbor_sampling:
  num_neighbors:
    - hop1: {default: 16, "drivers.driverId->results.driverId": 128}
      hop2: {default: 0, "results.season+round->races.season+round": -1}
""")
    assert plan.neighbor_sampling.num_hops == 2
    assert plan.neighbor_sampling.resolve_num_neighbors(schema) == [
        {DRIVER_TO_RESULTS: 128, RESULT_TO_DRIVER: 16, RACE_TO_RESULTS: 16, RESULT_TO_RACE: 16},
        {DRIVER_TO_RESULTS: 0, RESULT_TO_DRIVER: 0, RACE_TO_RESULTS: 0, RESULT_TO_RACE: -1},
    ]


@pytest.mark.parametrize(
    "written",
    [
        [16, 8],
        [[16, 8]],
        {"hop1": {"default": 16}, "hop2": 8},
        [{"hop1": {"default": 16}, "hop2": {"default": 8}}],
        [{"hop1": {"default": 16}}, {"hop2": {"default": 8}}],
        [{"default": 16}, {"default": 8}],
    ],
)
def test_all_notations_of_one_setting_mean_the_same(written):
    assert NeighborSampling(num_neighbors=written).num_neighbors == ({"default": 16}, {"default": 8})


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ([], "neighbor_sampling.num_neighbors is []; write [16, 16], or hop1: {default: 16} and so on"),
        (16, "neighbor_sampling.num_neighbors is 16; write [16, 16], or hop1: {default: 16} and so on"),
        ([1] * 7, "neighbor_sampling.num_neighbors has 7 hops; give 1 to 6"),
        (
            [-2],
            "neighbor_sampling.num_neighbors, hop1: default is -2; give 0 (none), -1 (all), a count or 'inferred'",
        ),
        (
            [True],
            "neighbor_sampling.num_neighbors, hop1: default is True; give 0 (none), -1 (all), a count or 'inferred'",
        ),
        (
            [{"hop1": {"default": "infered"}}],
            "neighbor_sampling.num_neighbors, hop1: default is 'infered'; give 0 (none), -1 (all), a count"
            " or 'inferred'",
        ),
        (
            [{"hop1": {"A.x->B.y": 4}}],
            "neighbor_sampling.num_neighbors, hop1: there is no `default` for the steps that are not named",
        ),
        (
            [[16], 8],
            "neighbor_sampling.num_neighbors is 8; write [16, 16], or hop1: {default: 16} and so on"
            " (candidate 2 of 2)",
        ),
        (
            [{"hop1": 16}, {"hop1": -8}],
            "neighbor_sampling.num_neighbors, hop1: default is -8; give 0 (none), -1 (all), a count or"
            " 'inferred' (candidate 2 of 2)",
        ),
        ({"hop1": 16, "hop3": 8}, "neighbor_sampling names hop1, hop3; hops count from hop1 without gaps"),
        ({"hop1": 16, "two": 8}, "neighbor_sampling: 'two' is no hop; write hop1, hop2 and so on"),
    ],
)
def test_counts_that_cannot_be_are_refused(written, message):
    with pytest.raises(PlanError) as error:
        NeighborSampling(num_neighbors=written)
    assert str(error.value) == message


def test_an_unknown_step_is_refused_with_the_nearest(schema):
    sampling = NeighborSampling(
        num_neighbors={"hop1": {"default": 1, "drivers.driverID->results.driverId": 2}}
    )
    with pytest.raises(PlanError) as error:
        sampling.resolve_num_neighbors(schema)
    assert str(error.value) == (
        "neighbor_sampling.num_neighbors, hop1: there is no step 'drivers.driverID->results.driverId'."
        " Did you mean 'drivers.driverId->results.driverId'?"
    )


def test_strategies_are_set_for_all_hops_or_per_hop_and_step(schema):
    for_all = NeighborSampling(strategy={"drivers.driverId->results.driverId": "last"})
    expected = dict.fromkeys(schema.edge_types, "recency") | {DRIVER_TO_RESULTS: "last"}
    assert for_all.resolve_strategies(schema) == [expected, expected]
    per_hop = NeighborSampling(strategy={"hop1": "uniform", "hop2": {"default": "last"}})
    assert per_hop.resolve_strategies(schema) == [
        dict.fromkeys(schema.edge_types, "uniform"),
        dict.fromkeys(schema.edge_types, "last"),
    ]
    with pytest.raises(PlanError) as error:
        NeighborSampling(num_neighbors=[1, 1, 1], strategy=per_hop.strategy).resolve_strategies(schema)
    assert str(error.value) == "neighbor_sampling.strategy has 2 hops, neighbor_sampling.num_neighbors 3"


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            "unifrom",
            "neighbor_sampling.strategy: default: unknown strategy 'unifrom'; choose one of recency, last,"
            " uniform, weighted, labor."
            " Did you mean 'uniform'?",
        ),
        (7, "neighbor_sampling.strategy is 7; choose one of recency, last, uniform, weighted, labor"),
        (
            ["last", 7],
            "neighbor_sampling.strategy is 7; choose one of recency, last, uniform, weighted, labor"
            " (candidate 2 of 2)",
        ),
    ],
)
def test_strategies_that_cannot_be_are_refused(written, message):
    with pytest.raises(PlanError) as error:
        NeighborSampling(strategy=written)
    assert str(error.value) == message


def test_predictions_are_delayed_only_by_what_is_always_so():
    always = NeighborSampling(delay="2 days")
    assert (
        always.resolve_delay(training=True) == always.resolve_delay(training=False) == parse_delay("2 days")
    )
    drawn = NeighborSampling(delay="0 to 9 days")
    assert drawn.resolve_delay(training=True) == parse_delay("0 to 9 days")
    assert drawn.resolve_delay(training=False) == NeighborSampling().resolve_delay(training=True) == NO_DELAY
    with pytest.raises(PlanError, match=r"^neighbor_sampling\.delay is 'later': .*'later' is no delay; "):
        NeighborSampling(delay="later")


def test_an_inferred_count_is_a_count_of_its_step(schema):
    sampling = NeighborSampling(
        num_neighbors=["inferred", {"default": "inferred", "drivers.driverId->results.driverId": 2}]
    )
    everywhere = dict.fromkeys(schema.edge_types, "inferred")
    assert sampling.resolve_num_neighbors(schema) == [everywhere, everywhere | {DRIVER_TO_RESULTS: 2}]


def test_metapaths_are_sequences_of_steps_from_the_entity_on(schema):
    there, on = "drivers.driverId->results.driverId", "results.season+round->races.season+round"
    sampling = NeighborSampling(metapaths=[[there, on], [there]])
    assert sampling.resolve_metapaths(schema) == [[DRIVER_TO_RESULTS, RESULT_TO_RACE], [DRIVER_TO_RESULTS]]
    assert NeighborSampling().resolve_metapaths(schema) == []
    with pytest.raises(PlanError) as error:
        NeighborSampling(metapaths=[[there.lower()]]).resolve_metapaths(schema)
    assert str(error.value) == (
        f"neighbor_sampling.metapaths: there is no step '{there.lower()}'. Did you mean '{there}'?"
    )


def test_a_metapath_that_is_no_list_of_steps_is_refused():
    with pytest.raises(
        PlanError, match=r"^neighbor_sampling\.metapaths\.0 is 'a->b': input should be a valid tuple$"
    ):
        NeighborSampling(metapaths=["a->b"])


def test_fanouts_adapt_only_if_asked_to():
    assert not NeighborSampling().adaptive
    assert NeighborSampling(adaptive=[True]).adaptive
    with pytest.raises(
        PlanError, match=r"^neighbor_sampling\.adaptive is 'often': input should be a valid boolean"
    ):
        NeighborSampling(adaptive="often")


def test_columns_are_dropped_by_name_and_unknown_ones_are_refused(schema):
    plan = ModelPlan().with_overrides({"column_processing.drop": ["drivers.code"]})
    assert plan.column_processing.dropped_columns(schema) == {
        "drivers": {"code"},
        "races": set(),
        "results": set(),
    }
    with pytest.raises(PlanError) as error:
        ModelPlan(column_processing={"drop": ["drivers.cod"]}).column_processing.dropped_columns(schema)
    assert (
        str(error.value)
        == "column_processing.drop: 'drivers.cod' is no feature column. Did you mean 'drivers.code'?"
    )


@pytest.mark.parametrize(
    "plan",
    [
        ModelPlan(),
        ModelPlan(
            neighbor_sampling={
                "num_neighbors": [{"hop1": {"default": 4, "a.b->c.d": -1}}],
                "strategy": {"a.b->c.d": "last"},
            },
            optimization={"early_stopping": None, "max_epochs": 3, "loss": "huber"},
            reasons={"optimization.loss": "heavy tails"},
        ),
        ModelPlan(neighbor_sampling={"strategy": {"hop1": "last", "hop2": "uniform"}}),
        ModelPlan(
            neighbor_sampling={
                "num_neighbors": [[16, 16], {"hop1": {"default": 4, "a.b->c.d": -1}}],
                "strategy": ["last", {"hop1": "last", "hop2": "uniform"}],
                "metapaths": [[["drivers.driverId->results.driverId"]], []],
            },
            column_processing={"drop": [[], ["a.b", "a.c"]]},
            optimization={"base_lr": [0.1, 1e-5], "early_stopping": [None, 3], "loss": ["l1", None]},
            reasons={"neighbor_sampling.num_neighbors": "why", "optimization.base_lr": "a: # of\nlines"},
        ),
        ModelPlan(
            neighbor_sampling={
                "num_neighbors": [
                    "inferred",
                    {"default": -1, "drivers.driverId->results.driverId": "inferred"},
                ],
                "strategy": "weighted with replacement within 30 days",
                "metapaths": [["drivers.driverId->results.driverId"], []],
                "adaptive": True,
            }
        ),
    ],
)
def test_yaml_gives_back_the_same_plan(plan, tmp_path):
    assert ModelPlan.from_yaml(plan.to_yaml()) == plan
    plan.to_yaml(tmp_path / "plan.yaml")
    assert ModelPlan.from_yaml(tmp_path / "plan.yaml") == plan
    assert ModelPlan.from_yaml(str(tmp_path / "plan.yaml")) == plan


def test_yaml_of_a_plain_plan_has_the_short_form():
    written = ModelPlan().to_yaml()
    assert "num_neighbors: [16, 16]" in written
    assert "strategy: recency" in written
    assert "reasons" not in written


def test_what_yaml_leaves_out_gets_its_default():
    assert ModelPlan.from_yaml("") == ModelPlan()
    assert ModelPlan.from_yaml("optimization:\n") == ModelPlan()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[1, 2]\n",
            "the plan is a list, not a mapping with the keys neighbor_sampling, column_processing,"
            " model_architecture, optimization, ranking, training_job",
        ),
        ("optimisation: {}\n", "optimisation is no setting. Did you mean 'optimization'?"),
        (
            "optimization: {max_epoch: 3}\n",
            "optimization.max_epoch is no setting. Did you mean 'max_epochs'?",
        ),
        (
            "optimization: {max_epochs: 0}\n",
            "optimization.max_epochs is 0: input should be greater than or equal to 1",
        ),
        (
            "optimization: {base_lr: [0.1, -1]}\n",
            "optimization.base_lr is -1: input should be greater than 0 (candidate 2 of 2)",
        ),
        ("optimization: {base_lr: []}\n", "optimization.base_lr has no candidates; give a value"),
        (
            "optimization: {base_lr: [[0.1, 0.2], 0.3]}\n",
            "optimization.base_lr: candidate 1 of 2 is a list of candidates, [0.1, 0.2]",
        ),
        ("optimization: {base_lr: [1, 1.0]}\n", "optimization.base_lr has the candidate 1.0 twice"),
        (
            "training_job: {seed: [0, 1]}\n",
            "training_job.seed has 2 candidates, [0, 1]; it belongs to the run and is not searched, give one",
        ),
        (
            "model_architecture: {aggregation: median}\n",
            "model_architecture.aggregation is 'median': input should be 'mean', 'sum', 'max' or 'attention'",
        ),
        (
            "model_architecture: {body: transformer, channels: 6, num_heads: 4}\n",
            "model_architecture.num_heads is 4, which does not divide the 6 channels; choose a divisor",
        ),
        (
            "optimization: 3\n",
            "optimization is 3: input should be a valid dictionary or instance of Optimization",
        ),
    ],
)
def test_a_wrong_plan_is_refused_with_its_place(text, message):
    with pytest.raises(PlanError) as error:
        ModelPlan.from_yaml(text)
    assert str(error.value) == message


def test_text_that_is_no_yaml_is_refused():
    with pytest.raises(PlanError, match=r"^the plan is no YAML: "):
        ModelPlan.from_yaml("a: [1\n")


def test_a_list_of_one_candidate_is_that_setting():
    assert Optimization(base_lr=[0.5]).base_lr == 0.5
    assert Optimization(base_lr=[0.5]).candidates == {}


@pytest.mark.parametrize(
    "written",
    [
        [[16, 16], [8]],
        [[16, 16], {"hop1": 8}],
        [{"hop1": 16, "hop2": 16}, {"hop1": 8}],
        [[{"default": 16}, 16], [{"default": 8}]],
    ],
)
def test_several_settings_of_hops_are_candidates(written):
    sampling = NeighborSampling(num_neighbors=written)
    first, second = ({"default": 16}, {"default": 16}), ({"default": 8},)
    assert (sampling.num_neighbors, sampling.candidates) == (first, {"num_neighbors": (first, second)})


def test_the_first_candidate_is_the_value_and_all_are_listed_by_name():
    plan = ModelPlan.from_yaml("""
optimization: {base_lr: [0.001, 0.003], early_stopping: [null, 5]}
model_architecture: {channels: [128, 64], aggregation: mean}
neighbor_sampling: {strategy: [last, uniform]}
column_processing: {drop: [a.b, a.c]}
""")
    assert (plan.optimization.base_lr, plan.model_architecture.channels) == (0.001, 128)
    assert plan.candidates == {
        "neighbor_sampling.strategy": (({"default": "last"},), ({"default": "uniform"},)),
        "model_architecture.channels": (128, 64),
        "optimization.base_lr": (0.001, 0.003),
        "optimization.early_stopping": (None, 5),
    }
    assert plan != plan.with_overrides({"optimization.base_lr": 0.001})


def test_a_list_of_candidates_is_written_as_it_is_read():
    plan = ModelPlan(
        neighbor_sampling={"num_neighbors": [[16, 16], {"hop1": {"default": 4, "a.b->c.d": -1}}]},
        optimization={"base_lr": [0.1, 0.01]},
    )
    written = plan.to_yaml()
    assert "  num_neighbors:\n  - [16, 16]\n  - hop1: {default: 4, a.b->c.d: -1}\n" in written
    assert "  base_lr: [0.1, 0.01]\n" in written


def test_overrides_make_and_end_a_search():
    plan = ModelPlan().with_overrides({"optimization.base_lr": [0.1, 0.01]})
    assert plan.candidates == {"optimization.base_lr": (0.1, 0.01)}
    kept = plan.with_overrides({"optimization.max_epochs": 3})
    assert kept.candidates == plan.candidates
    assert kept.with_overrides({"optimization.base_lr": 0.01}).candidates == {}


def test_reasons_are_comments_on_the_lines_of_their_settings():
    plan = ModelPlan(reasons={"optimization.base_lr": "bold", "neighbor_sampling.num_neighbors": "two\nhops"})
    lines = plan.to_yaml().splitlines()
    assert "  base_lr: 0.003  # bold" in lines
    assert "  num_neighbors: [16, 16]  # two hops" in lines
    assert ModelPlan.from_yaml(plan.to_yaml()) == plan == ModelPlan()


def encoding(**encode):
    return ModelPlan().with_overrides(
        {"column_processing.encode": {f"films.{c}": s for c, s in encode.items()}}
    )


FILMS = Schema(
    [
        Table(
            "films",
            pkey_col="id",
            stypes={
                "year": "numerical",
                "code": "categorical",
                "genres": "multicategorical",
                "title": "text",
            },
        )
    ]
)


def test_columns_are_read_as_another_type_or_not_at_all():
    part = encoding(year="categorical", code="numerical", title="none", genres="multicategorical")
    part = ModelPlan.from_yaml(part.to_yaml()).column_processing
    assert part.encodings(FILMS) == {"films": {"year": "categorical", "code": "numerical"}}
    assert part.dropped_columns(FILMS) == {"films": frozenset({"title"})}


@pytest.mark.parametrize(
    ("encode", "message"),
    [
        ({"yaer": "categorical"}, "'films.yaer' is no feature column. Did you mean 'films.year'?"),
        ({"id": "none"}, "'films.id' is no feature column."),
        (
            {"code": "numeric"},
            "'films.code' cannot be 'numeric'; choose one of categorical, multicategorical, none, numerical,"
            " tensor, text, timestamp. Did you mean 'numerical'?",
        ),
        (
            {"code": "text"},
            "'films.code' is categorical in the store and cannot be read as text; set stypes={'code': 'text'} in"
            " rh.Table and build the store anew",
        ),
    ],
)
def test_a_type_that_needs_a_new_store_and_unknown_names_are_refused(encode, message):
    part = encoding(**encode).column_processing
    with pytest.raises(PlanError, match=f"^column_processing.encode: {re.escape(message)}"):
        part.encodings(FILMS)


def test_overrides_make_another_plan_and_drop_the_reason():
    plan = ModelPlan(reasons={"optimization.max_epochs": "why"})
    changed = plan.with_overrides({"optimization.max_epochs": 3, "neighbor_sampling.num_neighbors": [4]})
    assert changed.optimization.max_epochs == 3
    assert changed.neighbor_sampling.num_hops == 1
    assert (plan.reasons, changed.reasons) == ({"optimization.max_epochs": "why"}, {})
    assert plan.optimization.max_epochs == 10
    with pytest.raises(PlanError) as error:
        plan.with_overrides({"optimization.max_epoch": 3})
    assert str(error.value) == "optimization.max_epoch is no setting. Did you mean 'optimization.max_epochs'?"


def test_a_plan_does_not_change():
    with pytest.raises(PlanError) as error:
        ModelPlan().optimization.max_epochs = 3
    assert str(error.value) == (
        "a plan does not change; make another: plan.with_overrides({'optimization.max_epochs': 3})"
    )


def test_every_setting_says_what_it_is():
    for part in ModelPlan.model_fields.values():
        for setting in getattr(part.annotation, "model_fields", {}).values():
            assert setting.description


def test_the_document_lists_every_setting_as_its_description_says():
    written = plan_settings.DOCUMENT.read_text()
    assert written == plan_settings.with_tables(written), "run python -m tests.plan_settings"
