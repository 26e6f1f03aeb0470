"""What a training measures: the history, with a row for each epoch, and the epoch's running totals.

Both also check values that were read from a checkpoint.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from tinynn import checks
from tinynn.errors import InputError, escape_control
from tinynn.files.nested import are_numbers, is_count
from tinynn.losses import Loss
from tinynn.metrics import classes_of, on_right_side
from tinynn.parameters import Array
from tinynn.reports import Report

# metrics that training writes into each row of the history; callbacks may add others
ALWAYS = {"loss", "learning_rate", "seconds"}
FORMATS = {"learning_rate": ".4g", "seconds": ".1f"}  # other metrics have four decimals
MOST = 20  # rows of a table
METRICS = ALWAYS | {"accuracy", "val_loss", "val_accuracy"}


def metric_text(name: str, metric: Any) -> str:
    """Return a metric for people to read, in a table or a line.

    >>> metric_text("loss", 0.34567), metric_text("loss", 1.2345e-7), metric_text("epoch", 12)
    ('0.3457', '1.2e-07', '12')
    """
    number = checks.python_number(metric)
    if not isinstance(number, float):
        return escape_control(str(number))
    tiny_or_huge = number and not 1e-3 <= abs(number) < 1e6
    return format(number, FORMATS.get(name) or (".1e" if tiny_or_huge else ".4f"))


@dataclass(repr=False)
class History(Report):
    """What training measured: `epochs`, one dictionary (a row) per epoch.

    epoch: counted from 1. loss, accuracy: means over the epoch's training samples; each batch is
    scored before its own step. val_loss, val_accuracy: on the validation data, at the end of the
    epoch. learning_rate: that of the epoch's last step. seconds: the epoch took, with validation.
    CSVLogger writes the same columns. Shows as a table: of many epochs, the first and the last ten.

    >>> history = History([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}])
    >>> history["loss"]
    [0.5, 0.25]
    >>> history
    epoch    loss
        1  0.5000
        2  0.2500
    """

    epochs: list[dict[str, Any]] = field(default_factory=list)

    def __getitem__(self, column: str) -> list[Any]:
        """Return one column, an entry per epoch."""
        return [row[column] for row in self.epochs]

    def __getattr__(self, name: str) -> Any:
        """Raise AttributeError with a hint, for an attribute that does not exist."""
        return checks.absent(self, name)

    def __str__(self) -> str:
        if not self.epochs:
            return "No epoch has ended."
        names = list(dict.fromkeys(name for row in self.epochs for name in row))
        lines = [[escape_control(name) for name in names]]
        for row in self.epochs:
            lines.append([metric_text(name, row[name]) if name in row else "" for name in names])
        if len(self.epochs) > MOST:
            lines[1 + MOST // 2 : -MOST // 2] = [["..."] * len(names)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(f"{cell:>{width}}" for cell, width in zip(line, widths, strict=True))
            for line in lines
        )

    def check(self, epochs: int) -> None:
        """Raise InputError unless training could have written these rows, after so many epochs."""
        for i, row in enumerate(self.epochs, start=1):
            if row["epoch"] != i or not is_count(row["epoch"]):
                raise InputError("the rows of the history do not count their epochs from 1")
            if not row.keys() >= ALWAYS:
                raise InputError(f"row {i} of the history has only {', '.join(row)}")
            if not are_numbers(*(row[name] for name in row.keys() & METRICS)):
                raise InputError(f"row {i} of the history has a metric that is not finite")
        if len(self.epochs) != epochs:
            raise InputError(f"the history has {len(self.epochs)} rows, not {epochs}")


@dataclass
class RunningTotals:
    """Sums over the batches so far. Divided by n_samples, they give the means."""

    loss: float = 0.0  # the sum of the samples' losses
    # samples whose class was predicted right; of yes or no, each counts by its share of right
    # numbers; None if answers are neither
    n_correct: float | None = None
    n_samples: int = 0
    seconds: float = 0.0

    def add(self, value: float, p: Array, y: Array, loss: Loss) -> None:
        """Add a batch: its mean loss, and how many predictions were right if the loss tells."""
        self.loss += value * len(p)
        self.n_samples += len(p)
        if loss.classifies:
            right = np.count_nonzero(classes_of(p) == classes_of(y))
            self.n_correct = (self.n_correct or 0) + int(right)
        elif loss.boundary is not None:
            right = np.count_nonzero(on_right_side(p, y, loss.boundary))
            self.n_correct = (self.n_correct or 0.0) + int(right) * len(p) / p.size

    def means(self) -> dict[str, float]:
        """Return the mean loss and, for classes and yes or no, the accuracy."""
        means = {"loss": self.loss / self.n_samples}
        if self.n_correct is not None:
            means["accuracy"] = self.n_correct / self.n_samples
        return means

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "RunningTotals":
        """Return the totals from a dictionary that `asdict` made; InputError for any other.

        >>> RunningTotals.from_state({"loss": 0.5})
        Traceback (most recent call last):
            ...
        tinynn.errors.InputError: the totals have loss
        """
        if state.keys() != asdict(cls()).keys():
            raise InputError(f"the totals have {', '.join(state)}")
        return cls(**state)

    def check(self, samples: int, batch_size: int, whole: bool = True) -> None:
        """Raise InputError unless an epoch of so many samples could have come to these totals.

        whole: whether n_correct must be a whole number, as it is for classes.

        >>> RunningTotals(loss=1.5, n_samples=2, seconds=0.1).check(samples=3, batch_size=2)
        >>> RunningTotals(loss=1.5, n_samples=4, seconds=0.1).check(samples=3, batch_size=2)
        Traceback (most recent call last):
            ...
        tinynn.errors.InputError: the totals are of 4 samples, but an epoch has 3
        """
        if not is_count(self.n_samples, most=samples):
            raise InputError(
                f"the totals are of {self.n_samples} samples, but an epoch has {samples}"
            )
        if not are_numbers(self.loss, self.seconds):
            raise InputError(f"the totals are {asdict(self)}")
        if not self.n_samples and self != RunningTotals():
            raise InputError(f"the totals of 0 samples should be 0, but are {asdict(self)}")
        known = self.n_correct is None or is_count(self.n_correct, most=self.n_samples)
        share = not whole and are_numbers(self.n_correct)
        if not (known or (share and 0 <= (self.n_correct or 0) <= self.n_samples)):
            raise InputError(f"{self.n_correct} of {self.n_samples} predictions were right")
        if self.n_samples % batch_size and self.n_samples != samples:
            raise InputError(f"{self.n_samples} samples do not fill batches of {batch_size}")
