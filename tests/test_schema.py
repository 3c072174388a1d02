from __future__ import annotations

import json
import re
from typing import Any

import pytest

from relhop.edge_table import EdgeTable
from relhop.errors import SchemaError
from relhop.schema import Link, Schema, Stype, Table, replace


def racing() -> Schema:
    tables = [
        Table("drivers", pkey_col="driverId", stypes={"driverId": "id", "dob": "timestamp", "name": "text"}),
        Table(
            "results",
            sql="SELECT * FROM results",
            pkey_col="resultId",
            time_col="date",
            time_unit="s",
            stypes={
                "resultId": "id",
                "driverId": "numerical",
                "date": "timestamp",
                "grid": "numerical",
                "rank": "numerical",
                "status": "categorical",
            },
            exclude="rank",
        ),
    ]
    return Schema(tables, [Link("results", "driverId", "drivers")])


def refused(message: str) -> Any:
    return pytest.raises(SchemaError, match=f"^{re.escape(message)}$")


def test_a_key_of_one_column_may_be_written_as_text() -> None:
    assert Table("t", pkey_col="id") == Table("t", pkey_col=("id",))
    assert Table("t", pkey_col=["a", "b"]).pkey == ("a", "b")
    assert Table("t").pkey == ()


def test_stypes_may_be_written_as_text() -> None:
    assert Table("t", stypes={"a": "numerical"}).stypes["a"] is Stype.numerical


@pytest.mark.parametrize("name", ["", "a/b", ".hidden", "a\\b", "a\0b"])
def test_a_name_that_cannot_be_a_folder_is_refused(name: str) -> None:
    with refused(f"table name {name!r} cannot name a folder; choose one without '/' and leading '.'"):
        Table(name)


def test_a_source_beside_sql_is_refused() -> None:
    with refused("table 't' has both a source and sql; give one"):
        Table("t", source="t.csv", sql="SELECT 1")


def test_an_unknown_time_unit_is_refused() -> None:
    with refused("table 't': time_unit 'weeks' is not one of us, ms, s, minutes, hours, days, years"):
        Table("t", time_unit="weeks")


def test_an_unknown_stype_is_refused_with_the_nearest() -> None:
    with refused(
        "table 't', column 'a': unknown semantic type 'numeric'; choose one of numerical, categorical,"
        " timestamp, multicategorical, text, id, tensor. Did you mean 'numerical'?"
    ):
        Table("t", stypes={"a": "numeric"})


def test_a_link_has_the_names_that_edge_types_are_made_of() -> None:
    link = Link("flights", ("origin", "hour"), "weather")
    assert link.columns == ("origin", "hour")
    assert link.fkey_name == "origin+hour"
    assert link.name == "flights.origin+hour"
    assert link.to_parent == ("flights", "f2p_origin+hour", "weather")
    assert link.to_child == ("weather", "rev_f2p_origin+hour", "flights")


def test_a_link_without_columns_is_refused() -> None:
    with refused("the link from 'a' to 'b' names no column"):
        Link("a", (), "b")


def test_edge_types_come_in_pairs_in_the_order_of_links() -> None:
    assert racing().edge_types == (
        ("results", "f2p_driverId", "drivers"),
        ("drivers", "rev_f2p_driverId", "results"),
    )


def test_names_that_are_not_there_are_refused_with_the_nearest() -> None:
    with refused("there is no table 'driver'. Did you mean 'drivers'?"):
        racing().table("driver")
    with refused("there is no link 'results.driver'. Did you mean 'results.driverId'?"):
        racing().link("results.driver")


def test_links_are_found_by_name_and_by_ends() -> None:
    link = Link("results", "driverId", "drivers")
    assert racing().link("results.driverId") == link
    assert racing().links_between("results", "drivers") == [link]
    assert racing().links_between("drivers", "results") == []


def test_two_tables_of_one_name_are_refused() -> None:
    with refused("two tables are named 'a'"):
        Schema([Table("a"), Table("a")])


def test_a_link_to_an_unknown_table_is_refused() -> None:
    with refused("the link a.k -> bb names the table 'bb', which the graph does not have."):
        Schema([Table("a")], [Link("a", "k", "bb")])


def test_a_link_to_a_table_without_a_key_is_refused() -> None:
    with refused("the link a.k -> a has 1 column(s), but the primary key of 'a' is not set"):
        Schema([Table("a")], [Link("a", "k", "a")])


def test_a_link_narrower_than_the_key_is_refused() -> None:
    with refused("the link a.k -> a has 1 column(s), but the primary key of 'a' is (x, y)"):
        Schema([Table("a", pkey_col=("x", "y"))], [Link("a", "k", "a")])


