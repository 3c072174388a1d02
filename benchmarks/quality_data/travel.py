"""travel.stackexchange.com to 2017: who falls silent, who gets no badge.

Columns that were filled when the dump was made are left out, and so are keys that point to the future.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

import relhop as rh
from benchmarks.quality_data.question import Question

_TABLES = {
    "Users": "Id, CreationDate",
    "Posts": "Id, OwnerUserId, ParentId, PostTypeId, CreationDate",
    "Comments": "Id, PostId, UserId, CreationDate",
    "Votes": "Id, PostId, UserId, VoteTypeId, BountyAmount, CreationDate",
    "Badges": "Id, UserId, Class, TagBased, Date",
    "PostLinks": "Id, PostId, RelatedPostId, LinkTypeId, CreationDate",
}
_LINKS = [
    rh.Link("Posts", "OwnerUserId", "Users"),
    rh.Link("Posts", "ParentId", "Posts"),
    rh.Link("Comments", "PostId", "Posts"),
    rh.Link("Comments", "UserId", "Users"),
    rh.Link("Votes", "PostId", "Posts"),
    rh.Link("Votes", "UserId", "Users"),
    rh.Link("Badges", "UserId", "Users"),
    rh.Link("PostLinks", "PostId", "Posts"),
    rh.Link("PostLinks", "RelatedPostId", "Posts"),
]
_CATEGORIES = {
    "Posts": ["PostTypeId"],
    "Votes": ["VoteTypeId"],
    "Badges": ["Class"],
    "PostLinks": ["LinkTypeId"],
}
_SPLIT = {
    "stride": "90 days",
    "val_start": "2017-02-01",
    "test_start": "2017-05-02",
    "max_eval_anchors": 1,
    "max_train_anchors": 4,
}
_EVENTS = ("Posts_OwnerUserId", "Comments_UserId", "Votes_UserId")


def store(data: Path, folder: Path) -> rh.Store:
    """Six tables of the dump."""
    tables = [
        rh.Table(
            name,
            sql=f"SELECT {columns} FROM {name}",
            pkey_col="Id",
            time_col=columns.rsplit(", ", 1)[1],
            stypes=dict.fromkeys(_CATEGORIES.get(name, ()), "categorical"),
        )
        for name, columns in _TABLES.items()
    ]
    graph = rh.Graph.from_folder(
        data / "travel_se", tables=tables, links=_LINKS, exclude_tables=["Tags"], verbose=False
    )
    return graph.snapshot(folder / "travel.rh", progress=False)


def _newest(found: pd.DataFrame) -> pd.Series[float]:
    return found[[f"{event}_newest" for event in _EVENTS]].min(axis=1).fillna(1e6)


def _count(found: pd.DataFrame) -> pd.Series[float]:
    return -found[[f"{event}_count_None" for event in _EVENTS]].sum(axis=1)


_DOES = " OR ".join(
    f"COUNT({events}, {{begin}}, {{end}}) > 0"
    for events in ("Posts.* VIA OwnerUserId", "Comments.*", "Votes.*")
)

QUESTIONS = [
    Question(
        "travel_se: does nothing in 90 days",
        f"PREDICT NOT ({_DOES.format(begin=0, end=90)}) FOR EACH Users.Id"
        f" WHERE {_DOES.format(begin='-INF', end=0)}",
        "auroc",
        _SPLIT,
        simple={"days since the last event": _newest, "few events": _count},
        target=0.869,
    ),
    Question(
        "travel_se: no badge in 90 days",
        "PREDICT COUNT(Badges.*, 0, 90) = 0 FOR EACH Users.Id WHERE COUNT(Badges.*, -INF, 0) > 0",
        "auroc",
        _SPLIT,
        simple={
            "days since the last badge": lambda found: found["Badges_UserId_newest"].fillna(1e6),
            "few badges": lambda found: -found["Badges_UserId_count_None"],
        },
        target=0.808,
    ),
]
