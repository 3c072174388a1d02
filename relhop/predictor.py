"""A trained model and a store -> scores of the examples asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from relhop.aggregate_features import AggregateFeatures
from relhop.checkpoint import Description, Task, schema_difference
from relhop.errors import TrainingError
from relhop.nn.model import BatchEncoder
from relhop.plan import ModelPlan
from relhop.statistics import code_maps, misfit
from relhop.store.reader import Store
from relhop.training_table import TaskType, TrainingTable
from relhop.transfer import copied_ahead
from relhop.whole_file import whole_file
from relhop.withholding import WithholdingLoader, by_table, check_strategies


@dataclass(frozen=True)
class Predictions:
    """Scores of the examples of a table, in its order.

    Attributes:
        table: The examples.
        task: What was predicted.
        scores: float64: probability of the positive class [n], of each class [n, classes], or predicted
            value [n], of a forecast for each window [n, timeframes].
    """

    table: TrainingTable
    task: Task
    scores: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.scores)

    def to_pandas(self) -> pd.DataFrame:
        """The entity's key columns, `anchor_time`, `score` and, for a classification, `class`.

        Binary: the score is the probability of a positive label and the class is 1 from 0.5 on, else 0.
        Multiclass: the class is the likeliest and the score its probability. Multilabel: `class` is a list of
        those whose probability is at least 0.5, and `score_<class>` has the probability of each; of RANK TOP
        k `class` and `score` are lists of the k likeliest. Regression: the score is the value. Forecast:
        `score_1`, `score_2` and so on, one a timeframe.
        """
        frame: pd.DataFrame = self.table.keys.to_pandas()
        frame["anchor_time"] = self.table.anchor_times.view("datetime64[us]")
        if self.task.task_type == TaskType.forecasting:
            return _beside(frame, self.scores, range(1, self.scores.shape[1] + 1))
        if self.task.task_type == TaskType.multilabel:
            return self._with_lists(frame)
        if self.task.classes is not None:
            best = self.scores.argmax(axis=1)
            frame["score"] = self.scores[np.arange(len(best)), best]
            frame["class"] = pd.Series([self.task.classes[i] for i in best], index=frame.index)
            return frame
        frame["score"] = self.scores
        if self.task.task_type == TaskType.binary:
            frame["class"] = (self.scores >= 0.5).astype(np.int8)
        return frame

    def _with_lists(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The classes that are predicted, a list an example, and their probabilities."""
        classes = np.array(self.task.classes, object)
        if self.task.top_k is None:
            found = [classes[row].tolist() for row in self.scores >= 0.5]
            frame["class"] = pd.Series(found, index=frame.index, dtype=object)
            return _beside(frame, self.scores, classes)
        best = np.argsort(-self.scores, axis=1, kind="stable")[:, : self.task.top_k]
        frame["class"] = pd.Series(classes[best].tolist(), index=frame.index, dtype=object)
        scores = np.take_along_axis(self.scores, best, axis=1)
        frame["score"] = pd.Series(scores.tolist(), index=frame.index, dtype=object)
        return frame

    def to_parquet(self, path: str | Path) -> None:
        """Writes what `to_pandas` gives; the file appears when it is whole."""
        write_frame(self.to_pandas(), path)


class Predictor:
    """Scores examples with one model.

    Args:
        model: Maps a batch to [B, out_channels]; is moved to `device`.
        described: Its plan, task, schema and statistics.
        device: Where it runs.
    """

    def __init__(self, model: nn.Module, described: Description, device: str = "cpu") -> None:
        self.model, self.described, self.device = model, described, device

    def predict(self, table: TrainingTable, store: Store) -> Predictions:
        """Scores of all examples of a table.

        The same examples, store and model give the same bits on a CPU.

        Raises:
            TrainingError: If the table asks another thing than the model answers, or the store has another
                schema than the one that the model was trained on; names the difference.
        """
        task = self.described.task
        check_asked(self.described, table, store)
        bind(self.model, self.described, store)
        self.model.to(self.device).eval()
        scores = np.empty((len(table), task.out_channels))
        loader = model_loader(self.described, store, table)
        with torch.inference_mode(), torch_threads(self.described.plan):
            for batch in copied_ahead(loader, self.device):
                ids = batch[task.entity_table].input_id.cpu().numpy()
                scores[ids] = to_scores(self.model(batch), task)
        return Predictions(table, task, scores if task.has_columns else scores[:, 0])


