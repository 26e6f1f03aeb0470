"""What each class counts in a cross-entropy: its share, with label smoothing and class weights.

    y  ->  (1 - s) y + s / C  ->  times the weight of each class  ->  q, the shares of the loss

With s = 0 and without weights q is y itself. Losses of yes or no take the same two arguments, and
have C = 2 for each of their questions: YesShares. Dimensions: B samples, C classes, K questions.
"""

import copy
import re
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.parameters import Array

Self = TypeVar("Self", bound="ClassShares")


class ClassShares:
    """Two arguments of a cross-entropy, L = mean over the batch of -sum_c q_c log p_c.

    q = v ((1 - s) y + s / C), with s = label_smoothing and v = class_weights.

    label_smoothing: 0 or more and below 1, default 0. The network is then not driven to ever larger
    logits. (Szegedy et al., Rethinking the Inception Architecture for Computer Vision, 2016,
    section 7.) Only training uses it: evaluation and validation are scored with s = 0, so that
    losses compare. In SoftmaxCrossEntropy a class that a logit of -inf masks gets no part of s: C
    counts only the others. (CrossEntropy gets probabilities, so there that class adds 69 s / C.)
    class_weights: a number of 0 or more for each class, not all 0; default None, all 1. Evaluation
    uses them, too.

    The gradient carries both. The loss is divided by B. (PyTorch's is divided by the sum of the
    weights of the answers instead: multiply class_weights by B and divide by that sum.)

    >>> from tinynn import SoftmaxCrossEntropy
    >>> SoftmaxCrossEntropy(label_smoothing=0.5).backward([[0.0, 0.0]], [0])
    array([[-0.25,  0.25]])
    >>> SoftmaxCrossEntropy(class_weights=[3, 1]).backward([[0.0, 0.0]], [0])
    array([[-1.5,  1.5]])
    """

    takes: str
    _weighs: str = "class"  # what has a weight of its own
    label_smoothing: float = 0.0
    class_weights: Sequence[float] | Array | None = None

    @checks.short_traceback
    def __init__(
        self,
        label_smoothing: float = 0.0,
        class_weights: Sequence[float] | Array | None = None,
    ) -> None:
        if class_weights is not None:
            checks.class_weights(class_weights, type(self).__name__, of=self._weighs)
        self.label_smoothing = checks.check_unit_interval("label_smoothing", label_smoothing)
        self.class_weights = checks.own_numbers(class_weights)

    @property
    def changes_shares(self) -> bool:
        """Whether q differs from y."""
        return bool(self.label_smoothing) or self.class_weights is not None

    @checks.short_traceback
    def shares(self, p: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Array, Any, Any]:
        """Return p (B, C), the index of the entries that have a share, and their shares q.

        For classes y (B,) that is one entry of each sample, unless labels are smoothed.
        """
        p, at, share = checks.class_shares(p, y, type(self).__name__)
        if self.label_smoothing:
            rows = np.zeros(p.shape, share.dtype)  # (B, C)
            rows[at] = share * (1 - self.label_smoothing)
            rows += self._spread(p)
            at, share = ..., rows
        if self.class_weights is not None:
            of_class = self._weights(p.shape[1]).astype(share.dtype)  # (C,)
            share = share * (of_class if at is ... else of_class[at[1]])
        return p, at, share

    def times_total(self, rows: Array, share: Any) -> Array:
        """Return rows (B, C), each times the sum of its shares: 1 without class weights."""
        if self.class_weights is None:
            return rows
        return rows * (share[:, None] if share.ndim == 1 else share.sum(axis=1, keepdims=True))

    def _spread(self, p: Array) -> Array | float:
        """Return what smoothing gives to each class: s / C, and 0 to a class that is masked."""
        if self.takes != "logits":
            return self.label_smoothing / p.shape[1]
        possible = p > -np.inf  # (B, C)
        count = np.maximum(possible.sum(axis=1, keepdims=True), 1)
        return possible * (self.label_smoothing / count)

    def _weights(self, classes: int) -> Array:
        """Return the weights of classes (C,), 1 if there are none."""
        if self.class_weights is None:
            return np.ones(classes)
        return checks.class_weights(self.class_weights, type(self).__name__, classes, self._weighs)

    def for_evaluation(self: Self) -> Self:
        """Return the loss that scores evaluation and validation: this one without smoothing."""
        if not self.label_smoothing:
            return self
        plain = copy.copy(self)
        plain.label_smoothing = 0.0
        return plain

    def best_constant(self, y: Array, weights: Array | None = None) -> Array:
        """Return the probabilities that cost least if all rows y (N, C) get them.

        They are the mean of the shares q, divided by its sum.
        """
        mean: Array = np.average(y, axis=0, weights=weights)  # (C,)
        if not self.changes_shares:
            return mean
        share, total = self._mean_shares(mean)
        return np.divide(share, total, out=mean.copy(), where=total > 0)

    def mean_weight(self, mean: Array) -> float:
        """Return the mean weight of a sample, for the mean of the rows y, (C,)."""
        return float(self._mean_shares(mean)[1].sum())

    def _mean_shares(self, mean: Array) -> tuple[Array, Array]:
        smoothed = mean * (1 - self.label_smoothing) + self.label_smoothing / mean.shape[-1]
        share = smoothed * self._weights(mean.shape[-1])
        return share, share.sum(axis=-1, keepdims=True)

    def in_shares(self, equation: str, y: Array) -> str:
        """Return an equation for rows y in the shares q, as explain_step prints it.

        >>> from tinynn import CrossEntropy, SoftmaxCrossEntropy
        >>> CrossEntropy(0.1).in_shares("dp = -y / p / B", np.array([[0, 1]]))
        'dp = -q / p / B,  q = 0.9 y + 0.1 / C'
        >>> loss = SoftmaxCrossEntropy(class_weights=[1, 5])
        >>> loss.in_shares("dz = (softmax(z) - y) / B", np.array([0, 1]))
        'dz = (softmax(z) sum q - q) / B,  q = v onehot(y), v = class_weights'
        """
        text = re.sub(r"\by\b", "q", equation)
        if text == equation:  # of a subclass, about something else
            return text
        answer, s = "onehot(y)" if y.ndim == 1 else "y", self.label_smoothing
        q = f"{1 - s:g} {answer} + {s:g} / C" if s else answer
        if self.class_weights is not None:
            text = text.replace("softmax(z) -", "softmax(z) sum q -")
            q = f"v {f'({q})' if s else q}, v = class_weights"
        return f"{text},  q = {q}"


