"""A bar that shows how far an epoch has come, and how well it goes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tinynn.training.run import Callback, Run


class ProgressBar(Callback):
    """Show a bar for each epoch: loss, accuracy, images per second, time left. By tqdm.

    Where standard error is neither a terminal nor a notebook it stays silent. A bar that cannot be
    drawn, as when the terminal is gone, is left out; training goes on.

    >>> ProgressBar()
    ProgressBar()
    """

    affects_training = False
    bar: Any = None  # of the epoch that is under way
    works = True

    def on_train_begin(self, trainer: Run) -> None:
        self.works = True
        if trainer.totals.n_samples:  # resumed in an epoch that has begun before
            self.on_epoch_begin(trainer)

    def on_epoch_begin(self, trainer: Run) -> None:
        from tqdm import tqdm

        with self._draws():
            self.bar = tqdm(
                total=trainer.n_samples,
                initial=trainer.totals.n_samples,
                desc=f"epoch {trainer.epoch}/{trainer.epochs}",
                unit=" images",
                leave=False,
                disable=None,
                dynamic_ncols=True,
            )

    def on_step_end(self, trainer: Run) -> None:
        if self.works:
            metrics = {name: f"{value:.4f}" for name, value in trainer.totals.means().items()}
            with self._draws():
                self.bar.set_postfix(metrics, refresh=False)
                self.bar.update(len(trainer.batch[0]))

    def on_epoch_end(self, trainer: Run) -> None:
        self.on_train_end(trainer)

    def on_train_end(self, trainer: Run) -> None:
        if self.bar is not None:  # there is one where training stopped in mid-epoch, too
            with self._draws():
                self.bar.close()

    @contextmanager
    def _draws(self) -> Iterator[None]:
        """Let no bar cost a training: where it cannot be drawn, it ends, and training goes on."""
        try:
            yield
        except (OSError, ValueError):  # the terminal is gone, or closed
            self.works = False
