"""A query asked of a store: what its statements find there, and up to when labels are known."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from functools import partial
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from relhop.query.compiler import CompiledQuery
from relhop.query.evaluation import Examples, evaluate
from relhop.query.nodes import Aggregation
from relhop.query.resolve import entity_link
from relhop.query.storage_types import check_storage, settled_task
from relhop.schema import Link, Schema
from relhop.store.placement import parse_size
from relhop.store.sql import failing
from relhop.times import END_OF_TIME
from relhop.training_table import TaskType, TrainingTable

if TYPE_CHECKING:
    from relhop.store.reader import Store


@dataclass(frozen=True)
class Asked:
    """A query, and the data that it is asked of.

    Attributes:
        text: The query.
        compiled: The same, as statements.
        schema: What it was compiled for.
        store: The data.
    """

    text: str
    compiled: CompiledQuery
    schema: Schema
    store: Store

    def table(
        self,
        found: Examples,
        task_type: TaskType,
        times: NDArray[np.int64],
        split: NDArray[np.int8],
        notes: tuple[str, ...],
    ) -> TrainingTable:
        """A table of what was found, without labels."""
        task = self.compiled.task
        return TrainingTable(
            entity_table=self.compiled.entity_table,
            task_type=task_type,
            rows=found.rows,
            anchor_times=times,
            target=None,
            split=split,
            keys_of=partial(self.store.keys_of, self.compiled.entity_table),
            query=self.text,
            notes=notes,
            item_table=None if task.item_link is None else task.item_link.parent,
            top_k=task.top_k,
            target_links=None if task.item_link is None else self._target_links(task.item_link),
        )

    def _target_links(self, item_link: Link) -> tuple[str, str]:
        """How the rows that a ranking lists point at the entity, and at the item."""
        query = self.compiled.query
        assert isinstance(query.target, Aggregation)
        return entity_link(query, self.schema, query.target, self.compiled.entity_table).name, item_link.name

    def newest_label_time(self) -> int | None:
        """Up to when labels are known. A calendar of coming events in another table must not stretch it."""
        newest = []
        for name in self.compiled.label_tables:
            time, visible = self.store.tables[name].time, self.store.cut(name, END_OF_TIME)
            if time is not None and visible > 0:
                newest.append(int(time[visible - 1]))
        return max(newest, default=None)

    def newest_time(self) -> int:
        """The time at which all is seen; any, where no table has times."""
        newest = self.store.newest_time
        return 0 if newest is None else newest

    def times(self, rows: NDArray[np.int64], anchor: int) -> NDArray[np.int64]:
        """The anchor time of each row: its own, or the one given."""
        own = self.store.tables[self.compiled.entity_table].time
        if not self.compiled.uses_row_times or own is None:
            return np.full(len(rows), anchor, np.int64)
        times: NDArray[np.int64] = own[rows]
        return times

    def evaluate(
        self, sql: str, anchors: NDArray[np.int64], memory_limit: str | None = None
    ) -> tuple[Examples, TaskType]:
        """What a statement finds, and the task as the data has it.

        Raises:
            ValueError: If `memory_limit` is no size.
            StoreError: If the memory, or the room to spill, does not do.
        """
        compiled = self.compiled
        with (
            TemporaryDirectory(prefix="relhop-", ignore_cleanup_errors=True) as spill,
            closing(self.store.connect()) as connection,
            failing("the labels cannot be found"),
        ):
            connection.execute("SET temp_directory = ?", [spill])
            if memory_limit is not None:
                connection.execute("SET memory_limit = ?", [f"{parse_size(memory_limit)}B"])
            check_storage(compiled.query, connection)
            task_type = settled_task(compiled.task, compiled.query, connection)
            return evaluate(connection, sql, anchors, self._rows_per_anchor(len(anchors))), task_type

    def _rows_per_anchor(self, num_anchors: int) -> int:
        """About how many rows an anchor needs: all entities, and its share of those that come and go."""
        rows = {name: self.store.tables[name].num_rows for name in self.compiled.tables}
        entities = rows.pop(self.compiled.entity_table)
        return entities + sum(rows.values()) // max(1, num_anchors)
