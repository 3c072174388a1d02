from __future__ import annotations

import datetime as dt

import pytest

from relhop.errors import QueryError
from relhop.query.nodes import (
    Aggregation,
    Column,
    Comparison,
    Constant,
    Either,
    Entity,
    Every,
    Not,
    Window,
    aggregations,
    operands,
)
from relhop.query.syntax import parse
from relhop.times import to_micros


def column(text: str) -> Column:
    table, name = text.split(".")
    return Column(table, name, 0, 0)


def window(start: int | None, end: int, unit: str = "days") -> Window:
    return Window(start, end, unit, 0, 0, 0)


def count(text: str, start: int | None, end: int, where=None) -> Aggregation:
    return Aggregation("COUNT", column(text), None, where, window(start, end), 0, 0)


def compare(operand, operator: str, *values, negated: bool = False) -> Comparison:
    return Comparison(operand, operator, negated, tuple(Constant(value, 0) for value in values), 0)


def target(text: str):
    return parse(f"PREDICT {text} FOR EACH users.id").target


def test_query_has_all_its_parts():
    query = parse(
        "PREDICT COUNT(orders.*, 0, 30, days) > 0 FOR EACH users.id"
        " WHERE COUNT(orders.*, -INF, 0) = 1 ASSUMING COUNT(visits.*, 0, 7) > 0"
    )
    assert query.target == compare(count("orders.*", 0, 30), ">", 0)
    assert query.entity == Entity("users", ("id",), 0, (0,))
    assert query.where == compare(count("orders.*", None, 0), "=", 1)
    assert query.assuming == compare(count("visits.*", 0, 7), ">", 0)
    assert query.spec is None


def test_positions_are_offsets_in_the_text():
    query = parse("PREDICT\n  SUM(orders.price, 0, 30, days) > 1 FOR EACH users.id")
    aggregation = query.target.operand
    assert query.text[aggregation.position :].startswith("SUM(")
    assert query.text[aggregation.column.position :].startswith("orders")
    assert query.text[aggregation.column.name_position :].startswith("price")
    assert query.text[aggregation.window.position :].startswith("0, 30")
    assert query.text[aggregation.window.end_position :].startswith("30,")
    assert query.text[aggregation.window.unit_position :].startswith("days")
    assert query.text[query.entity.column_positions[0] :] == "id"


def test_and_binds_tighter_than_or_and_not_tightest():
    a, b, c = (compare(count("t.*", 0, k), ">", 0) for k in (1, 2, 3))
    found = target("NOT COUNT(t.*, 0, 1) > 0 OR COUNT(t.*, 0, 2) > 0 AND COUNT(t.*, 0, 3) > 0")
    assert found == Either((Not(a, 0), Every((b, c))))
    assert target("(COUNT(t.*, 0, 1) > 0 OR COUNT(t.*, 0, 2) > 0) AND COUNT(t.*, 0, 3) > 0") == Every(
        (Either((a, b)), c)
    )


@pytest.mark.parametrize(
    ("written", "operator", "values", "negated"),
    [
        ("= 1", "=", (1,), False),
        ("== 1", "=", (1,), False),
        ("!= 1", "!=", (1,), False),
        ("<> -1.5", "!=", (-1.5,), False),
        ("< 1e-3", "<", (0.001,), False),
        (">= .5", ">=", (0.5,), False),
        ("in (1)", "IN", (1,), False),
        ("IS IN (1, 2)", "IN", (1, 2), False),
        ("not  in ('a', 'b')", "IN", ("a", "b"), True),
        ("IS NULL", "IS NULL", (), False),
        ("is not null", "IS NULL", (), True),
        ("LIKE 'a%'", "LIKE", ("a%",), False),
        ("NOT LIKE 'a%'", "LIKE", ("a%",), True),
        ('CONTAINS "it\'s"', "CONTAINS", ("it's",), False),
        ("STARTS  WITH 'it''s'", "STARTS WITH", ("it's",), False),
        (r"ENDS WITH 'it\'s \\'", "ENDS WITH", ("it's \\",), False),
        ("= true", "=", (True,), False),
        ("= FALSE", "=", (False,), False),
    ],
)
def test_comparisons(written, operator, values, negated):
    assert target(f"COUNT(t.*, 0, 1) {written}") == compare(
        count("t.*", 0, 1), operator, *values, negated=negated
    )


