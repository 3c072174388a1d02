from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from rich.console import Console

from relhop.errors import SchemaError
from relhop.graph import Graph
from relhop.infer import names
from relhop.infer.guess import Explanation
from relhop.infer.printing import print_explanations
from relhop.infer.profile import TableFacts
from relhop.schema import Link, Table
from relhop.sources.binding import bind_inputs

CHINOOK = Path(__file__).parent / "data/Chinook_Sqlite.sqlite"
TRAVEL = Path(__file__).parent / "data/travel_se"
F1 = Path(__file__).parent.parent / "examples/f1/data"


def graph(links: Sequence[Link] | None = None, **frames: Any) -> Graph:
    return Graph([Table(name) for name in frames], links, frames)


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame(columns)


def links(inferred: Graph) -> set[str]:
    return {f"{link.name}->{link.parent}" for link in inferred.schema.links}


def keys(inferred: Graph) -> dict[str, tuple[str, ...]]:
    return {name: table.pkey for name, table in inferred.schema.tables.items()}


def stype(values: Any, name: str = "x") -> str:
    source = pd.DataFrame({"constant": 0, name: values})
    return str(graph(t=source).schema.table("t").stypes[name])


def why(inferred: Graph, table: str, column: str | None) -> list[tuple[str, str]]:
    return [(e.guess, e.why) for e in inferred.explanations if (e.table, e.column) == (table, column)]


class TestNames:
    @pytest.mark.parametrize(
        ("name", "found"),
        [
            ("LastEditorUserId", ("last", "editor", "user", "id")),
            ("id_student", ("id", "student")),
            ("HTMLBody2", ("html", "body", "2")),
            ("ID", ("id",)),
        ],
    )
    def test_a_name_is_its_words(self, name: str, found: tuple[str, ...]) -> None:
        assert names.words(name) == found

    @pytest.mark.parametrize(
        ("plural", "singular"),
        [
            ("races", "race"),
            ("categories", "category"),
            ("movies", "movie"),
            ("boxes", "box"),
            ("status", "status"),
            ("classes", "class"),
            ("matches", "match"),
            ("analysis", "analysis"),
            ("drivers", "driver"),
        ],
    )
    def test_singular_and_plural_have_one_stem(self, plural: str, singular: str) -> None:
        assert names.stem(plural) == names.stem(singular)

    @pytest.mark.parametrize(
        ("column", "table"),
        [
            ("driverId", "drivers"),
            ("constructor_results_id", "ConstructorResults"),
            ("id_student", "student"),
            ("category_key", "categories"),
            ("statusId", "status"),
            ("movieId", "movies"),
        ],
    )
    def test_a_key_names_its_table(self, column: str, table: str) -> None:
        assert names.names_table(column, table)

    def test_a_bare_key_names_no_table(self) -> None:
        assert not names.names_table("id", "ids")

    def test_a_key_with_words_before_ends_with_its_table(self) -> None:
        assert names.ends_with_table("OwnerUserId", "Users")
        assert not names.ends_with_table("UserId", "Users")
        assert not names.ends_with_table("PostTypeId", "Posts")


