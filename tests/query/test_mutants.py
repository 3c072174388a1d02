"""Break the compiled SQL on purpose, and expect the examples of the property tests to notice.

Each mutant is one changed piece of the statement. A mutant that no example tells from the reference would be a mistake
that the property tests let pass.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from random import Random

from relhop.errors import QueryError
from tests.query.test_properties import assert_same, expected_of
from tests.query_cases import Case, found, sources, statement, static_case, temporal_case

Mutant = Callable[[str], str]


def swap(a: str, b: str) -> Mutant:
    return lambda sql: re.sub(f"{a}|{b}", lambda match: b if match[0] == a else a, sql)


def put(pattern: str, replacement: str) -> Mutant:
    return lambda sql: re.sub(pattern, replacement, sql)


MUTANTS: dict[str, Mutant] = {
    "window end open": put(r"s\._rh_time <= ", "s._rh_time < "),
    "window start closed": put(r"s\._rh_time > ", "s._rh_time >= "),
    "no window start": put(r"s\._rh_time > [^<]* AND s\._rh_time", "s._rh_time"),
    "no window end": put(r" AND s\._rh_time <= .*", ""),
    "months of 30 days": put(r"INTERVAL '(-?\d+) months'", r"\1 * INTERVAL '30 days'"),
    "frames one apart": put(r" \* frame\)", " * (frame + 1))"),
    "frames of a day less": put(r"\((\d+) \+ (\d+) \* frame\)", r"(\1 + (\2 - 1) * frame)"),
    "frames from the last": put(r"by_frame\[frame\]", "by_frame[-frame]"),
    "COUNT of nulls": put(r"\bcount\((?!\*|DISTINCT)([^\n]*)\) AS value", "count(*) AS value"),
    "COUNT without DISTINCT": put(r"count\(DISTINCT ", "count("),
    "LIST without DISTINCT": put(r"list\(DISTINCT ", "list("),
    "LIST unsorted": put(r"list_sort\((list\(.*\) FILTER \(.*\))\)", r"list_reverse_sort(\1)"),
    "LIST with nulls": put(r" FILTER \(WHERE [^\n]* IS NOT NULL\)", ""),
    "FIRST for LAST": swap("arg_min", "arg_max"),
    "LAST of a tie the first": put(r"arg_max\((.*), s\._rh_row\)", r"arg_max(\1, s._rh_time)"),
    "FIRST of a tie the last": put(r"arg_min\((.*), s\._rh_row\)", r"arg_min(\1, (s._rh_time, -s._rh_row))"),
    "MAX for MIN": put(r" min\(", " max("),
    "MIN for MAX": put(r" max\(", " min("),
    "AVG for SUM": put(r"fsum\(", "favg("),
    "SUM for AVG": put(r"favg\(", "fsum("),
    "no zero of nothing": put(r"coalesce\((_rh_agg_\d+\.value), 0\)", r"\1"),
    "comparisons with null true": put(r", FALSE\)", ", TRUE)"),
    "negated null false": put(r"coalesce\(NOT \((.*?)\), FALSE\)", r"NOT coalesce(\1, FALSE)"),
    "NOT left out": put(r"\(NOT coalesce", "(coalesce"),
    "AND for OR": put(r" OR coalesce", " AND coalesce"),
    "OR for AND": put(r" AND coalesce", " OR coalesce"),
    "filter on rows left out": put(r"(WHERE s\.\S+ IS NOT NULL) AND .*", r"\1"),
    "WHERE left out": put(r"THEN 1\b", "THEN 0"),
    "ASSUMING left out": put(r"THEN 2\b", "THEN 0"),
    "no value kept": put(r"THEN 3\b", "THEN 0"),
    "known values predicted": put(r"THEN 4\b", "THEN 0"),
    "entities of the future": put(r"e\._rh_time <= a\.anchor_time", "TRUE"),
    "entities of now left out": put(r"e\._rh_time <= a\.anchor_time", "e._rh_time < a.anchor_time"),
    "parents of the future": put(r" AND \S+_parent\"\._rh_time <= .*", ""),
    "parents of now left out": put(r"(_parent\"\._rh_time) <= ", r"\1 < "),
    "parents seen at the anchor": put(r"(_parent\"\._rh_time) <= .*", r"\1 <= a.anchor_time"),
    "anchors mixed up": put(r" AND _rh_agg_\d+\.anchor_id = a\.anchor_id", ""),
    "no key is a key": put(r"WHERE s\.\S+ IS NOT NULL", "WHERE TRUE"),
    "named entities left out": put(r"\nWHERE e\..* IN \(.*\)", ""),
    "another link": put(r'"_rh_owner"', '"_rh_editor"'),
}


def is_caught(case: Case, sql: str, expected: list[tuple]) -> bool:
    try:
        assert_same(found(sources(case.rows)[0], sql, case.anchors), expected)
    except AssertionError:
        return True
    return False


def cases() -> Iterator[Case]:
    """As many as the property tests try, drawn alike."""
    for number in range(500):
        random = Random(number)
        yield static_case(random) if number % 10 < 3 else temporal_case(random)


def test_each_mutant_of_the_sql_is_told_by_an_example():
    alive, tried = dict(MUTANTS), dict.fromkeys(MUTANTS, 0)
    for case in cases():
        try:
            sql, expected = statement(case.query, is_training=case.is_training), None
        except QueryError:
            continue
        for name, mutate in list(alive.items()):
            mutated = mutate(sql)
            if mutated == sql:
                continue
            tried[name] += 1
            expected = expected_of(case) if expected is None else expected
            if is_caught(case, mutated, expected):
                del alive[name]
        if not alive:
            break
    assert not alive, {name: f"{tried[name]} examples do not tell it" for name in alive}
