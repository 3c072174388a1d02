"""Which items entities had to do with before, and how often: the rows that labels are made of, up to a time.

Such a row is a visit: of an order, its user is the entity and what was bought the item.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relhop.errors import TrainingError
from relhop.lists import Lists
from relhop.store.reader import Store
from relhop.times import END_OF_TIME, MICROS_PER
from relhop.training_table import TrainingTable

ACTIVITY_DAYS = (7, 30, 91, 365, None)
"""Windows that end at the anchor time over which an item's visits are counted; `None`: ever."""


@dataclass(frozen=True)
class PastVisits:
    """What some entities visited, each item once.

    Attributes:
        items: Rows of the item table of each entity, ascending.
        counts: int64 [items.values], how often.
        newest: int64 [items.values], row number of the newest such visit: later visits have larger ones.
    """

    items: Lists
    counts: NDArray[np.int64]
    newest: NDArray[np.int64]


class Visits:
    """The visits of a store.

    Args:
        store: Under `as_of` nothing later exists.
        target_links: Names of two links of the visits' table: to the entity, to the item.
        hidden: bool [rows of the visits' table]: visits that do not count; `None`: all count.

    Attributes:
        table: The visits' table.
        entity_table: Whose rows visit.
        item_table: Whose rows are visited.
        hidden: Which visits do not count.
    """

    def __init__(
        self, store: Store, target_links: tuple[str, str], hidden: NDArray[np.bool_] | None = None
    ) -> None:
        self.store, self.hidden = store, hidden
        self._to_entity, self._to_item = (store.links[name] for name in target_links)
        self.table = self._to_entity.link.child
        self.entity_table, self.item_table = self._to_entity.link.parent, self._to_item.link.parent

    @classmethod
    def of_table(cls, store: Store, table: TrainingTable) -> Visits:
        """The visits that a table's labels are made of.

        Raises:
            TrainingError: If the table is of another task.
        """
        if table.target_links is None:
            raise TrainingError(f"a {table.task_type} table has no items to rank")
        return cls(store, table.target_links)

    def hiding(self, table: TrainingTable) -> Visits:
        """The same without the visits of a table's entities to the items in their labels."""
        assert table.lists is not None
        hidden = np.zeros(self.num_visits, bool) if self.hidden is None else self.hidden.copy()
        owners, visits = self.rows_before(table.rows, np.full(len(table), END_OF_TIME))
        wanted = table.lists.owners * self.num_items + table.lists.values
        hidden[visits[np.isin(owners * self.num_items + self.items_of(visits), wanted)]] = True
        return Visits(self.store, (self._to_entity.link.name, self._to_item.link.name), hidden)

    @property
    def is_timed(self) -> bool:
        """Whether visits have times."""
        return self.store.tables[self.table].time is not None

    @property
    def num_visits(self) -> int:
        """How many rows the visits' table has."""
        return self.store.tables[self.table].num_rows

    @property
    def num_items(self) -> int:
        """How many rows the item table has."""
        return self.store.tables[self.item_table].num_rows

    def num_visible_items(self, time: int) -> int:
        """How many items exist at a time: exactly the rows below this number can be ranked."""
        return self.store.cut(self.item_table, time)

    def item_counts(self, after: int | None, until: int) -> NDArray[np.int64]:
        """How often each item was visited, int64 [num_items], at times in (after, until] (microseconds)."""
        begin = 0 if after is None else self.store.cut(self.table, after)
        end = self.store.cut(self.table, until)
        items = self._to_item.parents[begin:end] if begin < end else np.empty(0, np.int64)
        if self.hidden is not None:
            items = items[~self.hidden[begin:end]]
        return np.bincount(items[items >= 0], minlength=self.num_items)

    def recent_counts(self, days: int | None, time: int) -> NDArray[np.int64]:
        """How often each item was visited in the days before a time, int64 [num_items]; `None`: ever."""
        ever = days is None or not self.is_timed
        return self.item_counts(None if ever else time - (days or 0) * MICROS_PER["days"], time)

    def activity(self, time: int) -> NDArray[np.float32]:
        """How often each item was visited lately: log(1 + count) over each of ACTIVITY_DAYS, float32
        [num_items, windows].

        Of visits without times every window holds all.
        """
        counts = [self.recent_counts(days, time) for days in ACTIVITY_DAYS]
        return np.log1p(np.stack(counts, axis=1)).astype(np.float32)

    def before(self, rows: NDArray[np.int64], times: NDArray[np.int64]) -> PastVisits:
        """What each entity visited up to its time.

        Args:
            rows: int64 [n], rows of the entity table.
            times: int64 [n], microseconds.
        """
        owners, visits = self.rows_before(rows, times)
        items = self._to_item.parents[visits]
        known = items >= 0
        owners, visits, items = owners[known], visits[known], items[known]
        order = np.lexsort((visits, items, owners))
        owners, visits, items = owners[order], visits[order], items[order]
        last = np.ones(len(items), bool)
        last[:-1] = (owners[1:] != owners[:-1]) | (items[1:] != items[:-1])
        ends = np.flatnonzero(last)
        lengths = np.bincount(owners[ends], minlength=len(rows))
        return PastVisits(Lists.from_lengths(lengths, items[ends]), np.diff(ends, prepend=-1), visits[ends])

    def rows_before(
        self, rows: NDArray[np.int64], times: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The visits of each entity up to its time: whose each is [v], in 0..n, and its row [v]."""
        begins, ends = self._to_entity.offsets[rows], self._to_entity.offsets[rows + 1]
        lengths = ends - begins
        owners = np.repeat(np.arange(len(rows)), lengths)
        places = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        visits: NDArray[Any] = self._to_entity.children[np.repeat(begins, lengths) + places]
        anchors, index = np.unique(times, return_inverse=True)
        cuts = np.array([self.store.cut(self.table, min(int(t), END_OF_TIME)) for t in anchors], np.int64)
        seen = visits < cuts[index][owners]
        if self.hidden is not None:
            seen &= ~self.hidden[visits]
        return owners[seen], visits[seen]

    def items_of(self, visits: NDArray[np.int64]) -> NDArray[np.int64]:
        """The item of each visit, -1 where there is none."""
        return self._to_item.parents[visits]
