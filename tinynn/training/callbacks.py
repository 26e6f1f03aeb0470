"""What happens around training without being part of it: a log, a bar, a checkpoint, an early end.

A callback is told of each event by a method of that name, and gets the Trainer, where it finds
`model, loss, optimizer, epoch, step, batch, batch_loss, history` and can set `stop`.
"""

import errno
import io
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tinynn import checks
from tinynn.errors import InputError
from tinynn.files.atomic import PathLike, refuse_no_place, whole_file
from tinynn.files.checkpoints import check_state, save_checkpoint
from tinynn.files.lost_state import refuse_lost_state, refuse_stateful
from tinynn.training.divergence import all_finite, diverged
from tinynn.training.resume import is_of_this_run, refuse_what_would_be_lost, training_state
from tinynn.training.run import Callback, Run


class CSVLogger(Callback):
    """Write one row an epoch to a CSV file, closed after each, so that others can follow it.

    path: a file that does not exist yet. Columns: epoch, loss, accuracy, val_loss, val_accuracy,
    learning_rate, seconds, as far as there are any, then what callbacks write into the rows of the
    history. Raises FileExistsError rather than overwrite the log of another run; a resumed run goes
    on with its own. A row that cannot be written, on a full disk for instance, is a warning: it
    comes with the next one that can.

    >>> CSVLogger("log.csv")
    CSVLogger(path='log.csv')
    """

    affects_training = False

    file = Path()  # where path led when training began: the program may change its folder
    columns: Sequence[str] = ()
    last_row = b""  # as it was written
    complete = True  # whether all rows so far are in the file

    def __init__(self, path: PathLike) -> None:
        self.path = path

    def on_train_begin(self, trainer: Run) -> None:
        refuse_no_place(self.path)
        self.file = Path(self.path).absolute()
        rows = trainer.history.epochs  # of earlier epochs, if there were any
        self.columns = self._columns(trainer, rows)
        self.last_row = self._text(rows[-1:])
        log = self._text(rows, header=True)
        found = self.file.read_bytes() if self.file.exists() else b""
        goes_on = trainer.resumed or rows or found == log  # a header alone is nobody's
        if self.file.exists() and not (goes_on and _of_one_run(found, log)):
            raise FileExistsError(
                f"{self.path} exists already, from another run, and is not overwritten. "
                "Give CSVLogger another path, or move the file away."
            )
        self._bring_to(log)

    def on_epoch_end(self, trainer: Run) -> None:
        rows = trainer.history.epochs
        row = self._text(rows[-1:])
        self._write(trainer, row if self.complete and not self._new_columns(trainer) else None)

    def on_epoch_begin(self, trainer: Run) -> None:
        self.on_train_end(trainer)

    def on_train_end(self, trainer: Run) -> None:
        changed = self._text(trainer.history.epochs[-1:]) != self.last_row
        if changed or self._new_columns(trainer) or not self.complete:
            self._write(trainer, None)  # what callbacks behind this one have added

    def _write(self, trainer: Run, row: bytes | None) -> None:
        """Append a row, or bring the file to hold all rows; what cannot be written comes later."""
        rows = trainer.history.epochs
        try:
            if row is not None:
                self._append(row)
            else:
                self.columns = self._columns(trainer, rows)
                self._bring_to(self._text(rows, header=True))
            self.complete = True
        except OSError as error:
            self.complete = False
            warnings.warn(
                f"{error.strerror}: a row could not be written to {self.path}; those before it are "
                "kept. Training goes on, and the row comes with the next one that can be written.",
                stacklevel=2,
            )
        self.last_row = self._text(rows[-1:])

    def _new_columns(self, trainer: Run) -> set[str]:
        return set(self._columns(trainer, trainer.history.epochs[-1:])) - set(self.columns)

    def _columns(self, trainer: Run, rows: list[dict[str, Any]]) -> list[str]:
        """Return the names of the figures: what training measures, then what callbacks add."""
        return list(dict.fromkeys([*trainer.columns, *(name for row in rows for name in row)]))

    def _text(self, rows: list[dict[str, Any]], header: bool = False) -> bytes:
        import csv

        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, restval="", extrasaction="ignore")
        if header:
            writer.writeheader()
        for row in rows:  # NumPy's numbers as those that come back from a checkpoint
            writer.writerow({name: checks.python_number(figure) for name, figure in row.items()})
        return text.getvalue().encode()

    def _bring_to(self, log: bytes) -> None:
        """Let the file hold this log, of which it may hold more, less, or fewer columns by now."""
        found = self.file.read_bytes() if self.file.exists() else b""
        if log.startswith(found):
            self._append(log[len(found) :])
        elif found.startswith(log):
            os.truncate(self.file, len(log))
        else:  # with other columns
            with whole_file(self.file) as file:
                file.write(log)

    def _append(self, rows: bytes) -> None:
        """Write whole rows or none."""
        with self.file.open("ab", buffering=0) as file:
            before = file.tell()
            try:
                if file.write(rows) != len(rows):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError:
                os.truncate(self.file, before)
                raise


