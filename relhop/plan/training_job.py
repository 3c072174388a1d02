"""What belongs to the run rather than to the model."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

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
    checkpoint_every: int | None = Field(
        default=500, ge=1,
        description="Steps of an epoch after which the state is kept, so that an interrupted run loses no"
        " more; it is after each epoch, too. null: only then. Price: some milliseconds, for large embeddings"
        " more.",
    )  # fmt: skip
    precision: Literal["32", "bf16", "16"] = Field(
        default="32",
        description="Bits of the numbers that the network computes with; weights and losses have 32. On a GPU"
        " `bf16` is faster and takes less memory, `16` does so where bf16 is not to be had. On a CPU 32 is"
        " best. Price: some digits.",
    )  # fmt: skip
    loggers: tuple[Literal["csv", "tensorboard", "mlflow"], ...] = Field(
        default=("csv", "tensorboard"),
        description="Who writes down the course of training: `csv` and `tensorboard` into the folder `logs`"
        " of the model, `mlflow` where MLFLOW_TRACKING_URI says.",
    )
    num_processes: int = Field(
        default=1, ge=1,
        description="Processes that train together on this machine, each on its share of every batch; on GPUs"
        " one each. The weights are those of one process, but for rounding and dropout. Price: memory a"
        " process; on a CPU it helps only where cores are idle.",
    )  # fmt: skip
    device_cache_size: int = Field(
        default=0, ge=0,
        description="Bytes of a GPU's memory, while training, for rows of text and tensors that batches find"
        " most often: these are neither read nor copied again. Changes no batch. Price: that memory.",
    )  # fmt: skip
    boosted_baseline: bool = Field(
        default=False,
        description="Whether gradient-boosted trees on the entity's columns and simple aggregates stand"
        " beside the model. Needs LightGBM. Price: time, some seconds for a hundred thousand examples.",
    )

    @field_validator("precision", mode="before")
    @classmethod
    def _read_precision(cls, value: Any) -> Any:
        """YAML reads 32 as a number."""
        return str(value) if isinstance(value, int) else value
