"""How wrong is the prediction p: one number for a batch, and its slope with respect to p.

Losses hold no state: forward(p, y) is the number, backward(p, y) its gradient dp, shaped like p.
p and y are arrays, or what becomes one, such as a list of rows.
The prediction comes first, then the answer.
The loss is a mean over the batch, and the 1/B of that mean enters there, in dp, once: nothing
further down divides again. Sums are taken in float64: float32 would lose digits over many numbers.
Dimensions: B samples, C classes. Of classes, `at` are the entries of (B, C) that y is about, and
`share` is what it says there: where y is classes (B,) these are B entries, and no (B, C) is made.
"""

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.configuration import Configured
from tinynn.functions import log_softmax, softmax
from tinynn.parameters import Array


class Loss(Configured, ABC):
    """The contract: `forward(p, y) -> float`, `backward(p, y) -> dp`, and no state.

    >>> CrossEntropy()
    CrossEntropy()
    """

    classifies = False  # whether p are classes, so that accuracy means something

    @abstractmethod
    def forward(self, p: Array, y: npt.ArrayLike) -> float:
        """Return the loss, averaged over the batch."""

    @abstractmethod
    def backward(self, p: Array, y: npt.ArrayLike) -> Array:
        """Return dp, how that average changes with each number of p."""


class MeanSquaredError(Loss):
    """L = mean of (p - y)^2 over all B x C numbers; dp = 2 (p - y) / (B C).

    p and y must have the same shape; a ValueError says so. NumPy would stretch (B, 1) against (B,)
    to (B, B), and training would go on, on nonsense. (Goodfellow, Bengio and Courville, Deep
    Learning, 2016, section 5.1.4.)

    >>> p, y = np.array([[3.0], [1.0]]), np.array([[1.0], [1.0]])
    >>> MeanSquaredError().forward(p, y)
    2.0
    >>> MeanSquaredError().backward(p, y)
    array([[2.],
           [0.]])
    """

    def forward(self, p: npt.ArrayLike, y: npt.ArrayLike) -> float:
        gap = np.subtract(*checks.targets(p, y), dtype=np.float64)
        return float(np.sum(np.square(gap) / gap.size))  # the sum may be too large, the mean not

    def backward(self, p: npt.ArrayLike, y: npt.ArrayLike) -> Array:
        p, y = checks.targets(p, y)
        dp: Array = (p - y) * (2 / p.size)
        return dp  # (B, C)


class CrossEntropy(Loss):
    """L = mean over the batch of -sum_c y_c log p_c: how surprised p is by the answer y.

    p: probabilities (B, C), rows that sum to 1. y: classes (B,), or rows (B, C) that sum to 1,
    one-hot or soft. dp = -y / p / B. (Goodfellow, Bengio and Courville, Deep Learning, 2016,
    equation 5.59; Softmax's backward turns this dp into (p - y) / B.)

    Probabilities under 1e-30, Softmax's floor, count as 1e-30, so one sample's loss is 69.08 at
    most. dp keeps its slope there, or a sample so wrong would teach nothing. SoftmaxCrossEntropy
    has no such cap. Raises ValueError if rows of p are no probabilities,
    or if y does not fit p.

    >>> p = np.array([[0.5, 0.25, 0.25]])
    >>> CrossEntropy().forward(p, [0])  # ln 2
    0.6931471805599453
    >>> CrossEntropy().backward(p, [0])
    array([[-2.,  0.,  0.]])
    """

    classifies = True

    def forward(self, p: npt.ArrayLike, y: npt.ArrayLike) -> float:
        p, at, share = checks.class_shares(p, y, "CrossEntropy")
        checks.probabilities(p)
        return float(-np.sum(share * np.log(np.maximum(p[at], 1e-30)), dtype=np.float64) / len(p))

    def backward(self, p: npt.ArrayLike, y: npt.ArrayLike) -> Array:
        p, at, share = checks.class_shares(p, y, "CrossEntropy")
        checks.probabilities(p)
        dp = np.zeros(p.shape, share.dtype)  # (B, C)
        dp[at] = -share / np.maximum(p[at], 1e-30) / len(p)
        return dp


class SoftmaxCrossEntropy(Loss):
    """Softmax and CrossEntropy in one, on raw scores: L = mean of -sum_c y_c log softmax(p)_c.

    p: here no probabilities, but any real scores (B, C), straight from a Dense. y: classes (B,),
    or rows (B, C) that sum to 1. dp = (softmax(p) - y) / B: exact, as is the loss, at any gap
    between scores. A class may be masked by a score of -inf: its dp is 0, and the loss is infinite
    only if it is the answer. Raises ValueError if y does not fit p.

    >>> p = np.array([[0.0, 1000.0]])
    >>> SoftmaxCrossEntropy().forward(p, [0])
    1000.0
    >>> SoftmaxCrossEntropy().backward(p, [0])
    array([[-1.,  1.]])
    """

    classifies = True

    def forward(self, p: npt.ArrayLike, y: npt.ArrayLike) -> float:
        p, at, share = checks.class_shares(p, y, "SoftmaxCrossEntropy")
        log_p = log_softmax(p.astype(np.float64))[at]  # float32 cannot hold every gap
        log_p[share == 0] = 0  # else 0 * -inf, of a class that is masked
        return float(-np.sum(share * (log_p / len(p))))  # the sum may be too large, the mean not

    def backward(self, p: npt.ArrayLike, y: npt.ArrayLike) -> Array:
        p, at, share = checks.class_shares(p, y, "SoftmaxCrossEntropy")
        dp = softmax(p)  # (B, C)
        dp[at] -= share
        return dp / len(p)
