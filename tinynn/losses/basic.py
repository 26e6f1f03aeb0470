"""How wrong is the prediction p: one number for a batch, and its gradient.

Losses hold no state: forward(p, y) is the number, backward(p, y) its gradient dp, shaped like p.
p and y are arrays, or what becomes one, such as a list of rows.
The prediction comes first, then the answer.
The loss is a mean over the batch, and the 1/B of that mean enters there, in dp, once: nothing
further down divides again. Sums are taken in float64: float32 would lose digits over many numbers.
With weights (B,), one a sample, it is L = (1/B) sum_n w_n l_n: divided by B, not by their sum, so
that the mean over all minibatches is the loss of the whole, and each gradient is on average that of
the whole. A sample of weight 0 has no part in it.
Dimensions: B samples, C classes. Of classes, `at` are the entries of (B, C) that y is about, and
`share` is what it says there: where y is classes (B,) these are B entries, and no (B, C) is made.
"""

from abc import ABC, abstractmethod
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.configuration import Configured
from tinynn.functions import log_softmax, softmax
from tinynn.parameters import Array, Shape

Weights: TypeAlias = npt.ArrayLike | None  # of samples (B,)


class Loss(Configured, ABC):
    """The contract: `forward(p, y) -> float`, `backward(p, y) -> dp`, and no state.

    Both are called with a third argument, weights (B,), only where samples have weights; a loss
    that takes none can be used without. `check_targets` says whether y fits.
    classifies: whether y are classes, so that accuracy means something. takes: what p has to be,
    "scores", "probabilities" (rows that sum to 1), or "" for any numbers. floor: probabilities
    under this are replaced by it, so that the loss is bounded. equations: of forward and backward,
    which explain_step prints; equations_of_classes: the same where y is classes (B,), if those
    differ. A subclass that writes one of the two methods anew loses its equation, until it has
    equations of its own.

    >>> CrossEntropy()
    CrossEntropy()
    """

    classifies, takes, floor = False, "", 0.0
    equations = equations_of_classes = tuple[str, ...]()

    @abstractmethod
    def forward(self, p: Array, y: npt.ArrayLike) -> float:
        """Return the loss, averaged over the batch."""

    @abstractmethod
    def backward(self, p: Array, y: npt.ArrayLike) -> Array:
        """Return dp, how that average changes with each number of p."""

    def check_targets(self, y: Array, output_shape: Shape) -> None:
        """Raise an InputError unless y (N, ...) are answers to predictions (N, *output_shape).

        fit and all others ask this before anything else. By default y must be classes (N,) or rows
        (N, C) if the loss classifies; else anything will do, also a shape that NumPy would stretch
        against p. Write it anew for other answers.
        """
        if self.classifies:
            checks.class_targets((len(y), *output_shape), y, type(self).__name__)


class MeanSquaredError(Loss):
    """L = mean of (p - y)^2 over all B x C numbers; dp = 2 (p - y) / (B C).

    p and y must have the same shape; an InputError says so. NumPy would stretch (B, 1) against (B,)
    to (B, B), and training would go on, on nonsense. (Goodfellow, Bengio and Courville, Deep
    Learning, 2016, section 5.1.4.)

    >>> p, y = np.array([[3.0], [1.0]]), np.array([[1.0], [1.0]])
    >>> MeanSquaredError().forward(p, y)
    2.0
    >>> MeanSquaredError().backward(p, y)
    array([[2.],
           [0.]])
    """

    equations = "L = mean of (p - y)^2", "dp = 2 (p - y) / (B C)"

    def forward(self, p: npt.ArrayLike, y: npt.ArrayLike, weights: Weights = None) -> float:
        gap = np.subtract(*checks.targets(p, y, type(self).__name__), dtype=np.float64)
        # divided first: the sum may be too large, the mean not
        return float(_weighted(np.square(gap) / gap.size, weights).sum())

    def backward(self, p: npt.ArrayLike, y: npt.ArrayLike, weights: Weights = None) -> Array:
        p, y = checks.targets(p, y, type(self).__name__)
        return _weighted((p - y) * (2 / p.size), weights)  # (B, C)

    def check_targets(self, y: Array, output_shape: Shape) -> None:
        checks.same_shape((len(y), *output_shape), y, type(self).__name__)


