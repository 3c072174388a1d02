"""All options of the native sampler, mixed, against their slow twin."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sampler_cases import Case, cases, same_bits, to_native
from tests.sampler_reference import END

EITHER = st.one_of(cases(disjoint=True), cases(disjoint=False))


@settings(max_examples=200, deadline=None)
@given(cases(disjoint=True))
def test_every_bit_of_separate_subgraphs_equals_the_reference(case: Case) -> None:
    assert case.of_batch(case.run()) == case.expected()


@settings(max_examples=200, deadline=None)
@given(cases(disjoint=False))
def test_every_bit_of_a_merged_batch_equals_the_reference(case: Case) -> None:
    assert case.of_batch(case.run()) == case.expected()


@settings(max_examples=100, deadline=None)
@given(EITHER, st.integers(2, 5), st.sampled_from([1, 3, 64]), st.sampled_from([13, 32, 57, 64]))
def test_threads_groups_and_row_width_change_nothing(
    case: Case, num_threads: int, group: int, width: int
) -> None:
    case.seeds *= 40  # several blocks
    whole = case.run()
    assert same_bits(case.run(to_native(case.graph, width), num_threads=num_threads, group=group), whole)


@settings(max_examples=100, deadline=None)
@given(EITHER)
def test_edge_numbers_are_there_only_if_asked_for(case: Case) -> None:
    plain, numbered = case.run(edge_ids=False), case.run(edge_ids=True)
    assert all(edges.pop("ids") is None for edges in plain["edges"])
    assert all(len(edges.pop("ids")) == len(edges["source"]) for edges in numbered["edges"])
    assert same_bits(plain, numbered)


@settings(max_examples=100, deadline=None)
@given(cases(disjoint=True))
def test_a_seed_gets_the_same_in_any_batch(case: Case) -> None:
    together = case.of_batch(case.run())
    for seed, subgraph in zip(case.seeds, together, strict=True):
        alone = Case(case.graph, case.options, [seed])
        assert alone.of_batch(alone.run()) == [subgraph]


@settings(max_examples=200, deadline=None)
@given(EITHER)
def test_no_option_shows_a_row_of_the_future_or_beyond_a_cap(case: Case) -> None:
    batch = case.run()
    for table, nodes in enumerate(batch["nodes"]):
        found = nodes["rows"][nodes["num_per_hop"][0] :].tolist()
        anchors = [END] * len(found)
        if case.options.disjoint:
            anchors = [case.seeds[seed][2] for seed in nodes["batch"][nodes["num_per_hop"][0] :]]
        for row, anchor in zip(found, anchors, strict=True):
            assert row < case.options.caps[table]
            time = case.graph.time_of(table, row)
            assert time is None or time <= anchor


@settings(max_examples=100, deadline=None)
@given(EITHER)
def test_every_edge_is_one_of_the_graph_s(case: Case) -> None:
    batch = case.run()
    for edge_type, edges in zip(case.graph.edge_types, batch["edges"], strict=True):
        known = {(n.row, row, n.edge) for row, of_row in enumerate(edge_type.lists) for n in of_row}
        # A reverse has its edge's number; edges without numbers of their own have a neighbor's row, either end's.
        if edge_type.reverse >= 0 and edge_type.numbered:
            followed = case.graph.edge_types[edge_type.reverse].lists
            known |= {(row, n.row, n.edge) for row, of_row in enumerate(followed) for n in of_row}
        elif edge_type.reverse >= 0:
            known |= {(row, of, of) for row, of, _ in known} | {(row, of, row) for row, of, _ in known}
        source = batch["nodes"][edge_type.found]["rows"][edges["source"]]
        target = batch["nodes"][edge_type.expanded]["rows"][edges["target"]]
        assert set(zip(source.tolist(), target.tolist(), edges["ids"].tolist(), strict=True)) <= known


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_topology_serves_batches_of_differing_options_one_after_another(data: st.DataObject) -> None:
    """Tables of known nodes are used again, so what one batch leaves there must not be seen by the next."""
    first = data.draw(cases(disjoint=True))
    topology = to_native(first.graph)
    for _ in range(5):
        case = data.draw(cases(disjoint=data.draw(st.booleans()), graph=first.graph))
        assert case.of_batch(case.run(topology)) == case.expected()


@pytest.mark.parametrize("disjoint", [True, False])
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_no_seeds_give_an_empty_batch(disjoint: bool, data: st.DataObject) -> None:
    case = data.draw(cases(disjoint=disjoint))
    case.seeds = []
    batch = case.run(num_threads=3)
    assert [len(nodes["rows"]) for nodes in batch["nodes"]] == [0] * len(case.graph.num_rows)
    assert all(nodes["num_per_hop"] == [0] * (len(case.options.rules) + 1) for nodes in batch["nodes"])
    assert all(len(edges["source"]) == 0 for edges in batch["edges"])
