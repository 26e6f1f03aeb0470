"""The baseline: what the best constant answer scores, which a network has to beat.

    classes: always answer their shares    numbers: always answer their mean

What this costs the loss itself tells, so that no loss needs a formula here. C classes.
"""

import copy
from dataclasses import dataclass, field

import numpy as np

from tinynn.losses import Loss
from tinynn.model import Sequential
from tinynn.parameters import Array

MOST = 10_000_000  # numbers of y that are looked at: more would take long, and tell the same


@dataclass(frozen=True)
class Baseline:
    """The best answer that is the same for all samples, as far as it is known.

    loss: what it costs; infinite where it is not known, or where all answers are equal, so that
    there is nothing to beat. answer: as the model would return it, for one sample: probabilities
    or scores (C,), or the mean of the targets. classes: C, or 0 where targets are numbers. stds: of
    these, the standard deviation of each number of a target. floor: the loss of answering the
    targets themselves, which is not 0 where these are soft. weight: the mean of the weights of all
    samples, 1 without; the loss is that of the weighted samples, and so are answer and stds.
    """

    loss: float = np.inf
    answer: Array | None = None
    classes: int = 0
    stds: Array = field(default_factory=lambda: np.empty(0))
    floor: float = 0.0
    weight: float = 1.0

    @property
    def std(self) -> float:
        """The standard deviation of targets that are numbers, around the mean of each."""
        return float(np.sqrt(np.mean(np.square(self.stds)))) if self.stds.size else np.nan

    @property
    def mean(self) -> float:
        """The mean of targets that are numbers; the root mean square of several means."""
        if self.answer is None or self.classes:
            return np.nan
        several = float(np.sqrt(np.mean(np.square(self.answer))))
        return several if self.answer.size > 1 else float(self.answer.sum())

    @property
    def unscaled(self) -> bool:
        """Whether targets are numbers much larger than those that a network starts out with.

        >>> Baseline(1.0, np.array([0.2]), 0, np.array([1.0])).unscaled
        False
        >>> Baseline(1e10, np.array([2e5]), 0, np.array([1e5])).unscaled
        True
        """
        far = 10 * max(self.std, 0.1) if self.std > 0 else 10  # if all are equal, biases get there
        return bool(self.std > 10 or (self.std >= 0 and abs(self.mean) > far))

    @property
    def scaling(self) -> str:
        """The line that scales such targets; it is longer where a column has a std of 0.

        >>> Baseline(1.0, np.zeros(2), 0, np.array([1.0, 0.0])).scaling
        'std = y.std(axis=0); y = (y - y.mean(axis=0)) / np.where(std, std, 1)'
        """
        if self.stds.all():
            return "(y - y.mean(axis=0)) / y.std(axis=0)"
        return "std = y.std(axis=0); y = (y - y.mean(axis=0)) / np.where(std, std, 1)"

    @property
    def narrow(self) -> bool:
        """Whether targets are numbers that differ less than what a network starts out with.

        Those of more than ten columns are images, mostly, of which that is usual, unless tiny.
        """
        return bool(0 < self.std < 0.25 and self.stds.size <= 10) or self.tiny

    @property
    def tiny(self) -> bool:
        """Whether targets are numbers far smaller than what a network starts out with."""
        return bool(np.hypot(self.std, self.mean) < 0.05)


def constant_baseline(
    model: Sequential, loss: Loss, y: Array, weights: Array | None = None
) -> Baseline:
    """Return the baseline on the targets y (N, ...), which suit the model and the loss.

    weights: of the samples (N,), if they have any.

    >>> from tinynn import Dense, MeanSquaredError
    >>> model = Sequential([Dense(1)], input_shape=(3,))
    >>> constant_baseline(model, MeanSquaredError(), np.array([[1.0], [3.0]])).loss  # the variance
    1.0
    """
    shape = model.output_shapes[-1]
    if not loss.classifies and (y.shape[1:] != shape or y.dtype.kind not in "biuf"):
        return Baseline()  # answers of another kind, of a loss of the user's own
    width = int(np.prod(shape, dtype=float))
    weight, counting = (1.0, 1.0) if weights is None else (float(weights.mean(dtype=float)), 1.0)
    if not weight:
        return Baseline()
    if weights is not None and not weights.all():  # a weight of 0: no part in the loss
        counting = np.count_nonzero(weights) / len(weights)
        y, weights = y[weights > 0], weights[weights > 0]
    step = -(-len(y) * width // MOST)
    few = y[::step]
    of_few = None if weights is None else weights[::step].astype(float)

    def mean_cost(answer: Array, each: bool = False) -> float:
        return counting * cost(loss, answer, few, of_few, each)

    if loss.classifies:
        if y.ndim == 1:
            shares = np.bincount(y, weights, shape[-1])
            shares = shares / (len(y) if weights is None else shares.sum())
        else:
            shares = _mean(few, of_few)
        probabilities = "probabilities" in (loss.takes, model.layers[-1].gives)
        answer = shares if probabilities else np.log(np.maximum(shares, 1e-30))  # (C,)
        known, floor = mean_cost(answer), 0.0
        if y.ndim > 1:
            own = few.astype(float)
            own = own if probabilities else np.log(np.maximum(own, 1e-30))
            least = mean_cost(own, each=True)
            floor = least if least < np.inf else 0.0
        nothing = known - floor < 1e-6 * known  # to beat: all rows are the same
        loss_known = np.inf if nothing else known
        return Baseline(loss_known, answer, shape[-1], floor=floor, weight=weight)
    apart = few - few[0].astype(float)  # small, where all lie far from 0; 0, where all are equal
    mean = _mean(apart, of_few)
    stds = np.sqrt(_mean(np.square(apart - mean), of_few))
    return Baseline(mean_cost(few[0] + mean), few[0] + mean, 0, stds, weight=weight)


def _mean(rows: Array, weights: Array | None) -> Array:
    """Return the mean of rows, each as often as its weight says."""
    mean: Array = (
        rows.mean(axis=0, dtype=float)
        if weights is None
        else np.average(rows, axis=0, weights=weights)
    )
    return mean


def cost(
    loss: Loss, answer: Array, y: Array, weights: Array | None = None, each: bool = False
) -> float:
    """Return the loss of one answer to all of y, or infinity where it cannot be beaten.

    weights: of the samples, if they have any. each: the answer holds one for each of y. A copy of
    the loss is asked: it may have a memory.
    """
    loss = copy.deepcopy(loss)
    rows = max(
        100_000 // max(answer[0].size if each else answer.size, 1), 1
    )  # in pieces: the answers are many numbers
    total, y_and_weights = 0.0, (y,) if weights is None else (y, weights)
    with np.errstate(all="ignore"):
        for start in range(0, len(y), rows):
            some = [array[start : start + rows] for array in y_and_weights]
            count = len(some[0])
            p = answer[start : start + rows] if each else np.repeat(answer[None], count, axis=0)
            try:
                total += loss.forward(p, *some) * count
            except Exception:  # a loss of the user's own may refuse what no model of theirs says
                return np.inf
    mean = float(total) / len(y)
    return mean if 0 < mean < np.inf else np.inf