class TestPrimaryKeys:
    def test_a_column_named_id_comes_first(self) -> None:
        assert keys(graph(t=frame(code=[1, 2], Id=[5, 6]))) == {"t": ("Id",)}

    def test_a_column_named_after_the_table_comes_before_the_first(self) -> None:
        assert keys(graph(races=frame(rank=[1, 2], raceId=[5, 6]))) == {"races": ("raceId",)}

    def test_the_first_column_is_next(self) -> None:
        found = graph(airports=frame(faa=["JFK", "LGA"], name=["Kennedy", "La Guardia"]))
        assert keys(found) == {"airports": ("faa",)}
        assert why(found, "airports", "faa")[0] == ("primary key", "the first column; unique and never null")

    def test_the_only_unique_column_with_a_keys_name_is_last(self) -> None:
        assert keys(graph(t=frame(a=[1, 1], order_id=[5, 6]))) == {"t": ("order_id",)}
        assert keys(graph(t=frame(a=[1, 1], order_id=[5, 6], item_id=[7, 8]))) == {
            "t": ("order_id", "item_id")
        }

    @pytest.mark.parametrize(
        "values",
        [[1, 1], [1, None], [1.5, 2.5], pd.to_datetime(["2020-01-01", "2020-01-02"]), ["x" * 100, "y" * 100]],
    )
    def test_what_repeats_is_missing_or_is_no_key_is_none(self, values: Any) -> None:
        found = graph(t=frame(a=values))
        assert keys(found) == {"t": ()}
        assert why(found, "t", None)[0] == (
            "no primary key",
            "no column, and no few that look like keys, name every row",
        )

    def test_a_first_column_that_is_a_time_is_no_key(self) -> None:
        assert keys(graph(t=frame(timestamp=[1_500_000_000, 1_500_000_001], x=[1, 1]))) == {"t": ()}

    def test_an_empty_table_is_judged_by_names(self) -> None:
        empty = frame(thing_id=[1], other=[1]).iloc[:0]
        assert keys(graph(t=empty, things=empty, u=frame(x=[1]).iloc[:0])) == {
            "t": ("thing_id",),
            "things": ("thing_id",),
            "u": (),
        }

    def test_two_foreign_keys_together_are_a_key(self) -> None:
        found = graph(
            users=frame(userId=[1, 2]),
            films=frame(filmId=[1, 2]),
            ratings=frame(userId=[1, 1, 2], filmId=[1, 2, 1], stars=[3, 3, 3]),
        )
        assert keys(found)["ratings"] == ("userId", "filmId")

    def test_a_foreign_key_and_a_time_together_are_a_key(self) -> None:
        hours = pd.to_datetime(["2020-01-01", "2020-01-02"] * 3)
        found = graph(
            airports=frame(faa=["JFK", "LGA", "EWR"]),
            weather=frame(origin=["JFK", "JFK", "LGA", "LGA", "EWR", "EWR"], hour=hours, temp=[1.5] * 6),
        )
        assert keys(found)["weather"] == ("origin", "hour")
        assert links(found) == {"weather.origin->airports"}

    def test_a_given_key_stands(self) -> None:
        found = Graph([Table("t", source=frame(id=[1, 2], other=[3, 4]), pkey_col="other")])
        assert keys(found) == {"t": ("other",)}
        assert why(found, "t", "other")[0] == ("primary key", "given")

    def test_a_table_may_be_said_to_have_no_key(self) -> None:
        found = Graph([Table("t", source=frame(id=[1, 2]), pkey_col=())])
        assert keys(found) == {"t": ()}
        assert why(found, "t", None)[0] == ("no primary key", "given")


