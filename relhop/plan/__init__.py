"""Every knob of a model and its training, with defaults, units and prices.

A `ModelPlan` is plain data, from Python or YAML; `suggest` fills one in for a store and a task. The resolved
plan is saved with the model. Knows nothing of torch, of how a model is built or of how a neighborhood is
drawn.
"""

from relhop.plan.column_processing import ColumnProcessing
from relhop.plan.facts import Degree, Facts
from relhop.plan.model_architecture import ModelArchitecture
from relhop.plan.model_plan import ModelPlan
from relhop.plan.neighbor_sampling import NeighborSampling
from relhop.plan.optimization import Optimization
from relhop.plan.part import Part
from relhop.plan.ranking import Ranking
from relhop.plan.suggestion import RunMode, require_trainable, suggest
from relhop.plan.training_job import TrainingJob

__all__ = [
    "ColumnProcessing",
    "Degree",
    "Facts",
    "ModelArchitecture",
    "ModelPlan",
    "NeighborSampling",
    "Optimization",
    "Part",
    "Ranking",
    "RunMode",
    "TrainingJob",
    "require_trainable",
    "suggest",
]
