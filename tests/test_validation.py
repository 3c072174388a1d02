from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import duckdb
import pandas as pd
import pytest

from relhop.edge_table import EdgeTable
from relhop.errors import SourceError
from relhop.graph import Graph
from relhop.schema import Link, Schema, Table
from relhop.sources.binding import bind
from relhop.validation import Finding, ValidationReport, refuse_errors

DAYS = pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-03"])


def report(*tables: Table, links: Sequence[Link] = ()) -> ValidationReport:
    return Graph(tables, links).validate()


def table(name: str, columns: dict[str, Any], **described: Any) -> Table:
    return Table(name, source=pd.DataFrame(columns), **{"pkey_col": (), "time_col": "", **described})


def test_sound_data_have_no_findings() -> None:
    users = table("users", {"id": [1, 2, 3], "age": [20, 30, 40]}, pkey_col="id")
    found = report(users)
    assert found.findings == ()
    assert str(found) == "nothing wrong found"


def test_a_duplicate_key_is_an_error() -> None:
    found = report(table("t", {"k": [5, 5, 5, 7, 7, 8], "x": range(6)}, pkey_col="k"))
    assert found.errors == (
        Finding(
            "error",
            "t",
            "k",
            "duplicate primary key",
            3,
            6,
            ("5", "7"),
            "remove the repeated rows with sql, or choose another pkey_col",
        ),
    )
    assert found.warnings == ()


def test_a_duplicate_key_of_two_columns_is_shown_whole() -> None:
    found = report(
        table("t", {"a": [1, 1, 2], "b": ["x", "x", "x"], "c": [1, 2, 3]}, pkey_col=("a", "b"), exclude="b")
    )
    assert str(found.errors[0]) == (
        "error: t.a+b: duplicate primary key: 1 of 3 rows, such as (1, x); remove the repeated rows with sql,"
        " or choose another pkey_col"
    )


def test_a_null_key_is_an_error_and_so_is_an_empty_one() -> None:
    (found,) = report(table("t", {"k": ["a", None, ""], "x": [1, 2, 3]}, pkey_col="k")).errors
    assert (found.problem, found.column, found.count) == ("null primary key", "k", 2)


def test_a_time_column_that_does_not_parse_is_an_error_with_examples() -> None:
    (found,) = report(table("t", {"at": ["2020-01-01", "soon", "later", None]}, time_col="at")).errors
    assert str(found) == (
        "error: t.at: time column that does not parse: 2 of 4 rows, such as 'soon', 'later';"
        " parse it with sql (strptime, TRY_CAST), or give it another stype"
    )


def test_text_that_is_no_number_is_an_error() -> None:
    (found,) = report(table("t", {"x": ["1", "many", ""]}, stypes={"x": "numerical"})).errors
    assert (found.problem, found.column, found.count, found.examples) == ("no numerical", "x", 1, ("'many'",))


def test_text_that_is_no_timestamp_is_an_error() -> None:
    (found,) = report(table("t", {"x": ["2020-01-01", "never"]}, stypes={"x": "timestamp"})).errors
    assert (found.problem, found.count, found.examples) == ("no timestamp", 1, ("'never'",))


def test_dangling_keys_are_counted_and_null_ones_are_not() -> None:
    users = table("users", {"id": [1, 2]}, pkey_col="id")
    posts = table("posts", {"user": [1, 9, 9, 8, None]})
    (found,) = report(users, posts, links=[Link("posts", "user", "users")]).findings
    assert str(found) == (
        "warning: posts.user: dangling foreign key: no such row in users: 3 of 5 rows, such as 8, 9;"
        " they are kept as null"
    )


def test_dangling_keys_of_two_columns_are_counted_whole() -> None:
    runs = table("runs", {"a": [1, 1], "b": ["x", "y"]}, pkey_col=("a", "b"), exclude="a")
    exams = table("exams", {"a": [1, 1, None], "b": ["x", "z", "z"]})
    (found,) = report(runs, exams, links=[Link("exams", ("a", "b"), "runs")]).findings
    assert (found.column, found.count, found.examples) == ("a+b", 1, ("(1, z)",))


