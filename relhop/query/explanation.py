"""How a query was understood, in words."""

from __future__ import annotations

from collections.abc import Iterator

from relhop.query.compiler import CompiledQuery
from relhop.query.duration import Duration
from relhop.query.nodes import Aggregation, Column, Condition, aggregations, nested_aggregations
from relhop.query.resolve import entity_link
from relhop.query.statement import bounds
from relhop.query.words import constant_in_words, in_words
from relhop.schema import Schema
from relhop.training_table import TaskType

_NAMES = {
    TaskType.binary: "binary classification",
    TaskType.multiclass: "multiclass classification",
    TaskType.multilabel: "multilabel classification",
    TaskType.link_prediction: "link prediction",
}


def explain_query(compiled: CompiledQuery, schema: Schema) -> str:
    """Task, label, windows, entities, links and anchor times of a query, and its SQL."""
    return "\n".join([*_lines(compiled, schema), "SQL:", compiled.training_sql])


def _lines(compiled: CompiledQuery, schema: Schema) -> Iterator[str]:
    query, task = compiled.query, compiled.task
    kind = _NAMES.get(task.type, str(task.type))
    if task.is_list:
        kind = ("static " if task.is_static else "temporal ") + kind
    when = "" if compiled.uses_row_times or task.is_static else " at each anchor time"
    yield f"task: {kind}; one example for each {query.entity}{when}"
    yield f"label: {_label(compiled)}"
    for aggregation in dict.fromkeys(nested_aggregations(query.target)):
        if aggregation.window is not None:
            yield f"window: {_window(aggregation, task.timeframes)}"
    yield f"entities: {_entities(compiled, schema)}"
    if query.keys is not None:
        yield f"predicted for: {', '.join(map(constant_in_words, query.keys))} only"
    if query.assuming is not None:
        yield (
            f"assumed: {in_words(query.assuming)}; only such examples are trained on; taken as given"
            " when predicting"
        )
    parts = (query.target, query.where, query.assuming)
    links = dict.fromkeys(
        link for part in parts for link in _links(compiled, schema, part, query.entity.table)
    )
    if links:
        yield f"links followed: {', '.join(links)}"
    if compiled.targets:
        names = ", ".join(map(str, compiled.targets))
        yield f"withheld from the model: {names}, and what goes one to one with it"
    yield f"anchor times: {_anchors(compiled)}"


def _label(compiled: CompiledQuery) -> str:
    target, task = compiled.query.target, compiled.task
    text = in_words(target)
    if not isinstance(target, Aggregation | Column):
        return f"1 if {text}, else 0"
    if task.timeframes is not None:
        return f"{text}, and the same for {task.timeframes} windows that follow one another"
    if isinstance(target, Column):
        return f"{text}, where it is known"
    count = f"; the best {task.top_k} are asked for" if task.top_k is not None else ""
    if task.item_link is not None:
        return f"rows of {task.item_link.parent} in {text}{count}"
    return text + count


def _window(aggregation: Aggregation, frames: int | None) -> str:
    assert aggregation.window is not None
    start, end = bounds(aggregation.window)
    after = "" if start is None else f"{_moved(start)} < "
    more = "" if frames is None else f", then the next {start_to_end(start, end)}, {frames} times in all"
    return f"rows of {aggregation.column.table} with {after}time <= {_moved(end)}{more}"


def start_to_end(start: Duration | None, end: Duration) -> Duration:
    """The length of a window that has a start."""
    assert start is not None
    return Duration(end.count - start.count, end.unit)


def _moved(duration: Duration) -> str:
    if duration.count == 0:
        return "anchor"
    return f"anchor {'+' if duration.count > 0 else '-'} {Duration(abs(duration.count), duration.unit)}"


def _entities(compiled: CompiledQuery, schema: Schema) -> str:
    table = compiled.entity_table
    is_timed = schema.tables[table].time_col is not None
    rows = f"rows of {table}"
    if is_timed and not compiled.uses_row_times:
        rows += " with time <= anchor"
    where = compiled.query.where
    return rows if where is None else f"{rows}, of which {in_words(where)}"


def _links(compiled: CompiledQuery, schema: Schema, part: Condition | None, owner: str) -> Iterator[str]:
    for aggregation in aggregations(part):
        link = entity_link(compiled.query, schema, aggregation, owner)
        yield f"{link.name} -> {link.parent}"
        yield from _links(compiled, schema, aggregation.where, aggregation.column.table)


def _anchors(compiled: CompiledQuery) -> str:
    if compiled.uses_row_times:
        return f"the time of each row of {compiled.entity_table}"
    if compiled.stride is None:
        return "one, the newest time of the data"
    return f"every {compiled.stride} unless a stride is given"
