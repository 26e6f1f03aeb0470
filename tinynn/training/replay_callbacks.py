"""The callbacks by which a replay ends at a step, or goes on with a change (replay.py)."""

import copy
import sys
from collections.abc import Mapping
from typing import Any

from tinynn.errors import InputError
from tinynn.optimizers import Optimizer
from tinynn.schedules import Schedule
from tinynn.training.replayed import Course
from tinynn.training.run import Callback, Run

FIRST = -sys.maxsize  # a callback's order: before all others


class Arrived(Exception):
    """Ends a training that has come to the step asked for: no callback is told of an end."""


class Arrival(Callback):
    """Ends a training after a step; its own on_train_end comes first, and is the last."""

    affects_training = False  # a resume does not compare it

    def __init__(self, target: int) -> None:
        self.target = target

    def order(self, trainer: Run) -> int:
        return FIRST

    def on_train_begin(self, trainer: Run) -> None:
        _refuse_beyond("step", self.target, _last_step(trainer))
        if trainer.totals.n_samples < trainer.n_samples:  # else the end of an epoch is to come
            self.on_step_end(trainer)

    def on_step_end(self, trainer: Run) -> None:
        if trainer.step == self.target:
            trainer.stop = True

    def on_epoch_end(self, trainer: Run) -> None:
        self.on_step_end(trainer)

    def on_train_end(self, trainer: Run) -> None:
        if trainer.step != self.target:
            raise _ended_before("step", self.target, trainer)
        raise Arrived


class Watch(Callback):
    """Makes the changes of a what_if before the step after `from_step`, and keeps its course."""

    affects_training = False  # a resume does not compare it
    trainer: Run
    found: Mapping[str, Any]  # the hyper-parameters before the change

    def __init__(self, from_step: int, until: int | None, changes: Mapping[str, Any]) -> None:
        self.from_step, self.until, self.changes = from_step, until, changes
        self.course, self.last = Course(), 0

    def order(self, trainer: Run) -> int:
        return FIRST

    def on_train_begin(self, trainer: Run) -> None:
        self.trainer, self.last = trainer, _last_step(trainer)
        _refuse_beyond("the step after from_step", self.from_step + 1, self.last)
        _refuse_beyond("until", self.until or 0, self.last)
        self.course.first_step = trainer.step + 1
        self.course.model, self.course.optimizer = trainer.model, trainer.optimizer

    def on_gradients(self, trainer: Run) -> None:
        if trainer.step == self.from_step + 1:
            self._change(trainer.optimizer)

    def _change(self, optimizer: Optimizer) -> None:
        self.found = optimizer.config()
        for name, value in self.changes.items():
            setattr(optimizer, name, copy.deepcopy(value))
        rate = optimizer.learning_rate
        if "learning_rate" in self.changes and isinstance(rate, Schedule):
            rate.begin(optimizer.t + 1, optimizer.t + self.last - self.from_step)

    def on_step_end(self, trainer: Run) -> None:
        self.course.losses.append(float(trainer.batch_loss))
        if trainer.step == self.until:
            trainer.stop = True

    def on_epoch_end(self, trainer: Run) -> None:
        self.course.rows[trainer.step] = trainer.history.epochs[-1]

    def on_train_end(self, trainer: Run) -> None:
        if trainer.step <= self.from_step:
            raise _ended_before("from_step", self.from_step, trainer)


def _last_step(trainer: Run) -> int:
    """Return the number of the last step of a run that has just begun, or was restored."""
    sizes = trainer.n_samples, trainer.totals.n_samples
    per_epoch, done = (-(-size // trainer.batch_size) for size in sizes)
    epochs = trainer.epochs - trainer.epoch + bool(done)  # with the one that was interrupted
    return trainer.step + epochs * per_epoch - done


def _refuse_beyond(name: str, step: int, last: int) -> None:
    if step > last:
        raise InputError(f"{name} must be a step of the training, {last:,} at most, got {step:,}.")


def _ended_before(name: str, step: int, trainer: Run) -> InputError:
    return InputError(
        f"{name} is {step:,}, but the training ended with step {trainer.step:,}: a callback, such "
        "as EarlyStopping, stopped it there."
    )
