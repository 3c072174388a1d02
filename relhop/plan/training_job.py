"""What belongs to the run rather than to the model."""

from __future__ import annotations

from pydantic import Field

from relhop.plan.part import Part


class TrainingJob(Part):
    """What belongs to the run rather than to the model."""

    section = "training_job"
    searchable = False

    seed: int = Field(
        default=0, ge=0, lt=2**31,
        description="Key of weights, order, dropout and sampling. The same seed gives the same model on a"
        " CPU.",
    )  # fmt: skip
    num_threads: int | None = Field(
        default=1, ge=1,
        description="Threads that torch computes with on a CPU; null: torch's own choice. More help wide"
        " models on idle cores; where other programs need the cores, they wait for each other and are many"
        " times slower. Another number changes the last bits of a model.",
    )  # fmt: skip
    num_experiments: int = Field(
        default=1, ge=1,
        description="How many combinations of candidates are trained; the best by the validation metric is"
        " kept. 1: the first candidate of each setting. Price: time, as many trainings; those that fall"
        " behind the others are given up early.",
    )  # fmt: skip
    refit: bool = Field(
        default=False,
        description="Whether the model is trained once more, on the training and the validation split"
        " together, for as many epochs as the best one had. Helps where the newest examples tell most. Price:"
        " time, another training.",
    )
    boosted_baseline: bool = Field(
        default=False,
        description="Whether gradient-boosted trees on the entity's columns and simple aggregates stand"
        " beside the model. Needs LightGBM. Price: time, some seconds for a hundred thousand examples.",
    )
