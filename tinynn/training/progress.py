"""A bar that shows how far an epoch has come, and how well it goes."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from tinynn.notebook import Output, in_notebook
from tinynn.training.run import Callback, Run


class ProgressBar(Callback):
    """Show a bar for each epoch: loss, accuracy, images per second, time left. By tqdm.

    A terminal shows one bar, which is gone at the end. A notebook keeps the last state of each, a
    line an epoch. Where there is neither, it stays silent. A bar that cannot be drawn, as when the
    terminal is gone, is left out; training goes on. So it is without tqdm, and a warning says so.

    >>> ProgressBar()
    ProgressBar()
    """

    affects_training = False
    bar: Any = None  # of the epoch that is under way
    cell: "Lines | None" = None  # where a notebook shows the bars of this training
    works = True

    def on_train_begin(self, trainer: Run) -> None:
        self.works = True
        self.cell = Lines() if in_notebook() else None
        if trainer.totals.n_samples:  # resumed in an epoch that has begun before
            self.on_epoch_begin(trainer)

    def on_epoch_begin(self, trainer: Run) -> None:
        if not self.works:
            return
        try:
            from tqdm import tqdm
        except ImportError as error:
            self.works = False
            warnings.warn(
                f"ProgressBar shows nothing: tqdm cannot be imported ({error}). Install it: pip "
                "install tqdm. PrintLog() needs nothing, and prints a line for each epoch.",
                stacklevel=2,
            )
            return
        with self._draws():
            self.bar = tqdm(
                total=trainer.n_samples,
                initial=trainer.totals.n_samples,
                desc=f"epoch {trainer.epoch}/{trainer.epochs}",
                unit=" images",
                file=self.cell,  # None: standard error
                position=None if self.cell is None else 0,
                leave=self.cell is not None,
                disable=None,
                dynamic_ncols=True,
            )

    def on_step_end(self, trainer: Run) -> None:
        if self.works:
            metrics = {name: f"{value:.4f}" for name, value in trainer.totals.means().items()}
            with self._draws():
                self.bar.set_postfix(metrics, refresh=False)
                self.bar.update(trainer.totals.n_samples - self.bar.n)

    def on_epoch_end(self, trainer: Run) -> None:
        if self.works:
            row = trainer.history.epochs[-1]  # with what was measured at the end of the epoch
            others = ("epoch", "learning_rate", "seconds")
            scores = [name for name in trainer.columns if name not in others]
            metrics = {name: f"{row[name]:.4f}" for name in scores}
            with self._draws():
                self.bar.set_postfix(metrics, refresh=False)
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
        except Exception:  # the terminal is gone or closed
            self.works = False


class Lines:
    """The file that tqdm writes to in a notebook: lines beneath the cell; the last one changes."""

    encoding = "utf-8"  # tqdm asks whether it may draw with blocks
    MOST = 20  # in one output, all of which is sent at each change

    def __init__(self) -> None:
        self.lines = [""]
        self.output = Output()

    def write(self, text: str) -> None:
        """Put a bar in the place of the last line; after "\\n" the next one has its own."""
        if text.strip():
            self.lines[-1] = text.strip()
            with suppress(Exception):  # the notebook's connection is lost: training goes on
                self.output.show({"text/plain": "\n".join(self.lines)})
        elif text == "\n" and len(self.lines) < self.MOST:
            self.lines.append("")
        elif text == "\n":
            self.lines, self.output = [""], Output()

    def flush(self) -> None:
        """Do nothing: all is shown when it is written."""
