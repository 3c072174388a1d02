"""What a training table holds, in words and numbers: counts, dates and labels by split."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from relhop.timeline import draw_time_line
from relhop.times import format_time
from relhop.training_table.tasks import TaskType, counted

if TYPE_CHECKING:
    from relhop.training_table.table import TrainingTable


def explained(table: TrainingTable) -> str:
    """Counts, dates and labels by split, what is withheld, what was dropped; a time line of the anchors."""
    examples = counted(len(table), "example", "examples")
    lines = [f"{table.task_type} table of '{table.entity_table}': {examples}"]
    if table.query is not None:
        lines.append(f"query: {' '.join(table.query.split())}")
    if table.withheld:
        lines.append(f"withheld from the model: {', '.join(table.withheld)}")
    if not table.has_labels:
        lines.append(f"to predict: {_extent(table, _anchors(table))}")
    else:
        parts = table.splits
        anchors = {name: _anchors(part) for name, part in parts.items() if len(part)}
        for name, part in parts.items():
            extent = _extent(part, anchors[name]) + _balance(part) if len(part) else "no examples"
            lines.append(f"{name}: {extent}")
        if len(set().union(*(found.tolist() for found in anchors.values()))) > 2:
            lines += draw_time_line(anchors)
        if table.weight is not None:
            lines.append(f"weights from {table.weight.min():.6g} to {table.weight.max():.6g}")
    return "\n".join([*lines, *table.notes])


def _anchors(table: TrainingTable) -> NDArray[np.int64]:
    """The different anchor times, ascending; sorts those alone that differ from the one before."""
    times = table.anchor_times
    changes = np.concatenate([[True], times[1:] != times[:-1]]) if len(times) else np.empty(0, bool)
    return np.unique(times[changes])


def _extent(table: TrainingTable, anchors: NDArray[np.int64]) -> str:
    if not len(table):
        return "no examples"
    dates = format_time(int(anchors[0]))
    if len(anchors) > 1:
        dates = f"{len(anchors):,} anchors from {dates} to {format_time(int(anchors[-1]))}"
    else:
        dates = f"the anchor {dates}"
    entities = np.zeros(int(table.rows.max()) + 1, bool)
    entities[table.rows] = True
    count = counted(int(entities.sum()), "entity", "entities")
    return f"{counted(len(table), 'example', 'examples')} of {count} at {dates}"


def _balance(table: TrainingTable) -> str:
    if table.lists is not None:
        found = f"; {table.lists.lengths.mean():.3g} items an example"
        return found + (_shares(table, table.lists.values) if table.classes is not None else "")
    assert table.target is not None
    if table.task_type == TaskType.binary:
        return f"; {table.target.mean(dtype=np.float64):.1%} positive"
    if table.classes is None:
        low, high = float(table.target.min()), float(table.target.max())
        frames = f"; {table.target.shape[1]} timeframes" if table.target.ndim == 2 else ""
        mean = table.target.mean(dtype=np.float64)
        return f"{frames}; target mean {mean:.6g}, from {low:.6g} to {high:.6g}"
    return _shares(table, table.target)


def _shares(table: TrainingTable, indices: NDArray[np.int64]) -> str:
    """The most frequent classes, by the share of the examples that have them."""
    assert table.classes is not None
    counts = np.bincount(indices, minlength=len(table.classes))
    largest = np.argsort(-counts, kind="stable")[:5]
    shares = ", ".join(f"{table.classes[i]} {counts[i] / len(table):.1%}" for i in largest)
    more = ", ..." if len(table.classes) > len(largest) else ""
    return f"; {len(table.classes):,} classes: {shares}{more}"
