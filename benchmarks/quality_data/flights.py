"""Flights from New York in 2013: which planes stay on the ground, how late an airport's flights arrive.

A flight is a row of its day. What became of it, such as the delay of its arrival, is a row of its own, of the
next midnight. Scheduled hours are left out: a cancelled flight has none, which gives it away.
"""

from __future__ import annotations

from pathlib import Path

import relhop as rh
from benchmarks.quality_data.question import Question

_LINKS = [
    rh.Link("flights", "tailnum", "planes"),
    rh.Link("flights", "origin", "airports"),
    rh.Link("flights", "dest", "airports"),
    rh.Link("flights", "carrier", "airlines"),
    rh.Link("arrivals", "tailnum", "planes"),
    rh.Link("arrivals", "origin", "airports"),
    rh.Link("arrivals", "carrier", "airlines"),
    rh.Link("weather", "origin", "airports"),
]
_TABLES = [
    rh.Table(
        "flights",
        sql="SELECT flight_id, tailnum, origin, dest, carrier, distance, date FROM flights",
        pkey_col="flight_id",
        time_col="date",
        stypes={"distance": "numerical"},
    ),
    rh.Table(
        "arrivals",
        sql="SELECT flight_id, tailnum, origin, carrier, dep_delay, arr_delay, air_time, cancelled,"
        " date + INTERVAL 1 DAY AS known FROM flights",
        pkey_col="flight_id",
        time_col="known",
        stypes={"dep_delay": "numerical", "arr_delay": "numerical", "air_time": "numerical"},
    ),
    rh.Table(
        "weather",
        sql="SELECT origin, temp, humid, wind_speed, wind_gust, precip, pressure, visib, time_local"
        " FROM weather",
        time_col="time_local",
    ),
]


def store(data: Path, folder: Path) -> rh.Store:
    """Six tables."""
    graph = rh.Graph.from_folder(data / "nycflights13", tables=_TABLES, links=_LINKS, verbose=False)
    return graph.snapshot(folder / "flights.rh", progress=False)


QUESTIONS = [
    Question(
        "nycflights13: a plane does not fly in 7 days",
        "PREDICT COUNT(flights.*, 0, 7) = 0 FOR EACH planes.tailnum WHERE COUNT(flights.*, -7, 0) > 0",
        "auroc",
        {
            "val_start": "2013-11-24",
            "test_start": "2013-12-01",
            "max_eval_anchors": 1,
            "max_train_anchors": 12,
        },
        simple={
            "days since the last flight": lambda found: found["flights_tailnum_newest"],
            "few flights": lambda found: -found["flights_tailnum_count_None"],
        },
        target=0.799,
    ),
    Question(
        "nycflights13: an airport's mean arrival delay of a day",
        "PREDICT AVG(arrivals.arr_delay VIA origin, 0, 1) FOR EACH airports.faa",
        "mae",
        {
            "val_start": "2013-10-01",
            "test_start": "2013-11-15",
            "max_train_anchors": 60,
            "max_eval_anchors": 20,
        },
        simple={"yesterday": lambda found: found["arrivals_origin_arr_delay_mean_30"]},
    ),
]
