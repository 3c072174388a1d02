"""Formula 1, 1950-2025: the tables, and the benchmark's three questions about them.

Only `races` carries a date; the other tables take theirs by a join, as a results table in a company takes
its order's. The questions, the columns left out and the dates of the split are those of RelBench's rel-f1
(Robinson et al. 2024, arXiv 2407.20060).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import relhop as rh

DATA = Path(__file__).parent / "data"
VALIDATION_START = "2005-01-01"
TEST_START = "2010-01-01"
ANCHORS_PER_SPLIT = 40  # of validation and test, at most

RACE_TIME = "races.date + coalesce(races.time, TIME '00:00:00')"


def graph(data: Path = DATA, **others: rh.Table) -> rh.Graph:
    """The nine tables with their times; keys, semantic types and links are inferred.

    Args:
        data: The folder of the CSV files.
        others: Tables to take instead of those of the same name.
    """
    after_the_race = (
        f"SELECT t.* EXCLUDE ({{drop}}), {RACE_TIME} AS date FROM {{table}} t JOIN races USING (raceId)"
    )
    drop = {
        "results": "number, positionText, time, fastestLapTime, fastestLapSpeed",
        "driver_standings": "positionText",
        "constructor_standings": "positionText",
        "constructor_results": "status",
    }
    tables = [
        rh.Table(
            name,
            sql=after_the_race.format(table=name, drop=columns),
            time_col="date",
            stypes={"statusId": "categorical"} if name == "results" else {},
        )
        for name, columns in drop.items()
    ]
    tables += [
        rh.Table(
            "races",
            sql=f"SELECT raceId, year, round, circuitId, name, {RACE_TIME} AS date FROM races",
            time_col="date",
        ),
        rh.Table(
            "qualifying",  # held the day before the race
            sql=f"SELECT t.* EXCLUDE (number, q1, q2, q3), {RACE_TIME} - INTERVAL 1 DAY AS date"
            " FROM qualifying t JOIN races USING (raceId)",
            time_col="date",
        ),
        rh.Table("drivers", sql="SELECT * EXCLUDE (number, url) FROM drivers"),
        rh.Table("constructors", sql="SELECT * EXCLUDE (url) FROM constructors"),
        rh.Table("circuits", sql="SELECT * EXCLUDE (url) FROM circuits"),
    ]
    tables = [others.get(table.name, table) for table in tables]
    return rh.Graph.from_folder(data, tables=tables, exclude_tables=["status"], verbose=False)


@dataclass(frozen=True)
class Question:
    """A query, the metric that judges it, and what others reached on test rows (frozen protocol)."""

    words: str
    query: str
    metric: str
    label_rows: tuple[int, int, int]
    published: dict[str, float]

    def training_table(self, store: rh.Store) -> rh.TrainingTable:
        """The benchmark's own label rows."""
        return rh.PredictiveQuery(store, self.query).generate_training_table(
            store, val_start=VALIDATION_START, test_start=TEST_START, max_eval_anchors=ANCHORS_PER_SPLIT
        )


QUESTIONS = {
    "driver-dnf": Question(
        "Will a driver who races in the next 30 days fail to finish?",
        "PREDICT COUNT(results.* WHERE results.statusId != 1, 0, 30, days) > 0 FOR EACH drivers.driverId"
        " ASSUMING COUNT(results.*, 0, 30, days) > 0",
        "auroc",
        (11_411, 566, 702),
        {
            "LightGBM": 0.686,
            "entity mean": 0.699,
            "GraphSAGE": 0.726,
            "RelGNN": 0.753,
            "RelGT": 0.759,
            "RT": 0.799,
        },
    ),
    "driver-top3": Question(
        "Will a driver who qualifies in the next 30 days do so in the top three?",
        "PREDICT MIN(qualifying.position, 0, 30, days) <= 3 FOR EACH drivers.driverId",
        "auroc",
        (1_353, 588, 726),
        {"LightGBM": 0.739, "GraphSAGE": 0.755, "RelGT": 0.835, "RT": 0.838, "RelGNN": 0.857},
    ),
    "driver-position": Question(
        "What will a driver's mean finishing position be over the next 60 days?",
        "PREDICT AVG(results.positionOrder, 0, 60, days) FOR EACH drivers.driverId",
        "mae",
        (7_453, 499, 760),
        {
            "LightGBM": 4.17,
            "entity mean": 4.06,
            "GraphSAGE": 4.02,
            "an expert's features": 3.96,
            "RelGNN": 3.80,
            "RT": 3.43,
        },
    ),
}
