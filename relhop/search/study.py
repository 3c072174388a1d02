"""What is tried next: an Optuna study in a SQLite file.

TPE (Bergstra et al. 2011, "Algorithms for hyper-parameter optimization") proposes; an experiment whose best
epoch so far is worse than the median of the others' at the same epoch is given up.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

import lightning.pytorch as pl
import numpy as np
import optuna
from lightning.pytorch.callbacks import Callback
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, Trial, TrialState

from relhop.metrics import SMALLER_IS_BETTER
from relhop.search.space import Space
from relhop.training_result import Experiment, Run

_SHARE_AT_RANDOM = 1 / 3
"""Of the experiments: proposed before TPE has something to learn from, and not given up."""

_SHARE_UNJUDGED = 1 / 3
"""Of the epochs: over before an experiment may be given up, for small learning rates begin slowly."""

_STATES: dict[TrialState, Literal["finished", "pruned", "failed"]] = {
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


class Study:
    """The experiments of a search, in a file from which it can be gone on with.

    What is proposed is a function of the plan's seed and of the experiments that are over.

    Args:
        space: What there is to try.
        path: The SQLite file; what is found there is gone on from.
        metric: The validation metric.
    """

    def __init__(self, space: Space, path: Path, metric: str) -> None:
        self.space, self.metric = space, metric
        self._random = max(2, math.ceil(_SHARE_AT_RANDOM * space.num_experiments))
        self._storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = optuna.create_study(
            storage=self._storage,
            study_name="search",
            direction="minimize" if metric in SMALLER_IS_BETTER else "maximize",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(
                n_startup_trials=self._random,
                n_warmup_steps=math.ceil(_SHARE_UNJUDGED * space.plan.optimization.max_epochs),
            ),
        )
        optuna.logging.set_verbosity(verbosity)
        for broken in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self._study.tell(broken.number, state=TrialState.FAIL)

    def close(self) -> None:
        """Lets go of the file."""
        self._storage.remove_session()
        self._storage.engine.dispose()

    @property
    def num_over(self) -> int:
        """How many experiments are over."""
        return len(self._over)

    @property
    def experiments(self) -> list[Experiment]:
        """Those that are over, in the order of trial."""
        return [self._experiment(number, trial) for number, trial in enumerate(self._over, 1)]

    @property
    def best(self) -> Experiment | None:
        """The finished one with the best metric, of equal ones the first; `None` if there is none."""
        finished = [found for found in self.experiments if found.state == "finished"]
        choose = min if self._is_minimized else max
        return choose(finished, key=lambda found: found.metric or 0.0, default=None)

    @property
    def latest_in_words(self) -> str:
        """How the last experiment went, and which one is the best."""
        latest, best = self.experiments[-1], self.best
        metric = "" if latest.metric is None else f", val {self.metric} {latest.metric:.4f}"
        why = "" if latest.error is None else f", {latest.error}"
        leader = "" if best is None else f"; the best is {best.number} with {best.metric:.4f}"
        return f"experiment {latest.number} {latest.state}{metric}{why} ({latest.seconds:.1f} s){leader}"

    def propose(self) -> Trial | None:
        """What to try next; `None` if enough was tried."""
        over = self._over
        if len(over) >= self.space.num_experiments:
            return None
        key = np.random.SeedSequence([self.space.plan.training_job.seed, len(over)])
        generator = np.random.default_rng(key)
        self._study.sampler = optuna.samplers.TPESampler(
            seed=int(key.generate_state(1)[0]), n_startup_trials=self._random, constant_liar=False
        )
        if not over:
            self._study.enqueue_trial(self.space.own)
        tried = [trial.params for trial in over]
        while True:
            trial = self._study.ask(
                {name: CategoricalDistribution(texts) for name, texts in self.space.choices.items()}
            )
            if trial.params not in tried:
                return trial
            self._study.tell(trial, state=TrialState.FAIL)
            untried = self.space.draw(generator)
            while untried in tried:
                untried = self.space.draw(generator)
            self._study.enqueue_trial(untried)

    def finish(self, trial: Trial, run: Run, seconds: float) -> None:
        """Notes how a training went."""
        key = f"val_{self.metric}"
        best = (min if self._is_minimized else max)(entry[key] for entry in run.history if key in entry)
        trial.set_user_attr("history", run.history)
        trial.set_user_attr("notes", run.notes)
        trial.set_user_attr("seconds", seconds)
        self._study.tell(trial, best)

    def give_up(self, trial: Trial, seconds: float) -> None:
        """Notes that a training fell behind the others."""
        trial.set_user_attr("seconds", seconds)
        self._study.tell(trial, state=TrialState.PRUNED)

    def fail(self, trial: Trial, seconds: float, error: Exception) -> None:
        """Notes that a training cannot be."""
        trial.set_user_attr("seconds", seconds)
        trial.set_user_attr("error", str(error))
        self._study.tell(trial, state=TrialState.FAIL)

    def choice_of(self, experiment: Experiment) -> dict[str, str]:
        """What an experiment tried, for `Space.plan_of`."""
        return dict(self._over[experiment.number - 1].params)

    def course_of(self, experiment: Experiment) -> tuple[list[dict[str, float]], list[str]]:
        """History and notes of a finished experiment."""
        attributes = self._over[experiment.number - 1].user_attrs
        return attributes["history"], attributes["notes"]

    @property
    def _is_minimized(self) -> bool:
        return self._study.direction == optuna.study.StudyDirection.MINIMIZE

    @property
    def _over(self) -> list[FrozenTrial]:
        """Trials that are over; of those that failed, what was broken off or known already is none."""
        trials = self._study.get_trials(deepcopy=False, states=tuple(_STATES))
        return [trial for trial in trials if trial.state != TrialState.FAIL or "error" in trial.user_attrs]

    def _experiment(self, number: int, trial: FrozenTrial) -> Experiment:
        values = trial.intermediate_values
        best = (min if self._is_minimized else max)(values.values(), default=None)
        return Experiment(
            number=number,
            settings=self.space.settings_of(trial.params),
            state=_STATES[trial.state],
            metric=best,
            epochs=max(values, default=0),
            best_epoch=next((epoch for epoch in sorted(values) if values[epoch] == best), 0),
            seconds=trial.user_attrs["seconds"],
            error=trial.user_attrs.get("error"),
        )


class Reporter(Callback):  # type: ignore[misc]
    """Tells a trial the validation metric of each epoch, also of those before an interruption.

    Raises:
        optuna.TrialPruned: In training, once the trial is behind the others.
    """

    def __init__(self, trial: Trial, metric: str) -> None:
        self._trial, self._metric = trial, metric
        self._values: dict[int, float] = {}

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Reports the epoch, counted from 1."""
        value = trainer.callback_metrics.get(f"val_{self._metric}")
        if value is None:
            return
        epoch = trainer.current_epoch + 1
        self._values[epoch] = float(value)
        self._trial.report(float(value), epoch)
        if self._trial.should_prune():
            raise optuna.TrialPruned

    def state_dict(self) -> dict[str, dict[int, float]]:
        """What a checkpoint keeps."""
        return {"values": self._values}

    def load_state_dict(self, state_dict: dict[str, dict[int, float]]) -> None:
        """Takes up from a checkpoint."""
        self._values = dict(state_dict["values"])
        for epoch, value in self._values.items():
            self._trial.report(value, epoch)
