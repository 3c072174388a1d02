"""Where the time of an epoch goes."""

from __future__ import annotations

import pytest
import torch

from relhop import timing
from relhop.timing import Timing, described


class Loader:
    """Two batches, for each of which the clock goes on by 3; its threads are at work all the while."""

    def __init__(self, clock):
        self.clock = clock

    def __len__(self):
        return 2

    def __iter__(self):
        for batch in range(2):
            self.clock.now += 3
            yield batch

    def seconds(self):
        return {"sampling": 2 * self.clock.now}


class Clock:
    now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(timing, "time", clock)
    return clock


def run_epoch(measured, clock, steps):
    for _, _ in zip(range(steps), measured, strict=False):
        clock.now += 10
        measured.on_before_backward(None, None, None)
        clock.now += 20
        measured.on_train_batch_end(None)


def validate(measured, clock):
    clock.now += 1
    measured.on_validation_start(None, None)
    clock.now += 5
    measured.on_validation_end(None, None)


def test_the_phases_of_an_epoch_add_up(clock):
    measured = Timing(torch.device("cpu"), Loader(clock))
    for _ in range(2):
        measured.on_train_epoch_start(None, None)
        run_epoch(measured, clock, 2)
        validate(measured, clock)
        assert measured.take() == {
            "seconds": 72,
            "seconds_loader": 6,
            "seconds_forward": 20,
            "seconds_backward": 40,
            "seconds_validation": 5,
            "seconds_sampling": 144,
        }


def test_an_epoch_that_was_interrupted_counts_what_it_took_before(clock):
    first = Timing(torch.device("cpu"), Loader(clock))
    first.on_train_epoch_start(None, None)
    run_epoch(first, clock, 1)
    kept = first.state_dict()
    clock.now += 1000
    second = Timing(torch.device("cpu"), Loader(clock))
    second.load_state_dict(kept)
    second.on_train_start(None, None)
    run_epoch(second, clock, 1)
    validate(second, clock)
    taken = second.take()
    assert taken["seconds_forward"] == 20
    assert taken["seconds_loader"] == 6
    assert taken["seconds"] == 72
    assert taken["seconds_sampling"] == 144


def test_shares_are_told_in_words():
    seconds = {"seconds": 4.1, "seconds_loader": 0.123, "seconds_forward": 1.64, "seconds_backward": 1.845}
    assert described(seconds) == "4.1 s: loader 3 %, forward 40 %, backward 45 %, validation 0 %"