def test_the_same_link_twice_is_refused() -> None:
    with refused("two links are named a.k"):
        Schema([Table("a", pkey_col="id")], [Link("a", "k", "a")] * 2)


def test_keys_times_excluded_and_unseen_columns_are_no_features() -> None:
    assert racing().feature_columns("drivers") == {"dob": Stype.timestamp}
    assert racing().feature_columns("results") == {"grid": Stype.numerical, "status": Stype.categorical}


def test_a_schema_survives_json_without_its_sql() -> None:
    again = Schema.from_dict(json.loads(json.dumps(racing().to_dict())))
    assert again == racing()
    assert again.table("results").sql is None


def test_schemas_differ_by_any_field() -> None:
    changed = racing().replace_table(replace(racing().table("results"), time_unit="ms"))
    assert changed != racing()
    assert changed.table("drivers") == racing().table("drivers")
    assert racing() != "a schema"


def test_a_schema_says_how_large_it_is() -> None:
    assert repr(racing()) == "Schema(2 tables, 1 links)"


CITES = EdgeTable("cites", src="paper", dst="paper", reverse=True, time_col="at", time_unit="s")
WRITES = EdgeTable("writes", src="author", dst="paper", src_col="a", dst_col="p", relation="wrote")
PAPERS = [Table("paper"), Table("author", pkey_col="id")]


def test_edge_types_of_edge_tables_come_after_those_of_links() -> None:
    schema = Schema(PAPERS, [Link("paper", "by", "author")], [CITES, WRITES])
    assert schema.edge_types == (
        ("paper", "f2p_by", "author"),
        ("author", "rev_f2p_by", "paper"),
        ("paper", "cites", "paper"),
        ("paper", "rev_cites", "paper"),
        ("author", "wrote", "paper"),
    )
    assert schema.edge_table("cites") is CITES
    assert repr(schema) == "Schema(2 tables, 1 links, 2 edge tables)"


def test_edge_tables_survive_json_and_the_change_of_a_table() -> None:
    schema = Schema(PAPERS, [], [CITES, WRITES])
    assert Schema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema
    assert schema.replace_table(Table("paper", time_col="at")).edge_tables == schema.edge_tables
    assert schema != Schema(PAPERS, [], [CITES])


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        (
            EdgeTable("e", src="papers", dst="paper"),
            "the edge table 'e' names the table 'papers', which the graph does not have. Did you mean 'paper'?",
        ),
        (
            EdgeTable("paper", src="paper", dst="paper"),
            "two tables are named 'paper'; rename the edge table, relation= keeps its edge type",
        ),
        (
            EdgeTable("cites", src="author", dst="author"),
            "two tables are named 'cites'; rename the edge table, relation= keeps its edge type",
        ),
        (
            EdgeTable("e", src="paper", dst="paper", relation="rev_cites"),
            "the edge type ('paper', 'rev_cites', 'paper') of edge table 'e' is there already; choose another relation",
        ),
        (
            EdgeTable("e", src="wide", dst="paper"),
            "the edge table 'e' has one column for rows of 'wide', whose primary key is (x, y); make one column of"
            " them with sql",
        ),
    ],
)
def test_edge_tables_that_do_not_fit_are_refused(edges: EdgeTable, message: str) -> None:
    with refused(message):
        Schema([*PAPERS, Table("wide", pkey_col=("x", "y"))], [], [CITES, edges])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"src_col": "a"}, "edge table 'e' names one of src_col and dst_col; name both or none"),
        (
            {"src_col": "a", "dst_col": "a"},
            "edge table 'e': the column 'a' is both src_col and dst_col",
        ),
        ({"source": "e.csv", "sql": "SELECT 1"}, "edge table 'e' has both a source and sql; give one"),
        (
            {"time_unit": "weeks"},
            "edge table 'e': time_unit 'weeks' is not one of us, ms, s, minutes, hours, days, years",
        ),
        (
            {"weight_col": "w", "edge_ids": False},
            "edge table 'e' has columns, which need edge_ids; leave it out",
        ),
    ],
)
def test_an_edge_table_that_contradicts_itself_is_refused(options: dict[str, Any], message: str) -> None:
    with refused(message):
        EdgeTable("e", src="a", dst="b", **options)


def test_an_unknown_edge_table_is_refused_with_the_nearest() -> None:
    with refused("there is no edge table 'cite'. Did you mean 'cites'?"):
        Schema(PAPERS, [], [CITES]).edge_table("cite")
