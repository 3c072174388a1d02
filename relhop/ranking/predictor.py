"""Rankings of the examples asked for, and how good they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from numpy.typing import NDArray

from relhop.checkpoint import Description, Task
from relhop.errors import TrainingError
from relhop.predictor import check_asked, torch_threads, write_frame
from relhop.ranking.baselines import ranking_baselines
from relhop.ranking.batches import visits_loader
from relhop.ranking.metrics import NO_ITEM, ranking_metrics
from relhop.ranking.model import RankingModel
from relhop.ranking.ranker import Ranked, leaves_out_visited, rank
from relhop.ranking.visits import Visits
from relhop.ranking.withheld_visits import asked
from relhop.store.reader import Store
from relhop.training_table import TrainingTable
from relhop.transfer import copied_ahead

DEFAULT_TOP_K = 10
"""Of a query that says RANK without a number."""


def ranks_of(task: Task) -> int:
    """How many items a task asks for."""
    return task.top_k or DEFAULT_TOP_K


@dataclass(frozen=True)
class Rankings:
    """The best items of the examples of a table, in its order.

    Attributes:
        table: The examples; of a static one with labels, with those that were asked for.
        task: What was asked.
        ranked: Rows of the item table, and scores: larger is likelier, and a difference of scores of one
            example is a logarithm of odds.
        item_keys: Primary keys of the items ranked, example by example, best first.
    """

    table: TrainingTable
    task: Task
    ranked: Ranked
    item_keys: pa.Table

    def __len__(self) -> int:
        return len(self.table)

    def to_pandas(self) -> pd.DataFrame:
        """A row a ranked item: the entity's key columns, `anchor_time`, `rank` from 1, the item's key as
        `item` (of a key of several columns `item_<column>`), and `score`.
        """
        examples, ranks = np.nonzero(self.ranked.items != NO_ITEM)
        frame: pd.DataFrame = self.table.keys.take(pa.array(examples)).to_pandas()
        frame["anchor_time"] = self.table.anchor_times[examples].view("datetime64[us]")
        frame["rank"] = ranks + 1
        names = self.item_keys.column_names
        for name in names:
            column = "item" if len(names) == 1 else f"item_{name}"
            frame[column] = self.item_keys[name].to_pandas().to_numpy()
        frame["score"] = self.ranked.scores[examples, ranks]
        return frame

    def metrics(self) -> dict[str, float]:
        """How good they are; see `relhop.ranking.metrics`."""
        assert self.table.lists is not None
        return ranking_metrics(self.ranked.items, self.table.lists)

    def to_parquet(self, path: str | Path) -> None:
        """Writes what `to_pandas` gives; the file appears when it is whole."""
        write_frame(self.to_pandas(), path)


class RankingPredictor:
    """Ranks items with one model.

    Args:
        model: Is moved to `device`.
        described: Its plan, task, schema and statistics.
        device: Where it runs.
    """

    def __init__(self, model: RankingModel, described: Description, device: str = "cpu") -> None:
        self.model, self.described, self.device = model, described, device

    def predict(self, table: TrainingTable, store: Store) -> Rankings:
        """The best items of all examples of a table, of those that exist at their anchor times.

        Of a static table with labels, the half that is asked for is withheld; see
        `relhop.ranking.withheld_visits`.

        The same examples, store and model give the same bits on a CPU.

        Raises:
            TrainingError: See `relhop.predictor.check_asked`.
        """
        task, plan = self.described.task, self.described.plan
        check_asked(self.described, table, store)
        self.model.bind(self.described, store)
        self.model.to(self.device).eval()
        table, visits = asked(table, Visits.of_table(store, table))
        loader = visits_loader(table, visits, plan)
        with torch.inference_mode(), torch_threads(plan):
            queries = [self.model.encode_entities(batch) for batch in copied_ahead(loader, self.device)]
            ranked = rank(self.model, queries, table, visits, plan, ranks_of(task))
        assert task.item_table is not None
        items = ranked.items[ranked.items != NO_ITEM]
        return Rankings(table, task, ranked, store.keys_of(task.item_table, items))

    def evaluate(self, table: TrainingTable, store: Store) -> dict[str, float]:
        """Metrics of the rankings of labelled examples; see `relhop.ranking.metrics`.

        Raises:
            TrainingError: If there are no labels, or see `predict`.
        """
        if table.lists is None:
            raise TrainingError("the table has no labels to judge by; use predict")
        return self.predict(table, store).metrics()


def judge_baselines(
    table: TrainingTable, store: Store, described: Description
) -> dict[str, dict[str, float]]:
    """Metrics of each baseline on labelled examples."""
    table, rankings = baseline_rankings(table, store, described)
    assert table.lists is not None
    return {name: ranking_metrics(ranked, table.lists) for name, ranked in rankings.items()}


def baseline_rankings(
    table: TrainingTable, store: Store, described: Description
) -> tuple[TrainingTable, dict[str, NDArray[np.int64]]]:
    """Labelled examples, with what is asked of them, and the ranking int64 [n, k] of each baseline."""
    table, visits = asked(table, Visits.of_table(store, table))
    left_out = leaves_out_visited(described.plan, visits)
    return table, ranking_baselines(table, visits, ranks_of(described.task), exclude_visited=left_out)
