"""Losses of numbers that give single large errors less weight than MeanSquaredError does.

    error e = p - y      MeanSquaredError e^2      MeanAbsoluteError |e|      Huber e^2 / 2 near 0,
                                                                              straight outside

Dimensions: B samples, C numbers each, in any shape (B, ...).
"""

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.losses.basic import Loss
from tinynn.losses.weights import Weights, weighted
from tinynn.parameters import Array, Shape


class MeanAbsoluteError(Loss):
    """L = mean of |p - y| over all B x C numbers; dp = sign(p - y) / (B C), and 0 where p = y.

    p, y, dp: (B, C), or any other shape. The best constant prediction is the median, so a few wrong
    targets change little. Raises InputError if p and y have different shapes. (Hastie, Tibshirani
    and Friedman, The Elements of Statistical Learning, 2nd edition, 2009, section 10.6.)

    >>> p, y = np.array([[3.0], [1.0]]), np.array([[1.0], [1.0]])
    >>> MeanAbsoluteError().forward(p, y)
    1.0
    >>> MeanAbsoluteError().backward(p, y)
    array([[0.5],
           [0. ]])
    """

    guess = "the median of y"
    equations = "L = mean of |p - y|", "dp = sign(p - y) / (B C)"

    def forward(self, p: npt.ArrayLike, y: npt.ArrayLike, weights: Weights = None) -> float:
        error = np.subtract(*checks.targets(p, y, type(self).__name__), dtype=np.float64)
        # divided first: the sum could overflow where the mean does not
        return float(weighted(np.abs(error) / error.size, weights).sum())

    def backward(self, p: npt.ArrayLike, y: npt.ArrayLike, weights: Weights = None) -> Array:
        p, y = checks.targets(p, y, type(self).__name__)
        return weighted(np.sign(p - y) / p.size, weights)  # (B, C)

    def best_constant(self, y: Array, weights: Array | None = None) -> Array:
        """Return the median of each column of y (N, ...)."""
        if weights is None:
            return np.median(y, axis=0)
        columns = y.reshape(len(y), -1)  # (N, C)
        order = columns.argsort(axis=0)
        half = weights[order].cumsum(axis=0) >= weights.sum() / 2
        rows = np.take_along_axis(order, half.argmax(axis=0)[None], axis=0)  # (1, C)
        return np.take_along_axis(columns, rows, axis=0).reshape(y.shape[1:])

    def check_targets(self, y: Array, output_shape: Shape) -> None:
        checks.same_shape((len(y), *output_shape), y, type(self).__name__)


class Huber(Loss):
    """L = mean of h(p - y) over all B x C numbers; h is a parabola near 0, and straight outside.

        h(e) = e^2 / 2                    if |e| <= delta
               delta (|e| - delta / 2)    otherwise

    dp = (p - y, limited to -delta .. delta) / (B C). delta: a positive number, default 1. p, y, dp:
    (B, C), or any other shape. Near 0 it is half of MeanSquaredError. Raises InputError for another
    delta, and if p and y have different shapes. (Huber, Robust Estimation of a Location Parameter,
    1964, section 4; PyTorch's HuberLoss is the same.)

    >>> p, y = np.array([[3.0], [1.5]]), np.array([[1.0], [1.0]])
    >>> Huber().forward(p, y)  # (1.5 + 0.125) / 2
    0.8125
    >>> Huber().backward(p, y)
    array([[0.5 ],
           [0.25]])
    """

    guess = "the best constant"
    equations = "L = mean of h(p - y)", "dp = clip(p - y) / (B C)"

    def __init__(self, delta: float = 1.0) -> None:
        self.delta = checks.check_positive("delta", delta)

    def forward(self, p: npt.ArrayLike, y: npt.ArrayLike, weights: Weights = None) -> float:
        error = np.abs(np.subtract(*checks.targets(p, y, type(self).__name__), dtype=np.float64))
        near = np.minimum(error, self.delta)
        # h = near (|e| - near / 2): within delta near is |e|
        return float(weighted(near * ((error - near / 2) / error.size), weights).sum())

    def backward(self, p: npt.ArrayLike, y: npt.ArrayLike, weights: Weights = None) -> Array:
        p, y = checks.targets(p, y, type(self).__name__)
        return weighted(self._limited(p - y) / p.size, weights)  # (B, C)

    def _limited(self, error: Array) -> Array:
        delta = min(self.delta, float(np.finfo(error.dtype).max))  # float32 holds no larger one
        return np.clip(error, -delta, delta)

    def best_constant(self, y: Array, weights: Array | None = None) -> Array:
        """Return where the gradient is 0, for each column of y (N, ...), by halving an interval."""
        y = y.astype(float)
        low, high = y.min(axis=0), y.max(axis=0)
        for _ in range(60):  # 1e-18 of the interval
            middle = low + (high - low) / 2
            rises = np.average(self._limited(middle - y), axis=0, weights=weights) > 0
            low, high = np.where(rises, low, middle), np.where(rises, middle, high)
        return np.asarray(high)

    def check_targets(self, y: Array, output_shape: Shape) -> None:
        checks.same_shape((len(y), *output_shape), y, type(self).__name__)