class TestLinks:
    users = frame(Id=[1, 2, 3, 9])

    def test_the_same_name_as_a_key_links(self) -> None:
        found = graph(
            drivers=frame(driverId=[1, 2]), results=frame(resultId=[1, 2, 3], driverId=[1, 1, None])
        )
        assert links(found) == {"results.driverId->drivers"}

    def test_the_tables_name_links_and_so_does_a_name_that_ends_with_it(self) -> None:
        posts = frame(Id=[1, 2], UserId=[1, 9], LastEditorUserId=[2, 3], TypeId=[1, 2])
        found = graph(Users=self.users, Posts=posts)
        assert links(found) == {"Posts.UserId->Users", "Posts.LastEditorUserId->Users"}

    def test_a_self_reference_is_seen_by_its_name(self) -> None:
        found = graph(staff=frame(staffId=[1, 2, 3], ReportsTo=[None, 1, 1]))
        assert links(found) == {"staff.ReportsTo->staff"}

    def test_keys_written_as_text_link_to_numbers(self) -> None:
        found = graph(users=self.users, posts=frame(postId=[10, 11, 12], user_id=["1", "", "9"]))
        assert links(found) == {"posts.user_id->users"}

    def test_the_owner_of_a_shared_key_is_the_table_of_its_name(self) -> None:
        found = graph(
            extras=frame(movieId=[1, 2], imdb=["a", "b"]),
            movies=frame(movieId=[1, 2], title=["x", "y"]),
            tags=frame(tagId=[1, 2, 3], movieId=[1, 1, 2]),
        )
        assert links(found) == {"extras.movieId->movies", "tags.movieId->movies"}

    def test_a_name_is_not_believed_against_the_values(self) -> None:
        found = graph(users=self.users, posts=frame(postId=[10, 11, 12], user_id=[100, 101, 1]))
        assert links(found) == set()
        assert why(found, "posts", "user_id")[0] == (
            "no link to users",
            "named after the table, but users.Id holds only 33.3% of 3 values",
        )

    def test_keys_of_different_kinds_do_not_link(self) -> None:
        assert links(graph(users=self.users, posts=frame(postId=[10, 11], user_id=["ann", "bob"]))) == set()

    def test_a_column_without_values_links_by_name(self) -> None:
        assert links(graph(users=self.users, posts=frame(postId=[10, 11], user_id=[None, None]))) == {
            "posts.user_id->users"
        }

    def test_text_links_by_values_alone(self) -> None:
        airports = frame(faa=[f"A{i:02}" for i in range(50)])
        flights = frame(flightId=range(20), origin=["A01", "A02", "A03", "A04"] * 5, kind=["x", "y"] * 10)
        assert links(graph(airports=airports, flights=flights)) == {"flights.origin->airports"}

    def test_numbers_link_by_values_where_chance_would_not_do_it(self) -> None:
        posts = frame(Id=range(0, 3000, 3), AcceptedAnswerId=[i * 3 if i % 2 else None for i in range(1000)])
        others = frame(Id=range(3000))
        assert links(graph(Posts=posts, Others=others)) == {"Posts.AcceptedAnswerId->Posts"}

    def test_small_codes_do_not_link_by_values(self) -> None:
        posts = frame(Id=range(1, 1001), KindId=[i % 5 + 1 for i in range(1000)])
        assert links(graph(Posts=posts)) == set()

    def test_all_columns_of_a_composite_key_link(self) -> None:
        found = graph(
            course=frame(code_module=["A", "A", "B"], code_run=["1", "2", "1"], weeks=[9, 9, 9]),
            exam=frame(exam_id=[1, 2, 3, 4], code_module=["A", "A", "B", "B"], code_run=["1", "2", "1", "1"]),
        )
        assert links(found) == {"exam.code_module+code_run->course"}

    def test_of_two_tables_with_one_composite_key_the_named_one_is_the_parent(self) -> None:
        both = {"code_run": ["1", "1", "2"], "id_student": [1, 2, 1]}
        found = graph(student=frame(**both), registration=frame(**both))
        assert links(found) == {"registration.code_run+id_student->student"}

    def test_a_composite_key_that_agrees_under_another_name_is_told_of_and_not_linked(self) -> None:
        hours = pd.to_datetime([f"2020-01-0{1 + i % 5}" for i in range(15)])
        origins = ["JFK"] * 5 + ["LGA"] * 5 + ["EWR"] * 5
        airports = frame(faa=["JFK", "LGA", "EWR"])
        weather = frame(origin=origins, time_hour=hours)
        flights = frame(flight_id=range(15), origin=origins, sched=hours)
        found = graph(airports=airports, weather=weather, flights=flights)
        assert why(found, "flights", "origin+sched") == [
            (
                "no link to weather",
                "the key holds all of 15 values, but sched is not named time_hour; link them if meant",
            )
        ]

    def test_given_links_are_all_links(self) -> None:
        frames = {"users": self.users, "posts": frame(postId=[10], user_id=[1], by=[2])}
        found = graph([Link("posts", "by", "users")], **frames)
        assert links(found) == {"posts.by->users"}
        assert why(found, "posts", "by")[0] == ("-> users", "given")
        assert links(graph([], **frames)) == set()

    def test_a_link_from_a_missing_column_is_refused_with_the_nearest(self) -> None:
        message = "table 'users' has no column 'id', which the link users.id names. Did you mean 'Id'?"
        with pytest.raises(SchemaError, match=f"^{re.escape(message)}$"):
            graph([Link("users", "id", "users")], users=self.users)


