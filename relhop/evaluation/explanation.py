"""What is behind one score: the rows that the model saw, and how much each of them moved it.

The influence of a row is the score minus the score without it, and without the rows that only it led to
(occlusion; Zeiler and Fergus 2014). A missing row is something that every model has met in training, for
entities differ in how many rows they have; a row of mean values is not, and gradients tell little where
values are categories or a module rounds or sorts. So this is right for any module that reads batches, and it
asks what people ask: what if this had not happened? Rows that say the same share their influence: without one
of them the others still say it. `parts` therefore tells what all rows of a step do together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch_geometric.data import HeteroData

from relhop.evaluation.occlusion import copies_of, reached_without
from relhop.evaluation.rows import columns_of_rows, key_text, value_text
from relhop.evaluation.subgraph_drawing import age_in_words, draw_subgraph
from relhop.hops import steps_by_name
from relhop.predictor import Predictor, bind, check_asked, model_loader, to_scores, torch_threads
from relhop.schema import Stype
from relhop.store.reader import Store
from relhop.times import MICROS_PER, format_time
from relhop.training_table import TaskType, TrainingTable
from relhop.withholding import by_table

MAX_JUDGED = 500
"""Rows whose influence is told: those nearest to the entity first. Of others it is NaN."""

_NODES_AT_ONCE = 100_000
"""Nodes of all copies in one pass of the model: bounds the memory."""

_SHOWN_ROWS = 10


@dataclass(frozen=True, eq=False)
class Explanation:
    """The rows behind one score.

    Attributes:
        entity: The entity, in words.
        anchor_time: int64 microseconds; nothing later was seen.
        score: What the model gives: a probability, or a value in the label's unit.
        of: What the score is of, in words.
        alone: The score of the entity's own row, with no other row found.
        nodes: A row for each row found, the entity's first: `node` (its number here), `table`, `row` (in the
            store), `key`, `hop`, `parent` (the node that it was found from), `step` (how, as in a plan),
            `time`, `age_days`, `influence` (NaN: not judged; of the entity itself NaN), `values` (a dict of
            its columns).
        edges: All edges among them: `source`, `target` (nodes), `step`.
        parts: For each step from the entity: `step`, `rows`, `influence` of all these rows together.
    """

    entity: str
    anchor_time: int
    score: float
    of: str
    alone: float
    nodes: pd.DataFrame
    edges: pd.DataFrame
    parts: pd.DataFrame

    def to_pandas(self) -> pd.DataFrame:
        """The rows found, those first that moved the score most; see `nodes`."""
        order = self.nodes["influence"].abs().sort_values(ascending=False, kind="stable", na_position="last")
        return self.nodes.loc[order.index].reset_index(drop=True)

    def to_svg(self) -> str:
        """A drawing, see `relhop.evaluation.subgraph_drawing`."""
        title = f"{self.entity} at {format_time(self.anchor_time)}: {self.of} {self.score:.4g}"
        return draw_subgraph(title, self.nodes, self.edges)

    def __str__(self) -> str:
        lines = [
            f"{self.entity} at {format_time(self.anchor_time)}: {self.of} {self.score:.4g}",
            f"its own row alone: {self.alone:.4g}; {len(self.nodes) - 1:,} rows found",
        ]
        lines += [
            f"  {part['influence']:+.4g}  {part['rows']:,} rows by {part['step']}"
            for part in self.parts.to_dict("records")
        ]
        found = self.to_pandas()
        found = found[found["influence"].notna()].head(_SHOWN_ROWS)
        lines += [f"the {len(found)} rows that moved it most:"] if len(found) else []
        for row in found.to_dict("records"):
            when = ", ".join(filter(None, [row["key"], age_in_words(row["age_days"])]))
            lines.append(f"  {row['influence']:+.4g}  {when}: {_columns(row['values'])}")
        return "\n".join(lines)


def explain_example(
    predictor: Predictor, table: TrainingTable, store: Store, example: int, *, output: int | None = None
) -> Explanation:
    """The rows behind the score of one example.

    Args:
        predictor: A trained model, of a plan or the user's own.
        table: Examples, with labels or without.
        store: What the model sees of them.
        example: Which of them, from 0.
        output: Of several classes or timeframes the one explained, from 0; by default the likeliest class, or
            the first timeframe.

    Raises:
        TrainingError: If table or store do not fit the model.
        IndexError: If there is no such example or output.
    """
    described = predictor.described
    task = described.task
    if not 0 <= example < len(table):
        raise IndexError(f"there is no example {example} in a table of {len(table)}")
    if output is not None and not 0 <= output < task.out_channels:
        raise IndexError(f"there is no output {output}; the model gives {task.out_channels}")
    check_asked(described, table, store)
    bind(predictor.model, described, store)
    predictor.model.to(predictor.device).eval()
    one = table.take(np.array([example]))
    with torch.inference_mode(), torch_threads(described.plan):
        (batch,) = model_loader(described, store, one)
        batch = batch.to(predictor.device)
        scores = _scores(predictor, batch)
        if output is None:
            output = int(scores[0].argmax()) if task.classes is not None else 0
        nodes, edges = _found(batch, task.entity_table, store)
        influence, alone, parts = _influences(predictor, batch, nodes, float(scores[0, output]), output)
    nodes["influence"] = influence
    of = "predicted value"
    if task.classes is not None:
        of = f"probability of {task.classes[output]}"
    elif task.task_type == TaskType.binary:
        of = "probability"
    elif task.timeframes is not None:
        of = f"predicted value of timeframe {output + 1}"
    anchor = int(one.anchor_times[0])
    _describe(nodes, predictor, store, anchor)
    return Explanation(nodes["key"][0], anchor, float(scores[0, output]), of, alone, nodes, edges, parts)


def _scores(predictor: Predictor, batch: HeteroData) -> NDArray[np.float64]:
    return to_scores(predictor.model(batch), predictor.described.task)


def _found(batch: HeteroData, entity_table: str, store: Store) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The nodes of a neighborhood, the seed first, with the edge that each was found by; and all edges."""
    names = {edge_type: name for name, edge_type in steps_by_name(store.schema).items()}
    tables = [entity_table, *(table for table in batch.node_types if table != entity_table)]
    parts, first, begin = [], {}, 0
    for table in tables:
        count = batch[table].num_nodes
        hops = np.repeat(np.arange(len(batch[table].num_sampled_nodes)), batch[table].num_sampled_nodes)
        rows = batch[table].row.cpu().numpy()
        time = batch[table].time.cpu().numpy() if "time" in batch[table] else np.full(count, _NO_TIME)
        parts.append(
            pd.DataFrame({"table": table, "place": np.arange(count), "row": rows, "hop": hops, "time": time})
        )
        first[table], begin = begin, begin + count
    edges = []
    for edge_type in batch.edge_types:
        source, target = batch[edge_type].edge_index.cpu().numpy()
        counts = batch[edge_type].num_sampled_edges
        hop = np.repeat(np.arange(1, len(counts) + 1), counts)
        ends = {"source": source + first[edge_type[0]], "target": target + first[edge_type[2]]}
        edges.append(pd.DataFrame({**ends, "step": names[edge_type], "hop": hop}))
    nodes, links = pd.concat(parts, ignore_index=True), pd.concat(edges, ignore_index=True)
    by_hop = links.sort_values("hop", kind="stable").drop_duplicates("source")
    by_hop = by_hop[by_hop["source"] != 0].set_index("source")
    nodes["parent"] = by_hop["target"].reindex(nodes.index).fillna(-1).astype(np.int64)
    nodes["step"] = by_hop["step"].reindex(nodes.index).fillna("")
    return nodes, links


