"""A log as a CSV file, a row for each epoch: whole after a kill, a full disk and a resumed run.

And read again, also after an editor or a spreadsheet has saved it.
"""

import errno
import io
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tinynn import checks
from tinynn.errors import InputError
from tinynn.files import locks
from tinynn.files.atomic import PathLike, refuse_no_file, refuse_no_place, whole_file
from tinynn.files.earlier import check_if_exists, make_way
from tinynn.files.kinds import LENGTH, kind_of
from tinynn.training.run import Callback, Run

DRAWN = (
    "epoch",
    "loss",
    "accuracy",
    "val_loss",
    "val_accuracy",
)  # of the columns


class CSVLogger(Callback):
    """Write one row an epoch to a CSV file, closed after each, so that others can follow it.

    path: a file that does not exist yet, or that of the run which this one goes on with. if_exists:
    what to do with another run's file there: "error", the default, raises FileExistsError;
    "replace" overwrites it; "backup" renames it, log.csv to log.1.csv.

    Columns: epoch, loss, accuracy, val_loss, val_accuracy, learning_rate, seconds, as far as there
    are any, then what callbacks write into the rows of the history. A row that cannot be written is
    a warning: it comes with the next one that can. (The disk is full, or a spreadsheet holds the
    file for longer than locks.PATIENCE_SECONDS.) If another program deletes the file, or saves it
    otherwise, all rows are written anew, and the other version is kept beside it, as
    log.changed.csv.

    >>> CSVLogger("log.csv")
    CSVLogger(path='log.csv', if_exists='error')
    """

    affects_training = False

    file = Path()  # where path led when training began: the program may change its folder
    columns: Sequence[str] = ()
    last_row = b""  # as it was written
    size = 0  # of the file, as it was left
    missing = 0  # the first epoch whose row could not be written; 0: there is none

    def __init__(self, path: PathLike, if_exists: str = "error") -> None:
        self.path = path
        self.if_exists = check_if_exists(if_exists)

    def on_train_begin(self, trainer: Run) -> None:
        refuse_no_place(self.path)
        self.file = Path(self.path).absolute()
        rows = trainer.history.epochs  # of earlier epochs, if there were any
        self.columns = self._columns(trainer, rows)
        self.last_row = self._text(rows[-1:])
        log = self._text(rows, header=True)
        found = b""
        if self.file.exists():
            found = locks.patiently(self.file.read_bytes, self.file)
        goes_on = trainer.resumed or rows or found == log  # a header alone is nobody's
        if self.file.exists() and not (goes_on and _of_one_run(found, log)):
            make_way(self.path, self.if_exists, "CSVLogger")
        locks.patiently(lambda: self._bring_to(log), self.file)

    def on_epoch_end(self, trainer: Run) -> None:
        rows = trainer.history.epochs
        row = self._text(rows[-1:])
        appended = not self.missing and not self._new_columns(trainer) and self._as_it_was_left()
        self._write(trainer, row if appended else None)

    def on_epoch_begin(self, trainer: Run) -> None:
        self._complete(trainer)

    def on_train_end(self, trainer: Run) -> None:
        self._complete(trainer, last=True)
        if self.missing:
            warnings.warn(
                f"{self.path} lacks the rows from epoch {self.missing} on, which could not be "
                "written to it. The History that fit returns has them.",
                stacklevel=2,
            )

    def _complete(self, trainer: Run, last: bool = False) -> None:
        """Write what is missing: a row that could not be written, or what callbacks have added."""
        changed = self._text(trainer.history.epochs[-1:]) != self.last_row
        if changed or self._new_columns(trainer) or self.missing:
            self._write(trainer, None, last)

    def _write(self, trainer: Run, row: bytes | None, last: bool = False) -> None:
        """Append a row, or bring the file to hold all rows; what cannot be written comes later.

        Waits for a program that holds the file: when it first does, and at the end of training.
        """
        rows = trainer.history.epochs
        seconds = 0.0 if self.missing and not last else None
        try:
            if row is not None:
                locks.patiently(lambda: self._append(row), self.file, seconds)
            else:
                self.columns = self._columns(trainer, rows)
                log = self._text(rows, header=True)
                locks.patiently(lambda: self._bring_to(log), self.file, seconds)
            self.missing = 0
        except OSError as error:
            if not self.missing:  # one warning, however long this lasts
                self.missing = rows[-1]["epoch"]
                warnings.warn(
                    f"{error.strerror}: a row could not be written to {self.path}; those before it "
                    f"are kept. Training goes on, and the rows from epoch {self.missing} on are "
                    "written as soon as that is possible.",
                    stacklevel=2,
                )
        self.last_row = self._text(rows[-1:])

    def _as_it_was_left(self) -> bool:
        """Whether no other program has deleted the file or written to it, as its size tells."""
        return self.file.exists() and self.file.stat().st_size == self.size

    def _new_columns(self, trainer: Run) -> set[str]:
        return set(self._columns(trainer, trainer.history.epochs[-1:])) - set(self.columns)

    def _columns(self, trainer: Run, rows: list[dict[str, Any]]) -> list[str]:
        """Return the names of the metrics: what training measures, then what callbacks add."""
        return list(dict.fromkeys([*trainer.columns, *(name for row in rows for name in row)]))

    def _text(self, rows: list[dict[str, Any]], header: bool = False) -> bytes:
        import csv

        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, restval="", extrasaction="ignore")
        if header:
            writer.writeheader()
        for row in rows:  # NumPy's numbers as those that come back from a checkpoint
            writer.writerow({name: checks.python_number(metric) for name, metric in row.items()})
        return text.getvalue().encode()

    def _bring_to(self, log: bytes) -> None:
        """Let the file hold this log, of which it may hold more, less, or fewer columns by now."""
        found = self.file.read_bytes() if self.file.exists() else b""
        if log.startswith(found):
            self._append(log[len(found) :])
        elif found.startswith(log):
            os.truncate(self.file, len(log))
        else:  # with other columns, or an editor or a spreadsheet has saved it
            if not _of_one_run(found, log):
                kept = self.file.with_name(f"{self.file.stem}.changed{self.file.suffix}")
                self.file.replace(kept)
                warnings.warn(
                    f"Another program has changed {self.path}: its version is kept as {kept.name}, "
                    "and all rows are written anew.",
                    stacklevel=2,
                )
            with whole_file(self.file) as file:
                file.write(log)
        self.size = len(log)

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
            self.size = before + len(rows)