class TestTimes:
    day = pd.to_datetime(["2020-01-01", "2020-01-02"])

    def time_of(self, **columns: Any) -> tuple[str | None, str | None]:
        table = graph(t=frame(k=[1, 2], **columns)).schema.table("t")
        return table.time_col, table.time_unit

    def test_a_creation_comes_before_other_times_and_a_plain_date_before_it(self) -> None:
        assert self.time_of(shown=self.day, CreationDate=self.day) == ("CreationDate", None)
        assert self.time_of(sched_at=self.day, date=self.day) == ("date", None)

    @pytest.mark.parametrize(
        "name", ["updated_at", "LastEditDate", "dob", "BirthDate", "deadline", "end_date"]
    )
    def test_updates_ends_and_birthdays_are_none(self, name: str) -> None:
        assert self.time_of(**{name: self.day}) == (None, None)

    def test_a_time_that_is_mostly_null_is_none(self) -> None:
        table = frame(k=[1, 2, 3], closed=[None, None, None], at=pd.to_datetime(["2020-01-01", None, None]))
        assert graph(t=table).schema.table("t").time_col is None

    def test_text_that_is_times_is_one(self) -> None:
        assert self.time_of(created=["2020-01-01", "2020-01-02T10:00:00Z"]) == ("created", None)
        assert self.time_of(created=["2020-01-01", "yesterday"]) == (None, None)

    @pytest.mark.parametrize(
        ("name", "size", "unit"),
        [
            ("timestamp", 1_500_000_000, "s"),
            ("time", 1_500_000_000_000, "ms"),
            ("ts", 1_500_000_000_000_000, "us"),
            ("date_submitted", 18, "days"),
            ("date", -159, "days"),
        ],
    )
    def test_integers_are_times_by_name_and_size(self, name: str, size: int, unit: str) -> None:
        assert self.time_of(**{name: [size, size - 1]}) == (name, unit)

    @pytest.mark.parametrize(
        ("name", "size"), [("date", 20_200_101), ("air_time", 227), ("year", 2009), ("x", 10**9)]
    )
    def test_other_integers_are_none(self, name: str, size: int) -> None:
        assert self.time_of(**{name: [size, size - 1]}) == (None, None)

    def test_a_table_may_be_said_to_have_no_time(self) -> None:
        found = Graph([Table("t", source=frame(date=self.day), time_col="")])
        assert found.schema.table("t").time_col is None
        assert ("no time", "given") in why(found, "t", None)

    def test_a_given_time_stands_and_its_unit_is_guessed(self) -> None:
        source = frame(date=self.day, timestamp=[1_500_000_000, 1_500_000_001])
        table = Graph([Table("t", source=source, time_col="timestamp")]).schema.table("t")
        assert (table.time_col, table.time_unit) == ("timestamp", "s")

    def test_integers_that_count_like_the_time_are_timestamps(self) -> None:
        table = graph(t=frame(k=[1, 2], date_registered=[-159, -3], date_left=[20, None])).schema.table("t")
        assert (table.time_col, table.stypes["date_left"]) == ("date_registered", "timestamp")


