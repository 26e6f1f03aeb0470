"""Weights of samples: each sample's loss, and its gradient, times its weight."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.parameters import Array

Weights: TypeAlias = npt.ArrayLike | None  # of samples (B,)


def weighted(numbers: Array, weights: Weights) -> Array:
    """Return numbers (B, ...), each sample's times its weight; 0 where the weight is 0.

    >>> weighted(np.array([[1.0, 2.0], [np.inf, 1.0]]), [3, 0])
    array([[3., 6.],
           [0., 0.]])
    """
    if weights is None:
        return numbers
    of_sample = checks.weights(weights, len(numbers), numbers.dtype)
    out = np.zeros_like(numbers.T)  # (..., B), which of_sample (B,) fits
    np.multiply(numbers.T, of_sample, out=out, where=of_sample > 0)  # 0 * inf is NaN
    return out.T
