"""Stateless mathematics on arrays: for equal arrays equal results, and nothing is remembered.

Dimensions: B samples in a batch, C classes, N samples in a data set.
"""

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.parameters import Array


def scale_pixels(images: npt.ArrayLike) -> Array:
    """Bring bytes from 0 to 255 to float32 from 0 to 1, as initializers.py expects its inputs.

    images: uint8, any shape. Returns float32 of the same shape. Raises InputError for another
    dtype, because that would divide twice what has been scaled already.

    >>> scale_pixels(np.array([0, 51, 255], np.uint8))
    array([0. , 0.2, 1. ], dtype=float32)
    """
    scaled: Array = np.divide(checks.pixels(images), 255, dtype=np.float32)
    return scaled


def one_hot(labels: npt.ArrayLike, classes: int) -> Array:
    """Turn class 3 of 5 into the row [0, 0, 0, 1, 0]: the target in the shape of a prediction.

    labels: integers (N,), each from 0 to classes - 1. Returns float32 (N, classes). Raises
    InputError for labels that are not integers, not flat, or out of range, and for no classes.

    >>> one_hot([2, 0], 3)
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    labels = checks.labels(labels, classes, "one_hot")
    rows = np.zeros((len(labels), classes), np.float32)  # (N, C)
    rows[np.arange(len(labels)), labels] = 1
    return rows


def softmax(z: npt.ArrayLike) -> Array:
    """Turn each row of scores into probabilities: p_j = exp(z_j) / sum_k exp(z_k).

    z: (..., C), real scores. Returns the same shape and, of floats, the same dtype; the last axis
    sums to 1.
    Subtracting a constant from a row changes nothing in the quotient, so the row's maximum is
    subtracted first: exp can then no longer overflow. (Goodfellow, Bengio and Courville, Deep
    Learning, 2016, section 4.1.) A score of -inf, as of a class that is masked, gives exactly 0. A
    row of -inf alone, or with +inf or NaN, has no softmax: it becomes NaN. Raises InputError for
    what are no numbers, and for rows of none.

    >>> softmax(np.array([[0.0, 0.0], [1000.0, 0.0]]))
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    e: Array = np.exp(_shifted(checks.scores(z, "softmax")))  # (..., C), the largest is 1
    e /= e.sum(axis=-1, keepdims=True)
    return e


def log_softmax(z: npt.ArrayLike) -> Array:
    """Return the logarithm of `softmax(z)`, exact also where the probability itself would be 0.

    z: (..., C). Returns the same shape and dtype: log p_j = (z_j - m) - log sum_k exp(z_k - m),
    with m the row's maximum (the log-sum-exp trick, same section). It is -inf for a score of -inf,
    and where two scores lie farther apart than the largest number of their dtype.

    >>> log_softmax(np.array([[1000.0, 0.0]]))
    array([[    0., -1000.]])
    """
    shifted = _shifted(checks.scores(z, "log_softmax"))
    shifted -= np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return shifted


@np.errstate(over="ignore")  # a gap of 6e38 is infinite in float32, and its exp is 0
def _shifted(z: Array) -> Array:
    """Return each row of scores less its maximum, as floats: (..., C), at most 0."""
    floats = z.astype(np.result_type(z, np.float32), copy=False)  # integers become floats
    shifted: Array = floats - floats.max(axis=-1, keepdims=True)
    return shifted
