"""A plan and examples -> a trained ranking model."""

from __future__ import annotations

from collections.abc import Mapping

from relhop.errors import PlanError
from relhop.fitting import Course, fit_weights
from relhop.predictor import seed_loader
from relhop.ranking.batches import ByAnchor, TrainingSteps, visits_loader
from relhop.ranking.fitting import RankingFitted
from relhop.ranking.model import RankingModel
from relhop.ranking.predictor import ranks_of
from relhop.ranking.visits import Visits
from relhop.ranking.withheld_visits import asked
from relhop.store.reader import Store
from relhop.training_table import TrainingTable


def fit_ranking(
    model: RankingModel, course: Course, splits: Mapping[str, TrainingTable], store: Store
) -> list[dict[str, float]]:
    """Trains a model and leaves it with the weights of its best epoch.

    Args:
        model: Bound to the store; changed in place.
        course: How the run goes.
        splits: Examples to learn from (`train`), to choose the best epoch by (`val`), and those whose targets
            must stay unknown (`test`).
        store: What is sampled.

    Returns:
        An entry per epoch; see `relhop.history.History`.

    Raises:
        PlanError: If the plan names a loss.
    """
    plan = course.plan
    if plan.optimization.loss is not None:
        raise PlanError(
            f"optimization.loss is {plan.optimization.loss}, but a ranking minimises the softmax over items;"
            " leave it out"
        )
    if plan.neighbor_sampling.delay is not None:
        raise PlanError(
            f"neighbor_sampling.delay is {plan.neighbor_sampling.delay}, but a ranking sees visits up to the"
            " anchor time; leave it out"
        )
    visits = Visits.of_table(store, splits["train"])
    _, visits = asked(splits["test"], visits)
    val, visits = asked(splits["val"], visits)
    entities = seed_loader(store, splits["train"], plan, course.task.withheld, training=True, kind=ByAnchor)
    assert isinstance(entities, ByAnchor)
    steps = TrainingSteps(entities, visits, plan)
    val_loader = visits_loader(val, visits, plan)
    fitted = RankingFitted(model, course, steps, val, visits, ranks_of(course.task))
    return fit_weights(fitted, course, steps, val_loader)
