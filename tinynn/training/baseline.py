"""The baseline: the loss of the best constant prediction, which a network has to beat.

    classes: always predict each class's share    numbers: always predict the mean, for instance

The loss object says which constant is the best, and computes its loss, so no loss needs a formula
here. C classes.
"""

import copy
from dataclasses import dataclass, field

import numpy as np

from tinynn.functions import one_hot
from tinynn.losses import Loss
from tinynn.losses.shares import ClassShares, YesShares
from tinynn.model import Sequential
from tinynn.parameters import Array

MOST = 10_000_000  # numbers of y that are used; more would take long and change little


@dataclass(frozen=True)
class Baseline:
    """The best prediction that is the same for all samples, and its loss.

    loss: infinite if it is not known, or if all targets are equal and there is nothing to beat.
    answer: the constant prediction, as the model would return it for one sample: probabilities or
    logits (C,), or for instance the mean of the targets; None if it is not known. guess: its name.
    classes: C, or 0 if targets are numbers.
    means, stds: if targets are numbers, the mean and the standard deviation of each column of y;
    otherwise empty, as for targets that are yes or no (yes_or_no).
    floor: the loss if each prediction is the best for its target; above 0 if the targets are soft,
    or labels are smoothed.
    weight: the mean of the samples' weights, with those of their classes; 1 if they have none.
    Weights count in loss, answer, means and stds.
    """

    loss: float = np.inf
    answer: Array | None = None
    classes: int = 0
    stds: Array = field(default_factory=lambda: np.empty(0))
    floor: float = 0.0
    weight: float = 1.0
    guess: str = "the mean of y"
    means: Array = field(default_factory=lambda: np.empty(0))
    yes_or_no: bool = False

    @property
    def std(self) -> float:
        """The root mean square of stds; NaN if targets are classes."""
        return float(np.sqrt(np.mean(np.square(self.stds)))) if self.stds.size else np.nan

    @property
    def mean(self) -> float:
        """The mean of targets that are numbers; the root mean square of the means of columns."""
        means = self.means if self.means.size else self.answer
        if means is None or self.classes or self.yes_or_no:
            return np.nan
        several = float(np.sqrt(np.mean(np.square(means))))
        return several if means.size > 1 else float(means.sum())

    @property
    def unscaled(self) -> bool:
        """Whether targets are numbers much larger than the outputs of an untrained network.

        >>> Baseline(1.0, np.array([0.2]), 0, np.array([1.0])).unscaled
        False
        >>> Baseline(1e10, np.array([2e5]), 0, np.array([1e5])).unscaled
        True
        """
        far = (
            10 * max(self.std, 0.1) if self.std > 0 else 10
        )  # if all are equal, the bias learns them
        return bool(self.std > 10 or (self.std >= 0 and abs(self.mean) > far))

    @property
    def scaling(self) -> str:
        """The code that standardizes y; it is longer if a column has a standard deviation of 0.

        >>> Baseline(1.0, np.zeros(2), 0, np.array([1.0, 0.0])).scaling
        'std = y.std(axis=0); y = (y - y.mean(axis=0)) / np.where(std, std, 1)'
        """
        if self.stds.all():
            return "(y - y.mean(axis=0)) / y.std(axis=0)"
        return "std = y.std(axis=0); y = (y - y.mean(axis=0)) / np.where(std, std, 1)"

    @property
    def narrow(self) -> bool:
        """Whether targets are numbers that vary less than the outputs of an untrained network.

        For more than ten columns only `tiny` counts: such targets are mostly images, which vary
        little.
        """
        return bool(0 < self.std < 0.25 and self.stds.size <= 10) or self.tiny

    @property
    def tiny(self) -> bool:
        """Whether targets are numbers far smaller than the outputs of an untrained network."""
        return bool(np.hypot(self.std, self.mean) < 0.05)


