"""Batches in which some columns hold the values of other rows.

Values move between the nodes of one table in one batch, so nothing needs to be kept or read again, and each
value is one that a model may well read there. Nodes keep their places in the graph. A node is a row in one
seed's neighborhood: the same row in two neighborhoods may get two values.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_frame import TensorFrame
from torch_geometric.data import HeteroData

from relhop.loader import age_column
from relhop.schema import Schema


@dataclass(frozen=True)
class Permutation:
    """What is permuted together.

    Attributes:
        kind: `column`, `table` or `aggregates`.
        name: `table.column`, or the table.
        table: The table.
        columns: Its columns; a timestamp's age goes with it.
        ages: Whether the rows' own ages, which come of the time column, are permuted, too.
        aggregates: Whether the seeds' aggregates are.
    """

    kind: str
    name: str
    table: str
    columns: frozenset[str]
    ages: bool = False
    aggregates: bool = False

    def of(self, batch: HeteroData, entity_table: str, key: tuple[int, int]) -> HeteroData:
        """A batch with these values permuted; all else is shared with the one given.

        Args:
            batch: Of a `SeedLoader`; is not changed.
            entity_table: The seeds' table.
            key: Of the permutation, which is the same for all columns of a table.
        """
        nodes = batch[self.table]
        number = batch.node_types.index(self.table)
        order = np.random.default_rng([*key, number]).permutation(nodes.num_nodes)
        rows = torch.from_numpy(order).to(nodes.row.device)
        changed = copy.copy(batch)
        if self.columns:
            changed[self.table].tf = with_values_of(nodes.tf, rows, self.columns)
        if self.ages:
            seed_time = batch[entity_table].seed_time
            age = seed_time[nodes.batch] - nodes.time
            changed[self.table].time = seed_time[nodes.batch] - age[rows]
        if self.aggregates:
            seeds = rows[rows < nodes.batch_size]
            changed[self.table].aggregates = nodes.aggregates[seeds]
        return changed


def permutations(batch: HeteroData, schema: Schema) -> Iterator[Permutation]:
    """Every column that the tables of a batch show, the age of timed rows, and each table as a whole; the
    seeds' aggregates as a whole.
    """
    for table in batch.node_types:
        columns = _columns(batch[table].tf) if "tf" in batch[table] else []
        time_col = schema.table(table).time_col if "time" in batch[table] else None
        for column in columns:
            yield Permutation("column", f"{table}.{column}", table, frozenset([column]))
        if time_col:
            yield Permutation("column", f"{table}.{time_col}", table, frozenset(), ages=True)
        if columns or time_col:
            yield Permutation("table", table, table, frozenset(columns), ages=bool(time_col))
        if "aggregates" in batch[table]:
            yield Permutation("aggregates", table, table, frozenset(), aggregates=True)


def with_values_of(frame: TensorFrame, rows: Tensor, columns: frozenset[str]) -> TensorFrame:
    """A frame in which some columns hold the values that other rows, int64 [N], have there."""
    moved = columns | {age_column(column) for column in columns}
    theirs, tensors = frame[rows], {}
    for stype, names in frame.col_names_dict.items():
        taken = [name in moved for name in names]
        tensors[stype] = _mixed(frame.feat_dict[stype], theirs.feat_dict[stype], taken)
    return TensorFrame(tensors, frame.col_names_dict)


def _mixed(mine: Any, theirs: Any, taken: list[bool]) -> Any:
    """The columns of `theirs` that are taken, the others of `mine`."""
    if isinstance(mine, Tensor):
        mask = torch.tensor(taken, device=mine.device).view(1, -1, *[1] * (mine.dim() - 2))
        return torch.where(mask, theirs, mine)
    parts = [(theirs if its else mine)[:, [place]] for place, its in enumerate(taken)]
    return type(mine).cat(parts, dim=1)


def _columns(frame: TensorFrame) -> list[str]:
    """The columns of a frame, without those that are ages of others."""
    names = [name for columns in frame.col_names_dict.values() for name in columns]
    ages = {age_column(name) for name in names}
    return list(dict.fromkeys(name for name in names if name not in ages))
