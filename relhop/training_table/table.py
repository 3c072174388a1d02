"""The examples of one task, as arrays: whole, by split, or some of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from relhop.errors import TrainingError, nearest
from relhop.lists import Lists
from relhop.training_table import given, parquet
from relhop.training_table.labelling import labelled
from relhop.training_table.summary import explained
from relhop.training_table.tasks import PREDICTION, SPLIT_NAMES, TRAIN, TaskType

if TYPE_CHECKING:
    from relhop.store.reader import Store


@dataclass(frozen=True, eq=False)
class TrainingTable:
    """Examples of one task; `n` of them.

    Attributes:
        entity_table: The table that the examples are rows of.
        task_type: What kind of label is predicted.
        rows: int64 [n], row numbers of the entity table in the store.
        anchor_times: int64 [n], microseconds since 1970.
        target: [n]: float32 0 or 1 (binary), float32 (regression), int64 index into `classes` (multiclass);
            float32 [n, timeframes] (forecasting); `None` in a prediction table and where labels are lists.
        split: int8 [n]: TRAIN, VAL or TEST; PREDICTION in a prediction table.
        keys_of: Gives the primary keys of rows, from the store.
        classes: The values of a multiclass or multilabel target by index, those of the training split; else
            `None`.
        query: The text that the table was made from, if any.
        notes: What was counted while the table was made: what was dropped, and why.
        lists: [n] labels that are lists: indices into `classes` (multilabel), or rows of `item_table` (link
            prediction), ascending; `None` in a prediction table and where labels are no lists.
        item_table: Of a link prediction: the table whose rows are listed.
        top_k: How many items the query asks for, if it says so.
        target_links: Of a link prediction: the names of two links of the listed rows' table, to the entity
            and to the item.
        withheld: Columns that the model must not see, as `table.column`: the target of a static query, and
            what goes one to one with it.
        weight: float32 [n], how much each example counts in the loss; `None`: all alike.
    """

    entity_table: str
    task_type: TaskType
    rows: NDArray[np.int64]
    anchor_times: NDArray[np.int64]
    target: NDArray[Any] | None
    split: NDArray[np.int8]
    keys_of: Callable[[NDArray[np.int64]], pa.Table]
    classes: tuple[Any, ...] | None = None
    query: str | None = None
    notes: tuple[str, ...] = ()
    lists: Lists | None = None
    item_table: str | None = None
    top_k: int | None = None
    target_links: tuple[str, str] | None = None
    withheld: tuple[str, ...] = ()
    weight: NDArray[np.float32] | None = None

    @classmethod
    def from_pandas(
        cls,
        df: pd.DataFrame,
        store: Store,
        *,
        entity_table: str,
        task_type: TaskType | str | None = None,
        time_col: str = "anchor_time",
        target_col: str = "target",
        split_col: str = "split",
        weight_col: str = "weight",
    ) -> TrainingTable:
        """A table from the user's own labels.

        Args:
            df: One row an example: the primary key under its own column names, an anchor time, and, unless it
                is to be predicted, a target and a split (`train`, `val`, `test`).
            store: Where the entities are.
            entity_table: Which table the keys belong to.
            task_type: Needed where there is no target column. Else it is by default binary for 0/1 or truth
                values, regression for other numbers, multiclass for text.
            time_col: Column of anchor times: timestamps, ISO text, or integers of microseconds since 1970.
            target_col: Column of labels; absent: a prediction table.
            split_col: Column of splits. Not read where there is no target.
            weight_col: Column of weights in the loss; absent: all weigh alike. Not read where there is no
                target.

        Raises:
            TrainingError: On missing columns, unknown keys, missing times or labels, unknown splits; says how
                many and which.
        """
        if len(df) == 0:
            raise TrainingError("the table of labels has no rows")
        if task_type == TaskType.link_prediction:
            raise TrainingError(
                "the labels of a link prediction come from a query: LIST_DISTINCT(...) RANK TOP k"
            )
        pkey = list(store.schema.table(entity_table).pkey)
        has_target = target_col in df.columns
        for column in [*pkey, time_col, *([split_col] if has_target else [])]:
            if column not in df.columns:
                hint = nearest(column, map(str, df.columns))
                raise TrainingError(f"the table of labels has no column '{column}'; it needs the primary key"
                                    f" of '{entity_table}', an anchor time and a split.{hint}")  # fmt: skip
        rows, times = given.rows_of(store, entity_table, df[pkey]), given.times_of(df[time_col])
        table = cls(
            entity_table=entity_table,
            task_type=TaskType(task_type) if task_type is not None else TaskType.binary,
            rows=rows,
            anchor_times=times,
            target=None,
            split=np.full(len(df), PREDICTION, np.int8),
            keys_of=partial(store.keys_of, entity_table),
            notes=given.early_note(store, entity_table, df[pkey], rows, times),
        )
        if not has_target:
            if task_type is None:
                raise TrainingError(
                    f"there is no column '{target_col}', so say which task_type is to be predicted"
                )
            return table
        if df[target_col].isna().any():
            raise TrainingError(
                f"{int(df[target_col].isna().sum()):,} of {len(df):,} labels in '{target_col}' are missing"
            )
        if weight_col in df.columns:
            table = table.with_weight(given.weights_of(df[weight_col]), weight_col)
        kind = TaskType(task_type) if task_type is not None else given.task_of(df[target_col])
        return labelled(
            dataclasses.replace(table, task_type=kind, split=given.splits_of(df[split_col])),
            given.labels_of(df[target_col], kind),
        )

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def keys(self) -> pa.Table:
        """The primary key of each example, read from the store."""
        return self.keys_of(self.rows)

    @property
    def splits(self) -> dict[str, TrainingTable]:
        """The examples of `train`, `val` and `test`; a split may be empty."""
        return {name: self.take(_places(self.split == code)) for name, code in SPLIT_NAMES.items()}

    def before(self, split: str) -> TrainingTable:
        """The examples of the splits that come before `train`, `val` or `test`, whose labels it may know."""
        return self.take(_places((self.split >= TRAIN) & (self.split < SPLIT_NAMES[split])))

    @property
    def train_cut(self) -> int | None:
        """The latest training anchor: statistics may be fitted on rows visible then, and no later."""
        times = self.anchor_times[self.split == TRAIN]
        return int(times.max()) if len(times) else None

    def take(self, indices: NDArray[np.integer[Any]] | slice) -> TrainingTable:
        """The examples at those positions, in that order; of a slice without a step, nothing is copied."""
        return dataclasses.replace(
            self,
            rows=self.rows[indices],
            anchor_times=self.anchor_times[indices],
            target=None if self.target is None else self.target[indices],
            lists=None if self.lists is None else self.lists.take(indices),
            split=self.split[indices],
            weight=None if self.weight is None else self.weight[indices],
        )

    def with_weight(self, weight: NDArray[np.float32], name: str) -> TrainingTable:
        """The same examples, weighing so much [n] in the loss.

        Raises:
            TrainingError: If a weight is missing, negative or not finite, or none is positive; names `name`.
        """
        wrong = ~(np.isfinite(weight) & (weight >= 0))
        if wrong.any():
            raise TrainingError(
                f"{int(wrong.sum()):,} of {len(weight):,} weights in {name} are missing, negative or not"
                " finite"
            )
        if len(weight) and not weight.any():
            raise TrainingError(f"all weights in {name} are 0")
        return dataclasses.replace(self, weight=weight.astype(np.float32))

    def balanced(self, ratio: float = 1.0, *, seed: int = 0) -> TrainingTable:
        """Fewer training examples of frequent classes; validation and test stay as they are.

        Of each class at most `ratio` times as many stay as the rarest has, drawn at random. What the model
        then calls a probability is one among these examples: divide the odds by the shares that were kept to
        undo that.

        Args:
            ratio: At least 1.
            seed: Key of the draw.

        Raises:
            TrainingError: If the labels are no classes, or the ratio is below 1.
        """
        if self.task_type not in (TaskType.binary, TaskType.multiclass) or self.target is None:
            raise TrainingError(
                f"only labels of a binary or multiclass task can be balanced, not {self.task_type}"
            )
        if ratio < 1:
            raise TrainingError(f"ratio must be at least 1, not {ratio}")
        train = np.flatnonzero(self.split == TRAIN)
        classes, codes, counts = np.unique(self.target[train], return_inverse=True, return_counts=True)
        most = int(counts.min() * ratio) if len(counts) else 0
        shuffled = np.random.default_rng(seed).permutation(len(train))
        in_class = np.argsort(codes[shuffled], kind="stable")
        rank = np.arange(len(train)) - np.repeat(np.cumsum(counts) - counts, counts)
        kept = np.sort(
            np.concatenate([train[shuffled[in_class[rank < most]]], np.flatnonzero(self.split != TRAIN)])
        )
        names = classes if self.classes is None else np.array(self.classes, object)[classes.astype(np.int64)]
        lost = [
            f"{name} {count - most:,} of {count:,}"
            for name, count in zip(names.tolist(), counts.tolist(), strict=True)
            if count > most
        ]
        note = f"left out of training to balance the classes: {', '.join(lost)}"
        return dataclasses.replace(self.take(kept), notes=(*self.notes, note)) if lost else self

    @property
    def has_labels(self) -> bool:
        """Whether it is a training table."""
        return self.target is not None or self.lists is not None

    def labels(self, indices: NDArray[np.integer[Any]]) -> NDArray[Any] | None:
        """What a model's scores for some examples are compared with: their `target`; of a multilabel task
        float32 [k, classes], 1 for each class in the list. `None` where there are no such labels.
        """
        if self.task_type == TaskType.multilabel and self.lists is not None:
            return self.lists.take(indices).indicators(len(self.classes or ()))
        return None if self.target is None else self.target[indices]

    def to_pandas(self) -> pd.DataFrame:
        """Key columns, `anchor_time`, and in a training table `target` and `split` (names).

        Classes are given by value, lists of items by row. A forecast has the columns `target_1`, `target_2`
        and so on, one a timeframe.
        """
        frame: pd.DataFrame = self.keys.to_pandas()
        frame["anchor_time"] = self.anchor_times.view("datetime64[us]")
        if self.lists is not None:
            frame["target"] = pd.Series(self.lists.to_pylist(self.classes), index=frame.index, dtype=object)
        elif self.target is not None and self.target.ndim == 2:
            names = [f"target_{n + 1}" for n in range(self.target.shape[1])]
            frame = pd.concat([frame, pd.DataFrame(self.target, frame.index, names)], axis=1)
        elif self.target is not None:
            classes = None if self.classes is None else np.array(self.classes, object)
            frame["target"] = self.target if classes is None else classes[self.target]
        if self.weight is not None:
            frame["weight"] = self.weight
        if self.has_labels:
            frame["split"] = np.array(list(SPLIT_NAMES))[self.split]
        return frame

    def to_parquet(self, path: str | Path) -> None:
        """Writes what `to_pandas` gives, a piece at a time, and the task beside; `from_parquet` reads it.

        A forecast is one column of lists. The file appears when it is whole.
        """
        parquet.write(self, Path(path))

    @classmethod
    def from_parquet(cls, path: str | Path, store: Store) -> TrainingTable:
        """A table that `to_parquet` wrote, its entities looked up by their keys.

        Raises:
            TrainingError: If the file holds none, or the store lacks entities of it.
        """
        told, columns, rows = parquet.read(path, store)
        has_target = "target" in columns.column_names
        table = cls(
            **told,
            rows=rows,
            anchor_times=columns["anchor_time"].to_numpy().view(np.int64),
            target=None,
            split=parquet.splits_of(columns["split"])
            if has_target
            else np.full(len(rows), PREDICTION, np.int8),
            keys_of=partial(store.keys_of, told["entity_table"]),
            weight=columns["weight"].to_numpy() if "weight" in columns.column_names else None,
        )
        return labelled(table, columns["target"]) if has_target else table

    def explain(self) -> str:
        """What the table holds, in words and numbers: counts, dates and labels by split, what was dropped."""
        return explained(self)


def _places(mask: NDArray[np.bool_]) -> NDArray[np.int64] | slice:
    """Where a mask holds: a slice, where that is one run, as it is where time splits the examples."""
    begin, count = int(mask.argmax()) if len(mask) else 0, int(np.count_nonzero(mask))
    run = slice(begin, begin + count)
    return run if mask[run].all() else np.flatnonzero(mask)