def _of_one_run(found: bytes, log: bytes) -> bool:
    """Whether two logs are of one run: one may have more rows, more columns, or a torn last row."""
    pairs = zip(found.splitlines(), log.splitlines(), strict=False)
    return all(a.startswith(b) or b.startswith(a) for a, b in pairs)


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
            figures = {name: f"{value:.4f}" for name, value in trainer.totals.means().items()}
            with self._draws():
                self.bar.set_postfix(figures, refresh=False)
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


class EarlyStopping(Callback):
    """Stop when a figure has not improved for some epochs, and go back to the best weights.

    monitor: a column of the history, also one that another callback writes into its rows, as
    `trainer.history.epochs[-1]["val_f1"] = ...` in on_epoch_end. Its name tells whether it should
    fall (with loss or error in it, mse, mae or rmse) or rise (accuracy, precision, recall, f1, auc,
    r2, iou, score). patience: 3, the epochs to wait, 1 or more.

    When training ends with an epoch, by whomever it was stopped, the model gets the weights of its
    best epoch; one that is stopped in mid-epoch, to be resumed, keeps its last. Raises InputError
    for a monitor that is no figure of quality, at the start of training if nobody can measure it,
    and at the end of the first epoch if nobody has. (Prechelt, Early Stopping - But When?, 1998.)

    >>> EarlyStopping(patience=2)
    EarlyStopping(monitor='val_loss', patience=2)
    """

    def __init__(self, monitor: str = "val_loss", patience: int = 3) -> None:
        checks.check_integer("patience", patience)
        self.monitor = checks.monitored(monitor)
        self.patience = patience
        self._forget()

    def _forget(self) -> None:
        self.best = np.inf  # of the figure, with its sign turned if it should rise
        self.best_epoch = 0
        self.best_params: Any = None
        self.best_buffers: Any = None
        self.waited = 0

    def turn(self, trainer: Run) -> int:
        return int(self.monitor not in trainer.columns)  # after whoever writes the figure

    def on_train_begin(self, trainer: Run) -> None:
        if not trainer.resumed:  # what an earlier training left does not count
            self._forget()
        others = [
            one for one in trainer.callbacks if not type(one).__module__.startswith("tinynn.")
        ]
        if self.monitor not in trainer.columns and not others:
            raise self._not_measured(trainer, trainer.columns)
        checks.should_rise(self.monitor)
        if self.waited >= self.patience:  # resumed after it had stopped
            trainer.stop = True

    def on_epoch_end(self, trainer: Run) -> None:
        row = trainer.history.epochs[-1]
        if self.monitor not in row:
            raise self._not_measured(trainer, list(row))
        value = checks.figure(self.monitor, row[self.monitor])
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
            f"{', '.join(measured)}.{hint} A callback can write a figure of its own, in "
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
        none = None if best_params is None else best_params[:0]  # versions before knew no buffers
        best_buffers = state.get("best_buffers", none)
        checks.check_integer("best_epoch", state["best_epoch"], least=0)
        checks.check_integer("waited", state["waited"], least=0)
        if not isinstance(state["best"], float) or not all(
            best_params is None or (isinstance(vector, np.ndarray) and np.isfinite(vector).all())
            for vector in (best_params, best_buffers)
        ):
            raise InputError("The best figure should be a number, weights and buffers arrays.")
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        self.waited = state["waited"]
        self.best_params, self.best_buffers = best_params, best_buffers

    def check(self, trainer: Run) -> None:
        model = trainer.model
        if self.best_params is not None and (
            self.best_params.shape != model.params.shape
            or self.best_buffers.shape != model.buffers.shape
        ):
            raise InputError(f"EarlyStopping kept the weights of another model: {self}.")


