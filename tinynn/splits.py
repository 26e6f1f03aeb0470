"""Which samples to train on and which to hold out: one split, or k folds.

N samples. Where the answers are classes, each part gets its share of each class.
"""

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.batches import stratified_split
from tinynn.parameters import Array, Generator


@checks.short_traceback
def train_validation_split(
    x: npt.ArrayLike, y: npt.ArrayLike, size: float, rng: Generator
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Hold samples out of training; return (x, y), (x_val, y_val), copies in ascending order.

    x, y: (N, ...). size: how many samples to hold out, 1 to N - 1, or a float below 1: that share
    of N, rounded. rng: decides which. If y are classes, each class gives its share, to less than
    one sample (`stratified_split`): whole numbers or texts (N,), or rows of 0 and 1, such as
    one-hot rows. Numbers y are split without regard to y. Raises InputError if lengths differ, if
    size is out of range, or if rng is no Generator. Scale after the split: see `standardise`.

    >>> x, y = np.arange(10), np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
    >>> (x, y), (x_val, y_val) = train_validation_split(x, y, 0.5, np.random.default_rng(0))
    >>> y, y_val
    (array([0, 0, 1, 1, 1]), array([0, 0, 1, 1, 1]))
    """
    x, y = checks.paired(x, y)
    labels = _labels(y, checks.generator(rng))
    held_out = checks.share_or_number("size", size, len(x))
    rest, drawn = stratified_split(labels, held_out, rng)
    return (x[rest], y[rest]), (x[drawn], y[drawn])


@checks.short_traceback
def k_fold(y: npt.ArrayLike, k: int, rng: Generator) -> list[tuple[Array, Array]]:
    """Cut N samples into k folds; return k pairs of indices: to train on, and to validate on.

    Each sample is in the validation part of one pair, and in the training part of all others; the
    sizes of the folds differ by 1 at most. y: the answers (N, ...); of classes, as in
    `train_validation_split`, each fold has its share, to less than one sample. If only N is known,
    give np.zeros(N). k: 2 to N; each class should have k samples or more. rng: decides which.
    Indices are in ascending order. Raises InputError if N is below 2, if k is out of range, or if
    rng is no Generator. (Stone, Cross-Validatory Choice and Assessment of Statistical Predictions,
    1974.)

    >>> y = np.array([0, 0, 0, 1, 1, 1])
    >>> for train, validation in k_fold(y, k=3, rng=np.random.default_rng(0)):
    ...     print(y[train], y[validation])
    [0 0 1 1] [0 1]
    [0 0 1 1] [0 1]
    [0 0 1 1] [0 1]
    """
    labels = _labels(checks.answers(y, "k_fold"), checks.generator(rng))
    k = checks.check_integer("k", k, least=2, most=len(labels))
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]  # class by class, each shuffled
    fold = np.empty(len(labels), int)  # (N,)
    fold[order] = np.arange(len(labels)) % k  # 0, 1, ..., k - 1, 0, 1, ... in that order
    return [(np.flatnonzero(fold != i), np.flatnonzero(fold == i)) for i in range(k)]


def _labels(y: Array, rng: Generator) -> Array:
    """Return y (N, ...) as classes (N,), numbered in a random order; if no classes, all the same.

    In a random order, because where shares are not whole, the first classes give one sample more.
    """
    rows = y.reshape(len(y), -1)
    checks.no_missing_answers(rows)
    if y.ndim > 2 or not (
        (y.ndim == 1 and y.dtype.kind in "biuOSU")
        or (y.dtype.kind in "biuf" and ((rows == 0) | (rows == 1)).all())
    ):
        return np.zeros(len(y), int)
    if y.ndim == 1:
        y = checks.vector(y, "The answers y must be classes")
    _, number = np.unique(y, axis=None if y.ndim == 1 else 0, return_inverse=True)
    number = number.reshape(len(y))
    return rng.permutation(number.max(initial=-1) + 1)[number]