def test_times_are_written_without_quotes():
    found = target("MIN(t.at, 0, 1) > 2020-01-31 10:30:15")
    assert found.constants == (Constant(to_micros(dt.datetime(2020, 1, 31, 10, 30, 15)), 0, is_time=True),)


def test_via_names_one_column_or_several():
    assert target("COUNT(t.* VIA owner, 0, 1)").via == ("owner",)
    assert target('COUNT(t.* VIA (a, "b c"), 0, 1)').via == ("a", "b c")
    assert target("COUNT(t.*, 0, 1)").via is None


def test_filter_inside_an_aggregation():
    condition = compare(column("t.rank"), "!=", 1)
    assert target("COUNT(t.* WHERE t.rank != 1, 0, 30, months)") == Aggregation(
        "COUNT", column("t.*"), None, condition, window(0, 30, "months"), 0, 0
    )


def test_words_of_the_language_are_names_after_a_dot_or_in_quotes():
    assert target("SUM(count.in, 0, 1)").column == column("count.in")
    assert parse('PREDICT COUNT("and".*, 0, 1) FOR EACH "a ""b"".c".id').entity.table == 'a "b".c'


def test_comments_end_with_the_line():
    assert target("# first\nCOUNT(t.*, 0, 1) # > 3 FOR EACH t.x\n > 0") == compare(count("t.*", 0, 1), ">", 0)


def test_ranking_words_are_kept_with_their_place():
    text = "PREDICT COUNT(t.*, 0, 1) rank TOP 5 FOR EACH users.id"
    spec = parse(text).spec
    assert (spec.word, spec.count) == ("RANK", 5)
    assert text[spec.position :].startswith("rank TOP")
    assert text[spec.count_position :].startswith("5 FOR")


@pytest.mark.parametrize(
    ("written", "word", "count"),
    [
        ("RANK TOP 12", "RANK", 12),
        ("TOP 12", "RANK", 12),
        ("rank", "RANK", None),
        ("CLASSIFY", "CLASSIFY", None),
        ("CLASSIFY TOP 3", "CLASSIFY", 3),
        ("FORECAST 4 TIMEFRAMES", "FORECAST", 4),
        ("forecast 1 timeframe", "FORECAST", 1),
    ],
)
def test_words_after_the_target(written, word, count):
    spec = parse(f"PREDICT LIST_DISTINCT(t.a, 0, 1) {written} FOR EACH users.id").spec
    assert (spec.word, spec.count) == (word, count)


@pytest.mark.parametrize(
    ("written", "keys"),
    [
        ("FOR EACH users.id", None),
        ("FOR users.id = 1", (1,)),
        ("FOR users.id IN ('a', 'b')", ("a", "b")),
        ("FOR EACH users.id = 1", (1,)),
    ],
)
def test_entities_may_be_named(written, keys):
    found = parse(f"PREDICT COUNT(t.*, 0, 1) {written} WHERE users.a > 1").keys
    assert found == (None if keys is None else tuple(Constant(key, 0) for key in keys))


def test_null_among_constants_asks_for_missing_values():
    missing = compare(column("t.a"), "IS NULL")
    present = compare(column("t.a"), "IS NULL", negated=True)
    assert target("t.a = NULL") == target("t.a IN (NULL)") == missing
    assert target("t.a != NULL") == present
    assert target("t.a IN (1, NULL)") == Either((compare(column("t.a"), "IN", 1), missing))
    assert target("t.a NOT IN (1, NULL)") == Every((compare(column("t.a"), "IN", 1, negated=True), present))


def test_error_shows_the_line_and_the_place():
    with pytest.raises(QueryError) as caught:
        parse("PREDICT COUNT(t.*, 0, 30)\nFOR EACH users.id;\n# the end")
    assert str(caught.value) == (
        "unexpected ';'; expected WHERE, ASSUMING or the end of the query\n"
        "    FOR EACH users.id;\n"
        "                     ^"
    )


def test_walks_name_every_operand_from_left_to_right():
    condition = target("NOT (COUNT(t.*, 0, 1) > 0 AND t.a = 1) OR SUM(t.b, 0, 1) > 2")
    assert [str(o.column if isinstance(o, Aggregation) else o) for o, _ in operands(condition)] == [
        "t.*",
        "t.a",
        "t.b",
    ]
    assert [a.function for a in aggregations(condition)] == ["COUNT", "SUM"]
    assert list(operands(None)) == []
