"""How wrong the predictions p are: one number for a batch, and its gradient.

Losses hold no state: forward(p, y) returns the number, backward(p, y) its gradient dp, which has
p's shape. The predictions p come first, then the answers y. Both are arrays, or lists of rows.

The loss is a mean over the batch. So dp has the factor 1/B, and no layer divides by B again. Sums
are taken in float64, because float32 would lose digits over many numbers. With weights (B,), one
for each sample, the loss is L = (1/B) sum_n w_n l_n, where l_n is the loss of sample n. It is
divided by B, not by the sum of the weights, so that the gradient of a minibatch is an unbiased
estimate of the gradient of all data. A sample of weight 0 does not count.

Dimensions: B samples, C classes. `at` is an index of entries of an array (B, C), and `share` is
what y says of these entries. For classes y (B,) it is one entry of each sample, with a share of 1,
so that no array (B, C) has to be made; for rows y (B, C) it is all entries, with y as their shares.
Label smoothing and class weights change the shares: shares.py.
"""

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.configuration import Configured
from tinynn.functions import log_softmax, softmax
from tinynn.losses.shares import ClassShares
from tinynn.losses.weights import Weights, weighted
from tinynn.parameters import Array, Shape


class Loss(Configured, ABC):
    """The contract: `forward(p, y) -> float`, `backward(p, y) -> dp`, and no state.

    Both get a third argument, weights (B,), only if samples have weights; a loss without that
    argument can be used as long as they have none. `check_targets` says whether y fits.
    classifies: whether the answers y are classes, so that accuracy can be measured. boundary: for
    answers that are a yes or no (1 or 0) in each number, the p above which it is a yes; accuracy is
    then the share of numbers on the right side. takes: what p must be: "logits", "probabilities"
    (rows that sum to 1), "independent probabilities" (numbers from 0 to 1), or "" for any numbers.
    floor: lower probabilities are replaced by this one, so that the loss is bounded. guess: the
    name of `best_constant`, for messages. equations: those of forward and backward, which
    explain_step prints; equations_of_classes: the same for y of classes (B,), if those differ. A
    subclass that overrides one of the two methods loses that method's equation, until it defines
    equations itself.

    >>> MeanSquaredError()
    MeanSquaredError()
    """

    classifies, takes, floor, guess = False, "", 0.0, "the mean of y"
    boundary: float | None = None
    equations = equations_of_classes = tuple[str, ...]()

    @abstractmethod
    def forward(self, p: Array, y: npt.ArrayLike) -> float:
        """Return the loss, the mean over the batch."""

    @abstractmethod
    def backward(self, p: Array, y: npt.ArrayLike) -> Array:
        """Return dp, the gradient of that mean with respect to p; it has p's shape."""

    def for_evaluation(self) -> "Loss":
        """Return the loss that scores evaluation and validation; by default the same."""
        return self

    def best_constant(self, y: Array, weights: Array | None = None) -> Array:
        """Return what costs least if it is predicted for all of y (N, ...): by default the mean.

        It has the form of y; where p are logits, it is turned into logits later.
        """
        return y[0] + np.average(y - y[0].astype(float), axis=0, weights=weights)  # exact far off 0

    def check_targets(self, y: Array, output_shape: Shape) -> None:
        """Raise an InputError if y (N, ...) does not fit predictions (N, *output_shape).

        fit, evaluate, check_gradients and explain_step call this first. By default, y must be
        classes (N,) or rows (N, C) if the loss classifies; otherwise any y is accepted, also one
        of a shape that NumPy would broadcast. Override this method for other kinds of answers.
        """
        if self.classifies:
            checks.class_targets((len(y), *output_shape), y, type(self).__name__)


