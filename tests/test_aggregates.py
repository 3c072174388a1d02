from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from relhop import aggregates as module
from relhop.aggregates import WINDOWS, Seen, aggregates, frequent_values
from relhop.schema import Link, Schema, Stype, Table
from relhop.times import to_micros
from tests import clicks

DAY = pd.Timedelta(days=1)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return clicks.build(tmp_path_factory.mktemp("aggregates") / "clicks.rh")


def described(store, user, anchor, until, **options):
    rows = store.rows_of("users", [user])
    seen = Seen(rows, np.array([to_micros(anchor)]), np.array([to_micros(until)]))
    frequent = frequent_values(store, to_micros("2020-02-01"), **options)
    return aggregates(store, "users", seen, frequent, **options).iloc[0]


def test_they_are_of_what_is_visible_per_window_and_age_from_the_anchor(store):
    found = described(store, 5, "2020-02-20", "2020-02-15")
    frames = clicks.frames()
    past = frames["clicks"].query("user_id == 5 and at <= '2020-02-15'")
    assert found["delay"] == 5
    for days in WINDOWS:
        begin = pd.Timestamp("1900-01-01") if days is None else pd.Timestamp("2020-02-15") - days * DAY
        inside = past[past["at"] > begin]
        assert found[f"clicks_user_id_count_{days}"] == len(inside)
        assert found[f"clicks_user_id_score_mean_{days}"] == pytest.approx(inside["score"].mean(), rel=1e-5)
        phones = (inside["device"] == "phone").mean()
        shares = [found[f"clicks_user_id_device_share{place}_{days}"] for place in (0, 1)]
        assert sorted(shares) == pytest.approx(sorted([phones, 1 - phones]))
    newest = past.sort_values("at").iloc[-1]
    assert found["clicks_user_id_newest"] == (pd.Timestamp("2020-02-20") - newest["at"]) / DAY
    assert found["clicks_user_id_oldest"] == (pd.Timestamp("2020-02-20") - past["at"].min()) / DAY
    assert found["clicks_user_id_score_least"] == pytest.approx(past["score"].min(), rel=1e-5)
    assert found["clicks_user_id_device_newest"] == newest["device"]
    assert np.isnan(found["users_age"])
    assert found["users_city"] == "Oslo"
    same_item = frames["clicks"].query("item_id == @newest.item_id and at <= '2020-02-15'")
    assert found["clicks_user_id_newest_item_id_clicks_item_id_count_365"] == len(same_item)
    assert found["clicks_user_id_newest_item_id_clicks_item_id_score_mean_365"] == pytest.approx(
        same_item["score"].mean(), rel=1e-5
    )


def test_later_rows_change_nothing(store):
    early = described(store.as_of("2020-02-15"), 7, "2020-02-20", "2020-02-15")
    assert described(store, 7, "2020-02-20", "2020-02-15").equals(early)


def test_an_entity_without_rows_has_counts_of_none_and_no_values(store):
    found = described(store, 7, "2020-01-01", "2019-12-01")
    assert found["clicks_user_id_count_None"] == 0
    assert np.isnan(found["clicks_user_id_score_mean_None"])
    assert pd.isna(found["clicks_user_id_device_newest"])


def test_withheld_columns_are_in_none(store):
    found = described(store, 7, "2020-02-20", "2020-02-20", withheld=["users.age", "clicks.score"])
    assert not [name for name in found.index if "age" in name or "score" in name]


@pytest.fixture(scope="module")
def questions(tmp_path_factory):
    """A question of January whose accepted answer came in March; both belong to a topic, which has no time."""
    schema = Schema(
        [
            Table("users", pkey_col="user_id"),
            Table("topics", pkey_col="topic_id", stypes={"kind": Stype.categorical}),
            Table("questions", pkey_col="question_id", time_col="at", stypes={"length": Stype.numerical}),
            Table("answers", pkey_col="answer_id", time_col="at", stypes={"score": Stype.numerical}),
        ],
        [
            Link("questions", "user_id", "users"),
            Link("questions", "topic_id", "topics"),
            Link("questions", "accepted", "answers"),
        ],
    )
    tables = {
        "users": pd.DataFrame({"user_id": [1]}),
        "topics": pd.DataFrame({"topic_id": [3], "kind": ["visa"]}),
        "questions": pd.DataFrame(
            {
                "question_id": [1, 2],
                "user_id": [1, None],
                "topic_id": [3, 3],
                "accepted": [5, None],
                "length": [4.0, 8.0],
                "at": pd.to_datetime(["2020-01-01", "2020-02-01"]),
            }
        ),
        "answers": pd.DataFrame({"answer_id": [5], "score": [7.0], "at": pd.to_datetime(["2020-03-01"])}),
    }
    return clicks.build(tmp_path_factory.mktemp("questions") / "q.rh", schema, tables)


def of(store, entity, row, time):
    at = np.array([to_micros(time)])
    return aggregates(store, entity, Seen(np.array([row]), at, at), {"topics.kind": ["visa"]}).iloc[0]


@pytest.mark.parametrize(
    ("entity", "prefix"),
    [("users", "questions_user_id_newest_"), ("questions", "questions_accepted_parent_")],
)
def test_a_key_that_points_to_a_row_of_the_future_leads_nowhere(questions, entity, prefix):
    score = f"{prefix}accepted_score" if entity == "users" else f"{prefix}score"
    assert np.isnan(of(questions, entity, 0, "2020-02-29")[score])
    assert of(questions, entity, 0, "2020-03-01")[score] == 7


def test_they_tell_of_rows_that_the_entity_points_at_and_of_what_points_at_those(questions):
    found = of(questions, "questions", 0, "2020-01-15")
    assert found["questions_topic_id_parent_kind"] == "visa"
    assert found["questions_topic_id_parent_questions_topic_id_count_365"] == 1
    later = of(questions, "questions", 0, "2020-02-15")
    assert later["questions_topic_id_parent_questions_topic_id_count_365"] == 2
    assert later["questions_topic_id_parent_questions_topic_id_length_mean_365"] == 6


def test_a_seed_is_described_even_where_it_is_newer_than_what_is_seen(questions):
    at, until = np.array([to_micros("2020-01-15")]), np.array([to_micros("2019-12-01")])
    found = aggregates(questions, "questions", Seen(np.array([0]), at, until), {"topics.kind": []}).iloc[0]
    assert (found["questions_age"], found["questions_length"]) == (14, 4)


def test_what_too_many_rows_point_at_is_left_out_here_or_where_it_was_for_others(store, monkeypatch):
    whole = described(store, 5, "2020-02-20", "2020-02-15")
    pairs = int(whole["clicks_user_id_newest_item_id_clicks_item_id_count_365"])
    assert int(whole["clicks_user_id_count_None"]) < pairs
    monkeypatch.setattr(module, "MOST_JOINED", pairs)
    assert described(store, 5, "2020-02-20", "2020-02-15").equals(whole)
    monkeypatch.setattr(module, "MOST_JOINED", pairs - 1)
    seen = Seen(np.array([5]), np.array([to_micros("2020-02-20")]), np.array([to_micros("2020-02-15")]))
    frequent = frequent_values(store, to_micros("2020-02-01"))
    found = aggregates(store, "users", seen, frequent)
    assert found.attrs["left_out"] == ("clicks.user_id.newest.item_id.clicks.item_id",)
    crowded = [name for name in whole.index if name.startswith("clicks_user_id_newest_item_id_clicks_")]
    assert found.iloc[0].equals(whole.drop(crowded))
    monkeypatch.undo()
    assert aggregates(store, "users", seen, frequent, left_out=found.attrs["left_out"]).equals(found)