class TestStypes:
    @pytest.mark.parametrize(
        ("values", "name", "expected"),
        [
            ([1.5, 2.5, 2.5], "x", "numerical"),
            ([1, 2, 2], "wins", "numerical"),
            ([1, 2, 2], "kind", "categorical"),
            ([0, 1, 1], "x", "categorical"),
            ([1, 1, 1], "x", "numerical"),
            ([True, False, True], "x", "categorical"),
            ([1, 2, 2], "type_id", "categorical"),
            (["1.5", "", "2"], "x", "numerical"),
            (["007", "008", "007"], "x", "text"),
            (["007", "008"] * 5, "x", "categorical"),
            ([None, None], "x", "categorical"),
            (["2020-01-01", ""], "x", "timestamp"),
            (["a", "b"] * 5, "x", "categorical"),
            (["a", "b", "c"], "x", "text"),
            (["one two three four five six seven eight nine ten"] * 4, "x", "text"),
            ([f"text {i % 1500}" for i in range(4500)], "x", "text"),
            ([i % 100 for i in range(200)], "type_id", "id"),
            ([f"u{i % 100}" for i in range(200)], "user_id", "id"),
            ([[1], [2]], "x", "text"),
        ],
    )
    def test_a_columns_meaning_follows_from_values_and_name(
        self, values: Any, name: str, expected: str
    ) -> None:
        assert stype(values, name) == expected

    def test_lists_of_few_parts_are_multicategorical(self) -> None:
        genres = ["drama", "comedy", "war", "love"]
        values = [f"{a}|{b}" for a in genres for b in genres if a != b] * 3 + genres * 3
        assert stype(values) == "multicategorical"

    def test_prose_with_commas_is_text(self) -> None:
        assert stype([f"word{i}, word{i + 1}, and word{i + 2}" for i in range(50)]) == "text"

    def test_uuids_are_ids(self) -> None:
        table = Table("t", sql="SELECT 1 AS k, uuid() AS u, TIME '10:00' AS clock FROM range(3)")
        stypes = Graph([table]).schema.table("t").stypes
        assert (stypes["u"], stypes["clock"]) == ("id", "text")

    def test_parts_of_keys_are_ids(self) -> None:
        found = graph(users=frame(userId=[1, 2]), posts=frame(postId=[1, 2, 3], userId=[1, 1, 2]))
        assert set(found.schema.table("posts").stypes.values()) == {"id"}

    def test_a_given_stype_stands(self) -> None:
        table = Table("t", source=frame(k=[1, 2], x=[1, 2]), stypes={"x": "categorical"})
        found = Graph([table])
        assert found.schema.table("t").stypes["x"] == "categorical"
        assert why(found, "t", "x") == [("categorical", "given")]

    @pytest.mark.parametrize(
        ("field", "value"),
        [("pkey_col", "kays"), ("time_col", "kays"), ("stypes", {"kays": "id"}), ("exclude", "kays")],
    )
    def test_a_description_of_a_missing_column_is_refused(self, field: str, value: Any) -> None:
        message = f"table 't' has no column 'kays', which {field} names. Did you mean 'kay'?"
        with pytest.raises(SchemaError, match=f"^{re.escape(message)}$"):
            Graph([Table("t", source=frame(kay=[1]), **{field: value})])


