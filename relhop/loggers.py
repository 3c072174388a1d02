"""Where the course of training is written, by name."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger

from relhop.errors import PlanError
from relhop.plan import ModelPlan

MLFLOW_RUN = "mlflow_run"
"""In a run's folder: the name that MLflow gave the run, so that a resumed one goes on in it."""


def require_loggers(plan: ModelPlan) -> None:
    """Raises PlanError if the plan names a logger that is not installed."""
    if "mlflow" in plan.training_job.loggers and importlib.util.find_spec("mlflow") is None:
        raise PlanError(
            "training_job.loggers names mlflow, which is not installed; run pip install 'relhop[mlflow]', or"
            " leave it out"
        )


def open_loggers(plan: ModelPlan, folder: Path) -> list[Logger]:
    """The loggers of a plan: files in `logs` in the run's folder, and MLflow's server or folder.

    MLflow is where it is set up to be (MLFLOW_TRACKING_URI); the experiment is that of
    MLFLOW_EXPERIMENT_NAME, else `relhop`, and the run has the name of the model's folder.
    """
    loggers: list[Logger] = []
    for name in plan.training_job.loggers:
        if name == "csv":
            loggers.append(CSVLogger(folder, name="logs", version=""))
        elif name == "tensorboard":
            loggers.append(TensorBoardLogger(folder, name="logs", version=""))
        else:
            loggers.append(_open_mlflow(plan, folder))
    return loggers


def _open_mlflow(plan: ModelPlan, folder: Path) -> MLFlowLogger:
    import mlflow

    known = folder / MLFLOW_RUN
    logger = MLFlowLogger(
        experiment_name=os.environ.get("MLFLOW_EXPERIMENT_NAME", "relhop"),
        run_name=folder.name.removesuffix(".partial"),
        tracking_uri=mlflow.get_tracking_uri(),
        run_id=known.read_text(encoding="utf-8") if known.exists() else None,
    )
    if not known.exists():
        known.write_text(logger.run_id, encoding="utf-8")
        logger.log_hyperparams(plan.model_dump(mode="json", exclude={"reasons"}))
    return logger