_NO_TIME = np.iinfo(np.int64).min
"""Of nodes of tables without times."""


def _influences(
    predictor: Predictor, batch: HeteroData, nodes: pd.DataFrame, score: float, output: int
) -> tuple[NDArray[np.float64], float, pd.DataFrame]:
    """The influence of each node, the score of the seed alone, and the influence of each step's rows."""
    by_hop = np.argsort(nodes["hop"].to_numpy(), kind="stable")
    judged = by_hop[1 : MAX_JUDGED + 1]
    steps = list(dict.fromkeys(nodes["step"][nodes["hop"] == 1]))
    gone = np.zeros((len(judged) + len(steps) + 1, len(nodes)), bool)
    gone[np.arange(len(judged)), judged] = True
    for number, step in enumerate(steps, len(judged)):
        gone[number] = (nodes["hop"] == 1) & (nodes["step"] == step)
    gone[-1] = nodes["hop"] > 0
    entity_table = predictor.described.task.entity_table
    without = np.empty(len(gone))
    size = max(1, _NODES_AT_ONCE // len(nodes))
    for begin in range(0, len(gone), size):
        part = gone[begin : begin + size]
        by_table = {table: part[:, (nodes["table"] == table).to_numpy()] for table in batch.node_types}
        copies = copies_of(batch, entity_table, *reached_without(batch, entity_table, by_table))
        without[begin : begin + size] = _scores(predictor, copies)[:, output]
    influence = np.full(len(nodes), np.nan)
    influence[judged] = score - without[: len(judged)]
    counts = [int(row.sum()) for row in gone[len(judged) : -1]]
    of_steps = score - without[len(judged) : -1]
    parts = pd.DataFrame({"step": steps, "rows": counts, "influence": of_steps})
    order = np.argsort(-parts["influence"].abs().to_numpy(), kind="stable")
    return influence, float(without[-1]), parts.iloc[order].reset_index(drop=True)


def _describe(nodes: pd.DataFrame, predictor: Predictor, store: Store, anchor: int) -> None:
    """Adds keys, times, ages and columns of the nodes, as people know them."""
    described = predictor.described
    dropped = described.plan.column_processing.dropped_columns(store.schema)
    withheld = by_table(described.task.withheld, store.schema)
    time = nodes["time"].to_numpy()
    timed = time != _NO_TIME
    nodes["age_days"] = np.where(timed, (anchor - time.astype(np.float64)) / MICROS_PER["days"], np.nan)
    nodes["time"] = pd.Series(time.view("datetime64[us]")).where(timed)
    keys, values = np.empty(len(nodes), object), np.empty(len(nodes), object)
    for table in dict.fromkeys(nodes["table"]):
        part = nodes[nodes["table"] == table]
        unread = withheld[table] if described.own_module else dropped[table] | withheld[table]
        seen = store.schema.feature_columns(table) | store.schema.wide_columns(table)
        columns = [c for c, stype in seen.items() if c not in unread and stype != Stype.tensor]
        pkey = list(store.schema.table(table).pkey)
        found = columns_of_rows(store, table, part["row"].to_numpy(), [*pkey, *columns])
        for place, row, record in zip(part.index, part["row"], found.to_dict("records"), strict=True):
            keys[place] = key_text(table, pkey, record, row)
            values[place] = {column: record[column] for column in columns}
    nodes["key"], nodes["values"] = keys, values
    nodes.insert(0, "node", np.arange(len(nodes)))


def _columns(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value_text(value)}" for name, value in values.items()) or "no columns"