def test_keys_of_text_and_numbers_are_compared_as_text_with_a_warning() -> None:
    users = table("users", {"id": [1, 2]}, pkey_col="id")
    posts = table("posts", {"user": ["1", "2", "3"]})
    mismatch, dangling = report(users, posts, links=[Link("posts", "user", "users")]).warnings
    assert str(mismatch) == (
        "warning: posts.user: key type mismatch: VARCHAR here, BIGINT in users.id: 3 of 3 rows;"
        " the keys are compared as text; cast one with sql if that is not meant"
    )
    assert (dangling.count, dangling.examples) == (1, ("3",))


def test_keys_that_cannot_be_compared_are_an_error() -> None:
    users = table("users", {"id": [1, 2]}, pkey_col="id")
    posts = table("posts", {"user": DAYS})
    (found,) = report(users, posts, links=[Link("posts", "user", "users")]).errors
    assert str(found) == (
        "error: posts.user: key type mismatch: TIMESTAMP here, BIGINT in users.id: 3 of 3 rows;"
        " cast one with sql, or remove the link"
    )


def test_integers_and_floats_are_keys_of_one_kind() -> None:
    users = table("users", {"id": [1, 2]}, pkey_col="id")
    posts = table("posts", {"user": [1.0, 2.0, None]})
    assert report(users, posts, links=[Link("posts", "user", "users")]).findings == ()


def test_ids_that_pandas_made_floats_equal_the_integers_again() -> None:
    users = table("users", {"id": ["1", "2"]}, pkey_col="id")
    posts = table("posts", {"user": [1.0, 2.0, None]})
    found = report(users, posts, links=[Link("posts", "user", "users")])
    assert [f.problem for f in found.findings] == ["key type mismatch: BIGINT here, VARCHAR in users.id"]


def test_an_id_that_is_a_fraction_is_an_error() -> None:
    (found,) = report(table("t", {"k": [1.0, 2.5]}, pkey_col="k")).errors[-1:]
    assert (found.problem, found.count, found.examples) == ("no id", 1, ("'2.5'",))


def test_null_times_are_counted() -> None:
    (found,) = report(table("t", {"at": [DAYS[0], None, DAYS[1]]}, time_col="at")).findings
    assert (found.severity, found.problem, found.count) == ("warning", "null time", 1)


def test_constant_and_empty_columns_are_named_unless_excluded() -> None:
    columns = {"k": [1, 2], "one": ["a", "a"], "gap": ["a", None], "none": [None, ""], "out": [1, 1]}
    found = report(table("t", columns, exclude="out")).warnings
    assert [(f.column, f.problem, f.examples) for f in found] == [
        ("one", "constant", ("a",)),
        ("none", "all null", ()),
    ]


def test_the_only_row_is_not_called_constant() -> None:
    assert report(table("t", {"k": [1]})).findings == ()


def test_links_to_later_rows_are_counted() -> None:
    questions = table("posts", {"id": [1, 2, 3], "best": [2, 3, 1], "at": DAYS}, pkey_col="id", time_col="at")
    (found,) = report(questions, links=[Link("posts", "best", "posts")]).findings
    assert (found.column, found.problem, found.count) == ("best", "points to a later row of posts", 2)


def test_a_timeless_child_of_a_timed_table_is_warned_of() -> None:
    races = table("races", {"id": [1, 2, 3], "date": DAYS}, pkey_col="id", time_col="date")
    results = table("results", {"race": [1, 2]})
    (found,) = report(races, results, links=[Link("results", "race", "races")]).findings
    assert str(found) == (
        "warning: results: no time, though rows of races have one: 2 of 2 rows; they are visible before what"
        " they point at in races; take over its time with sql"
    )


def test_times_later_than_the_rows_own_are_warned_of() -> None:
    columns = {"at": DAYS, "edited": [DAYS[0], DAYS[2], None], "due": DAYS + pd.Timedelta(days=1)}
    (found,) = report(table("t", columns, time_col="at", exclude="due")).findings
    assert (found.column, found.problem, found.count) == ("edited", "later than the row's own time (at)", 1)


