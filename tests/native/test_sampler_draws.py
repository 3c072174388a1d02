"""The draws of weighted, labor, window and replacement against the distributions that they are said to have."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from scipy import stats

from tests.sampler_cases import Case, to_native
from tests.sampler_reference import END, EdgeType, Graph, Neighbor, Options, Rule

DRAWS = 20_000


def star(weights: list[float], times: list[int] | None = None) -> Graph:
    """One row with a neighbor per weight."""
    neighbors = [Neighbor(i, i, w) for i, w in enumerate(weights)]
    return Graph([1, len(weights)], [None, times], [EdgeType(0, 1, [neighbors], weighted=True)])


def drawn(graph: Graph, rule: Rule, draws: int = DRAWS, anchor: int = END - 1) -> list[tuple[int, ...]]:
    """What each of many seeds, all of row 0, drew. Their anchor times are the keys of the draws."""
    case = Case(graph, Options([[rule]], graph.num_rows), [(0, 0, anchor - i) for i in range(draws)])
    batch = case.run()
    sources, owners = batch["edges"][0]["source"], batch["nodes"][0]["batch"][batch["edges"][0]["target"]]
    rows = batch["nodes"][1]["rows"][sources].tolist()
    by_seed: list[list[int]] = [[] for _ in range(draws)]
    for owner, row in zip(owners.tolist(), rows, strict=True):
        by_seed[owner].append(row)
    return [tuple(rows) for rows in by_seed]


def pvalue(observed: Counter[tuple[int, ...]], expected: dict[tuple[int, ...], float]) -> float:
    """Of a chi-square test; outcomes of probability 0 must not occur."""
    assert set(observed) <= {outcome for outcome, p in expected.items() if p > 0}
    total = sum(observed.values())
    likely = [outcome for outcome, p in expected.items() if p * total >= 5]
    counts = [observed[outcome] for outcome in likely]
    shares = [expected[outcome] for outcome in likely]
    counts, shares = [*counts, total - sum(counts)], [*shares, 1 - sum(shares)]
    if shares[-1] * total < 5:
        counts, shares = counts[:-1], [s / sum(shares[:-1]) for s in shares[:-1]]
    return float(stats.chisquare(counts, np.array(shares) * sum(counts)).pvalue)


def successive(weights: list[float], k: int) -> dict[tuple[int, ...], float]:
    """The probability of each k-subset, drawn one after another in proportion to the weights: all orders added up."""
    chances: dict[tuple[int, ...], float] = Counter()
    for order in itertools.permutations(range(len(weights)), k):
        chance, left = 1.0, sum(weights)
        for i in order:
            chance, left = chance * weights[i] / left if left > 0 else 0.0, left - weights[i]
        chances[tuple(sorted(order))] += chance
    return chances


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize(
    "weights", [[5.0, 1.0, 1.0, 2.0, 0.0, 0.5], [1000.0, 1.0, 2.0, 3.0]], ids=["mild", "steep"]
)
def test_weighted_subsets_have_the_chances_of_successive_draws(weights: list[float], k: int) -> None:
    assert pvalue(Counter(drawn(star(weights), Rule(k, "weighted"))), successive(weights, k)) > 1e-4


def test_where_one_neighbor_holds_nearly_all_weight_the_others_are_drawn_in_proportion() -> None:
    subsets = drawn(star([1e15, 1.0, 2.0, 4.0]), Rule(2, "weighted"))
    expected = {(0, 1): 1 / 7, (0, 2): 2 / 7, (0, 3): 4 / 7}
    assert pvalue(Counter(subsets), expected) > 1e-4


def test_weighted_with_replacement_draws_independently() -> None:
    weights = [3.0, 0.0, 1.0, 4.0]
    chances = [w / sum(weights) for w in weights]
    expected: dict[tuple[int, ...], float] = Counter()
    for draws in itertools.product(range(4), repeat=3):
        expected[tuple(sorted(draws))] += float(np.prod([chances[i] for i in draws]))
    assert pvalue(Counter(drawn(star(weights), Rule(3, "weighted", True))), expected) > 1e-4


def test_uniform_with_replacement_draws_independently() -> None:
    expected: dict[tuple[int, ...], float] = Counter()
    for draws in itertools.product(range(4), repeat=3):
        expected[tuple(sorted(draws))] += 4.0**-3
    assert pvalue(Counter(drawn(star([1.0] * 4), Rule(3, "uniform", True))), expected) > 1e-4


@pytest.mark.parametrize("fanout", [-1, 1, 3, 50, 5000])
@pytest.mark.parametrize("replace", [False, True])
def test_neighbors_of_weight_0_are_never_drawn(fanout: int, replace: bool) -> None:
    weights = [0.0, 0.0, 2.0, 0.0, 1e-300, 0.0, 1e300, 0.0, 0.0]
    rows = set(itertools.chain(*drawn(star(weights), Rule(fanout, "weighted", replace), 200)))
    assert rows <= {2, 4, 6}
    assert drawn(star([0.0] * 9), Rule(fanout, "weighted", replace), 3) == [()] * 3


@pytest.mark.parametrize("strategy", ["uniform", "weighted"])
def test_a_fanout_of_all_takes_each_neighbor_once_even_with_replacement(strategy: str) -> None:
    assert drawn(star([1.0] * 5), Rule(-1, strategy, True), 10) == [(0, 1, 2, 3, 4)] * 10


@pytest.mark.parametrize(
    "rule",
    [Rule(k, s, window=30) for k in (-1, 2) for s in ("recency", "last", "uniform", "weighted", "labor")]
    + [Rule(5, s, True, 30) for s in ("uniform", "weighted")],
    ids=str,
)
def test_a_window_is_drawn_from_and_nothing_else(rule: Rule) -> None:
    times = list(range(0, 200, 2))
    rows = set(itertools.chain(*drawn(star([1.0] * 100, times), rule, 1, anchor=151)))
    assert rows <= set(range(61, 76))  # times 122 to 150
    case = Case(
        star([1.0] * 100, times), Options([[rule]], [1, 100]), [(0, 0, t) for t in (120, 151, 29, -1)]
    )
    batch = case.run()["nodes"][1]
    for seed, (_, _, anchor) in enumerate(case.seeds):
        found = [times[row] for row in batch["rows"][batch["batch"] == seed]]
        assert all(anchor - 30 < time <= anchor for time in found)
        assert bool(found) == (anchor >= 0)


@pytest.mark.parametrize("replace", [False, True])
def test_weights_outside_of_the_window_count_nothing(replace: bool) -> None:
    weights = [1e6] * 50 + [1.0, 2.0, 3.0, 4.0, 5.0] + [1e9] * 45
    graph = star(weights, list(range(100)))
    graph.num_rows[0], graph.edge_types[0].lists = 3000, graph.edge_types[0].lists * 3000
    options = Options([[Rule(1, "weighted", replace, window=5)]], graph.num_rows)
    batch = Case(graph, options, [(0, row, 54) for row in range(3000)]).run()
    counts = Counter((row,) for row in batch["nodes"][1]["rows"].tolist())
    assert pvalue(counts, {(50 + i,): (i + 1) / 15 for i in range(5)}) > 1e-4


@pytest.mark.parametrize(("n", "k"), [(6, 2), (40, 5), (300, 40)])
def test_labor_includes_every_neighbor_equally_often(n: int, k: int) -> None:
    subsets = drawn(star([1.0] * n), Rule(k, "labor"), 4000)
    assert {len(s) for s in subsets} == {k}
    counts = np.bincount(list(itertools.chain(*subsets)), minlength=n)
    expected = 4000 * k / n
    # Inclusions without replacement vary less than independent draws, by (1 - k/n): scale to a chi-square.
    statistic = ((counts - expected) ** 2 / (expected * (1 - k / n))).sum() * (n - 1) / n
    assert stats.chi2.sf(statistic, n - 1) > 1e-4


def test_labor_draws_every_subset_equally_often() -> None:
    subsets = list(itertools.combinations(range(6), 2))
    observed = Counter(drawn(star([1.0] * 6), Rule(2, "labor")))
    assert pvalue(observed, dict.fromkeys(subsets, 1 / len(subsets))) > 1e-4


def test_labor_finds_fewer_different_rows_than_uniform_and_as_many_edges() -> None:
    random = np.random.default_rng(0)
    lists = [
        [Neighbor(int(r), 0) for r in np.sort(random.choice(500, 100, replace=False))] for _ in range(200)
    ]
    graph = Graph([200, 500], [None, None], [EdgeType(0, 1, lists)])
    topology, seeds = to_native(graph), [(0, row, END) for row in range(200)]
    found = {}
    for strategy in ("uniform", "labor"):
        case = Case(graph, Options([[Rule(5, strategy)]], [200, 500], disjoint=False), seeds)
        batch = case.run(topology)
        assert len(batch["edges"][0]["source"]) == 1000
        found[strategy] = len(batch["nodes"][1]["rows"])
    # 1000 edges by uniform draws reach 1 - (1 - 5/500)^200 = 87 % of the rows.
    assert found["labor"] < 0.5 * found["uniform"]
    assert found["uniform"] == pytest.approx(433, rel=0.1)
