"""Binary losses: each number of p answers a question of its own, yes or no.

For two classes K is 1. For several labels, of which a sample may have any number (multi-label), K
is the number of labels. The loss is a mean over all B x K numbers, as in Keras and PyTorch. The
answers y are numbers of the same shape: 1 for yes, 0 for no, or between. Label smoothing and class
weights change what a yes and a no count: YesShares in shares.py; in the code yes and no are these
shares, y and 1 - y without the two.

    BinaryCrossEntropy: p are probabilities, of Sigmoid      SigmoidCrossEntropy: p are logits

Dimensions: B samples, K questions, in any shape (B, ...).
"""

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.logistic import sigmoid
from tinynn.losses.basic import Loss
from tinynn.losses.shares import YesShares
from tinynn.losses.weights import Weights, weighted
from tinynn.parameters import Array, Shape


class BinaryCrossEntropy(YesShares, Loss):
    """L = mean of -(y log p + (1 - y) log(1 - p)) over all B x K numbers.

    p: probabilities, each a number from 0 to 1; (B, K), or any other shape. y: numbers from 0 to 1
    in the same shape. dp = (p - y) / (p (1 - p)) / (B K), so that after Sigmoid's backward it is
    (p - y) / (B K). label_smoothing, class_weights: see YesShares in shares.py. (Goodfellow, Bengio
    and Courville, Deep Learning, 2016, section 6.2.2.2.)

    p and 1 - p count as 1e-30 or more, so the loss of one number is at most -log 1e-30 = 69.08. dp
    is not 0 there, but Sigmoid's derivative is where it returns exactly 0 or 1: in float32 p is
    rounded to 1 for logits above 17. So wrong a prediction can then no longer be corrected;
    SigmoidCrossEntropy has no such limit. Raises InputError if p or y have numbers below 0 or above
    1, or different shapes.

    >>> p, y = np.array([[0.5], [0.75]]), np.array([[1], [0]])
    >>> BinaryCrossEntropy().forward(p, y)  # (ln 2 + ln 4) / 2
    1.0397207708399179
    >>> BinaryCrossEntropy().backward(p, y)
    array([[-1.],
           [ 2.]])
    """

    takes, floor, boundary = "independent probabilities", 1e-30, 0.5

    @property
    def equations(self) -> tuple[str, ...]:  # type: ignore[override]
        v = "" if self.class_weights is None else "v "
        return (
            f"L = mean of -({v}y log p + (1 - y) log(1 - p))",
            f"dp = ((1 - y) / (1 - p) - {v}y / p) / (B K)",
        )

    def forward(self, p: npt.ArrayLike, y: npt.ArrayLike, weights: Weights = None) -> float:
        p, yes, no = self.shares(p, y)
        checks.independent_probabilities(p, type(self).__name__)
        least = float(np.log(self.floor))
        with np.errstate(divide="ignore"):  # log 0, which is replaced
            logs = yes * np.maximum(np.log(p), least) + no * np.maximum(np.log1p(-p), least)
        return float(weighted(-logs, weights).sum(dtype=np.float64) / p.size)

    def backward(self, p: npt.ArrayLike, y: npt.ArrayLike, weights: Weights = None) -> Array:
        p, yes, no = self.shares(p, y)
        checks.independent_probabilities(p, type(self).__name__)
        dp = no / np.maximum(1 - p, self.floor) - yes / np.maximum(p, self.floor)
        return weighted(dp / p.size, weights)  # (B, K)

    def check_targets(self, y: Array, output_shape: Shape) -> None:
        checks.yes_or_no((len(y), *output_shape), y, type(self).__name__)


class SigmoidCrossEntropy(YesShares, Loss):
    """Sigmoid and BinaryCrossEntropy in one, on logits: L = mean of log(1 + exp(z)) - z y.

    p: here logits (B, K), or any other shape, as the last Dense gives them; `equations` has z. y:
    numbers from 0 to 1 in the same shape. dp = (sigmoid(p) - y) / (B K). Loss and gradient are
    exact for any logits, because exp is taken of -|z| only. label_smoothing, class_weights: see
    YesShares in shares.py. (Goodfellow, Bengio and Courville, Deep Learning, 2016, section
    6.2.2.2.) Raises InputError if y has numbers below 0 or above 1, or another shape than p.

    >>> p = np.array([[0.0], [1000.0]])
    >>> SigmoidCrossEntropy().forward(p, [[1], [0]])  # (ln 2 + 1000) / 2
    500.34657359027995
    >>> SigmoidCrossEntropy().backward(p, [[1], [0]])
    array([[-0.25],
           [ 0.5 ]])
    """

    takes, boundary = "logits", 0.0

    @property
    def equations(self) -> tuple[str, ...]:  # type: ignore[override]
        if self.class_weights is None:
            return "L = mean of log(1 + e^z) - z y", "dz = (sigmoid(z) - y) / (B K)"
        return (
            "L = mean of v y log(1 + e^-z) + (1 - y) log(1 + e^z)",
            "dz = ((v y + 1 - y) sigmoid(z) - v y) / (B K)",
        )

    def forward(self, p: npt.ArrayLike, y: npt.ArrayLike, weights: Weights = None) -> float:
        p, yes, no = self.shares(p, y)
        size, wrong = np.abs(p, dtype=np.float64), np.where(p > 0, no, yes)
        # log(1 + e^z) = max(z, 0) + log(1 + e^-|z|), so the parts without log are |z| wrong
        linear = np.multiply(size / p.size, wrong, out=np.zeros(p.shape), where=wrong > 0)
        logs = self._times_total(np.log1p(np.exp(-size)), yes, no)
        return float(weighted(linear + logs / p.size, weights).sum())

    def backward(self, p: npt.ArrayLike, y: npt.ArrayLike, weights: Weights = None) -> Array:
        p, yes, no = self.shares(p, y)
        return weighted((self._times_total(sigmoid(p), yes, no) - yes) / p.size, weights)  # (B, K)

    def _times_total(self, numbers: Array, yes: Array, no: Array) -> Array:
        """Return numbers (B, K), each times yes + no: exactly 1 without class weights."""
        return numbers if self.class_weights is None else numbers * (yes + no)

    def check_targets(self, y: Array, output_shape: Shape) -> None:
        checks.yes_or_no((len(y), *output_shape), y, type(self).__name__)
