"""Stop when more epochs no longer help, and restore the weights of the best epoch."""

from typing import Any

import numpy as np

from tinynn import checks
from tinynn.errors import InputError
from tinynn.training.monitor import Monitor
from tinynn.training.run import Run


class EarlyStopping(Monitor):
    """Stop when a metric has not improved for some epochs, and restore the best epoch's weights.

    monitor: a column of the history, default "val_loss". Another callback may write the column, as
    `trainer.history.epochs[-1]["val_f1"] = ...` in on_epoch_end.
    patience: epochs without improvement after which training stops, 1 or more; default 3.
    min_delta: only a change of more than this is an improvement, 0 or more; default 0. The best
    epoch is then the last one that improved on the best one before it by more than this.
    mode: "min" if the metric should fall, "max" if it should rise; default "auto", by its name: it
    should fall if it ends in loss, error, mse, mae, rmse or perplexity, and rise if it ends in
    accuracy, precision, recall, f1, auc, r2, iou or score.

    When training ends after a whole epoch, for whatever reason, the model gets the weights and
    buffers of its best epoch, those that validation saw. If it is stopped in mid-epoch, to be
    resumed, it keeps its last ones.
    Raises InputError if monitor is not a metric, or for another min_delta or mode; at the start of
    training, if nothing can measure the metric, or if its name does not tell whether it should
    rise; and after the first epoch, if nothing has measured it. (Prechelt, Early Stopping - But
    When?, 1998.)

    >>> EarlyStopping(patience=2)
    EarlyStopping(monitor='val_loss', patience=2, min_delta=0.0, mode='auto')
    """

    best_epoch = 0
    best_params: Any = None
    best_buffers: Any = None
    _scored: Any = None  # the weights and buffers that validation saw in this epoch

    @checks.short_traceback
    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 3,
        min_delta: float = 0.0,
        mode: str = "auto",
    ) -> None:
        super().__init__(monitor, patience, min_delta, mode)

    def on_train_begin(self, trainer: Run) -> None:
        if not trainer.resumed:  # the best epoch of an earlier training does not count
            self.best_epoch, self.best_params, self.best_buffers = 0, None, None
        self.begin(trainer)
        if self.waited >= self.patience:  # resumed after it had stopped
            trainer.stop = True

    def on_validation_end(self, trainer: Run) -> None:
        # now: a callback may have put an average in the place of the model's own weights
        self._scored = trainer.model.params.copy(), trainer.model.buffers.copy()

    def on_epoch_end(self, trainer: Run) -> None:
        if self.improves(trainer):
            self.best_epoch = trainer.epoch
            if trainer.validation is None:
                self._scored = trainer.model.params.copy(), trainer.model.buffers.copy()
            self.best_params, self.best_buffers = self._scored
        self._scored = None
        if self.waited >= self.patience:
            trainer.stop = True

    def on_train_end(self, trainer: Run) -> None:
        if not trainer.totals.n_samples and self.best_params is not None:
            trainer.model.params = self.best_params
            trainer.model.buffers = self.best_buffers

    def state(self) -> dict[str, Any]:
        kept = {**super().state(), "best_epoch": self.best_epoch}
        if self.best_params is None:
            return kept
        return {**kept, "best_params": self.best_params, "best_buffers": self.best_buffers}

    def load_state(self, state: dict[str, Any]) -> None:
        best_params = state.get("best_params")
        empty = None if best_params is None else best_params[:0]
        best_buffers = state.get("best_buffers", empty)  # older versions had no buffers
        checks.check_integer("best_epoch", state["best_epoch"], least=0)
        if not all(
            best_params is None or (isinstance(vector, np.ndarray) and np.isfinite(vector).all())
            for vector in (best_params, best_buffers)
        ):
            raise InputError("best_params and best_buffers must be finite arrays.")
        super().load_state(state)
        self.best_epoch = state["best_epoch"]
        self.best_params, self.best_buffers = best_params, best_buffers

    def check(self, trainer: Run) -> None:
        model = trainer.model
        if self.best_params is not None and (
            self.best_params.shape != model.params.shape
            or self.best_buffers.shape != model.buffers.shape
        ):
            raise InputError(f"{self} has the best weights of another model.")
