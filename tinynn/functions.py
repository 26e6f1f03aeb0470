"""Mathematical functions of arrays. They keep no state: equal arrays give equal results.

Dimensions: B samples in a batch, C classes, N samples in a data set.
"""

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.parameters import Array


def scale_pixels(images: npt.ArrayLike) -> Array:
    """Divide bytes (0 to 255) by 255: float32 from 0 to 1, a scale that suits the initial weights.

    images: uint8, any shape. Returns float32 of the same shape. Raises InputError for another
    dtype, because such images may be scaled already.

    >>> scale_pixels(np.array([0, 51, 255], np.uint8))
    array([0. , 0.2, 1. ], dtype=float32)
    """
    return np.divide(checks.pixels(images), 255, dtype=np.float32)


def one_hot(labels: npt.ArrayLike, classes: int) -> Array:
    """Turn class 3 of 5 into the row [0, 0, 0, 1, 0]: the target in the shape of a prediction.

    labels: integers (N,), each from 0 to classes - 1. Returns float32 (N, classes). Raises
    InputError if labels are not integers, have another shape, or are out of range, and if classes
    is less than 1.

    >>> one_hot([2, 0], 3)
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    labels = checks.labels(labels, classes, "one_hot")
    rows = np.zeros((len(labels), classes), np.float32)  # (N, C)
    rows[np.arange(len(labels)), labels] = 1
    return rows


def softmax(z: npt.ArrayLike) -> Array:
    """Turn each row of logits into probabilities: p_j = exp(z_j) / sum_k exp(z_k).

    z: logits (..., C), real numbers. Returns the same shape, and the same dtype if z holds floats;
    the last axis sums to 1. Subtracting a constant from a row does not change the quotient, so the
    row's maximum is subtracted first: then exp cannot overflow. (Goodfellow, Bengio and Courville,
    Deep Learning, 2016, section 4.1.) A logit of -inf (a masked class) gives exactly 0. A row with
    +inf or NaN, or with -inf only, has no softmax: its results are NaN. Raises InputError if z does
    not hold real numbers, or if its rows are empty.

    >>> softmax(np.array([[0.0, 0.0], [1000.0, 0.0]]))
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    e = np.exp(_shifted(checks.logits(z, "softmax")))  # (..., C), the largest is 1
    e /= e.sum(axis=-1, keepdims=True)
    return e


def log_softmax(z: npt.ArrayLike) -> Array:
    """Return the logarithm of `softmax(z)`, exact also where the probability itself would be 0.

    z: (..., C). Returns the same shape and dtype: log p_j = (z_j - m) - log sum_k exp(z_k - m),
    with m the row's maximum (the log-sum-exp trick; the same source). It is -inf for a logit of
    -inf, and for a logit that lies below the maximum by more than the largest number of its dtype.
    Raises InputError as `softmax` does.

    >>> log_softmax(np.array([[1000.0, 0.0]]))
    array([[    0., -1000.]])
    """
    shifted = _shifted(checks.logits(z, "log_softmax"))
    shifted -= np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return shifted


@np.errstate(over="ignore")  # a gap of 6e38 is infinite in float32, and its exp is 0
def _shifted(z: Array) -> Array:
    """Return each row of logits minus its maximum, as floats: (..., C), at most 0."""
    floats = z.astype(np.result_type(z, np.float32), copy=False)  # integers become floats
    return floats - floats.max(axis=-1, keepdims=True)
