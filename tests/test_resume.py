"""Runs that are killed (kill -9) in the middle of an epoch end, once resumed, with the weights of a run that is not.

Run as a script, this file trains: it forks a process a run from one warm interpreter, in which no thread has started.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from lightning.pytorch.callbacks import Callback

from relhop.resuming import LAST_CHECKPOINT, WholeFiles
from relhop.trainer import Trainer
from tests import clicks
from tests.store.test_kill import in_child
from tests.test_trainer import PLAN

RESUMED = PLAN.with_overrides(
    {
        "training_job.checkpoint_every": 3,
        "optimization.lr_scheduler": "plateau",
        "optimization.early_stopping": 1,
        "optimization.max_epochs": 4,
        "model_architecture.dropout": 0.3,
    }
)


class Kill(Callback):
    """Kills its process after a step."""

    def __init__(self, epoch: int, step: int) -> None:
        self.epoch, self.step = epoch, step

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if (trainer.current_epoch, batch_idx) == (self.epoch, self.step):
            os.kill(os.getpid(), signal.SIGKILL)


def train(folder: Path, callbacks: list[Callback]) -> None:
    store = clicks.build(folder / "clicks.rh")
    trainer = Trainer(RESUMED, out=folder / "model", accelerator="cpu", progress=False)
    trainer.fit(clicks.training_table(store), store, resume=True, callbacks=callbacks)


def run_all(folder: Path) -> None:
    """An unbroken run; one that is killed in its first epoch, and at the beginning and in the middle of its second."""
    kills = {"unbroken": [None], "broken": [(0, 4), (1, 0), (1, 8), None]}
    for name, places in kills.items():
        (folder / name).mkdir()
        for place in places:
            callbacks = [] if place is None else [Kill(*place)]
            status = os.waitpid(in_child(lambda: train(folder / name, callbacks)), 0)[1]  # noqa: B023
            assert status == (0 if place is None else signal.SIGKILL), status
            assert (folder / name / "model.partial" / LAST_CHECKPOINT).exists() == (place is not None)


def test_a_run_that_is_killed_thrice_ends_with_the_weights_of_an_unbroken_one(
    tmp_path: Path,
) -> None:
    subprocess.run(
        [sys.executable, "-m", "tests.test_resume", str(tmp_path)],
        check=True,
        cwd=Path(__file__).parent.parent,
    )
    folders = [tmp_path / name / "model" for name in ("unbroken", "broken")]
    unbroken, broken = (torch.load(folder / "model.pt", weights_only=True) for folder in folders)
    for name, weight in unbroken.items():
        assert torch.equal(weight, broken[name]), name
    histories = [json.loads((folder / "metrics.json").read_text())["history"] for folder in folders]
    for one, other in zip(*histories, strict=True):
        assert {k: v for k, v in one.items() if "seconds" not in k} == {
            k: v for k, v in other.items() if "seconds" not in k
        }


def test_a_checkpoint_that_is_not_written_to_its_end_leaves_the_older_one(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    WholeFiles().save_checkpoint({"step": 1}, path)
    with pytest.raises(AttributeError):
        WholeFiles().save_checkpoint({"step": 2, "no pickle": lambda: None}, path)
    assert torch.load(path, weights_only=True) == {"step": 1}


if __name__ == "__main__":
    torch.set_num_threads(1)
    run_all(Path(sys.argv[1]))