def test_a_key_by_its_name_that_a_few_rows_repeat_is_warned_of() -> None:
    ids = [*range(19), 3]
    assert [str(f) for f in report(table("users", {"id": ids, "x": range(20)})).warnings] == [
        "warning: users.id: named like a primary key, but null or repeated, so the table has none: 1 of 20 rows,"
        " such as 3; remove these rows with sql, and name it in pkey_col, if it is the key"
    ]
    assert report(table("visits", {"user_id": ids, "x": range(20)})).findings == ()


def test_a_time_by_its_name_that_does_not_parse_is_warned_of() -> None:
    when = ["2020-01-01", "2020-01-02", "yesterday"]
    assert [str(f) for f in report(table("t", {"date": when})).warnings] == [
        "warning: t.date: named like a time, but does not parse, so its rows are always visible:"
        " 1 of 3 rows, such as 'yesterday'; parse it with sql (strptime), and name it in time_col, if"
        " it says when a row came to be"
    ]
    assert report(table("t", {"date": ["01/31/2020 8:00 AM", "02/01/2020 9:00 PM"]})).warnings
    assert report(table("t", {"time": ["1:34:50.616", "+5.478"], "on": ["a", "b"]})).findings == ()


def test_a_report_shows_errors_first_and_counts_them() -> None:
    columns = {"k": [1, 1], "one": ["a", "a"]}
    lines = str(report(table("t", columns, pkey_col="k", exclude="k"))).splitlines()
    assert [line.split(":")[0] for line in lines] == ["error", "warning", "1 errors, 1 warnings"]


def test_all_errors_are_refused_at_once_and_warnings_are_not() -> None:
    described = table(
        "t", {"k": [1, 1, None], "at": ["x", None, None], "one": [1, 1, 1]}, pkey_col="k", time_col="at"
    )
    message = (
        "t.k: null primary key: 1 of 3 rows; fill the key, leave these rows out with sql, or choose another"
        " pkey_col\n"
        "t.k: duplicate primary key: 1 of 3 rows, such as 1.0; remove the repeated rows with sql, or choose"
        " another pkey_col\n"
        "t.at: time column that does not parse: 1 of 3 rows, such as 'x'; parse it with sql (strptime,"
        " TRY_CAST), or give it another stype"
    )
    with duckdb.connect() as connection:
        bind(connection, [described], {})
        with pytest.raises(SourceError, match=f"^{re.escape(message)}$"):
            refuse_errors(connection, Schema([described]))


def test_float_keys_that_may_have_been_other_integers_are_an_error() -> None:
    users = table("users", {"id": [2**53, 2**53 + 1, 5]}, pkey_col="id")
    orders = table("orders", {"user_id": [2**53 + 1, None, 5], "x": [1e300, 2, 3]})
    found = report(users, orders, links=[Link("orders", "user_id", "users")])
    assert [str(f) for f in found.errors] == [
        "error: orders.user_id: key of type DOUBLE, which from 2^53 on makes different integers one:"
        " 1 of 3 rows, such as 9007199254740992.0; read it as integers (pandas: Int64), or cast it with sql"
        " if these are the keys"
    ]
    small = table("orders", {"user_id": pd.array([2**24, 5], "float32"), "x": [1, 2]})
    (refused,) = report(users, small, links=[Link("orders", "user_id", "users")]).errors
    assert refused.problem == "key of type FLOAT, which from 2^24 on makes different integers one"


def test_ends_of_edges_that_may_have_been_other_integers_are_an_error() -> None:
    users = table("users", {"id": [2**53, 5]}, pkey_col="id")
    edges = EdgeTable(
        "e", src="users", dst="users", source=pd.DataFrame({"a": [-(2.0**53), 5.0], "b": [5, 5]})
    )
    (found,) = Graph([users], edges=[edges]).validate().errors
    assert (found.table, found.column, found.examples) == ("e", "a", ("-9007199254740992.0",))


