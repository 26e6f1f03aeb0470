"""Replay: a training as it was at any step, and as it would have gone on with a change.

    checkpoint at or before the step -> fit(resume_from=...) on copies -> the step   at
                                        the same, with a change        -> two curves what_if

A resumed training has the same bits as one that never stopped (resume.py). So any step is found
again from a checkpoint before it, by the same loop and with the same refusals: of other data,
other settings, another model. All is done on copies; callbacks that only watch are left out, so
that no log and no checkpoint is written again.
"""

import copy
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.batches import minibatches
from tinynn.errors import InputError
from tinynn.files.atomic import PathLike
from tinynn.files.checkpoints import checkpoints_by_step
from tinynn.optimizers import Optimizer
from tinynn.parameters import Array
from tinynn.training.divergence import TrainingDiverged
from tinynn.training.progress import ProgressBar
from tinynn.training.replay_callbacks import Arrival, Arrived, Watch
from tinynn.training.replayed import Moment, WhatIf
from tinynn.training.run import Callback
from tinynn.training.trainer import Trainer

# what a Trainer knows of a fit's data and callbacks: the next fit sets it anew
OF_A_FIT = ("x", "y", "weights", "validation", "batch", "callbacks")


class Replay:
    """A training as it was at any step, and as it would have gone on with a change.

    trainer: a Trainer with the model, loss and optimizer that the training began with, made as for
    a resume; how it is now is copied, so it may train afterwards. x, y, epochs, batch_size,
    validation_data, callbacks, sample_weight: what `fit` was given; epochs is the total.
    checkpoints: the paths of the training's checkpoints, one or a list; "run-{step}.npz" stands
    for all files that Checkpoint("run-{step}.npz") wrote. Each step is found again from the nearest
    one at or before it. Default None: from the beginning, which is the trainer itself; it must not
    have trained yet.

    Every number has the same bits as in the training. Whatever resume refuses, or warns of, is
    refused here, with the same words: other data, settings or another model; another version of
    NumPy. Nothing of the caller's changes: model, optimizer, callbacks and files stay as they are.
    Callbacks with `affects_training = False` are left out, but for ProgressBar, which shows how far
    the replay is. One of your own without it runs again, as a copy: what it writes elsewhere, to a
    file or a list of yours, it writes again.

    Raises InputError if there is no checkpoint and the trainer has trained; OSError or
    ModelFormatError for a file that is missing or no checkpoint.

    >>> from tinynn import SGD, Dense, MeanSquaredError, Sequential
    >>> x = np.linspace(-1, 1, 40)[:, None]
    >>> trainer = Trainer(Sequential([Dense(1)], (1,)), MeanSquaredError(), SGD(0.1))
    >>> replay = Replay(trainer, x, 3 * x, epochs=4, batch_size=10)
    >>> _ = trainer.fit(x, 3 * x, epochs=4, batch_size=10)
    >>> replay.at(16).model.params.tobytes() == trainer.model.params.tobytes()
    True
    >>> replay.at(7)
    After step 7, in epoch 2: the loss of its 10 samples was 0.13...
    >>> print(replay.what_if(from_step=8, learning_rate=0.5))  # doctest: +ELLIPSIS
    From step 9 on:
                              as it was  changed
    learning_rate                   0.1      0.5
    loss of the last 8 steps    ...
    """

    @checks.short_traceback
    def __init__(
        self,
        trainer: Trainer,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        epochs: int,
        batch_size: int = 32,
        validation_data: tuple[npt.ArrayLike, ...] | None = None,
        callbacks: Iterable[Callback] = (),
        sample_weight: npt.ArrayLike | None = None,
        checkpoints: PathLike | Iterable[PathLike] | None = None,
    ) -> None:
        checks.instance(trainer, Trainer, "trainer")
        callbacks = checks.instances(callbacks, Callback, "callbacks")
        self.checkpoints: dict[int, Path | None] = {0: None}  # by the steps before each
        if checkpoints is not None:
            self.checkpoints = {**checkpoints_by_step(checkpoints)}
            if not self.checkpoints:
                raise InputError("checkpoints= holds no path; leave it out, or name files.")
        elif trainer.step or trainer.model.step or trainer.optimizer.t:
            steps = max(trainer.step, trainer.model.step, trainer.optimizer.t)
            raise InputError(
                f"Replay has no checkpoints, so it begins with the trainer as it is; but its model "
                f"or its optimizer has taken {steps:,} steps. Make model, optimizer and Trainer "
                'anew, as before the training; or train with Checkpoint("run-{step}.npz"), and '
                'write checkpoints="run-{step}.npz".'
            )
        self._shown = any(isinstance(callback, ProgressBar) for callback in callbacks)
        affecting = [callback for callback in callbacks if callback.affects_training]
        self._begun = _copies(trainer, affecting)
        self._arguments: dict[str, Any] = {
            "x": x, "y": y, "epochs": epochs, "batch_size": batch_size,
            "validation_data": validation_data, "sample_weight": sample_weight,
        }  # fmt: skip

    @checks.short_traceback
    def at(self, step: int) -> Moment:
        """Return the training as it was after a step, from 0, the beginning, to the last one.

        Step numbers are those of `trainer.step`, counted from 1 over all epochs. After the last
        step of an epoch, the epoch has ended: validation and callbacks have run, as when its
        checkpoint was written. `batch` is what the step has trained on, `next_batch` what the
        next one will. So explain_step(was.model, loss, was.optimizer, *was.next_batch), with
        was = replay.at(299), explains step 300.

        Raises InputError for a step that the training has not, or that comes before the first
        checkpoint; all that `fit(resume_from=)` raises; TrainingDiverged if it diverged before.
        """
        checks.check_integer("step", step, least=0)
        trainer, callbacks = self._run_from(step, Arrival(step))
        trainer.model.grads = np.zeros_like(trainer.model.grads)
        return Moment(
            step=trainer.step,
            epoch=trainer.epoch,
            model=trainer.model,
            optimizer=trainer.optimizer,
            batch=trainer.batch if trainer.step else (),
            loss=float(trainer.batch_loss),
            next_batch=_next_batch(trainer),
            history=trainer.history,
            callbacks=callbacks,
        )

    @checks.short_traceback
    def what_if(self, *, from_step: int, until: int | None = None, **changes: Any) -> WhatIf:
        """Run on after a step, as it was and with a change, and return both.

        from_step: the last step before the change, from 0. until: the last step; default None, the
        end of the training. changes: hyper-parameters of the optimizer, such as learning_rate= (a
        number or a schedule, which is told that the run begins there), momentum=, beta1=,
        weight_decay=. All else stays: the order of samples, the masks of Dropout, the callbacks.
        plots.what_if draws the result. A training that diverges is no error here: its Course says
        so.

        Raises InputError if nothing is changed, for a name that is not the optimizer's, and as
        `at` does.
        """
        checks.check_integer("from_step", from_step, least=0)
        if until is not None:
            checks.check_integer("until", until, least=from_step + 1)
        optimizer = self._begun[0].optimizer
        _check_changes(optimizer, changes)
        as_it_was, changed = (Watch(from_step, until, new) for new in ({}, changes))
        for watch in (as_it_was, changed):
            try:
                self._run_from(from_step, watch)
            except TrainingDiverged as error:
                if watch.trainer.step <= from_step:
                    raise
                watch.course.diverged = str(error)
        before = {name: as_it_was.found[name] for name in changes}
        return WhatIf(from_step, before, changes, as_it_was.course, changed.course)

    def _run_from(self, step: int, watch: Callback) -> tuple[Trainer, list[Callback]]:
        """Train copies from the nearest checkpoint on, with one more callback; return them."""
        known = [at for at in self.checkpoints if at <= step]
        if not known:
            first, path = min(self.checkpoints.items())
            raise InputError(
                f"There is no checkpoint at or before step {step:,}: the first is {path}, of step "
                f'{first:,}. Checkpoint("run-{{step}}.npz") keeps the beginning, too, as '
                "run-0.npz; without checkpoints=, Replay begins with a trainer that has not "
                "trained."
            )
        trainer, callbacks = _copies(*self._begun)
        start, bars = self.checkpoints[max(known)], [ProgressBar()] if self._shown else []
        try:
            together = [*callbacks, watch, *bars]
            trainer.fit(**self._arguments, callbacks=together, resume_from=start)
        except Arrived:
            for bar in bars:
                bar.on_train_end(trainer)
        return trainer, callbacks


