"""What SQL says of an entity's past: windowed aggregates over the rows around it, one row an example.

The features that one would write by hand for a model of a flat table. Nothing later than what an example may
see enters them. Knows nothing of labels or of models.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from relhop.schema import Link, Stype
from relhop.sources.quoting import literal, quoted
from relhop.store.reader import Store
from relhop.times import END_OF_TIME, MICROS_PER

WINDOWS = (30, 90, 365, None)
"""Days before the time up to which an example sees; `None`: ever."""

SHARES = 3
"""Of a categorical column the shares of so many values, the most frequent ones."""

MOST_JOINED = 100_000_000
"""Pairs of an example and a row that points at it, or at what it points at; a query over more takes longer
than some epochs of training."""

_DAY = MICROS_PER["days"]


@dataclass(frozen=True)
class Seen:
    """Examples to describe.

    Attributes:
        rows: int64 [n], of the entity's table.
        anchor_times: int64 microseconds [n]; ages count from these.
        until: int64 microseconds [n]: no later row is seen.
    """

    rows: NDArray[np.int64]
    anchor_times: NDArray[np.int64]
    until: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        store: Store,
        rows: NDArray[np.int64],
        anchor_times: NDArray[np.int64],
        delays: NDArray[np.int64],
    ) -> Seen:
        """Examples that see what is as old as their delays, int64 microseconds [n], and in the store."""
        end = END_OF_TIME if store.as_of_time is None else store.as_of_time
        return cls(rows, anchor_times, np.minimum(anchor_times - delays, end))

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, places: NDArray[np.int64]) -> Seen:
        """Some of them."""
        return Seen(self.rows[places], self.anchor_times[places], self.until[places])


def frequent_values(store: Store, cut: int, withheld: Sequence[str] = ()) -> dict[str, tuple[str, ...]]:
    """The `SHARES` most frequent values of each categorical column in the rows up to a time, by
    `table.column`.

    Args:
        store: The data.
        cut: The time, in microseconds.
        withheld: Columns to leave out, as `table.column`.
    """
    found = {}
    with closing(store.connect()) as connection:
        for table in store.schema.tables:
            for name, stype in _usable_columns(store, table, withheld):
                if stype == Stype.categorical:
                    rows = connection.execute(
                        f"SELECT CAST({quoted(name)} AS VARCHAR) AS value, count(*) AS n FROM {quoted(table)}"
                        f" WHERE _rh_row < {store.cut(table, cut)} AND {quoted(name)} IS NOT NULL"
                        f" GROUP BY value ORDER BY n DESC, value LIMIT {SHARES}"
                    ).fetchall()
                    found[f"{table}.{name}"] = tuple(value for value, _ in rows)
    return found


def aggregates(
    store: Store,
    entity: str,
    seen: Seen,
    frequent: Mapping[str, Sequence[str]],
    withheld: Sequence[str] = (),
    left_out: Sequence[str] | None = None,
) -> pd.DataFrame:
    """One row an example, in order; numbers are float64, texts of pandas' type `category`. The same store and
    examples give the same bits. What was left out is in `attrs["left_out"]`, a sorted tuple.

    - `delay`: days between what is seen and the anchor time;
    - the entity's own columns: its age, numbers, times as ages in days, categories;
    - of each row that the entity points at: the same; and where its table has no times, the counts and means
      of a year over the rows that point at it;
    - of each table that points at the entity: how many rows there are, per window; ages of the newest and the
      oldest; of each number the newest value and per window the mean, ever the least and the largest; of each
      category the newest value and per window the shares of the most frequent ones;
    - of each other row that the newest of these rows points at: as of those that the entity points at.

    Args:
        store: Under `as_of` nothing later exists.
        entity: The table that the examples are rows of.
        seen: The examples.
        frequent: By `table.column` the values whose shares are wanted, from `frequent_values`.
        withheld: Columns to leave out, as `table.column`.
        left_out: Which aggregates of pointing rows are not made, as `attrs` named them for other examples;
            `None`: those of more than `MOST_JOINED` pairs of an example and a row.
    """
    examples = pa.table(
        {
            "example": np.arange(len(seen.rows)),
            "entity": seen.rows,
            "anchor": pa.array(seen.anchor_times, pa.timestamp("us")),
            "until": pa.array(seen.until, pa.timestamp("us")),
        }
    )
    with closing(store.connect()) as connection:
        # Several threads would add numbers up in another order each time.
        connection.execute("SET threads = 1")
        connection.register("_rh_given_examples", examples)
        connection.execute("CREATE TEMP TABLE _rh_examples AS FROM _rh_given_examples")
        found = _Aggregates(connection, store, frequent, withheld, left_out)
        frames = [pd.DataFrame({"delay": (seen.anchor_times - seen.until) / _DAY})]
        frames += [found.own("_rh_examples", entity, entity, is_seed=True), *found.around(entity)]
    frame = pd.concat(frames, axis=1)
    frame.attrs["left_out"] = tuple(sorted(found.left_out))
    return frame


class _Aggregates:
    """The statements, over a temporary table of examples with the columns example, entity, anchor, until."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        store: Store,
        frequent: Mapping[str, Sequence[str]],
        withheld: Sequence[str],
        left_out: Sequence[str] | None,
    ) -> None:
        self._connection, self._store, self._frequent = connection, store, frequent
        self._withheld = withheld
        self._chooses, self.left_out = left_out is None, set(left_out or ())

    def own(self, examples: str, table: str, prefix: str, *, is_seed: bool = False) -> pd.DataFrame:
        """The columns of the row itself; null where there is none, or it is newer than what is seen and no
        seed.
        """
        columns: dict[str, str] = {}
        if self._is_timed(table):
            columns[f"{prefix}.age"] = f"(epoch_us(x.anchor) - epoch_us(e._rh_time)) / {_DAY}"
        stypes = [Stype.numerical] * len(columns) + [stype for _, stype in self._columns(table)]
        for name, stype in self._columns(table):
            value = f"e.{quoted(name)}"
            columns[f"{prefix}.{name}"] = {
                Stype.numerical: f"CAST({value} AS DOUBLE)",
                Stype.timestamp: f"(epoch_us(x.anchor) - epoch_us({value})) / {_DAY}",
            }.get(stype, f"CAST({value} AS VARCHAR)")
        visible = " AND e._rh_time <= x.until" if self._is_timed(table) and not is_seed else ""
        join = f"LEFT JOIN {quoted(table)} e ON e._rh_row = x.entity{visible}"
        return self._frame(f"{examples} x {join}", columns, stypes)

    def around(self, entity: str) -> Iterator[pd.DataFrame]:
        """What the entity points at, what points at it, and what the newest of it points at."""
        links = self._store.schema.links
        for link in links:
            if link.child == entity:
                yield from self._of_parents(self._follow(link), link, f"{link.name}.parent")
        for link in links:
            if link.parent != entity:
                continue
            yield self.pointing("_rh_examples", link, WINDOWS, str(link.name))
            for onward in links:
                if onward.child == link.child and onward != link:
                    prefix = f"{link.name}.newest.{onward.fkey_name}"
                    yield from self._of_parents(self._follow_newest(link, onward), onward, prefix)

    def _of_parents(self, who: NDArray[np.int64], link: Link, prefix: str) -> Iterator[pd.DataFrame]:
        """What is said of the rows of `_rh_parents`, which a link leads to; `who` are their numbers [n]."""
        yield self.own("_rh_parents", link.parent, prefix).iloc[who].reset_index(drop=True)
        if not self._is_timed(link.parent):
            for back in self._store.schema.links:
                if back.parent == link.parent and self._is_timed(back.child):
                    found = self.pointing("_rh_parents", back, (365,), f"{prefix}.{back.name}")
                    yield found.iloc[who].reset_index(drop=True)

    def pointing(self, examples: str, link: Link, windows: Sequence[int | None], prefix: str) -> pd.DataFrame:
        """Of the visible rows of a link's child that point at the examples' rows; without columns where these
        are left out.
        """
        if self._chooses and self._pairs(examples, link) > MOST_JOINED:
            self.left_out.add(prefix)
        if prefix in self.left_out:
            return self._frame(f"{examples} x", {}, ())
        timed = self._is_timed(link.child)
        if not timed:
            windows = (None,)
        columns = {}
        for days in windows:
            columns[f"{prefix}.count.{days}"] = f"count(c._rh_row){_within(days)}"
        if timed:
            for which, newest in (("newest", "max"), ("oldest", "min")):
                columns[f"{prefix}.{which}"] = (
                    f"(epoch_us(any_value(x.anchor)) - epoch_us({newest}(c._rh_time))) / {_DAY}"
                )
        stypes = [Stype.numerical] * len(columns)
        for name, stype in self._columns(link.child):
            made = self._of_column(link.child, name, stype, windows)
            columns |= {f"{prefix}.{name}.{what}": value for what, value in made.items()}
            newest_is = Stype.categorical if stype == Stype.categorical else Stype.numerical
            stypes += [newest_is if what == "newest" else Stype.numerical for what in made]
        last = max(365 if days is None else days for days in windows)
        visible = " AND c._rh_time <= x.until" if timed else ""
        if timed and None not in windows:
            visible += f" AND c._rh_time > x.until - INTERVAL {last} DAY"
        join = f"LEFT JOIN {quoted(link.child)} c ON c.{quoted('_rh_' + link.fkey_name)} = x.entity{visible}"
        return self._frame(f"{examples} x {join}", columns, stypes, "GROUP BY x.example")

    def _pairs(self, examples: str, link: Link) -> int:
        """How many pairs there are of an example and a row, of those up to the newest time that is seen, that
        points at it.
        """
        timed, key = self._is_timed(link.child), quoted("_rh_" + link.fkey_name)
        visible = f" WHERE _rh_time <= (SELECT max(until) FROM {examples})" if timed else ""
        counts = f"SELECT {key} AS entity, count(*) AS n FROM {quoted(link.child)}{visible} GROUP BY entity"
        query = f"SELECT coalesce(sum(n), 0) FROM {examples} JOIN ({counts}) USING (entity)"
        ((pairs,),) = self._connection.execute(query).fetchall()
        return int(pairs)

    def _of_column(
        self, table: str, name: str, stype: Stype, windows: Sequence[int | None]
    ) -> dict[str, str]:
        column, made = f"c.{quoted(name)}", {}
        if stype == Stype.numerical:
            value = f"CAST({column} AS DOUBLE)"
            made["newest"] = f"arg_max({value}, c._rh_row)"
            made |= {f"mean.{days}": f"avg({value}){_within(days)}" for days in windows}
            if None in windows:
                made |= {"least": f"min({value})", "largest": f"max({value})"}
        elif stype == Stype.categorical:
            value = f"CAST({column} AS VARCHAR)"
            made["newest"] = f"arg_max({value}, c._rh_row)"
            for place, known in enumerate(self._frequent[f"{table}.{name}"]):
                hit = f"CAST({value} = {literal(known)} AS DOUBLE)"
                made |= {f"share{place}.{days}": f"avg({hit}){_within(days)}" for days in windows}
        return made

    def _follow(self, link: Link) -> NDArray[np.int64]:
        """Makes `_rh_parents` of the rows that the examples' rows point at; see `_number_parents`."""
        return self._number_parents(
            "SELECT x.example AS of_example, x.anchor, x.until,"
            f" e.{quoted('_rh_' + link.fkey_name)} AS entity"
            f" FROM _rh_examples x LEFT JOIN {quoted(link.child)} e ON e._rh_row = x.entity"
        )

    def _follow_newest(self, link: Link, onward: Link) -> NDArray[np.int64]:
        """Makes `_rh_parents` of the rows that the newest rows around the examples point at; see
        `_number_parents`.

        A newest row without a key is not passed over: whether it has one that points to the future would
        decide which row is the newest.
        """
        visible = " AND c._rh_time <= x.until" if self._is_timed(link.child) else ""
        return self._number_parents(
            "SELECT x.example AS of_example,"
            " any_value(x.anchor) AS anchor, any_value(x.until) AS until,"
            f" arg_max_null(c.{quoted('_rh_' + onward.fkey_name)}, c._rh_row) AS entity"
            f" FROM _rh_examples x LEFT JOIN {quoted(link.child)} c"
            f" ON c.{quoted('_rh_' + link.fkey_name)} = x.entity{visible} GROUP BY x.example"
        )

    def _number_parents(self, found: str) -> NDArray[np.int64]:
        """Makes `_rh_parents`: the rows that a query of `of_example`, `anchor`, `until` and `entity` found,
        each once for each time up to which it is seen, numbered by `example`. Returns the number of each
        example [n].
        """
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE _rh_found AS {found}")
        self._connection.execute(
            "CREATE OR REPLACE TEMP TABLE _rh_parents AS SELECT row_number() OVER (ORDER BY entity, anchor,"
            " until) - 1 AS example, * FROM (SELECT DISTINCT entity, anchor, until FROM _rh_found)"
        )
        numbers = self._connection.sql(
            "SELECT p.example FROM _rh_found n JOIN _rh_parents p ON p.entity IS NOT DISTINCT FROM n.entity"
            " AND p.anchor = n.anchor AND p.until = n.until ORDER BY n.of_example"
        ).fetchnumpy()
        return np.asarray(numbers["example"], np.int64)

    def _frame(
        self, source: str, columns: dict[str, str], stypes: Sequence[Stype], group: str = ""
    ) -> pd.DataFrame:
        selected = "".join(f", {value} AS c{place}" for place, value in enumerate(columns.values()))
        query = f"SELECT x.example{selected} FROM {source} {group} ORDER BY x.example"
        frame: pd.DataFrame = self._connection.sql(query).df().drop(columns="example")
        frame = frame.set_axis([re.sub(r"\W", "_", name) for name in columns], axis=1)
        texts = [c for c, s in zip(frame.columns, stypes, strict=True) if s == Stype.categorical]
        return frame.astype({c: "float64" for c in frame.columns if c not in texts}).astype(
            dict.fromkeys(texts, "category")
        )

    def _columns(self, table: str) -> list[tuple[str, Stype]]:
        return _usable_columns(self._store, table, self._withheld)

    def _is_timed(self, table: str) -> bool:
        return self._store.schema.tables[table].time_col is not None


def _usable_columns(store: Store, table: str, withheld: Sequence[str]) -> list[tuple[str, Stype]]:
    """The feature columns that can be aggregated, and their semantic types."""
    kinds = (Stype.numerical, Stype.timestamp, Stype.categorical)
    found = store.schema.feature_columns(table).items()
    return [(n, s) for n, s in found if s in kinds and f"{table}.{n}" not in withheld]


def _within(days: int | None) -> str:
    return "" if days is None else f" FILTER (WHERE c._rh_time > x.until - INTERVAL {days} DAY)"