class CrossEntropy(Loss):
    """L = mean over the batch of -sum_c y_c log p_c: how surprised p is by the answer y.

    p: probabilities (B, C), rows that sum to 1. y: classes (B,), or rows (B, C) that sum to 1,
    one-hot or soft. dp = -y / p / B. (Goodfellow, Bengio and Courville, Deep Learning, 2016,
    equation 5.59; Softmax's backward turns this dp into (p - y) / B.)

    Probabilities under 1e-30, Softmax's floor, count as 1e-30, so one sample's loss is 69.08 at
    most. dp is not 0 there, or a sample so wrong would teach nothing. SoftmaxCrossEntropy
    has no such cap. Raises InputError if rows of p are no probabilities,
    or if y does not fit p.

    >>> p = np.array([[0.5, 0.25, 0.25]])
    >>> CrossEntropy().forward(p, [0])  # ln 2
    0.6931471805599453
    >>> CrossEntropy().backward(p, [0])
    array([[-2.,  0.,  0.]])
    """

    classifies, takes, floor = True, "probabilities", 1e-30
    equations = "L = mean of -sum y log p", "dp = -y / p / B"
    equations_of_classes = "L = mean of -log p[y]", "dp = -onehot(y) / p / B"

    def forward(self, p: npt.ArrayLike, y: npt.ArrayLike, weights: Weights = None) -> float:
        p, at, share = checks.class_shares(p, y, type(self).__name__)
        checks.probabilities(p, type(self).__name__)
        logs = _weighted(share * np.log(np.maximum(p[at], self.floor)), weights)
        return float(-logs.sum(dtype=np.float64) / len(p))

    def backward(self, p: npt.ArrayLike, y: npt.ArrayLike, weights: Weights = None) -> Array:
        p, at, share = checks.class_shares(p, y, type(self).__name__)
        checks.probabilities(p, type(self).__name__)
        dp = np.zeros(p.shape, share.dtype)  # (B, C)
        dp[at] = -share / np.maximum(p[at], self.floor) / len(p)
        return _weighted(dp, weights)


class SoftmaxCrossEntropy(Loss):
    """Softmax and CrossEntropy in one, on raw scores: L = mean of -sum_c y_c log softmax(p)_c.

    p: here no probabilities, but any real scores (B, C), straight from a Dense. y: classes (B,),
    or rows (B, C) that sum to 1. dp = (softmax(p) - y) / B: exact, as is the loss, at any gap
    between scores. A class may be masked by a score of -inf: its dp is 0, and the loss is infinite
    only if it is the answer. Raises InputError if y does not fit p.

    >>> p = np.array([[0.0, 1000.0]])
    >>> SoftmaxCrossEntropy().forward(p, [0])
    1000.0
    >>> SoftmaxCrossEntropy().backward(p, [0])
    array([[-1.,  1.]])
    """

    classifies, takes = True, "scores"
    equations = "L = mean -sum y log softmax(z)", "dz = (softmax(z) - y) / B"
    equations_of_classes = "L = mean of -log softmax(z)[y]", "dz = (softmax - onehot(y)) / B"

    def forward(self, p: npt.ArrayLike, y: npt.ArrayLike, weights: Weights = None) -> float:
        p, at, share = checks.class_shares(p, y, type(self).__name__)
        log_p = log_softmax(p.astype(np.float64))[at]  # float32 cannot hold every gap
        log_p[share == 0] = 0  # else 0 * -inf, of a class that is masked
        # divided first: the sum may be too large, the mean not
        return float(-_weighted(share * (log_p / len(p)), weights).sum())

    def backward(self, p: npt.ArrayLike, y: npt.ArrayLike, weights: Weights = None) -> Array:
        p, at, share = checks.class_shares(p, y, type(self).__name__)
        dp = softmax(p)  # (B, C)
        dp[at] -= share
        return _weighted(dp / len(p), weights)


def _weighted(numbers: Array, weights: Weights) -> Array:
    """Return numbers (B, ...), those of each sample times its weight; 0 for a weight of 0."""
    if weights is None:
        return numbers
    of_sample = checks.weights(weights, len(numbers), numbers.dtype)
    out: Array = np.zeros_like(numbers.T)  # (..., B), which of_sample (B,) fits
    np.multiply(numbers.T, of_sample, out=out, where=of_sample > 0)  # not 0 * inf
    return out.T
