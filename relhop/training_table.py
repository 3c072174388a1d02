"""A training table: which entity, at which anchor time, with which label, in which split.

Made from a predictive query or from the user's own labels. Knows nothing of queries or features. The anchor
time bounds what a model may see (rows with time <= anchor); the label lies after it.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from relhop.errors import TrainingError, nearest
from relhop.lists import Lists
from relhop.timeline import draw_time_line
from relhop.times import END_OF_TIME, format_time

if TYPE_CHECKING:
    from relhop.store.reader import Store

TRAIN, VAL, TEST, PREDICTION = 0, 1, 2, -1
"""Values of `TrainingTable.split`."""

SPLIT_NAMES: Mapping[str, int] = {"train": TRAIN, "val": VAL, "test": TEST}
"""The splits of a training table, in the order of time."""

MAX_CLASSES = 6_000
"""More classes than this can be ranked only as rows of another table."""

MAX_LABELS = 1_000
"""Of CLASSIFY: each class is a question of its own."""


_PIECE_ROWS = 1 << 20
"""Examples that are written or read at once."""

_METADATA = b"relhop.training_table"
_TOLD = ("entity_table", "task_type", "query", "notes", "item_table", "top_k", "withheld")
"""What a Parquet file says of the whole table."""


class TaskType(StrEnum):
    """What kind of label is predicted."""

    binary = "binary"
    multiclass = "multiclass"
    multilabel = "multilabel"
    regression = "regression"
    link_prediction = "link_prediction"
    forecasting = "forecasting"


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
        keys: The primary key of each example.
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
    keys: pa.Table
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
        rows = _rows_of(store, entity_table, df[pkey])
        times = _times(df[time_col])
        table = cls(
            entity_table=entity_table,
            task_type=TaskType(task_type) if task_type is not None else TaskType.binary,
            rows=rows,
            anchor_times=times,
            target=None,
            split=np.full(len(df), PREDICTION, np.int8),
            keys=store.keys_of(entity_table, rows),
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
            table = table.with_weight(pd.to_numeric(df[weight_col]).to_numpy(np.float32), weight_col)
        kind = TaskType(task_type) if task_type is not None else _task_of(df[target_col])
        return labelled(
            dataclasses.replace(table, task_type=kind, split=_splits(df[split_col])),
            pa.array(df[target_col], from_pandas=True),
        )

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def splits(self) -> dict[str, TrainingTable]:
        """The examples of `train`, `val` and `test`; a split may be empty."""
        return {name: self.take(np.flatnonzero(self.split == code)) for name, code in SPLIT_NAMES.items()}

    @property
    def train_cut(self) -> int | None:
        """The latest training anchor: statistics may be fitted on rows visible then, and no later."""
        times = self.anchor_times[self.split == TRAIN]
        return int(times.max()) if len(times) else None

    def take(self, indices: NDArray[np.integer[Any]]) -> TrainingTable:
        """The examples at those positions, in that order."""
        return dataclasses.replace(
            self,
            rows=self.rows[indices],
            anchor_times=self.anchor_times[indices],
            target=None if self.target is None else self.target[indices],
            lists=None if self.lists is None else self.lists.take(indices),
            split=self.split[indices],
            weight=None if self.weight is None else self.weight[indices],
            keys=self.keys.take(pa.array(indices, pa.int64())),
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
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        told = {name: getattr(self, name) for name in _TOLD}
        empty = self._piece(0, 0)
        with pq.ParquetWriter(partial, empty.schema.with_metadata({_METADATA: json.dumps(told)})) as writer:
            for begin in range(0, max(1, len(self)), _PIECE_ROWS):
                writer.write_table(self._piece(begin, begin + _PIECE_ROWS))
        os.replace(partial, path)

    def _piece(self, begin: int, end: int) -> pa.Table:
        """Some examples as columns of Parquet."""
        part = self.take(np.arange(begin, min(end, len(self))))
        found = {name: part.keys[name] for name in part.keys.column_names}
        found["anchor_time"] = pa.array(part.anchor_times, pa.timestamp("us"))
        classes = None if self.classes is None else pa.array(self.classes)
        if part.lists is not None:
            values = pa.array(part.lists.values)
            values = values if classes is None else classes.take(values)
            found["target"] = pa.LargeListArray.from_arrays(pa.array(part.lists.offsets), values)
        elif part.target is not None and part.target.ndim == 2:
            flat = pa.array(part.target.ravel())
            found["target"] = pa.FixedSizeListArray.from_arrays(flat, part.target.shape[1])
        elif part.target is not None:
            found["target"] = (
                pa.array(part.target) if classes is None else classes.take(pa.array(part.target))
            )
        if part.has_labels:
            names = pa.array(list(SPLIT_NAMES))
            found["split"] = pa.DictionaryArray.from_arrays(pa.array(part.split), names)
        if part.weight is not None:
            found["weight"] = pa.array(part.weight)
        return pa.table(found)

    @classmethod
    def from_parquet(cls, path: str | Path, store: Store) -> TrainingTable:
        """A table that `to_parquet` wrote, its entities looked up by their keys.

        Raises:
            TrainingError: If the file holds none, or the store lacks entities of it.
        """
        with pq.ParquetFile(path) as file:
            metadata = file.schema_arrow.metadata or {}
            if _METADATA not in metadata:
                raise TrainingError(f"{path} was not written by TrainingTable.to_parquet; use from_pandas")
            told = json.loads(metadata[_METADATA])
            for name in ("notes", "withheld"):
                told[name] = tuple(told[name])
            pkey = list(store.schema.table(told["entity_table"]).pkey)
            rows, columns = [], []
            for batch in file.iter_batches(_PIECE_ROWS):
                piece = pa.Table.from_batches([batch])
                rows.append(_rows_of(store, told["entity_table"], piece.select(pkey).to_pandas()))
                columns.append(piece)
        whole = pa.concat_tables(columns)
        table = cls(
            **{**told, "task_type": TaskType(told["task_type"])},
            rows=np.concatenate(rows),
            anchor_times=whole["anchor_time"].to_numpy().view(np.int64),
            target=None,
            split=np.full(len(whole), PREDICTION, np.int8),
            keys=whole.select(pkey),
            weight=whole["weight"].to_numpy() if "weight" in whole.column_names else None,
        )
        if "target" not in whole.column_names:
            return table
        names = pc.index_in(whole["split"].cast(pa.string()), pa.array(list(SPLIT_NAMES)))
        split = names.to_numpy().astype(np.int8)
        return labelled(dataclasses.replace(table, split=split), whole["target"].combine_chunks())

    def explain(self) -> str:
        """What the table holds, in words and numbers: counts, dates and labels by split, what was dropped."""
        examples = _counted(len(self), "example", "examples")
        lines = [f"{self.task_type} table of '{self.entity_table}': {examples}"]
        if self.query is not None:
            lines.append(f"query: {' '.join(self.query.split())}")
        if self.withheld:
            lines.append(f"withheld from the model: {', '.join(self.withheld)}")
        if not self.has_labels:
            lines.append(f"to predict: {self._extent()}")
        else:
            lines += [f"{name}: {part._extent()}{part._balance()}" for name, part in self.splits.items()]
            anchors = {name: np.unique(part.anchor_times) for name, part in self.splits.items() if len(part)}
            if len(np.unique(self.anchor_times)) > 2:
                lines += draw_time_line(anchors)
            if self.weight is not None:
                lines.append(f"weights from {self.weight.min():.6g} to {self.weight.max():.6g}")
        return "\n".join([*lines, *self.notes])

    def _extent(self) -> str:
        if not len(self):
            return "no examples"
        anchors = np.unique(self.anchor_times)
        dates = format_time(int(anchors[0]))
        if len(anchors) > 1:
            dates = f"{len(anchors):,} anchors from {dates} to {format_time(int(anchors[-1]))}"
        else:
            dates = f"the anchor {dates}"
        entities = _counted(len(np.unique(self.rows)), "entity", "entities")
        return f"{_counted(len(self), 'example', 'examples')} of {entities} at {dates}"

    def _balance(self) -> str:
        if not self.has_labels or not len(self):
            return ""
        if self.lists is not None:
            found = f"; {self.lists.lengths.mean():.3g} items an example"
            return found + (self._shares(self.lists.values) if self.classes is not None else "")
        assert self.target is not None
        if self.task_type == TaskType.binary:
            return f"; {self.target.mean():.1%} positive"
        if self.classes is None:
            low, high = float(self.target.min()), float(self.target.max())
            frames = f"; {self.target.shape[1]} timeframes" if self.target.ndim == 2 else ""
            mean = self.target.mean(dtype=np.float64)
            return f"{frames}; target mean {mean:.6g}, from {low:.6g} to {high:.6g}"
        return self._shares(self.target)

    def _shares(self, indices: NDArray[np.int64]) -> str:
        """The most frequent classes, by the share of the examples that have them."""
        assert self.classes is not None
        counts = np.bincount(indices, minlength=len(self.classes))
        largest = np.argsort(-counts, kind="stable")[:5]
        shares = ", ".join(f"{self.classes[i]} {counts[i] / len(self):.1%}" for i in largest)
        return (
            f"; {len(self.classes):,} classes: {shares}{', ...' if len(self.classes) > len(largest) else ''}"
        )


def labelled(table: TrainingTable, values: pa.Array) -> TrainingTable:
    """A table with its target set from values as users see them.

    Labels that cannot be used (numbers that are not finite, classes that training never sees) are dropped,
    with a note.

    Args:
        table: Examples with their splits; its target is not read.
        values: [n] values without nulls; lists of values (multilabel), of rows (link prediction) or of
            numbers, all equally many (forecasting).

    Raises:
        TrainingError: If a binary label is not 0 or 1, a number is none, or there are too many classes.
    """
    if table.task_type == TaskType.multiclass:
        return _with_classes(table, values)
    if table.task_type in (TaskType.multilabel, TaskType.link_prediction):
        return _with_lists(table, values)
    if table.task_type == TaskType.forecasting:
        frames = np.asarray(values.flatten(), np.float32).reshape(len(values), -1)
        return dataclasses.replace(table, target=frames)
    try:
        numbers = (
            values.cast(pa.float64()) if not pa.types.is_boolean(values.type) else values.cast(pa.int8())
        )
    except pa.ArrowInvalid as error:
        raise TrainingError(f"the labels of a {table.task_type} task must be numbers: {error}") from None
    target = numbers.to_numpy(zero_copy_only=False).astype(np.float64)
    with np.errstate(over="ignore"):
        target32 = target.astype(np.float32)
    if table.task_type == TaskType.binary:
        wrong = target[(target != 0) & (target != 1)]
        if len(wrong):
            raise TrainingError(
                f"the labels of a binary task must be 0 or 1, but {len(wrong):,} are not, such as {wrong[0]}"
            )
    finite = np.isfinite(target32)
    whole = dataclasses.replace(table, target=target32)
    if finite.all():
        return whole
    lost = _counted(int((~finite).sum()), "example", "examples")
    note = f"{lost} dropped: the target is not a finite number"
    return dataclasses.replace(whole.take(np.flatnonzero(finite)), notes=(*table.notes, note))


def _with_classes(table: TrainingTable, values: pa.Array) -> TrainingTable:
    found = values.to_pylist()
    classes = tuple(sorted({v for v, s in zip(found, table.split, strict=True) if s == TRAIN}))
    _check_classes(table, len(classes))
    index = {value: i for i, value in enumerate(classes)}
    codes = np.array([index.get(value, -1) for value in found], np.int64)
    known = codes >= 0
    whole = dataclasses.replace(table, target=codes, classes=classes)
    if known.all():
        return whole
    unseen = sorted({str(v) for v, k in zip(found, known, strict=True) if not k})
    shown = ", ".join(unseen[:3]) + (", ..." if len(unseen) > 3 else "")
    lost = _counted(int((~known).sum()), "example", "examples")
    note = f"{lost} of val and test dropped: training has none of their classes ({shown})"
    return dataclasses.replace(whole.take(np.flatnonzero(known)), notes=(*table.notes, note))


def _with_lists(table: TrainingTable, values: pa.Array) -> TrainingTable:
    lengths, flat = np.asarray(values.value_lengths(), np.int64), values.flatten()
    if table.task_type == TaskType.link_prediction:
        return dataclasses.replace(table, lists=Lists.from_lengths(lengths, np.asarray(flat, np.int64)))
    found = flat.dictionary_encode()
    names = found.dictionary.to_pylist()
    codes = Lists.from_lengths(lengths, np.asarray(found.indices, np.int64))
    in_train = np.zeros(len(names), bool)
    in_train[codes.values[table.split[codes.owners] == TRAIN]] = True
    order = sorted(np.flatnonzero(in_train), key=lambda code: names[code])
    _check_classes(table, len(order))
    index = np.full(len(names), -1, np.int64)
    index[order] = np.arange(len(order))
    kept = codes.keep(in_train[codes.values])
    kept = dataclasses.replace(kept, values=index[kept.values])
    classes = tuple(names[code] for code in order)
    whole = dataclasses.replace(table, lists=kept, classes=classes)
    empty = int((kept.lengths == 0).sum())
    if len(kept.values) == len(codes.values):
        return whole
    lost = _counted(len(codes.values) - len(kept.values), "label", "labels")
    note = f"{lost} of val and test left out: training has none of these classes"
    note += f"; {_counted(empty, 'example', 'examples')} dropped that had no other" if empty else ""
    known = whole.take(np.flatnonzero(kept.lengths > 0))
    return dataclasses.replace(known, notes=(*table.notes, note))


def _check_classes(table: TrainingTable, count: int) -> None:
    limit = MAX_LABELS if table.task_type == TaskType.multilabel and table.top_k is None else MAX_CLASSES
    if count > limit:
        advice = "; write RANK TOP k instead of CLASSIFY" if limit == MAX_LABELS else ""
        raise TrainingError(
            f"a {table.task_type} task has at most {limit:,} classes, but training has {count:,}{advice}"
        )


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _rows_of(store: Store, entity_table: str, keys: pd.DataFrame) -> NDArray[np.int64]:
    rows: NDArray[np.int64] = np.asarray(store.rows_of(entity_table, keys), np.int64)
    unknown = np.flatnonzero(rows < 0)
    if len(unknown):
        examples = keys.iloc[unknown[:3]].itertuples(index=False, name=None)
        shown = ", ".join(str(key if len(key) > 1 else key[0]) for key in examples)
        shown += ", ..." if len(unknown) > 3 else ""
        raise TrainingError(
            f"{len(unknown):,} of {len(rows):,} keys are not in '{entity_table}': {shown}; remove these rows"
        )
    return rows


def _times(column: pd.Series[Any]) -> NDArray[np.int64]:
    try:
        if pd.api.types.is_integer_dtype(column):
            return column.to_numpy(np.int64)
        times = pd.to_datetime(column, utc=True, format="ISO8601")
    except (ValueError, TypeError) as error:
        raise TrainingError(f"column '{column.name}' holds something that is no time: {error}") from None
    if times.isna().any():
        raise TrainingError(
            f"{int(times.isna().sum()):,} of {len(times):,} anchor times in '{column.name}' are missing"
        )
    micros: NDArray[np.int64] = times.dt.tz_localize(None).to_numpy("datetime64[us]").view(np.int64)
    return np.minimum(micros, END_OF_TIME)


def _splits(column: pd.Series[Any]) -> NDArray[np.int8]:
    codes = column.map(lambda value: SPLIT_NAMES.get(value, -1))
    unknown = column[codes < 0]
    if len(unknown):
        raise TrainingError(
            f"{len(unknown):,} rows have a split that is none of {', '.join(SPLIT_NAMES)},"
            f" such as {unknown.iloc[0]!r}"
        )
    return codes.to_numpy(np.int8)


def _task_of(target: pd.Series[Any]) -> TaskType:
    if not pd.api.types.is_numeric_dtype(target):
        return TaskType.multiclass
    return TaskType.binary if target.isin([0, 1]).all() else TaskType.regression
