"""What belongs to the run rather than to the model."""

from __future__ import annotations

from pydantic import Field

from relhop.plan.part import Part


class TrainingJob(Part):
    """What belongs to the run rather than to the model."""

    section = "training_job"

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
    checkpoint_every: int | None = Field(
        default=500, ge=1,
        description="Steps of an epoch after which the state is kept, so that an interrupted run loses no"
        " more; it is after each epoch, too. null: only then. Price: some milliseconds, for large embeddings"
        " more.",
    )  # fmt: skip
    boosted_baseline: bool = Field(
        default=False,
        description="Whether gradient-boosted trees on the entity's columns and simple aggregates stand"
        " beside the model. Needs LightGBM. Price: time, some seconds for a hundred thousand examples.",
    )
