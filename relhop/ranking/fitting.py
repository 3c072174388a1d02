"""The training of a ranking model: what a step minimises, and how an epoch is judged."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional
from torch_geometric.data import HeteroData

from relhop.fitting import Course, Fitted
from relhop.ranking.batches import Step, TrainingSteps
from relhop.ranking.metrics import ranking_metrics
from relhop.ranking.model import Queries, RankingModel
from relhop.ranking.ranker import rank
from relhop.ranking.visits import Visits
from relhop.training_table import TrainingTable

_NEVER = -1e9
"""The logit of an item that is not compared."""


class RankingFitted(Fitted):
    """A ranking model while it is trained.

    Args:
        model: Bound to the store.
        course: How the run goes.
        steps: What is compared; its order and draws are set anew for each epoch.
        val: Examples that epochs are judged by.
        visits: What the validation examples may be told.
        k: Ranks that are judged.
    """

    def __init__(
        self,
        model: RankingModel,
        course: Course,
        steps: TrainingSteps,
        val: TrainingTable,
        visits: Visits,
        k: int,
    ) -> None:
        super().__init__(model, course, steps)
        self._val, self._visits, self._k = val, visits, k
        self._queries: list[Queries] = []

    @property
    def _ranker(self) -> RankingModel:
        assert isinstance(self.model, RankingModel)
        return self.model

    def training_step(self, batch: Step, _: int) -> Tensor:
        """The loss of one step."""
        return self.log_training(softmax_loss(self._ranker, batch), len(batch.groups))

    def validation_step(self, batch: HeteroData, _: int) -> None:
        """Keeps what the entities ask, for items are ranked once for the whole split."""
        self._queries.append(self._ranker.encode_entities(batch))

    def on_validation_epoch_end(self) -> None:
        """Ranks the validation split and logs its metrics."""
        table = self._val
        assert table.lists is not None
        ranked = rank(self._ranker, self._queries, table, self._visits, self._course.plan, self._k)
        self._queries = []
        self.log_validation(ranking_metrics(ranked.items, table.lists), len(table))


def softmax_loss(model: RankingModel, step: Step) -> Tensor:
    """How surprising the items that came are among all items of their anchor time, a scalar.

    Of an example and each of its positives p: -log(exp(s_p) / (exp(s_p) + the sum over negatives n of
    exp(s_n) / chance_n)), the mean over the example's positives, then over the examples that have any.
    """
    queries = model.encode_entities(step.entities)
    items = model.encode_items(step.items, step.activity)
    count = len(step.keys)
    scores = model.pair_all(queries, items)[:, :count]
    wanted = step.groups[queries.pairs[0]] * step.num_items + queries.pairs[1]
    place = torch.searchsorted(step.keys, wanted).clamp(max=count - 1)
    found = step.keys[place] == wanted
    scores = scores.index_put(
        (queries.pairs[0, found], place[found]), queries.pair_scores[found], accumulate=True
    )
    examples, candidates = step.positives
    compared = step.groups[:, None] == (step.keys // step.num_items)[None]
    compared = compared.index_put((examples, candidates), torch.tensor(False, device=compared.device))
    negatives = torch.where(compared, scores - step.log_chance, _NEVER).logsumexp(dim=1)
    surprise = functional.softplus(negatives[examples] - scores[examples, candidates])
    share = 1 / torch.bincount(examples, minlength=len(step.groups)).clamp(min=1)
    asked = len(examples.unique())
    return (surprise * share[examples]).sum() / max(1, asked)
