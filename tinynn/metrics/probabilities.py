"""Metrics of predicted probabilities: is the right class among the first, how sure is the model?

p come first, then y. p: rows (N, C), or for two classes the numbers (N,) or (N, 1) of class 1, as
a single unit with Sigmoid gives them. y: classes (N,), or one-hot rows (N, C); for numbers of class
1 also (N, 1), each 0 or 1. N samples, C classes.
"""

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.losses import CrossEntropy
from tinynn.metrics.classes import classes_of
from tinynn.parameters import Array


@checks.short_traceback
def top_k_accuracy(p: npt.ArrayLike, y: npt.ArrayLike, k: int = 5) -> float:
    """Return the share of samples, 0 to 1, whose right class is among the k most probable ones.

    p: rows (N, C) of probabilities or logits. y: classes (N,) or rows (N, C). k: 1 to C, default 5;
    for k = 1 this is `accuracy`, for k = C it is 1. Of equal numbers the first counts as more
    probable, as in `accuracy`. Raises InputError as `accuracy` does, and if k is out of range.
    (Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, 2015, section 4.1: 1
    minus the top-5 error.)

    >>> top_k_accuracy([[0.5, 0.3, 0.2], [0.6, 0.3, 0.1]], [1, 2], k=2)
    0.5
    """
    p, y = checks.class_rows(p, y, "top_k_accuracy")
    k = checks.check_integer("k", k, most=p.shape[1])
    y = classes_of(y)[:, None]  # (N, 1)
    of_answer = np.take_along_axis(p, y, axis=1)  # (N, 1)
    before = (p > of_answer) | ((p == of_answer) & (np.arange(p.shape[1]) < y))  # (N, C)
    return int(np.count_nonzero(before.sum(axis=1) < k)) / len(p)


@checks.short_traceback
def roc_auc(p: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Return the area under the ROC curve: 1 is perfect, 0.5 is chance.

    It is the share of pairs, one sample of class 1 and one of class 0, of which the first has the
    larger p; equal p count as half a pair. With ranks r of p, equal numbers having their mean rank,
    and n1, n0 samples of class 1 and 0 (Fawcett, An introduction to ROC analysis, 2006, section 7;
    Mann and Whitney, 1947):

        area = (sum of r over class 1 - n1 (n1 + 1) / 2) / (n1 n0)

    p: (N,) or (N, 1), any numbers that are larger for class 1, such as probabilities or logits; or
    rows (N, C) of probabilities: of 2 classes the column of class 1 counts; of more, each class is
    compared with all others, and the result is the mean of these C areas (macro, one-vs-rest).
    Raises InputError if a class has no sample, or all: then there are no pairs.

    >>> roc_auc([0.1, 0.4, 0.4, 0.8], [0, 0, 1, 1])
    0.875
    """
    if checks.of_class_1(p):
        p, y = checks.binary(p, y, "roc_auc")
        return _area(p, y == 1, "class 1")
    p, y = checks.class_probabilities(p, y, "roc_auc")
    y, classes = classes_of(y), [1] if p.shape[1] == 2 else range(p.shape[1])
    return sum(_area(p[:, c], y == c, f"class {c}") for c in classes) / len(classes)


def _area(scores: Array, positive: Array, name: str) -> float:
    """Return the area for scores (N,), where positive (N,) says which samples are of the class."""
    n_positive = int(np.count_nonzero(positive))
    n_negative = len(scores) - n_positive
    checks.both_classes(n_positive, n_negative, name, "roc_auc")
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # of each different score, from 1 to N
    larger = ranks[place][positive].sum() - n_positive * (n_positive + 1) / 2  # exact: halves
    return float(larger / (n_positive * n_negative))


@checks.short_traceback
def log_loss(p: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Return the mean of -log p of the right class: the number that CrossEntropy().forward gives.

    p: probabilities, rows (N, C), or (N,) or (N, 1) of class 1. y: classes or rows (N, C).
    Probabilities below 1e-30 count as 1e-30, so that no sample costs more than 69.08. Raises
    InputError if p are no probabilities, or if y does not fit p. (Good, Rational Decisions, 1952;
    Goodfellow, Bengio and Courville, Deep Learning, 2016, equation 5.59.)

    >>> log_loss([[0.5, 0.5], [0.75, 0.25]], [0, 1])  # (ln 2 + ln 4) / 2
    1.0397207708399179
    """
    if checks.of_class_1(p):
        p, y = checks.binary_probabilities(p, y, "log_loss")
        p = np.column_stack([1 - p, p])  # (N, 2)
    p, y = checks.class_probabilities(p, y, "log_loss")
    return CrossEntropy().forward(p, y)
