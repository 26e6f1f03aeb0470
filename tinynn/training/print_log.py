"""A line for each epoch, on a terminal, in a file or beneath a notebook's cell."""

import warnings

from tinynn.training.history import metric_text
from tinynn.training.run import Callback, Run


class PrintLog(Callback):
    """Print the metrics of each epoch, and its seconds, in a line on standard output.

    Where nobody can read it any more, on a full disk or a closed pipe, it warns once and is silent;
    training goes on.

    >>> PrintLog()
    PrintLog()
    """

    affects_training = False
    works = True

    def order(self, trainer: Run) -> int:
        return 1  # when the progress bar of the epoch is gone

    def on_train_begin(self, trainer: Run) -> None:
        self.works = True

    def on_epoch_end(self, trainer: Run) -> None:
        if not self.works:
            return
        row = trainer.history.epochs[-1]
        names = [name for name in row if name not in ("epoch", "learning_rate", "seconds")]
        metrics = "  ".join(f"{name} {metric_text(name, row[name])}" for name in names)
        epoch = f"epoch {trainer.epoch:>{len(str(trainer.epochs))}}/{trainer.epochs}"
        try:
            print(f"{epoch}  {metrics}  {metric_text('seconds', row['seconds'])} s", flush=True)
        except (OSError, ValueError) as error:  # nobody reads it, the disk is full, it is closed
            self.works = False
            warnings.warn(f"PrintLog prints no more: {error}. Training goes on.", stacklevel=2)
