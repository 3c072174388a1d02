"""The folder of a training: under way beside the model's place, and in it once it is whole."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from relhop.checkpoint import Description, partial_of, write_metrics
from relhop.errors import TrainingError
from relhop.resuming import LAST_CHECKPOINT
from relhop.training_result import Experiment, Judgement, Run, TrainingResult

log = logging.getLogger(__name__)

STUDY = "study.db"
"""In the folder of a search: the SQLite file of its Optuna study."""


@contextmanager
def under_way(final: Path, described: Description, *, resume: bool) -> Iterator[Path]:
    """The folder of a run under way, with the description of its model in it; no other run takes it before
    the block ends.

    Args:
        final: Where the model will be.
        described: The model.
        resume: Whether to go on with a run that was interrupted.

    Raises:
        TrainingError: If something else is in the place, another run is under way there, or the interrupted
            run was another one.
    """
    folder = partial_of(final)
    if folder.is_dir():
        with _held(folder):
            pass  # Nothing of a run that goes on is discarded.
    _open(folder, final, described, resume=resume)
    with _held(folder):
        yield folder


def is_interrupted(folder: Path) -> bool:
    """Whether a run in that folder can be resumed."""
    return (folder / LAST_CHECKPOINT).is_file() or (folder / STUDY).is_file()


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    opened = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TrainingError(
                f"another training is under way in {folder}; wait for its end, or choose another out"
            ) from None
        except OSError:
            log.debug("the file system of %s has no locks", folder)
        yield
    finally:
        os.close(opened)


def _open(folder: Path, final: Path, described: Description, *, resume: bool) -> None:
    if final.is_file():
        raise TrainingError(f"{final} is a file, so no model is written there; choose another out")
    if final.is_dir() and any(final.iterdir()) and not (final / "task.json").is_file():
        raise TrainingError(
            f"{final} is not empty and holds no model, so no model is written there; choose another out"
        )
    if is_interrupted(folder) and resume:
        if not described.matches(folder):
            raise TrainingError(
                f"the interrupted run in {folder} has another plan ({folder / 'plan.yaml'}) or other data;"
                " resume it with these, or start anew with resume=False"
            )
        return
    if is_interrupted(folder):
        log.warning("the interrupted run in %s is discarded; resume=True would have gone on with it", folder)
    if (folder / "task.json").is_file():
        shutil.rmtree(folder)
    elif folder.exists():
        raise TrainingError(f"{folder} is no run under way, and would be in its place; move it away")
    # Whole from the start, so that what is killed here is told from another's folder.
    final.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=final.parent, prefix=f".{final.name}-") as new:
        (Path(new) / folder.name).mkdir()
        described.write(Path(new) / folder.name)
        (Path(new) / folder.name).rename(folder)


def publish(
    run: Run, final: Path, judged: Mapping[str, Judgement], experiments: Sequence[Experiment] = ()
) -> TrainingResult:
    """Makes the folder of a run the model's.

    Args:
        run: A training that is over.
        final: Where the model will be; an older one there is replaced.
        judged: How good it is, by split.
        experiments: What a search tried.
    """
    result = TrainingResult(
        final,
        run.metric,
        {split: judgement.metrics for split, judgement in judged.items()},
        {split: judgement.baselines for split, judgement in judged.items()},
        run.history,
        run.notes,
        list(experiments),
    )
    written = {name: value for name, value in asdict(result).items() if name != "path"}
    write_metrics(run.folder, written)
    discard_checkpoints(run.folder)
    _replace_folder(run.folder, final)
    return result


def discard_checkpoints(folder: Path) -> None:
    """Takes what a run could be resumed from out of its folder."""
    checkpoints = (folder / LAST_CHECKPOINT).parent
    if checkpoints.exists():
        shutil.rmtree(checkpoints)


def _replace_folder(new: Path, final: Path) -> None:
    """Puts a whole folder in the place of an older one, which is lost only then."""
    if not final.exists():
        new.rename(final)
        return
    with tempfile.TemporaryDirectory(dir=final.parent, prefix=f".{final.name}-") as old:
        final.rename(Path(old) / final.name)
        new.rename(final)