class MeanSquaredError(Loss):
    """L = mean of (p - y)^2 over all B x C numbers; dp = 2 (p - y) / (B C).

    p, y, dp: (B, C), or any other shape. Raises InputError if p and y have different shapes: NumPy
    would broadcast (B, 1) and (B,) to (B, B), and a wrong loss would be trained. (Goodfellow,
    Bengio and Courville, Deep Learning, 2016, section 5.1.4.)

    >>> p, y = np.array([[3.0], [1.0]]), np.array([[1.0], [1.0]])
    >>> MeanSquaredError().forward(p, y)
    2.0
    >>> MeanSquaredError().backward(p, y)
    array([[2.],
           [0.]])
    """

    equations = "L = mean of (p - y)^2", "dp = 2 (p - y) / (B C)"

    def forward(self, p: npt.ArrayLike, y: npt.ArrayLike, weights: Weights = None) -> float:
        error = np.subtract(*checks.targets(p, y, type(self).__name__), dtype=np.float64)
        # divided first: the sum could overflow where the mean does not
        return float(weighted(np.square(error) / error.size, weights).sum())

    def backward(self, p: npt.ArrayLike, y: npt.ArrayLike, weights: Weights = None) -> Array:
        p, y = checks.targets(p, y, type(self).__name__)
        return weighted((p - y) * (2 / p.size), weights)  # (B, C)

    def check_targets(self, y: Array, output_shape: Shape) -> None:
        checks.same_shape((len(y), *output_shape), y, type(self).__name__)


class CrossEntropy(ClassShares, Loss):
    """L = mean over the batch of -sum_c y_c log p_c, the negative log-likelihood of the answers.

    p: probabilities (B, C), rows that sum to 1. y: classes (B,), or rows (B, C) that sum to 1,
    one-hot or soft. dp = -y / p / B, (B, C). (Goodfellow, Bengio and Courville, Deep Learning,
    2016, equation 5.59; Softmax's backward turns this dp into (p - y) / B.) label_smoothing,
    class_weights: they put the shares q in the place of y; ClassShares in shares.py explains both.

    Probabilities below 1e-30, Softmax's floor, count as 1e-30, so the loss of one sample is at most
    -log 1e-30 = 69.08. dp is not 0 there: otherwise nothing could be learned from so wrong a
    prediction. SoftmaxCrossEntropy has no such limit. Raises InputError if the rows of p are not
    probabilities, or if y does not fit p.

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
        p, at, share = self.shares(p, y)
        checks.probabilities(p, type(self).__name__)
        logs = weighted(share * np.log(np.maximum(p[at], self.floor)), weights)
        return float(-logs.sum(dtype=np.float64) / len(p))

    def backward(self, p: npt.ArrayLike, y: npt.ArrayLike, weights: Weights = None) -> Array:
        p, at, share = self.shares(p, y)
        checks.probabilities(p, type(self).__name__)
        dp = np.zeros(p.shape, share.dtype)  # (B, C)
        dp[at] = -share / np.maximum(p[at], self.floor) / len(p)
        return weighted(dp, weights)


class SoftmaxCrossEntropy(ClassShares, Loss):
    """Softmax and CrossEntropy in one, on logits: L = mean of -sum_c y_c log softmax(p)_c.

    p: here logits (B, C), any real numbers, as the last Dense gives them; `equations` has z. y:
    classes (B,), or rows (B, C) that sum to 1. dp = (softmax(p) - y) / B, (B, C). Loss and gradient
    are exact for any logits. A logit of -inf masks a class: dp is 0 there, and the loss is infinite
    only if that class is the answer. label_smoothing, class_weights: see ClassShares in shares.py.
    Raises InputError if y does not fit p. (Goodfellow, Bengio and Courville, Deep Learning, 2016,
    section 6.2.2.3.)

    >>> p = np.array([[0.0, 1000.0]])
    >>> SoftmaxCrossEntropy().forward(p, [0])
    1000.0
    >>> SoftmaxCrossEntropy().backward(p, [0])
    array([[-1.,  1.]])
    """

    classifies, takes = True, "logits"
    equations = "L = mean of -sum y log softmax(z)", "dz = (softmax(z) - y) / B"
    equations_of_classes = "L = mean of -log softmax(z)[y]", "dz = (softmax - onehot(y)) / B"

    def forward(self, p: npt.ArrayLike, y: npt.ArrayLike, weights: Weights = None) -> float:
        p, at, share = self.shares(p, y)
        log_p = log_softmax(p.astype(np.float64))[at]  # a difference may overflow float32
        log_p[share == 0] = 0  # else 0 * -inf, which is NaN, for a masked class
        # divided first: the sum could overflow where the mean does not
        return float(-weighted(share * (log_p / len(p)), weights).sum())

    def backward(self, p: npt.ArrayLike, y: npt.ArrayLike, weights: Weights = None) -> Array:
        p, at, share = self.shares(p, y)
        dp = self.times_total(softmax(p), share)  # (B, C)
        dp[at] -= share
        return weighted(dp / len(p), weights)
