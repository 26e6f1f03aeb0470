"""What happens around training without being part of it: a log, a bar, a checkpoint, an early end.

A callback is told of each event by a method of that name, and gets the Trainer, where it finds
`model, loss, optimizer, epoch, step, batch, batch_loss, history` and can set `stop`.
"""

import errno
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynn import checks
from tinynn.configuration import Configured
from tinynn.divergence import all_finite, diverged
from tinynn.npz import PathLike, refuse_no_place
from tinynn.resume import run_settings, training_state
from tinynn.storage import check_state, save_checkpoint

if TYPE_CHECKING:  # for the annotations alone: callbacks stand above the trainer
    from tinynn.trainer import Trainer


class Callback(Configured):
    """The contract: any of these events, by default ignored. ValueError for one of another name.

    One with a memory also has `state()` and `load_state()`, so that a resumed run remembers.

    >>> class ClipGradients(Callback):
    ...     def on_gradients(self, trainer):
    ...         np.clip(trainer.model.grads, -1, 1, out=trainer.model.grads)
    """

    observes = False  # whether it changes nothing in training: a resumed run may then do without

    def __init_subclass__(cls) -> None:
        """Refuse an event that does not exist: it would never come, and nobody would notice."""
        super().__init_subclass__()
        for name in vars(cls):
            if name.startswith("on_") and not hasattr(Callback, name):
                events = ", ".join(event for event in vars(Callback) if event.startswith("on_"))
                raise ValueError(
                    f"{cls.__name__}.{name} would never be called: there is no such event. There "
                    f"are {events}."
                )

    def on_train_begin(self, trainer: "Trainer") -> None:
        """Before the first step, after a checkpoint has been restored."""

    def on_epoch_begin(self, trainer: "Trainer") -> None:
        """Before an epoch's first step."""

    def on_gradients(self, trainer: "Trainer") -> None:
        """In each step, when `model.grads` are there and before the optimizer uses them."""

    def on_step_end(self, trainer: "Trainer") -> None:
        """After each step."""

    def on_epoch_end(self, trainer: "Trainer") -> None:
        """After each epoch, when its row is the last of `history.epochs`."""

    def on_train_end(self, trainer: "Trainer") -> None:
        """After the last step, unless an exception ended training."""

    def state(self) -> dict[str, Any]:
        """Return what to keep in a checkpoint: JSON types and arrays."""
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back what `state` returned."""

    def check(self, trainer: "Trainer") -> None:
        """Raise ValueError if what `load_state` has taken back does not fit this training."""


class CSVLogger(Callback):
    """Write one row an epoch to a CSV file, closed after each, so that others can follow it.

    path: a file that does not exist yet. Columns: epoch, loss, accuracy, val_loss, val_accuracy,
    learning_rate, seconds, as far as there are any. Raises FileExistsError rather than overwrite
    the log of another run; a resumed run goes on with its own.

    >>> CSVLogger("log.csv")
    CSVLogger(path='log.csv')
    """

    observes = True

    def __init__(self, path: PathLike) -> None:
        self.path = path

    def on_train_begin(self, trainer: "Trainer") -> None:
        refuse_no_place(self.path)
        path, rows = Path(self.path), trainer.history.epochs  # of earlier epochs, if there were any
        log = self._text(trainer, [dict(zip(trainer.columns, trainer.columns, strict=True)), *rows])
        found = path.read_bytes() if path.exists() else b""
        goes_on = trainer.resumed or rows or found == log  # a header alone is nobody's
        if path.exists() and not (goes_on and (found.startswith(log) or log.startswith(found))):
            raise FileExistsError(
                f"{path} exists already, from another run, and is not overwritten. "
                "Give CSVLogger another path, or move the file away."
            )
        if len(found) > len(log):  # rows of epochs that a resumed run trains again
            os.truncate(path, len(log))
        self._append(log[len(found) :])

    def on_epoch_end(self, trainer: "Trainer") -> None:
        self._append(self._text(trainer, trainer.history.epochs[-1:]))

    def _text(self, trainer: "Trainer", rows: list[dict[str, Any]]) -> bytes:
        import csv

        text = io.StringIO()
        writer = csv.DictWriter(text, trainer.columns, restval="", extrasaction="ignore")
        writer.writerows(rows)
        return text.getvalue().encode()

    def _append(self, rows: bytes) -> None:
        """Write whole rows or none."""
        with Path(self.path).open("ab", buffering=0) as file:
            before = file.tell()
            try:
                if file.write(rows) != len(rows):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError as error:
                os.truncate(self.path, before)
                raise OSError(
                    error.errno,
                    f"{error.strerror}: a row could not be written to {self.path}; those before "
                    "it are kept",
                ) from error


class ProgressBar(Callback):
    """Show a bar for each epoch: loss, accuracy, images per second, time left. By tqdm.

    Where standard error is not a terminal it stays silent.

    >>> ProgressBar()
    ProgressBar()
    """

    observes = True
    bar: Any = None  # of the epoch that is under way

    def on_epoch_begin(self, trainer: "Trainer") -> None:
        from tqdm import tqdm

        self.bar = tqdm(
            total=trainer.samples,
            initial=trainer.sums.samples,
            desc=f"epoch {trainer.epoch}/{trainer.epochs}",
            unit=" images",
            leave=False,
            disable=None,
            dynamic_ncols=True,
        )

    def on_step_end(self, trainer: "Trainer") -> None:
        self.bar.set_postfix(
            {name: f"{value:.4f}" for name, value in trainer.sums.means().items()}, refresh=False
        )
        self.bar.update(len(trainer.batch[0]))

    def on_epoch_end(self, trainer: "Trainer") -> None:
        self.bar.close()

    def on_train_end(self, trainer: "Trainer") -> None:
        if self.bar is not None:  # of an epoch that was stopped
            self.bar.close()


class EarlyStopping(Callback):
    """Stop when a figure has not improved for some epochs, and go back to the best weights.

    monitor: a column of the history; one named accuracy should rise, any other fall. patience: 3,
    the epochs to wait, 1 or more. At the end of training the model gets the weights of its best
    epoch (unless training was interrupted, to be resumed). Raises ValueError for a monitor that is
    no text, and at the start of training if nothing of that name is measured. (Prechelt, Early
    Stopping - But When?, 1998.)

    >>> EarlyStopping(patience=2)
    EarlyStopping(monitor='val_loss', patience=2)
    """

    def __init__(self, monitor: str = "val_loss", patience: int = 3) -> None:
        checks.count("patience", patience)
        if not isinstance(monitor, str):
            raise ValueError(
                f"monitor must be the name of a figure, such as 'val_loss', got {monitor!r}. "
                "For the epochs to wait, write patience=."
            )
        self.monitor = monitor
        self.patience = patience
        self._forget()

    def _forget(self) -> None:
        self.best = np.inf  # of the figure, with its sign turned if it should rise
        self.best_epoch = 0
        self.best_params: Any = None
        self.waited = 0

    def on_train_begin(self, trainer: "Trainer") -> None:
        if not trainer.resumed:  # what an earlier training left does not count
            self._forget()
        if self.monitor not in trainer.columns:
            lacks = self.monitor.startswith("val_") and trainer.validation is None
            hint = " Give fit validation_data=." if lacks else ""
            raise ValueError(
                f"EarlyStopping cannot watch {self.monitor!r}: this training measures "
                f"{', '.join(trainer.columns)}.{hint}"
            )
        if self.waited >= self.patience:  # resumed after it had stopped
            trainer.stop = True

    def on_epoch_end(self, trainer: "Trainer") -> None:
        value = trainer.history.epochs[-1][self.monitor]
        value = -value if "accuracy" in self.monitor else value
        if value < self.best:
            self.best, self.best_epoch, self.waited = value, trainer.epoch, 0
            self.best_params = trainer.model.params.copy()
        else:
            self.waited += 1
        if self.waited >= self.patience:
            trainer.stop = True

    def on_train_end(self, trainer: "Trainer") -> None:
        finished = self.waited >= self.patience or trainer.finished
        if finished and self.best_params is not None:
            trainer.model.params = self.best_params

    def state(self) -> dict[str, Any]:
        kept = {"best": self.best, "best_epoch": self.best_epoch, "waited": self.waited}
        return kept if self.best_params is None else {**kept, "best_params": self.best_params}

    def load_state(self, state: dict[str, Any]) -> None:
        best_params = state.get("best_params")
        checks.count("best_epoch", state["best_epoch"], least=0)
        checks.count("waited", state["waited"], least=0)
        if not isinstance(state["best"], float) or not (
            best_params is None
            or (isinstance(best_params, np.ndarray) and np.isfinite(best_params).all())
        ):
            raise ValueError("The best figure should be a number, the weights an array.")
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        self.waited, self.best_params = state["waited"], best_params

    def check(self, trainer: "Trainer") -> None:
        if self.best_params is not None and self.best_params.shape != trainer.model.params.shape:
            raise ValueError(f"EarlyStopping kept the weights of another model: {self}.")


class Checkpoint(Callback):
    """Keep all that an interrupted run needs to go on as if nothing had happened, in one file.

    path: replaced, atomically, at each checkpoint. every_epochs: 1. every_steps: None (only at the
    ends of epochs), or a number of steps. A run that is told to stop in mid-epoch writes one more.
    Go on with `Trainer.fit(..., resume_from=path)`. Raises ValueError for numbers under 1, OSError
    at the start of training if the folder is missing, or later if writing fails.

    >>> Checkpoint("run.npz", every_steps=500)
    Checkpoint(path='run.npz', every_epochs=1, every_steps=500)
    """

    observes = True

    def __init__(
        self, path: PathLike, every_epochs: int = 1, every_steps: int | None = None
    ) -> None:
        checks.count("every_epochs", every_epochs)
        if every_steps is not None:
            checks.count("every_steps", every_steps)
        self.path = path
        self.every_epochs = every_epochs
        self.every_steps = every_steps

    def on_train_begin(self, trainer: "Trainer") -> None:
        refuse_no_place(self.path)
        if Path(self.path).exists() and os.path.realpath(self.path) not in trainer.own_files:
            raise FileExistsError(
                f"{self.path} exists already, from another run, and is not overwritten. Go on with "
                "that run by resume_from=, give Checkpoint another path, or move the file away."
            )
        self.settings = trainer.settings or run_settings(trainer)
        check_state(training_state(trainer, self.settings))  # now, not after hours of training

    def on_step_end(self, trainer: "Trainer") -> None:
        if self.every_steps and trainer.step % self.every_steps == 0:
            self._save(trainer)

    def on_epoch_end(self, trainer: "Trainer") -> None:
        if trainer.epoch % self.every_epochs == 0 or trainer.stop or trainer.finished:
            self._save(trainer)

    def on_train_end(self, trainer: "Trainer") -> None:
        if trainer.sums.samples:  # stopped in the middle of an epoch
            self._save(trainer)

    def _save(self, trainer: "Trainer") -> None:
        now = f"epoch {trainer.epoch}, step {trainer.step}"
        if not all_finite(trainer):
            raise diverged(trainer)  # rather than replace a good checkpoint by this
        try:
            save_checkpoint(trainer.model, training_state(trainer, self.settings), self.path)
        except OSError as error:
            kept = f"kept is {trainer.checkpoint}" if trainer.checkpoint else "there is none yet"
            raise OSError(
                error.errno,
                f"{error.strerror}: the checkpoint of {now} could not be written to {self.path}; "
                f"{kept}",
            ) from error
        trainer.checkpoint = f"{self.path}, of {now}"
        trainer.own_files.add(os.path.realpath(self.path))
