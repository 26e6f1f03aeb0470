"""Validate, and in the end keep, the mean of the weights of the latest steps."""

from typing import Any

import numpy as np

from tinynn import checks
from tinynn.errors import InputError
from tinynn.parameters import Array
from tinynn.threads import in_two_threads, on_a_cache_line
from tinynn.training.early_stopping import EarlyStopping
from tinynn.training.run import Callback, Run


class ExponentialMovingAverage(Callback):
    """Average the weights over the steps: they jump around a minimum, and the mean is nearer to it.

        A <- decay A + (1 - decay) w         after each step, from A = 0
        average = A / (1 - decay^t)          the weights in A add up to 1 - decay^t

    w: all parameters and buffers; t: the steps so far, counted from 1. The division leaves nothing
    of the start: after step 1 the average is w. Kept is the average itself, by the same equation in
    the form average <- average + rate (w - average), rate = (1 - decay) / (1 - decay^t), which does
    not move at all where w does not: frozen layers keep their bits.

    decay: at least 0, below 1; default 0.999: about the latest 1,000 steps count.

    Validation scores the average, and EarlyStopping keeps that of its best epoch, whichever of the
    two comes first in the list. Training itself goes on with the model's own weights, which the
    model has at all other events; a checkpoint holds both. When training ends after a whole epoch,
    the model gets the average. If it is stopped in mid-epoch, to be resumed, it keeps its own
    weights. A second fit begins with the weights that the model has then, and a new average.

    Raises InputError for another decay; and at the start of training, if EarlyStopping takes part
    and there are no validation data that the average could be scored on. (Polyak and Juditsky,
    Acceleration of Stochastic Approximation by Averaging, 1992; in this form Kingma and Ba, Adam: A
    Method for Stochastic Optimization, 2015, section 7.2.)

    >>> ExponentialMovingAverage(0.99)
    ExponentialMovingAverage(decay=0.99)
    """

    steps = 0
    average: tuple[Array, Array] | None = None  # params, buffers; None before the first step
    _own: tuple[Array, Array] | None = None  # the model's own weights while validation runs

    @checks.short_traceback
    def __init__(self, decay: float = 0.999) -> None:
        self.decay = checks.check_unit_interval("decay", decay)

    def order(self, trainer: Run) -> int:
        return -1  # the others find the average in the model, once validation has begun

    def on_train_begin(self, trainer: Run) -> None:
        stops = any(isinstance(callback, EarlyStopping) for callback in trainer.callbacks)
        if stops and trainer.validation is None:
            raise InputError(
                "ExponentialMovingAverage and EarlyStopping together need validation data: without "
                "them nothing is measured of the average, and EarlyStopping would restore weights "
                "that are not averaged. Write fit(..., validation_data=(x_val, y_val))."
            )
        if not trainer.resumed:
            self.steps, self.average = 0, None

    def on_step_end(self, trainer: Run) -> None:
        own = trainer.model.params, trainer.model.buffers
        self.steps += 1
        if self.average is None:
            self.average = on_a_cache_line(own[0]), on_a_cache_line(own[1])
            return
        rate = (1 - self.decay) / (1 - self.decay**self.steps)

        def approach(average: Array, w: Array, scratch: Array) -> None:
            np.subtract(w, average, out=scratch)
            scratch *= rate
            average += scratch

        for average, w in zip(self.average, own, strict=True):
            in_two_threads(approach, average, w)

    def on_validation_begin(self, trainer: Run) -> None:
        model = trainer.model
        if self.average is not None:
            self._own = model.params.copy(), model.buffers.copy()
            model.params, model.buffers = self.average

    def on_validation_end(self, trainer: Run) -> None:
        if self._own is not None:
            trainer.model.params, trainer.model.buffers = self._own
            self._own = None

    def on_train_end(self, trainer: Run) -> None:
        if not trainer.totals.n_samples and self.average is not None:
            trainer.model.params, trainer.model.buffers = self.average

    def state(self) -> dict[str, Any]:
        if self.average is None:
            return {"steps": self.steps}
        return {"steps": self.steps, "params": self.average[0], "buffers": self.average[1]}

    def load_state(self, state: dict[str, Any]) -> None:
        steps = checks.check_integer("steps", state["steps"], least=0)
        average = (state["params"], state["buffers"]) if steps else None
        for vector in average or ():
            if not isinstance(vector, np.ndarray) or not np.isfinite(vector).all():
                raise InputError("params and buffers must be arrays of finite numbers.")
        self.steps = steps
        self.average = average and (on_a_cache_line(average[0]), on_a_cache_line(average[1]))

    def check(self, trainer: Run) -> None:
        model = trainer.model
        for average, own in zip(self.average or (), (model.params, model.buffers), strict=False):
            if (average.shape, average.dtype) != (own.shape, own.dtype):
                raise InputError(f"{self} has the average of another model.")
