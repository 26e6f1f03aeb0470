"""Lower the learning rate when a metric no longer improves."""

from tinynn import checks
from tinynn.errors import InputError
from tinynn.training.monitor import Monitor
from tinynn.training.run import Run


class ReduceOnPlateau(Monitor):
    """Multiply the learning rate by a factor when a metric has not improved for some epochs.

        rate <- max(factor rate, least)     after `patience` epochs without improvement; then the
                                            epochs are counted anew

    monitor: a column of the history, default "val_loss". factor: above 0, below 1; default 0.5.
    patience: epochs without improvement, 1 or more; default 2. min_delta: only a change of more
    than this is an improvement, 0 or more; default 0. mode: "min" if the metric should fall, "max"
    if it should rise; default "auto", by its name, as for EarlyStopping. least: the rate does not
    fall below it, 0 or more; default 0.

    It sets `trainer.optimizer.learning_rate`, which checkpoints keep: a resumed run has the same
    bits. Use a larger patience for EarlyStopping beside it. Raises InputError outside of these; and
    when training begins, if the learning rate is a schedule, or if nothing measures the metric.
    (PyTorch's ReduceLROnPlateau, whose patience is smaller by 1, and Keras' callback.)

    >>> ReduceOnPlateau(factor=0.1).config()["factor"]
    0.1
    """

    @checks.short_traceback
    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.5,
        patience: int = 2,
        min_delta: float = 0.0,
        mode: str = "auto",
        least: float = 0.0,
    ) -> None:
        super().__init__(monitor, patience, min_delta, mode)
        self.factor = checks.decay_factor(factor)
        self.least = checks.least_rate(least)

    def on_train_begin(self, trainer: Run) -> None:
        if callable(trainer.optimizer.learning_rate):
            raise InputError(
                "ReduceOnPlateau sets the learning rate to numbers, but the optimizer has a "
                f"schedule, {trainer.optimizer.learning_rate!r:.100}. Give the optimizer a number "
                "to begin with, or leave ReduceOnPlateau out."
            )
        self.begin(trainer)

    def on_epoch_end(self, trainer: Run) -> None:
        rate = trainer.optimizer.learning_rate
        if self.improves(trainer) or self.waited < self.patience or callable(rate):
            return
        self.waited = 0
        trainer.optimizer.learning_rate = max(self.factor * rate, min(self.least, rate))