class TestRealData:
    def test_formula_1(self) -> None:
        found = Graph.from_folder(F1, verbose=False)
        assert keys(found) == {
            "circuits": ("circuitId",),
            "constructor_results": ("constructorResultsId",),
            "constructor_standings": ("constructorStandingsId",),
            "constructors": ("constructorId",),
            "driver_standings": ("driverStandingsId",),
            "drivers": ("driverId",),
            "qualifying": ("qualifyId",),
            "races": ("raceId",),
            "results": ("resultId",),
            "status": ("statusId",),
        }
        assert links(found) == {
            "constructor_results.raceId->races",
            "constructor_results.constructorId->constructors",
            "constructor_standings.raceId->races",
            "constructor_standings.constructorId->constructors",
            "driver_standings.raceId->races",
            "driver_standings.driverId->drivers",
            "qualifying.raceId->races",
            "qualifying.driverId->drivers",
            "qualifying.constructorId->constructors",
            "races.circuitId->circuits",
            "results.raceId->races",
            "results.driverId->drivers",
            "results.constructorId->constructors",
            "results.statusId->status",
        }
        assert {n: t.time_col for n, t in found.schema.tables.items() if t.time_col} == {"races": "date"}

    def test_a_forum_with_keys_written_as_text(self) -> None:
        found = Graph.from_folder(TRAVEL, verbose=False)
        assert set(keys(found).values()) == {("Id",)}
        assert links(found) == {
            "Badges.UserId->Users",
            "Comments.PostId->Posts",
            "Comments.UserId->Users",
            "PostLinks.PostId->Posts",
            "PostLinks.RelatedPostId->Posts",
            "Posts.AcceptedAnswerId->Posts",
            "Posts.LastEditorUserId->Users",
            "Posts.OwnerUserId->Users",
            "Posts.ParentId->Posts",
            "Votes.PostId->Posts",
            "Votes.UserId->Users",
        }
        times = {name: table.time_col for name, table in found.schema.tables.items()}
        assert times.pop("Badges") == "Date"
        assert set(times.values()) == {"CreationDate"}

    def test_a_shop_in_sqlite_has_the_links_that_it_declares(self) -> None:
        found = Graph.from_folder(CHINOOK, verbose=False)
        assert keys(found)["PlaylistTrack"] == ("PlaylistId", "TrackId")
        assert links(found) == {
            "Album.ArtistId->Artist",
            "Customer.SupportRepId->Employee",
            "Employee.ReportsTo->Employee",
            "Invoice.CustomerId->Customer",
            "InvoiceLine.InvoiceId->Invoice",
            "InvoiceLine.TrackId->Track",
            "PlaylistTrack.PlaylistId->Playlist",
            "PlaylistTrack.TrackId->Track",
            "Track.AlbumId->Album",
            "Track.GenreId->Genre",
            "Track.MediaTypeId->MediaType",
        }
        times = {n: t.time_col for n, t in found.schema.tables.items() if t.time_col}
        assert times == {"Employee": "HireDate", "Invoice": "InvoiceDate"}

    def test_declared_links_to_what_the_graph_lacks_are_told_of(self) -> None:
        found = Graph.from_folder(
            CHINOOK, exclude_tables=["Artist"], tables=[Table("Genre", pkey_col=())], verbose=False
        )
        assert why(found, "Album", "ArtistId")[0] == (
            "no link to Artist",
            "declared, but the graph has no such table",
        )
        assert why(found, "Track", "GenreId")[0] == (
            "no link to Genre",
            "declared to columns that are not its key",
        )


def test_what_was_inferred_is_printed_with_reasons() -> None:
    found = graph(drivers=frame(driverId=[1, 2]), results=frame(resultId=[1, 2, 3], driverId=[1, 1, 2]))
    text = io.StringIO()
    print_explanations(found.explanations, found.schema, Console(file=text, width=200))
    lines = [
        [cell.strip() for cell in line.split("│")[1:-1]]
        for line in text.getvalue().splitlines()
        if "│" in line
    ]
    assert ["drivers", "driverId", "primary key", "named after the table; unique and never null"] in lines
    assert [
        "",
        "driverId",
        "-> drivers",
        "the same name as its key; drivers.driverId holds all of 2 values",
    ] in lines
    assert ["results", "id", "resultId, driverId"] in lines


def test_an_explanation_is_a_tuple_of_four() -> None:
    assert Explanation("t", None, "no time", "given") == ("t", None, "no time", "given")


def test_a_key_is_counted_exactly_where_the_estimate_is_near() -> None:
    with duckdb.connect() as connection:
        source = frame(a=range(10_000), b=[*range(9_999), 0])
        bind_inputs(connection, [Table("t", source=source)], {})
        facts = TableFacts(connection, "t")
        assert facts.is_key(["a"])
        assert not facts.is_key(["b"])
        assert facts.is_key(["b", "a"])


def test_columns_that_no_model_can_see_are_told_of_where_people_look() -> None:
    found = graph(t=frame(x=[1, 2], place=[{"lat": 1.0}, {"lat": 2.0}], vector=[[1.0, 2.0], [3.0]]))
    seen = "is kept for queries, and no model sees it"
    assert why(found, "t", "place")[1] == ("left out", f"a STRUCT(lat DOUBLE) {seen}")
    assert why(found, "t", "vector")[1] == (
        "left out", f"a DOUBLE[] {seen}; give it as an array if it is a vector"
    )  # fmt: skip
