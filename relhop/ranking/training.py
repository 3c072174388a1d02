"""A plan and examples -> a trained ranking model."""

from __future__ import annotations

from relhop.errors import PlanError
from relhop.fitting import Course, fit_weights
from relhop.predictor import seed_loader
from relhop.ranking.batches import ByAnchor, TrainingSteps
from relhop.ranking.fitting import RankingFitted
from relhop.ranking.model import RankingModel
from relhop.ranking.predictor import ranks_of
from relhop.ranking.visits import Visits
from relhop.store.reader import Store
from relhop.training_table import TrainingTable


def fit_ranking(
    model: RankingModel, course: Course, train: TrainingTable, val: TrainingTable, store: Store
) -> list[dict[str, float]]:
    """Trains a model and leaves it with the weights of its best epoch.

    Args:
        model: Bound to the store; changed in place.
        course: How the run goes.
        train: Examples to learn from.
        val: Examples to choose the best epoch by.
        store: What is sampled.

    Returns:
        An entry per epoch; see `relhop.fitting.History`.

    Raises:
        PlanError: If the plan names a loss.
    """
    plan = course.plan
    if plan.optimization.loss is not None:
        raise PlanError(
            f"optimization.loss is {plan.optimization.loss}, but a ranking minimises the softmax over items;"
            " leave it out"
        )
    entities = seed_loader(store, train, plan, train.withheld, training=True, kind=ByAnchor)
    assert isinstance(entities, ByAnchor)
    steps = TrainingSteps(entities, Visits.of_table(store, train), plan)
    val_loader = seed_loader(store, val, plan, val.withheld)
    fitted = RankingFitted(model, course, steps, val_loader, ranks_of(course.task))
    return fit_weights(fitted, course, steps, val_loader)
