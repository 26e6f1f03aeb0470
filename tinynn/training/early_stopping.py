"""Stop when more epochs no longer help, and restore the weights of the best epoch."""

from typing import Any

import numpy as np

from tinynn import checks
from tinynn.errors import InputError
from tinynn.origin import is_own
from tinynn.training.run import Callback, Run


class EarlyStopping(Callback):
    """Stop when a metric has not improved for some epochs, and restore the best epoch's weights.

    monitor: a column of the history, default "val_loss". Another callback may write the column, as
    `trainer.history.epochs[-1]["val_f1"] = ...` in on_epoch_end. The name tells whether the metric
    should fall (loss, error, mse, mae, rmse, perplexity) or rise (accuracy, precision, recall, f1,
    auc, r2, iou, score).
    patience: epochs without improvement after which training stops, 1 or more; default 3.

    When training ends after a whole epoch, for whatever reason, the model gets the weights and
    buffers of its best epoch. If it is stopped in mid-epoch, to be resumed, it keeps its last ones.
    Raises InputError if monitor is not a metric; at the start of training, if nothing can measure
    it; and after the first epoch, if nothing has. (Prechelt, Early Stopping - But When?, 1998.)

    >>> EarlyStopping(patience=2)
    EarlyStopping(monitor='val_loss', patience=2)
    """

    def __init__(self, monitor: str = "val_loss", patience: int = 3) -> None:
        checks.check_integer("patience", patience)
        self.monitor = checks.metric_name(monitor)
        self.patience = patience
        self._forget()

    def _forget(self) -> None:
        self.best = np.inf  # the lowest value so far; of a metric that should rise, its negative
        self.best_epoch = 0
        self.best_params: Any = None
        self.best_buffers: Any = None
        self.waited = 0

    def order(self, trainer: Run) -> int:
        return int(self.monitor not in trainer.columns)  # after the callback that writes the metric

    def on_train_begin(self, trainer: Run) -> None:
        if not trainer.resumed:  # the best epoch of an earlier training does not count
            self._forget()
        # a callback of the user's own may measure it
        others = any(is_own(type(callback)) for callback in trainer.callbacks)
        if self.monitor not in trainer.columns and not others:
            raise self._not_measured(trainer, trainer.columns)
        checks.should_rise(self.monitor)
        if self.waited >= self.patience:  # resumed after it had stopped
            trainer.stop = True

    def on_epoch_end(self, trainer: Run) -> None:
        row = trainer.history.epochs[-1]
        if self.monitor not in row:
            raise self._not_measured(trainer, list(row))
        value = checks.check_metric(self.monitor, row[self.monitor])
        value = -value if checks.should_rise(self.monitor) else value
        if value < self.best:
            self.best, self.best_epoch, self.waited = value, trainer.epoch, 0
            self.best_params = trainer.model.params.copy()
            self.best_buffers = trainer.model.buffers.copy()
        else:
            self.waited += 1
        if self.waited >= self.patience:
            trainer.stop = True

    def _not_measured(self, trainer: Run, measured: list[str]) -> InputError:
        lacks = self.monitor.startswith("val_") and trainer.validation is None
        hint = " Give fit validation_data=." if lacks else ""
        return InputError(
            f"EarlyStopping cannot watch {self.monitor!r}: this training measures "
            f"{', '.join(measured)}.{hint} A callback can write a metric of its own, in "
            f"on_epoch_end: trainer.history.epochs[-1][{self.monitor!r}] = ..."
        )

    def on_train_end(self, trainer: Run) -> None:
        if not trainer.totals.n_samples and self.best_params is not None:
            trainer.model.params = self.best_params
            trainer.model.buffers = self.best_buffers

    def state(self) -> dict[str, Any]:
        kept = {"best": self.best, "best_epoch": self.best_epoch, "waited": self.waited}
        if self.best_params is None:
            return kept
        return {**kept, "best_params": self.best_params, "best_buffers": self.best_buffers}

    def load_state(self, state: dict[str, Any]) -> None:
        best_params = state.get("best_params")
        empty = None if best_params is None else best_params[:0]
        best_buffers = state.get("best_buffers", empty)  # older versions had no buffers
        checks.check_integer("best_epoch", state["best_epoch"], least=0)
        checks.check_integer("waited", state["waited"], least=0)
        if not isinstance(state["best"], float) or not all(
            best_params is None or (isinstance(vector, np.ndarray) and np.isfinite(vector).all())
            for vector in (best_params, best_buffers)
        ):
            raise InputError("best must be a number, best_params and best_buffers finite arrays.")
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        self.waited = state["waited"]
        self.best_params, self.best_buffers = best_params, best_buffers

    def check(self, trainer: Run) -> None:
        model = trainer.model
        if self.best_params is not None and (
            self.best_params.shape != model.params.shape
            or self.best_buffers.shape != model.buffers.shape
        ):
            raise InputError(f"{self} has the best weights of another model.")