def _of_one_run(found: bytes, log: bytes) -> bool:
    """Whether two logs are of one run: one may have more rows, more columns, or a torn last row."""
    pairs = zip(found.splitlines(), log.splitlines(), strict=False)
    return all(a.startswith(b) or b.startswith(a) for a, b in pairs)


def read_log(path: PathLike) -> list[dict[str, Any]]:
    """Return the rows of a CSVLogger's file, as texts; a half-written last row is left out.

    An editor or a spreadsheet may have saved it: with a byte order mark, other ends of lines, or
    semicolons or tabs between the cells, and then with decimal commas, which become points.
    Raises InputError if the file is not such a log, or if a metric in it is not a number.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "log.csv").write_text("epoch,loss\\n1,0.5\\n2,0.")
    ...     read_log(f"{folder}/log.csv")
    [{'epoch': '1', 'loss': '0.5'}]
    """
    import csv

    refuse_no_file(path)
    content = Path(path).read_bytes()
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = io.StringIO(content.decode(encoding), newline=None)
        lines = [line for line in text if line.endswith("\n")]
        separator = max(",;\t", key=lines[0].count) if lines else ","
        rows = list(csv.DictReader(lines, delimiter=separator, skipinitialspace=True))
        columns = set(rows[0] if rows else next(csv.reader(lines, delimiter=separator), ()))
    except (UnicodeDecodeError, csv.Error) as error:
        kind = kind_of(content[:LENGTH])
        raise InputError(f"{path} is not a log that CSVLogger wrote: {kind or error}.") from error
    if lines and not {"epoch", "loss"} <= columns:
        raise InputError(
            f"{path} is not a log that CSVLogger wrote: expected columns epoch, loss and others, "
            f"with commas between them, got {lines[0][:80]!r}."
        )
    for number, row in enumerate(rows, start=2):
        if None in row:  # where csv puts the cells that are too many
            raise InputError(
                f"{path}, line {number} has more cells than the first line, which names them."
            )
        for name in DRAWN:
            if separator != "," and row.get(name):
                row[name] = row[name].replace(",", ".")
            if not _is_number(row.get(name, "")):
                raise InputError(
                    f"{path}, line {number}: {name} should be a number, got "
                    f"{checks.shortened(row[name])}."
                )
    return rows


def _is_number(cell: str | None) -> bool:
    """Whether a cell holds a number, or is empty."""
    try:
        float(cell or "nan")
    except ValueError:
        return False
    return cell is not None
