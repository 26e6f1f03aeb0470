"""Metrics of predicted numbers. p come first, then y, both of one shape: (N,), (N, 1), (N, C)."""

import numpy as np
import numpy.typing as npt

from tinynn import checks


@checks.short_traceback
def mean_absolute_error(p: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Return the mean of |p - y| over all numbers, in the unit of y.

    p, y: the same shape (N, ...). Raises InputError if shapes differ, or if a number is NaN or
    infinite. (Willmott and Matsuura, Advantages of the mean absolute error, 2005, equation 2.)

    >>> mean_absolute_error([1.0, 2.0, 3.0], [1.0, 4.0, 2.0])
    1.0
    """
    p, y = checks.numbers_of_one_shape(p, y, "mean_absolute_error")
    return float((np.abs(p - y) / p.size).sum())  # divided first: a sum could overflow


@checks.short_traceback
def r2_score(p: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Return R^2, the share of the variance of y that p explains: 1 is perfect, 0 as the mean of y.

        R^2 = 1 - sum_n (y_n - p_n)^2 / sum_n (y_n - mean of y)^2

    p, y: (N,), or (N, ...): then the result is the mean of the R^2 of each output. It is below 0 if
    p is worse than the mean of y. (Draper and Smith, Applied Regression Analysis, 1998, section
    1.3.) Raises InputError if shapes differ, if a number is NaN or infinite, and if y is constant:
    0 / 0 is not defined. (scikit-learn's r2_score returns 1 or 0 there, by convention.)

    >>> r2_score([1.0, 2.0, 3.0], [0.0, 2.0, 4.0])  # 1 - 2 / 8
    0.75
    """
    p, y = checks.numbers_of_one_shape(p, y, "r2_score")
    p, y = p.reshape(len(p), -1), y.reshape(len(y), -1)  # (N, C)
    checks.not_constant(y, "r2_score")
    around_mean = y - (y / len(y)).sum(axis=0)  # divided first, as above
    unit = np.abs(around_mean).max(axis=0)  # (C,): with it no square becomes 0, none overflows
    explained = np.square(around_mean / unit).sum(axis=0)
    with np.errstate(over="ignore"):  # if p is far off, R^2 is -inf
        return float((1 - np.square((y - p) / unit).sum(axis=0) / explained).mean())
