"""From values as users see them to the labels of a training table: numbers, classes by index, lists.

Values come in chunks, as they were found, and are turned chunk by chunk: a hundred million of them are never
Python objects, nor there twice.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from relhop.errors import TrainingError
from relhop.lists import Lists
from relhop.training_table.tasks import MAX_CLASSES, MAX_LABELS, TRAIN, TaskType, counted

if TYPE_CHECKING:
    from relhop.training_table.table import TrainingTable


def labelled(table: TrainingTable, values: pa.Array | pa.ChunkedArray) -> TrainingTable:
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
    chunked = values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values])
    match table.task_type:
        case TaskType.multiclass:
            return _with_classes(table, chunked)
        case TaskType.multilabel:
            return _with_class_lists(table, chunked)
        case TaskType.link_prediction:
            lengths, flat = _lists(chunked)
            rows = _joined([np.asarray(part, np.int64) for part in flat.chunks], np.int64)
            return dataclasses.replace(table, lists=Lists.from_lengths(lengths, rows))
        case TaskType.forecasting:
            frames = _joined([np.asarray(part.flatten(), np.float32) for part in chunked.chunks], np.float32)
            return dataclasses.replace(table, target=frames.reshape(len(chunked), -1))
        case _:
            return _with_numbers(table, chunked)


def _with_numbers(table: TrainingTable, values: pa.ChunkedArray) -> TrainingTable:
    target = np.empty(len(values), np.float32)
    wrong: list[NDArray[np.float64]] = []
    begin = 0
    for part in values.chunks:
        numbers = _numbers(part, table.task_type)
        with np.errstate(over="ignore"):
            target[begin : begin + len(part)] = numbers
        if table.task_type == TaskType.binary:
            wrong.append(numbers[(numbers != 0) & (numbers != 1)])
        begin += len(part)
    count = sum(map(len, wrong))
    if count:
        first = next(found[0] for found in wrong if len(found))
        raise TrainingError(
            f"the labels of a binary task must be 0 or 1, but {count:,} are not, such as {first}"
        )
    finite = np.isfinite(target)
    whole = dataclasses.replace(table, target=target)
    if finite.all():
        return whole
    lost = counted(int((~finite).sum()), "example", "examples")
    note = f"{lost} dropped: the target is not a finite number"
    return dataclasses.replace(whole.take(np.flatnonzero(finite)), notes=(*table.notes, note))


def _numbers(values: pa.Array, task_type: TaskType) -> NDArray[np.float64]:
    try:
        numbers = values.cast(pa.int8() if pa.types.is_boolean(values.type) else pa.float64())
    except pa.ArrowInvalid as error:
        raise TrainingError(f"the labels of a {task_type} task must be numbers: {error}") from None
    found: NDArray[np.float64] = numbers.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
    return found


def _with_classes(table: TrainingTable, values: pa.ChunkedArray) -> TrainingTable:
    codes, names = _encoded(values)
    in_train = np.zeros(len(names), bool)
    in_train[codes[table.split == TRAIN]] = True
    classes, index = _classes(table, names, in_train)
    target = index[codes]
    known = target >= 0
    whole = dataclasses.replace(table, target=target, classes=classes)
    if known.all():
        return whole
    unseen = sorted({str(names[code]) for code in np.unique(codes[~known])})
    shown = ", ".join(unseen[:3]) + (", ..." if len(unseen) > 3 else "")
    lost = counted(int((~known).sum()), "example", "examples")
    note = f"{lost} of val and test dropped: training has none of their classes ({shown})"
    return dataclasses.replace(whole.take(np.flatnonzero(known)), notes=(*table.notes, note))


def _with_class_lists(table: TrainingTable, values: pa.ChunkedArray) -> TrainingTable:
    lengths, flat = _lists(values)
    found, names = _encoded(flat)
    codes = Lists.from_lengths(lengths, found)
    in_train = np.zeros(len(names), bool)
    in_train[codes.values[table.split[codes.owners] == TRAIN]] = True
    classes, index = _classes(table, names, in_train)
    kept = codes.keep(index[codes.values] >= 0)
    kept = dataclasses.replace(kept, values=index[kept.values])
    whole = dataclasses.replace(table, lists=kept, classes=classes)
    empty = int((kept.lengths == 0).sum())
    if len(kept.values) == len(codes.values):
        return whole
    lost = counted(len(codes.values) - len(kept.values), "label", "labels")
    note = f"{lost} of val and test left out: training has none of these classes"
    note += f"; {counted(empty, 'example', 'examples')} dropped that had no other" if empty else ""
    known = whole.take(np.flatnonzero(kept.lengths > 0))
    return dataclasses.replace(known, notes=(*table.notes, note))


def _lists(values: pa.ChunkedArray) -> tuple[NDArray[np.int64], pa.ChunkedArray]:
    """The lengths of lists, and what is in them, one after the other."""
    lengths = _joined([np.asarray(pc.list_value_length(part), np.int64) for part in values.chunks], np.int64)
    flat = pa.chunked_array([part.flatten() for part in values.chunks], values.type.value_type)
    return lengths, flat


def _encoded(values: pa.ChunkedArray) -> tuple[NDArray[np.int64], list[Any]]:
    """Values as indices into a list of those that differ."""
    encoded = values.dictionary_encode().unify_dictionaries()
    names = encoded.chunk(0).dictionary.to_pylist() if encoded.num_chunks else []
    return _joined([np.asarray(part.indices, np.int64) for part in encoded.chunks], np.int64), names


def _classes(
    table: TrainingTable, names: list[Any], in_train: NDArray[np.bool_]
) -> tuple[tuple[Any, ...], NDArray[np.int64]]:
    """The classes that training has, sorted; and by name which of them it is, -1 for none."""
    classes = tuple(sorted({names[code] for code in np.flatnonzero(in_train)}))
    limit = MAX_LABELS if table.task_type == TaskType.multilabel and table.top_k is None else MAX_CLASSES
    if len(classes) > limit:
        advice = "; write RANK TOP k instead of CLASSIFY" if limit == MAX_LABELS else ""
        raise TrainingError(
            f"a {table.task_type} task has at most {limit:,} classes, but training has {len(classes):,}"
            + advice
        )
    place = {name: i for i, name in enumerate(classes)}
    return classes, np.array([place.get(name, -1) for name in names], np.int64)


def _joined(parts: list[NDArray[Any]], dtype: type[np.generic]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.empty(0, dtype)