class YesShares(ClassShares):
    """The same two arguments of a loss of yes or no: L = mean of -(a log p + b log(1 - p)).

    a = v q, b = 1 - q, with q = (1 - s) y + s / 2, s = label_smoothing and v = class_weights.

    label_smoothing: 0 or more and below 1, default 0: with s = 0.1, 1 becomes 0.95 and 0 becomes
    0.05, as in Keras' BinaryCrossentropy. Only training uses it.
    class_weights: the weight of a yes to each question, (K,), the last axis of p: numbers of 0 or
    more, not all 0; default None, all 1. The weight of a no is always 1. This is what PyTorch calls
    pos_weight: if a label is rare, (number of no) / (number of yes) makes both count alike.
    Evaluation uses them, too. The mean is over all numbers, and not divided by the weights.

    >>> from tinynn import SigmoidCrossEntropy
    >>> SigmoidCrossEntropy(label_smoothing=0.2).backward([[0.0], [0.0]], [[1], [0]])
    array([[-0.2],
           [ 0.2]])
    >>> SigmoidCrossEntropy(class_weights=[3]).backward([[0.0], [0.0]], [[1], [0]])
    array([[-0.75],
           [ 0.25]])
    """

    _weighs = "question"

    @checks.short_traceback
    def shares(self, p: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Array, Array, Array]:
        """Return p, and the shares a of yes and b of no, in p's shape and precision."""
        loss = type(self).__name__
        p = checks.array(p, "p")
        p, y = checks.targets(p, checks.yes_or_no(p.shape, y, loss), loss)
        yes, no = self._yes_and_no(y)
        return p.astype(y.dtype, copy=False), yes, no  # whole numbers to floats

    def _yes_and_no(self, y: Array) -> tuple[Array, Array]:
        if self.label_smoothing:
            y = y * (1 - self.label_smoothing) + self.label_smoothing / 2
        if self.class_weights is None:
            return y, 1 - y
        of_question = self._weights(y.shape[-1] if y.ndim > 1 else 1)
        return y * of_question.astype(y.dtype), 1 - y

    def best_constant(self, y: Array, weights: Array | None = None) -> Array:
        """Return the probabilities that cost least if all of y (N, ...) gets them: a / (a + b)."""
        if not self.changes_shares:
            return super().best_constant(y, weights)
        yes, no = self._yes_and_no(np.average(y, axis=0, weights=weights)[None])
        total = yes + no
        return np.divide(yes, total, out=np.full(total.shape, 0.5), where=total > 0)[0]

    def mean_weight(self, mean: Array) -> float:
        """Return the mean weight of an answer, for the mean of the answers y, (K,)."""
        return float(np.mean(np.add(*self._yes_and_no(mean[None]))))

    def in_shares(self, equation: str, y: Array) -> str:
        """Return an equation for answers y in smoothed ones, q, as explain_step prints it.

        >>> from tinynn import BinaryCrossEntropy
        >>> loss = BinaryCrossEntropy(0.1, [5])
        >>> loss.in_shares(loss.equations[1], np.array([[1]]))
        'dp = ((1 - q) / (1 - p) - v q / p) / (B K),  q = 0.9 y + 0.1 / 2,  v = class_weights'
        """
        s, v = self.label_smoothing, self.class_weights
        text = re.sub(r"\by\b", "q", equation) if s else equation
        smoothed = f",  q = {1 - s:g} y + {s:g} / 2" if text != equation else ""
        return text + smoothed + (",  v = class_weights" if v is not None and " v " in text else "")