def test_text_that_is_numbers_but_for_words_is_a_warning_that_says_how_to_read_them() -> None:
    values = ["1.5", "NA", "2", "n/a", "3"]
    (found,) = report(table("t", {"x": values, "code": ["07", "08", "NA", "09", "10"]})).warnings
    assert str(found) == (
        "warning: t.x: no number, in a column of numbers but for these: 2 of 5 rows, such as 'NA' in row 1,"
        " 'n/a' in row 3; if they mean no value, read them with sql:"
        ' SELECT * REPLACE (TRY_CAST("x" AS DOUBLE) AS "x") FROM "t"'
    )
    advice = found.advice.partition("with sql: ")[2]
    read = Graph([Table("t", sql=advice)], sources={"t": pd.DataFrame({"x": values})})
    assert read.schema.table("t").stypes["x"] == "numerical"
    assert read.validate().findings == ()


def test_whole_numbers_stay_whole_where_words_are_read_as_null() -> None:
    found = Graph(
        [Table("t", sql="SELECT * FROM s")], sources={"s": pd.DataFrame({"user_id": ["12", "-", "7", "8"]})}
    ).validate()
    assert found.warnings[0].advice == (
        "if they mean no value, read them with sql:"
        ' SELECT * REPLACE (TRY_CAST("user_id" AS BIGINT) AS "user_id") FROM (...)'
    )


def test_many_different_words_beside_numbers_are_no_finding() -> None:
    tickets = ["113803", "373450", "330877", "17463", "A/5 21171", "PC 17599", "CA 2144", "W./C. 6608"]
    assert report(table("t", {"ticket": tickets})).findings == ()


def test_decimal_commas_are_a_warning() -> None:
    (found,) = report(table("t", {"price": ["3,14", "2", "-0,5", None]})).warnings
    assert (found.problem, found.count) == ("numbers with decimal commas, taken for text", 2)
    assert found.examples == ("'3,14' in row 0", "'-0,5' in row 2")
    assert found.advice == (
        "if they are numbers, read them with sql:"
        """ SELECT * REPLACE (TRY_CAST(replace("price", ',', '.') AS DOUBLE) AS "price") FROM "t\""""
    )


@pytest.mark.parametrize(
    ("far", "shown"),
    [
        (
            ["9999-12-31", "9999-12-31"],
            "7,979 years from all others: 2 of 5 rows, such as 9999-12-31 00:00:00",
        ),
        (["1900-01-01"], "119 years from all others: 1 of 4 rows, such as 1900-01-01 00:00:00"),
    ],
)
def test_times_far_from_all_others_are_a_warning(far: list[str], shown: str) -> None:
    at = [*DAYS.strftime("%Y-%m-%d"), *far]
    (found,) = report(table("t", {"at": at}, time_col="at")).warnings
    assert str(found) == (
        f"warning: t.at: {shown}; anchor times stretch so far; if such a time stands for none, make it null"
        " with sql"
    )


def test_data_of_centuries_are_no_finding() -> None:
    at = [f"{year}-01-01" for year in range(1800, 2000, 20)]
    assert report(table("t", {"at": at}, time_col="at")).findings == ()


def test_dates_written_as_integers_are_a_warning_that_says_how_to_read_them() -> None:
    days = pd.DataFrame({"day": [20240131, 20231105, 20240229], "sum": [20240131, 20240132, 5]})
    (found,) = report(table("t", dict(days))).warnings
    assert str(found) == (
        "warning: t.day: integers that look like dates, taken for amounts: 3 of 3 rows, such as 20240131,"
        " 20231105, 20240229; read them with sql if they are: SELECT * REPLACE"
        """ (CAST(try_strptime(CAST("day" AS VARCHAR), '%Y%m%d') AS DATE) AS "day") FROM "t\""""
    )
    read = Graph([Table("t", sql=found.advice.partition("are: ")[2])], sources={"t": days})
    assert read.schema.table("t").time_col == "day"


def test_keys_of_an_empty_table_match_any_type() -> None:
    users = table("users", {"id": [1, 2]}, pkey_col="id")
    orders = table("orders", {"user_id": pd.Series([], dtype=str)})
    assert report(users, orders, links=[Link("orders", "user_id", "users")]).findings == ()
