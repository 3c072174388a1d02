"""The benchmark of quality: all systems answer the same question under the same protocol."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import quality
from benchmarks.quality_data import flights, movielens, oulad, travel
from benchmarks.quality_data.question import Question
from relhop.baselines import baseline_scores
from tests import clicks


def test_every_system_is_judged_on_the_test_split_under_its_view(tmp_path):
    pytest.importorskip("lightgbm", reason="LightGBM is not installed: pip install 'relhop[lightgbm]'")
    store = clicks.build(tmp_path / "clicks.rh")
    question = Question(
        "clicks",
        "PREDICT AVG(clicks.score, 0, 3) > 0 FOR EACH users.user_id",
        "auroc",
        {"val_start": "2020-02-01", "test_start": "2020-02-12"},
        plan={"neighbor_sampling.delay": "0 to 15 days", "training_job.refit": True},
        val_seen="2020-02-01",
        test_seen="2020-02-12",
        simple={"mean score": lambda found: found["clicks_user_id_score_mean_None"]},
        published={"somebody": 0.9},
        target=0.95,
    )
    lines = list(quality.lines_of(question, store, 2, tmp_path / "run", quick=True))
    values = {line.system: line.values for line in lines}
    assert len(values["relhop"]) == len(values["LightGBM on windowed aggregates"]) == 2
    assert min(values["LightGBM on windowed aggregates"]) > 0.9
    assert values["mean score"][0] > 0.9
    table = question.table(store)
    known = table.take(np.flatnonzero(table.split < 2))
    assert {f"baseline: {name}" for name in baseline_scores(known, table.splits["test"])} <= set(values)
    assert (values["published: somebody"], values["target"]) == ([0.9], [0.95])


def test_a_question_of_earlier_years_has_all_its_dates_shifted():
    question = Question(
        "clicks",
        "PREDICT COUNT(clicks.*, 0, 3) > 0 FOR EACH users.user_id",
        "auroc",
        {"val_start": "2020-02-01", "test_start": "2020-02-12", "stride": "3 days"},
        val_seen="2020-02-01",
        test_seen="2020-02-12",
        published={"somebody": 0.9},
        target=0.95,
    ).years_ago(2)
    assert question.split == {"val_start": "2018-02-01", "test_start": "2018-02-12", "stride": "3 days"}
    assert (question.val_seen, question.test_seen) == ("2018-02-01", "2018-02-12")
    assert (question.name, question.published, question.target) == ("clicks, asked in 2018", {}, None)


def test_no_question_reads_a_column_that_was_filled_later():
    frozen = {"Score", "ViewCount", "Reputation", "AcceptedAnswerId", "LastAccessDate", "LastEditorUserId"}
    read = " ".join(travel._TABLES.values()).replace(",", " ").split()
    assert not frozen & set(read)
    scheduled = {"sched_dep", "hour", "minute", "sched_hour_local"}
    for table in (*flights._TABLES, *movielens._TABLES, *oulad._TABLES):
        assert not (scheduled | {"date_unregistration"}) & set(table.sql.replace(",", " ").split())