def _copies(trainer: Trainer, callbacks: list[Callback]) -> tuple[Trainer, list[Callback]]:
    """Return copies that share nothing with the originals; of a fit's data they have none."""
    own = {name: value for name, value in vars(trainer).items() if name not in OF_A_FIT}
    twin = copy.copy(trainer)
    try:
        own, callbacks = copy.deepcopy((own, callbacks))  # together: an optimizer and its model
    except Exception as error:  # of any kind: of an object of the user's own
        raise InputError(
            f"The trainer or a callback cannot be copied: {error!r}. Replay works on copies, so "
            "that yours stay as they are. If a callback of yours only watches, write "
            "affects_training = False in its class: then it is left out."
        ) from error
    for name in OF_A_FIT:
        vars(twin).pop(name, None)
    vars(twin).update(own, weights=[], validation=None, callbacks=[])
    twin.batch = np.empty(0), np.empty(0)
    return twin, callbacks


def _check_changes(optimizer: Optimizer, changes: Mapping[str, Any]) -> None:
    """Raise InputError unless the changes are hyper-parameters of the optimizer, with right values.

    A trial on a copy finds wrong values, as setting them does.
    """
    kind, names = type(optimizer).__name__, [*optimizer.config()]
    if not changes:
        raise InputError(f"what_if needs a change, such as {names[0]}=..., one of {kind}'s.")
    trial = copy.copy(optimizer)
    for name, value in changes.items():
        if name not in names:
            raise InputError(
                f"what_if changes {', '.join(names)}, the hyper-parameters of {kind}; got {name}. "
                "With another change, such as of the batch size, the loss or the layers, it is "
                "another training: train it, and compare both with plots.learning_curves."
            )
        setattr(trial, name, value)


def _next_batch(trainer: Trainer) -> tuple[Array, ...]:
    if trainer.finished:
        return ()
    done, epoch = trainer.totals.n_samples // trainer.batch_size, trainer.epoch
    epoch += not done
    order = trainer.order_of(epoch)
    return next(
        minibatches(trainer.x, trainer.y, trainer.batch_size, order, done, *trainer.weights)
    )
