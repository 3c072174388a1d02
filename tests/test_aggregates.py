from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from relhop.aggregates import WINDOWS, Seen, aggregates, frequent_values
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
