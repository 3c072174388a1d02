"""Four questions whose answer is a ranking, on public databases.

The circuits are the question `driver-circuit-compete` of RelBench's rel-f1 (arXiv 2407.20060), with its
dates: one anchor time for validation and one for test, and nothing after the test's anchor in sight.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import relhop as rh
from examples.f1 import formula1


@dataclass(frozen=True)
class Question:
    """A query, its data, its split, and what its plan sets beside the suggestion."""

    words: str
    query: str
    folder: str
    graph: Callable[[Path], rh.Graph]
    val_start: str
    test_start: str
    max_eval_anchors: int | None = None
    frozen: bool = False
    plan: Mapping[str, Any] = field(default_factory=dict)

    def training_table(self, store: rh.Store) -> rh.TrainingTable:
        """The examples, split by time."""
        return rh.PredictiveQuery(store, self.query).generate_training_table(
            store,
            val_start=self.val_start,
            test_start=self.test_start,
            max_eval_anchors=self.max_eval_anchors,
        )

    def suggested_plan(self, store: rh.Store) -> rh.ModelPlan:
        """The plan that the numbers of docs/ranking.md were made with."""
        return rh.PredictiveQuery(store, self.query).suggest_model_plan(store).with_overrides(self.plan)


def circuits(data: Path) -> rh.Graph:
    """Formula 1, whose results know their circuit."""
    results = (
        "SELECT t.* EXCLUDE (number, positionText, time, fastestLapTime, fastestLapSpeed), races.circuitId,"
        f" {formula1.RACE_TIME} AS date FROM results t JOIN races USING (raceId)"
    )
    table = rh.Table("results", sql=results, time_col="date", stypes={"statusId": "categorical"})
    return formula1.graph(data, results=table)


def films(data: Path) -> rh.Graph:
    """MovieLens: users, films, ratings."""
    ratings = "SELECT userId, movieId, rating, CAST(to_timestamp(timestamp) AS TIMESTAMP) AS at FROM ratings"
    return rh.Graph.from_folder(
        data,
        tables=[
            rh.Table("users", sql="SELECT DISTINCT userId FROM ratings ORDER BY userId", pkey_col="userId"),
            rh.Table("ratings", sql=ratings, time_col="at", stypes={"rating": "numerical"}),
        ],
        exclude_tables=["links", "tags"],
        verbose=False,
    )


def posts(data: Path) -> rh.Graph:
    """travel.stackexchange.com: what was known when each row was written, and no keys to the future."""
    return rh.Graph.from_folder(
        data,
        tables=[
            rh.Table(
                "Users",
                sql="SELECT Id, CreationDate, Location FROM Users",
                pkey_col="Id",
                time_col="CreationDate",
            ),
            rh.Table(
                "Posts",
                sql="SELECT Id, CreationDate, OwnerUserId, ParentId, PostTypeId FROM Posts",
                pkey_col="Id",
                time_col="CreationDate",
                stypes={"PostTypeId": "categorical"},
            ),
            rh.Table(
                "Comments",
                sql="SELECT Id, CreationDate, UserId, PostId FROM Comments",
                pkey_col="Id",
                time_col="CreationDate",
            ),
        ],
        links=[
            rh.Link("Posts", "OwnerUserId", "Users"),
            rh.Link("Posts", "ParentId", "Posts"),
            rh.Link("Comments", "UserId", "Users"),
            rh.Link("Comments", "PostId", "Posts"),
        ],
        exclude_tables=["Votes", "Badges", "PostLinks", "Tags"],
        verbose=False,
    )


def flights(data: Path) -> rh.Graph:
    """Flights from New York, as they were scheduled."""
    flown = (
        "SELECT flight_id, tailnum, origin, dest, carrier, distance, CAST(date AS TIMESTAMP) AS at"
        " FROM flights"
    )
    return rh.Graph.from_folder(
        data,
        tables=[
            rh.Table(
                "flights", sql=flown, pkey_col="flight_id", time_col="at", stypes={"distance": "numerical"}
            ),
            rh.Table("planes", pkey_col="tailnum"),
            rh.Table("airports", pkey_col="faa"),
        ],
        links=[rh.Link("flights", "tailnum", "planes"), rh.Link("flights", "dest", "airports")],
        exclude_tables=["weather", "airlines"],
        verbose=False,
    )


NARROW = {"model_architecture.channels": 32}

QUESTIONS = {
    "circuits": Question(
        "At which circuits will a driver race in the next year?",
        "PREDICT LIST_DISTINCT(results.circuitId, 0, 365, days) RANK TOP 10 FOR EACH drivers.driverId",
        "f1",
        circuits,
        formula1.VALIDATION_START,
        formula1.TEST_START,
        max_eval_anchors=1,
        frozen=True,
        plan=NARROW | {"neighbor_sampling.num_neighbors": [24, 4], "optimization.max_epochs": 4},
    ),
    "films": Question(
        "Which films will a user rate in the next 90 days?",
        "PREDICT LIST_DISTINCT(ratings.movieId, 0, 90, days) RANK TOP 12 FOR EACH users.userId",
        "movielens",
        films,
        "2016-01-01",
        "2017-01-01",
        plan=NARROW
        | {
            "neighbor_sampling.num_neighbors": [50, 2],
            "optimization.max_epochs": 6,
            "optimization.min_steps_per_epoch": 20,
            "ranking.exclude_visited": True,
        },
    ),
    "posts": Question(
        "Which posts will a user comment on in the next 90 days?",
        "PREDICT LIST_DISTINCT(Comments.PostId, 0, 90, days) RANK TOP 12 FOR EACH Users.Id",
        "travel_se",
        posts,
        "2016-10-01",
        "2017-01-01",
        max_eval_anchors=1,
        plan=NARROW
        | {
            "neighbor_sampling.num_neighbors": [32, 4],
            "optimization.max_epochs": 3,
            "optimization.batch_size": 128,
            "ranking.num_candidates": 512,
        },
    ),
    "flights": Question(
        "To which airports will a plane fly from New York in the next 7 days?",
        "PREDICT LIST_DISTINCT(flights.dest, 0, 7, days) RANK TOP 12 FOR EACH planes.tailnum",
        "nycflights13",
        flights,
        "2013-11-01",
        "2013-12-01",
        max_eval_anchors=1,
        plan=NARROW
        | {
            "neighbor_sampling.num_neighbors": [32, 1],
            "optimization.max_epochs": 3,
            "optimization.max_steps_per_epoch": 150,
            "optimization.batch_size": 128,
            "ranking.item_embedding": True,
        },
    ),
}
