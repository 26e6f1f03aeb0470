"""Loss, accuracy and learning rate over steps: means of so many steps that a chart can show them.

RunPage notes them after each epoch (notes.py): {"steps": [[step, loss, accuracy, rate], ...]}.
"""

from math import isfinite
from typing import Any

from tinynn.training.run import Run

POINTS = 150  # of a whole run, about; a mean is over the steps of one of them
COLUMNS = ("step", "loss", "accuracy", "learning_rate")

LARGEST = 1e300  # number that a chart draws

Row = list[float | None]  # in the order of COLUMNS; None: not known


class StepMeans:
    """Collects the steps of a training. every: over how many steps a mean is taken."""

    def __init__(self, trainer: Run) -> None:
        per_epoch = -(-trainer.n_samples // trainer.batch_size)
        self.every = max(1, trainer.epochs * per_epoch // POINTS)
        self.rows: list[Row] = []  # means that are not noted yet; whoever notes them empties it
        self.losses: list[float] = []  # of the steps since the last mean
        self.correct, self.samples = 0.0, 0  # of these steps, as far as they are known
        self.before: tuple[int, float] | None = None  # totals after the step before

    def add(self, trainer: Run) -> None:
        """Add the step that has just ended."""
        totals, size = trainer.totals, len(trainer.batch[0])
        self.losses.append(float(trainer.batch_loss))
        if totals.n_correct is not None:
            if totals.n_samples == size:  # the first step of an epoch
                self.before = 0, 0.0
            if self.before is not None:  # None: a run that was resumed within an epoch
                self.samples += totals.n_samples - self.before[0]
                self.correct += totals.n_correct - self.before[1]
            self.before = totals.n_samples, totals.n_correct
        if len(self.losses) == self.every:
            self._take(trainer)

    def _take(self, trainer: Run) -> None:
        """Make one mean of the steps since the last one."""
        loss = sum(self.losses) / len(self.losses)
        rate = float(trainer.optimizer.rate(trainer.optimizer.t))
        self.rows.append([
            trainer.step,
            loss if isfinite(loss) else None,
            self.correct / self.samples if self.samples else None,
            rate if isfinite(rate) else None,
        ])  # fmt: skip
        self.losses, self.correct, self.samples = [], 0.0, 0


def noted_steps(lines: list[dict[str, Any]]) -> dict[str, list[float]]:
    """Return the columns of all means in the notes of a run, NaN where a number is not known.

    A run that was resumed did some steps twice: the later ones count.
    """
    rows: list[list[float]] = []
    for line in lines:
        found = line.get("steps")
        noted = [row for row in map(_row, found if isinstance(found, list) else []) if row]
        if noted:
            rows = [row for row in rows if row[0] < noted[0][0]] + noted
    return {name: [row[i] for row in rows] for i, name in enumerate(COLUMNS)}


def _row(found: Any) -> list[float]:
    """Return one mean, or nothing for what is none."""
    if not isinstance(found, list) or len(found) != len(COLUMNS):
        return []
    nan = float("nan")
    row = [float(v) if type(v) in (int, float) and abs(v) <= LARGEST else nan for v in found]
    return row if isfinite(row[0]) else []
