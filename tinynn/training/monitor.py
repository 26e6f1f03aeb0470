"""What callbacks share that act when a metric of the history no longer improves."""

from typing import Any

import numpy as np

from tinynn import checks
from tinynn.errors import InputError
from tinynn.origin import is_own
from tinynn.training.function_callback import FunctionCallback
from tinynn.training.run import Callback, Run


class Monitor(Callback):
    """The base of a callback that counts the epochs since a metric was at its best.

    An improvement is a value that is better than the best one by more than min_delta; only then is
    it the new best one. A subclass calls `begin` in on_train_begin and `improves` in on_epoch_end;
    `best` and `waited` are part of its state.
    """

    best = np.inf  # the lowest value so far; of a metric that should rise, its negative
    waited = 0  # epochs since then

    def __init__(self, monitor: str, patience: int, min_delta: float, mode: str) -> None:
        checks.check_integer("patience", patience)
        self.monitor = checks.metric_name(monitor)
        self.patience = patience
        self.min_delta = checks.least_change(min_delta)
        self.mode = checks.mode_name(mode)

    def order(self, trainer: Run) -> int:
        return int(self.monitor not in trainer.columns)  # after the callback that writes the metric

    def begin(self, trainer: Run) -> None:
        """Forget an earlier training. Raise InputError if nothing can measure the metric."""
        if not trainer.resumed:
            self.best, self.waited = np.inf, 0
        # a callback of the user's own may measure it
        others = any(
            is_own(type(callback)) or isinstance(callback, FunctionCallback)
            for callback in trainer.callbacks
        )
        if self.monitor not in trainer.columns and not others:
            raise self._not_measured(trainer, trainer.columns)
        checks.should_rise(self.monitor, self.mode)

    def improves(self, trainer: Run) -> bool:
        """Whether the epoch's metric is an improvement. If not, one more epoch has been waited."""
        row = trainer.history.epochs[-1]
        if self.monitor not in row:
            raise self._not_measured(trainer, list(row))
        value = checks.check_metric(self.monitor, row[self.monitor])
        value = -value if checks.should_rise(self.monitor, self.mode) else value
        better = value < self.best - self.min_delta
        self.best, self.waited = (value, 0) if better else (self.best, self.waited + 1)
        return better

    def _not_measured(self, trainer: Run, measured: list[str]) -> InputError:
        lacks = self.monitor.startswith("val_") and trainer.validation is None
        hint = " Give fit validation_data=." if lacks else ""
        return InputError(
            f"{type(self).__name__} cannot watch {self.monitor!r}: this training measures "
            f"{', '.join(measured)}.{hint} A callback can write a metric of its own, in "
            f"on_epoch_end: trainer.history.epochs[-1][{self.monitor!r}] = ..."
        )

    def state(self) -> dict[str, Any]:
        return {"best": self.best, "waited": self.waited}

    def load_state(self, state: dict[str, Any]) -> None:
        checks.check_integer("waited", state["waited"], least=0)
        if not isinstance(state["best"], float):
            raise InputError(f"best must be a number, got {state['best']!r:.100}.")
        self.best, self.waited = state["best"], state["waited"]