def constant_baseline(
    model: Sequential, loss: Loss, y: Array, weights: Array | None = None
) -> Baseline:
    """Return the baseline for targets y (N, ...) that fit the model and the loss.

    weights: the weights of the samples (N,), or None.

    >>> from tinynn import Dense, MeanSquaredError
    >>> model = Sequential([Dense(1)], input_shape=(3,))
    >>> constant_baseline(model, MeanSquaredError(), np.array([[1.0], [3.0]])).loss  # the variance
    1.0
    """
    shape = model.output_shapes[-1]
    if not loss.classifies and (y.shape[1:] != shape or y.dtype.kind not in "biuf"):
        return Baseline()  # not known: a loss of the user's own with targets of another kind
    width = int(np.prod(shape, dtype=float))
    weight, weighted_share = 1.0 if weights is None else float(weights.mean(dtype=float)), 1.0
    if not weight:
        return Baseline()
    if weights is not None and not weights.all():  # samples of weight 0 do not count in the loss
        weighted_share = np.count_nonzero(weights) / len(weights)
        y, weights = y[weights > 0], weights[weights > 0]
    step = -(-len(y) * width // MOST)
    few = y[::step]
    few_weights = None if weights is None else weights[::step].astype(float)

    def mean_cost(answer: Array, each: bool = False) -> float:
        return weighted_share * cost(loss, answer, few, few_weights, each)

    if not loss.classifies and loss.boundary is None:
        shifted = few - few[0].astype(float)  # precise if all lie far from 0; 0 if all are equal
        mean = _mean(shifted, few_weights)
        stds = np.sqrt(_mean(np.square(shifted - mean), few_weights))
        answer = loss.best_constant(few, few_weights)
        return Baseline(mean_cost(answer), answer, 0, stds, 0.0, weight, loss.guess, few[0] + mean)
    if loss.boundary is not None:
        shares = loss.best_constant(few, few_weights)  # (K,)
        weight *= loss.mean_weight(_mean(few, few_weights)) if isinstance(loss, YesShares) else 1.0
    else:
        mean = _class_shares(y, weights, shape[-1]) if y.ndim == 1 else _mean(few, few_weights)
        shares = loss.best_constant(mean[None])  # (C,); the loss is linear in y
        weight *= loss.mean_weight(mean) if isinstance(loss, ClassShares) else 1.0
    answer = _predicted(shares, model, loss)
    constant, floor = mean_cost(answer), 0.0
    smoothed = isinstance(loss, ClassShares) and loss.label_smoothing > 0
    if y.ndim > 1 or smoothed:
        rows = one_hot(few, shape[-1]) if y.ndim == 1 and loss.classifies else few
        perfect = loss.best_constant(rows[None].astype(float))  # for each sample alone
        least = mean_cost(_predicted(perfect, model, loss), each=True)
        floor = least if least < np.inf else 0.0
    if constant - floor < 1e-6 * constant:  # all rows are equal: there is nothing to beat
        constant = np.inf
    classes = shape[-1] if loss.classifies else 0
    yes_or_no = not loss.classifies
    return Baseline(
        constant, answer, classes, floor=floor, weight=weight, guess=loss.guess, yes_or_no=yes_or_no
    )


def _class_shares(y: Array, weights: Array | None, classes: int) -> Array:
    """Return the share of each class (C,) in the labels y (N,)."""
    counts = np.bincount(y, weights, classes)
    shares: Array = counts / (len(y) if weights is None else counts.sum())
    return shares


def _predicted(shares: Array, model: Sequential, loss: Loss) -> Array:
    """Return shares of classes, or of yes, as the model would predict them: also as logits."""
    if loss.boundary is not None:
        inside = np.clip(shares, 1e-30, 1 - 1e-16)
        return np.log(inside / (1 - inside)) if loss.takes == "logits" else shares
    probabilities = "probabilities" in (loss.takes, model.layers[-1].gives)
    return shares if probabilities else np.log(np.maximum(shares, 1e-30))


def _mean(rows: Array, weights: Array | None) -> Array:
    """Return the mean of rows, weighted if there are weights."""
    mean: Array = (
        rows.mean(axis=0, dtype=float)
        if weights is None
        else np.average(rows, axis=0, weights=weights)
    )
    return mean


def cost(
    loss: Loss, answer: Array, y: Array, weights: Array | None = None, each: bool = False
) -> float:
    """Return the loss of one prediction for all of y; infinity if it is not a positive number.

    weights: the weights of the samples, or None. each: `answer` has one prediction for each sample.
    """
    loss = copy.deepcopy(loss)  # a loss of the user's own may keep state
    rows = max(
        100_000 // max(answer[0].size if each else answer.size, 1), 1
    )  # in pieces: the predictions are many numbers
    total, y_and_weights = 0.0, (y,) if weights is None else (y, weights)
    with np.errstate(all="ignore"):
        for start in range(0, len(y), rows):
            some = [array[start : start + rows] for array in y_and_weights]
            count = len(some[0])
            p = answer[start : start + rows] if each else np.repeat(answer[None], count, axis=0)
            try:
                total += loss.forward(p, *some) * count
            except Exception:  # a loss of the user's own may refuse such a prediction
                return np.inf
    mean = float(total) / len(y)
    return mean if 0 < mean < np.inf else np.inf
