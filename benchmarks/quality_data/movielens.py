"""MovieLens latest-small: the mean rating of a film, and who rates again."""

from __future__ import annotations

from pathlib import Path

import relhop as rh
from benchmarks.quality_data.question import Question

_SPLIT = {"val_start": "2016-01-01", "test_start": "2017-01-01", "train_start": "2008-01-01"}
_TABLES = [
    rh.Table("users", sql="SELECT DISTINCT userId FROM ratings", pkey_col="userId"),
    rh.Table(
        "movies",
        sql="SELECT movieId, split_part(genres, '|', 1) AS genre, len(string_split(genres, '|')) AS genres,"
        " TRY_CAST(regexp_extract(title, '\\((\\d{4})\\)', 1) AS INT) AS released FROM movies",
        pkey_col="movieId",
        stypes={"genre": "categorical", "genres": "numerical", "released": "numerical"},
    ),
    rh.Table(
        "ratings",
        sql="SELECT row_number() OVER () AS ratingId, userId, movieId, rating,"
        " make_timestamp(timestamp * 1000000) AS at FROM ratings",
        pkey_col="ratingId",
        time_col="at",
        stypes={"rating": "numerical"},
    ),
    rh.Table(
        "tags",
        sql="SELECT row_number() OVER () AS tagId, userId, movieId, make_timestamp(timestamp * 1000000) AS at"
        " FROM tags",
        pkey_col="tagId",
        time_col="at",
    ),
]
_LINKS = [
    rh.Link("ratings", "userId", "users"),
    rh.Link("ratings", "movieId", "movies"),
    rh.Link("tags", "userId", "users"),
    rh.Link("tags", "movieId", "movies"),
]


def store(data: Path, folder: Path) -> rh.Store:
    """Four tables."""
    graph = rh.Graph.from_folder(
        data / "movielens", tables=_TABLES, links=_LINKS, exclude_tables=["links"], verbose=False
    )
    return graph.snapshot(folder / "movielens.rh", progress=False)


QUESTIONS = [
    Question(
        "movielens: mean rating of a film over 90 days",
        "PREDICT AVG(ratings.rating, 0, 90) FOR EACH movies.movieId",
        "mae",
        _SPLIT,
        simple={"mean rating so far": lambda found: found["ratings_movieId_rating_mean_None"].fillna(3.5)},
    ),
    Question(
        "movielens: a user of the last year rates again in 90 days",
        "PREDICT COUNT(ratings.*, 0, 90) > 0 FOR EACH users.userId WHERE COUNT(ratings.*, -365, 0) > 0",
        "auroc",
        _SPLIT,
        simple={
            "few days since the last": lambda found: -found["ratings_userId_newest"],
            "many ratings": lambda found: found["ratings_userId_count_None"],
        },
    ),
]