def _beside(frame: pd.DataFrame, scores: NDArray[np.float64], names: Iterable[Any]) -> pd.DataFrame:
    """A frame and a column of scores for each name."""
    columns = [f"score_{name}" for name in names]
    return pd.concat([frame, pd.DataFrame(scores, frame.index, columns)], axis=1)


def check_asked(described: Description, table: TrainingTable, store: Store) -> None:
    """Raises TrainingError if a table asks another thing than a model answers, or the store has another
    schema than the one that it was trained on; names the difference.
    """
    task = described.task
    if (table.entity_table, table.task_type) != (task.entity_table, task.task_type):
        raise TrainingError(
            f"the table asks for a {table.task_type} label of '{table.entity_table}', the model gives"
            f" a {task.task_type} label of '{task.entity_table}'"
        )
    difference = schema_difference(described.schema, store.schema)
    if difference is not None:
        raise TrainingError(f"the store is not of the schema that the model was trained on: {difference}")
    problem = misfit(described.statistics, store)
    if problem is not None:
        raise TrainingError(f"the store does not fit the model: {problem}")


def write_frame(frame: pd.DataFrame, path: str | Path) -> None:
    """Writes a frame as Parquet; the file appears when it is whole."""
    with whole_file(path) as file:
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), file)


@contextmanager
def torch_threads(plan: ModelPlan) -> Iterator[None]:
    """Lets torch compute with as many threads as the plan says, and then with as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(plan.training_job.num_threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def bind(model: nn.Module, described: Description, store: Store) -> None:
    """Tells every `BatchEncoder` in a network how a store numbers its categories."""
    encoders = [module for module in model.modules() if isinstance(module, BatchEncoder)]
    if encoders:
        maps = code_maps(described.statistics, store)
        for encoder in encoders:
            encoder.set_code_maps(maps)


def seed_loader(
    store: Store,
    table: TrainingTable,
    plan: ModelPlan,
    withheld: Sequence[str] = (),
    *,
    training: bool = False,
    aggregates: AggregateFeatures | None = None,
    kind: type[WithholdingLoader] = WithholdingLoader,
) -> WithholdingLoader:
    """The batches of a table, sampled as the plan says; for training shuffled, and smaller if there are few
    examples. Columns that are withheld, `table.column`, are not in them.

    Raises:
        PlanError: If the plan names steps that the schema does not have, or draws by what is withheld.
    """
    sampling, settings = plan.neighbor_sampling, plan.optimization
    batch_size = settings.batch_size
    max_batches = settings.max_steps_per_epoch if training else None
    if training:
        batch_size = max(1, min(batch_size, len(table) // settings.min_steps_per_epoch))
    strategies = sampling.resolve_strategies(store.schema)
    check_strategies(strategies, withheld, store.schema)
    loader = kind(
        store,
        table,
        sampling.resolve_num_neighbors(store.schema),
        strategies=strategies,
        metapaths=sampling.resolve_metapaths(store.schema),
        adaptive=sampling.adaptive,
        batch_size=batch_size,
        shuffle=training,
        seed=plan.training_job.seed,
        max_batches=max_batches,
        delay=sampling.resolve_delay(training=training),
        aggregates=aggregates,
    )
    loader.withheld = by_table(withheld, store.schema)
    return loader


def model_loader(
    described: Description, store: Store, table: TrainingTable, *, training: bool = False
) -> WithholdingLoader:
    """The batches of a table with all that a model reads, and nothing that it must not see; see
    `seed_loader`.
    """
    return seed_loader(
        store,
        table,
        described.plan,
        described.task.withheld,
        training=training,
        aggregates=described.aggregates,
    )


def to_scores(outputs: Tensor, task: Task) -> NDArray[np.float64]:
    """What a model gives [B, out_channels] -> probabilities, or values in the label's own unit, of the same
    shape.

    In float64, so that very sure probabilities keep their order.
    """
    wide = outputs.detach().double().cpu()
    scores: NDArray[Any]
    if task.task_type in (TaskType.binary, TaskType.multilabel):
        scores = torch.sigmoid(wide).numpy()
    elif task.task_type == TaskType.multiclass:
        scores = torch.softmax(wide, dim=1).numpy()
    else:
        assert task.scale is not None
        values = wide.numpy() * task.scale.std + task.scale.mean
        scores = np.clip(values, task.scale.lowest, task.scale.highest)
    return scores