class Checkpoint(Callback):
    """Keep all that an interrupted run needs to go on as if nothing had happened, in one file.

    path: replaced, atomically, at each checkpoint. every_epochs: 1. every_steps: None (only at the
    ends of epochs), or a number of steps. A run that is told to stop in mid-epoch writes one more.
    Go on with `Trainer.fit(..., resume_from=path)`.

    Raises InputError for numbers under 1; OSError at the start of training if the folder is
    missing, or later if writing fails; InputError, at the start or when it appears, for what could
    not be resumed: settings that change in mid-training, a callback's state that could not come
    back as it was, a schedule with a memory.

    >>> Checkpoint("run.npz", every_steps=500)
    Checkpoint(path='run.npz', every_epochs=1, every_steps=500)
    """

    affects_training = False
    file = Path()  # where path led when training began

    def __init__(
        self, path: PathLike, every_epochs: int = 1, every_steps: int | None = None
    ) -> None:
        checks.check_integer("every_epochs", every_epochs)
        if every_steps is not None:
            checks.check_integer("every_steps", every_steps)
        self.path = path
        self.every_epochs = every_epochs
        self.every_steps = every_steps

    def turn(self, trainer: Run) -> int:
        return 2  # it saves what the others did

    def on_train_begin(self, trainer: Run) -> None:
        refuse_no_place(self.path)
        self.file = Path(self.path).absolute()
        own = os.path.realpath(self.file) in trainer.own_files
        if self.file.exists() and not (
            own or (trainer.resumed and is_of_this_run(trainer, self.file))
        ):
            raise FileExistsError(
                f"{self.path} exists already, from another run, and is not overwritten. Go on with "
                "that run by resume_from=, give Checkpoint another path, or move the file away."
            )
        check_state(training_state(trainer))  # now, not after hours of training
        refuse_stateful(trainer.model, trainer.x)

    def on_step_end(self, trainer: Run) -> None:
        if trainer.schedule:
            trainer.schedule.refuse_other_answer(trainer.optimizer)
        if self.every_steps and trainer.step % self.every_steps == 0:
            self._save(trainer)

    def on_epoch_end(self, trainer: Run) -> None:
        if trainer.epoch % self.every_epochs == 0 or trainer.stop or trainer.finished:
            self._save(trainer)
        else:
            refuse_what_would_be_lost(trainer)  # now, and not when the next one is due

    def on_train_end(self, trainer: Run) -> None:
        if trainer.totals.n_samples:  # stopped in the middle of an epoch
            self._save(trainer)

    def _save(self, trainer: Run) -> None:
        now = f"epoch {trainer.epoch}, step {trainer.step}"
        if not all_finite(trainer):
            raise diverged(trainer)  # rather than replace a good checkpoint by this
        refuse_lost_state(trainer.model, trainer.batch[0])
        try:
            save_checkpoint(trainer.model, training_state(trainer), self.file)
        except OSError as error:
            kept = f"kept is {trainer.checkpoint}" if trainer.checkpoint else "there is none yet"
            raise OSError(
                error.errno,
                f"{error.strerror}: the checkpoint of {now} could not be written to {self.path}; "
                f"{kept}",
            ) from error
        trainer.checkpoint = f"{self.path}, of {now}"
        trainer.own_files.add(os.path.realpath(self.file))
