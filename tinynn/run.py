"""What is known of a training: its history, epoch by epoch, and the sums of the epoch at hand.

Each can say whether a training could have come to what a file holds of it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from tinynn.metrics import classes_of
from tinynn.nested import are_numbers, is_count
from tinynn.parameters import Array

# what training writes into each row of the history; callbacks may add figures of their own
ALWAYS = {"loss", "learning_rate", "seconds"}
FIGURES = ALWAYS | {"accuracy", "val_loss", "val_accuracy"}


@dataclass
class History:
    """What training measured: `epochs`, one dictionary per epoch, with the columns of the CSV.

    epoch counts from 1; loss and accuracy are means over the epoch's training samples, each scored
    before the step that learned from it; val_ figures are measured at its end; seconds are the
    epoch's, validation included.

    >>> history = History([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}])
    >>> history["loss"]
    [0.5, 0.25]
    """

    epochs: list[dict[str, Any]] = field(default_factory=list)

    def __getitem__(self, column: str) -> list[Any]:
        """Return one column, an entry per epoch."""
        return [row[column] for row in self.epochs]

    def check(self, epochs: int) -> None:
        """Raise ValueError unless training has written these rows, of so many epochs."""
        for i, row in enumerate(self.epochs, start=1):
            if row["epoch"] != i or not is_count(row["epoch"]):
                raise ValueError("the history does not count its epochs from 1")
            if not row.keys() >= ALWAYS:
                raise ValueError(f"the history's row {i} has {', '.join(row)}")
            if not are_numbers(*(row[name] for name in row.keys() & FIGURES)):
                raise ValueError(f"the history's row {i} holds what is no finite number")
        if len(self.epochs) != epochs:
            raise ValueError(f"it has {len(self.epochs)} epochs' rows, not {epochs}")


@dataclass
class Sums:
    """What has been added up so far, batch by batch; dividing by samples gives the means."""

    loss: float = 0.0
    hits: int | None = None  # samples whose class was predicted right, where there are classes
    samples: int = 0
    seconds: float = 0.0

    def add(self, loss: float, p: Array, y: Array, classes: bool) -> None:
        """Add a batch: its mean loss, and, if these are classes, how many were right."""
        self.loss += loss * len(p)
        self.samples += len(p)
        if classes:
            right = np.count_nonzero(classes_of(p) == classes_of(y))
            self.hits = (self.hits or 0) + int(right)

    def means(self) -> dict[str, float]:
        """Return loss, and accuracy where there are classes."""
        means = {"loss": self.loss / self.samples}
        return means if self.hits is None else {**means, "accuracy": self.hits / self.samples}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Sums":
        """Return the sums of which `state` was made by asdict; a ValueError if it was not.

        >>> Sums.from_state({"loss": 0.5})
        Traceback (most recent call last):
            ...
        ValueError: the sums have loss
        """
        if state.keys() != asdict(cls()).keys():
            raise ValueError(f"the sums have {', '.join(state)}")
        return cls(**state)

    def check(self, samples: int, batch_size: int) -> None:
        """Raise ValueError unless an epoch of so many samples could have come to these sums.

        >>> Sums(loss=1.5, samples=2, seconds=0.1).check(samples=3, batch_size=2)
        >>> Sums(loss=1.5, samples=4, seconds=0.1).check(samples=3, batch_size=2)
        Traceback (most recent call last):
            ...
        ValueError: the sums are of 4 samples
        """
        if not is_count(self.samples, most=samples):
            raise ValueError(f"the sums are of {self.samples} samples")
        if not are_numbers(self.loss, self.seconds):
            raise ValueError(f"the sums are {asdict(self)}")
        if not self.samples and self != Sums():
            raise ValueError(f"the sums of no samples are {asdict(self)}")
        if self.hits is not None and not is_count(self.hits, most=self.samples):
            raise ValueError(f"of {self.samples} samples {self.hits} were right")
        if self.samples % batch_size and self.samples != samples:
            raise ValueError(f"{self.samples} samples are no whole number of batches")
